"""Statements, keys and standing in the browser: what Python takes, and nothing else."""

from __future__ import annotations

import base64
import random
import re
from hashlib import sha256, sha512
from typing import Any

import pytest
from alike import OTHER_WORDS, Given, ask, compare
from chain_server import ChainServer
from changing import changed_somewhere
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from statement_examples import ALL
from world import ADMIN, ALICE, BOB, CAROL, World, key, signer

from provenance import forms
from provenance.browser.rules import rules
from provenance.errors import MalformedError, ProvenanceError
from provenance.signing import PrivateKey, PublicKey
from provenance.signing.keys import P256_ORDER
from provenance.statements import Statement, judge
from provenance.statements.resources import check_time

pytestmark = pytest.mark.untraced

PARSE = """(texts) => Promise.all(texts.map((text) => tried(async () => {
  const { kind, artifacts } = await provenance.parseStatement(bytes(text));
  return { kind, artifacts };
})))"""


def parsed(data: bytes) -> dict[str, Any]:
    try:
        statement = Statement.parse(data)
    except MalformedError as error:
        return {"refused": str(error)}
    return {
        "kind": statement.kind,
        "artifacts": [digest.hex() for digest in statement.artifact_digests()],
    }


def check_statements(room: Any, texts: list[bytes]) -> int:
    found = ask(room, PARSE, [base64.b64encode(text).decode() for text in texts])
    for text, there in zip(texts, found, strict=True):
        here = parsed(text)
        assert there.keys() == here.keys(), (text, here, there)
        assert there == here or any(map(str(here).count, OTHER_WORDS)), text
    return sum("refused" in each for each in found)


def test_statements_of_every_kind(room: Any) -> None:
    assert check_statements(room, [statement.to_bytes() for statement in ALL.values()]) == 0


def test_statements_that_were_changed(room: Any) -> None:
    source = random.Random(1)
    wholes = [forms.parse(each.to_bytes(), what="it", cap=1 << 20) for each in ALL.values()]
    texts = []
    while len(texts) < 2000:
        changed = changed_somewhere(source.choice(wholes), source)
        try:
            texts.append(forms.canonical(changed))
        except MalformedError:
            continue
    assert 1400 < check_statements(room, texts) < 1960


def test_times_on_the_calendar(room: Any) -> None:
    times = [
        f"{year:04}-{month:02}-{day:02}T23:59:59Z"
        for year in (0, 1, 4, 99, 100, 1600, 1900, 1969, 2000, 2023, 2024, 9999)
        for month in range(1, 13)
        for day in range(1, 32)
    ]

    def is_there(time: str) -> bool:
        try:
            check_time(time, "it")
        except MalformedError:
            return False
        return True

    found = ask(
        room,
        """(times) => Promise.all(times.map(async (time) =>
            (await tried(() => provenance.checkTime(time, "it"))) === undefined))""",
        times,
    )
    assert found == [is_there(time) for time in times]
    assert found.count(False) == 372 + 11 * 7 - 4  # year 0; then 7 days each, 6 in 4 leap years


def a_decimal(source: random.Random) -> str:
    text = source.choice(["", "", "+", "-"]) + "".join(
        source.choices("0123456789", k=source.choice((1, 1, 2, 20, 60, 61)))
    )
    if source.random() < 0.5:
        text += "." + "".join(source.choices("0123456789", k=source.choice((1, 2, 60))))
    if source.random() < 0.3:
        text += source.choice("eE") + source.choice(["", "-", "+"]) + str(source.randrange(10**4))
    return text


