"""Columnar tables: Parquet, Arrow IPC, tables and frames in memory. Encoding ``json``.

How their values become text is in `provenance.records.columns`. A table with a column that cannot
be mapped is refused before its first row.

Leaf hashes come from `provenance.records.batches`, on every core, while the next batch is decoded.

Memory, beside what is said there: of a Parquet file the pages being read of one row group; of an
Arrow file or stream one record batch as it was written; and batches of about 1 MiB, one for
`leaves`, of at most 1,024 rows, and for leaf hashes two more than there are cores, of at most
16,384 rows. pyarrow is imported with this module, which is imported on use.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.ipc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from provenance.errors import InputError
from provenance.merkle import HASH_SIZE
from provenance.records.batches import HASHED_ROWS, hashed_in_order
from provenance.records.columns import (
    batch_leaves,
    check_schema,
    has_text,
    rows_of_size,
    sliced,
)
from provenance.records.files import (
    FileState,
    Part,
    changed_while_read,
    check_unchanged,
    open_part,
    readable,
    regular_status,
    state_of,
)
from provenance.records.rows import ROWS

__all__ = ["ArrowFile", "Batches", "ParquetFile", "batches_of", "typed_batch"]


# --- parts ----------------------------------------------------------------------------------------


@contextmanager
def _arrow_errors(label: str) -> Iterator[None]:
    """Turn an error of Arrow into one that names the input."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"{label} cannot be read: {error}") from None


