"""Record batches → the leaf hashes of their rows, mostly without a Python object for a value.

The same hashes as those of `provenance.records.columns.batch_leaves` (property-tested), in one of
three ways:

==========  ======================================================================================
extension   `provenance.native.kernel` writes rows from Arrow's own buffers and hashes them while
            they are in the cache; other threads run meanwhile
compute     without it, Arrow's casts and element-wise joins write what they write exactly as
            RFC 8785 does, and Python the values between: floats from 10^10 on, strings with escapes
columns     nested and rarer types always, and every row of a batch in which anything is wrong: what
            cannot be mapped is named there
==========  ======================================================================================

Memory: a batch of at most `HASHED_ROWS` rows, and by the second and third way its text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from provenance.errors import InputError
from provenance.forms import MAX_INTEGER
from provenance.merkle import kernel, leaf_hash
from provenance.merkle.bulk import Native
from provenance.merkle.parallel import in_order
from provenance.records.canonical import number_text, string_text
from provenance.records.columns import batch_leaves, column_texts, row_pieces

__all__ = ["HASHED_ROWS", "hash_rows", "hashed_in_order"]

HASHED_ROWS = 1 << 14
"""How many rows are hashed in one call, at most."""


def hash_rows(batch: pa.RecordBatch, label: str, *, first_row: int) -> bytes:
    """Return the leaf hash of each row, 32·n bytes; `first_row` is the first one's in errors.

    Raises:
        InputError: a value that cannot be mapped.
    """
    hashes_of = _native_hashes if isinstance(kernel(), Native) else _computed_hashes
    try:
        # Lengths and offsets of what other libraries made; values are the business of the writers.
        batch.validate()
        hashes = hashes_of(batch)
    except (InputError, pa.ArrowException, UnicodeDecodeError, ArithmeticError):
        hashes = None
    if hashes is None:
        return b"".join(map(leaf_hash, batch_leaves(batch, label, first_row=first_row)))
    return hashes


def hashed_in_order(numbered: Iterable[tuple[int, pa.RecordBatch]], label: str) -> Iterator[bytes]:
    """Yield the `hash_rows` of each batch, which comes with the number of its first row.

    By the extension on every core. Without it here alone: `hashlib` would let no other thread run,
    and each thread that Arrow allocates in costs about 15 MiB.
    """

    def hashed(item: tuple[int, pa.RecordBatch]) -> bytes:
        first_row, batch = item
        return hash_rows(batch, label, first_row=first_row)

    yield from (in_order if isinstance(kernel(), Native) else map)(hashed, numbered)


def _large_texts(array: pa.Array) -> pa.Array:
    return pa.array(column_texts(array), pa.large_string())


# --- by the extension -----------------------------------------------------------------------------


def _native_hashes(batch: pa.RecordBatch) -> bytes | None:
    from provenance.native import kernel as extension

    order, pieces, texts = _native_plan(batch.schema)
    batch = batch.select(order)
    for i, is_text in enumerate(texts):
        if is_text:
            batch = batch.set_column(i, batch.schema.names[i], _large_texts(batch.column(i)))
    return extension.row_hashes(batch, pieces, texts, kernel=kernel().name)


@lru_cache(maxsize=4)
def _native_plan(schema: pa.Schema) -> tuple[list[int], list[bytes], bytes]:
    """Return the order of the columns, what stands around them, which ones Python writes."""
    from provenance.native import kernel as extension

    pieces, order = row_pieces(schema.names)
    texts = bytes(not extension.writes(schema.field(i).type) for i in order)
    return order, [piece.encode() for piece in pieces], texts


# --- by Arrow's own functions ---------------------------------------------------------------------


def _computed_hashes(batch: pa.RecordBatch) -> bytes:
    pieces, order = row_pieces(batch.schema.names)
    if not order:
        return leaf_hash(pieces[0].encode()) * int(batch.num_rows)
    # The byte 0x00 before each leaf is written along: to put it there later costs more.
    pieces[0] = "\0" + pieces[0]
    parts: list[Any] = []
    for piece, i in zip(pieces, order, strict=False):
        parts += [_large(piece), _computed_texts(batch.column(i))]
    rows = pc.binary_join_element_wise(*parts, _large(pieces[-1]), _large(""))
    _, offsets, data = rows.buffers()
    hashes = kernel().digests(memoryview(data), memoryview(offsets).cast("B").cast("Q"))
    del parts, rows, offsets, data
    pa.default_memory_pool().release_unused()  # else it keeps several times what a batch takes
    return hashes


def _large(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())


def _computed_texts(array: pa.Array) -> pa.Array:
    """Return the RFC 8785 text of each value, as strings without nulls."""
    if isinstance(array, pa.ExtensionArray):
        return _computed_texts(array.storage)
    kind = array.type
    if pa.types.is_dictionary(kind):
        if len(array.dictionary) > len(array):
            return _computed_texts(array.dictionary_decode())
        texts = _computed_texts(array.dictionary).take(array.indices)
    elif (write := _computer_of(kind)) is not None:
        texts = write(array)
    else:
        return _large_texts(array)
    return texts.fill_null("null") if texts.null_count else texts


def _computer_of(kind: pa.DataType) -> Callable[[pa.Array], pa.Array] | None:
    types = pa.types
    if types.is_boolean(kind):
        return _plain
    if types.is_integer(kind):
        return _integers
    if types.is_floating(kind):
        return _floats
    if types.is_string(kind) or types.is_large_string(kind):
        return _strings
    if types.is_date32(kind) or types.is_time(kind) or types.is_timestamp(kind):
        return _times
    return None


def _plain(array: pa.Array) -> pa.Array:
    return array.cast(pa.large_string())


def _integers(array: pa.Array) -> pa.Array:
    bounds = pc.min_max(array)
    if array.type.bit_width == 64 and array.null_count < len(array):
        least, most = bounds["min"].as_py(), bounds["max"].as_py()
        if least < -MAX_INTEGER or most > MAX_INTEGER:
            return _large_texts(array)
    return _plain(array)


_LEAST_OF_EXPONENT = 1e10  # from here on Arrow writes an exponent, which ES6 does from 1e21 on


def _floats(array: pa.Array) -> pa.Array:
    # Adding 0 makes 0 of -0.
    values = pc.add(array.cast(pa.float64()), 0.0)
    odd = pc.invert(pc.less(pc.abs(values), _LEAST_OF_EXPONENT)).fill_null(False)
    return _but_for(odd, number_text, values, _plain(values))


def _strings(array: pa.Array) -> pa.Array:
    array.validate(full=True)  # as UTF-8
    values = _plain(array)
    odd = pc.match_substring_regex(values, r'[\x00-\x1f"\\]').fill_null(False)
    return _but_for(odd, string_text, values, _quoted(values))


def _but_for(
    odd: pa.Array, write: Callable[[Any], str], values: pa.Array, texts: pa.Array
) -> pa.Array:
    """Return `texts`, where `odd` those that `write` makes of `values`."""
    written = [write(value) for value in values.filter(odd).to_pylist()]
    if not written:
        return texts
    return pc.replace_with_mask(texts, odd, pa.array(written, pa.large_string()))


def _quoted(texts: pa.Array) -> pa.Array:
    quote = _large('"')
    return pc.binary_join_element_wise(quote, texts, quote, _large(""))


# The years 0001 to 9999 in seconds; a day in seconds.
_YEARS = (-62_135_596_800, 253_402_300_799)
_DAY = 86_400
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _times(array: pa.Array) -> pa.Array:
    """Dates, times of day and timestamps, all within their range."""
    kind, types = array.type, pa.types
    zone, fraction, integers = "", False, pa.int64()
    if types.is_date32(kind):
        integers = pa.int32()
        bounds = (_YEARS[0] // _DAY, _YEARS[1] // _DAY)
    else:
        units = _PER_SECOND[kind.unit]
        fraction = units > 1
        if types.is_time(kind):
            integers = pa.int32() if types.is_time32(kind) else integers
            bounds = (0, _DAY * units - 1)
        else:
            bounds = (_YEARS[0] * units, _YEARS[1] * units + units - 1)
            zone = "Z" if kind.tz is not None else ""
            array = array.view(pa.timestamp(kind.unit))  # in UTC
    found = pc.min_max(array.view(integers))
    if array.null_count < len(array) and not (
        bounds[0] <= found["min"].as_py() and found["max"].as_py() <= bounds[1]
    ):
        return _large_texts(array.view(kind))
    texts = _plain(array)
    if fraction:
        texts = pc.ascii_rtrim(pc.ascii_rtrim(texts, "0"), ".")
    if types.is_timestamp(kind):
        texts = pc.binary_replace_slice(texts, 10, 11, "T")
    quote, end = _large('"'), _large(f'{zone}"')
    return pc.binary_join_element_wise(quote, texts, end, _large(""))
