"""python flat.py COUNT FOLDER: records of 200 bytes that come as a stream, to a tree file.

A block of records is a window on random bytes that moves on by one byte a block, so that making
them costs nothing and no two blocks are the same.
"""

import json
import random
import sys
import time
from array import array
from pathlib import Path

from provenance.merkle import TreeWriter, kernel
from provenance.merkle.parallel import in_order

RECORD = 200
STEP = 1 << 12
WINDOW = 1 << 15


def main(count, folder):
    data = memoryview(random.Random(3).randbytes(RECORD * STEP + WINDOW))
    offsets = array("Q", range(0, RECORD * STEP + 1, RECORD))

    def hashed(begin):
        at = begin // STEP % WINDOW
        records = min(STEP, count - begin)
        return kernel().leaf_hashes(data[at : at + records * RECORD], offsets[: records + 1])

    begin, used = time.perf_counter(), time.process_time()
    with TreeWriter(Path(folder)) as writer:
        for block in in_order(hashed, range(0, count, STEP)):
            writer.extend(block)
        root = writer.finish().root
        writer.keep(kept := Path(folder) / "flat.tree")
    seconds, processor = time.perf_counter() - begin, time.process_time() - used
    kept.unlink()
    parts = {"": [count, seconds], "processor": [count, processor]}
    print(json.dumps({"parts": parts, "root": root.hex()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
