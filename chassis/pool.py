"""Connections to the silo's own database, and to no other."""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg.types.json import JsonbDumper
from psycopg_pool import AsyncConnectionPool

from chassis.pool_metrics import POOLS

Pool = AsyncConnectionPool[AsyncConnection]

# A caller learns within this time that there is no connection to be had. Half a second outlasts a
# pause of the server or of this process (measured: 0.28 s), and leaves half of the second within
# which an absent database is told from an exhausted pool.
CHECKOUT_SECONDS = 0.5
CONNECT_SECONDS = 2  # libpq's smallest bound on one attempt


def pool(dsn: str, *, size: int = 8, ready: int = 1, name: str = "medport") -> Pool:
    """Make a pool of ``ready`` to ``size`` connections; ``async with`` opens and closes it.

    It grows by one connection at a time: a burst beyond those that are ready may time out.

    Opening does not wait for the database: a service starts, and says NOT_SERVING, without it.
    """
    made: Pool = AsyncConnectionPool(
        dsn,
        open=False,
        min_size=ready,
        max_size=size,
        name=name,
        timeout=CHECKOUT_SECONDS,
        reconnect_timeout=1.0,
        configure=configure,
        kwargs={
            "autocommit": True,  # a unit of work opens its own transaction
            "prepare_threshold": 0,  # statements are constants: prepare each at its first use
            "connect_timeout": CONNECT_SECONDS,
            "options": (
                "-c timezone=UTC -c statement_timeout=30s"
                " -c idle_in_transaction_session_timeout=5s -c client_connection_check_interval=1s"
            ),
        },
    )
    POOLS.watch(made)
    return made


async def configure(connection: AsyncConnection) -> None:
    """Teach a connection the house's types: a dict is jsonb."""
    connection.adapters.register_dumper(dict, JsonbDumper)
