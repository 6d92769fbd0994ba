"""Asks a process of this machine how it is."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def state(port: int, timeout: float = 1.0) -> str:
    """Return SERVING, NOT_SERVING, or UNREACHABLE."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout)
        except grpc.RpcError:
            return "UNREACHABLE"
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def serves(port: int) -> bool:
    """Tell whether the process behind ``port`` serves."""
    return state(port) == "SERVING"
