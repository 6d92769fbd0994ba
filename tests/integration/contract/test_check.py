"""What ``make contract`` compares with, and what it refuses, in a repository of a small contract.

Each repository is real: git, protoc and buf run as they do on the contract itself.
Run: ``python -m pytest tests/integration/contract/test_check.py``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAMS = ("check", "document", "generate", "imports")
GATE = """syntax = "proto3";

package medport.gate.v1;

import "medport/common/v1/access.proto";

// The gate.
service GateService {
  // Opens the gate.
  rpc OpenGate(OpenGateRequest) returns (OpenGateResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (medport.common.v1.access) = {anonymous: true};
  }
}

// Who knocks.
message OpenGateRequest {
  // A word.
  string word = 1;
  // Another word.
  string other = 2;
}

// Nothing.
message OpenGateResponse {}
"""
BROKEN = GATE.replace("  // Another word.\n  string other = 2;\n", "")
AUTHOR = {f"GIT_{who}_{what}": "a@b.example" for who in ("AUTHOR", "COMMITTER") for what in
          ("NAME", "EMAIL")}  # fmt: skip


WHICH = "import sys, check; print(*check.bases_of(*sys.argv[1:] or ['']))"


@dataclass
class Repository:
    """A small contract under git, and what its own check says of it."""

    root: Path

    def commit(self, gate: str = GATE) -> str:
        (self.root / "protos" / "medport" / "gate" / "v1" / "gate.proto").write_text(gate)
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message", "Change the gate")
        return self.git("rev-parse", "HEAD")

    def mark(self, landed: str) -> None:
        (self.root / "protos" / "landed").write_text(f"{landed}\n")

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.root), *arguments]
        settings = {**os.environ, **AUTHOR, "GIT_CONFIG_GLOBAL": os.devnull}
        run = subprocess.run(command, check=True, capture_output=True, text=True, env=settings)
        return run.stdout.strip()

    def clone(self, *options: str) -> Repository:
        copy = self.root.parent / "clone"
        self.git("clone", "--quiet", *options, self.root.as_uri(), str(copy))
        return Repository(copy)

    def base(self, *named: str) -> tuple[int, str]:
        """Return what the check would compare with, and the exit status of finding it."""
        return self._python("-c", WHICH, *named)

    def generate(self) -> tuple[int, str]:
        return self._python("generate.py")

    def check(self, *base: str) -> tuple[int, str]:
        return self._python("check.py", *base)

    def _python(self, *arguments: str) -> tuple[int, str]:
        """Return a program's exit status and all that it said."""
        command, there = [sys.executable, *arguments], self.root / "protos"
        run = subprocess.run(command, check=False, capture_output=True, text=True, cwd=there)
        return run.returncode, (run.stdout + run.stderr).strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    root = tmp_path / "origin"
    common = root / "protos" / "medport" / "common" / "v1"
    common.mkdir(parents=True)
    (root / "protos" / "medport" / "gate" / "v1").mkdir(parents=True)
    for program in PROGRAMS:
        shutil.copy(ROOT / "protos" / f"{program}.py", root / "protos")
    for name in ("access", "event_audience"):
        shutil.copy(ROOT / "protos" / "medport" / "common" / "v1" / f"{name}.proto", common)
    shutil.copytree(ROOT / "protos" / "gen" / "buf", root / "protos" / "gen" / "buf")
    shutil.copy(ROOT / "buf.yaml", root)
    (root / ".gitignore").write_text("build/\n__pycache__/\n")
    made = Repository(root)
    made.git("init", "--quiet", "--initial-branch", "main")
    return made


def test_a_base_that_is_no_commit_ends_the_check(repository: Repository) -> None:
    repository.commit()
    status, said = repository.check("no-such-commit")
    assert (status, said.count("\n")) == (1, 0)
    assert said.startswith("no-such-commit is no commit here: fetch it")


def test_the_first_commit_has_nobody_to_break(repository: Repository) -> None:
    repository.commit()
    assert repository.generate() == (0, "")
    assert repository.base() == (0, "")
    assert repository.check() == (0, "")


