"""The write side over HTTP: leaf hashes by tus, then the signed statement."""

from __future__ import annotations

import base64
import json
import math
import os
import socket
import time
from collections.abc import Iterator
from io import BytesIO
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from asking import problem
from killed import Server
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed

import provenance
from provenance import Ledger, forms
from provenance.ledger import uploads
from provenance.merkle import Tree
from provenance.records import ARTIFACT_DIGEST, JSON, Artifact, hash_record
from provenance.signing import PrivateKey, sign
from provenance.statements import Dataset, Statement, Subject

ROWS = [{"id": n, "text": f"row {n}"} for n in range(40_000)]
LEAVES = b"".join(hash_record(row, JSON) for row in ROWS)
ARTIFACT = Artifact(root=Tree.from_leaf_hashes(LEAVES).root, size=len(ROWS), encoding=JSON)
OFFSET_STREAM = "application/offset+octet-stream"


@pytest.fixture
def http(url: str, token: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        yield client


def begin(http: httpx.Client, artifact: Artifact = ARTIFACT, **changes: str) -> httpx.Response:
    claimed = base64.b64encode(forms.dump(artifact)).decode()
    headers = {
        "Upload-Length": str(32 * artifact.size),
        "Upload-Metadata": f"artifact {claimed}",
    }
    return http.post("/v1/trees", headers=headers | changes)


def begun(http: httpx.Client, artifact: Artifact = ARTIFACT) -> str:
    answer = begin(http, artifact)
    assert answer.status_code == 201, answer.text
    return urljoin(str(answer.url), answer.headers["location"])


def send(
    http: httpx.Client, place: str, data: bytes, offset: int, **changes: str
) -> httpx.Response:
    headers = {"Content-Type": OFFSET_STREAM, "Upload-Offset": str(offset)}
    return http.patch(place, content=data, headers=headers | changes)


def envelope(key: PrivateKey, artifact: Artifact = ARTIFACT, name: str = "train") -> bytes:
    predicate = Dataset(
        nonce=bytes(16), issued="2026-01-31T12:00:00.000Z", artifact=artifact, sensitivity="public"
    )
    subject = Subject(name=name, digest={ARTIFACT_DIGEST: artifact.digest_hex})
    return sign(Statement(subjects=(subject,), predicate=predicate).to_bytes(), [key]).to_bytes()


def submit(http: httpx.Client, data: bytes, media_type: str = "application/json") -> httpx.Response:
    return http.post("/v1/entries", content=data, headers={"Content-Type": media_type})


# --- from the leaf hashes to a proof --------------------------------------------------------------


def test_leaf_hashes_then_the_statement_then_a_proof(
    http: httpx.Client, ledger: Ledger, key: PrivateKey
) -> None:
    missing = problem(submit(http, envelope(key)), 409, "tree-missing")
    assert f"the leaf hashes of 'train', {ARTIFACT.digest_hex}, are not here" in missing
    place = begun(http)
    for at in range(0, len(LEAVES), 500_000):
        answer = send(http, place, LEAVES[at : at + 500_000], at)
        assert answer.status_code == 204
        assert answer.headers["upload-offset"] == str(min(at + 500_000, len(LEAVES)))
        assert answer.headers["tus-resumable"] == "1.0.0"
    answer = submit(http, envelope(key))
    assert answer.status_code == 200, answer.text
    (index,) = answer.json()["indices"]
    assert submit(http, envelope(key)).json() == {"indices": [index]}
    ledger.checkpoint()
    proof = ledger.prove("train", record=ROWS[31_415])
    verified = provenance.verify(proof, record=ROWS[31_415], policy=ledger.policy())
    assert (verified.index, verified.record_indices) == (index, (31_415,))


def test_a_batch_is_taken_whole_or_not_at_all(
    http: httpx.Client, ledger: Ledger, key: PrivateKey
) -> None:
    place = begun(http)
    assert send(http, place, LEAVES, 0).status_code == 204
    batch = [envelope(key, name=f"part {n}") for n in range(5)]
    before = len(ledger.entries(limit=1000))
    other = Artifact(root=bytes(32), size=1, encoding=JSON)
    for wrong, status, slug in (
        (envelope(key, other), 409, "tree-missing"),
        (envelope(PrivateKey.generate()), 422, "unusable"),
        (b"{}", 422, "malformed"),
        (b"", 422, "malformed"),
    ):
        answer = submit(http, b"\n".join([*batch[:2], wrong, *batch[2:]]), "application/jsonl")
        assert "item 2 of the batch: " in problem(answer, status, slug)
    assert len(ledger.entries(limit=1000)) == before
    for end in (b"", b"\n"):
        answer = submit(http, b"\n".join(batch) + end, "application/jsonl")
        assert answer.json() == {"indices": [*range(before, before + 5)]}


def test_what_a_stranger_signed_is_not_taken(http: httpx.Client, ledger: Ledger) -> None:
    begun(http, Artifact(root=Tree.from_leaf_hashes(b"").root, size=0, encoding=JSON))
    stranger = PrivateKey.generate()
    detail = problem(submit(http, envelope(stranger)), 422, "unusable")
    assert "add the signer's key first" in detail
    problem(submit(http, b"x" * 100), 422, "malformed")
    problem(submit(http, envelope(stranger), "text/plain"), 415, "media-type")
    too_much = submit(http, b" " * ((16 << 20) + 1))
    problem(too_much, 413, "too-large")


# --- tus ------------------------------------------------------------------------------------------


def test_an_upload_goes_on_where_it_stands(http: httpx.Client) -> None:
    place = begun(http)
    assert send(http, place, LEAVES[:1000], 0).status_code == 204
    detail = problem(send(http, place, LEAVES[: 1 << 20], 0), 409, "offset")
    assert "the upload stands at 1000, not at 0" in detail
    for method in ("HEAD", "GET"):
        answer = http.request(method, place)
        assert answer.status_code == 200
        assert answer.headers["upload-offset"] == "1000"
        assert answer.headers["upload-length"] == str(len(LEAVES))
        assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {"offset": 1000, "length": len(LEAVES)}
    assert begun(http) == place
    assert begin(http).headers["upload-offset"] == "1000"
    assert send(http, place, LEAVES[1000:], 1000).status_code == 204
    assert http.head(place).headers["upload-offset"] == str(len(LEAVES))


def test_other_leaf_hashes_are_thrown_away(http: httpx.Client) -> None:
    place = begun(http)
    detail = problem(send(http, place, LEAVES[::-1], 0), 422, "unusable")
    assert f"not {ARTIFACT.root.hex()}: nothing of them was kept" in detail
    problem(http.get(place), 404, "unknown-upload")
    assert send(http, begun(http), LEAVES, 0).status_code == 204


def test_what_arrived_before_a_connection_broke_is_kept(
    http: httpx.Client, url: str, token: str
) -> None:
    place = begun(http)
    parts = urlsplit(url)
    head = (
        f"PATCH {urlsplit(place).path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Authorization: Bearer {token}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        f"Content-Type: {OFFSET_STREAM}\r\nContent-Length: {len(LEAVES)}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port)) as broken:
        broken.sendall(head.encode() + LEAVES[:700_000])
    deadline = time.monotonic() + 20
    while (offset := int(http.head(place).headers["upload-offset"])) == 0:
        assert time.monotonic() < deadline
    assert offset <= 700_000
    while True:  # until the server has noticed that the first one went away
        answer = send(http, place, LEAVES[offset:], offset)
        if answer.status_code == 204:
            break
        assert time.monotonic() < deadline
        problem(answer, 409, "offset")
        offset = int(http.head(place).headers["upload-offset"])
    assert answer.headers["upload-offset"] == str(len(LEAVES))


