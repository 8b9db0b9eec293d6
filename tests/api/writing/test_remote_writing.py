"""What a pipeline records in a ledger behind a URL, as in one on its own disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from killed import Server
from lying import lying

import provenance
from provenance import InputError, Ledger, LedgerError, VerificationError
from provenance.client import RemoteLedger
from provenance.client.sending import PIECE
from provenance.client.transport import Transport
from provenance.signing import PrivateKey, write_key_file

ROWS = [{"id": n, "text": f"row {n}"} for n in range(1000)]


@pytest.fixture
def remote(url: str, ledger: Ledger, key: PrivateKey, token: str) -> Iterator[RemoteLedger]:
    with provenance.connect(
        url, token=token, signer=key, policy=ledger.policy(), patience=5
    ) as remote:
        yield remote


def pipeline(ledger: Ledger | RemoteLedger, folder: Path) -> list[Any]:
    """One and the same, wherever the ledger is."""
    raw = ledger.register(folder / "rows.parquet", name="raw", license="CC-BY-4.0")
    with ledger.step("clean", inputs=[raw], params={"threshold": 0.9}) as step:
        clean = step.output(ROWS[:10], name="clean", sensitivity="public")
        model = step.output(folder / "model", name="model", kind="model")
    lines = ledger.register(folder / "notes.txt", encoding="line", metadata={"n": 1.5})
    nothing = ledger.register([], name="nothing")
    accuracy = ledger.quality(model, metrics={"accuracy": 0.93}, criteria={"accuracy": ">= 0.9"})
    doubt = ledger.review(clean, "flag", reason="row 3 looks odd")
    gone = ledger.supersede("raw", "clean", reason="duplicates")
    assert step.outputs == [clean, model]
    assert step.index is not None
    said = [raw.index, step.index, lines.index, nothing.index, accuracy, doubt, gone]
    assert said == sorted(said)
    return [raw, clean, model, lines, nothing]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "model").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "rows.parquet")
    (folder / "model" / "weights.bin").write_bytes(bytes(3_000_000))
    (folder / "notes.txt").write_text("one\ntwo\n")
    return folder


def test_it_records_what_a_ledger_on_disk_records(
    remote: RemoteLedger, ledger: Ledger, data: Path, tmp_path: Path
) -> None:
    there = pipeline(remote, data)
    with Ledger.init(tmp_path / "other", origin="acme.example/other") as other:
        here = pipeline(other, data)
        for own, sent in zip(here, there, strict=True):
            assert (own.name, own.kind, own.artifact, own.digests) == (
                sent.name,
                sent.kind,
                sent.artifact,
                sent.digests,
            )
            stored = ledger.folder.tree(sent.artifact.digest).read_bytes()
            assert stored == other.folder.tree(own.artifact.digest).read_bytes()
        kinds = [line.kind for line in other.entries(limit=100)]
    assert [line.kind for line in ledger.entries(limit=100)][3:] == kinds[2:]


def test_what_was_recorded_is_proven(
    remote: RemoteLedger, ledger: Ledger, key: PrivateKey, data: Path
) -> None:
    clean = pipeline(remote, data)[1]
    assert ledger.resolve("clean").statement == clean.statement
    proof = remote.prove("clean", records=[ROWS[3], ROWS[7]])
    verified = remote.verify(proof, data=[ROWS[3], ROWS[7]], policy=ledger.policy())
    assert (verified.index, verified.record_indices) == (clean.index, (3, 7))
    assert verified.signers == ("pipeline",)
    assert remote.resolve(data / "rows.parquet").name == "raw"
    assert remote.resolve(clean) is clean


def test_many_pieces_are_sent(remote: RemoteLedger, ledger: Ledger) -> None:
    table = pa.table({"n": range(3 * PIECE // 32 + 7)})
    sent = remote.register(table, name="large", sensitivity="public")
    assert ledger.prove("large", index=sent.size - 1).indices == (sent.size - 1,)


# --- who may --------------------------------------------------------------------------------------


def test_without_a_key_nothing_is_hashed(url: str, token: str) -> None:
    with (
        provenance.connect(url, token=token) as remote,
        pytest.raises(InputError, match="connect with signer="),
    ):
        remote.register(iter([1, 2]), name="never read")


def test_a_key_that_the_log_does_not_know(url: str, token: str) -> None:
    with (
        provenance.connect(url, token=token, signer=PrivateKey.generate()) as remote,
        pytest.raises(InputError, match=r"HTTP 422: .*add the signer's key first"),
    ):
        remote.register(ROWS, name="rows")


def test_a_token_that_may_only_read(url: str, ledger: Ledger, key: PrivateKey) -> None:
    token = ledger.tokens.new("reader")[1]
    with (
        provenance.connect(url, token=token, signer=key) as remote,
        pytest.raises(InputError, match="HTTP 403: this needs the scope 'submit'"),
    ):
        remote.register(ROWS, name="rows")


def test_a_key_in_a_file(
    url: str, token: str, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = PrivateKey.generate()
    ledger.add_key(key.public, name="pipeline")
    write_key_file(tmp_path / "key.pem", key, b"secret")
    with provenance.connect(
        url, token=token, signer=tmp_path / "key.pem", passphrase="secret"
    ) as remote:
        assert remote.register(ROWS, name="rows").index == 3
    monkeypatch.setenv("PROVENANCE_PASSPHRASE", "secret")
    with provenance.connect(url, token=token, signer=tmp_path / "key.pem") as remote:
        assert remote.register(ROWS, name="rows").index == 4
    monkeypatch.setenv("PROVENANCE_PASSPHRASE", "wrong")
    with (
        provenance.connect(url, token=token, signer=tmp_path / "key.pem") as remote,
        pytest.raises(InputError, match=r"key\.pem"),
    ):
        remote.register(ROWS, name="rows")


# --- a server that goes away ----------------------------------------------------------------------


def test_a_server_killed_in_the_middle_of_an_upload(
    server: Server, ledger: Ledger, key: PrivateKey, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on where it stood, and what is logged is logged once."""
    server.start()
    table = pa.table({"n": range(4 * PIECE // 32)})
    exchange = Transport.exchange
    answered: list[str] = []

    def killing(self: Transport, method: str, path: str, **given: Any) -> Any:
        answer = exchange(self, method, path, **given)
        answered.append(path)
        logged = path == "v1/entries"
        if len(answered) in (2, 5) or logged:
            server.kill()
            threading.Timer(0.5, server.start).start()
        if logged and answered.count(path) == 1:
            raise LedgerError("the answer was lost")
        return answer

    monkeypatch.setattr(Transport, "exchange", killing)
    before = len(ledger.entries(limit=1000))
    with provenance.connect(
        server.url, token=token, signer=key, policy=ledger.policy(), patience=30
    ) as remote:
        sent = remote.register(table, name="large", sensitivity="public")
    assert sent.index == before
    assert len(ledger.entries(limit=1000)) == before + 1
    proof = ledger.prove("large", index=[0, sent.size - 1])
    rows = [{"n": 0}, {"n": sent.size - 1}]
    assert provenance.verify(proof, data=rows, policy=ledger.policy()).index == sent.index


def test_patience_ends(server: Server, key: PrivateKey, token: str) -> None:
    with (
        provenance.connect(server.url, token=token, signer=key, patience=0.5) as remote,
        pytest.raises(LedgerError, match="does not answer"),
    ):
        remote.register(ROWS, name="rows")


# --- a server that lies ---------------------------------------------------------------------------


def told(changed: bytes) -> Callable[[str, bytes], bytes]:
    return lambda asked, content: changed if asked == "POST /v1/entries" else content


LIES: dict[str, Callable[[str, bytes], bytes]] = {
    "another entry": told(b'{"indices":[1]}'),
    "two entries": told(b'{"indices":[3,3]}'),
    "no entry": told(b'{"indices":[]}'),
    "a proof of another entry": lambda asked, content: (
        content.replace(b"index 3\n", b"index 2\n") if "tlog-proof" in asked else content
    ),
    "another root": lambda asked, content: (
        content.replace(b"\n4\n", b"\n5\n") if "tlog-proof" in asked else content
    ),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("named", [True, False], ids=["policy", "no policy"])
def test_what_is_not_logged_is_not_believed(
    url: str, ledger: Ledger, key: PrivateKey, token: str, lie: str, named: bool
) -> None:
    policy = ledger.policy() if named else None
    with (
        lying(url, LIES[lie]) as liar,
        provenance.connect(liar, token=token, signer=key, policy=policy, patience=1) as remote,
        pytest.raises(VerificationError, match="entry: "),
    ):
        remote.register(ROWS, name="rows")


def test_the_log_of_somebody_else(url: str, key: PrivateKey, token: str, tmp_path: Path) -> None:
    with (
        Ledger.init(tmp_path / "other", origin="acme.example/ml") as other,
        provenance.connect(url, token=token, signer=key, policy=other.policy()) as remote,
        pytest.raises(VerificationError, match="entry: the note is signed by no known key"),
    ):
        remote.register(ROWS, name="rows")


def test_uploads_that_are_answered_with_nonsense(url: str, key: PrivateKey, token: str) -> None:
    """No location, or none that is one: nothing is sent there."""
    asked: list[str] = []

    def change(request: str, content: bytes) -> bytes:
        asked.append(request)
        return content

    with (
        lying(url, change) as liar,
        provenance.connect(liar, token=token, signer=key, patience=1) as remote,
    ):
        remote.register(ROWS[:3], name="rows")
    assert [request.split()[0] for request in asked] == ["POST", "PATCH", "POST", "GET"]
