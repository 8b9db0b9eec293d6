"""What somebody with every file but the keys would try, and a signer who means harm.

A byte of what is signed cannot be changed without a key, so a whole bundle never shows what a
reader makes of another entry, note or envelope. Here each reader of the browser is given them by
itself, and held against Python's: what is taken, and in which words the rest is refused.
"""

from __future__ import annotations

import base64
import json
import random
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from alike import OTHER_WORDS, Given, ask, compare
from byte_mutations import mutate_bytes
from statement_examples import ALL
from test_bit_flips import RECORD, case
from world import ALICE, WITNESSES, World, key, witness_vkey

from provenance import forms
from provenance.errors import ProvenanceError
from provenance.log import Checkpoint, Entry
from provenance.records.artifacts import FILE, leaf_bytes
from provenance.signing import Envelope, PublicKey, VerifierKey, open_note
from provenance.statements import KIND_NUMBERS, Statement

pytestmark = pytest.mark.untraced

KINDS = {number: kind for kind, number in KIND_NUMBERS.items()}


def check_reader(
    room: Any, reader: str, data: Sequence[bytes], read: Callable[[bytes], Any]
) -> tuple[int, int]:
    """Hold `reader`, a function of bytes in JavaScript, against `read`.

    Returns how many are taken, and how many refused.
    """
    found = ask(
        room,
        f"""(data) => Promise.all(data.map((each) => tried(async () => {{
          const {{ toHex, fromUtf8 }} = provenance;
          return ({reader})(bytes(each));
        }})))""",
        [base64.b64encode(each).decode() for each in data],
    )
    refused = 0
    for each, there in zip(data, found, strict=True):
        try:
            here = read(each)
        except ProvenanceError as error:
            here = {"refused": str(error)}
            refused += 1
        known = isinstance(here, dict) and any(map(here.get("refused", "").count, OTHER_WORDS))
        assert there == here or (known and "refused" in there), (each, here, there)
    return len(data) - refused, refused


def meaning_the_same(text: str) -> list[bytes]:
    """Texts that a lenient reader takes for this JSON text, which has one form."""
    value = json.loads(text)
    name = next(iter(value))
    first = json.dumps(name, separators=(",", ":"))
    backwards = {each: value[each] for each in reversed(value)}
    return [
        *(each.encode() for each in (f"\ufeff{text}", f" {text}", f"{text}\n", f"{text}\0")),
        json.dumps(value).encode(),
        json.dumps(backwards, separators=(",", ":"), ensure_ascii=False).encode(),
        text.replace(first, first.replace(name[-1], f"\\u{ord(name[-1]):04x}"), 1).encode(),
        text.replace("/", "\\/").encode(),
        text.replace("{", f"{{{first}:0,", 1).encode(),
        text.replace("{", '{"__proto__":{},', 1).encode(),
        text.replace("{", '{"constructor":1,', 1).encode(),
        f"{text[:-1]},}}".encode(),
        text.replace(":", ": ", 1).encode(),
        text.encode("utf-16"),
        text.encode().replace(b'"', b'"\xc0\x80', 1),
        text.replace('"', "'").encode(),
        f"{text}{text}".encode(),
        unicodedata.normalize("NFD", text).encode(),
        f"[{text}]".encode(),
        f"{text}//".encode(),
    ]


def numbers_otherwise(text: str) -> list[bytes]:
    """The same JSON with one of its integers written otherwise."""
    found = []
    for at, char in enumerate(text):
        if char.isdigit() and text[at - 1] == ":":
            end = next(end for end in range(at, len(text)) if not text[end].isdigit())
            number = text[at:end]
            for other in (
                *(f"{number}.0", f"{number}e0", f"{number}E+0", f"{number}0e-1", f"-{number}"),
                *(f"0{number}", f"+{number}", f"0x{number}", "-0", "0e1", f'"{number}"', "true"),
                *(str(2**53 - 1), str(2**53), str(2**53 + 1), str(2**64), "1" + "0" * 5000),
                *(f"{number}{'0' * 30}", "1e400", "NaN", "Infinity", f"{number}n", "１"),
            ):
                found.append((text[:at] + other + text[end:]).encode())
    return found


# --- what is signed -------------------------------------------------------------------------------


