"""Key statements: keyids without cryptography, and the fields of each action."""

import dataclasses

import pytest
from statement_examples import ADMIN, ALICE, BOB, CAROL, COMMON, FULL, KEYS, LOG, TRAIN

from provenance.errors import MalformedError
from provenance.signing import PrivateKey, VerifierKey
from provenance.statements import Key, Statement, key_subject
from provenance.statements.key import keyid_of_pem, keyid_of_vkey

GENESIS = FULL["key"]


def refused(message, statement, *subjects, **fields):
    with pytest.raises(MalformedError, match=message):
        Statement(
            subjects=subjects or statement.subjects,
            predicate=dataclasses.replace(statement.predicate, **fields),
        )


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
def test_the_keyid_is_the_one_that_signing_computes(algorithm):
    for _ in range(20):
        public = PrivateKey.generate(algorithm).public
        assert keyid_of_pem(public.to_pem()) == public.keyid


def test_the_keyid_of_a_vkey_is_that_of_its_public_key():
    for name in ("k", "a.example/b", "ü"):
        for _ in range(20):  # base64 has a + of its own, now and then
            public = PrivateKey.generate().public
            assert keyid_of_vkey(str(VerifierKey(name, public))) == public.keyid


PEM = CAROL.to_pem()


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "\n\n\n",
        PEM[:-1],
        PEM + "\n",
        " " + PEM,
        PEM.replace("\n", "\r\n"),
        PEM.replace("PUBLIC", "PRIVATE"),
        PEM.replace("\n", "", 2).replace("KEY-----", "KEY-----\n", 1),
        PEM.replace("=", ""),
        PEM[:40] + "\n" + PEM[40:],
        PEM.replace("-----END", "Comment: x\n-----END"),
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\n\n-----END PUBLIC KEY-----\n",
    ],
)
def test_only_the_one_pem_form(pem):
    with pytest.raises(MalformedError, match="public key"):
        keyid_of_pem(pem)
    with pytest.raises(MalformedError, match="public key"):
        Key(**COMMON, action="genesis", origin="o", log_key="o+x", admin_keys=(pem,))


@pytest.mark.parametrize(
    "vkey",
    ["", "k", "k+12345678", str(VerifierKey("k", LOG, 4)), str(VerifierKey("k", LOG))[2:]],
    ids=["empty", "name", "no-key", "of-a-witness", "no-name"],
)
def test_only_vkeys_of_logs(vkey):
    with pytest.raises(MalformedError):
        keyid_of_vkey(vkey)


@pytest.mark.parametrize("action", ["genesis", *KEYS])
def test_the_subject_is_the_key(action):
    statement = {"genesis": GENESIS, **KEYS}[action]
    name = statement.subjects[0].name
    refused("the one subject of this key statement", statement, key_subject(name, "ab" * 32))
    refused("the one subject of this key statement", statement, TRAIN)
    refused(
        "the one subject of this key statement",
        statement,
        *statement.subjects,
        key_subject("x", ADMIN.keyid),
    )


def test_a_genesis_is_about_the_log_by_its_name():
    refused("not named 'acme', as the log", GENESIS, origin="acme")
    refused("named 'acme.example/ml', as the log", GENESIS, key_subject("other", LOG.keyid))


FIELDS = {
    "origin": "acme.example/ml",
    "log_key": str(VerifierKey("acme.example/ml", LOG)),
    "admin_keys": (ADMIN.to_pem(),),
    "accounts": GENESIS.predicate.accounts,
    "public_key": BOB.to_pem(),
    "kinds": ("dataset",),
    "replaces": ALICE.keyid,
    "keyid": ALICE.keyid,
    "reason": "because",
    "compromised_since": "2026-01-30T00:00:00Z",
}
NEEDED = {
    "genesis": {"origin", "log_key", "admin_keys"},
    "add": {"public_key"},
    "revoke": {"keyid", "reason"},
    "rotate": {"public_key", "replaces"},
}
ALLOWED = {
    "genesis": {"accounts"},
    "add": {"kinds"},
    "revoke": {"compromised_since"},
    "rotate": {"reason"},
}


def written(name):
    """The name of a field in JSON, which errors use."""
    head, *rest = name.split("_")
    return head + "".join(map(str.capitalize, rest))


@pytest.mark.parametrize("action", NEEDED)
def test_each_action_has_its_own_fields(action):
    full = {name: FIELDS[name] for name in NEEDED[action] | ALLOWED[action]}
    Key(**COMMON, action=action, **full)
    Key(**COMMON, action=action, **{name: FIELDS[name] for name in NEEDED[action]})
    for name in NEEDED[action]:
        with pytest.raises(MalformedError, match=f"a '{action}' of a key needs {written(name)}$"):
            Key(**COMMON, action=action, **{k: v for k, v in full.items() if k != name})
    for name in FIELDS.keys() - full.keys():
        with pytest.raises(MalformedError, match=f"a '{action}' of a key has no {written(name)}$"):
            Key(**COMMON, action=action, **full, **{name: FIELDS[name]})


def test_admin_keys_are_one_or_more_each_once():
    refused("adminKeys is empty", GENESIS, admin_keys=())
    refused("an admin key stands twice", GENESIS, admin_keys=(ADMIN.to_pem(), ADMIN.to_pem()))


def test_kinds_are_sorted_and_known():
    refused("kinds is empty", KEYS["add"], kinds=())
    refused("not sorted", KEYS["add"], kinds=("step", "dataset"))
    refused("not sorted", KEYS["add"], kinds=("step", "step"))
    predicate = dataclasses.replace(KEYS["add"].predicate, kinds=("everything",))
    with pytest.raises(MalformedError, match="must be one of"):
        Statement(subjects=KEYS["add"].subjects, predicate=predicate).to_bytes()


def test_a_key_does_not_replace_itself():
    refused("cannot replace itself", KEYS["rotate"], replaces=BOB.keyid)


def test_compromised_since_is_on_the_calendar():
    refused("compromisedSince is no time", KEYS["revoke"], compromised_since="2026-02-30T00:00:00Z")


@pytest.mark.parametrize(
    "change",
    [
        {"contract": "0x" + "0A" * 20},
        {"contract": "0a" * 20},
        {"publisher": "0x0a"},
        {"chain_id": -1},
    ],
)
def test_accounts_in_another_form_are_not_signed(change):
    account = dataclasses.replace(GENESIS.predicate.accounts[0], **change)
    predicate = dataclasses.replace(GENESIS.predicate, accounts=(account,))
    with pytest.raises(MalformedError, match=r"accounts\[0\]"):
        Statement(subjects=GENESIS.subjects, predicate=predicate).to_bytes()
