"""python submit.py COUNT BATCH: statements signed elsewhere, submitted to a service on loopback.

A ledger is made and served in a folder of its own; COUNT statements of quality are signed before
the clock runs. Eight connections then submit batches of BATCH, in turn, until each was answered:
the statements of an answered batch are in the log, on disk.
"""

import json
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from os import chdir
from pathlib import Path
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

from load import serving

from provenance.ledger.ledger import Ledger
from provenance.signing import read_key_file, sign
from provenance.statements import Quality, Statement, Subject

CONNECTIONS = 8


def signed(count):
    """Make a ledger here; return a token for it, and statements for it."""
    with Ledger.init(".", origin="bench.example/submit") as ledger:
        rows = ledger.register([{"n": 1}], name="rows")
        _, token = ledger.tokens.new("pipeline", scope="submit")
        key = read_key_file(".provenance/keys/signer.pem")
        subject = Subject(name=rows.name, digest=rows.digests)
        envelopes = []
        for number in range(count):
            said = Quality(**ledger.journal.stamp(), metrics={"run": number}, passed=True)
            statement = Statement(subjects=(subject,), predicate=said)
            envelopes.append(sign(statement.to_bytes(), [key]).to_bytes())
        return token, envelopes, ledger.size()


def submit(host, token, batches, indices, failed):
    connection = HTTPConnection(host, timeout=120)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/jsonl"}
    while True:
        try:
            batch = batches.get_nowait()
        except Empty:
            break
        connection.request("POST", "/v1/entries", b"\n".join(batch), headers)
        answer = connection.getresponse()
        told = json.loads(answer.read())
        if answer.status != 200:
            failed.append(told)
            break
        indices.extend(told["indices"])
    connection.close()


def main(count, size):
    token, envelopes, first = signed(count)
    batches, indices, failed = SimpleQueue(), [], []
    for at in range(0, count, size):
        batches.put(envelopes[at : at + size])
    with serving("service") as (url, processor):
        host, used = urlsplit(url).netloc, processor()
        asked = (host, token, batches, indices, failed)
        threads = [threading.Thread(target=submit, args=asked) for _ in range(CONNECTIONS)]
        begin = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - begin
        used = processor() - used
    if failed or sorted(indices) != [*range(first, first + count)]:
        raise ValueError(f"not every statement was logged once: {failed[:1]}")
    print(json.dumps({"parts": {"": [count, seconds], "processor": [count, used]}}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        chdir(folder)
        main(*map(int, sys.argv[1:]))
