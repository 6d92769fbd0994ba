"""A text says what it was given, all of it and nothing else; and no occasion knows a patient.

Proves domain.md 8, Templates. No I/O.
"""

from __future__ import annotations

import pytest

from chassis.notification_texts import OCCASIONS, PHI, Text, VariablesDiffer, has_stray_braces

TEXT = Text("Trip {{trip_number}}", "Due {{ due }} at {{due_time}}, {{trip_number}}.")


def test_values_stand_where_their_placeholders_were() -> None:
    said = TEXT.render({"trip_number": "T-1", "due_time": "{{trip_number}}"})
    assert said == Text("Trip T-1", "Due {{ due }} at {{trip_number}}, T-1.")


@pytest.mark.parametrize(
    ("given", "missing", "extra"),
    [
        ({"trip_number": "T-1"}, ["due_time"], []),
        ({"trip_number": "T-1", "due_time": "now", "price": "9"}, [], ["price"]),
        ({"trip_number": "T-1", "price": "9"}, ["due_time"], ["price"]),
    ],
)
def test_one_value_too_few_or_too_many_is_a_mistake(
    given: dict[str, str], missing: list[str], extra: list[str]
) -> None:
    with pytest.raises(VariablesDiffer) as differ:
        TEXT.render(given)
    assert (differ.value.missing, differ.value.extra) == (missing, extra)


@pytest.mark.parametrize(
    ("text", "is_stray"),
    [
        ("{{trip_number}}{{due_time}} {one} }{", False),
        ("{{{trip_number}}}", False),
        ("{{ trip_number }}", True),
        ("{{Trip}}", True),
        ("{{trip-number}}", True),
        ("{{", True),
        ("{{trip_number}} }}", True),
    ],
)
def test_braces_that_are_no_placeholders_are_stray(text: str, is_stray: bool) -> None:
    assert has_stray_braces(text) is is_stray


@pytest.mark.parametrize("name", OCCASIONS)
def test_a_default_text_speaks_of_just_what_its_occasion_tells(name: str) -> None:
    occasion = OCCASIONS[name]
    assert occasion.texts
    for text in occasion.texts.values():
        assert text.placeholders == occasion.variables
        assert not has_stray_braces(f"{text.subject}{text.content}")


@pytest.mark.parametrize("name", OCCASIONS)
def test_no_occasion_tells_what_only_the_hospital_may_know(name: str) -> None:
    assert not OCCASIONS[name].variables & set(PHI)
