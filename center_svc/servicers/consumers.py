"""ConsumerService: shows and repairs how this silo follows the others."""

from __future__ import annotations

from collections.abc import Sequence

from medport.center.v1 import consumers_pb2 as pb
from medport.center.v1 import consumers_pb2_grpc as rpc

from center_svc.repositories.consumers import keep
from chassis.clock import Clock
from chassis.consumers import Consumers
from chassis.paging import Paging
from chassis.projection import Following
from chassis.unit_of_work import Database


class ConsumerServicer(rpc.ConsumerServiceServicer):
    def __init__(
        self, database: Database, clock: Clock, paging: Paging, followed: Sequence[Following]
    ) -> None:
        self._consumers = Consumers(database, clock, paging, keep, followed)

    async def ListConsumers(
        self, request: pb.ListConsumersRequest, context: object
    ) -> pb.ListConsumersResponse:
        found, next_page_token = await self._consumers.list_page(request)
        return pb.ListConsumersResponse(consumers=found, next_page_token=next_page_token)

    async def ResumeConsumer(
        self, request: pb.ResumeConsumerRequest, context: object
    ) -> pb.ResumeConsumerResponse:
        async with self._consumers.deciding() as uow:
            consumer = await self._consumers.resume(uow, request)
            return uow.answered(pb.ResumeConsumerResponse(consumer=consumer))

    async def RebuildConsumer(
        self, request: pb.RebuildConsumerRequest, context: object
    ) -> pb.RebuildConsumerResponse:
        async with self._consumers.deciding() as uow:
            consumer = await self._consumers.rebuild(uow, request)
            return uow.answered(pb.RebuildConsumerResponse(consumer=consumer))

    async def ListDeadLetters(
        self, request: pb.ListDeadLettersRequest, context: object
    ) -> pb.ListDeadLettersResponse:
        found, next_page_token = await self._consumers.list_letters(request)
        return pb.ListDeadLettersResponse(dead_letters=found, next_page_token=next_page_token)

    async def GetDeadLetter(
        self, request: pb.GetDeadLetterRequest, context: object
    ) -> pb.GetDeadLetterResponse:
        return pb.GetDeadLetterResponse(dead_letter=await self._consumers.letter(request))

    async def RetryDeadLetters(
        self, request: pb.RetryDeadLettersRequest, context: object
    ) -> pb.RetryDeadLettersResponse:
        async with self._consumers.deciding() as uow:
            count = await self._consumers.retry(uow, request)
            return uow.answered(pb.RetryDeadLettersResponse(retried_count=count))

    async def DiscardDeadLetter(
        self, request: pb.DiscardDeadLetterRequest, context: object
    ) -> pb.DiscardDeadLetterResponse:
        async with self._consumers.deciding() as uow:
            letter = await self._consumers.discard(uow, request)
            return uow.answered(pb.DiscardDeadLetterResponse(dead_letter=letter))
