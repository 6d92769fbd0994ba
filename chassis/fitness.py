"""Whether a database may be served from: it keeps what it acknowledges, and the role is small."""

from __future__ import annotations

from psycopg import AsyncConnection

_CHECKS = """
SELECT current_setting('fsync') = 'on',
       current_setting('full_page_writes') = 'on',
       current_setting('synchronous_commit') <> 'off',
       (SELECT NOT (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)
          FROM pg_roles WHERE rolname = current_user),
       NOT has_schema_privilege(current_user, current_schema(), 'CREATE')
"""
_FAILURES = (
    "fsync is off",
    "full_page_writes is off",
    "synchronous_commit is off",
    "the service's role has rights of an administrator",
    "the service's role may create tables",
)


async def failures(connection: AsyncConnection) -> list[str]:
    """Return what stands against serving from this database as this role."""
    row = await (await connection.execute(_CHECKS)).fetchone()
    passed = row or (False,) * len(_FAILURES)
    return [failure for failure, is_fit in zip(_FAILURES, passed, strict=True) if not is_fit]