def test_metrics_against_criteria(room: Any) -> None:
    source = random.Random(2)
    special = ["NaN", "Infinity", "-Infinity", "+Infinity", "sNaN", "1_0", "٣", "0.3\n", "", "1."]
    cases: list[tuple[Any, str]] = []
    for _ in range(4000):
        decimal = a_decimal(source)
        metric: Any = source.choice([decimal, decimal, *special, 0, 7, -7, 0.1, 0.1 + 0.2, 1e300])
        other = source.choice([decimal, a_decimal(source), "0.3", "7", "7.0", "0.1", "-0", "1e300"])
        operator = source.choice((">=", "<=", ">", "<", "==", "!=", "=", "=> ", ">=  "))
        cases.append((metric, operator + source.choice(["", " "]) + other))
    found = ask(
        room,
        """(cases) => Promise.all(cases.map(([metric, criterion]) => tried(() => {
          const read = provenance.parseJson(bytes(metric), "it", 1000);
          return provenance.judge(new Map([["m", read]]), new Map([["m", criterion]]));
        })))""",
        [[base64.b64encode(forms.canonical(m)).decode(), criterion] for m, criterion in cases],
    )
    refused = 0
    for (metric, criterion), there in zip(cases, found, strict=True):
        try:
            here: Any = judge({"m": metric}, {"m": criterion})
        except ProvenanceError as error:
            here, refused = {"refused": str(error)}, refused + 1
        assert there == here, (metric, criterion)
    assert 500 < refused < 3500


def test_every_rule_is_one_that_the_browser_knows(room: Any) -> None:
    """And its patterns mean there what they mean in Python: whole texts, and characters."""
    patterns: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            patterns.update([value["pattern"]] if "pattern" in value else [])
            for member in value.values():
                walk(member)
        elif isinstance(value, list):
            for member in value:
                walk(member)

    walk(rules())
    assert len(patterns) == 6
    texts = ["", "a", "\n", "a\n", "a\nb", "\u2028", "\U0001f600" * 1000, "x" * 1001, "é", "\x85"]
    texts += ["0" * 64, "0" * 64 + "\n", "0x" + "a" * 40, "٣" * 64, "2026-01-31T12:00:00Z", "ab"]
    texts += ["2026-01-31T12:00:00.5Z\n", "0" * 40, "0" * 41, "ab" * 2_000_000]
    found = ask(
        room,
        """([patterns, texts]) =>
            patterns.map((each) => texts.map((text) => provenance.matches(each, text)))""",
        [sorted(patterns), texts],
    )
    for pattern, there in zip(sorted(patterns), found, strict=True):
        match = re.compile(pattern, re.ASCII).fullmatch
        assert there == [match(text) is not None for text in texts], pattern


# --- keys -----------------------------------------------------------------------------------------

P256 = PrivateKey(derive_private_key(0x1234, SECP256R1()))

ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493

VERIFIES = """([spki, message, signatures]) => Promise.all(signatures.map(async (signature) =>
  (await tried(async () => {
    const key = await provenance.publicKey(spki);
    await provenance.checkSignature(key, bytes(signature), bytes(message));
  })) ?? null))"""


def check_signatures(room: Any, public: PublicKey, signatures: list[bytes]) -> int:
    """Hold every signature against Python; return how many are valid."""
    written = [base64.b64encode(signature).decode() for signature in signatures]
    message = base64.b64encode(b"message").decode()
    found = ask(room, VERIFIES, [public.spki.hex(), message, written])
    for signature, there in zip(signatures, found, strict=True):
        try:
            public.verify(signature, b"message")
        except ProvenanceError:
            assert there is not None, signature.hex()
        else:
            assert there is None, signature.hex()
    return found.count(None)


def test_a_browser_that_takes_what_is_not_reduced_is_not_believed(room: Any) -> None:
    """WebKitGTK's takes an Ed25519 signature whose second half is greater by the group's order."""
    good = ALICE.sign(b"message")
    half = int.from_bytes(good[32:], "little")
    halves = (half, half + ED25519_ORDER, ED25519_ORDER - 1, ED25519_ORDER)
    signatures = [good[:32] + number.to_bytes(32, "little") for number in halves]
    room.evaluate("() => { crypto.subtle.verify = async () => true; }")
    try:
        written = [base64.b64encode(each).decode() for each in signatures]
        message = base64.b64encode(b"message").decode()
        found = ask(room, VERIFIES, [ALICE.public.spki.hex(), message, written])
    finally:
        room.evaluate("() => { delete crypto.subtle.verify; }")
    assert [each is None for each in found] == [True, False, True, False]


