"""Every table. It is altered in place until the first release, and never after it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "9"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""Of 64 bits; a rowid of SQLite is called so."""


def upgrade() -> None:
    """Make the tables. There is no way back: a log is never taken apart."""
    _log()
    _catalogue()
    _anchors()
    _tokens()


def _log() -> None:
    op.create_table(
        "entry",
        _key("index"),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("submission", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("index"),
        sa.UniqueConstraint("submission"),
    )
    _index("entry_standing", "entry", ["kind", "index"], "kind = 8 OR kind = 9")
    op.create_table(
        "envelope",
        _key("index"),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("index"),
    )
    op.create_table(
        "tile",
        _key("level"),
        _key("index"),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "index"),
    )
    op.create_table(
        "checkpoint",
        _key("size"),
        sa.Column("note", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("size"),
    )
    op.create_table(
        "cosignature",
        _key("size"),
        sa.Column("witness", sa.String(), nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("size", "witness"),
    )
    op.create_table(
        "generation",
        _key("only"),
        sa.Column("number", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("only"),
    )


def _catalogue() -> None:
    op.create_table(
        "mention",
        _key("entry"),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("entry", "position"),
        sqlite_with_rowid=False,
    )
    op.create_index("mention_digest", "mention", ["digest", "subject", "entry"])
    op.create_table(
        "facet",
        sa.Column("facet", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        _key("entry"),
        sa.PrimaryKeyConstraint("facet", "value", "entry"),
        sqlite_with_rowid=False,
    )
    _index("facet_entry", "facet", ["entry", "facet"], "facet = 1 OR facet = 2 OR facet = 3")


def _anchors() -> None:
    op.create_table(
        "anchor",
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.String(), nullable=False),
        _key("size"),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", NUMBER),
        sa.Column("block", NUMBER),
        sa.Column("block_hash", sa.LargeBinary()),
        sa.Column("block_time", NUMBER),
        sa.PrimaryKeyConstraint("chain", "size"),
    )
    op.create_table(
        "state_proof",
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.String(), nullable=False),
        _key("size"),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain", "size"),
    )


def _tokens() -> None:
    op.create_table(
        "token",
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created", NUMBER, nullable=False),
        sa.Column("expires", NUMBER),
        sa.Column("revoked", NUMBER),
        sa.PrimaryKeyConstraint("id"),
    )


def _key(name: str) -> sa.Column[int]:
    """Return a number of a primary key, which the database never counts up."""
    return sa.Column(name, NUMBER, autoincrement=False, nullable=False)


def _index(name: str, table: str, columns: list[str], few: str) -> None:
    """Make an index of only those rows that meet `few`."""
    where = sa.text(few)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
