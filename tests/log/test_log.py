"""The log on a real SQLite file and a real PostgreSQL; against trees built apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest
from appending import KEY, ORIGIN, submission
from sqlmodel import Session

from provenance.errors import InputError, LedgerError
from provenance.log import Checkpoint, Entry, TilePath
from provenance.log.log import Log
from provenance.log.store import Database, EnvelopeRow, TileRow
from provenance.log.tiles import ENTRIES, parse_entries, tile_width
from provenance.merkle import (
    EMPTY_ROOT,
    Tree,
    check_consistency,
    check_inclusion,
    leaf_hash,
)
from provenance.signing import PrivateKey, VerifierKey, open_note

SIZE = 530  # two full tiles of leaves, a partial one, and one above them
BATCHES = [1, 3, 7, 127, 118, 1, 1, 253, 5, 13, 1]
OTHER_KEY = PrivateKey.generate()
Place = Callable[[], Path | str]


@cache
def submissions() -> list:
    return [submission(f"entry {number}") for number in range(SIZE)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Returns where a new database can be made."""
    if request.param == "sqlite":
        return lambda: tmp_path_factory.mktemp("log") / "ledger.db"
    return request.getfixturevalue("postgres").database


@pytest.fixture(scope="module")
def database(place: Place) -> Iterator[Database]:
    """A log of `SIZE` entries, appended in batches of odd sizes that cross tiles at odd places."""
    made = Database.create(place())
    at = 0
    assert sum(BATCHES) == SIZE
    for batch in BATCHES:
        with made.writing() as session:
            log = Log(session, ORIGIN)
            assert log.append(submissions()[at : at + batch]) == list(range(at, at + batch))
        at += batch
        with made.reading() as session:
            assert Log(session, ORIGIN).root(at) == reference(0, at)
    yield made
    made.close()


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    with database.reading() as session:
        yield Log(session, ORIGIN)


@pytest.fixture
def fresh(place: Place) -> Iterator[Database]:
    made = Database.create(place())
    yield made
    made.close()


@cache
def leaves() -> list[bytes]:
    return [Entry.of(each.envelope.to_bytes(), each.statement).to_bytes() for each in submissions()]


@cache
def reference(begin: int, end: int) -> bytes:
    """RFC 9162, section 2.1.1, as it reads."""
    if end - begin < 2:
        return leaf_hash(leaves()[begin]) if end > begin else sha256(b"").digest()
    k = 1
    while 2 * k < end - begin:
        k *= 2
    return sha256(b"\x01" + reference(begin, begin + k) + reference(begin + k, end)).digest()


# --- reading ----------------------------------------------------------------------------------


def test_the_root_of_every_size(log: Log) -> None:
    assert log.size == SIZE
    assert [log.root(size) for size in range(SIZE + 1)] == [
        reference(0, size) for size in range(SIZE + 1)
    ]
    assert log.root(0) == EMPTY_ROOT


def test_a_root_of_more_than_there_is(log: Log) -> None:
    with pytest.raises(InputError, match=r"tile tile/0/002 is too short"):
        log.root(SIZE + 1)
    with pytest.raises(LedgerError, match="has lost tile/2/000"):
        log.root(1 << 20)


def test_entries_and_envelopes(log: Log) -> None:
    for index in (0, 255, 256, SIZE - 1):
        assert log.entry(index).to_bytes() == leaves()[index]
        assert log.envelope(index) == submissions()[index].envelope.to_bytes()
    for index in (SIZE, -1):
        with pytest.raises(InputError, match=f"no entry {index}; its size is 530"):
            log.entry(index)


def test_the_leaves_of_a_size(log: Log) -> None:
    for size in (0, 1, 256, SIZE):
        assert list(log.leaves(size)) == leaves()[:size]


