"""What is recorded while a server is away, is sent later: nothing fails, nothing is lost."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from killed import Server
from lying import lying

import provenance
from provenance import InputError, Ledger, LedgerError, VerificationError
from provenance.client import RemoteLedger
from provenance.client.outbox import Outbox
from provenance.client.sending import Sender
from provenance.records import JSON, hash_record
from provenance.signing import Envelope, PrivateKey, write_key_file
from provenance.statements import Statement

ROWS = [{"id": n, "text": f"row {n}"} for n in range(100)]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def given(key: PrivateKey, token: str, ledger: Ledger, spool: Path) -> dict[str, Any]:
    """What a pipeline connects with."""
    return {
        "token": token,
        "signer": key,
        "policy": ledger.policy(),
        "spool": spool,
        "patience": 20.0,
    }


def statements(ledger: Ledger) -> list[Statement]:
    """Return what others signed, in the order of the log: after its own key and the pipeline's."""
    with ledger._database.reading() as session:
        from provenance.log.log import Log

        log = Log(session, ledger.origin)
        found = [log.envelope(index) for index in range(log.size)]
    return [Statement.parse(Envelope.parse(envelope).payload) for envelope in found][3:]


def names(ledger: Ledger) -> list[str]:
    return [f"{one.kind} {one.subjects[0].name}" for one in statements(ledger)]


def record_all(remote: RemoteLedger) -> list[int | None]:
    """Record one of everything; return the indices."""
    raw = remote.register(ROWS, name="raw", sensitivity="public")
    with remote.step("clean", inputs=["raw"]) as step:
        clean = step.output(ROWS[:10], name="clean", sensitivity="public")
    with remote.outputs(name="answers", model=clean, flush_count=3) as out:
        for row in ROWS[:5]:
            out.record(row)
    quality = remote.quality(clean.digest, metrics={"n": 10})
    gone = remote.supersede(raw, "clean", reason="duplicates")
    batches = [batch.index for batch in out.artifacts]
    return [raw.index, clean.index, step.index, *batches, quality, gone]


EVERYTHING = [
    "dataset raw",
    "dataset clean",
    "step clean",
    "outputs answers",
    "outputs answers",
    "quality clean",
    "supersede raw",
]


