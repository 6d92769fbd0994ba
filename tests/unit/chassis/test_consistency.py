"""What callers send back is read as positions, or as nothing. No I/O."""

from __future__ import annotations

import pytest

from chassis.consistency import HEADER, asked, number, token


def test_positions_are_ordered_as_postgresql_orders_them() -> None:
    assert number("0/16B3748") < number("0/16B3750") < number("1/0") < number("A/FFFFFFFF")


def test_the_furthest_of_a_silos_tokens_counts() -> None:
    sent = [(HEADER, token(silo, at)) for silo, at in (("ems", "9/9"), ("hospital", "0/1"))]
    assert asked("hospital", [*sent, (HEADER, "hospital=0/20"), ("x-other", "hospital=0/30")]) == 32
    assert asked("center", sent) is None


@pytest.mark.parametrize("wrong", ["hospital=", "hospital=0", "hospital=x/1", "0/1"])
def test_what_is_no_position_leaves_the_read_to_the_primary(wrong: str) -> None:
    assert asked("hospital", [(HEADER, "hospital=0/1"), (HEADER, wrong)]) in {None, 1}
    assert asked("hospital", [(HEADER, wrong)]) is None
