"""`provenance.connect` against the real server, and against one that lies."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from served import BIG, ROWS, TWINS

import provenance
from provenance import (
    InputError,
    Ledger,
    LedgerError,
    MalformedError,
    ProvenanceError,
    UndecidedError,
    VerificationError,
)
from provenance.client import RemoteLedger
from provenance.ledger.filters import Sort
from provenance.records import JSON, hash_record


@pytest.fixture
def remote(url: str) -> Iterator[RemoteLedger]:
    with provenance.connect(url) as remote:
        yield remote


# --- an honest server -----------------------------------------------------------------------------


def test_it_has_the_face_of_the_ledger(remote: RemoteLedger, ledger: Ledger) -> None:
    told, own = remote.artifacts(), ledger.artifacts()
    assert [(a.name, a.artifact, a.index, a.digests) for a in told] == [
        (a.name, a.artifact, a.index, a.digests) for a in own
    ]
    assert [a.name for a in remote.artifacts(limit=3)] == [a.name for a in own[:3]]
    first = remote.artifacts(limit=3)
    assert first.next_cursor == ledger.artifacts(limit=3).next_cursor
    rest = remote.artifacts(cursor=first.next_cursor, limit=None)
    assert [a.name for a in rest] == [a.name for a in own[3:]]
    for sort in get_args(Sort):
        for limit in (2, None):
            found = remote.artifacts(sort=sort, limit=limit)
            known = ledger.artifacts(sort=sort, limit=limit)
            assert [a.index for a in found] == [a.index for a in known]
            assert found.next_cursor == known.next_cursor
    assert [a.name for a in remote.artifacts(kind="model")] == ["weights"]
    assert remote.artifact("train").statement == ledger.resolve("train").statement
    assert remote.artifact("a/b c?%2F#é").digest == ledger.resolve("a/b c?%2F#é").digest
    assert remote.history("train-clean").to_text() == ledger.history("train-clean").to_text()
    assert remote.checkpoint() == ledger.latest_checkpoint()
    (told_anchor,), (own_anchor,) = remote.anchors(), ledger.anchors()
    assert (told_anchor.size, told_anchor.root, told_anchor.block_time, told_anchor.tx_hash) == (
        own_anchor.size,
        own_anchor.root,
        own_anchor.block_time,
        own_anchor.tx_hash,
    )


@pytest.mark.parametrize(
    ("ref", "record", "index", "equal"),
    [
        ("train", ROWS[7], 7, 1),
        ("train", json.dumps(ROWS[7]), 7, 1),
        ("big", BIG[0], 0, 1),
        ("twins", TWINS[0], 0, 3),
        ("notes.txt", '{"a":1}', 1, 1),
        ("weights", (b"0123456789" * 200_000)[1 << 20 :], 1, 1),
    ],
)
def test_a_record_is_proven_and_verified_here(
    remote: RemoteLedger, ledger: Ledger, ref: str, record: Any, index: int, equal: int
) -> None:
    proof = remote.prove(ref, record=record)
    assert (proof.indices, proof.equal) == ((index,), equal)
    chains = dict(ledger.chains)
    verified = remote.verify(proof, record=record, policy=ledger.policy(), chains=chains)
    assert verified.record_indices == (index,)
    assert proof.to_bytes() == ledger.prove(ref, record=record).to_bytes()
    assert remote.prove(ref, index=index).to_bytes() == proof.to_bytes()


def test_several_records_are_proven_and_verified_here(
    remote: RemoteLedger, ledger: Ledger, tmp_path: Path
) -> None:
    asked = [ROWS[7], ROWS[0], ROWS[7]]
    sample = tmp_path / "sample.jsonl"
    sample.write_text("".join(json.dumps(row) + "\n" for row in asked))
    own = ledger.prove("train", records=sample).to_bytes()
    hashes = [hash_record(row, JSON) for row in asked]
    for way in (
        {"records": asked},
        {"records": sample},
        {"index": [7, 0, 7]},
        {"leaf_hash": hashes},
    ):
        proof = remote.prove("train", **way)
        assert (proof.indices, proof.equal, proof.to_bytes()) == ((7, 0, 7), 0, own)
    verified = remote.verify(proof, data=sample, policy=ledger.policy(), chains=ledger.chains)
    assert verified.record_indices == (7, 0, 7)


def test_without_a_policy_nothing_is_verified(
    remote: RemoteLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(VerificationError):
        remote.verify(remote.prove("train", index=7), record=ROWS[7])


def test_without_a_chain_it_is_undecided(remote: RemoteLedger, ledger: Ledger) -> None:
    with pytest.raises(UndecidedError):
        remote.verify(remote.prove("train", index=7), policy=ledger.policy(), chains={})


def test_questions_that_cannot_be_answered(remote: RemoteLedger) -> None:
    with pytest.raises(InputError, match="HTTP 404: nothing is registered as 'trian'"):
        remote.artifact("trian")
    with pytest.raises(InputError, match="has no record 20"):
        remote.prove("train", index=20)
    with pytest.raises(InputError, match="has no such record"):
        remote.prove("train", record={"id": 99})
    with pytest.raises(InputError, match="in one way"):
        remote.prove("train", index=1, record=ROWS[1])
    with pytest.raises(InputError, match="in one way"):
        remote.prove("train")
    with pytest.raises(InputError, match="kind takes one of"):
        remote.artifacts(kind="step")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "train",
        "ftp://x",
        "http://",
        "https://x:99999",
        "http://x/?a=1",
        "http://[",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_url_of_a_ledger(url: str) -> None:
    with pytest.raises(InputError):
        provenance.connect(url)


def test_a_server_that_is_not_there() -> None:
    with (
        provenance.connect("http://127.0.0.1:1") as nobody,
        pytest.raises(LedgerError, match=r"127\.0\.0\.1:1 does not answer"),
    ):
        nobody.checkpoint()


# --- a server that lies ---------------------------------------------------------------------------

Answer = tuple[int, dict[str, str], bytes]


@contextlib.contextmanager
def scripted(answer: Callable[[str, str], Answer], timeout: float = 10) -> Iterator[RemoteLedger]:
    """Connect to a server that answers (method, path) as it likes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = answer(self.command, self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        with provenance.connect(url, timeout=timeout) as remote:
            yield remote
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answering(artifact: Any, bundle: bytes = b"", equal: str = "1") -> Callable[[str, str], Answer]:
    def answer(method: str, path: str) -> Answer:
        if method == "POST":
            return 200, {"Provenance-Equal-Records": equal}, bundle
        return 200, {}, json.dumps(artifact).encode()

    return answer


@pytest.fixture
def shown(url: str) -> dict[str, Any]:
    import httpx

    found: dict[str, Any] = httpx.get(f"{url}/v1/artifacts/train").json()
    return found


def paths_to_strings(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, str):
        yield path
    elif isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from paths_to_strings(item, (*path, key))


def with_changed_text(value: Any, path: tuple[Any, ...]) -> bytes:
    value = json.loads(json.dumps(value))
    *parents, last = path
    at = value
    for key in parents:
        at = at[key]
    text = at[last]
    middle = len(text) // 2
    at[last] = text[:middle] + ("0" if text[middle] != "0" else "1") + text[middle + 1 :]
    return json.dumps(value).encode()


def test_no_altered_bundle_is_verified(ledger: Ledger, shown: dict[str, Any]) -> None:
    """One character of each text in it, in turn."""
    good = ledger.prove("train", record=ROWS[7])
    value = json.loads(good.to_bytes())
    caught: dict[str, int] = {}
    for path in paths_to_strings(value):
        bundle = with_changed_text(value, path)
        with scripted(answering(shown, bundle)) as remote:
            try:
                proof = remote.prove("train", record=ROWS[7])
                remote.verify(
                    proof, record=ROWS[7], policy=ledger.policy(), chains=dict(ledger.chains)
                )
            except VerificationError as error:
                where = error.step
            except MalformedError:
                where = "malformed"
            else:
                # An anchor elsewhere says nothing, for better or worse.
                raise AssertionError(f"{path} was changed, and verified")
            caught[where] = caught.get(where, 0) + 1
    assert sum(caught.values()) > 15
    assert {"checkpoint", "record", "malformed"} <= set(caught), caught


def test_a_bundle_about_something_else_is_no_answer(ledger: Ledger, shown: dict[str, Any]) -> None:
    wrong = {
        "another artifact": ledger.prove("train-clean", index=3),
        "another record": ledger.prove("train", index=8),
        "no record": ledger.prove("train"),
    }
    for proof in wrong.values():
        with scripted(answering(shown, proof.to_bytes())) as remote:
            for wanted in ({"record": ROWS[7]}, {"index": 7}):
                with pytest.raises(VerificationError):
                    remote.prove("train", **wanted)


def test_a_data_set_cannot_pass_for_another(ledger: Ledger, url: str) -> None:
    """The proofs are genuine; that the data set is the one asked for is the server's word."""
    import httpx

    other: dict[str, Any] = httpx.get(f"{url}/v1/artifacts/train-clean").json()
    bundle = ledger.prove("train-clean", index=3).to_bytes()
    renamed = json.loads(json.dumps(other | {"name": "train"}))
    renamed["statement"]["subject"][0]["name"] = "train"
    with (
        scripted(answering(renamed, bundle)) as remote,
        pytest.raises(VerificationError, match="another artifact"),
    ):
        remote.prove("train", index=3)
    del renamed["statement"]
    with (
        scripted(answering(renamed, bundle)) as remote,
        pytest.raises(MalformedError, match="leaves out"),
    ):
        remote.prove("train", index=3)


def test_a_strangers_ledger_is_not_verified(
    ledger: Ledger, tmp_path: Path, shown: dict[str, Any]
) -> None:
    """Another machine answers with keys, log and contract of its own, all consistent."""
    with Ledger.init(tmp_path, origin=ledger.origin) as stranger:
        stranger.register(ROWS, name="train")
        stranger.anchor()
        bundle = stranger.prove("train", record=ROWS[7]).to_bytes()
        with scripted(answering(shown, bundle)) as remote:
            proof = remote.prove("train", record=ROWS[7])
            with pytest.raises(VerificationError) as caught:
                remote.verify(
                    proof, record=ROWS[7], policy=ledger.policy(), chains=dict(stranger.chains)
                )
    assert caught.value.step == "checkpoint"


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "0" * 64},
        {"root": "0" * 64},
        {"size": 21},
        {"encoding": {"encoding": "line"}},
        {"name": "train-clean"},
        {"kind": "model"},
        {"digests": {"sha256": "0" * 64}},
        {"index": -1},
        {"index": 1.5},
        {"state": "certain"},
        {"statement": None},
        {"statement": {}},
        {"more": 1},
    ],
)
def test_an_artifact_that_contradicts_itself_is_no_answer(
    shown: dict[str, Any], change: dict[str, Any]
) -> None:
    with scripted(answering(shown | change)) as remote, pytest.raises(MalformedError):
        remote.artifact("train")


