"""Record batches → the leaf hashes of their rows, mostly without a Python object for a value.

The same hashes as those of `provenance.records.columns.batch_leaves` (property-tested), in one of
three ways:

==========  ======================================================================================
extension   `provenance.native.kernel` writes rows from Arrow's own buffers and hashes them while
            they are in the cache; other threads run meanwhile
compute     without it, Arrow's casts and element-wise joins write what they write exactly as
            RFC 8785 does, and Python the values between: floats from 10^10 on; `hashlib` hashes
            them, in other processes where there are many
columns     nested and rarer types always, and every row of a batch in which anything is wrong: what
            cannot be mapped is named there
==========  ======================================================================================

Memory: a batch of at most `HASHED_ROWS` rows, and by the second and third way its text; by those
also each process that helps, about 140 MiB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import lru_cache
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.ipc  # type: ignore[import-untyped]

from provenance.errors import InputError
from provenance.forms import MAX_INTEGER
from provenance.merkle import kernel, leaf_hash
from provenance.merkle.bulk import Native
from provenance.merkle.parallel import cores, in_order
from provenance.records.canonical import number_text, string_text
from provenance.records.columns import batch_leaves, column_texts, row_pieces
from provenance.records.processes import Processes

__all__ = ["FEW", "HASHED_ROWS", "answer", "hash_rows", "hashed_in_order"]

HASHED_ROWS = 1 << 14
"""How many rows are hashed in one call, at most."""


FEW = 1 << 16
"""So many rows are hashed by one process: others take a moment to start."""


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

    On every core: by the extension in threads. `hashlib` would let no other thread run, so without
    the extension what comes after the first `FEW` rows goes to other processes, one for each core.
    """

    def hashed(item: tuple[int, pa.RecordBatch]) -> bytes:
        first_row, batch = item
        return hash_rows(batch, label, first_row=first_row)

    if isinstance(kernel(), Native):
        yield from in_order(hashed, numbered)
        return
    batches = iter(numbered)
    for item in batches:
        yield hashed(item)
        pa.default_memory_pool().release_unused()  # else it keeps several times what a batch takes
        if item[0] + item[1].num_rows > FEW and cores() > 1:
            break
    with Processes(__name__, cores()) as processes:

        def asked(item: tuple[int, pa.RecordBatch]) -> bytes:
            try:
                with processes.lent() as process:
                    hashes: bytes | None = process.ask(_stream(item[1]))
            except Exception:  # it ended, say, or the batch cannot be written as it is
                hashes = None
            return hashed(item) if hashes is None else hashes

        with closing(in_order(asked, batches)) as answers:  # before the processes are
            yield from answers


def answer(request: bytes) -> bytes | None:
    """Return the `hash_rows` of a batch in an Arrow stream; None if that raises an error.

    A process of `hashed_in_order` runs this.
    """
    batch = pa.ipc.open_stream(request).read_next_batch()
    try:
        return hash_rows(batch, "", first_row=1)
    except InputError:
        return None


def _stream(batch: pa.RecordBatch) -> bytes:
    batch.validate()  # or what is written might lie elsewhere
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


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
    return kernel().digests(memoryview(data), memoryview(offsets).cast("B").cast("Q"))


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
    texts = _plain(array)
    bounds = pc.min_max(array)
    if array.null_count == len(array) or (
        bounds["min"].as_py() >= -MAX_INTEGER and bounds["max"].as_py() <= MAX_INTEGER
    ):
        return texts
    # Beyond the integers that are doubles: a string, but for those that a double is written as.
    # From 18 digits on these end with 0.
    beyond = _outside(array, MAX_INTEGER)
    short = pc.invert(_outside(array, 10**17))
    perhaps = pc.and_(beyond, pc.or_(short, pc.ends_with(texts, "0"))).fill_null(False)
    digits = texts.filter(perhaps)
    doubles = _plain(array.filter(perhaps).cast(pa.float64(), safe=False))
    # Arrow writes those with an exponent of two digits: 9.00719925474099e+15
    shortest = pc.replace_substring(pc.utf8_slice_codeunits(doubles, 0, -4), ".", "")
    numbers = pc.equal(pc.ascii_rtrim(digits, "0"), shortest)
    strings = pc.replace_with_mask(beyond, perhaps, pc.invert(numbers))
    return pc.if_else(strings, _quoted(texts), texts)


def _outside(array: pa.Array, bound: int) -> pa.Array:
    above = pc.greater(array, pa.scalar(bound, array.type))
    if pa.types.is_unsigned_integer(array.type):
        return above
    return pc.or_(above, pc.less(array, -bound))


_LEAST_OF_EXPONENT = 1e10  # from here on Arrow writes an exponent, which ES6 does from 1e21 on


def _floats(array: pa.Array) -> pa.Array:
    # Adding 0 makes 0 of -0.
    values = pc.add(array.cast(pa.float64()), 0.0)
    odd = pc.invert(pc.less(pc.abs(values), _LEAST_OF_EXPONENT)).fill_null(False)
    written = [number_text(value) for value in values.filter(odd).to_pylist()]
    texts = _plain(values)
    if not written:
        return texts
    return pc.replace_with_mask(texts, odd, pa.array(written, pa.large_string()))


_ESCAPES = {char: string_text(char)[1:-1] for char in ("\\", '"', *map(chr, range(0x20)))}
"""Character → its escape; the backslash comes first, since escapes hold it."""


def _strings(array: pa.Array) -> pa.Array:
    array.validate(full=True)  # as UTF-8
    texts = _plain(array)
    data = _data(texts)
    for char, escape in _ESCAPES.items():
        if char.encode() in data:
            texts = pc.replace_substring(texts, char, escape)
    return _quoted(texts)


def _data(texts: pa.Array) -> bytes:
    """Return all texts, one after the other."""
    if not len(texts):
        return b""
    _, offsets, data = texts.buffers()
    bounds = memoryview(offsets).cast("B").cast("Q")
    begin, end = bounds[texts.offset], bounds[texts.offset + len(texts)]
    return b"" if begin == end else bytes(memoryview(data)[begin:end])


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
