"""The fixtures every other test stands on."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.databases import Databases, owner_of, superuser_of


def test_a_test_gets_a_database_as_its_silos_service_role(hospital_database: str) -> None:
    with psycopg.connect(hospital_database) as connection:
        row = connection.execute("SELECT current_user, current_setting('is_superuser')").fetchone()
    assert row == ("hospital_service", "off")


def test_a_service_role_creates_no_tables(plain_database: str) -> None:
    with (
        psycopg.connect(plain_database) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("CREATE TABLE mine (id int)")


def test_the_owner_creates_tables(plain_database: str) -> None:
    with psycopg.connect(owner_of(plain_database)) as connection:
        connection.execute("CREATE TABLE mine (id int)")


def test_a_service_role_of_one_silo_is_unknown_to_anothers_server(
    hospital_database: str, ems_database: str
) -> None:
    stranger = psycopg.conninfo.conninfo_to_dict(hospital_database)
    elsewhere = psycopg.conninfo.make_conninfo(
        ems_database, user=str(stranger["user"]), password=str(stranger["password"])
    )
    with pytest.raises(psycopg.OperationalError, match=r"authentication failed|permission denied"):
        psycopg.connect(elsewhere)


def test_copies_of_one_template_do_not_see_each_other(databases: Databases) -> None:
    with databases.fresh("hospital") as one, databases.fresh("hospital") as other:
        with psycopg.connect(owner_of(one)) as connection:
            connection.execute("CREATE TABLE mine (id int)")
        with psycopg.connect(superuser_of(other)) as connection:
            row = connection.execute("SELECT to_regclass('public.mine')").fetchone()
    assert row == (None,)
