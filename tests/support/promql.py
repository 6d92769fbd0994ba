"""Reads which metrics and labels an expression of Prometheus names: enough of PromQL for ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""
      (?P<text>"(?:\\.|[^"\\])*")
    | (?P<range>\[[^\]]*\])
    | (?P<name>[A-Za-z_:][A-Za-z0-9_:]*)
    | (?P<number>[0-9][0-9.smhdwy]*|\$__rate_interval)
    | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^<>=(){},])
    | (?P<space>\s+)
    """,
    re.VERBOSE,
)
_GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_APPLIED = {"(", "by", "without"}  # what follows a function's name
_OPERATORS = {"and", "or", "unless", "bool", "offset", "atan2"}


@dataclass
class Expression:
    """``metrics`` by name with the labels they are matched on; ``groups`` in the order named."""

    metrics: dict[str, set[str]] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)


def read(text: str) -> Expression:
    """Read an expression; raises ValueError for what is no token of one."""
    found, tokens = Expression(), list(_tokens(text))
    labels: set[str] | None = None
    for at, (kind, word) in enumerate(tokens):
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        if labels is not None:  # in a list of labels, or in the matchers of a metric
            if kind == "sign" and word in "})":
                labels = None
            elif kind == "name" and (following in {",", "}", ")"} or following[0] in "=!"):
                labels.add(word)
        elif kind == "name" and word in _GROUPING:
            labels = found.groups
        elif kind == "name" and word not in _OPERATORS and following not in _APPLIED:
            matched = found.metrics.setdefault(word, set())
            labels = matched if following == "{" else None
    return found


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"{text[at:]!r} in {text!r}")
        at = match.end()
        if match.lastgroup != "space":
            yield str(match.lastgroup), match[0]
