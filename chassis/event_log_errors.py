"""The event log's refusals; their reasons are in the shared contract (events.md, section 12)."""

from __future__ import annotations

from chassis.errors import (
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)


class InvalidResumeToken(InvalidArgument):
    reason = "INVALID_RESUME_TOKEN"

    def __init__(self, field: str = "resume_token") -> None:
        text = "the resume token is not one of this log's"
        super().__init__(text, violations={field: "is not one of this log's"})


class NoStart(InvalidArgument):
    reason = "INVALID_RESUME_TOKEN"

    def __init__(self) -> None:
        text = "a subscription needs a start"
        super().__init__(text, violations={"start": "is required: any default would lose events"})


class LogMismatch(InvalidArgument):
    reason = "LOG_MISMATCH"

    def __init__(self, field: str = "resume_token") -> None:
        text = "the resume token belongs to another log"
        super().__init__(text, violations={field: "belongs to another log"})


class LogTruncated(FailedPrecondition):
    """The log was cut back behind the position: what the caller holds beyond it never was."""

    reason = "LOG_TRUNCATED"

    def __init__(self, last_common_position: int) -> None:
        super().__init__(
            "the log was cut back behind the token's position",
            last_common_position=str(last_common_position),
        )


class PositionAheadOfLog(FailedPrecondition):
    reason = "POSITION_AHEAD_OF_LOG"

    def __init__(self, head_position: int) -> None:
        super().__init__(
            "the token's position lies ahead of the log", head_position=str(head_position)
        )


class ResumePointCompacted(OutOfRange):
    reason = "RESUME_POINT_COMPACTED"

    def __init__(self, earliest_position: int, earliest_token: bytes) -> None:
        super().__init__(
            "the log no longer keeps what follows this position",
            earliest_position=str(earliest_position),
            earliest_token=earliest_token.hex(),
        )


class ProgressBackwards(FailedPrecondition):
    reason = "PROGRESS_BACKWARDS"

    def __init__(self, position: int) -> None:
        super().__init__("a later position was reported before", position=str(position))


class EventTypeForbidden(PermissionDenied):
    reason = "EVENT_TYPE_FORBIDDEN"

    def __init__(self, type_name: str) -> None:
        told = "the filter names a type of event that this caller cannot hear"
        super().__init__(told, type=type_name)


class SubscriberStalled(ResourceExhausted):
    reason = "SUBSCRIBER_STALLED"

    def __init__(self) -> None:
        super().__init__("the subscriber read nothing for too long")


class StreamLimit(ResourceExhausted):
    reason = "STREAM_LIMIT"

    def __init__(self, what: str = "streams are open") -> None:
        super().__init__(f"too many {what}")


class LogUnavailable(Unavailable):
    reason = "LOG_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("the event log cannot be read now")


class LogCorrupt(DataLoss):
    """The log has a gap: nothing may be delivered beyond it."""

    reason = "LOG_CORRUPT"

    def __init__(self, position: int) -> None:
        super().__init__("the event log has a gap", position=str(position))
