"""python -m router serve: the gateway of the mesh, configured by its environment."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping

import uvloop
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

import chassis.quick_start  # noqa: F401 - first: it is about the imports
from chassis import garbage, settings, signals, telemetry, tracing
from chassis.environment import BadSettings
from chassis.settings import RouterSettings
from router.policies import DRAIN_GRACE_S, DRAIN_PAUSE_S
from router.routes import SILOS, owner, read_descriptors
from router.server import Router

CANNOT_LISTEN = 2


def configuration(environ: Mapping[str, str]) -> tuple[RouterSettings, FileDescriptorSet]:
    """Read settings and contract; raises BadSettings with every mistake."""
    read = settings.router(environ)
    mistakes = [
        f"MEDPORT_SILOS: {name!r} is not one of {', '.join(SILOS)}, or one of them is missing"
        for name in sorted(set(SILOS) ^ set(read.silos))
    ]
    others = {"MEDPORT_READ_REPLICAS": read.read_replicas, "MEDPORT_CANARIES": read.canaries}
    mistakes += [
        f"{setting}: {name!r} is not one of {', '.join(SILOS)}"
        for setting, named in others.items()
        for name in sorted(set(named) - set(SILOS))
    ]
    if read.canaries and not read.identity_key:
        mistakes.append("MEDPORT_CANARIES: their share is asked of Center, which needs an identity")
    descriptors = FileDescriptorSet()
    try:
        descriptors = read_descriptors(read.descriptors)
        if not any(owner(file.package) for file in descriptors.file):
            mistakes.append(
                f"MEDPORT_DESCRIPTORS: {read.descriptors} holds nothing of the contract"
            )
    except (OSError, DecodeError):
        mistakes.append(f"MEDPORT_DESCRIPTORS: {read.descriptors} is not a descriptor set")
    if mistakes:
        raise BadSettings(mistakes)
    return read, descriptors


async def serve(read: RouterSettings, descriptors: FileDescriptorSet) -> int:
    """Run until SIGTERM or SIGINT, then drain; a second signal ends it at once."""
    stopping = signals.stopping()
    asyncio.get_running_loop().set_exception_handler(telemetry.lost)
    try:
        router = Router(read, descriptors)
    except RuntimeError:  # grpc's text names the address, and calls it a bind error
        sys.stderr.write(f"MEDPORT_LISTEN: cannot listen on {read.listen}\n")
        return CANNOT_LISTEN
    try:
        await router.start()
    except BadSettings as taken:
        sys.stderr.writelines(f"{mistake}\n" for mistake in taken.mistakes)
        return CANNOT_LISTEN
    telemetry.log.info("serving", port=router.port, **settings.redacted(read))
    garbage.collect_from_now_on()
    await stopping.wait()
    telemetry.log.info("draining")
    await router.stop(DRAIN_PAUSE_S, DRAIN_GRACE_S)
    telemetry.log.info("stopped")
    return 0


def main(arguments: list[str]) -> int:
    if arguments != ["serve"]:
        sys.stderr.write("usage: python -m router serve\n")
        return 2
    read, descriptors = settings.or_exit(lambda: configuration(os.environ))
    telemetry.configure(read.log_level, "router")
    try:
        telemetry.expose(read.metrics)
    except OSError:
        sys.stderr.write(f"MEDPORT_METRICS_LISTEN: cannot listen on {read.metrics}\n")
        return CANNOT_LISTEN
    tracing.configure("router", read.collector)
    try:
        return uvloop.run(serve(read, descriptors))
    finally:
        tracing.finish()
        garbage.leave_the_rest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
