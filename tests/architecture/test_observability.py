"""Dashboards and alerts are about what exists: metrics, labels, runbooks. No I/O but reading files.

Proves: every metric that an expression of a dashboard, an alert or a recording rule names is one
that the processes have, with the labels it is matched, grouped and told by; every alert has a
severity, a duration and a runbook, and is in the runbooks' index; every dashboard can be imported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

import center_svc.server
import ems_svc.server
import hospital_svc.server
import router.server
from tests.support import promql
from tests.support.metrics import registered

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "observability"
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
PROCESSES = (center_svc.server, ems_svc.server, hospital_svc.server, router.server)
SCRAPED = {"job", "instance"}  # what Prometheus itself adds
FAULTS = "medport_faults_total"
# A rise, or a rate of which the alarm is that there is any.
RISES = re.compile(r"increase\((\w+)|rate\((\w+)(?:\{[^}]*\})?\[\w+\]\)+ > 0")
INDEX = (ROOT / "docs" / "runbooks" / "README.md").read_text()


def rules(name: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / name).read_text())["groups"]
    return list(chain.from_iterable(group["rules"] for group in groups))


def panels(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["panels"]
    return found


def known() -> dict[str, set[str]]:
    """Return every series that Prometheus would have, with its labels."""
    assert all(PROCESSES)
    series: dict[str, set[str]] = {"up": set(SCRAPED)}
    for each in registered():
        labels = {*each.labels, *SCRAPED}
        if each.type == "histogram":
            series[f"{each.name}_bucket"] = {*labels, "le"}
            series |= {f"{each.name}_{part}": labels for part in ("sum", "count")}
        else:
            series[each.name] = labels
    for rule in rules("recording.yml"):
        series[rule["record"]] = promql.read(rule["expr"]).groups
    return series


def expressions() -> Iterator[tuple[str, str, list[str]]]:
    """Yield where it is, the expression, and the texts that name its labels."""
    for rule in rules("recording.yml"):
        yield rule["record"], rule["expr"], []
    for rule in rules("alerts.yml"):
        yield rule["alert"], rule["expr"], [rule["annotations"]["summary"]]
    for path in DASHBOARDS:
        for panel in panels(path):
            for target in panel["targets"]:
                yield f"{path.name}: {panel['title']}", target["expr"], [target["legendFormat"]]


def unknown(expression: str, texts: list[str], series: dict[str, set[str]]) -> set[str]:
    """Return what ``expression`` or its texts name that is not there."""
    read = promql.read(expression)
    wrong = read.metrics.keys() - series.keys()
    there = {name: series[name] for name in read.metrics.keys() - wrong}
    for name, matched in read.metrics.items():
        wrong |= {f"{name}{{{label}}}" for label in matched - there.get(name, matched)}
    labels = set().union(*there.values())
    told = set(re.findall(r"\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}", " ".join(texts)))
    kept = read.groups or labels
    return (
        wrong
        | {f"by {each}" for each in read.groups - labels}
        | {f"{each}?" for each in told - kept}
    )


def alone(expression: str) -> set[str]:
    """Return the counters whose rise is asked for, without a word for one that is new.

    What is counted first makes a counter with that label: it rose from nothing, not from 0.
    """
    found = {name for pair in RISES.findall(expression) for name in pair if name}
    return {each for each in found if f"({each} unless {each} offset" not in expression}


def test_every_expression_names_metrics_and_labels_that_exist() -> None:
    series, everything = known(), list(expressions())
    assert len(everything) > 60
    wrong = {
        where: found for where, text, texts in everything if (found := unknown(text, texts, series))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("rate(grpc_server_handled_total[5m])", set()),
        ("rate(grpc_server_handeld_total[5m])", {"grpc_server_handeld_total"}),
        ('up{jobs="x"}', {"up{jobs}"}),
        ("sum by (silo) (medport_log_epoch)", {"by silo"}),
        ("medport_tick_seconds", {"medport_tick_seconds"}),  # only its buckets, sum and count are
        ("histogram_quantile(0.9, sum by (le) (rate(medport_tick_seconds_bucket[1m]))) > 1", set()),
    ],
)
def test_what_does_not_exist_is_found(expression: str, found: set[str]) -> None:
    assert unknown(expression, [], known()) == found


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        (f"sum by (job) (increase({FAULTS}[10m])) > 0", {FAULTS}),
        (f'sum(rate({FAULTS}{{type="x"}}[1m])) > 0', {FAULTS}),
        (f"rate({FAULTS}[1m]) > 5", set()),
        (f"increase({FAULTS}[1m]) > 0 or ({FAULTS} unless {FAULTS} offset 1m)", set()),
    ],
)
def test_a_rise_that_a_new_counter_lacks_is_found(expression: str, found: set[str]) -> None:
    assert alone(expression) == found
    assert unknown(expression, [], known()) == set()


@pytest.mark.parametrize("alert", rules("alerts.yml"), ids=lambda each: str(each["alert"]))
def test_an_alert_says_how_bad_how_long_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert re.fullmatch(r"\d+[sm]", alert["for"])
    assert not re.search(r"\$value \}\} s\b", alert["annotations"]["summary"])  # in 15 digits
    runbook = alert["annotations"]["runbook"]
    assert re.fullmatch(r"docs/runbooks/[a-z-]+\.md", runbook)
    assert (ROOT / runbook).exists()


def test_an_alarm_of_breakers_looks_at_more_than_this_moment() -> None:
    """An open breaker lets a call try now and then: whoever asks may find it on probation."""
    asked = [each["expr"] for each in rules("alerts.yml") if "breaker_state" in each["expr"]]
    assert len(asked) == 2
    assert all("max_over_time(medport_router_breaker_state" in each for each in asked)


def test_the_index_of_runbooks_has_the_alerts_and_no_other() -> None:
    rows = re.findall(
        r"^\| [\w ]+ \| `(.+?)` \| `([^`]+)`.*\(([\w-]+\.md)\) \|$", INDEX, re.MULTILINE
    )
    indexed = {(f"{text} {bound}".replace("\\|", "|"), name) for text, bound, name in rows}
    alerts = {
        (
            " ".join(each["expr"].split()).partition(" and ")[0],
            Path(each["annotations"]["runbook"]).name,
        )
        for each in rules("alerts.yml")
    }
    assert indexed == alerts


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda each: str(each.stem))
def test_a_dashboard_can_be_imported(path: Path) -> None:
    board = json.loads(path.read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)) > 5
    (source,) = (each for each in board["templating"]["list"] if each["type"] == "datasource")
    assert (source["name"], source["query"]) == ("datasource", "prometheus")
    for panel in board["panels"]:
        asked = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert {each["uid"] for each in asked} == {"${datasource}"}
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


@pytest.mark.parametrize(
    ("title", "well", "wrong"),
    [("Processes", 1, 0), ("Breakers", 0, 2), ("Consumers halted", 0, 1), ("Events parked", 0, 1)],
)
def test_what_is_wrong_is_red_at_a_glance(title: str, well: int, wrong: int) -> None:
    stats = {
        panel["title"]: panel
        for path in DASHBOARDS
        for panel in panels(path)
        if panel["type"] == "stat"
    }
    assert len(stats) == 4
    steps = stats[title]["fieldConfig"]["defaults"]["thresholds"]["steps"]
    colours = [
        [step["color"] for step in steps if step["value"] is None or step["value"] <= value][-1]
        for value in (well, wrong)
    ]
    assert colours == ["green", "red"]


def test_dashboards_have_names_of_their_own() -> None:
    boards = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert len({board["uid"] for board in boards}) == len({board["title"] for board in boards}) == 4


def test_prometheus_asks_every_process_that_compose_lets_it_ask() -> None:
    asked = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    watched = yaml.safe_load((FOLDER / "compose.yml").read_text())["services"]
    for job in asked:
        (target,) = (each for config in job["static_configs"] for each in config["targets"])
        told = watched[job["job_name"]]["environment"]["MEDPORT_METRICS_LISTEN"]
        assert target == f"{job['job_name']}:{told.rpartition(':')[2]}"
    assert len(asked) == 4
