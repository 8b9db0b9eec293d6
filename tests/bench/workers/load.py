"""python load.py service|tutorial|least SECONDS: answers under the load of wrk, on loopback.

In the working folder `load.py prepare RECORDS` makes what is served: a ledger with an artifact of
so many records and an anchor, and a database for `plain.py` that holds what the ledger answers.
Each answer is asked for by 16 connections for so many seconds, the records in turn.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

HERE = Path(__file__).parent
URL = re.compile(r"http://127\.0\.0\.1:\d+(?=\n)")
PARTS = {"proof": "/v1/artifacts/train/proofs", "verdict": "/v1/verify"}
ASKED = 1000
"""Bodies of requests, each of another record."""

FEW = 10
"""Answers for each refusal: a machine that others keep busy makes the service refuse some."""

WARMING = 4
"""Seconds of load before what is measured."""


def prepare(count):
    from plain import make

    from provenance.ledger.ledger import Ledger

    with Ledger.init(".", origin="bench.example/load") as ledger:
        rows = [{"id": i, "text": f"record {i} " * 12} for i in range(count)]
        ledger.register(rows, name="train", sensitivity="public")
        ledger.anchor()
    with serving("service") as (url, _), Path("proof").open("w") as asked:
        asked.writelines(f'{{"index":{i * 7919 % count}}}\n' for i in range(ASKED))
        asked.flush()
        answers = {}
        with Path("verdict").open("w") as bodies:
            for line in Path("proof").read_text().splitlines():
                answers["proof"] = bundle = post(url + PARTS["proof"], line)
                record = rows[json.loads(line)["index"]]
                bodies.write(json.dumps({"bundle": json.loads(bundle), "record": record}) + "\n")
                last = json.dumps({"bundle": json.loads(bundle), "record": record})
        answers["verdict"] = post(url + PARTS["verdict"], last)
    if json.loads(answers["verdict"])["verified"] is not True:
        raise ValueError("the service does not verify what it proves")
    make("answers.db", {name: json.loads(answer) for name, answer in answers.items()})


def post(url, body):
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(url, body.encode(), headers), timeout=60) as answer:
        return answer.read().decode()


@contextmanager
def serving(who):
    """Serve; yield the URL, and what tells how much of the processor the server used."""
    command = [sys.executable, HERE / "plain.py", who, "answers.db"]
    if who == "service":
        program = Path(sys.executable).parent / "provenance"
        command = [program, "serve", "--public", "--port", "0"]
    with Path("serve.log").open("w") as log:
        # No pipe: nobody would read the line of each request.
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

        def processor():
            children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
            ticks = 0
            for pid in (server.pid, *children):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
            return ticks / os.sysconf("SC_CLK_TCK")

        try:
            while not (found := URL.search(Path("serve.log").read_text())):
                if server.poll() is not None:
                    raise ValueError(Path("serve.log").read_text())
                time.sleep(0.05)
            yield found[0], processor
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)


def ask(url, seconds, *bodies):
    command = [
        "wrk",
        "-t1",
        "-c16",
        "--timeout",
        "30s",
        f"-d{seconds}s",
        "-s",
        HERE / "requests.lua",
        url,
        "--",
    ]
    done = subprocess.run([*command, *bodies], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    if told["broken"] or told["answers"] <= FEW * told["refused"]:
        raise ValueError(f"not every request was answered: {told}")
    return told


def main(who, seconds):
    parts, said = {}, {"p99": {}, "processor": {}}
    with serving(who) as (url, processor):
        for name, path in PARTS.items():
            asked = (url + path, [name]) if who == "service" else (f"{url}/{name}", [])
            ask(asked[0], WARMING, *asked[1])  # all is loaded now
            used = processor()
            told = ask(asked[0], seconds, *asked[1])
            parts[name] = [told["answers"], told["microseconds"] / 1e6]
            said["p99"][name] = told["p99"] / 1e3
            said["processor"][name] = (processor() - used) / told["answers"] * 1e3
    print(json.dumps({"parts": parts, **said}))


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(int(sys.argv[2]))
    else:
        main(sys.argv[1], int(sys.argv[2]))
