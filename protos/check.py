"""Checks that the contract breaks nobody, and that what is generated from it is fresh.

    python protos/check.py [BASE]     BASE: the commit whose consumers must not break

Without one it is what had landed before this commit: where it left ``origin/main`` or ``main``;
on that branch itself the parent, and the commit that ``protos/landed`` names, which is main's as
others last had it: a clone of main does not tell which of its commits came together. Exits 1 with
what is wrong, and where there is nothing to compare with: only the first commit of all, and a base
that has no contract, have nobody to break.
"""

from __future__ import annotations

import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from document import Options
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).resolve().parent.parent
LANDED = ROOT / "protos" / "landed"
BUF = Path(sys.executable).parent / "buf"
ANYBODY = "anybody, without a token"


def generated(protos: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, protos / "generate.py", *arguments], check=True)


def git(*arguments: str) -> str:
    """Return what git says, or nothing when it refuses."""
    command = ["git", "-C", ROOT, *arguments]
    asked = subprocess.run(command, capture_output=True, check=False, text=True)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def commit(name: str) -> str:
    return git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")


def bases_of(named: str) -> list[str]:
    """Return the commits to compare with; none says that nothing came before this one."""
    if found := [commit(named)] if named else landed():
        if found[0]:
            return found
        sys.exit(f"{named} is no commit here: fetch it, or name another: make contract BASE=...")
    if git("rev-parse", "--is-shallow-repository") == "false" and commit("HEAD"):
        return []
    sys.exit("no earlier commit here: git fetch --unshallow, or name one: make contract BASE=...")


def landed() -> list[str]:
    """Return the last commits before ``HEAD`` that others may have built on."""
    main = next(filter(commit, ("origin/main", "main")), "HEAD")
    left = git("merge-base", "HEAD", main)
    if left != commit("HEAD"):
        return [left]
    parent = commit("HEAD~1")
    if not parent or not LANDED.exists():  # an export, or the first commit, has nothing before it
        return [parent] if parent else []
    mark = LANDED.read_text().strip()
    if commit(mark) and git("merge-base", mark, "HEAD") == commit(mark):
        return list(dict.fromkeys([parent, commit(mark)]))
    told = f"{mark}, which protos/landed names, is not behind this commit"
    if git("rev-parse", "--is-shallow-repository") == "false":
        sys.exit(f"{told}: mend it")
    sys.stderr.write(f"{told} here: left out; git fetch --unshallow\n")
    return [parent]


