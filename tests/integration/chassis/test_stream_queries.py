"""The log's unary methods: pages for people, and progress for operators."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import psycopg
import pytest
from medport.hospital.events.v1 import event_log_pb2 as pb

from tests.support.databases import superuser_of
from tests.support.event_logs import a_provision, lay
from tests.support.event_streams import Silo, reason, serving, until_head


@pytest.fixture
async def silo(plain_database: str) -> AsyncIterator[Silo]:
    async with serving(lay(plain_database)) as served:
        yield served


async def test_lists_page_through_the_same_events(silo: Silo) -> None:
    await silo.announce(*(a_provision() for _ in range(7)))
    await until_head(silo, 7)
    request, seen = pb.ListEventsRequest(page_size=3), list[int]()
    for _ in range(3):
        page = await silo.stub.ListEvents(request)
        seen += [event.placement.position for event in page.events]
        request.page_token = page.next_page_token
    assert seen == list(range(1, 8))
    assert request.page_token == ""


async def test_progress_is_noted_and_never_goes_back(silo: Silo) -> None:
    await silo.announce(a_provision(), a_provision())
    state = await until_head(silo, 2)
    head = pb.ReportProgressRequest(subscriber="ems", resume_token=state.head_token)
    await silo.stub.ReportProgress(head)
    await silo.stub.ReportProgress(head)
    with psycopg.connect(superuser_of(silo.dsn)) as reader:
        rows = reader.execute("SELECT name, position FROM event_subscriber").fetchall()
    assert rows == [("ems", 2)]
    back = pb.ReportProgressRequest(subscriber="ems", resume_token=state.earliest_token)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await silo.stub.ReportProgress(back)
    assert reason(refused.value) == "PROGRESS_BACKWARDS"
