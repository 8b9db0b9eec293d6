"""Anything that can be registered → leaves of a Merkle tree.

- `canonical`: the text of a row (RFC 8785 of its mapped values)
- `artifacts`: encodings, and the digest that names an ordered list of records
- `opening`: the one door for files, folders, tables, frames, lists and bytes, each of which becomes
  a stream of records (`sources`); behind it `rows` (JSONL, CSV, lists of dicts), `tables` (Parquet,
  Arrow, frames) with `columns` (Arrow values as text), `files` (lines), `chunks`, and `folders`
  with `listing` and `filesystem` (which files there are, and their bytes)
- `cache`: where it is remembered what files were hashed to; `remembered`: of single files;
  `recheck`: whether it is true
- `processes`: other processes, for work that keeps the interpreter to itself

This page exports the pure half; `opening` is imported by whoever reads data.
"""

from provenance.records.artifacts import (
    ARTIFACT_DIGEST,
    CHUNK,
    FILE,
    JSON,
    LINE,
    MAX_CHUNK_SIZE,
    Artifact,
    Encoding,
    hash_record,
    leaf_bytes,
)
from provenance.records.canonical import canonical_row, map_value, parse_row

__all__ = [
    "ARTIFACT_DIGEST",
    "CHUNK",
    "FILE",
    "JSON",
    "LINE",
    "MAX_CHUNK_SIZE",
    "Artifact",
    "Encoding",
    "canonical_row",
    "hash_record",
    "leaf_bytes",
    "map_value",
    "parse_row",
]
