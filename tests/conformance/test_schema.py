"""A silo's migrated database is what its tables say, and goes back to nothing.

Proves: every column, constraint and index of ``<silo>_svc.tables`` is in the database that the
migrations make, and no other; migrations go down and up again; the service role may not edit the
event log, and what acts as the owner is not for everybody. Run:
``python -m pytest tests/conformance/test_schema.py``; needs PostgreSQL.
"""

from __future__ import annotations

import importlib

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import MetaData
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from chassis import migrations
from chassis.sql import DIALECT
from tests.support.databases import Databases, owner_of

SILOS = ["hospital", "ems", "center"]

COLUMNS = """
SELECT format('%%s.%%s %%s null=%%s default=%%s', c.relname, a.attname,
              format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
              pg_get_expr(d.adbin, d.adrelid))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(%(tables)s)
"""
CONSTRAINTS = """
SELECT format('%%s %%s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
WHERE conrelid::regclass::text = ANY(%(tables)s)
"""
# What runs with its owner's rights, and whether any role may call it.
OWNERS_FUNCTIONS = """
SELECT proname, has_function_privilege('public', oid, 'EXECUTE') FROM pg_proc
WHERE prosecdef AND pronamespace = 'public'::regnamespace
"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE tablename = ANY(%(tables)s)"


@pytest.mark.parametrize("silo", SILOS)
def test_the_migrated_database_is_what_the_tables_say(databases: Databases, silo: str) -> None:
    metadata: MetaData = importlib.import_module(f"{silo}_svc.tables").metadata
    with databases.fresh(silo, migrated=False) as plain, databases.fresh(silo) as migrated:
        with psycopg.connect(owner_of(plain)) as owner:
            for statement in _statements(metadata):
                owner.execute(statement.encode())
        names = [table.name for table in metadata.sorted_tables]
        assert _shape(migrated, names) == _shape(plain, names)


@pytest.mark.parametrize("silo", SILOS)
def test_migrations_go_down_and_up_again(databases: Databases, silo: str) -> None:
    with databases.fresh(silo) as migrated:
        owner, package = owner_of(migrated), f"{silo}_svc"
        migrations.migrate_down(package, owner, f"{silo}_service", migrations.BASE)
        assert _tables(owner) == {"alembic_version"}
        migrations.migrate(package, owner, f"{silo}_service")
        assert migrations.revision_of(migrated) == migrations.head_of(package)


@pytest.mark.parametrize("silo", SILOS)
def test_the_service_cannot_edit_its_event_log(databases: Databases, silo: str) -> None:
    with (
        databases.fresh(silo) as migrated,
        psycopg.connect(migrated, autocommit=True) as service,
    ):
        for statement in (b"DELETE FROM event_log", b"INSERT INTO event_log DEFAULT VALUES"):
            with pytest.raises(InsufficientPrivilege):
                service.execute(statement)


@pytest.mark.parametrize("silo", SILOS)
def test_what_acts_as_the_owner_is_not_for_everybody(databases: Databases, silo: str) -> None:
    """Or a role that only reads, such as that of ``medport psql``, would write by it."""
    with databases.fresh(silo) as migrated, psycopg.connect(owner_of(migrated)) as owner:
        functions = _owners_functions(owner)
        assert {"event_log_tick", "event_log_trim"} <= functions.keys()
        assert [name for name, for_all in functions.items() if for_all] == []
        owner.execute("GRANT EXECUTE ON FUNCTION event_log_trim TO PUBLIC")
        assert _owners_functions(owner)["event_log_trim"]  # it would be seen


def _owners_functions(owner: psycopg.Connection) -> dict[str, bool]:
    return {str(name): bool(for_all) for name, for_all in owner.execute(OWNERS_FUNCTIONS)}


def _statements(metadata: MetaData) -> list[str]:
    tables = metadata.sorted_tables
    made: list[ExecutableDDLElement] = [CreateTable(table) for table in tables]
    made += [CreateIndex(index) for table in tables for index in table.indexes]
    return [str(each.compile(dialect=DIALECT)).replace("%%", "%") for each in made]


def _shape(dsn: str, tables: list[str]) -> dict[str, set[str]]:
    with psycopg.connect(owner_of(dsn)) as owner:
        return {
            query: {row[0] for row in owner.execute(query.encode(), {"tables": tables})}
            for query in (COLUMNS, CONSTRAINTS, INDEXES)
        }


def _tables(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row[0] for row in rows}
