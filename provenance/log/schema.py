"""The tables, made by Alembic, and the version of those that are there, which is Alembic's.

::

    migrations/
      env.py               what a migration runs in
      versions/first.py    every table: the one migration until the first release

Whoever alters a model alters that migration with it, and counts its revision up, there and here. On
both databases ``tests/log/test_migrations.py`` holds the models against it, and shows what Alembic
would have it do.

To make tables takes Alembic; to read their version does not, so that no other start pays for it.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, inspect

__all__ = ["REVISION", "VERSION_TABLE", "found_revision", "make_tables"]

REVISION = "9"

VERSION_TABLE = "alembic_version"
"""Has one row, with the revision. On PostgreSQL, writers lock it."""


_one_at_a_time = Lock()  # what a migration runs in, Alembic keeps for the whole process


def make_tables(connection: Connection) -> None:
    """Make every table, in the transaction of `connection`."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    place = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", place.replace("%", "%%"))
    with _one_at_a_time:
        command.upgrade(config, "head")


def found_revision(connection: Connection) -> str | None:
    """Return the revision of the tables that are there; None where nothing tells one."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    rows = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
    return " and ".join(sorted(rows.scalars())) or None