def test_envelopes(room: Any) -> None:
    source = random.Random(1)
    world = World()
    signed = world.leaves[world.register([{"n": 1}], ALICE, key("dora")).index][1]
    value = json.loads(signed)
    one, two = value["signatures"]
    others = [[], [two, one], [one, one], [one] * 101, [{**one, "sig": one["sig"].rstrip("=")}]]
    others += [[{**one, "keyid": one["keyid"].upper()}], [{**one, "x": 1}], [{"sig": one["sig"]}]]
    wholes = [forms.canonical({**value, "signatures": each}) for each in others]
    wholes += [forms.canonical({**value, name: put}) for name in value for put in ("", None, "é")]
    wholes += [forms.canonical({**value, "payload": put}) for put in ("QR==", "Q-==", "QQ= =", "Q")]
    wholes += [mutate_bytes(signed, wholes, source) for _ in range(500)]
    taken, refused = check_reader(
        room,
        """(data) => {
          const { payload, signatures } = provenance.parseEnvelope(data);
          return [toHex(payload), signatures.map(({ keyid, sig }) => [keyid, toHex(sig)])];
        }""",
        [signed, *wholes, *meaning_the_same(signed.decode())],
        lambda data: [
            (envelope := Envelope.parse(data)).payload.hex(),
            [[each.keyid, each.sig.hex()] for each in envelope.signatures],
        ],
    )
    assert taken > 2
    assert refused > 400


PARSED = """async (data) => {
  const { kind, artifacts } = await provenance.parseStatement(data);
  return [kind, artifacts];
}"""


def parsed(data: bytes) -> list[Any]:
    statement = Statement.parse(data)
    return [statement.kind, [digest.hex() for digest in statement.artifact_digests()]]


def test_statements_in_other_words(room: Any) -> None:
    texts = [each.to_bytes().decode() for each in ALL.values()]
    changed = [other for text in texts for other in meaning_the_same(text)]
    changed += [other for text in texts for other in numbers_otherwise(text)]
    taken, refused = check_reader(room, PARSED, changed, parsed)
    assert refused > 1000
    assert taken > len(texts)  # NFD of a text that is ASCII; 2^53-1 where any number may stand


def every_change(value: Any) -> list[Any]:
    """Every value within, changed to others: its lack, another type, the least and the most."""
    found = [None, True, False, 0, 1, -1, 0.5, 2**53 - 1, "", "x", "é" * 1001, "\0", [], {}]
    if isinstance(value, dict):
        found += [{k: v for k, v in value.items() if k != name} for name in value]
        found += [{**value, name: {}} for name in ("__proto__", "toString", "", "\u202e", "a,b")]
        found += [{**value, k: other} for k, v in value.items() for other in every_change(v)]
    elif isinstance(value, list):
        found += [value + value[:1], value[::-1], value[1:]]
        found += [
            [*value[:at], other, *value[at + 1 :]]
            for at, item in enumerate(value)
            for other in every_change(item)
        ]
    elif isinstance(value, str):
        found += [
            value[1:],
            value[:-1],
            value + value[-1:],
            value.upper(),
            f"{value}\n",
            f" {value}",
        ]
        found += [f"{value},{value}", value.replace("2026", "0000"), value.replace("31T", "32T")]
        found += [value.replace(":00:00Z", end) for end in (":00:60Z", ":60:00Z", ":00:00+00:00")]
        found += [value.replace("00Z", end) for end in ("00.0000000001Z", "00.Z", "00z", "00,5Z")]
    elif isinstance(value, int):
        found += [value + 1, value * 10, float(value) + 0.5]
    return found


@pytest.mark.parametrize("name", ALL)
def test_every_field_of_every_statement(room: Any, name: str) -> None:
    whole = forms.parse(ALL[name].to_bytes(), what="it", cap=1 << 20)
    changed = [forms.canonical(each) for each in every_change(whole)]
    taken, refused = check_reader(room, PARSED, changed, parsed)
    assert taken > 3
    assert refused > 100


