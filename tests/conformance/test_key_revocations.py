"""Every silo's operators can revoke its signing keys, and its peers are told.

What a revocation means to users and to the next key is proven in
``integration/chassis/test_key_revocations``; what a peer does with the news in its own
``test_signing_keys``.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.test_consumers import EVENTS
from tests.support.consumer_desks import WHY, Desk, consumer_desk
from tests.support.databases import SILOS
from tests.support.waiting import until

TOLD = """
SELECT data, audience FROM (SELECT type, data, audience FROM outbox UNION ALL
                            SELECT type, data, audience FROM event_log) AS announced
 WHERE type LIKE '%.SigningKeyRevoked'
"""


@pytest.mark.parametrize("silo", SILOS)
async def test_a_revoked_key_makes_room_for_another(
    silo: str, request: pytest.FixtureRequest
) -> None:
    dsn = request.getfixturevalue(f"{silo}_database")
    async with consumer_desk(silo, dsn, "SessionService") as desk:
        await until(lambda: _has_a_key(desk))
        [stolen] = await _keys(desk)

        answer = await desk.ask("RevokeVerificationKey", key_name=stolen.key_name, reason=WHY)

        ended = answer.verification_key
        assert ended.not_after_time.ToSeconds() < stolen.not_after_time.ToSeconds()
        [other] = await _keys(desk)
        assert other.key_name != stolen.key_name
        [(event, audience)] = desk.sql(TOLD)
    told = EVENTS[silo].FromString(event)
    assert told.signing_key_revoked.key_name == stolen.key_name
    assert told.signing_key_revoked.revoke_time == ended.not_after_time
    assert {f"silo:{each}" for each in SILOS} <= set(audience)


async def _keys(desk: Desk) -> list[Any]:
    return list((await desk.ask("ListVerificationKeys")).verification_keys)


async def _has_a_key(desk: Desk) -> bool:
    return bool(await _keys(desk))