def test_inclusion_proofs(log: Log) -> None:
    for size in (1, 2, 255, 256, 257, 512, SIZE):
        for index in {0, 1, size // 2, 255, 256, size - 1} & set(range(size)):
            proof = log.prove_inclusion(index, size)
            check_inclusion(
                leaf_hash=leaf_hash(leaves()[index]),
                index=index,
                size=size,
                path=proof.path,
                root=reference(0, size),
            )
    with pytest.raises(ValueError, match="no leaf 530"):
        log.prove_inclusion(SIZE, SIZE)


def test_consistency_proofs(log: Log) -> None:
    for old in (1, 2, 255, 256, 257, 511, 512, SIZE - 1):
        proof = log.prove_consistency(old, SIZE)
        check_consistency(
            old_size=old,
            old_root=reference(0, old),
            size=SIZE,
            root=reference(0, SIZE),
            path=proof.path,
        )


# --- tiles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 255, 256, 257, 300, 512, SIZE])
def test_every_tile_of_a_size_byte_for_byte(log: Log, size: int) -> None:
    """By the formula of C2SP tlog-tiles, MTH(D[(n·256+i)·256^l : (n·256+i+1)·256^l])."""
    served = 0
    for level in range(3):
        for index in range(4):
            width = tile_width(level, index, size)
            if width == 0:
                continue
            span = 256**level
            hashes = [
                reference((index * 256 + i) * span, (index * 256 + i + 1) * span)
                for i in range(width)
            ]
            served += 1
            assert log.tile(TilePath(level, index, width), size) == b"".join(hashes)
            if level == 0:
                first = index * 256
                bundle = log.tile(TilePath(ENTRIES, index, width), size)
                assert list(parse_entries(bundle)) == leaves()[first : first + width]
    assert served == -(-size // 256) + (size >= 256)


@pytest.mark.parametrize("level", [0, ENTRIES])
def test_a_narrower_tile_is_the_start_of_the_wider(log: Log, level: int | str) -> None:
    """A client of an older checkpoint may still ask for the partial tile of that size."""
    wide = log.tile(TilePath(level, 2, SIZE - 512), SIZE)
    for width in (1, 2, SIZE - 513):
        part = log.tile(TilePath(level, 2, width), SIZE)
        assert wide.startswith(part)
        assert len(part) < len(wide)


@pytest.mark.parametrize(
    ("path", "size"),
    [
        (TilePath(0, 2), SIZE),
        (TilePath(0, 2, SIZE - 511), SIZE),
        (TilePath(0, 3, 1), SIZE),
        (TilePath(0, 1, 1), 256),
        (TilePath(0, 0), 255),
        (TilePath(1, 0, 3), SIZE),
        (TilePath(1, 0, 1), 255),
        (TilePath(2, 0, 1), SIZE),
        (TilePath(63, 0, 1), SIZE),
        (TilePath(ENTRIES, 2), SIZE),
        (TilePath(ENTRIES, 0, 6), 5),
        (TilePath(0, 2**50, 1), SIZE),
    ],
    ids=str,
)
def test_a_tile_beyond_the_checkpoint_is_not_served(log: Log, path: TilePath, size: int) -> None:
    """Even where its hashes are in the database: no checkpoint covers them yet."""
    with pytest.raises(InputError, match=f"there is no {path} in a log of {size} entries"):
        log.tile(path, size)


def test_tiles_of_three_levels(fresh: Database) -> None:
    """70,000 leaf hashes, in batches that end within, at and beyond the ends of tiles."""
    hashes = [sha256(b"%d" % number).digest() for number in range(70_000)]
    tree = Tree.from_leaf_hashes(b"".join(hashes))
    at = 0
    for batch in (1, 254, 1, 256, 65_023, 1, 4_463, 1):
        with fresh.writing() as session:
            Log(session, ORIGIN)._integrate(at, hashes[at : at + batch])
        at += batch
        with fresh.reading() as session:
            partial = Tree.from_leaf_hashes(b"".join(hashes[:at]))
            assert Log(session, ORIGIN).root(at) == partial.root
    assert at == 70_000
    with fresh.reading() as session:
        log = Log(session, ORIGIN)
        assert log.tile(TilePath.parse("tile/2/000.p/1"), at) == tree.node(16, 0)
        last = b"".join(tree.node(8, n) for n in range(256, 273))
        assert log.tile(TilePath.parse("tile/1/001.p/17"), at) == last
        assert log.tile(TilePath.parse("tile/0/273.p/112"), at) == b"".join(hashes[-112:])
        assert log.prove_inclusion(69_999, at) == tree.prove(69_999)


# --- appending --------------------------------------------------------------------------------


def size_of(database: Database) -> int:
    with database.reading() as session:
        return Log(session, ORIGIN).size


def test_a_resend_returns_the_first_index(fresh: Database) -> None:
    first, second, third = submissions()[:3]
    with fresh.writing() as session:
        assert Log(session, ORIGIN).append([first, second, first]) == [0, 1, 0]
    with fresh.writing() as session:
        assert Log(session, ORIGIN).append([second, third, first, third]) == [1, 2, 0, 2]
    with fresh.writing() as session:
        assert Log(session, ORIGIN).append([]) == []
    with fresh.reading() as session:
        log = Log(session, ORIGIN)
        assert (log.size, log.root(3)) == (3, reference(0, 3))


def test_a_resend_is_the_same_payload_by_the_same_keys(fresh: Database) -> None:
    by_one, by_other = submission("once"), submission("once", OTHER_KEY)
    by_both = submission("once", KEY, OTHER_KEY)
    p256 = PrivateKey.generate("ecdsa-p256")
    again = [submission("once", p256), submission("once", p256)]
    assert again[0].envelope != again[1].envelope, "ECDSA signs the same twice differently"
    assert by_one.statement == by_other.statement == by_both.statement
    with fresh.writing() as session:
        log = Log(session, ORIGIN)
        assert log.append([by_one, by_other, by_both, *again]) == [0, 1, 2, 3, 3]


def test_an_error_within_the_transaction_undoes_all_of_it(fresh: Database) -> None:
    with fresh.writing() as session:
        Log(session, ORIGIN).append(submissions()[:5])

    def append_and_stumble() -> None:
        with fresh.writing() as session:
            assert Log(session, ORIGIN).append(submissions()[5:300])[-1] == 299
            raise RuntimeError

    with pytest.raises(RuntimeError):
        append_and_stumble()
    with fresh.reading() as session:
        log = Log(session, ORIGIN)
        assert (log.size, log.root(5)) == (5, reference(0, 5))
        assert session.get(TileRow, (1, 0)) is None
    with fresh.writing() as session:
        assert Log(session, ORIGIN).append(submissions()[5:300])[-1] == 299
    with fresh.reading() as session:
        assert Log(session, ORIGIN).root(300) == reference(0, 300)


def test_what_is_appended_is_seen_once_it_is_committed(fresh: Database) -> None:
    with fresh.writing() as session:
        log = Log(session, ORIGIN)
        log.append(submissions()[:3])
        assert log.size == 3
        assert size_of(fresh) == 0
    assert size_of(fresh) == 3


# --- checkpoints ------------------------------------------------------------------------------


def signed(database: Database) -> str:
    with database.writing() as session:
        return Log(session, ORIGIN).checkpoint(KEY)


def test_checkpoints(fresh: Database) -> None:
    with fresh.reading() as session:
        assert Log(session, ORIGIN).latest_checkpoint() is None
    notes = []
    for size in (0, 1, 5):
        with fresh.writing() as session:
            Log(session, ORIGIN).append(submissions()[:size])
        notes.append(signed(fresh))
        note = open_note(notes[-1].encode(), [VerifierKey(ORIGIN, KEY.public)])
        assert Checkpoint.parse(note.text) == Checkpoint(ORIGIN, size, reference(0, size))
        with fresh.reading() as session:
            assert Log(session, ORIGIN).latest_checkpoint() == notes[-1]
    assert len(set(notes)) == 3


def test_a_size_is_signed_once(fresh: Database) -> None:
    """Else a key that signs differently each time would show two notes of one size."""
    note = signed(fresh)
    with fresh.writing() as session:
        assert Log(session, ORIGIN).checkpoint(OTHER_KEY) == note


def test_a_checkpoint_never_covers_what_is_not_committed(fresh: Database) -> None:
    def append_and_sign() -> None:
        with fresh.writing() as session:
            Log(session, ORIGIN).append(submissions()[:1])
            Log(session, ORIGIN).checkpoint(KEY)

    with pytest.raises(ValueError, match="transaction of its own"):
        append_and_sign()
    assert size_of(fresh) == 0
    with fresh.reading() as session:
        assert Log(session, ORIGIN).latest_checkpoint() is None


# --- loss -------------------------------------------------------------------------------------


def test_an_envelope_may_be_erased_and_the_log_stays_whole(fresh: Database) -> None:
    with fresh.writing() as session:
        Log(session, ORIGIN).append(submissions()[:4])
    with fresh.writing() as session:
        session.delete(session.get(EnvelopeRow, 2))
    with fresh.reading() as session:
        log = Log(session, ORIGIN)
        with pytest.raises(LedgerError, match="the envelope of entry 2 was erased"):
            log.envelope(2)
        assert log.envelope(3) == submissions()[3].envelope.to_bytes()
        assert log.root(4) == reference(0, 4)
        assert log.prove_inclusion(2, 4).path
        assert list(parse_entries(log.tile(TilePath(ENTRIES, 0, 4), 4))) == leaves()[:4]


def test_a_lost_tile_is_named(fresh: Database) -> None:
    with fresh.writing() as session:
        Log(session, ORIGIN).append(submissions()[:4])
    with fresh.writing() as session:
        session.delete(session.get(TileRow, (0, 0)))
    with fresh.reading() as session:
        assert isinstance(session, Session)
        with pytest.raises(LedgerError, match="has lost tile/0/000: restore it from a copy"):
            Log(session, ORIGIN).root(4)
