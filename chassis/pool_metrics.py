"""What operators watch of the pools of connections: how busy they are, and who waited in vain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

_LABEL = ["pool"]


class Pools(Collector):
    """Asks every pool of this process for its figures whenever Prometheus asks for them."""

    def __init__(self) -> None:
        self._pools: WeakSet[Any] = WeakSet()

    def watch(self, pool: Any) -> None:
        self._pools.add(pool)

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        figures = self._figures()
        for name, said, key in _GAUGES:
            yield _filled(GaugeMetricFamily(name, said, labels=_LABEL), figures, key)
        for name, said, key in _COUNTERS:
            yield _filled(CounterMetricFamily(name, said, labels=_LABEL), figures, key)

    def _figures(self) -> dict[str, dict[str, float]]:
        """Add up the pools of one name: a test may have several of them."""
        figures: dict[str, dict[str, float]] = {}
        for pool in tuple(self._pools):
            total = figures.setdefault(pool.name, {})
            for key, value in pool.get_stats().items():
                total[key] = total.get(key, 0) + value
        return figures


# Name, what it says, and what psycopg's pool calls it. Times there are milliseconds.
_GAUGES = (
    ("medport_pool_connections", "Connections that the pool holds", "pool_size"),
    ("medport_pool_idle_connections", "Those of them that nobody has borrowed", "pool_available"),
    ("medport_pool_most_connections", "As many as it may hold", "pool_max"),
    ("medport_pool_waiting", "Who waits for a connection now", "requests_waiting"),
)
_COUNTERS = (
    ("medport_pool_checkouts_total", "Connections asked for", "requests_num"),
    ("medport_pool_checkouts_queued_total", "Those that had to wait", "requests_queued"),
    ("medport_pool_checkouts_failed_total", "Those that waited in vain", "requests_errors"),
    ("medport_pool_connections_lost_total", "Connections found to be lost", "connections_lost"),
    ("medport_pool_connects_failed_total", "Attempts to connect that failed", "connections_errors"),
)


def _filled(family: Any, figures: dict[str, dict[str, float]], key: str) -> Any:
    for name, stats in sorted(figures.items()):
        family.add_metric([name], stats.get(key, 0))
    return family


POOLS = Pools()
REGISTRY.register(POOLS)
