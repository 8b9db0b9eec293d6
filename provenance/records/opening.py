"""The one door for data: anything that can be registered becomes a `Source` of leaves.

::

    source = open_source("data/train.parquet")
    for block in source.leaf_hash_blocks():       # 32·n bytes each, in order
        tree.extend(block)
    source.encoding, source.schema, source.digests

===============================================  ==========  =====================================
what                                             encoding    read by
===============================================  ==========  =====================================
.jsonl, .jsonl.gz, .csv                          ``json``    `provenance.records.rows`
.parquet, .arrow, .feather                       ``json``    `provenance.records.tables`
a folder of only such files of one format        ``json``    each in path order
a list of such files and folders, together       ``json``    each in the order given
any other folder                                 ``file``    `provenance.records.folders`
any other file, bytes, a binary stream           ``chunk``   `provenance.records.chunks`
Arrow table, batch or reader; pandas, polars …   ``json``    `provenance.records.tables`
an iterable of dicts                             ``json``    `provenance.records.rows`
a `Source` that was opened elsewhere             its own     itself
===============================================  ==========  =====================================

Everything is read as a stream. Memory: 4,096 leaf hashes, twice 1 MiB of leaves, or one leaf, and
what the modules above state.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from provenance import forms
from provenance.errors import InputError
from provenance.records.artifacts import CHUNK, FILE, JSON, LINE, Encoding
from provenance.records.cache import DigestCache
from provenance.records.chunks import Chunks
from provenance.records.files import Bytes, Lines, Part, readable
from provenance.records.folders import Folder
from provenance.records.listing import list_folder
from provenance.records.remembered import FileMemory
from provenance.records.rows import Csv, JsonLines, Records
from provenance.records.sources import Source
from provenance.version import VERSION

__all__ = ["DIGESTS", "ENCODINGS", "open_source"]

DIGESTS = ("sha256", "blake3")
"""What the content of a file can be hashed by; the tree is SHA-256 always."""

ENCODINGS = {"json": JSON, "line": LINE, "chunk": CHUNK, "file": FILE}
"""Name → encoding with its default parameters."""

_TABLES = {
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
_MEDIA_TYPES = {
    "jsonl": "application/jsonl",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.file",
}


def open_source(
    data: Any,
    *,
    encoding: str | Encoding | None = None,
    together: bool = False,
    ignore: Iterable[str] = (),
    follow_symlinks: bool = False,
    digest: str = "sha256",
    tree_only: bool = False,
    schema: Mapping[str, str] | None = None,
    cache: DigestCache | None = None,
) -> Source:
    """Open anything that holds records. Nothing but names and sizes is read yet.

    Args:
        data: a path of a file or folder; a list of paths, with `together`; an Arrow table, record
            batch or reader; a pandas or polars frame, or whatever exports an Arrow stream; an
            iterable of dicts; bytes, or a binary stream, which under ``json`` are JSONL.
            A `Source`, such as `provenance.integrations.dask` makes, is given back as it is; its
            schema and digests were chosen where it was opened.
        encoding: a name for its default parameters, or an `Encoding`; None for the default above.
        ignore: globs of what to leave out of a folder, which is then of the encoding ``file``.
        follow_symlinks: follow symlinks that stay inside the folder; encoding ``file`` likewise.
        digest: ``blake3``, within the records of a folder in place of ``sha256``; of one file
            beside it.
        tree_only: leave out the digests of one file as it is on disk.
        schema: column → type for the cells of CSV files; other formats carry their own.
        cache: has what files were hashed to, single ones and those in folders, that did not change;
            None reads them all.

    Raises:
        InputError: there is no such file, or its records cannot be had under this encoding.
    """
    if digest not in DIGESTS:
        raise InputError(f"no digest {digest!r}; there are {', '.join(DIGESTS)}")
    chosen = _chosen(encoding, tuple(sorted(set(ignore))), follow_symlinks)
    if isinstance(data, Source):
        if together or tree_only or digest != "sha256" or chosen not in (None, data.encoding):
            raise InputError(f"{data.name or 'this source'} was opened already, in another way")
        return data
    if together:
        source = _open_together(data, _How(chosen, schema))
    elif isinstance(data, (str, os.PathLike)):
        source = _open_path(Path(data), _How(chosen, schema, digest, cache))
    elif isinstance(data, (bytes, bytearray, memoryview)):
        source = _open_bytes(bytes(data), "the bytes given", chosen)
    elif hasattr(data, "readinto"):
        source = _open_bytes(data, "the stream given", chosen)
    elif chosen in (None, JSON):
        source = Source([_rows_in_memory(data)], JSON)
    else:
        raise InputError(f"rows in memory have the encoding 'json', not {chosen.name!r}")
    # Of several files together there is no digest to speak of.
    noted = () if tree_only or len(source.parts) > 1 else dict.fromkeys(("sha256", digest))
    for part in source.parts:
        part.digest_names = tuple(noted)
    if cache is not None and source.media_type:  # one file
        how = {
            "encoding": forms.encode(source.encoding),
            "mediaType": source.media_type,
            "schema": None if schema is None else dict(schema),
            "digests": list(noted),
            "versions": _versions(source, schema),
        }
        source.memory = FileMemory.of(cache, Path(data), how)
    return source


def _versions(source: Source, schema: Mapping[str, str] | None) -> dict[str, str | None]:
    """Return package → version, of those whose code the leaves of one file depend on."""
    versions: dict[str, str | None] = {"provenance-ledger": VERSION}
    arrow = (_MEDIA_TYPES["parquet"], _MEDIA_TYPES["arrow"])
    if source.encoding.name == "json" and (schema or source.media_type in arrow):
        versions["pyarrow"] = _version("pyarrow")
    return versions


def _version(package: str) -> str | None:
    from importlib import metadata  # which takes long to import

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _chosen(
    encoding: str | Encoding | None, ignore: tuple[str, ...], follow_symlinks: bool
) -> Encoding | None:
    if isinstance(encoding, str):
        if encoding not in ENCODINGS:
            raise InputError(f"no encoding {encoding!r}; there are {', '.join(ENCODINGS)}")
        encoding = ENCODINGS[encoding]
    if not ignore and not follow_symlinks:
        return encoding
    if encoding is not None and encoding.name != "file":
        raise InputError("only the encoding 'file' has globs to ignore and symlinks to follow")
    return dataclasses.replace(encoding or FILE, ignore=ignore, follow_symlinks=follow_symlinks)


class _How(NamedTuple):
    """What `open_source` was told, of a path."""

    encoding: Encoding | None
    schema: Mapping[str, str] | None
    digest: str = "sha256"
    cache: DigestCache | None = None


def _open_path(path: Path, how: _How) -> Source:
    label = str(path)
    with readable(label):
        if not path.exists():
            raise InputError(f"there is no file {label}")
        is_folder = path.is_dir()
        name = path.name if path.name not in ("", "..") else path.resolve().name
    if is_folder:
        return _open_folder(path, label, name, how)
    table = _format_of(path)
    encoding = how.encoding or (JSON if table else CHUNK)
    if encoding.name == "json":
        part = _table_part(path, label, how.schema)
        gzipped = name.lower().endswith(".gz")
        media_type = "application/gzip" if gzipped else _MEDIA_TYPES[str(table)]
        return Source([part], encoding, name=name, media_type=media_type)
    media_type = _MEDIA_TYPES.get(table or "", "application/octet-stream")
    return Source([_raw_part(path, label, encoding)], encoding, name=name, media_type=media_type)


def _open_folder(path: Path, label: str, name: str, how: _How) -> Source:
    chosen = how.encoding
    if chosen is not None and chosen.name in ("chunk", "line"):
        raise InputError(f"{label} is a folder; the encoding {chosen.name!r} is for one file")
    encoding = chosen or FILE
    if how.digest == "blake3":
        encoding = dataclasses.replace(encoding, digest="blake3")
    page = None if how.cache is None else how.cache.page(path, str(encoding.digest))
    listing = list_folder(path, label, encoding.ignore or (), bool(encoding.follow_symlinks))
    if chosen is None or chosen.name == "json":
        table = _format_of(listing.paths[0]) if listing.paths else None
        if table and all(_format_of(inside) == table for inside in listing.paths):
            shards = [path / inside for inside in listing.paths]
            parts = [_table_part(shard, str(shard), how.schema) for shard in shards]
            return Source(parts, JSON, name=name)
        if chosen is not None:
            _refuse_as_tables(listing.paths, label)
    return Source([Folder(path, label, encoding, listing, page)], encoding, name=name)


def _refuse_as_tables(paths: list[str], label: str) -> None:
    if not paths:
        raise InputError(f"{label} holds no tables")
    for path in paths:
        if _format_of(path) is None:
            raise InputError(f"{label} holds {path!r}, which is not a table; known are {_known()}")
    raise InputError(f"{label} holds tables of several formats, {paths[0]!r} and others")


def _open_together(data: Any, how: _How) -> Source:
    if isinstance(data, (str, os.PathLike)):
        data = [data]
    paths = list(data) if isinstance(data, Iterable) else [data]
    if not paths or not all(isinstance(path, (str, os.PathLike)) for path in paths):
        raise InputError("together joins the tables of a list of paths")
    if how.encoding not in (None, JSON):
        raise InputError(
            f"together joins tables under the encoding 'json', not {how.encoding.name!r}"
        )
    sources = [_open_path(Path(path), _How(JSON, how.schema)) for path in paths]
    name = sources[0].name if len(sources) == 1 else ""
    return Source([part for source in sources for part in source.parts], JSON, name=name)


def _open_bytes(data: Bytes, label: str, chosen: Encoding | None) -> Source:
    encoding = chosen or CHUNK
    if encoding.name == "json":
        return Source([JsonLines(data, label)], encoding)
    return Source([_raw_part(data, label, encoding)], encoding)


def _raw_part(source: Bytes, label: str, encoding: Encoding) -> Part:
    if encoding.name == "line":
        return Lines(source, label)
    if encoding.chunk_size is None:
        raise InputError(f"{label} is not a folder; the encoding 'file' is for folders")
    return Chunks(source, label, encoding.chunk_size)


def _table_part(path: Path, label: str, schema: Mapping[str, str] | None) -> Part:
    table = _format_of(path)
    part: Part
    if table == "jsonl":
        part = JsonLines(path, label, gzipped=path.name.lower().endswith(".gz"))
    elif table == "csv":
        part = Csv(path, label, schema)
    elif table is None:
        raise InputError(f"{label} is not a table; known are {_known()}")
    else:
        tables = _tables(label)
        part = (tables.ParquetFile if table == "parquet" else tables.ArrowFile)(path, label)
    part.path = path
    return part


def _rows_in_memory(data: Any) -> Part:
    label = "the rows given"
    package = type(data).__module__.partition(".")[0]
    if package in ("pyarrow", "pandas") or hasattr(data, "__arrow_c_stream__"):
        batches: Part | None = _tables(label).batches_of(data, f"the {type(data).__name__} given")
        if batches is not None:
            return batches
    elif isinstance(data, Iterable) and not isinstance(data, Mapping):
        if isinstance(data, Sequence) and data and isinstance(data[0], (str, os.PathLike)):
            raise InputError("a list of paths: open each by itself, or all of them together")
        return Records(data, label)
    raise InputError(
        f"no records in a {type(data).__name__}; a path, a table or frame, an iterable of dicts "
        "or bytes can be read"
    )


def _tables(label: str) -> Any:
    try:
        from provenance.records import tables
    except ImportError:
        raise InputError(
            f"{label} needs pyarrow: pip install 'provenance-ledger[tables]'"
        ) from None
    return tables


def _format_of(path: Path | str) -> str | None:
    name = str(path).lower()
    for suffix, table in _TABLES.items():
        if name.endswith(suffix):
            return table
    return None


def _known() -> str:
    return ", ".join(_TABLES)
