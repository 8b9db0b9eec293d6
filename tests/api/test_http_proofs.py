"""Bundles over HTTP: asked for in three ways, and verified under the server's policy alone."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from urllib.parse import quote

import httpx
import pytest
import rfc8785
from asking import post, problem
from served import ROWS
from serving import serving

import provenance
from api import create_app
from provenance import Bundle, Ledger
from provenance.log import LogProof, check_proof

PROOFS = "/v1/artifacts/train/proofs"


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\0" + leaf).digest()


def verify(http: httpx.Client, bundle: bytes, record: str | None = None) -> dict[str, object]:
    body = b'{"bundle":' + bundle + (b"" if record is None else b',"record":' + record.encode())
    answer = post(http, "/v1/verify", body + b"}")
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


@pytest.mark.parametrize("index", [0, 7, 19])
def test_a_record_is_proven_by_content_number_or_leaf_hash(
    http: httpx.Client, ledger: Ledger, index: int
) -> None:
    row = ROWS[index]
    own = ledger.prove("train", index=index).to_bytes()
    hexed = leaf_hash(rfc8785.dumps(row)).hex()
    for wanted in ({"record": row}, {"index": index}, {"leaf_hash": hexed}):
        answer = post(http, PROOFS, json.dumps(wanted))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == Bundle.parse(answer.content).media_type
        assert answer.headers["provenance-record-index"] == str(index)
        assert answer.headers["provenance-equal-records"] == "1"
        assert answer.content == own
        verified = provenance.verify(
            answer.content, record=row, policy=ledger.policy(), chains=ledger.chains
        )
        assert verified.record_indices == (index,)


def test_several_records_in_one_bundle(http: httpx.Client, ledger: Ledger) -> None:
    indices = [19, 3, 3, 0]
    hashes = [leaf_hash(rfc8785.dumps(ROWS[index])).hex() for index in indices]
    own = ledger.prove("train", index=indices).to_bytes()
    for wanted in ({"index": indices}, {"leaf_hash": hashes}):
        answer = post(http, PROOFS, json.dumps(wanted))
        assert answer.status_code == 200
        assert answer.content == own
        assert not {"provenance-record-index", "provenance-equal-records"} & {*answer.headers}

    def verdict(**given: object) -> tuple[object, object]:
        body = b'{"bundle":' + own + b"," + json.dumps(given)[1:].encode()
        answer = post(http, "/v1/verify", body)
        assert answer.status_code == 200, answer.text
        return answer.json()["verified"], answer.json()["step"]

    assert verdict(leaf_hash=hashes) == (True, None)
    assert verdict(leaf_hash=hashes[::-1]) == (False, "record")
    assert verdict(leaf_hash=hashes[:3]) == (False, "record")
    assert verdict(leaf_hash=hashes[0]) == (False, "record")
    assert verdict(record=ROWS[3]) == (True, None)
    asked: list[object] = [ROWS[index] for index in indices]
    assert verdict(records=asked) == (True, None)
    assert verdict(records=[json.dumps(row) for row in asked]) == (True, None)
    assert verdict(records=asked[::-1]) == (False, "record")
    assert verdict(records=asked[:3]) == (False, "record")
    assert verdict(records=[]) == (False, "record")
    assert verdict(records=[ROWS[3]] * 4) == (False, "record")
    for both in ("record", "records"):
        body = b'{"bundle":' + own + b',"%s":[],"leaf_hash":[]}' % both.encode()
        answer = post(http, "/v1/verify", body)
        assert "one of them is checked" in problem(answer, 422, "malformed")
    for wrong, slug in (
        ("{}", "malformed"),
        ("7", "malformed"),
        ("[7]", "unusable"),
        ("[[{}]]", "unusable"),
        ('[{"a":1,"a":2}]', "malformed"),
        (json.dumps([{}] * 16385), "malformed"),
    ):
        body = b'{"bundle":' + own + b',"records":' + wrong.encode() + b"}"
        problem(post(http, "/v1/verify", body), 422, slug)


def test_several_records_keep_every_digit(http: httpx.Client, ledger: Ledger) -> None:
    own = ledger.prove("big", index=[0, 1]).to_bytes()
    for last, verified in ((2, True), (3, False)):
        records = b'[{"id":9007199254740993},{"id":900719925474099%d}]' % last
        answer = post(http, "/v1/verify", b'{"bundle":' + own + b',"records":' + records + b"}")
        assert answer.json()["verified"] is verified


def test_no_more_than_so_many_at_once(http: httpx.Client) -> None:
    answer = post(http, PROOFS, json.dumps({"index": [0] * 4097}))
    assert "4,097 records: at most 4,096" in problem(answer, 422, "malformed")
    assert post(http, PROOFS, json.dumps({"index": [0] * 4096})).status_code == 200


@pytest.mark.parametrize("several", [[], [7, -1], [7, "7"], [[7]], [7, None], [2**53]])
def test_several_records_of_another_form(http: httpx.Client, several: list[object]) -> None:
    answer = post(http, PROOFS, json.dumps({"index": several}))
    if several:
        assert "index" in problem(answer, 422, "malformed")
    else:
        assert "no record is named" in problem(answer, 422, "unusable")


@pytest.mark.parametrize(
    ("text", "index", "equal"),
    [
        # Lenient JSON reads all three as one double, or loses digits of the last.
        ('{"id":9007199254740993}', 0, 1),
        ('{ "id" : 9007199254740992 }', 1, 1),
        ('{"id":"9007199254740993"}', 0, 1),
        ('{"id":' + "1" + "0" * 40 + "}", 2, 1),
    ],
)
def test_integers_keep_their_digits(http: httpx.Client, text: str, index: int, equal: int) -> None:
    for body in (f'{{"record":{text}}}', json.dumps({"record": text})):
        answer = post(http, "/v1/artifacts/big/proofs", body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["provenance-record-index"] == str(index)
        assert answer.headers["provenance-equal-records"] == str(equal)
        assert verify(http, answer.content, text)["verified"] is True
        assert verify(http, answer.content, '{"id":9007199254740994}')["step"] == "record"


def test_equal_records_are_counted_and_the_first_is_proven(http: httpx.Client) -> None:
    answer = post(http, "/v1/artifacts/twins/proofs", '{"record":{"a":1e0}}')
    assert answer.headers["provenance-record-index"] == "0"
    assert answer.headers["provenance-equal-records"] == "3"
    third = post(http, "/v1/artifacts/twins/proofs", '{"index":2}')
    assert third.headers["provenance-record-index"] == "2"
    assert third.headers["provenance-equal-records"] == "3"


def test_a_line_is_a_string_and_never_an_object(http: httpx.Client) -> None:
    path = "/v1/artifacts/notes.txt/proofs"
    for line, index in (("one", 0), ('{"a":1}', 1), ("é\r", 2)):
        answer = post(http, path, json.dumps({"record": line}))
        assert answer.headers["provenance-record-index"] == str(index)
    problem(post(http, path, '{"record":{"a":1}}'), 422, "unusable")
    problem(post(http, path, '{"record":"one\\n"}'), 422, "unusable")


def test_a_chunk_is_named_by_number_or_hash(http: httpx.Client) -> None:
    path = "/v1/artifacts/weights/proofs"
    chunk = (b"0123456789" * 200_000)[1 << 20 :]
    by_hash = post(http, path, json.dumps({"leaf_hash": leaf_hash(chunk).hex()}))
    assert by_hash.headers["provenance-record-index"] == "1"
    assert by_hash.content == post(http, path, '{"index":1}').content
    problem(post(http, path, '{"record":"0123456789"}'), 422, "unusable")


@pytest.mark.parametrize(
    "body", ['{"index":20}', f'{{"leaf_hash":"{"0" * 64}"}}', '{"record":{"id":99}}']
)
def test_what_is_not_in_it_is_not_found(http: httpx.Client, body: str) -> None:
    assert "'train' has no" in problem(post(http, PROOFS, body), 404, "unknown-record")


def test_nothing_is_in_an_empty_artifact(http: httpx.Client) -> None:
    for body in ('{"index":0}', '{"record":{}}'):
        problem(post(http, "/v1/artifacts/nothing/proofs", body), 404, "unknown-record")


def test_an_unknown_artifact_proves_nothing(http: httpx.Client) -> None:
    problem(post(http, "/v1/artifacts/trian/proofs", '{"index":0}'), 404, "unknown-artifact")


# --- the server's verdict -------------------------------------------------------------------------


def test_a_good_bundle_is_verified_with_every_step(http: httpx.Client, ledger: Ledger) -> None:
    bundle = ledger.prove("train", index=7).to_bytes()
    answer = verify(http, bundle, json.dumps(ROWS[7]))
    assert (answer["verified"], answer["step"]) == (True, None)
    assert answer["policy"] == ledger.policy().fingerprint
    assert answer["origin"] == ledger.origin
    steps = answer["steps"]
    assert isinstance(steps, list)
    assert [step["step"] for step in steps] == list(provenance.verification.STEPS)
    marks = {step["step"]: step["mark"] for step in steps}
    assert marks.pop("witnesses") == "not_demanded"
    assert set(marks.values()) == {"holds"}


def test_without_a_record_none_is_checked(http: httpx.Client, ledger: Ledger) -> None:
    answer = verify(http, ledger.prove("train").to_bytes())
    assert answer["verified"] is True
    assert {"step": "record", "mark": "not_demanded"}.items() <= answer["steps"][7].items()  # type: ignore[index]


def test_another_record_is_answered_with_the_step_that_fails(
    http: httpx.Client, ledger: Ledger
) -> None:
    bundle = ledger.prove("train", index=7).to_bytes()
    answer = verify(http, bundle, json.dumps(ROWS[8]))
    assert (answer["verified"], answer["step"]) == (False, "record")
    assert answer["steps"][-1]["mark"] == "fails"  # type: ignore[index]


def test_an_altered_bundle_is_answered_with_the_step_that_fails(
    http: httpx.Client, ledger: Ledger
) -> None:
    value = json.loads(ledger.prove("train", index=7).to_bytes())
    envelope = bytearray(base64.b64decode(value["statement"]["envelope"]))
    envelope[100] ^= 1
    value["statement"]["envelope"] = base64.b64encode(envelope).decode()
    answer = verify(http, json.dumps(value).encode())
    assert (answer["verified"], answer["step"]) == (False, "entry")


def test_a_strangers_bundle_is_not_verified(
    http: httpx.Client, tmp_path_factory: pytest.TempPathFactory, ledger: Ledger
) -> None:
    """Perfectly consistent, same origin, own keys, log and contract."""
    folder = tmp_path_factory.mktemp("stranger")
    with Ledger.init(folder, origin=ledger.origin) as stranger:
        stranger.register(ROWS, name="train")
        stranger.anchor()
        bundle = stranger.prove("train", index=7).to_bytes()
    answer = verify(http, bundle, json.dumps(ROWS[7]))
    assert (answer["verified"], answer["step"]) == (False, "checkpoint")


def test_no_policy_comes_from_a_request(http: httpx.Client, ledger: Ledger) -> None:
    bundle = ledger.prove("train", index=7).to_bytes().decode()
    for more in ('"policy":{}', '"chains":{"embedded":"http://127.0.0.1:1"}'):
        body = f'{{"bundle":{bundle},{more}}}'
        assert "unknown field" in problem(post(http, "/v1/verify", body), 422, "malformed")


def test_a_malformed_bundle_fails_the_first_step(http: httpx.Client, ledger: Ledger) -> None:
    good = ledger.prove("train", index=7).to_bytes()
    for bundle in (
        b"{}",
        b"[]",
        b"null",
        b'"text"',
        good.replace(b'"index":7', b'"index":7.0', 1),
        good.replace(b'"index":7', b'"index":-7', 1),
        good.replace(b'"index":7', b'"index":7,"index":7', 1),
        good.replace(b'"mediaType"', b'"extra":1,"mediaType"', 1),
        # A number of 64 digits is not the hash that its digits would spell.
        good.replace(b'"path":["', b'"path":[' + b"1" * 64 + b',"', 1),
    ):
        assert bundle != good
        answer = verify(http, bundle)
        assert (answer["verified"], answer["step"]) == (False, "bundle"), bundle


def test_many_at_once(http: httpx.Client, ledger: Ledger) -> None:
    def ask(index: int) -> tuple[int, object]:
        proof = post(http, PROOFS, f'{{"index":{index}}}')
        return index, verify(http, proof.content, json.dumps(ROWS[index]))["verified"]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(ask, [i % 20 for i in range(100)]))
    assert found == [(i % 20, True) for i in range(100)]


def test_nothing_of_the_inside_is_told(ledger: Ledger) -> None:
    """Not even when the chain's file, which errors name by its path, is gone."""
    bundle = ledger.prove("train", index=7).to_bytes()
    chain = ledger.folder.path / "chain.db"
    hidden = chain.with_name("chain.gone")
    # A service of its own: the one of the other tests may remember that this bundle held.
    with serving(create_app(ledger, public=True)) as url, httpx.Client(base_url=url) as http:
        ledger.chains.close()
        chain.rename(hidden)
        try:
            answer = verify(http, bundle)
        finally:
            hidden.rename(chain)
        assert (answer["verified"], answer["step"]) == (None, "policy")
        told = json.dumps(answer)
        assert "no embedded chain at .provenance/chain.db" in told
        assert str(ledger.folder.path.parent) not in told
        assert verify(http, bundle)["verified"] is True


# --- C2SP tlog-proof ------------------------------------------------------------------------------


def test_the_entry_of_an_artifact_is_proven_to_any_tlog_client(
    http: httpx.Client, ledger: Ledger
) -> None:
    for name in ("train", "a/b c?%2F#é"):
        registered = ledger.resolve(name)
        answer = http.get(f"/v1/artifacts/{quote(name, safe='')}/tlog-proof")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        proof = LogProof.parse(answer.content)
        assert proof == ledger.prove_entry(name)
        (entry,) = [e for i, (e, _) in enumerate(ledger.every_entry(100)) if i == registered.index]
        check_proof(
            proof,
            leaf_hash=leaf_hash(entry),
            origin=ledger.origin,
            log_keys=ledger.policy().log_verifiers,
        )
    problem(http.get("/v1/artifacts/trian/tlog-proof"), 404, "unknown-artifact")
