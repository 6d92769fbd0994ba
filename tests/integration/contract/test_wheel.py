"""The wheel of stubs serves a stranger who has nothing else of ours.

It is built without a network, installed into a fresh environment that knows our dependencies and
none of our sources, type-checked there, and used against a real server.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from medport.hospital.v1.sessions_pb2 import ListVerificationKeysRequest
from medport.hospital.v1.sessions_pb2_grpc import SessionServiceStub

from tests.support.silos import Keys, running
from tests.support.waiting import until

ROOT = Path(__file__).parents[3]
CONSUMER = """
import asyncio
import sys
import grpc
from medport.hospital.v1.sessions_pb2 import ListVerificationKeysRequest, VerificationKey
from medport.hospital.v1.sessions_pb2_grpc import SessionServiceStub

def keys(address: str) -> list[VerificationKey]:
    with grpc.insecure_channel(address) as channel:
        answer = SessionServiceStub(channel).ListVerificationKeys(ListVerificationKeysRequest())
        return list(answer.verification_keys)

async def keys_without_waiting(address: str) -> list[VerificationKey]:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = SessionServiceStub(channel)
        answer = await stub.ListVerificationKeys(ListVerificationKeysRequest(), timeout=5)
        return list(answer.verification_keys)

if __name__ == "__main__":
    assert keys(sys.argv[1]) == asyncio.run(keys_without_waiting(sys.argv[1])) != []
"""
WRONG = CONSUMER.replace("list(answer.verification_keys)", "list(answer.verification_locks)")
# As another team's generator makes it: it registers its own copy, or fails.
FOREIGN = """
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, field_mask_pb2
from google.protobuf import timestamp_pb2
from google.protobuf.internal import builder
from importlib.resources import files
raw = descriptor_pb2.FileDescriptorProto.FromString(
    (files("medport") / "_validate.binpb").read_bytes())
del raw.extension[-1]  # another release of the same file
DESCRIPTOR = descriptor_pool.Default().AddSerializedFile(raw.SerializeToString())
builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, __name__, globals())
"""
BOTH = "import buf.validate.validate_pb2, medport.hospital.v1.transport_requests_pb2"
ORIGINS = """
import importlib, importlib.util, json, pkgutil
import medport
for noun in pkgutil.walk_packages(medport.__path__, "medport."):
    noun.ispkg or importlib.import_module(noun.name)
from importlib.resources import files
print(json.dumps({
    "paths": list(medport.__path__),
    "image": len((files("medport") / "medport.binpb").read_bytes()),
    "ours": [name for name in ("chassis", "router", "buf") if importlib.util.find_spec(name)],
}))
"""


@dataclass(frozen=True)
class Stranger:
    """An environment with the wheel in it, and what others publish."""

    folder: Path
    wheel: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Isolated: neither this folder nor PYTHONPATH leads to our sources.
        command = [self.python, "-I", *arguments]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=60
        )

    def complaints(self, **programs: str) -> list[str]:
        """Return each line that mypy --strict has about programs of the stranger's."""
        for name, source in programs.items():
            (self.folder / f"{name}.py").write_text(source)
        command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary"]
        command += ["--python-executable", self.python, "--config-file", ""]
        done = subprocess.run(
            [*command, *(f"{name}.py" for name in programs)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        return (done.stdout + done.stderr).splitlines()


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    folder = tmp_path_factory.mktemp("stranger")
    build = [sys.executable, "protos/wheel.py", str(folder / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (folder / "dist").iterdir()
    venv.create(folder / "venv", symlinks=True)
    made = Stranger(folder / "venv", wheel)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # Published packages come from our environment; its own .pth, which leads to us, is not read.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    command = ["uv", "pip", "install", "--offline", "--no-deps", "--python", made.python]
    subprocess.run([sys.executable, "-m", *command, str(wheel)], check=True, capture_output=True)
    return made


def test_everything_in_it_can_be_imported_and_none_of_it_is_ours_alone(stranger: Stranger) -> None:
    done = stranger.run("-c", ORIGINS)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert all(path.startswith(str(stranger.folder)) for path in found["paths"])
    assert (found["image"], found["ours"]) == (len(image()), [])


async def _has_a_key(channel: grpc.aio.Channel) -> bool:
    asked = SessionServiceStub(channel).ListVerificationKeys(ListVerificationKeysRequest())
    try:
        return len((await asked).verification_keys) > 0
    except grpc.aio.AioRpcError as refused:
        if refused.code() is grpc.StatusCode.UNAVAILABLE:  # it does not serve yet
            return False
        raise


async def test_a_call_with_it_is_answered(stranger: Stranger, hospital_database: str) -> None:
    (stranger.folder / "consumer.py").write_text(CONSUMER)
    async with running("hospital", hospital_database, Keys()) as (silo, channel):
        await until(lambda: _has_a_key(channel))  # soon after it serves
        address = f"127.0.0.1:{silo.port}"
        done = await asyncio.to_thread(stranger.run, "consumer.py", address)
    assert done.returncode == 0, done.stderr


def test_a_consumer_passes_mypy_strict_and_a_wrong_one_does_not(stranger: Stranger) -> None:
    complaints = stranger.complaints(right=CONSUMER, wrong=WRONG)

    assert len(complaints) == 2  # the sync call's, and the aio call's
    assert all(each.startswith("wrong.py") and "verification_locks" in each for each in complaints)


@pytest.mark.parametrize("first", ["buf.validate.validate_pb2", "medport.common.v1.access_pb2"])
def test_it_stands_beside_another_package_named_buf(stranger: Stranger, first: str) -> None:
    """Let somebody else bring protovalidate's options, imported before ours or after."""
    foreign = stranger.folder / "foreign" / "buf" / "validate"
    foreign.mkdir(parents=True, exist_ok=True)
    (foreign / "validate_pb2.py").write_text(FOREIGN)
    program = f"import sys; sys.path.append('foreign'); import {first}; {BOTH}"

    done = stranger.run("-c", program)

    assert done.returncode == 0, done.stderr


def test_it_has_medport_alone_and_every_kind_of_file(stranger: Stranger) -> None:
    with zipfile.ZipFile(stranger.wheel) as wheel:
        names = wheel.namelist()
        described = FileDescriptorSet.FromString(wheel.read("medport/medport.binpb"))
        metadata = wheel.read(next(each for each in names if each.endswith("/METADATA"))).decode()
        generated = wheel.read("medport/hospital/v1/sessions_pb2_grpc.py").decode()
    tops = {each.partition("/")[0] for each in names}
    assert {each for each in tops if not each.endswith(".dist-info")} == {"medport"}
    for file in (each.name for each in described.file if each.name.startswith("medport/")):
        stem = file.removesuffix(".proto")
        assert {f"{stem}_pb2.py", f"{stem}_pb2.pyi"} <= set(names)
    assert "medport/py.typed" in names
    (floor,) = (line for line in metadata.splitlines() if line.startswith("Requires-Dist: grpcio>"))
    assert f"GRPC_GENERATED_VERSION = '{floor.partition('>=')[2]}'" in generated


def image() -> bytes:
    return (ROOT / "build" / "medport.binpb").read_bytes()