def test_a_client_of_tus_goes_on_after_the_server_was_killed(
    server: Server, ledger: Ledger, key: PrivateKey, token: str
) -> None:
    """By `tuspy`, which the authors of tus wrote and which knows nothing of us."""
    client = TusClient(f"{server.url}/v1/trees", headers={"Authorization": f"Bearer {token}"})
    given = {"file_stream": BytesIO(LEAVES), "chunk_size": 300_000}
    server.start()
    first = client.uploader(**given, metadata={"artifact": forms.dump(ARTIFACT).decode()})
    first.upload(stop_at=500_000)
    server.kill()
    with pytest.raises(TusUploadFailed):
        first.upload()
    server.start()
    again = client.uploader(**given, url=first.url)
    assert again.offset == 500_000
    again.upload()
    assert again.get_offset() == len(LEAVES)
    assert ledger.folder.tree(ARTIFACT.digest).is_file()
    with pytest.raises(TusCommunicationError, match="404"):
        client.uploader(**given, url=f"{first.url}0")


def test_an_upload_is_its_tokens_own(http: httpx.Client, ledger: Ledger) -> None:
    place = begun(http)
    other = ledger.tokens.new("other", scope="submit")[1]
    header = {"Authorization": f"Bearer {other}"}
    problem(http.get(place, headers=header), 404, "unknown-upload")
    problem(send(http, place, LEAVES[:64], 0, **header), 404, "unknown-upload")


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({"Tus-Resumable": "0.2.2"}, 412, "tus-version"),
        ({"Tus-Resumable": ""}, 412, "tus-version"),
        ({"Upload-Length": "31"}, 422, "malformed"),
        ({"Upload-Length": ""}, 422, "malformed"),
        ({"Upload-Metadata": "filename YQ=="}, 422, "malformed"),
        ({"Upload-Metadata": ""}, 422, "malformed"),
        ({"Upload-Metadata": "artifact YQ"}, 422, "malformed"),
        ({"Upload-Metadata": "artifact YQ=="}, 422, "malformed"),
        ({"Upload-Metadata": "artifact e30="}, 422, "malformed"),
        ({"Upload-Metadata": "artifact " + "A" * 20_000}, 422, "malformed"),
    ],
)
def test_uploads_that_are_not_begun(
    http: httpx.Client, headers: dict[str, str], status: int, slug: str
) -> None:
    problem(begin(http, **headers), status, slug)


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({"Tus-Resumable": "1.1.0"}, 412, "tus-version"),
        ({"Upload-Offset": "-1"}, 422, "malformed"),
        ({"Upload-Offset": "0x0"}, 422, "malformed"),
        ({"Upload-Offset": ""}, 422, "malformed"),
        ({"Upload-Offset": "9" * 30}, 422, "malformed"),
        ({"Content-Type": "application/octet-stream"}, 415, "media-type"),
        ({"Content-Encoding": "gzip"}, 415, "media-type"),
    ],
)
def test_stretches_that_are_not_taken(
    http: httpx.Client, headers: dict[str, str], status: int, slug: str
) -> None:
    place = begun(http)
    problem(send(http, place, b"x", 0, **headers), status, slug)
    assert http.head(place).headers["upload-offset"] == "0"


