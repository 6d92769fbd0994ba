"""The table's arithmetic: medians, verdicts, ratios, and peers that are not there."""

from __future__ import annotations

from bench.figures import Figures, Goal, share, table

GOALS = (Goal("latency", "p50 ms", 15), Goal("replay", "events/s", 60_000, at_least=True))


def test_a_goal_says_by_how_much_it_was_missed() -> None:
    most, least = GOALS
    assert most.verdict(15) == "reached"
    assert most.verdict(30) == "missed by 2.00x"
    assert least.verdict(60_000) == "reached"
    assert least.verdict(40_000) == "missed by 1.50x"


def test_the_table_shows_the_median_its_verdict_and_each_peer_beside_it() -> None:
    figures = Figures()
    for mine, theirs in ((10, 20), (30, 40), (12, 24)):
        figures.add("latency", "MedPort", {"p50 ms": mine})
        figures.add("latency", "JetStream", {"p50 ms": theirs})
    figures.add("latency", "Redis", None)

    ours, jetstream, redis = table(figures, GOALS, "MedPort")

    assert "latency: p50 ms" in ours
    assert "12 (10 - 30)" in ours
    assert "<= 15  reached" in ours
    assert "24 (20 - 40)" in jetstream
    assert "MedPort has 0.50x of it" in jetstream
    assert redis.split() == ["Redis", "missing"]


def test_every_round_is_kept() -> None:
    figures = Figures()
    figures.add("replay", "MedPort", {"events/s": 1})
    figures.add("replay", "MedPort", {"events/s": 3})
    figures.add("replay", "Redis", None)
    kept = {"case": "replay", "who": "MedPort", "figure": "events/s", "median": 2}
    assert figures.json() == [
        {**kept, "rounds": [1, 3]},
        {"case": "replay", "who": "Redis", "missing": True},
    ]


def test_a_share_is_the_value_below_which_so_many_lie() -> None:
    assert share(range(100), 50) == 50
    assert share(range(100), 99) == 99
    assert share([7], 99) == 7