def test_a_grade_follows_from_what_the_server_says(url: str) -> None:
    import httpx

    answer = httpx.get(f"{url}/v1/artifacts/train-clean/history").json()
    (step,) = [line for line in answer["statements"] if line["kind"] == "step"]
    at, raw = answer["statements"].index(step), step["arrows"][0]["from"]
    assert [arrow["grade"] for arrow in step["arrows"]] == ["attested", "attested"]

    def changed(line: dict[str, Any] | None = None, **end: Any) -> dict[str, Any]:
        statements = [*answer["statements"]]
        statements[at] = step | (line or {})
        artifacts = answer["artifacts"] | {raw: {"name": "train", "registered": 1} | end}
        return answer | {"statements": statements, "artifacts": artifacts}

    def read(told: dict[str, Any]) -> list[str]:
        with scripted(lambda *_: (200, {}, json.dumps(told).encode())) as remote:
            history = remote.history("train-clean")
            return [str(arrow.grade) for arrow in history.arrows(history.events[at])]

    assert read(changed()) == ["attested", "attested"]
    broken = [{"from": raw, "grade": "broken"}, step["arrows"][1]]
    assert read(changed({"arrows": broken}, superseded=3)) == ["broken", "attested"]
    for lie in (
        changed({"arrows": broken}),
        changed({"arrows": []}),
        changed({"revoked": step["signers"]}),
        changed({"reproduced": {step["arrows"][1]["to"]: 2}}),
        changed(superseded=3),
        changed(revoked=True),
        changed({"reproduced": {"zz": 2}}),
        answer | {"artifacts": {}},
    ):
        with pytest.raises(MalformedError):
            read(lie)


