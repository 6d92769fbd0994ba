"""Tells with which code an RPC ends, before the error guard has made a status of its error."""

from __future__ import annotations

import asyncio

import grpc

from chassis.interceptors.errors import refusal_of
from chassis.interceptors.guards import Context
from chassis.interceptors.statuses import code


def code_of(error: BaseException, silo: str, context: Context) -> str:
    """Return the name of the code that ``error`` ends an RPC of ``silo`` with."""
    if isinstance(error, grpc.aio.AbortError):  # the router passed on what a silo had refused
        return context.code().name
    if isinstance(error, grpc.aio.InternalError):  # a write that met a caller who has left
        return "CANCELLED"
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        return "CANCELLED"
    return code(refusal_of(error, silo)).name
