"""What the log and its consumers count (events.md, section 13)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

OUTBOX_ROWS = Gauge("medport_outbox_rows", "Committed events without a position")
OUTBOX_AGE = Gauge("medport_outbox_oldest_age_seconds", "Age of the oldest of them")
OUTBOX_DEAD = Gauge("medport_outbox_dead_rows", "Its dead rows, which make each tick slower")
TICK_SECONDS = Histogram(
    "medport_tick_seconds",
    "Duration of a sequencer's tick",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
)
TICK_EVENTS = Histogram(
    "medport_tick_events",
    "Events of a tick that moved any",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
WAKEUPS = Counter("medport_wakeups_total", "What made the sequencer look", ["by"])
HEAD = Gauge("medport_log_head_position", "Position of the newest event")
FIRST = Gauge("medport_log_first_position", "Position of the oldest event that is kept")
LOG_HEADROOM = Gauge(
    "medport_log_headroom_positions", "Positions with a partition and no event yet"
)
EPOCH = Gauge("medport_log_epoch", "Life of the database server")

RING_BYTES = Gauge("medport_ring_bytes", "Bytes of recent events kept in memory")
RING_HITS = Counter("medport_ring_hits_total", "Stretches of the log that streams got from memory")
LOG_PAGES = Counter("medport_log_pages_total", "Pages that were read for them from the database")
SUBSCRIBERS = Gauge(
    "medport_subscribers", "Open streams: live, catching_up, or stalled at a write", ["state"]
)
WRITE_BLOCKED = Histogram("medport_write_blocked_seconds", "Time a frame waited for its reader")

_CONSUMER = ("consumer", "source")
POSITION = Gauge("medport_consumer_position", "Everything up to here has its effect", _CONSUMER)
LAG_POSITIONS = Gauge("medport_consumer_lag_positions", "Head minus checkpoint", _CONSUMER)
LAG_SECONDS = Gauge(
    "medport_consumer_lag_seconds", "Age of the oldest event without its effect", _CONSUMER
)
REDELIVERIES = Counter("medport_redeliveries_total", "Events received again", _CONSUMER)
CONTINUITY_VIOLATIONS = Counter(
    "medport_continuity_violations_total", "Frames that did not follow the one before", _CONSUMER
)
PARKED = Gauge("medport_parked_events", "Dead letters that wait for an operator", _CONSUMER)
LEASE_CHANGES = Counter("medport_lease_changes_total", "Leases won", _CONSUMER)
RECONNECTS = Counter(
    "medport_reconnects_total", "Streams begun again, by why", (*_CONSUMER, "reason")
)
UNKNOWN_EVENTS = Counter("medport_unknown_events_total", "Events of an unknown type", _CONSUMER)
REBUILDING = Gauge("medport_consumer_rebuilding", "1 while copies are made anew", _CONSUMER)
HALTED = Gauge("medport_consumer_halted", "1 while an operator is needed", _CONSUMER)

# Alarm below a day of seconds: the holder is about to lose what it has not read.
RETENTION_POSITIONS = Gauge(
    "medport_retention_headroom_positions", "Positions kept behind what a hold needs", ["consumer"]
)
RETENTION_SECONDS = Gauge(
    "medport_retention_headroom_seconds", "Until the hard cap may drop it", ["consumer"]
)


def begin(consumer: str, source: str) -> None:
    """Let a consumer's counters begin at 0: a rise from nothing at all is no rise to an alarm."""
    for counter in (REDELIVERIES, CONTINUITY_VIOLATIONS, LEASE_CHANGES, UNKNOWN_EVENTS):
        counter.labels(consumer, source)
