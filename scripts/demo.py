"""The demonstration that scripts/demo runs: one folder, the command line, and an auditor."""

import base64
import json
import os
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_breast_cancer

SCRIPTS = Path(__file__).resolve().parent
BOLD, DIM, END = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


def main() -> None:
    if len(sys.argv) > 1:
        demonstrate(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory(prefix="provenance-demo-") as folder:
        demonstrate(Path(folder))


def demonstrate(folder: Path) -> None:
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # The demonstration stands for a user who has trusted nobody yet.
    os.environ["XDG_CONFIG_HOME"] = str(folder.resolve() / "config")
    os.environ.pop("PROVENANCE_PASSPHRASE", None)

    say("569 tumours, measured at the University of Wisconsin: a real data set")
    table = tumours()
    Path("data").mkdir(exist_ok=True)
    pq.write_table(table, "data/tumours.parquet", compression="none", use_dictionary=False)
    print(f"data/tumours.parquet: {table.num_rows} rows, {table.num_columns} columns")

    say("1. A pipeline registers data, steps, a model and its answers")
    run("provenance init --origin demo.example/clinic")
    run(
        "provenance register data/tumours.parquet --name tumours-raw --license CC-BY-4.0"
        " --source https://doi.org/10.24432/C5DW2B --provider 'University of Wisconsin'"
        " --collected '1989 to 1991, fine needle aspirates'"
    )
    show(SCRIPTS / "demo_train.py", "train.py")
    run("python train.py")
    run("provenance anchor")
    run("provenance history diagnoses")

    say("2. Somebody with files and the command line asks: was this very row trained on?")
    row = next(row for i, row in enumerate(table.to_pylist()) if i == 42)
    Path("row.json").write_text(json.dumps(row))
    run('provenance prove tumours-train --record "$(cat row.json)" -o proof.json')
    run('provenance verify proof.json --record "$(cat row.json)"')
    run("provenance prove data/tumours.parquet --sidecar")
    run("provenance verify data/tumours.parquet")

    say("3. An auditor asks the same over HTTP, and trusts the proof rather than the answer")
    with serving() as url:
        asked = {"record": row}
        print(f"{DIM}POST {url}/v1/artifacts/tumours-train/proofs {END}")
        answer = httpx.post(f"{url}/v1/artifacts/tumours-train/proofs", json=asked)
        answer.raise_for_status()
        bundle = answer.json()
        print(f"a bundle of {len(answer.content):,} bytes")
        print(f"{DIM}POST {url}/v1/verify {END}")
        verdict = httpx.post(f"{url}/v1/verify", json={"bundle": bundle, **asked}).json()
        print(f'"verified": {json.dumps(verdict["verified"])}')

    say("4. One digit of the row is changed")
    forged = {**row, "mean radius": row["mean radius"] + 0.01}
    Path("forged.json").write_text(json.dumps(forged))
    run('provenance verify proof.json --record "$(cat forged.json)"', expected=1)

    say("5. One byte of the file is changed")
    data = bytearray(Path("data/tumours.parquet").read_bytes())
    position = data.index(struct.pack("<d", row["mean radius"]))
    data[position] ^= 1
    Path("data/tumours.parquet").write_bytes(data)
    print(f"the lowest bit of the number at byte {position} of data/tumours.parquet")
    run("provenance verify data/tumours.parquet", expected=1)

    say("6. The signed statement is changed: another licence")
    sidecar = json.loads(Path("data/tumours.parquet.provenance.json").read_text())
    sidecar["statement"]["envelope"] = with_another_licence(sidecar["statement"]["envelope"])
    Path("forged-proof.json").write_text(json.dumps(sidecar))
    run("provenance verify forged-proof.json", expected=1)

    print(f"\n{BOLD}Done in {time.monotonic() - started:.0f} s.{END}")


def tumours() -> pa.Table:
    """The data set that scikit-learn carries, one row for each tumour."""
    source = load_breast_cancer()
    columns = {name: source.data[:, i] for i, name in enumerate(source.feature_names)}
    return pa.table({**columns, "malignant": source.target == 0})


def with_another_licence(envelope: str) -> str:
    """A bundle's envelope (base64 of DSSE) whose payload says something else."""
    dsse = json.loads(base64.b64decode(envelope))
    payload = base64.b64decode(dsse["payload"]).replace(b"CC-BY-4.0", b"CC0-1.0")
    dsse["payload"] = base64.b64encode(payload).decode()
    return base64.b64encode(json.dumps(dsse, separators=(",", ":")).encode()).decode()


@contextmanager
def serving() -> Iterator[str]:
    """Run `provenance serve` for as long as the block lasts; yields its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = f"provenance serve --public --port {port}"
    print(f"{BOLD}$ {command} &{END}", flush=True)
    url = f"http://127.0.0.1:{port}"
    with Path("serve.log").open("w") as log:
        server = subprocess.Popen(shlex.split(command), stdout=log, stderr=log)
        try:
            wait_for(f"{url}/healthz", server)
            yield url
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=20)


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if server.poll() is not None:
            sys.exit(f"provenance serve ended:\n{Path('serve.log').read_text()}")
        try:
            httpx.get(url).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"{url} did not answer")


def say(text: str) -> None:
    print(f"\n{BOLD}{text}{END}\n", flush=True)


def show(script: Path, name: str) -> None:
    """Put a script into the folder under a shorter name, and say what it is."""
    Path(name).write_text(script.read_text())
    print(f"{DIM}{name} is {script.parent.name}/{script.name}{END}", flush=True)


def run(command: str, *, expected: int = 0) -> None:
    """Run a command as a person would type it; anything but the expected exit status ends all."""
    print(f"{BOLD}$ {command}{END}", flush=True)
    status = subprocess.run(["bash", "-c", command]).returncode
    if status != expected:
        sys.exit(f"exit status {status} instead of {expected}")
    print(f"{DIM}exit status {status}{END}" if status else "", flush=True)


if __name__ == "__main__":
    main()
