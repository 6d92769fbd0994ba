"""The refusals a silo may give, in families named after the gRPC codes they become."""

from __future__ import annotations

from collections.abc import Mapping


class Refusal(Exception):
    """A request the rules turn down; ``reason`` is what a program may match on.

    Families carry no status code: only ``chassis.interceptors.errors`` knows those,
    so a rule can refuse without knowing that gRPC exists. ``facts`` reach the caller as
    ``ErrorInfo.metadata``: identifiers, states and numbers, never anything about a patient.
    ``passes`` is false where calling again later would change nothing.
    """

    reason: str
    passes = True

    def __init__(self, text: str, /, **facts: str) -> None:
        super().__init__(text)
        self.text = text
        self.facts: Mapping[str, str] = facts


class InvalidArgument(Refusal):
    """The request itself is wrong; ``violations`` maps a field's path to what is wrong with it."""

    reason = "INVALID_REQUEST"

    def __init__(
        self, text: str, /, *, violations: Mapping[str, str] | None = None, **facts: str
    ) -> None:
        super().__init__(text, **facts)
        self.violations = violations or {}


class InvalidPageToken(InvalidArgument):
    """The page token is foreign, changed, expired or of another query."""

    reason = "INVALID_PAGE_TOKEN"

    def __init__(self) -> None:
        super().__init__(
            "the page token does not fit this request",
            violations={"page_token": "is foreign, changed, expired or of another query"},
        )


class RequestIdReused(InvalidArgument):
    """The request id was used before, for another payload."""

    reason = "REQUEST_ID_REUSED"

    def __init__(self) -> None:
        super().__init__(
            "the request id was used before, for another payload",
            violations={"request_id": "was used before, for another payload"},
        )


class WrongPassword(InvalidArgument):
    """The caller does not know the password that it would change."""

    reason = "WRONG_PASSWORD"

    def __init__(self) -> None:
        super().__init__(
            "the old password is wrong", violations={"old_password": "is not the caller's"}
        )


class Unauthenticated(Refusal):
    reason = "UNAUTHENTICATED"


class PermissionDenied(Refusal):
    reason = "PERMISSION_DENIED"


class NotFound(Refusal):
    """There is no such row, or it is none of the caller's business: nobody can tell which."""

    reason = "NOT_FOUND"

    def __init__(self, text: str, /, *, resource: str, id: str) -> None:
        super().__init__(text, resource=resource, id=id)


class AlreadyExists(Refusal):
    reason = "ALREADY_EXISTS"


class FailedPrecondition(Refusal):
    reason = "FAILED_PRECONDITION"


class LastAdministrator(FailedPrecondition):
    """Nobody would be left to manage users, nor to make somebody an administrator again."""

    reason = "LAST_ADMINISTRATOR"

    def __init__(self) -> None:
        super().__init__("nobody else could log in and manage users")


class Aborted(Refusal):
    reason = "CONFLICT"


class EtagMismatch(Aborted):
    """The caller decided on an older version than the one that stands."""

    reason = "ETAG_MISMATCH"

    def __init__(self) -> None:
        super().__init__("it changed since it was read: read it again")


class OutOfRange(Refusal):
    reason = "RESUME_POINT_COMPACTED"


class ResourceExhausted(Refusal):
    reason = "OVERLOADED"


class RateLimited(ResourceExhausted):
    """Too often; the fact ``retry_after_seconds`` says when the next attempt counts."""

    reason = "RATE_LIMITED"


class Unavailable(Refusal):
    reason = "SILO_UNAVAILABLE"


class OutcomeUnknown(Unavailable):
    """The answer to a COMMIT was lost: it may have happened."""

    reason = "OUTCOME_UNKNOWN"

    def __init__(self) -> None:
        super().__init__("the outcome is unknown: repeat with the same request id")


class DeadlineExceeded(Refusal):
    reason = "DEADLINE_EXCEEDED"


class DataLoss(Refusal):
    reason = "DATA_LOSS"
