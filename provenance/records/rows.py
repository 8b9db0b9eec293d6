"""Rows of text files and of Python: JSONL (also gzipped), CSV, dicts. Encoding ``json``.

JSONL: one object a line, strict JSON in UTF-8, no empty lines. Memory: one line of at most
`MAX_LINE` bytes; a gzipped file is unpacked as a stream.

CSV (RFC 4180): a header is required and its names are distinct; a byte order mark is dropped;
every row has a cell for each column. Cells are strings, an empty one is ``""``. A schema types
them::

    {"id": "int64", "score": "float64", "when": "timestamp[us]"}

Columns it does not name stay strings, and so does ``"string"``; in the others an empty cell is
null. The cells are read by Arrow's casts from string. Memory: `ROWS` rows.

In errors rows count from 1, as editors show them; the header of a CSV file is not a row.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from provenance.errors import InputError
from provenance.records.canonical import canonical_row, parse_row
from provenance.records.files import MAX_LINE, Bytes, Part, bounded_lines, length_of, open_part

__all__ = ["ROWS", "Csv", "JsonLines", "Records"]

ROWS = 1024
"""How many rows of a table are mapped at a time."""


class JsonLines(Part):
    """A JSONL file, or the bytes of one."""

    def __init__(self, source: Bytes, label: str, *, gzipped: bool = False) -> None:
        super().__init__(label, length_of(source, label))
        self._source = source
        self._gzipped = gzipped

    def leaves(self) -> Iterator[bytes]:
        """Yield the leaf of each line."""
        after, line = self.after.records if self.after else 0, b"\n"
        with open_part(self, self._source) as file:
            lines = _gunzipped(file, self.label) if self._gzipped else file
            for number, line in enumerate(bounded_lines(lines, self.label, after), after + 1):
                where = f"{self.label}, row {number}"
                leaf = canonical_row(parse_row(line, where), where)
                self.done = file.raw.count
                yield leaf
        self.whole = line.endswith(b"\n") and not self._gzipped


class _Gunzip(io.RawIOBase):
    """The bytes of a gzip stream; its damage becomes an `InputError`."""

    def __init__(self, file: io.BufferedReader, label: str) -> None:
        self._file = gzip.GzipFile(fileobj=file, mode="rb")
        self._label = label

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return self._file.readinto(buffer)
        except EOFError:
            raise InputError(f"{self._label} is a truncated gzip file") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{self._label} is not a sound gzip file: {error}") from None


def _gunzipped(file: io.BufferedReader, label: str) -> io.BufferedReader:
    if not file.peek(1):  # which `gzip` takes for no text
        raise InputError(f"{label} is a truncated gzip file")
    return io.BufferedReader(_Gunzip(file, label), 1 << 20)


class Records(Part):
    """An iterable of dicts, consumed once."""

    def __init__(self, records: Iterable[Any], label: str) -> None:
        super().__init__(label, len(records) if isinstance(records, (list, tuple)) else None)
        self._records = records

    def leaves(self) -> Iterator[bytes]:
        """Yield the leaf of each dict."""
        for record in self._records:
            self.done += 1
            yield canonical_row(record, f"{self.label}, row {self.done}")


class Csv(Part):
    """A CSV file, its cells typed by `types` (column → type) where it names them."""

    def __init__(self, path: Path, label: str, types: Mapping[str, str] | None = None) -> None:
        super().__init__(label, path.stat().st_size)
        self._path = path
        self._types = dict(types or {})

    def leaves(self) -> Iterator[bytes]:
        """Yield the leaf of each row."""
        # Cells as long as a line may be; the limit is one of the process, so it only ever grows.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
        with open_part(self, self._path) as file:
            rows = self._rows(file)
            header = next(rows, None)
            if not header:
                raise InputError(f"{self.label} has no header")
            self._check_header(header)
            self.schema = {name: self._types.get(name, "string") for name in header}
            numbered = enumerate(self._complete_rows(rows, header), 1)
            while batch := list(islice(numbered, ROWS)):
                self.done = file.raw.count
                yield from self._batch_leaves(header, batch)

    def _rows(self, file: io.BufferedReader) -> Iterator[list[str]]:
        reader = csv.reader(self._text_lines(file), strict=True)
        number = 0
        while True:
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise InputError(f"{self.label}, row {number}: {error}") from None
            except UnicodeDecodeError as error:
                where = f"{self.label}, row {number}, line {reader.line_num + 1}"
                raise InputError(f"{where} is not UTF-8 at byte {error.start}") from None
            if row is None:
                return
            yield row
            number += 1

    def _text_lines(self, file: io.BufferedReader) -> Iterator[str]:
        lines = bounded_lines(file, self.label)
        for first in lines:
            yield first.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
            break
        for line in lines:
            yield line.decode("utf-8")

    def _check_header(self, header: list[str]) -> None:
        times = Counter(header)
        for name, count in times.items():
            if count > 1:
                raise InputError(f"{self.label} has two columns named {name!r}")
        for name, kind in self._types.items():
            if name not in times:
                raise InputError(f"{self.label} has no column {name!r}, which the schema names")
            if not isinstance(kind, str):  # what was signed elsewhere may be any JSON
                raise InputError(f"the type of the CSV column {name!r} is no text but {kind!r}")

    def _complete_rows(self, rows: Iterator[list[str]], header: list[str]) -> Iterator[list[str]]:
        for number, row in enumerate(rows, 1):
            if len(row) != len(header):
                raise InputError(
                    f"{self.label}, row {number} has {len(row)} cells; the header has {len(header)}"
                )
            yield row

    def _batch_leaves(
        self, header: list[str], batch: list[tuple[int, list[str]]]
    ) -> Iterator[bytes]:
        if all(kind == "string" for kind in self._types.values()):
            for number, row in batch:
                where = f"{self.label}, row {number}"
                yield canonical_row(dict(zip(header, row, strict=True)), where)
            return
        from provenance.records import columns, tables

        cells = dict(zip(header, zip(*(row for _, row in batch), strict=True), strict=True))
        typed = tables.typed_batch(cells, self._types, self.label, first_row=batch[0][0])
        yield from columns.batch_leaves(typed, self.label, first_row=batch[0][0])
