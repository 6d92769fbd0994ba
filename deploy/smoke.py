"""Asks a composed mesh how it is: python deploy/smoke.py [ROUTER]; exits 1 when it is not well."""

from __future__ import annotations

import sys

import grpc
from medport.router.v1.gateway_pb2 import GetMeshStatusRequest
from medport.router.v1.gateway_pb2_grpc import GatewayServiceStub


def main(router: str) -> int:
    with grpc.insecure_channel(router) as channel:
        status = GatewayServiceStub(channel).GetMeshStatus(GetMeshStatusRequest(), timeout=10)
    sys.stdout.write(f"{status}")
    return int(len(status.silos) != 3 or not all(silo.serving for silo in status.silos))  # noqa: PLR2004


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["127.0.0.1:50050"])))