def image_of(base: str, work: Path) -> Path | None:
    """Return the descriptor set of an older contract, made by that contract's own program."""
    if not git("ls-tree", base, "protos/generate.py"):
        return None
    work.mkdir()
    archive = ["git", "-C", ROOT, "archive", base, "protos"]
    packed = subprocess.run(archive, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", work], input=packed.stdout, check=True)  # noqa: S607 - any
    generated(work / "protos", "--image")
    return work / "build" / "medport.binpb"


def breaks(base: Path) -> bool:
    rules = str(ROOT / "buf.yaml")
    command = [BUF, "breaking", ROOT / "build" / "medport.binpb", "--path", "medport"]
    command += ["--config", rules, "--against", base, "--against-config", rules]
    return subprocess.run(command, check=False).returncode != 0


def narrowed(base: Path) -> list[str]:
    """Say who may no longer do what this contract let them; buf reads no options but its own."""
    before, now = base, ROOT / "build" / "medport.binpb"
    closed = taken(grants(before), grants(now))
    silent = taken(hearers(before), hearers(now))
    return [
        *(f"who could call it cannot any more (role scope permission): {each}" for each in closed),
        *(f"who could hear it cannot any more: {each}" for each in silent),
    ]


def taken(before: dict[str, set[str]], now: dict[str, set[str]]) -> list[str]:
    """Return what of ``before`` is not there ``now``; what is gone altogether is buf's to say."""
    return sorted(
        f"{name}: {each}"
        for name in before.keys() & now.keys()
        if ANYBODY not in now[name]
        for each in before[name] - now[name]
    )


def grants(image: Path) -> dict[str, set[str]]:
    """Return who may call each method, a grant a line."""
    files, options = read(image)
    return {
        f"{file.package}.{service.name}.{method.name}": callers(
            options.of(method.options).get("access")
        )
        for file in files
        for service in file.service
        for method in service.method
    }


def hearers(image: Path) -> dict[str, set[str]]:
    """Return who can hear each event, in the words of its page."""
    files, options = read(image)
    return {
        f"{file.package}.{message.name}": {
            options.word("EventAudience", each)
            for each in options.of(message.options).get("heard_by", ())
        }
        for file in files
        for message in file.message_type
    }


def read(image: Path) -> tuple[list[FileDescriptorProto], Options]:
    """Return the contract's own files in a descriptor set, and what reads their options."""
    found = FileDescriptorSet.FromString(image.read_bytes())
    return [file for file in found.file if file.name.startswith("medport/")], Options(found)


def callers(rule: Any) -> set[str]:
    """Return whom a rule names; a method without one, which ``document.py`` refuses, has none."""
    if rule is None:
        return set()
    if rule.anonymous:
        return {ANYBODY}
    return {
        f"{role} {grant.scope} {grant.permission}" for grant in rule.grants for role in grant.roles
    }


def stale(work: Path) -> list[str]:
    """Return the generated files that differ from what the contract generates now."""
    copy = work / "protos"
    shutil.copytree(ROOT / "protos", copy, ignore=shutil.ignore_patterns("medport", "__pycache__"))
    shutil.copytree(ROOT / "protos" / "medport", copy / "medport")
    generated(copy, "medport")
    ours, fresh = ROOT / "protos" / "gen" / "medport", copy / "gen" / "medport"
    names = {
        str(path.relative_to(tree))
        for tree in (ours, fresh)
        for path in tree.rglob("*_pb2*.py*")
        if path.suffix in {".py", ".pyi"}
    }
    return differing(ours, fresh, names)


def stale_pages(work: Path) -> list[str]:
    """Return the pages of ``docs/api`` that say otherwise than the contract does now."""
    ours = ROOT / "docs" / "api"
    subprocess.run([sys.executable, ROOT / "protos" / "document.py", work], check=True)
    pages = {str(page.relative_to(tree)) for tree in (ours, work) for page in tree.rglob("*.md")}
    return differing(ours, work, pages)


def differing(ours: Path, fresh: Path, names: set[str]) -> list[str]:
    _, different, missing = filecmp.cmpfiles(ours, fresh, sorted(names), shallow=False)
    return sorted([*different, *missing])


def compared(base: str, work: Path) -> bool:
    """Say what breaks whoever built on ``base``, and whether anything does."""
    image = image_of(base, work)
    if image is None:
        sys.stdout.write(f"{base}: no contract yet, nobody to break\n")
        return False
    wrong = breaks(image)
    for told in narrowed(image):
        wrong = True
        sys.stdout.write(f"{told}\n")
    return wrong


def main(arguments: list[str]) -> int:
    bases = bases_of(arguments[0] if arguments else "")
    with tempfile.TemporaryDirectory() as scratch:
        found = [compared(base, Path(scratch) / base) for base in bases]
        wrong = any(found)
        if names := stale(Path(scratch) / "fresh"):
            wrong = True
            sys.stdout.write("protos/gen is not what the contract generates: make proto\n")
            sys.stdout.writelines(f"  {name}\n" for name in names)
        if pages := stale_pages(Path(scratch) / "api"):
            wrong = True
            sys.stdout.write("docs/api is not what the contract says: make proto\n")
            sys.stdout.writelines(f"  {name}\n" for name in pages)
    return int(wrong)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)  # it has said what is wrong