def test_the_artifact_of_another_ref_is_no_answer(shown: dict[str, Any]) -> None:
    with scripted(answering(shown)) as remote:
        for ref in ("trains", "0" * 64, shown["digest"][:20] + "x"):
            with pytest.raises(MalformedError, match="another artifact"):
                remote.artifact(ref)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", MalformedError),
        (b"\xff", MalformedError),
        (b"[]", MalformedError),
        (b"{" * 100_000, MalformedError),
        (b'{"artifacts":' + b"[" * 100_000, MalformedError),
        (b'{"artifacts":[],"artifacts":[]}', MalformedError),
        (b'{"artifacts":[],"next_cursor":5}', MalformedError),
        (b'{"artifacts":[],"next_cursor":"-index..x"}', MalformedError),
        (b'{"artifacts":[],"next_cursor":"name..5"}', MalformedError),
    ],
)
def test_garbage_is_refused(body: bytes, kind: type[ProvenanceError]) -> None:
    with scripted(lambda *_: (200, {}, body)) as remote:
        with pytest.raises(kind):
            remote.artifacts()
        with pytest.raises(kind):
            remote.history("train")
        with pytest.raises(kind):
            remote.checkpoint()


def test_a_count_that_is_none_is_refused(ledger: Ledger, shown: dict[str, Any]) -> None:
    bundle = ledger.prove("train", index=7).to_bytes()
    for equal in ("", "0", "-1", "many"):
        with (
            scripted(answering(shown, bundle, equal)) as remote,
            pytest.raises(MalformedError, match="how many"),
        ):
            remote.prove("train", index=7)


