"""Columns of Arrow → the RFC 8785 text of their values, and of the rows they make.

Values are mapped column by column straight to text, and a row's leaf joins the texts of its
columns: the same bytes as `provenance.records.canonical.canonical_row` makes of the same values
(property-tested). What Arrow adds to the table there: dictionaries and run ends are decoded, an
extension type counts as its storage, maps need distinct string keys. Unions and calendar intervals
have no JSON form.

Memory: about 1 MiB of a batch as text, at most `ROWS` rows.
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from provenance.errors import InputError
from provenance.forms import MAX_DEPTH, MAX_INTEGER
from provenance.records.canonical import (
    duration_text,
    map_value,
    number_text,
    object_text,
    string_text,
)
from provenance.records.rows import ROWS

__all__ = [
    "batch_leaves",
    "check_schema",
    "column_texts",
    "has_text",
    "row_pieces",
    "rows_of_size",
    "sliced",
]

_TEXT_BYTES = 1 << 20


# --- schemas --------------------------------------------------------------------------------------


def check_schema(schema: pa.Schema, label: str) -> dict[str, str]:
    """Check that every column can be mapped; return column → type.

    Raises:
        InputError: it names the column that cannot.
    """
    types: dict[str, str] = {}
    for field in schema:
        if field.name in types:
            raise InputError(f"{label} has two columns named {field.name!r}")
        try:
            _check_type(field.type, MAX_DEPTH - 1)
        except InputError as error:
            raise InputError(f"{label}: the column {field.name!r} {error}") from None
        types[field.name] = _type_text(field.type)
    return types


def _check_type(kind: pa.DataType, levels: int) -> None:
    if levels == 0:
        raise InputError(f"nests deeper than {MAX_DEPTH} levels")
    if isinstance(kind, pa.BaseExtensionType):
        _check_type(kind.storage_type, levels)
    elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        _check_type(kind.value_type, levels)
    elif pa.types.is_struct(kind):
        names = [field.name for field in kind]
        if len(set(names)) < len(names):
            raise InputError("is a struct with two fields of one name")
        for field in kind:
            _check_type(field.type, levels - 1)
    elif pa.types.is_map(kind):
        if not _is_string(kind.key_type):
            raise InputError(f"is a map whose keys are not strings but {kind.key_type}")
        _check_type(kind.item_type, levels - 1)
    elif _is_list(kind):
        _check_type(kind.value_type, levels - 1)
    elif _writer_of(kind) is None:
        raise InputError(f"has the type {kind}, which has no JSON form")


def _type_text(kind: pa.DataType) -> str:
    """Return the type as a reader of the rows sees it, whatever layout it has in memory."""
    if isinstance(kind, pa.BaseExtensionType):
        return _type_text(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _type_text(kind.value_type)
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {_type_text(field.type)}' for field in kind)}>"
    if pa.types.is_map(kind):
        return f"map<string, {_type_text(kind.item_type)}>"
    if _is_list(kind):
        return f"list<{_type_text(kind.value_type)}>"
    return str(kind).removeprefix("large_").removesuffix("_view")


def has_text(kind: pa.DataType) -> bool:
    """Tell whether a type has values of one plain text each: no list, no struct, not null."""
    return _writer_of(kind) is not None and not pa.types.is_null(kind)


def _is_string(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


# --- rows -----------------------------------------------------------------------------------------


def batch_leaves(batch: pa.RecordBatch, label: str, *, first_row: int) -> Iterator[bytes]:
    """Yield the leaf of each row; `first_row` is the number of the first one in errors."""
    for part in sliced(batch):
        try:
            leaves = _leaves(part)
        except (InputError, pa.ArrowException, UnicodeDecodeError, ArithmeticError):
            _blame(part, label, first_row)
            raise
        yield from leaves
        first_row += part.num_rows


def sliced(batch: pa.RecordBatch, most: int = ROWS) -> Iterator[pa.RecordBatch]:
    """Cut a batch into as many rows as are mapped at a time, `most` of them at most."""
    rows = rows_of_size(batch.nbytes // max(1, batch.num_rows), most)
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def _leaves(batch: pa.RecordBatch) -> list[bytes]:
    columns = {name: column_texts(batch.column(i)) for i, name in enumerate(batch.schema.names)}
    return [text.encode("utf-8") for text in _objects(columns, batch.num_rows)]


def _objects(columns: Mapping[str, Sequence[str]], count: int) -> list[str]:
    """Return the object texts that join these columns of member texts."""
    if not columns:
        return ["{}"] * count
    pieces, order = row_pieces(columns)
    texts = list(columns.values())
    template = "%s".join(piece.replace("%", "%%") for piece in pieces)
    return [template % row for row in zip(*(texts[i] for i in order), strict=True)]


def row_pieces(names: Iterable[str]) -> tuple[list[str], list[int]]:
    """Return what stands around the values of a row, and which column's value follows each.

    ``["b", "a"]`` → ``['{"a":', ',"b":', '}'], [1, 0]``
    """
    # One object with a mark for each member, RFC 8785 order included, falls into them. A NUL is
    # written as \u0000 in JSON text, so no name can look like a mark.
    pieces = object_text({name: f"\0{i}\0" for i, name in enumerate(names)}).split("\0")
    return pieces[0::2], [int(index) for index in pieces[1::2]]


def _blame(batch: pa.RecordBatch, label: str, first_row: int) -> None:
    """Raise for the first row and column that cannot be mapped."""
    for row in range(batch.num_rows):
        for i, name in enumerate(batch.schema.names):
            try:
                column_texts(batch.column(i).slice(row, 1))
            except UnicodeDecodeError:
                reason = "not UTF-8"
            except ArithmeticError:
                reason = "a decimal of a scale that none has"
            except (InputError, pa.ArrowException) as error:
                reason = str(error)
            else:
                continue
            raise InputError(f"{label}, row {first_row + row}, column {name!r}: {reason}")


def column_texts(array: pa.Array) -> list[str]:
    """Return the RFC 8785 text of each value."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return column_texts(array.storage)
    if pa.types.is_dictionary(kind):
        if len(array.dictionary) > len(array):
            return column_texts(array.dictionary_decode())
        values = column_texts(array.dictionary)
        return ["null" if i is None else values[i] for i in array.indices.to_pylist()]
    if pa.types.is_run_end_encoded(kind):
        return column_texts(pc.run_end_decode(array))
    if pa.types.is_struct(kind):
        fields = {
            field.name: column_texts(column)
            for field, column in zip(kind, array.flatten(), strict=True)
        }
        return _where_valid(array, _objects(fields, len(array)))
    if pa.types.is_map(kind):
        return _map_texts(array)
    if _is_list(kind):
        items = iter(column_texts(pc.list_flatten(array)))
        lengths = pc.list_value_length(array).to_pylist()
        return [_list_text(items, length) for length in lengths]
    writer, column = _writer_of(kind)  # type: ignore[misc] # `check_schema` saw to it
    return ["null" if value is None else writer(value) for value in column(array).to_pylist()]