def test_no_more_is_taken_than_was_said(http: httpx.Client) -> None:
    place = begun(http)
    detail = problem(send(http, place, LEAVES + b"x", 0), 409, "offset")
    assert f"an upload of {len(LEAVES)} bytes has no more of them" in detail
    offset = int(http.head(place).headers["upload-offset"])
    assert send(http, place, LEAVES[offset:], offset).status_code == 204


def test_what_tus_wants_of_every_answer(http: httpx.Client, url: str) -> None:
    asked = httpx.options(f"{url}/v1/trees")
    assert asked.status_code == 204
    assert asked.headers["tus-version"] == "1.0.0"
    assert asked.headers["tus-extension"] == "creation"
    other = begin(http, **{"Tus-Resumable": "0.2.2"})
    assert other.headers["tus-version"] == "1.0.0"
    missing = http.get(f"/v1/trees/{'0' * 32}")
    place = begun(http)
    for answer in (other, missing, asked, http.head(place), send(http, place, b"x", 7)):
        assert answer.headers["tus-resumable"] == "1.0.0"


def test_clients_may_add_metadata_of_their_own(http: httpx.Client) -> None:
    claimed = base64.b64encode(forms.dump(ARTIFACT)).decode()
    added = f"filename dHJhaW4=, artifact {claimed},is_confidential"
    assert begin(http, **{"Upload-Metadata": added}).status_code == 201


def test_a_broken_connection_at_the_end_holds_up_nobody(
    http: httpx.Client, url: str, token: str
) -> None:
    """All of it came, but for a byte that was announced beyond: the next who asks has the tree."""
    place, parts = begun(http), urlsplit(url)
    head = (
        f"PATCH {urlsplit(place).path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Authorization: Bearer {token}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        f"Content-Type: {OFFSET_STREAM}\r\nContent-Length: {len(LEAVES) + 1}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port)) as broken:
        broken.sendall(head.encode() + LEAVES)
    deadline = time.monotonic() + 20
    while True:
        answer = http.head(place)
        if answer.headers.get("upload-offset") == str(len(LEAVES)):
            break
        assert time.monotonic() < deadline
    assert begin(http).headers["upload-offset"] == str(len(LEAVES))


def test_uploads_that_are_not_there(http: httpx.Client) -> None:
    problem(http.get(f"/v1/trees/{'0' * 32}"), 404, "unknown-upload")
    assert http.get("/v1/trees/..%2f..%2fkeys").status_code == 404


def test_an_empty_artifact_is_complete_at_once(http: httpx.Client, ledger: Ledger) -> None:
    nothing = Artifact(root=Tree.from_leaf_hashes(b"").root, size=0, encoding=JSON)
    answer = begin(http, nothing)
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "0")
    assert ledger.folder.tree(nothing.digest).is_file()
    assert json.loads(http.get(urljoin(str(answer.url), answer.headers["location"])).text) == {
        "offset": 0,
        "length": 0,
    }


def test_what_is_complete_takes_up_no_place(
    http: httpx.Client, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST", 2)
    for number in range(5):
        leaf = hash_record({"id": number}, JSON)
        one = Artifact(root=leaf, size=1, encoding=JSON)
        place = begun(http, one)
        assert send(http, place, leaf, 0).status_code == 204
        assert http.head(place).headers["upload-offset"] == "32", "who lost the answer asks"
        again = begin(http, one)
        assert (again.status_code, again.headers["upload-offset"]) == (201, "32")
    artifacts = [Artifact(root=bytes([n]) * 32, size=1, encoding=JSON) for n in range(3)]
    assert [begin(http, one).status_code for one in artifacts] == [201, 201, 422]
    # An hour later nobody is told any more; who begins it again, is.
    uploaded = ledger.folder.path / "uploaded"
    for path in uploaded.iterdir():
        os.utime(path, (0, 0))
    monkeypatch.setattr(ledger.uploads, "_swept", -math.inf)
    assert begin(http, one).headers["upload-offset"] == "32"
    assert [path.name for path in uploaded.iterdir()] == [place.rpartition("/")[2]]
