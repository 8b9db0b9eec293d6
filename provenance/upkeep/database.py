"""The database itself: SQLite's own structures, its schema, and rows that nothing else implies.

``PRAGMA integrity_check`` reads every page, and holds every index against its table. It takes the
schema as it finds it, so that is compared with the one that the migration makes. What no other area
computes anew (where anchors stand, tokens) has a seal in each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import Table, create_engine
from sqlmodel import Session, SQLModel

from provenance.errors import LedgerError
from provenance.ledger.tokens import SCOPES, TokenRow
from provenance.log.schema import VERSION_TABLE, make_tables
from provenance.log.store import GenerationRow, Sealed, seal_of
from provenance.upkeep.report import Area, Findings, Kind, counted

__all__ = [
    "DATABASE",
    "SEALED",
    "TABLES",
    "check_sqlite",
    "check_tokens",
    "rows",
    "sealed_rows",
    "sqlite_damage",
]

DATABASE = Kind(
    "the file is damaged where SQLite keeps its pages, indices or tables: what is found by them "
    "can be wrong or missing",
    "bring the ledger back from a backup: `provenance restore`",
)
SEALED = Kind(
    "the row is not what the ledger wrote, and nothing else tells what that was",
    "bring the ledger back from a backup: `provenance restore`",
)
TOKEN = Kind(
    "the row is not what the ledger wrote: it may let in whom it should not",
    "revoke the token and make a new one: `provenance tokens`; or bring back a backup",
)

TABLES = {
    "entry": "log",
    "tile": "log",
    "checkpoint": "log",
    "cosignature": "log",
    "envelope": "envelopes",
    "mention": "catalogue",
    "facet": "catalogue",
    "anchor": "anchors",
    "state_proof": "anchors",
    "token": "tokens",
    "generation": None,
    VERSION_TABLE: "database",
}
"""Table → the area in which each of its columns is computed anew, verified, or sealed.

On the values of a table of no area nothing rests but what a process remembers.
"""

Select = Callable[[str], Iterable[tuple[Any, ...]]]


def check_sqlite(session: Session, found: Findings) -> Area:
    """Check the file of a ledger's database; of a server's, nothing."""
    connection = session.connection()
    if connection.dialect.name != "sqlite":
        return found.area("PostgreSQL looks after its own pages: not looked at", there=False)

    def select(sql: str) -> Iterable[tuple[Any, ...]]:
        return (tuple(row) for row in connection.exec_driver_sql(sql))

    for said in sqlite_damage(select, _schema_of_today()):
        found.fault(f"ledger.db: {said}", DATABASE)
    if len([*rows(session, GenerationRow)]) != 1:
        found.fault("ledger.db: the table generation does not have its one row", DATABASE)
    (pages,) = next(iter(select("PRAGMA page_count")))
    return found.area(f"ledger.db, {counted(pages, 'page')}, {len(TABLES)} tables")


def sqlite_damage(select: Select, schema: set[tuple[Any, ...]]) -> Iterator[str]:
    """Yield what is wrong with a SQLite file.

    Args:
        select: runs a query.
        schema: what ``SELECT type, name, tbl_name, sql FROM sqlite_schema`` must return.
    """
    for (said,) in select("PRAGMA integrity_check"):
        if said != "ok":
            yield " ".join(str(said).split())
    present = set(select("SELECT type, name, tbl_name, sql FROM sqlite_schema"))
    for kind, name, *_ in sorted(present - schema, key=str):
        yield f"the {kind} {name} is not one of those that are made today"
    for kind, name, *_ in sorted(schema - present, key=str):
        yield f"the {kind} {name} is missing, or is another"


def _schema_of_today() -> set[tuple[Any, ...]]:
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            make_tables(connection)
            sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema"
            return {tuple(row) for row in connection.exec_driver_sql(sql)}
    finally:
        engine.dispose()


# --- rows -----------------------------------------------------------------------------------------


def rows(
    session: Session, row: type[SQLModel], *, at_a_time: int = 1000
) -> Iterator[dict[str, Any]]:
    """Yield every row of a table in the order of its key, by column, as the driver gives it.

    As bytes and numbers, that is, whatever the model says of a column.
    """
    table: Table = row.__table__  # type: ignore[attr-defined]
    connection = session.connection()
    quote = connection.dialect.identifier_preparer.format_column
    names = [column.name for column in table.columns]
    sql = (
        f"SELECT {', '.join(map(quote, table.columns))} FROM {table.name} "  # noqa: S608 - own names
        f"ORDER BY {', '.join(map(quote, table.primary_key))}"
    )
    kinds = [column.type.python_type for column in table.columns]
    nullable = [column.nullable for column in table.columns]
    with connection.exec_driver_sql(sql, execution_options={"yield_per": at_a_time}) as found:
        for values in found:
            for name, value, kind, may_miss in zip(names, values, kinds, nullable, strict=True):
                fits = isinstance(value, kind) or (kind is bool and value in (0, 1))
                if not fits and not (value is None and may_miss):
                    raise LedgerError(f"a row of the table {table.name} has no {name}")
            yield dict(zip(names, values, strict=True))


def sealed_rows(
    session: Session, row: type[Sealed], found: Findings, kind: Kind
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table whose seal is theirs; of others, say so."""
    table: Table = row.__table__  # type: ignore[attr-defined]
    for values in rows(session, row):
        seal = values.pop("seal")
        if seal != seal_of(table.name, values):
            key = ", ".join(str(values[column.name]) for column in table.primary_key)
            found.fault(f"the row {key!r} of the table {table.name} does not have its seal", kind)
        else:
            yield values


def check_tokens(session: Session, found: Findings) -> Area:
    """Check the API tokens: each row is what was written when it was made or revoked."""
    count, revoked = 0, 0
    for token in sealed_rows(session, TokenRow, found, TOKEN):
        count += 1
        revoked += token["revoked"] is not None
        if token["scope"] not in SCOPES:
            found.fault(f"the token {token['id']} has the unknown scope {token['scope']!r}", TOKEN)
    return found.area(f"{counted(count, 'token')}, {revoked} of them revoked", there=bool(count))
