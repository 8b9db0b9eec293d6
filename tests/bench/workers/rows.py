"""python rows.py PEER FILE COUNT: rows of Parquet to dicts, texts, leaf hashes, and their root.

What Python programs do today. The values are mapped as the encoding ``json`` says, so that what is
RFC 8785 comes to the root that `provenance hash` prints. Imports nothing but pyarrow and the peer.
"""

import json
import math
import sys
import time
from datetime import datetime
from hashlib import sha256

import pyarrow.parquet as pq


def rfc8785():
    from rfc8785 import dumps

    return dumps


def orjson():
    import orjson

    return lambda row: orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


def standard():
    encoder = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return lambda row: encoder.encode(row).encode()


PEERS = {"rfc8785": rfc8785, "orjson": orjson, "json": standard}


def mapped(value):
    """A value of Arrow → of JSON."""
    if isinstance(value, datetime):
        text = value.strftime("%Y-%m-%dT%H:%M:%S")
        return text + (f".{value.microsecond:06}".rstrip("0") if value.microsecond else "") + "Z"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if type(value) is int and abs(value) > 2**53 - 1:
        number = float(value)  # which `rfc8785` writes, where it refuses the integer
        return number if int(es6(number)) == value else str(value)
    return value


def es6(value):
    """The digits that ECMAScript prints of a double without a fraction, below 1e21."""
    digits, _, exponent = f"{value!r}".partition("e+")
    whole, _, fraction = digits.partition(".")
    fraction = "" if fraction == "0" else fraction
    return whole + fraction.ljust(int(exponent or 0), "0")


def hashes(path, count, dumps):
    for batch in pq.ParquetFile(path).iter_batches(4096):
        for row in batch.slice(0, count).to_pylist():
            text = dumps({name: mapped(value) for name, value in row.items()})
            yield sha256(b"\x00" + text).digest()
        count -= batch.num_rows
        if count <= 0:
            return


def root_of(level):
    """The RFC 9162 root: a last one without a partner goes up as it is."""
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        level = above + level[len(above) * 2 :]
    return level[0]


def main(peer, path, count):
    dumps = PEERS[peer]()
    begin, used = time.perf_counter(), time.process_time()
    root = root_of(list(hashes(path, count, dumps)))
    seconds, processor = time.perf_counter() - begin, time.process_time() - used
    parts = {"": [count, seconds], "processor": [count, processor]}
    print(json.dumps({"parts": parts, "root": root.hex()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
