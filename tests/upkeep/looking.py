"""What a check of a ledger said, and what its files hold."""

import sqlite3

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from provenance.upkeep.database import TABLES

PRAGMAS = {"ledger.db": ("encoding",), "chain.db": ("user_version", "application_id", "encoding")}


def told(report):
    """Area → what is wrong in it, in one text."""
    return {
        area.name: "; ".join([fault.what for fault in area.faults] + [*area.doubts])
        for area in report.areas
        if area.faults or area.doubts
    }


def without_spare_files(folder):
    """Remove what SQLite leaves beside a file that was only read."""
    for path in [*folder.glob("*-wal"), *folder.glob("*-shm")]:
        path.unlink()


def everything(folder):
    """Every file and its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def content(path):
    """What the file means to whoever reads it: two that are equal are the same ledger.

    Of a database its schema and every value of every table, but for what processes only remember
    by; of a key the key; else every byte.
    """
    if path.suffix == ".pem":
        key = load_pem_private_key(path.read_bytes(), None)
        return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if path.suffix != ".db":
        return path.read_bytes()
    connection = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    try:
        found = [connection.execute(f"PRAGMA {name}").fetchone() for name in PRAGMAS[path.name]]
        sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
        for kind, name, table, text in connection.execute(sql).fetchall():
            found.append((kind, name, table, text))
            if kind == "table":
                rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
                rests = TABLES.get(name, "ours, or the chain's") is not None
                found.append(sorted(map(repr, rows)) if rests else len(rows))
        return found
    finally:
        connection.close()
