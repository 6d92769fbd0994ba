"""Sessions and users are spelled alike in the contract, in the rules and in the tables."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from medport.center.v1 import sessions_pb2 as center
from medport.center.v1 import users_pb2 as center_users
from medport.ems.v1 import sessions_pb2 as ems
from medport.ems.v1 import users_pb2 as ems_users
from medport.hospital.v1 import sessions_pb2 as hospital
from medport.hospital.v1 import users_pb2 as hospital_users

from center_svc.domain.users import Role as CenterRole
from chassis.session_rows import RevokeReason
from chassis.shared_tables import REVOKE_REASONS
from chassis.wire import number
from ems_svc.domain.users import UserRole as EmsRole
from hospital_svc.domain.users import UserRole as HospitalRole


@pytest.mark.parametrize(
    ("enum", "words"),
    [
        (hospital.SessionRevokeReason, RevokeReason),
        (ems.SessionRevokeReason, RevokeReason),
        (center.SessionRevokeReason, RevokeReason),
        (hospital_users.HospitalUserRole, HospitalRole),
        (ems_users.EmsAgencyUserRole, EmsRole),
        (center_users.CenterUserRole, CenterRole),
    ],
)
def test_the_contracts_enum_is_the_codes(enum: Any, words: type[StrEnum]) -> None:
    numbers = {number(enum, word) for word in words}
    assert numbers | {0} == set(enum.values())


def test_the_tables_know_every_reason() -> None:
    assert set(REVOKE_REASONS) == set(RevokeReason)