def test_what_is_recorded_while_a_server_is_away(
    server: Server, ledger: Ledger, given: dict[str, Any], spool: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(given, "patience", 0.0)
        with provenance.connect(server.url, **given) as remote:
            assert record_all(remote) == [None] * 7
            assert remote.waiting() == 7
            assert remote.resolve("clean").state == "spooled"
    assert names(ledger) == []
    server.start()
    with provenance.connect(server.url, **given) as remote:
        assert remote.waiting() == 7
        assert remote.drain() == [*range(3, 10)]
        assert (remote.waiting(), remote.drain()) == (0, [])
    step = statements(ledger)[2]
    assert [name.split()[1] for name in names(ledger)[:2]] == ["raw", "clean"]
    assert step.predicate.inputs[0].name == "raw"  # type: ignore[attr-defined]
    assert sorted(names(ledger)) == sorted(EVERYTHING)
    assert ledger.prove("raw", record=ROWS[7]).indices == (7,)
    assert sorted(path.name for path in spool.iterdir()) == [
        *("drafts", "ledger.json", "outputs", "outputs.lock", "waiting")
    ]
    assert [*spool.glob("drafts/*"), *spool.glob("waiting/*"), *spool.glob("outputs/*")] == []


def test_with_a_server_nothing_waits(url: str, ledger: Ledger, given: dict[str, Any]) -> None:
    with provenance.connect(url, **given) as remote:
        assert record_all(remote) == [*range(3, 10)]
        assert remote.waiting() == 0
        assert remote.resolve("clean").state == "checkpointed"
    assert names(ledger) == EVERYTHING


def test_a_block_that_ends_sends_what_waits(
    server: Server, ledger: Ledger, given: dict[str, Any]
) -> None:
    with provenance.connect(server.url, **given) as remote:
        assert remote.register(ROWS, name="rows").index is None
        server.start()
    assert names(ledger) == ["dataset rows"]


DIES = """
import os, sys, provenance
from provenance.signing import read_key_file
url, token, key, spool = sys.argv[1:]
remote = provenance.connect(url, token=token, signer=key, spool=spool)
with remote.outputs(name="answers", flush_count=4) as out:
    for number in range(6):
        out.record({"id": number})
    remote.register([{"id": 7}], name="rows")
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_pipeline_recorded_is_sent_once(
    server: Server, ledger: Ledger, given: dict[str, Any], key: PrivateKey, tmp_path: Path
) -> None:
    write_key_file(tmp_path / "key.pem", key, None)
    command = [sys.executable, "-c", DIES, server.url, given["token"], tmp_path / "key.pem"]
    died = subprocess.run([*command, given["spool"]], check=False, capture_output=True)
    assert died.returncode == -9, died.stderr
    assert names(ledger) == []
    main = "from provenance.cli import main; main()"
    drain = [sys.executable, "-c", main, "drain", given["spool"]]
    environment = {**os.environ, "PROVENANCE_TOKEN": given["token"]}
    server.start()
    with_key = [*drain, "--signer", tmp_path / "key.pem", "--json"]
    said = subprocess.run(with_key, env=environment, check=True, capture_output=True, text=True)
    assert json.loads(said.stdout) == {"entries": [3, 4, 5]}
    found = statements(ledger)
    assert Counter(names(ledger)) == {"outputs answers": 2, "dataset rows": 1}
    sizes = sorted(one.described().artifact.size for one in found)
    assert sizes == [1, 2, 4]
    for number in range(6):
        leaf_hash = hash_record({"id": number}, JSON)
        batches = [one for one in found if one.kind == "outputs"]
        trees = [ledger.folder.tree(one.described().artifact.digest) for one in batches]
        assert sum(leaf_hash in tree.read_bytes() for tree in trees) == 1
    again = subprocess.run(drain, env=environment, check=True, capture_output=True, text=True)
    assert again.stdout == f"0 statements sent to {server.url}\n"


def test_sent_and_not_yet_removed_is_logged_once(
    server: Server, ledger: Ledger, given: dict[str, Any], spool: Path, tmp_path: Path
) -> None:
    given["patience"] = 0.0
    with provenance.connect(server.url, **given) as remote:
        remote.register(ROWS, name="rows")
    shutil.copytree(spool, tmp_path / "copy")
    server.start()
    given["patience"] = 20.0
    with provenance.connect(server.url, **given) as remote:
        assert remote.drain() == [3]
    with provenance.connect(server.url, **given | {"spool": tmp_path / "copy"}) as remote:
        assert remote.drain() == [3]
    assert names(ledger) == ["dataset rows"]


# --- what the server does not take ----------------------------------------------------------------


def test_a_token_that_ends_stops_nobody(
    url: str, ledger: Ledger, given: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    token = ledger.tokens.all()[0]
    with provenance.connect(url, **given) as remote:
        assert remote.register(ROWS, name="first").index == 3
        ledger.tokens.revoke(token.id)
        assert remote.register(ROWS, name="second").index is None
        with pytest.raises(InputError, match=r"HTTP 401: the token .* is revoked"):
            remote.drain()
    assert "1 statements wait in" in caplog.text
    assert given["token"] not in caplog.text
    fresh = ledger.tokens.new("fresh", scope="submit")[1]
    with provenance.connect(url, **given | {"token": fresh}) as remote:
        assert remote.drain() == [4]
    assert names(ledger) == ["dataset first", "dataset second"]


def test_what_is_refused_holds_up_nothing_else(
    url: str, ledger: Ledger, given: dict[str, Any], spool: Path
) -> None:
    stranger = PrivateKey.generate()
    with provenance.connect(url, **given | {"signer": stranger}) as remote:
        assert remote.register(ROWS, name="strange").index is None
        (refused,) = (spool / "waiting").iterdir()
    with provenance.connect(url, **given) as remote:
        assert remote.register(ROWS, name="known").index == 3
        with pytest.raises(InputError, match=rf"^{refused}: .*add the signer's key first"):
            remote.drain()
        assert remote.waiting() == 1
        ledger.add_key(stranger.public, name="stranger")
        assert remote.drain() == [5]
    assert [*spool.glob("waiting/*")] == []


def test_an_entry_that_is_not_proven_waits(
    url: str, ledger: Ledger, given: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def change(asked: str, content: bytes) -> bytes:
        return content.replace(b"\n4\n", b"\n5\n") if "tlog-proof" in asked else content

    with lying(url, change) as liar, provenance.connect(liar, **given) as remote:
        assert remote.register(ROWS, name="rows").index is None
        with pytest.raises(VerificationError, match="entry: "):
            remote.drain()
        assert remote.waiting() == 1
    assert "1 statements wait" in caplog.text


def test_without_a_spool_what_fails_is_not_kept(
    url: str, ledger: Ledger, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    given |= {"spool": None, "signer": PrivateKey.generate()}
    with provenance.connect(url, **given) as remote:
        assert [*(tmp_path / "temporary").iterdir()] == [], "nothing was recorded yet"
        with pytest.raises(InputError, match="add the signer's key first"):
            remote.register(ROWS, name="rows")
        assert remote.waiting() == 0
        with pytest.raises(InputError, match="connect with spool="):
            remote.outputs(name="answers")
    assert [*(tmp_path / "temporary").iterdir()] == []


# --- a server that hangs, or goes and comes -------------------------------------------------------


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Where connections are taken, and nothing is answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener


def test_a_server_that_hangs_is_left_alone_for_a_while(
    silent: socket.socket, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    send = Sender.send_tree

    def counted(self: Sender, *given: Any) -> None:
        tried.append(given)
        send(self, *given)

    monkeypatch.setattr(Sender, "send_tree", counted)
    url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    remote = provenance.connect(url, **given | {"timeout": 0.2})
    for number in range(20):
        assert remote.register(ROWS, name=f"rows {number}").index is None
    assert len(tried) == 1
    assert remote.waiting() == 20
    remote.close()


def test_it_is_tried_again_after_a_rest(
    server: Server, ledger: Ledger, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provenance.client.writing.REST", 0.05)
    with provenance.connect(server.url, **given) as remote:
        assert remote.register(ROWS, name="first").index is None
        server.start()
        deadline = time.monotonic() + 20
        while (index := remote.quality("first", metrics={"n": 1})) is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert index == len(ledger.entries(limit=1000)) - 1
        assert remote.waiting() == 0


def test_a_server_that_is_killed_under_load(
    server: Server, ledger: Ledger, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that was acknowledged is there in the end, and once."""
    monkeypatch.setattr("provenance.client.writing.REST", 0.01)
    acknowledged: list[str] = []
    ended = threading.Event()

    def work(worker: int, remote: RemoteLedger) -> None:
        number = 0
        while not ended.is_set():
            name = f"{worker}-{number}"
            remote.register([{"worker": worker, "number": number}], name=name)
            acknowledged.append(f"dataset {name}")
            number += 1
            ended.wait(0.25)

    with (
        provenance.connect(server.url, **given) as one,
        provenance.connect(server.url, **given) as other,
    ):
        server.start()
        threads = [
            threading.Thread(target=work, args=(n, remote))
            for n, remote in enumerate([one, one, other])
        ]
        for thread in threads:
            thread.start()
        for _ in range(3):
            time.sleep(0.4)
            server.kill()
            time.sleep(0.1)
            server.start()
        ended.set()
        for thread in threads:
            thread.join()
        one.drain()
        assert one.waiting() == 0
    assert len(acknowledged) > 10
    assert Counter(names(ledger)) == Counter(acknowledged)


# --- the folder -----------------------------------------------------------------------------------


def test_a_spool_is_of_one_server(spool: Path, tmp_path: Path) -> None:
    provenance.connect("http://127.0.0.1:1/p/one", spool=spool).close()
    with pytest.raises(InputError, match=f"in {spool} waits what goes to .*/p/one, not to .*/two"):
        provenance.connect("http://127.0.0.1:1/p/two", spool=spool)
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match=f"cannot use {tmp_path / 'file'}: "):
        provenance.connect("http://127.0.0.1:1", spool=tmp_path / "file")
    (spool / "ledger.json").write_text("{}")
    with pytest.raises(InputError, match="no folder in which statements wait"):
        provenance.connect("http://127.0.0.1:1/p/one", spool=spool)
    assert spool.stat().st_mode & 0o777 == 0o700