def test_who_was_used(room: Any) -> None:
    """Digests that one could take for others once they are joined to a text."""
    whole = forms.parse(ALL["access-full"].to_bytes(), what="it", cap=1 << 20)
    size, batch = whole["predicate"]["artifact"]["size"], whole["subject"][0]
    one, two = "ab" * 32, "cd" * 32
    cases = []
    for names in ([one], [two], [one, two], [f"{one},{two}"], [f"{two},{one}"], [one, two, ""]):
        for used in ([], [one], [two], [one, two], [two, one], [one, one], [one, two, two]):
            uses = dict.fromkeys(names[1:], 1) | {names[0]: size - len(names) + 1}
            subjects = [
                {"digest": {"provenance-artifact-v1": digest}, "name": f"u{at}"}
                for at, digest in enumerate(used)
            ]
            predicate = {**whole["predicate"], "uses": uses}
            changed = {**whole, "subject": [batch, *subjects], "predicate": predicate}
            cases.append(forms.canonical(changed))
    taken, _ = check_reader(room, PARSED, cases, parsed)
    assert taken == 4


# --- the log --------------------------------------------------------------------------------------


def test_entries(room: Any) -> None:
    source = random.Random(2)
    world = World()
    world.register([{"n": 1}])
    wholes = [entry.to_bytes() for entry, _ in world.leaves]
    long = wholes[-1][:34] + (2001).to_bytes(2, "big") + bytes(32 * 2001)
    most = wholes[-1][:34] + (2000).to_bytes(2, "big") + bytes(32 * 2000)
    data = [*wholes, long, most, most[:-1], b"", wholes[0][:36], wholes[0][:35], wholes[0] + b"\0"]
    data += [bytes([version, kind]) + wholes[-1][2:] for version in range(3) for kind in range(12)]
    data += [mutate_bytes(source.choice(wholes), wholes, source) for _ in range(500)]
    taken, refused = check_reader(
        room,
        """(data) => {
          const { kind, envelopeHash, artifacts } = provenance.parseEntry(data);
          return [kind, envelopeHash, artifacts];
        }""",
        data,
        lambda data: [
            KINDS[(entry := Entry.parse(data)).kind],
            entry.envelope_hash.hex(),
            [digest.hex() for digest in entry.artifacts],
        ],
    )
    assert min(taken, refused) > 50


def test_checkpoints(room: Any) -> None:
    source = random.Random(3)
    root = base64.b64encode(bytes(range(32))).decode()
    good = f"log.example/é\n42\n{root}\n"
    sizes = ["0", "00", "-0", "+1", "042", "4_2", "٤٢", "1e3", "9007199254740991"]
    sizes += ["9007199254740992", "9007199254740993", "99999999999999999", " 42", "42 ", ""]
    roots = ["", "=", root[:-1], f"{root}=", root.replace("=", ""), f" {root}", "A" * 44, "é" * 44]
    roots += [root.replace("+", "-").replace("/", "_"), base64.b64encode(bytes(33)).decode()]
    texts = [good, good[:-1], f"{good}\n", f"{good}extension\n", f"\ufeff{good}", f"\n{good}", ""]
    texts += [good.replace("\n", end) for end in ("\r\n", "\u2028", "\n\n", "\x85")]
    texts += [f"o\n{size}\n{root}\n" for size in sizes] + [f"o\n1\n{each}\n" for each in roots]
    texts += [
        good.replace(root, root[:at] + other + root[at + 1 :]) for at in range(44) for other in "A/"
    ]
    data = [text.encode() for text in texts]
    mutated = (mutate_bytes(good.encode(), data, source) for _ in range(1000))
    data += [each for each in mutated if is_utf8(each)]
    taken, refused = check_reader(
        room,
        """(data) => {
          const { origin, size, root } = provenance.parseCheckpoint(fromUtf8(data));
          return [origin, size, root];
        }""",
        data,
        lambda data: [
            (read := Checkpoint.parse(data.decode())).origin,
            read.size,
            read.root.hex(),
        ],
    )
    assert min(taken, refused) > 50


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_notes(room: Any) -> None:
    """Of the log and a witness: lines twice, in another order, by others, and in other forms."""
    source = random.Random(4)
    world, bundle, _ = case()
    note: str = json.loads(bundle)["checkpoint"]
    text, _, lines = note.rpartition("\n\n")
    one, two = (f"{line}\n" for line in lines.splitlines())
    vkeys = [world.vkey, witness_vkey(WITNESSES[0])]
    other = "— other.example " + base64.b64encode(bytes(68)).decode() + "\n"
    signed = [one + two, two + one, one, two, one + one, one + two + two, other + one, other, ""]
    signed += [one + other * 99, one + other * 100, one.replace("— ", "- "), one.replace(" ", "\t")]
    signed += [one.replace(" ", "  "), one[:-1], one + "\n", one.replace("\n", "\r\n"), f"\n{one}"]
    signed += [one.replace("—", "\u2013"), one.replace(world.origin, world.origin.upper())]
    signed += [one[:-2] + "\n", one + " \n", "— + AAAAAAA=\n", "— a AAAA\n", f"— a  {'A' * 8}\n"]
    notes = [f"{text}\n\n{each}" for each in signed]
    notes += [f"{text}\n\n\n{one}", f"{text}\n{one}", f"{text}\n\n{one}\n{one}", f"\x01{note}"]
    notes += [f"{text}\x7f\n\n{one}", f"{text}\t\n\n{one}", f"{text}\u2028\n\n{one}", note * 2]
    notes += ["x" * 1_000_000 + note, "é" * 500_000 + note, "\n" * 900_000 + note]
    data = [each.encode() for each in notes]
    mutated = (mutate_bytes(note.encode(), data[:30], source) for _ in range(1000))
    data += [each for each in mutated if is_utf8(each)]
    taken, refused = check_reader(
        room,
        f"""async (data) => {{
          const vkeys = await Promise.all({json.dumps(vkeys)}.map(provenance.parseVerifierKey));
          const {{ text, signatures }} = await provenance.openNote(fromUtf8(data), vkeys);
          const named = ({{ verifier, time }}) => [verifier.name, time && Number(time)];
          return [text, signatures.map(named)];
        }}""",
        data,
        lambda data: [
            (opened := open_note(data, list(map(VerifierKey.parse, vkeys)))).text,
            [[each.key.name, each.time] for each in opened.signatures],
        ],
    )
    assert taken > 10
    assert refused > 400