def test_what_landed_last_is_compared_with_its_parent(repository: Repository) -> None:
    first = repository.commit()
    repository.commit(BROKEN)
    assert repository.clone().base() == (0, first)
    assert repository.generate() == (0, "")
    status, said = repository.check()
    assert status == 1
    assert 'field "2" with name "other"' in said


def test_a_branch_is_compared_with_where_it_left_main(repository: Repository) -> None:
    landed = repository.commit()
    clone = repository.clone()
    clone.commit()
    clone.commit()
    assert clone.base() == (0, landed)


def test_what_landed_together_is_compared_with_what_others_had_before(
    repository: Repository,
) -> None:
    landed = repository.commit()
    repository.mark(landed)
    repository.commit(BROKEN)
    parent = repository.commit(BROKEN)
    repository.commit(BROKEN)
    assert repository.base() == (0, f"{parent} {landed}")
    assert repository.generate() == (0, "")
    status, said = repository.check()
    assert (status, said.count('field "2" with name "other"')) == (1, 1)


def test_a_mark_that_is_not_behind_this_commit_ends_the_check(repository: Repository) -> None:
    repository.commit()
    repository.mark("0" * 40)
    repository.commit()
    status, said = repository.base()
    assert (status, said.count("\n")) == (1, 0)
    assert said.startswith(f"{'0' * 40}, which protos/landed names, is not behind this commit")


def test_without_main_the_parent_must_not_break(repository: Repository) -> None:
    repository.git("branch", "--move", "trunk")
    parent = repository.commit()
    repository.commit()
    assert repository.base() == (0, parent)


def test_a_shallow_clone_says_what_to_fetch(repository: Repository) -> None:
    repository.commit()
    repository.commit()
    status, said = repository.clone("--depth", "1").base()
    assert (status, said.count("\n")) == (1, 0)
    assert "git fetch --unshallow" in said


def test_whoever_anybody_was_may_not_be_asked_for_a_token(repository: Repository) -> None:
    repository.commit()
    closed = "grants: {roles: [ROLE_EMS_CREW], scope: SCOPE_SELF}"
    repository.commit(GATE.replace("anonymous: true", closed))
    assert repository.generate() == (0, "")
    status, said = repository.check()
    assert status == 1
    assert said.endswith("medport.gate.v1.GateService.OpenGate: anybody, without a token")
    repository.commit()
    assert repository.generate() == (0, "")
    assert repository.check() == (0, "")


def test_whoever_heard_an_event_goes_on_hearing_it(repository: Repository) -> None:
    repository.commit(_heard_by("HOSPITAL", "EMS"))
    repository.commit(_heard_by("EMS", "CENTER"))
    assert repository.generate() == (0, "")
    status, said = repository.check()
    assert status == 1
    assert said.endswith("cannot any more: medport.gate.v1.OpenGateResponse: hospital silo")
    repository.commit(_heard_by("HOSPITAL", "EMS", "CENTER"))
    assert repository.generate() == (0, "")
    assert repository.check() == (0, "")


def _heard_by(*silos: str) -> str:
    """Return the gate's contract, in which its answer is an event for ``silos``."""
    imported = 'import "medport/common/v1/{}.proto";\n'
    access, audience = imported.format("access"), imported.format("event_audience")
    heard = (
        f"  option (medport.common.v1.heard_by) = EVENT_AUDIENCE_{each}_SILO;\n" for each in silos
    )
    opened = "message OpenGateResponse {"
    return GATE.replace(access, access + audience).replace(opened, f"{opened}\n{''.join(heard)}")


def test_a_method_without_an_access_rule_is_named(repository: Repository) -> None:
    unruled = GATE.replace("    option (medport.common.v1.access) = {anonymous: true};\n", "")
    repository.commit(GATE)
    repository.commit(unruled.replace('import "medport/common/v1/access.proto";\n\n', ""))
    named = "medport.gate.v1.GateService.OpenGate has no access rule: say who may call it"
    assert repository.generate() == (1, named)
    status, said = repository.check()
    assert (status, said.splitlines()[-1]) == (1, named)
    assert "Traceback" not in said