def test_what_is_damaged_is_named_and_stays(
    server: Server, ledger: Ledger, given: dict[str, Any], spool: Path
) -> None:
    given["patience"] = 0.0
    with provenance.connect(server.url, **given) as remote:
        remote.register(ROWS, name="damaged")
        (damaged,) = spool.glob("waiting/*")
        (damaged / "envelope.json").write_bytes(b"{}")
        remote.register(ROWS, name="whole")
        assert remote.resolve("whole").state == "spooled"
    server.start()
    given["patience"] = 20.0
    with provenance.connect(server.url, **given) as remote:
        with pytest.raises(InputError, match=f"^{damaged}: "):
            remote.drain()
        assert remote.waiting() == 1
    assert names(ledger) == ["dataset whole"]


def test_drafts_of_a_crash_are_cleared_unless_somebody_writes(spool: Path) -> None:
    url = "http://127.0.0.1:1"
    first = Outbox(spool, url)
    left = spool / "drafts" / "left"
    left.mkdir()
    Outbox(spool, url).close()
    assert left.exists(), "it may be of the first"
    first.close()
    Outbox(spool, url).close()
    assert not left.exists()


def test_hashing_that_fails_leaves_nothing(given: dict[str, Any], spool: Path) -> None:
    with provenance.connect("http://127.0.0.1:1", **given | {"patience": 0.0}) as remote:
        with pytest.raises(InputError):
            remote.register(iter([{"a": 1}, 2]), name="rows")
        assert [*spool.glob("drafts/*")] == []
        assert remote.waiting() == 0


def test_nothing_is_logged_about_secrets(
    given: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with provenance.connect("http://127.0.0.1:1", **given | {"patience": 0.0}) as remote:
        remote.register(ROWS, name="rows")
    assert "wait in" in caplog.text
    assert given["token"] not in caplog.text
