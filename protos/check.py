"""Checks that the contract breaks nobody, and that what is generated from it is fresh.

    python protos/check.py [BASE]     BASE: the commit whose consumers must not break

Exits 1 with what is wrong. A base without a contract, or none at all, has nobody to break.
"""

from __future__ import annotations

import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from document import Options
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).resolve().parent.parent
BUF = Path(sys.executable).parent / "buf"


def generated(protos: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, protos / "generate.py", *arguments], check=True)


def image_of(commit: str, work: Path) -> Path | None:
    """Return the descriptor set of an older contract, made by that contract's own program."""
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", commit, "protos"],  # noqa: S607 - whichever git is used
        capture_output=True,
        check=False,
    )
    if archive.returncode:
        return None
    work.mkdir()
    unpack = ["tar", "-x", "-C", work]
    subprocess.run(unpack, input=archive.stdout, check=True)
    if not (work / "protos" / "generate.py").exists():
        return None
    generated(work / "protos", "--image")
    return work / "build" / "medport.binpb"


def breaks(base: Path) -> bool:
    rules = str(ROOT / "buf.yaml")
    command = [BUF, "breaking", ROOT / "build" / "medport.binpb", "--path", "medport"]
    command += ["--config", rules, "--against", base, "--against-config", rules]
    return subprocess.run(command, check=False).returncode != 0


def narrowed(base: Path) -> list[str]:
    """Return the grants that this contract takes away; buf reads no options but its own."""
    before, now = grants(base), grants(ROOT / "build" / "medport.binpb")
    return sorted(
        f"{method}: {grant}"
        for method in before.keys() & now.keys()
        for grant in before[method] - now[method]
    )


def grants(image: Path) -> dict[str, set[str]]:
    """Return who may call each method, a grant a line."""
    read = FileDescriptorSet.FromString(image.read_bytes())
    options = Options(read)
    return {
        f"{file.package}.{service.name}.{method.name}": {
            f"{role} {grant.scope} {grant.permission}"
            for grant in options.of(method.options)["access"].grants
            for role in grant.roles
        }
        for file in read.file
        if file.name.startswith("medport/")
        for service in file.service
        for method in service.method
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


def main(arguments: list[str]) -> int:
    wrong = False
    with tempfile.TemporaryDirectory() as scratch:
        base = image_of(arguments[0], Path(scratch) / "base") if arguments else None
        if base is not None:
            wrong = breaks(base)
            for grant in narrowed(base):
                wrong = True
                sys.stdout.write(
                    f"who could call it cannot any more (role scope permission): {grant}\n"
                )
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
    sys.exit(main(sys.argv[1:]))