def test_p256_signatures_have_one_form(room: Any) -> None:
    source = random.Random(3)
    good = P256.sign(b"message")
    r, s = decode_dss_signature(good)
    numbers = [
        0,
        1,
        r,
        s,
        P256_ORDER,
        P256_ORDER - s,
        P256_ORDER + s,
        P256_ORDER // 2,
        2**255,
        2**600,
    ]
    signatures = [encode_dss_signature(one, other) for one in numbers for other in numbers]
    signatures += [good + b"\0", good[:-1], b"", b"\x30\x81" + good[1:], b"\x30\x80" + good[2:]]
    signatures += [good[:2] + b"\x02\x81" + good[3:], good.replace(b"\x02 ", b"\x02!\0", 1)]
    signatures += [r.to_bytes(32, "big") + s.to_bytes(32, "big")]
    for _ in range(2000):
        at = source.randrange(len(good))
        put = source.choice((b"", b"\0", bytes([good[at] ^ 1 << source.randrange(8)])))
        signatures.append(good[:at] + put + good[at + source.choice((0, 1)) :])
    assert check_signatures(room, P256.public, [good, *signatures]) >= 2


def test_ed25519_signatures_have_one_form(room: Any) -> None:
    good = ALICE.sign(b"message")
    secret = bytearray(sha512(sha256(b"alice").digest()).digest()[:32])
    secret[0] &= 248
    secret[31] = secret[31] & 127 | 64

    def signed(first: int) -> bytes:
        """With the neutral point in one of its forms as first half: only who has the key can."""
        half = first.to_bytes(32, "little")
        challenge = sha512(half + ALICE.public.raw + b"message").digest()
        product = int.from_bytes(challenge, "little") * int.from_bytes(secret, "little")
        return half + (product % ED25519_ORDER).to_bytes(32, "little")

    neutral = signed(1)  # reduced: it counts, here as there
    others = [signed(first) for first in (1 | 1 << 255, 2**255 - 18, 2**256 - 18)]
    high = int.from_bytes(good[32:], "little") + ED25519_ORDER
    signatures = [good[:32] + high.to_bytes(32, "little"), good + b"\0", good[:63], b"", bytes(64)]
    signatures += [bytes([*good[:at], good[at] ^ 1 << at % 8, *good[at + 1 :]]) for at in range(64)]
    assert check_signatures(room, ALICE.public, [good, neutral, *others, *signatures]) == 2


def test_pem_of_other_forms(room: Any) -> None:
    """Megabytes of it too are read, and refused, without a fault."""
    statement = forms.parse(ALL["key-add"].to_bytes(), what="it", cap=1 << 20)
    good = statement["predicate"]["publicKey"]
    head, *rows, tail = good.splitlines(keepends=True)
    body = "".join(rows)
    pems = [body, head + tail, f"{head}\n{tail}", head + head[:-1] + tail, good[:-1], f"\n{good}"]
    pems += [good * 2, f"{good}\n", good.replace("\n", "\r\n"), f"{head}{body}\n{tail}", head, tail]
    pems += [head + body[:20] + "\n" + body[20:] + tail, good.replace("PUBLIC", "public")]
    lines = ("A\n" * 400_000, "\n" * 400_000, "A" * 1_000_000, "=" * 1_000_000)
    pems += [f"{head}{many}\n{tail}" for many in lines]
    texts = [ALL["key-add"].to_bytes()]
    for pem in pems:
        statement["predicate"]["publicKey"] = pem
        texts.append(forms.canonical(statement))
    assert check_statements(room, texts) == len(pems)


def test_keys_in_their_one_form(room: Any) -> None:
    """Weak points, other curves, points off their curve, other encodings of the same key."""
    prime = 2**255 - 19
    head, p256 = ALICE.public.spki[:12], P256.public.spki
    order_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
    points = [0, 1, 2, prime, prime - 1, prime + 1, order_8, prime - order_8, 2**255 - 1, 5]
    keys = [head + (y | sign << 255).to_bytes(32, "little") for y in points for sign in (0, 1)]
    keys += [
        ALICE.public.spki,
        p256,
        p256[:-1] + bytes([p256[-1] ^ 1]),
        p256[:-1],
        p256 + b"\0",
        b"",
    ]
    keys += [ALICE.public.spki + b"\0", head, p256[:27] + bytes(64), p256.replace(b"\x07", b"\x01")]
    for at in range(27):
        keys.append(p256[:at] + bytes([p256[at] ^ 1]) + p256[at + 1 :])
    found = room.evaluate(
        """(keys) => Promise.all(keys.map(async (spki) =>
            await tried(async () => (await provenance.publicKey(spki)).keyid)))""",
        [spki.hex() for spki in keys],
    )
    for spki, there in zip(keys, found, strict=True):
        try:
            here: Any = PublicKey(spki).keyid
        except ProvenanceError:
            assert isinstance(there, dict), spki.hex()
        else:
            assert there == here


