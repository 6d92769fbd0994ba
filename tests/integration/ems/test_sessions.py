"""An agency's people log in with EMS, and show its tokens to the hospitals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from medport.common.v1.vocabulary_pb2 import SILO_HOSPITAL
from medport.ems.v1 import sessions_pb2 as pb

from tests.support.dispatch import Agency, agency
from tests.support.front_desk import bearer


@pytest.fixture
async def swift(ems_database: str) -> AsyncIterator[Agency]:
    async with agency(ems_database) as opened:
        yield opened


async def test_a_dispatcher_asks_for_a_token_for_the_hospitals(swift: Agency) -> None:
    opened = await swift.login("DISPATCHER")
    request = pb.RefreshSessionRequest(refresh_token=opened.refresh_token, audience=SILO_HOSPITAL)
    refreshed = await swift.sessions.RefreshSession(request)
    claims = jwt.decode(refreshed.access_token, options={"verify_signature": False})
    assert (claims["iss"], claims["aud"], claims["roles"]) == (
        "ems",
        "hospital",
        ["EMS_DISPATCHER"],
    )
    assert claims["tenant"] == str(swift.agency_id) == refreshed.session.agency_id


async def test_a_session_is_shown_listed_and_ended(swift: Agency) -> None:
    opened = await swift.login("CREW")
    mine: dict[str, Any] = {"agency_id": str(swift.agency_id)}
    me = bearer(opened.access_token)
    asked = pb.GetSessionRequest(**mine, session_id=opened.session.id)
    assert (await swift.sessions.GetSession(asked, metadata=me)).session == opened.session
    listed = await swift.sessions.ListSessions(pb.ListSessionsRequest(**mine), metadata=me)
    assert list(listed.sessions) == [opened.session]
    leaving = pb.RevokeSessionRequest(**mine, session_id=opened.session.id)
    ended = (await swift.sessions.RevokeSession(leaving, metadata=me)).session
    assert ended.revoke_reason == pb.SESSION_REVOKE_REASON_LOGOUT
    keys = await swift.sessions.ListVerificationKeys(pb.ListVerificationKeysRequest())
    assert len(keys.verification_keys) == 1
