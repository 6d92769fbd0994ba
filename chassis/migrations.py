"""The Alembic environment that the silos share: each silo brings its versions, nothing else."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import sqlalchemy
from alembic import op
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from psycopg.sql import SQL, Identifier
from sqlalchemy.pool import NullPool

HEAD = "head"
BASE = "base"

# A version that has to wait for a lock gives up, rather than make everybody wait behind it.
_OPTIONS = "-c lock_timeout=1s -c statement_timeout=10min -c timezone=UTC"
# Two processes may migrate at once; the second waits here, and then finds nothing to do.
_ALONE = "SELECT pg_advisory_lock(hashtext('medport migrations'))"
_EXISTS = "SELECT to_regclass('alembic_version') IS NOT NULL"
_REVISION = "SELECT max(version_num) FROM alembic_version"

_VERSION = '''"""{title}."""

from __future__ import annotations

from chassis import migrations

revision = "{revision}"
down_revision = "{newest}"


def upgrade() -> None:
    """Add first, remove in a later release: the code before this version still runs on it."""
    migrations.run(
        """
        """
    )


def downgrade() -> None:
    migrations.run(
        """
        """
    )
'''

_Steps = Callable[[object, object], object]


def migrate(package: str, url: str, service_role: str, revision: str = HEAD) -> None:
    """Bring ``package``'s database up to ``revision``, as the role that owns it.

    Each version is a transaction of its own. ``service_role`` is whom the versions grant to.
    """
    script = _script(package)
    # What alembic.command.upgrade calls; that command would want an env.py in every silo.
    _run(script, url, service_role, lambda now, _: script._upgrade_revs(revision, now))  # type: ignore[arg-type]  # noqa: SLF001


def migrate_down(package: str, url: str, service_role: str, revision: str) -> None:
    """Take ``package``'s database back to ``revision``, or to nothing at ``BASE``."""
    script = _script(package)
    _run(script, url, service_role, lambda now, _: script._downgrade_revs(revision, now))  # type: ignore[arg-type]  # noqa: SLF001


def revision_of(url: str) -> str:
    """Return the revision of the database at ``url``, empty when it was never migrated."""
    with psycopg.connect(url) as connection:
        if connection.execute(_EXISTS).fetchone() == (False,):
            return ""
        row = connection.execute(_REVISION).fetchone()
        return str(row[0] or "") if row else ""


def head_of(package: str) -> str:
    """Return the newest revision that ``package`` brings."""
    return str(_script(package).get_current_head() or "")


def add_revision(package: str, name: str) -> Path:
    """Write an empty version behind ``package``'s newest one; return the file to fill in.

    ``name`` says in a few words what the version does, such as ``add_unit_colour``. Raises
    ValueError when it is no name for a module.
    """
    if not name.isidentifier():
        raise ValueError(f"not a name for a module: {name}")
    script, newest = _script(package), head_of(package)
    revision = f"{int(newest or 0) + 1:04d}"
    file = Path(script.dir) / "versions" / f"{revision}_{name}.py"
    title = name.replace("_", " ").capitalize()
    file.write_text(_VERSION.format(title=title, revision=revision, newest=newest))
    return file


def service_role() -> str:
    """Return, inside a version, the role that it grants to."""
    return str(op.get_context().environment_context.config.attributes["service_role"])  # type: ignore[union-attr]


def run(text: str) -> None:
    """Run, inside a version, any number of statements; ``%`` and ``:`` mean themselves."""
    driver = op.get_bind().connection.driver_connection
    driver.execute(text.encode())  # type: ignore[union-attr]


def _script(package: str) -> ScriptDirectory:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise LookupError(f"there is no package {package}")
    return ScriptDirectory(str(Path(found.origin).parent / "migrations"))


def _run(script: ScriptDirectory, url: str, role: str, steps: _Steps) -> None:
    config = Config()
    config.attributes["service_role"] = role
    with psycopg.connect(url, autocommit=True) as guard:
        guard.execute(_ALONE)
        with _engine(url) as connection, EnvironmentContext(config, script, fn=steps) as context:
            context.configure(connection=connection, transaction_per_migration=True)
            with context.begin_transaction():
                context.run_migrations()
        _let_read(guard, role)


@contextmanager
def _engine(url: str) -> Iterator[sqlalchemy.Connection]:
    engine = sqlalchemy.create_engine(  # noqa: TID251 - Alembic runs on an engine
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(url, options=_OPTIONS),
        poolclass=NullPool,
        hide_parameters=True,  # parameters may be rows, and errors are logged
    )
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _let_read(connection: psycopg.Connection, role: str) -> None:
    """Let the service see its revision: it does not serve on a schema that is too old."""
    if connection.execute(_EXISTS).fetchone() == (True,):
        grant = SQL("GRANT SELECT ON alembic_version TO {}")
        connection.execute(grant.format(Identifier(role)))
