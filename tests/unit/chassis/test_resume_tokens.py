"""What a resume token proves, and each way in which one may no longer hold."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from chassis.errors import Refusal
from chassis.event_log_errors import (
    InvalidResumeToken,
    LogMismatch,
    LogTruncated,
    PositionAheadOfLog,
    ResumePointCompacted,
)
from chassis.resume_tokens import TOKEN_BYTES, Epoch, Lineage

LOG = Lineage(
    log_id=uuid4(),
    token_key=bytes(range(32)),
    first=5,
    last=40,
    epochs=(Epoch(1, UUID(int=1), 1), Epoch(2, UUID(int=2), 21), Epoch(3, UUID(int=3), 21)),
)


@pytest.mark.parametrize("position", [4, 5, 20, 21, 40])
def test_a_token_leads_back_to_its_position(position: int) -> None:
    token = LOG.token(position)
    assert len(token) == TOKEN_BYTES == 57
    assert LOG.position(token) == position


def test_a_lossless_restart_harms_no_token() -> None:
    token = replace(LOG, epochs=LOG.epochs[:1], last=20).token(20)
    assert LOG.position(token) == 20


def _refused(log: Lineage, token: bytes) -> type[Refusal]:
    with pytest.raises(Refusal) as refused:
        log.position(token)
    return refused.type


@pytest.mark.parametrize("index", [*range(1), *range(17, 57)])
def test_a_changed_byte_is_found(index: int) -> None:
    token = bytearray(LOG.token(30))
    token[index] ^= 1
    assert _refused(LOG, bytes(token)) is InvalidResumeToken


@pytest.mark.parametrize(
    "token",
    [b"x", b"x" * 57, LOG.token(30)[:-1], LOG.token(30) + b"x"],
    ids=["one byte", "noise", "one byte less", "one byte more"],  # the log's key is random
)
def test_what_is_no_token_is_refused(token: bytes) -> None:
    assert _refused(LOG, token) is InvalidResumeToken


def test_another_logs_token_is_told_apart() -> None:
    other = replace(LOG, log_id=uuid4(), token_key=bytes(32))
    assert _refused(LOG, other.token(30)) is LogMismatch


def test_what_a_promotion_lost_never_was() -> None:
    lost = replace(LOG, epochs=LOG.epochs[:1], last=30).token(25)
    with pytest.raises(LogTruncated) as refused:
        LOG.position(lost)
    assert refused.value.facts == {"last_common_position": "20"}


def test_two_standbys_that_open_the_same_epoch_are_told_apart() -> None:
    twin = replace(LOG, epochs=(LOG.epochs[0], Epoch(2, UUID(int=9), 21)))
    assert _refused(LOG, twin.token(30)) is LogTruncated


def test_what_is_no_longer_kept_is_said_with_where_to_begin() -> None:
    with pytest.raises(ResumePointCompacted) as refused:
        LOG.position(replace(LOG, first=1).token(3))
    assert refused.value.facts["earliest_position"] == "5"
    assert LOG.position(bytes.fromhex(refused.value.facts["earliest_token"])) == 4


def test_a_position_ahead_of_the_log_is_refused() -> None:
    assert _refused(LOG, replace(LOG, last=99).token(41)) is PositionAheadOfLog
