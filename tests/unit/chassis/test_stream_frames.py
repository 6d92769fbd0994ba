"""Cutting frames: whole transactions, in order, without a gap, whatever their sizes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chassis.stream_entries import Entry
from chassis.stream_frames import IN_FLIGHT_BYTES, SHARED_BYTES, Chunk, Limits, SharedFrames, cut

# Each transaction is a list: whether this reader sees the event, and how large it is.
TRANSACTIONS = st.lists(
    st.lists(st.tuples(st.booleans(), st.integers(1, 40)), min_size=1, max_size=9), max_size=12
)
LIMITS = st.builds(Limits, events=st.integers(1, 6), bytes=st.integers(1, 120))


def _log(transactions: list[list[tuple[bool, int]]]) -> tuple[list[Entry], int]:
    seen, position = [], 0
    for transaction in transactions:
        first = position + 1
        for visible, size in transaction:
            position += 1
            last = first + len(transaction) - 1
            if visible:
                nobody = frozenset[str]()
                seen.append(Entry(position, 1, first, last, "", "", nobody, bytes(size)))
    return seen, position


def _chunks(seen: list[Entry], end: int, limits: Limits, window: int) -> list[Chunk]:
    """Read the log as a stream does: at most ``window`` positions are looked at for a frame."""
    cursor, chunks = 0, []
    while cursor < end:
        limit = min(end, cursor + window)
        chunk = cut([e for e in seen if cursor < e.position <= limit], cursor, limit, limits)
        assert chunk.end > cursor  # or the stream would never end
        assert all(cursor < entry.position <= chunk.end for entry in chunk.entries)
        chunks.append(chunk)
        cursor = chunk.end
    return chunks


@given(TRANSACTIONS, LIMITS, st.integers(1, 30))
def test_frames_are_the_log(
    transactions: list[list[tuple[bool, int]]], limits: Limits, window: int
) -> None:
    seen, end = _log(transactions)
    chunks = _chunks(seen, end, limits, window)
    assert [entry for chunk in chunks for entry in chunk.entries] == seen
    for chunk in chunks:
        assert len(chunk.entries) <= limits.events
        assert len(chunk.entries) <= 1 or sum(len(e.wire) for e in chunk.entries) <= limits.bytes


@given(TRANSACTIONS, LIMITS, st.integers(1, 30))
def test_a_frame_that_does_not_say_it_goes_on_ends_with_a_transaction(
    transactions: list[list[tuple[bool, int]]], limits: Limits, window: int
) -> None:
    seen, end = _log(transactions)
    for chunk in _chunks(seen, end, limits, window):
        if chunk.entries and not chunk.continues:
            assert chunk.entries[-1].tx_last <= chunk.end
        if chunk.continues:  # only one that is too large by itself is ever divided
            assert chunk.entries[-1].tx_last > chunk.end
            assert len({entry.tx_first for entry in chunk.entries}) == 1


@given(st.integers(1, 2_000))
def test_all_streams_together_may_hold_little(streams: int) -> None:
    limits = Limits().among(streams)
    assert limits.bytes * streams <= IN_FLIGHT_BYTES
    assert limits.bytes <= Limits().bytes
    assert limits.events >= 1
    assert Limits().among(32) == Limits()  # a few streams are served as fast as can be


def test_streams_that_come_and_go_share_their_frames() -> None:
    assert Limits().among(900) == Limits().among(901)


def test_frames_are_shared_and_the_oldest_forgotten_before_they_fill_the_memory() -> None:
    shared, made = SharedFrames(), []

    def frame(number: int) -> bytes:
        def make() -> tuple[Chunk, bytes]:
            made.append(number)
            return Chunk([], number, continues=False), bytes(SHARED_BYTES // 4)

        return shared.get(number, make)[1]

    for number in (1, 2, 3, 4, 4, 1):
        frame(number)
    assert made == [1, 2, 3, 4]
    frame(5)
    frame(1)
    assert made == [1, 2, 3, 4, 5, 1]
