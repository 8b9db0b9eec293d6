"""API tokens: shown once, kept as a hash, valid until they expire or are revoked."""

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from provenance import InputError, Ledger
from provenance.ledger.tokens import SCOPES, Tokens

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Clock:
    now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tokens(ledger, clock):
    return Tokens(ledger._database, clock)


def test_a_new_token_is_found_by_its_text_alone(tokens, ledger):
    token, text = tokens.new("ci", scope="submit")
    assert re.fullmatch(r"plt_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", text)
    assert tokens.find(text) == token
    assert (token.id, token.state, token.created, token.expires) == (
        text[4:12],
        "valid",
        NOON,
        None,
    )
    with Ledger.open(ledger.folder.path.parent) as again:
        assert again.tokens.find(text) == token


def test_the_secret_is_not_kept(tokens, ledger):
    _, text = tokens.new("ci")
    secret = text[13:]
    kept = b"".join(
        file.read_bytes() for file in Path(ledger.folder.path).rglob("*") if file.is_file()
    )
    assert secret.encode() not in kept
    assert sha256(secret.encode()).digest() in kept


@pytest.mark.parametrize("at", range(4, 56, 5))
def test_no_other_text_is_a_token(tokens, at):
    _, text = tokens.new("ci")
    other = "0" if text[at] != "0" else "1"
    for wrong in (text[:at] + other + text[at + 1 :], text[:at], text + "A", text[:at] + "é"):
        assert tokens.find(wrong) is None


@pytest.mark.parametrize("text", ["", "plt_", "plt_00000000_", "x" * 56, "\0" * 56, "plt_" * 4000])
def test_what_is_no_token_at_all(tokens, text):
    assert tokens.find(text) is None


def test_one_token_does_not_open_with_the_secret_of_another(tokens):
    (_, one), (_, two) = tokens.new("one"), tokens.new("two")
    assert tokens.find(one[:13] + two[13:]) is None


def test_a_scope_includes_those_before_it(tokens):
    for number, scope in enumerate(SCOPES):
        token, _ = tokens.new(scope, scope=scope)
        assert [token.may(wanted) for wanted in SCOPES] == [n <= number for n in range(3)]


def test_expiry_to_the_second(tokens, clock):
    token, text = tokens.new("ci", expires=NOON + timedelta(seconds=90))
    clock.now = NOON + timedelta(seconds=89, microseconds=999_999)
    assert tokens.find(text).state == "valid"
    clock.now = NOON + timedelta(seconds=90)
    assert tokens.find(text).state == "expired"
    assert tokens.find(text).expires == token.expires == NOON + timedelta(seconds=90)


def test_revoked_by_id_or_name(tokens, clock):
    (one, one_text), (two, two_text) = tokens.new("one"), tokens.new("two")
    clock.now += timedelta(hours=1)
    assert tokens.revoke(one.id).state == "revoked"
    assert tokens.revoke("two").id == two.id
    for text in (one_text, two_text):
        found = tokens.find(text)
        assert (found.state, found.revoked) == ("revoked", clock.now)
    listed = sorted((token.name, token.state) for token in tokens.all())
    assert listed == [("one", "revoked"), ("two", "revoked")]
    with pytest.raises(InputError, match="'one' is revoked already"):
        tokens.revoke("one")
    with pytest.raises(InputError, match="'three' is no token: see `provenance tokens list`"):
        tokens.revoke("three")


def test_a_name_is_free_again_when_its_token_counts_no_more(tokens, clock):
    first, _ = tokens.new("ci", expires=NOON + timedelta(hours=1))
    with pytest.raises(InputError, match=f"'ci' has the token {first.id} already"):
        tokens.new("ci")
    clock.now += timedelta(hours=2)
    second, _ = tokens.new("ci")
    tokens.revoke(second.id)
    third, text = tokens.new("ci")
    assert tokens.find(text) == third
    assert tokens.revoke("ci") == tokens.find(text)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": ""}, "cannot name a token"),
        ({"name": "a\nb"}, "cannot name a token"),
        ({"name": "_"}, "cannot name a token"),
        ({"name": "x" * 101}, "cannot name a token"),
        ({"name": "x", "scope": "root"}, "no scope 'root': there are read, submit, admin"),
        ({"name": "x", "expires": NOON}, "expires at 2026-01-31 12:00 never counts"),
    ],
)
def test_tokens_that_are_not_made(tokens, given, said):
    with pytest.raises(InputError, match=said):
        tokens.new(**given)
    assert tokens.all() == []