# --- keys -----------------------------------------------------------------------------------------


def test_vkeys(room: Any) -> None:
    source = random.Random(5)
    good = World().vkey
    name, key_id, material = good.split("+", 2)
    weak = [bytes([1]) + bytes([*y, *bytes(30), end]) for y in ((0,), (1,), (236,)) for end in (0,)]
    wholes = [good, witness_vkey(WITNESSES[0]), good.upper(), f"{good}\n", f" {good}", good + "="]
    wholes += [f"{name}+{key_id.upper()}+{material}", f"{name}++{material}", f"{name}+{material}"]
    wholes += [f"+{key_id}+{material}", f"{name}+{key_id}+{material}+", "", "+", "++", "é++AQ=="]
    wholes += [f"{name}+{key_id}+{base64.b64encode(each).decode()}" for each in weak]
    wholes += [f"{unicodedata.normalize('NFKC', name)}\u0301+{key_id}+{material}"]
    data = [each.encode() for each in wholes]
    mutated = (mutate_bytes(source.choice(data[:2]), data, source) for _ in range(600))
    data += [each for each in mutated if is_utf8(each)]
    taken, refused = check_reader(
        room,
        """async (data) => {
          const { name, keyId, type, key } = await provenance.parseVerifierKey(fromUtf8(data));
          return [name, keyId, type, key.keyid];
        }""",
        data,
        lambda data: [
            (vkey := VerifierKey.parse(data.decode())).name,
            vkey.key_id.hex(),
            vkey.type,
            vkey.key.keyid,
        ],
    )
    assert taken >= 2
    assert refused > 300


