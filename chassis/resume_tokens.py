"""Where a log begins, ends and was cut: what makes a position mean the same later on."""

from __future__ import annotations

import hmac
import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.event_log_errors import (
    InvalidResumeToken,
    LogMismatch,
    LogTruncated,
    LogUnavailable,
    PositionAheadOfLog,
    ResumePointCompacted,
)
from chassis.sql import written

VERSION = 1
# version, log, epoch, position; then the first half of an HMAC-SHA256 over these.
_FIELDS = struct.Struct(">B16s16sq")
_MAC_BYTES = 16
TOKEN_BYTES = _FIELDS.size + _MAC_BYTES


@dataclass(frozen=True, slots=True)
class Epoch:
    """One life of the database server; the id is random, for two copies may both open "8"."""

    number: int
    id: UUID
    start: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """The log's identity, bounds and lives, read at one moment; positions are 1, 2, 3 ..."""

    log_id: UUID
    token_key: bytes
    first: int
    last: int
    epochs: tuple[Epoch, ...]  # ascending, never empty

    @property
    def epoch(self) -> int:
        return self.epochs[-1].number

    @property
    def life(self) -> UUID:
        """Tell this log from its twins: two servers promoted from one may both be in epoch 2."""
        return self.epochs[-1].id

    def token(self, position: int) -> bytes:
        """Seal ``position`` with the life in which it was written: opaque, but no credential."""
        epoch = self.epochs[self._index(position)]
        fields = _FIELDS.pack(VERSION, self.log_id.bytes, epoch.id.bytes, position)
        return fields + self._mac(fields)

    def position(self, token: bytes, field: str = "resume_token") -> int:
        """Return the position that ``token`` resumes after, if this log can serve all that follows.

        ``field`` is where the request holds it. Raises InvalidResumeToken, LogMismatch,
        LogTruncated, ResumePointCompacted or PositionAheadOfLog, in this order.
        """
        fields = token[: _FIELDS.size]
        if len(token) != TOKEN_BYTES or fields[0] != VERSION:
            raise InvalidResumeToken(field)
        _, log_id, epoch_id, position = _FIELDS.unpack(fields)
        # Another log has another key too: its tokens are told apart before the key is used.
        if not hmac.compare_digest(token[_FIELDS.size :], self._mac(fields)):
            wrong = LogMismatch if log_id != self.log_id.bytes else InvalidResumeToken
            raise wrong(field)
        if log_id != self.log_id.bytes:
            raise LogMismatch(field)
        self._check(UUID(bytes=epoch_id), position)
        return int(position)

    def epoch_of(self, position: int) -> int:
        """Return the number of the life in which ``position`` was written."""
        return self.epochs[self._index(position)].number

    def _check(self, epoch_id: UUID, position: int) -> None:
        index = next((i for i, each in enumerate(self.epochs) if each.id == epoch_id), None)
        if index is None:  # a life that this copy of the log never saw
            raise LogTruncated(0)
        after = self.epochs[index + 1 : index + 2]
        if after and position >= after[0].start:
            raise LogTruncated(after[0].start - 1)
        if position < self.first - 1:
            raise ResumePointCompacted(self.first, self.token(self.first - 1))
        if position > self.last:
            raise PositionAheadOfLog(self.last)

    def _index(self, position: int) -> int:
        starts = [epoch.start for epoch in self.epochs]
        return max(bisect_right(starts, position) - 1, 0)

    def _mac(self, fields: bytes) -> bytes:
        return hmac.digest(self.token_key, fields, "sha256")[:_MAC_BYTES]


@dataclass(frozen=True, slots=True)
class _Row:
    log_id: UUID
    token_key: bytes
    first: int
    last: int
    is_open: bool
    epoch: int | None
    epoch_id: UUID | None
    start: int | None


# One statement, hence one moment: bounds and lives belong together. Until the first tick of a new
# life has opened its epoch, what an earlier life's tokens mean here is not decided.
READ = written(
    """
    SELECT h.log_id, h.token_key, h.first_position, h.last_position,
           h.fingerprint = event_log_fingerprint() AS is_open, e.epoch, e.epoch_id, e.start_position
      FROM event_log_head h LEFT JOIN event_log_epoch e ON true ORDER BY e.epoch
    """,
    into=_Row,
)


def lineage(rows: Sequence[Any]) -> Lineage:
    """Build it from ``READ``'s rows; raises LogUnavailable while this life's epoch is not open."""
    lives = tuple(Epoch(row.epoch, row.epoch_id, row.start) for row in rows if row.epoch_id)
    head = rows[0]
    if not lives or not head.is_open:
        raise LogUnavailable
    return Lineage(head.log_id, bytes(head.token_key), head.first, head.last, lives)