# --- standing -------------------------------------------------------------------------------------

PEOPLE = [ALICE, BOB, CAROL, P256, key("dora")]
TIMES = [
    "",
    "",
    "2027-01-15T08:00:00Z",
    "2027-01-15T08:00:00.000001Z",
    "2027-01-15T08:00:00.0000001Z",
]


def a_history(source: random.Random) -> Given:
    """A log of random statements about keys, true to no rule, and a data set among them."""
    signers = tuple(source.sample(PEOPLE, source.randrange(1, 4)))
    world = World(signers=signers)
    place, rows = source.randrange(6), None
    for number in range(6):
        someone, other = source.choice(PEOPLE), source.choice(PEOPLE)
        by = source.choice([ADMIN] * 8 + [someone, other])
        if number == place:
            rows = world.register(
                [{"n": 1}], *source.sample(signers, source.randrange(1, len(signers) + 1))
            )
        turn = source.randrange(9)
        if turn == 0:
            world.add(
                someone, *source.choice([(), ("dataset",), ("model",), ("model", "step")]), by=by
            )
        elif turn == 1:
            world.revoke(someone, by=by, since=source.choice([*TIMES, "1970-01-01T00:00:00Z"]))
        elif turn == 2 and someone != other:
            world.rotate(someone, other, by=by)
        elif turn == 3 and rows is not None:
            world.supersede(
                rows, by, new=source.choice([None, rows and world.register([{"n": number + 2}])])
            )
    assert rows is not None
    if source.random() < 0.7:
        world.anchor(time=1_800_000_000)
    listed = [at for at in range(world.size) if world.leaves[at][0].kind in (8, 9)]
    if source.random() < 0.2:
        source.shuffle(listed)
    if source.random() < 0.2:
        listed.append(rows.index)
    bundle = world.bundle(rows, record=0, standing=listed).to_bytes()
    changes = {
        "threshold": source.choice([1, 1, 2]),
        "minimum": source.choice(["public", "internal"]),
    }
    trusted = source.sample(PEOPLE, source.choice([2, 4, 5, 5, 5]))
    policy = world.policy(signers=tuple(map(signer, trusted)), **changes)
    return Given(bundle, policy.to_bytes(), '{"n":1}')


def test_random_histories(room: Any) -> None:
    source = random.Random(4)
    histories = [a_history(source) for _ in range(400)]
    seen = compare(room, histories)
    assert {"verified", "undecided", "signature", "standing"} <= seen.keys(), seen
    assert min(seen["verified"], seen["undecided"], seen["standing"]) > 10, seen
    claimed = [Given(each.bundle, None, each.record) for each in histories[:100]]
    assert len(compare(room, claimed)) > 1


@pytest.mark.parametrize("since", TIMES[2:])
def test_what_was_anchored_before_a_key_was_compromised(room: Any, since: str) -> None:
    """2027-01-15T08:00:00Z is 1,800,000,000 seconds since 1970."""
    for time in (1_799_999_999, 1_800_000_000, 1_800_000_001):
        world = World()
        rows = world.register([{"n": 1}])
        world.anchor(time=time)
        world.revoke(ALICE, since=since)
        given = Given(world.bundle(rows, record=0).to_bytes(), world.policy().to_bytes(), '{"n":1}')
        with ChainServer(world.chain) as server:
            holds = time < 1_800_000_000 or (since.endswith("01Z") and time == 1_800_000_000)
            precise = not since.endswith("0000001Z")  # finer than a microsecond: cut off
            verdict = "verified" if holds and (precise or time < 1_800_000_000) else "standing"
            assert compare(room, [given], {"main": server.url}) == {verdict: 1}
            server.shutdown()
        assert compare(room, [given]) == {"undecided": 1}
