"""python limits.py FOLDER: what the machine can do at best, as one JSON object.

compressions: SHA-256 compressions a second of the kernel on long messages that lie in the cache,
on one core and on all. copying: bytes a second from memory to memory, one core. reading: bytes a
second from a file in FOLDER that is in the page cache, one thread and all.
"""

import json
import os
import sys
import tempfile
import threading
import time
from array import array

from provenance.merkle import kernel
from provenance.merkle.parallel import cores

MESSAGE = 8 << 10
MESSAGES = 16
BLOCK = 1 << 20
LARGE = 256 << 20
SECONDS = 0.4


def rate(work, threads):
    """How much `work`, which says how much it did, does a second, in so many threads."""
    done = [0] * threads
    gate = threading.Barrier(threads + 1)

    def run(number):
        do = work(number)
        do()
        gate.wait()
        end = time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            done[number] += do()

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    gate.wait()
    begin = time.perf_counter()
    for thread in running:
        thread.join()
    return sum(done) / (time.perf_counter() - begin)


def compressing(_):
    data = os.urandom(MESSAGE * MESSAGES)
    offsets = array("Q", range(0, MESSAGE * MESSAGES + 1, MESSAGE))

    def do():
        kernel().digests(data, offsets)
        return MESSAGES * (MESSAGE // 64 + 1)

    return do


def copying(_):
    source, target = bytearray(LARGE), bytearray(LARGE)

    def do():
        target[:] = source
        return LARGE

    return do


def main(folder):
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(LARGE))
        file.flush()

        def reading(number):
            buffer = bytearray(BLOCK)
            at = LARGE * number // cores()

            def do():
                nonlocal at
                count = os.preadv(file.fileno(), [buffer], at % LARGE)
                at += count
                return count

            return do

        limits = {
            "kernel": kernel().name,
            "compressions, one core": rate(compressing, 1),
            "compressions": rate(compressing, cores()),
            "copying": rate(copying, 1),
            "reading, one thread": rate(reading, 1),
            "reading": rate(reading, cores()),
        }
    print(json.dumps(limits))


if __name__ == "__main__":
    main(sys.argv[1])
