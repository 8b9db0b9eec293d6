"""A client by somebody else reads the log: Go's own, `golang.org/x/mod/sumdb`, in client.go."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from api import create_app, create_witness_app
from provenance import Ledger
from provenance.log import Checkpoint
from provenance.signing import COSIGNATURE, PrivateKey, VerifierKey, sign, sign_note
from provenance.statements import Quality, Statement
from provenance.witness import Witness

GOPATH = Path("/usr/share/gocode")
SIZE = 260  # a full tile of hashes, one above it, and partial ones
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client, built from Debian's packages."""
    if not shutil.which("go") or not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        message = "no Go client: apt-get install golang-go golang-golang-x-mod-dev"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    folder = tmp_path_factory.mktemp("go")
    subprocess.run(
        ["go", "build", "-o", folder / "client", "client.go"],
        cwd=Path(__file__).parent,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GO111MODULE": "off",
            "GOPATH": str(GOPATH),
            "GOCACHE": str(folder / "cache"),
        },
        check=True,
    )
    return folder / "client"


def serve(app: object) -> tuple[str, Callable[[], None]]:
    """Serve from a thread; return the URL, and what ends it."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))  # type: ignore[arg-type]
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()

    def end() -> None:
        server.should_exit = True
        thread.join(20)
        listener.close()

    return f"http://127.0.0.1:{listener.getsockname()[1]}", end


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, Witness, str, Path]]:
    """A log of `SIZE` entries, cosigned and served, and a checkpoint from when it was small."""
    folder = tmp_path_factory.mktemp("ledger")
    with Ledger.init(folder, origin="acme.example/ml") as ledger:
        first = ledger.register([{"a": 0}], name="first")
        (folder / "old").write_text(ledger.checkpoint())
        statements = [
            Statement(
                subjects=first.statement.subjects,
                predicate=Quality(
                    **ledger.journal.stamp(), metrics={"n": n}, criteria={}, passed=True
                ),
            )
            for n in range(SIZE - 3)
        ]
        keys = ledger.keyring.signers
        ledger.submit_all([sign(each.to_bytes(), keys).to_bytes() for each in statements])
        with Witness.init(folder / "w", name="witness.example/w1") as witness:
            witness.watch(*ledger.policy().log_keys)
            url, end = serve(create_witness_app(witness))
            ledger.add_witness("w1", url, str(witness.vkey))
            ledger.cosign(need=1)
            end()
            url, end = serve(create_app(ledger, public=True))
            yield ledger, witness, url, folder
            end()


@pytest.fixture
def run(client: Path, world: tuple[Ledger, Witness, str, Path]) -> Run:
    ledger, witness, url, folder = world

    def run(
        log_key: str = ledger.policy().log_keys[0],
        witness_key: str = str(witness.vkey),
        old: Path = folder / "old",
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [client, url, log_key, witness_key, old], capture_output=True, text=True, timeout=60
        )

    return run


def test_it_reads_every_entry_and_both_checkpoints(run: Run) -> None:
    done = run()
    assert (done.returncode, done.stdout) == (0, f"{SIZE} entries, consistent with 3\n"), (
        done.stderr
    )


def test_it_can_say_no(run: Run, world: tuple[Ledger, Witness, str, Path], tmp_path: Path) -> None:
    ledger, _, _, _ = world
    stranger = PrivateKey.generate().public
    done = run(log_key=str(VerifierKey(ledger.origin, stranger)))
    assert (done.returncode, done.stdout) == (1, "")
    assert "no verifiable signatures" in done.stderr
    done = run(witness_key=str(VerifierKey("witness.example/w1", stranger, COSIGNATURE)))
    assert (done.returncode, done.stderr) == (1, "signed by 1, not 2\n")
    forged = Checkpoint(ledger.origin, 3, bytes(32)).to_text()
    (tmp_path / "old").write_bytes(sign_note(forged, ledger.origin, ledger.keyring.log))
    done = run(old=tmp_path / "old")
    assert (done.returncode, done.stderr) == (1, "invalid transparency proof\n")
