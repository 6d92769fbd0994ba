"""Places inside a tick at which a test can hold it: by a lock that the tick needs next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.support.event_writers import Scene

Release = Callable[[], None]
Failpoint = Callable[[Scene], AbstractContextManager[Release]]

_HEAD = "SELECT FROM event_log_head FOR UPDATE"
_OUTBOX = "SELECT FROM outbox ORDER BY id DESC LIMIT 1 FOR UPDATE"
_SQUAT = """
INSERT INTO event_log SELECT last_position + 2, 0, last_position + 2, 0, 1, gen_random_uuid(),
       '', '', 1, '{x}', '', now() FROM event_log_head
"""
_GATE = 7_433_002  # an advisory lock that the tick takes when it commits
_BUILD_GATE = f"""
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_advisory_xact_lock({_GATE}); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON event_log DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION gate()
"""
_RAZE_GATE = "DROP TRIGGER gate ON event_log; DROP FUNCTION gate"


@contextmanager
def _holding(scene: Scene, statement: str) -> Iterator[Release]:
    holder = scene.superuser()
    holder.execute(statement.encode())
    try:
        yield holder.rollback
    finally:
        holder.close()


@contextmanager
def before_the_head_lock(scene: Scene) -> Iterator[Release]:
    with _holding(scene, _HEAD) as release:
        yield release


@contextmanager
def at_its_delete(scene: Scene) -> Iterator[Release]:
    """Let it wait, with the head locked, for a row that it has chosen to move."""
    with _holding(scene, _OUTBOX) as release:
        yield release


@contextmanager
def at_its_insert(scene: Scene) -> Iterator[Release]:
    """Let it wait, with the outbox emptied, for whoever took the second position it wants."""
    with _holding(scene, _SQUAT) as release:
        yield release


@contextmanager
def at_its_commit(scene: Scene) -> Iterator[Release]:
    """Let it wait, with every statement done, in a deferred trigger."""
    scene.admin.execute(_BUILD_GATE)
    try:
        with _holding(scene, f"SELECT pg_advisory_xact_lock({_GATE})") as release:
            yield release
    finally:
        scene.admin.execute(_RAZE_GATE)


FAILPOINTS: tuple[Failpoint, ...] = (
    before_the_head_lock,
    at_its_delete,
    at_its_insert,
    at_its_commit,
)
