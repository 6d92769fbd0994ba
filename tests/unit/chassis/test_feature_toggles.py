"""A percentage takes about as many organisations as it says, and always the same ones.

Proves domain.md 8, Toggles, and its test of 10,000 organisations at 30 %. No I/O.
"""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

from hypothesis import given
from hypothesis import strategies as some

from chassis.feature_toggles import Rollout, bucket

ORGANIZATIONS = [uuid5(NAMESPACE_URL, f"organization {n}") for n in range(10_000)]


def rollout(percent: int, name: str = "broadcast", **values: object) -> Rollout:
    known: dict[str, object] = {"target_users": (), "target_organizations": ()}
    return Rollout(
        feature_name=name,
        is_enabled=True,
        rollout_percent=percent,
        **(known | values),  # type: ignore[arg-type]
    )


def on(toggle: Rollout) -> set[UUID]:
    return {each for each in ORGANIZATIONS if toggle.is_on(organization_id=each, user_id=None)}


def test_thirty_percent_are_thirty_of_a_hundred_and_stay_so() -> None:
    chosen = on(rollout(30))
    assert 0.28 <= len(chosen) / len(ORGANIZATIONS) <= 0.32
    assert on(rollout(30)) == chosen
    assert chosen < on(rollout(60))  # whoever has it keeps it
    assert on(rollout(30, "another")) != chosen
    assert (on(rollout(0)), on(rollout(100))) == (set(), set(ORGANIZATIONS))


def test_the_bucket_is_what_the_domain_says() -> None:
    """Worked out elsewhere: sha256sum of the text, its first 16 digits, modulo 100."""
    assert bucket("broadcast", UUID(int=1)) == 98


@given(some.uuids(), some.uuids())
def test_in_center_the_user_stands_for_the_organisation_it_has_not(a: UUID, b: UUID) -> None:
    toggle = rollout(50)
    assert toggle.is_on(organization_id=None, user_id=a) is toggle.is_on(
        organization_id=a, user_id=b
    )