@pytest.mark.parametrize(
    ("status", "kind"), [(404, InputError), (422, InputError), (500, LedgerError)]
)
def test_refusals_become_errors_without_commands_for_a_terminal(
    status: int, kind: type[ProvenanceError]
) -> None:
    said = json.dumps({"detail": "no\x1b[2J\r\nfound"}).encode()
    with (
        scripted(lambda *_: (status, {}, said)) as remote,
        pytest.raises(kind, match=rf"HTTP {status}: no·\[2J··found"),
    ):
        remote.checkpoint()


@pytest.mark.parametrize(
    ("status", "body"), [(502, b"<html>"), (302, b""), (418, b"[]"), (204, b"")]
)
def test_what_is_no_problem_is_an_error_too(status: int, body: bytes) -> None:
    elsewhere = {"Location": "http://127.0.0.1:1"}
    with (
        scripted(lambda *_: (status, elsewhere, body)) as remote,
        pytest.raises((InputError, LedgerError), match=f"HTTP {status}"),
    ):
        remote.checkpoint()


def test_an_answer_is_read_up_to_a_size() -> None:
    with (
        scripted(lambda *_: (200, {}, b"x" * ((1 << 20) + 1))) as remote,
        pytest.raises(MalformedError, match="more than 1,048,576 bytes"),
    ):
        remote.checkpoint()


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"a:b\r\n"),
    ],
    ids=["body", "headers"],
)
def test_an_answer_is_read_up_to_a_moment(begin: bytes, more: bytes) -> None:
    """A server that sends a byte now and then never lets a read time out."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(begin)
                while not over.wait(0.1):
                    connection.sendall(more)

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            provenance.connect(url, timeout=0.5) as remote,
            pytest.raises(LedgerError, match=r"takes longer than 0\.5 s"),
        ):
            remote.checkpoint()
        over.set()
        thread.join()