class _Table(Part):
    """Record batches, whatever they come from."""

    def leaves(self) -> Iterator[bytes]:
        """Yield the leaf of each row."""
        with _arrow_errors(self.label):
            for first_row, batch in self._numbered(ROWS):
                yield from batch_leaves(batch, self.label, first_row=first_row)

    def leaf_hash_blocks(self, count: int) -> Iterator[bytes]:
        """Yield the leaf hashes, `count` at a time or fewer."""
        with _arrow_errors(self.label):
            for hashes in hashed_in_order(self._numbered(HASHED_ROWS), self.label):
                for at in range(0, len(hashes), count * HASH_SIZE):
                    yield hashes[at : at + count * HASH_SIZE]

    def _numbered(self, most: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield batches of `most` rows at most, each with the number of its first row."""
        first_row = 1
        for batch in self._batches(most):
            yield first_row, batch
            first_row += batch.num_rows

    @abstractmethod
    def _batches(self, most: int) -> Iterator[pa.RecordBatch]:
        """Yield them all, of `most` rows at most, and set `schema`."""


class _TableFile(_Table):
    """A table file: hashed first, then read at will; the same file both times, and unchanged."""

    def __init__(self, path: Path, label: str) -> None:
        self._status = regular_status(path, label)
        super().__init__(label, self._status.st_size)
        self._path = path

    def _batches(self, most: int) -> Iterator[pa.RecordBatch]:
        if self.digest_names:
            with open_part(self, self._path):
                pass
            self.done = 0
            if self.state is None or self.state.identity != state_of(self._status).identity:
                raise changed_while_read(self.label)
        with readable(self.label), pa.OSFile(str(self._path)) as file:
            self._check_unchanged(file)
            yield from self._read(file, most)
            self.state = self._check_unchanged(file)
        self.done = self._status.st_size

    def _check_unchanged(self, file: pa.OSFile) -> FileState:
        return check_unchanged(self._path, self.label, self._status, file.fileno())

    @abstractmethod
    def _read(self, file: pa.NativeFile, most: int) -> Iterator[pa.RecordBatch]:
        """Yield the batches of the open file."""


class ParquetFile(_TableFile):
    """A Parquet file."""

    def _read(self, file: pa.NativeFile, most: int) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False) as table:
            self.schema = check_schema(table.schema_arrow, self.label)
            groups = [table.metadata.row_group(i) for i in range(table.num_row_groups)]
            row_size = sum(group.total_byte_size for group in groups) // max(
                1, table.metadata.num_rows
            )
            count = 0
            rows = rows_of_size(row_size, most)
            for batch in table.iter_batches(batch_size=rows, use_threads=False):
                count += batch.num_rows
                self.done = self._status.st_size * count // table.metadata.num_rows
                yield batch


class ArrowFile(_TableFile):
    """An Arrow IPC file or stream, Feather 2 included."""

    def _read(self, file: pa.NativeFile, most: int) -> Iterator[pa.RecordBatch]:
        magic = file.read(6)
        file.seek(0)
        if magic[:4] == b"FEA1":
            raise InputError(f"{self.label} is a Feather file of version 1; write it as version 2")
        if magic == b"ARROW1":
            reader = pa.ipc.open_file(file)
            batches = map(reader.get_batch, range(reader.num_record_batches))
            size = self._status.st_size // max(1, reader.num_record_batches)
        else:
            reader = batches = pa.ipc.open_stream(file)
            size = 0
        self.schema = check_schema(reader.schema, self.label)
        for batch in batches:
            _check_layout(batch)
            self.done = self.done + size if size else file.tell()
            yield from sliced(batch, most)


def _check_layout(batch: pa.RecordBatch) -> None:
    """Check that nothing in a batch leads out of it.

    Arrow believes a file: an offset beyond the end would read what memory holds there, or crash.
    A mere value that means nothing, a time of day of 25:00, is left to be named with its row.

    Raises:
        pa.ArrowInvalid: something does.
    """
    for column in batch.columns:
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            plain = _plain_type(column.type)
            if plain is None:
                raise
            column.view(plain).validate(full=True)


def _plain_type(kind: pa.DataType) -> pa.DataType | None:
    """Return a type of the same layout in which every value means something; None if none has."""
    types = pa.types
    if types.is_string(kind):
        return pa.binary()
    if types.is_large_string(kind):
        return pa.large_binary()
    if types.is_date64(kind) or types.is_time64(kind):
        return pa.int64()
    if types.is_time32(kind):
        return pa.int32()
    return pa.binary(kind.byte_width) if types.is_decimal(kind) else None


class Batches(_Table):
    """A table in memory, or a stream of record batches that is consumed once."""

    def __init__(self, reader: pa.RecordBatchReader, label: str, rows: int | None) -> None:
        super().__init__(label, rows)
        self._reader = reader
        self.schema = check_schema(reader.schema, label)

    def _batches(self, most: int) -> Iterator[pa.RecordBatch]:
        for batch in self._reader:
            for part in sliced(batch, most):
                self.done += part.num_rows
                yield part


def batches_of(table: Any, label: str) -> Batches | None:
    """Return the rows of an Arrow table or reader, a pandas frame, or what exports Arrow streams.

    Returns:
        None for anything else.

    Raises:
        InputError: a frame that Arrow cannot take, a column that cannot be mapped.
    """
    try:
        rows = None if isinstance(table, pa.RecordBatchReader) else len(table)
    except TypeError:
        rows = None
    # Arrow raises whatever its converters raise; here that always means: not this frame.
    try:
        if type(table).__module__.partition(".")[0] == "pandas" and hasattr(table, "columns"):
            table = pa.Table.from_pandas(table, preserve_index=False)
        elif isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table])
        if isinstance(table, pa.Table):
            table = table.to_reader()
        elif hasattr(table, "__arrow_c_stream__") and not isinstance(table, pa.RecordBatchReader):
            table = pa.RecordBatchReader.from_stream(table)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{label} cannot be made an Arrow table: {error}") from None
    return Batches(table, label, rows) if isinstance(table, pa.RecordBatchReader) else None


# --- typed CSV ------------------------------------------------------------------------------------


def typed_batch(
    columns: Mapping[str, Sequence[str]], types: Mapping[str, str], label: str, *, first_row: int
) -> pa.RecordBatch:
    """Return the cells of a CSV file as a batch, cast to `types` where they name a column.

    Raises:
        InputError: an unknown type, or a cell that is not of its type.
    """
    arrays = []
    for name, cells in columns.items():
        kind = _type_named(types.get(name, "string"), name)
        if pa.types.is_string(kind):
            arrays.append(pa.array(cells, pa.string()))
            continue
        array = pa.array([cell or None for cell in cells], pa.string())
        try:
            arrays.append(array.cast(kind))
        except pa.ArrowException:
            for row, cell in enumerate(array):
                _check_cell(cell, kind, f"{label}, row {first_row + row}, column {name!r}")
            raise
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _check_cell(cell: pa.Scalar, kind: pa.DataType, where: str) -> None:
    try:
        cell.cast(kind)
    except pa.ArrowException:
        raise InputError(f"{where}: {cell.as_py()!r} is not of the type {kind}") from None


def _type_named(text: str, column: str) -> pa.DataType:
    if match := re.fullmatch(r"timestamp\[(s|ms|us|ns), tz=([^\]]+)\]", text):
        return pa.timestamp(match[1], tz=match[2])
    try:
        if match := re.fullmatch(r"decimal128\((\d{1,2}), ?(\d{1,2})\)", text):
            return pa.decimal128(int(match[1]), int(match[2]))
        kind = pa.type_for_alias(text)
    except ValueError:
        kind = None
    if kind is None or not has_text(kind):
        raise InputError(f"the cells of the CSV column {column!r} cannot have the type {text!r}")
    return kind