def _list_text(items: Iterator[str], length: int | None) -> str:
    return "null" if length is None else f"[{','.join(islice(items, length))}]"


def _where_valid(array: pa.Array, texts: list[str]) -> list[str]:
    if not array.null_count:
        return texts
    valid = array.is_valid().to_pylist()
    return [text if is_valid else "null" for text, is_valid in zip(texts, valid, strict=True)]


def _map_texts(array: pa.MapArray) -> list[str]:
    pairs = pa.struct([("key", array.type.key_type), ("value", array.type.item_type)])
    array = array.cast(pa.list_(pairs))
    flat = pc.list_flatten(array)
    keys, values = flat.flatten()
    members = zip(keys.to_pylist(), column_texts(values), strict=True)
    texts = []
    for length in pc.list_value_length(array).to_pylist():
        if length is None:
            texts.append("null")
            continue
        items = list(islice(members, length))
        unique = dict(items)
        if len(unique) < length:
            raise InputError("a map with the same key twice")
        texts.append(object_text(unique))
    return texts


def rows_of_size(row_size: int, most: int = ROWS) -> int:
    """Return how many rows of so many bytes are mapped at a time, `most` of them at most."""
    return max(1, min(most, _TEXT_BYTES // max(1, row_size)))


# --- values ---------------------------------------------------------------------------------------

Writer = Callable[[Any], str]
Column = Callable[[Any], Any]


def _writer_of(kind: pa.DataType) -> tuple[Writer, Column] | None:
    """Return what writes one value, and what prepares the column; None where nothing can."""
    types = pa.types
    if types.is_null(kind) or types.is_boolean(kind):
        return _boolean, _as_is
    if types.is_integer(kind):
        return _integer, _as_is
    if types.is_floating(kind):
        return number_text, lambda array: array.cast(pa.float64())
    if _is_string(kind):
        return string_text, _as_is
    if (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    ):
        return lambda value: f'"{base64.b64encode(value).decode()}"', _as_is
    if types.is_decimal(kind):
        return lambda value: f'"{map_value(value)}"', _as_is
    if types.is_timestamp(kind):
        zone = "Z" if kind.tz is not None else ""
        units = _PER_SECOND[kind.unit]
        return lambda value: _timestamp(value, units, zone), _as_int64
    if types.is_date32(kind):
        return _date, lambda array: array.cast(pa.int32())
    if types.is_date64(kind):
        return _date_of_milliseconds, _as_int64
    if types.is_time(kind):
        units = _PER_SECOND[kind.unit]
        integers = pa.int32() if types.is_time32(kind) else pa.int64()
        return lambda value: _time(value, units), lambda array: array.cast(integers)
    if types.is_duration(kind):
        scale = 10**9 // _PER_SECOND[kind.unit]
        return lambda value: f'"{duration_text(value * scale)}"', _as_int64
    return None


_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH = datetime.datetime(1970, 1, 1)
_EPOCH_DAY = _EPOCH.toordinal()
_DAY_MILLISECONDS = 86_400_000


def _as_is(array: pa.Array) -> pa.Array:
    return array


def _as_int64(array: pa.Array) -> pa.Array:
    return array.cast(pa.int64())


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _integer(value: int) -> str:
    if -MAX_INTEGER <= value <= MAX_INTEGER:
        return str(value)
    mapped = map_value(value)
    return f'"{mapped}"' if isinstance(mapped, str) else number_text(float(mapped))


def _fraction(units: int, per_second: int) -> str:
    if not units:
        return ""
    return f".{units:0{len(str(per_second)) - 1}}".rstrip("0")


def _timestamp(value: int, per_second: int, zone: str) -> str:
    seconds, units = divmod(value, per_second)
    try:
        moment = _EPOCH + datetime.timedelta(seconds=seconds)
    except OverflowError:
        raise InputError("a timestamp of a year outside 0001-9999") from None
    return f'"{moment.isoformat()}{_fraction(units, per_second)}{zone}"'


def _date(days: int) -> str:
    try:
        return f'"{datetime.date.fromordinal(_EPOCH_DAY + days).isoformat()}"'
    except (ValueError, OverflowError):
        raise InputError("a date of a year outside 0001-9999") from None


def _date_of_milliseconds(value: int) -> str:
    days, rest = divmod(value, _DAY_MILLISECONDS)
    if rest:
        raise InputError("a date that is not a whole day")
    return _date(days)


def _time(value: int, per_second: int) -> str:
    seconds, units = divmod(value, per_second)
    if not 0 <= seconds < 86_400:
        raise InputError("a time of day outside 00:00 to 24:00")
    moment = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f'"{moment}{_fraction(units, per_second)}"'
