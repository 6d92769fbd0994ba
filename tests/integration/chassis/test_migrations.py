"""Migrations run from any package that has versions, grant to the service role, and go back."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from chassis import migrations
from tests.support.databases import owner_of

FIRST = '''
"""Create a table whose statements hold what a driver might interpret."""
from chassis.migrations import run, service_role
revision, down_revision = "0001", None
def upgrade():
    run("CREATE TABLE note (text text CHECK (text NOT LIKE '100%s'), at time DEFAULT '10:30');"
        f"GRANT SELECT ON note TO {service_role()}")
def downgrade():
    run("DROP TABLE note")
'''
SECOND = '''
"""Fail half-way."""
from chassis.migrations import run
revision, down_revision = "0002", "0001"
def upgrade():
    run("CREATE TABLE half (id int); SELECT 1 / 0")
def downgrade():
    run("DROP TABLE half")
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    versions = tmp_path / "clinic_svc" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "clinic_svc" / "__init__.py").touch()
    (versions / "0001_initial.py").write_text(textwrap.dedent(FIRST))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "clinic_svc", raising=False)
    return "clinic_svc"


def test_a_database_comes_to_the_head_and_the_service_role_may_read_it(
    package: str, plain_database: str
) -> None:
    owner = owner_of(plain_database)
    assert migrations.revision_of(owner) == ""

    migrations.migrate(package, owner, "hospital_service")
    migrations.migrate(package, owner, "hospital_service")  # again: nothing to do

    assert migrations.revision_of(plain_database) == "0001" == migrations.head_of(package)
    with psycopg.connect(plain_database) as service:
        assert service.execute("SELECT * FROM note").fetchall() == []
        with pytest.raises(InsufficientPrivilege):
            service.execute("DELETE FROM alembic_version")


def test_a_version_that_fails_leaves_nothing_behind(
    package: str, plain_database: str, tmp_path: Path
) -> None:
    owner = owner_of(plain_database)
    (tmp_path / package / "migrations" / "versions" / "0002_half.py").write_text(SECOND)

    with pytest.raises(psycopg.errors.DivisionByZero):
        migrations.migrate(package, owner, "hospital_service")

    assert migrations.revision_of(owner) == "0001"
    with psycopg.connect(owner) as connection:
        assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)


def test_a_database_goes_back_to_nothing(package: str, plain_database: str) -> None:
    owner = owner_of(plain_database)
    migrations.migrate(package, owner, "hospital_service")

    migrations.migrate_down(package, owner, "hospital_service", migrations.BASE)

    assert migrations.revision_of(owner) == ""


def test_a_new_version_follows_the_newest(package: str, plain_database: str) -> None:
    file = migrations.add_revision(package, "add_colour")
    assert file.name == "0002_add_colour.py"

    # As it is written it does nothing, and runs.
    migrations.migrate(package, owner_of(plain_database), "hospital_service")
    assert migrations.revision_of(plain_database) == "0002"


@pytest.mark.parametrize("name", ["", "two words", "../outside"])
def test_a_version_needs_a_modules_name(package: str, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        migrations.add_revision(package, name)
