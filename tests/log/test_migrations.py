"""The migration makes what the models say, on both databases, and nothing else does."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from postgres import Server
from sqlalchemy import Column, Connection, Index, Integer, MetaData, String, Table, create_engine
from sqlmodel import SQLModel

from provenance.log import schema
from provenance.log.backends import backend
from provenance.log.schema import REVISION, VERSION_TABLE, make_tables
from provenance.log.store import Database

for name in ("ledger.ledger", "ledger.tokens"):  # with which every model is loaded
    importlib.import_module(f"provenance.{name}")

# What a server tells of tables, in words that do not depend on who made them.
ON_A_SERVER = """
SELECT 'column', table_name, column_name, ordinal_position::text, data_type, is_nullable,
       concat(column_default, character_maximum_length, is_identity)
FROM information_schema.columns WHERE table_schema = current_schema()
UNION ALL
SELECT 'index', tablename, indexname, indexdef, '', '', ''
FROM pg_indexes WHERE schemaname = current_schema()
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '', ''
FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
UNION ALL
SELECT 'sequence', sequencename, '', '', '', '', ''
FROM pg_sequences WHERE schemaname = current_schema()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    """A new ledger's database, in a transaction that is taken back."""
    place: Path | str = tmp_path / "ledger.db"
    if request.param == "postgresql":
        postgres: Server = request.getfixturevalue("postgres")
        place = postgres.database()
    Database.create(place).close()
    with opened(place) as connection:
        yield connection


@contextmanager
def opened(place: Path | str) -> Iterator[Connection]:
    engine = backend(place).engine(to_write=True)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def to_be_written(connection: Connection, models: MetaData) -> str:
    """What Alembic would have a migration do, so that these tables become those of the models."""
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    script = produce_migrations(context, models)
    assert script.upgrade_ops is not None
    return "" if script.upgrade_ops.is_empty() else render_python_code(script.upgrade_ops)


def ddl(connection: Connection) -> set[tuple[Any, ...]]:
    """Every table and index as the database itself tells them, but for Alembic's own."""
    sql = "SELECT type, tbl_name, name, sql FROM sqlite_schema"
    found = connection.exec_driver_sql(sql if connection.dialect.name == "sqlite" else ON_A_SERVER)
    return {tuple(row) for row in found if row[1] != VERSION_TABLE}


def made_by(models: MetaData, connection: Connection) -> set[tuple[Any, ...]]:
    """What the database tells of the tables that SQLAlchemy makes of the models."""
    drop = MetaData()
    drop.reflect(connection)
    drop.drop_all(connection)
    models.create_all(connection, checkfirst=False)
    return ddl(connection)


def altered() -> MetaData:
    """The models, to be altered."""
    copy = MetaData()
    for table in SQLModel.metadata.sorted_tables:
        table.to_metadata(copy)
    return copy


def test_the_migration_makes_what_the_models_say(connection: Connection) -> None:
    missing = to_be_written(connection, SQLModel.metadata)
    assert not missing, f"alter provenance/log/migrations/versions/first.py: {missing}"
    found = ddl(connection)
    assert len({row[1] for row in found}) == len(SQLModel.metadata.tables) > 10
    assert found == made_by(SQLModel.metadata, connection)


@pytest.mark.parametrize("name", sorted(SQLModel.metadata.tables))
def test_a_column_of_a_model_alone_is_found(connection: Connection, name: str) -> None:
    models = altered()
    models.tables[name].append_column(Column("another", Integer()))
    said = to_be_written(connection, models)
    assert f"op.add_column('{name}', sa.Column('another', sa.Integer(), nullable=True))" in said
    assert ddl(connection) ^ made_by(models, connection)


def less(models: MetaData, name: str, option: str) -> None:
    """Make an index, or a table, as if its option had not been given."""
    for table in models.sorted_tables:
        for thing in (table, *table.indexes):
            if thing.name == name:
                thing.dialect_options["sqlite"][option] = True if option == "with_rowid" else None
                if isinstance(thing, Index):
                    thing.dialect_options["postgresql"][option] = None


def test_what_alembic_does_not_compare_is_found_all_the_same(connection: Connection) -> None:
    """Which rows an index holds, and how SQLite lays out a table."""
    found = ddl(connection)
    for name, option in (
        ("facet_entry", "where"),
        ("entry_standing", "where"),
        ("facet", "with_rowid"),
        ("mention", "with_rowid"),
    ):
        if option == "with_rowid" and connection.dialect.name != "sqlite":
            continue
        models = altered()
        less(models, name, option)
        assert name in {row[2] for row in found ^ made_by(models, connection)}


def test_another_type_is_found(connection: Connection) -> None:
    models = altered()
    models.tables["token"].c.created.type = String()
    assert "op.alter_column('token', 'created'" in to_be_written(connection, models)
    models = altered()
    models.remove(models.tables["token"])
    assert "op.drop_table('token')" in to_be_written(connection, models)
    models = altered()
    Table("more", models, Column("id", Integer(), primary_key=True))
    assert "op.create_table('more'" in to_be_written(connection, models)


def test_the_version_of_a_database_is_alembics(connection: Connection) -> None:
    assert MigrationContext.configure(connection).get_current_heads() == (REVISION,)
    assert schema.found_revision(connection) == REVISION


def test_until_the_first_release_there_is_one_migration() -> None:
    folder = Path(schema.__file__).with_name("migrations")
    (only,) = ScriptDirectory(folder).walk_revisions()
    assert only.revision == REVISION, "the two are counted up together"
    assert only.down_revision is None


def test_tables_are_made_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that fails at its end leaves nothing of its beginning."""

    def fails(connection: Connection) -> None:
        make_tables(connection)
        raise KeyboardInterrupt

    path = tmp_path / "ledger.db"
    with monkeypatch.context() as failing:
        failing.setattr("provenance.log.store.make_tables", fails)
        with pytest.raises(KeyboardInterrupt):
            Database.create(path)
    with opened(path) as connection:
        assert connection.exec_driver_sql("SELECT * FROM sqlite_schema").fetchall() == []
    Database.create(path).close()


def test_a_folder_with_any_name_can_hold_the_migrations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alembic's configuration takes a percent sign for the beginning of a variable."""
    odd = tmp_path / "100% odd %(here)s"
    odd.mkdir()
    (odd / "migrations").symlink_to(Path(schema.__file__).with_name("migrations"))
    monkeypatch.setattr(schema, "__file__", str(odd / "schema.py"))
    with closing(Database.create(tmp_path / "ledger.db")):
        pass
    engine = create_engine(f"sqlite:///{tmp_path}/ledger.db")
    with engine.connect() as connection:
        assert schema.found_revision(connection) == REVISION
    engine.dispose()
