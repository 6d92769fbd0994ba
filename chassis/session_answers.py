"""Sessions on the wire: the fields that the three silos' messages have in common."""

from __future__ import annotations

from typing import Any

from chassis.clock import timestamp
from chassis.session_rows import Session
from chassis.sessions import Opened
from chassis.wire import number


def session_fields(session: Session, reasons: Any) -> dict[str, Any]:
    """Give a ``Session``'s fields but the tenant; ``reasons`` is its SessionRevokeReason."""
    return {
        "id": str(session.id),
        "user_id": str(session.user_id),
        "expire_time": timestamp(session.expires_at),
        "revoke_time": timestamp(session.revoked_at),
        "revoke_reason": number(reasons, session.revoke_reason),
        "user_agent": session.user_agent or "",
        "create_time": timestamp(session.created_at),
        "update_time": timestamp(session.last_used_at),
        "etag": _etag(session),
    }


def token_fields(opened: Opened) -> dict[str, Any]:
    """Give the tokens of CreateSessionResponse and RefreshSessionResponse."""
    return {
        "access_token": opened.access.bearer,
        "access_token_expire_time": timestamp(opened.access.expires_at),
        "refresh_token": opened.refresh_token,
        "refresh_token_expire_time": timestamp(opened.refresh_expires_at),
    }


def _etag(session: Session) -> str:
    """Tell a session's states apart: it is used, used again, and ends."""
    return f"{session.last_used_at.timestamp():.6f}-{session.revoke_reason or 'LIVE'}"