def test_pem_of_a_policy(room: Any) -> None:
    """Where Python is generous, the browser may refuse; what it takes is what Python takes."""
    source = random.Random(6)
    good = ALICE.public.to_pem()
    head, body, tail = good.splitlines()
    spaces = [" ", "\t", "\r", "\x0b", "\x0c", "\x85", "\xa0", "\u2028", "\ufeff", "\0", "\\n"]
    pems = [good, good[:-1], f"{good}\n", f"\n{good}", f"text\n{good}", f"{good}text", good * 2]
    pems += [good.replace("\n", "\r\n"), f"{head}\n{body[:30]}\n{body[30:]}\n{tail}\n"]
    pems += [f"{head}\n\n{body}\n{tail}\n", f"{head}\nA: b\n\n{body}\n{tail}\n", head + body + tail]
    pems += [f"{head}\n{body}\n-----END PRIVATE KEY-----\n", f"{head}\n{body}=\n{tail}\n", "", head]
    pems += [f"{head}\n{body[:20]}{each}{body[20:]}\n{tail}\n" for each in spaces]
    pems += [f"{each}{good}" for each in spaces] + [f"{good}{each}" for each in spaces]
    pems += [f"{head}{each}{body}\n{tail}" for each in spaces]
    data = [each.encode() for each in pems]
    data += [mutate_bytes(good.encode(), data[:9], source) for _ in range(600)]
    found = ask(
        room,
        """(data) => Promise.all(data.map((each) => tried(async () =>
            (await provenance.publicKeyOfPem(provenance.fromUtf8(bytes(each)))).keyid)))""",
        [base64.b64encode(each).decode() for each in data if is_utf8(each)],
    )
    taken = 0
    for pem, there in zip(filter(is_utf8, data), found, strict=True):
        if isinstance(there, str):
            assert PublicKey.from_pem(pem).keyid == there, pem
            taken += 1
    assert 5 < taken < len(found) - 300


# --- what a reader brings -------------------------------------------------------------------------


def test_bundles_in_other_words(room: Any) -> None:
    """What is not signed may be written otherwise; then both read the same of it."""
    _, whole, policy = case()
    text = whole.decode()
    changed = [*meaning_the_same(text), *numbers_otherwise(text)]
    changed += [each.replace(b'"', b'"\\u0000', 1) for each in changed[:3]]
    seen = compare(room, [Given(each, policy.to_bytes(), RECORD) for each in changed])
    assert seen["bundle"] > 50
    assert seen["undecided"] > 3
    policies = [*meaning_the_same(policy.to_bytes().decode())]
    policies += numbers_otherwise(policy.to_bytes().decode())
    seen = compare(room, [Given(whole, each, RECORD) for each in policies])
    assert seen["refused"] > 20


def test_a_path_of_any_length(room: Any) -> None:
    """More hashes than a call of JavaScript takes arguments."""
    _, whole, policy = case()
    found = room.evaluate(
        """async ([bundle, policy, record]) => {
          const { utf8 } = provenance;
          const paths = [
            (it, many) => (it.records[0].path = many),
            (it, many) => (it.statement.path = many),
            (it, many) => (it.anchors[0].consistency = many),
            (it, many) => (it.standing[0].path = many),
          ];
          const found = [];
          for (const put of paths) {
            const it = JSON.parse(bundle);
            put(it, Array(200_000).fill("ab".repeat(32)));
            const given = { bundle: utf8(JSON.stringify(it)), policy: utf8(policy), record };
            const { step, steps } = await provenance.verify(given);
            found.push([step, steps[steps.length - 1].finding]);
          }
          return found;
        }""",
        [whole.decode(), policy.to_bytes().decode(), RECORD],
    )
    many = "the path has 200000 hashes; leaf"
    assert found == [
        ["record", f"the record is not number 1 of 2: {many} 1 of 2 has 1"],
        ["entry", f"{many} 2 of 4 has 2"],
        ["anchor", "the proof has too many hashes"],
        ["standing", f"{many} 1 of 4 has 2"],
    ]


def test_files_of_a_folder(room: Any) -> None:
    """Names that could be taken for others, sizes beyond what is counted."""
    good = {"path": "a/é.bin", "sha256": "ab" * 32, "size": 3}
    text = json.dumps(good, ensure_ascii=False, separators=(",", ":"))
    texts = [text, unicodedata.normalize("NFD", text), *map(bytes.decode, numbers_otherwise(text))]
    texts += [json.dumps({**good, "path": each}) for each in ("", ".", "..", "/a", "a\\b", "a\nb")]
    texts += [json.dumps(each) for each in ({"path,sha256": 1, "size": 3}, {**good, "a,b": 1}, {})]
    texts += [json.dumps({**good, "sha256": each}) for each in ("ab" * 31, "AB" * 32, "é" * 64)]
    texts += [text.replace("a/", each) for each in ("\\ud83d", "\\u0061/", "\\/", "\\ud83d\\ude00")]
    taken, refused = check_reader(
        room,
        "async (data) => (await provenance.hashRecord(fromUtf8(data), 'file')).leaf",
        [text.encode() for text in texts],
        lambda data: leaf_bytes(data.decode(), FILE).decode(),
    )
    assert min(taken, refused) > 8
