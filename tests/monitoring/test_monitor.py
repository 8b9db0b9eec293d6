"""One round after the other, over logs that keep their word and logs that do not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from judge import convicts, other_root, signed_head, stands
from static_log import (
    KEY,
    ORIGIN,
    OTHER_KEY,
    WITNESS,
    StaticLog,
    entry,
    leaf,
    policy,
    signed,
    tile_files,
    tiles,
    tree_head,
    vkey,
)

from provenance.errors import InputError, MalformedError
from provenance.log import Checkpoint
from provenance.monitoring import Evidence, Monitor, Round, SourceError, State, reading
from provenance.signing import COSIGNATURE, VerifierKey, add_signatures, cosign_note, sign_note

ENTRIES = [entry(number) for number in range(1400)]
FORKED = [*ENTRIES[:300], *(entry(number, "other ") for number in range(300, 1400))]
OWN = vkey(KEY)


class Following:
    """A monitor and its state; every state goes through its bytes, as a file would."""

    def __init__(self, log: StaticLog, **changes: object) -> None:
        self.log = log
        self.monitor = Monitor(log, policy(**changes), chains={})
        self.state: State | None = None
        self.saved: list[State] = []

    def __call__(self) -> Round:
        found = self.monitor.round(self.state, self.saved.append)
        if found.state is not None:
            self.state = State.parse(found.state.to_bytes())
            assert self.state == found.state
        return found

    def fine(self) -> Round:
        found = self()
        assert (found.findings, found.undecided) == ((), ())
        assert self.state is not None
        assert found.head == self.state.head
        return found

    def finds(self, kind: str) -> dict[str, Any]:
        """Look, and return the one finding as a stranger reads it."""
        (evidence,) = self().findings
        assert evidence.kind == kind, evidence.finding
        assert Evidence.parse(evidence.to_bytes()) == evidence
        value: dict[str, Any] = json.loads(evidence.to_bytes())
        return value


def following(size: int, **changes: object) -> Following:
    """A monitor that has seen a log of `size` entries."""
    monitor = Following(StaticLog.of(ENTRIES[:size]), **changes)
    assert monitor.fine().new == size
    return monitor


# --- a log that keeps its word --------------------------------------------------------------------


@pytest.mark.parametrize("keep_partial", [True, False])
def test_it_follows_a_log_that_grows(keep_partial: bool) -> None:
    monitor = following(3)
    before = 3
    for size in (3, 4, 200, 256, 257, 511, 512, 1300):
        monitor.log.grow(ENTRIES[:size], keep_partial=keep_partial)
        found = monitor.fine()
        assert (found.new, found.head and found.head.size) == (size - before, size)
        before = size


@pytest.mark.parametrize("size", [0, 1, 256])
def test_the_first_round_reads_the_whole_log(size: int) -> None:
    assert following(size).fine().new == 0


def test_following_reads_only_what_is_new() -> None:
    monitor = following(1200)
    monitor.log.asked.clear()
    assert monitor.fine().new == 0
    assert monitor.log.asked == []
    monitor.log.grow(ENTRIES[:1201])
    monitor.fine()
    assert [path for path in monitor.log.asked if "entries" in path] == ["tile/entries/004.p/177"]
    assert len(monitor.log.asked) < 8


def test_a_partial_tile_that_is_gone_is_cut_from_the_full_one() -> None:
    log = StaticLog.of(ENTRIES[:300])
    note = log.note
    log.grow(ENTRIES[:600], keep_partial=False)
    log.note = note
    monitor = Following(log)
    assert monitor.fine().new == 300
    assert {"tile/0/001", "tile/entries/001"} <= set(log.asked)


def test_a_full_bundle_that_is_none_is_not_cut() -> None:
    log = StaticLog.of(ENTRIES[:300])
    del log.files["tile/entries/001.p/44"]
    log.files["tile/entries/001"] = b"<html>"
    Following(log).finds("entries")


def test_a_log_may_grow_while_it_is_read() -> None:
    monitor = following(300)
    monitor.log.grow(ENTRIES[:700])

    def grow(path: str) -> None:
        if path == "tile/entries/002.p/188":
            monitor.log.grow(ENTRIES[:1400], keep_partial=False)

    monitor.log.before_each = grow
    assert monitor.fine().new == 400
    assert monitor.fine().new == 700


def test_a_long_reading_is_saved_on_its_way_and_goes_on_from_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "SAVED_EVERY", 512)
    monitor = Following(StaticLog.of(ENTRIES))

    def fail(path: str) -> None:
        if path.startswith("tile/entries/005"):
            raise SourceError("gone")

    monitor.log.before_each = fail
    found = monitor()
    assert found.undecided == ("gone",)
    assert [
        len(state.edge[0]) // 32 + 256 * len(state.edge[1]) // 32 for state in monitor.saved
    ] == [
        512,
        1024,
    ]
    # A crash: what was saved is all there is.
    monitor.state = State.parse(monitor.saved[-1].to_bytes())
    monitor.log.before_each = lambda _: None
    monitor.log.asked.clear()
    assert monitor.fine().new == 1400 - 1024
    assert not any(path.startswith("tile/entries/003") for path in monitor.log.asked)


def test_of_a_long_reading_only_what_is_proven_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SAVED_EVERY", 256)
    monitor = Following(StaticLog.of([*ENTRIES[:10], b"misshapen", *ENTRIES[11:]]))

    def fail(path: str) -> None:
        if path.startswith("tile/entries/005"):
            raise SourceError("gone")

    monitor.log.before_each = fail
    assert monitor().undecided == ("gone",)
    assert monitor.saved == []  # else the entry would never be told
    monitor.log.before_each = lambda _: None
    monitor.finds("entry")

    monitor = Following(StaticLog.of(ENTRIES))
    monitor.log.note = signed([*ENTRIES[:-1], entry(0, "another")])
    monitor.finds("entries")
    assert monitor.saved == []


def test_a_tile_two_levels_up_is_compared_when_it_gets_full() -> None:
    many = [entry(0)] * 65_537
    monitor = Following(StaticLog.of(many))
    altered(monitor, "tile/1/000", 40)
    assert monitor.finds("tiles")["tile"]["path"] == "tile/1/000"
    altered(monitor, "tile/1/000", 40)
    altered(monitor, "tile/2/000.p/1", 3)
    assert monitor.finds("tiles")["tile"]["path"] == "tile/2/000.p/1"
    altered(monitor, "tile/2/000.p/1", 3)
    assert monitor.fine().new == 65_537


def test_an_old_answer_of_a_cache_is_no_fault() -> None:
    monitor = following(400)
    old = monitor.log.note
    monitor.log.grow(ENTRIES[:900])
    monitor.fine()
    newest, monitor.log.note = monitor.log.note, old
    found = monitor.fine()
    assert found.head
    assert found.head.size == 900
    said = "an old checkpoint of 400 entries is served; 900 were seen"
    assert found.notices == (said,)
    monitor.log.note = newest
    assert monitor.fine().notices == ()
    monitor.log.note = old  # for a moment again
    assert monitor.fine().notices == (said,)


@pytest.mark.parametrize("old", [0, 400])
def test_an_old_checkpoint_that_stays_is_undecided(old: int) -> None:
    monitor = following(900)
    newest, monitor.log.note = monitor.log.note, signed(ENTRIES[:old])
    said = f"an old checkpoint of {old} entries is served; 900 were seen"
    monitor.log.files |= tiles(ENTRIES[:old])
    assert monitor.fine().notices == (said,)
    for _ in range(2):
        found = monitor()
        assert (found.findings, found.notices) == ((), ())
        assert found.undecided == (
            f"{said}; so it was in the round before: nobody shows the newest",
        )
    monitor.log.note = newest
    assert monitor.fine().notices == ()


def test_a_checkpoint_may_have_extension_lines() -> None:
    monitor = Following(StaticLog.of(ENTRIES[:5]))
    for size in (5, 9):
        monitor.log.grow(ENTRIES[:size])
        text = Checkpoint.of_note(monitor.log.note.decode()).to_text() + "extension 1\nanother\n"
        monitor.log.note = sign_note(text, ORIGIN, KEY)
        assert monitor.fine().head == Checkpoint.of_note(monitor.log.note.decode(), extended=True)


# --- another history ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "then"), [(400, 400), (400, 401), (400, 1300), (512, 700), (1024, 1400), (301, 512)]
)
def test_a_fork_is_proven_with_the_notes_that_were_signed(seen: int, then: int) -> None:
    monitor = following(seen)
    before = monitor.state
    monitor.log.note, monitor.log.files = (fork := StaticLog.of(FORKED[:then])).note, fork.files
    value = monitor.finds("fork")
    assert convicts(json.dumps(value).encode(), OWN)
    assert signed_head(value["seen"], OWN)[0] == seen
    assert monitor.state == before
    again = monitor.finds("fork")
    assert {**again, "time": ""} == {**value, "time": ""}


@pytest.mark.parametrize(("seen", "then"), [(400, 350), (513, 512), (1300, 1290)])
def test_a_smaller_fork_is_proven_by_what_was_read(seen: int, then: int) -> None:
    monitor = following(seen)
    monitor.log.note, monitor.log.files = (fork := StaticLog.of(FORKED[:then])).note, fork.files
    assert convicts(json.dumps(monitor.finds("fork")).encode(), OWN)


def test_a_fork_with_the_old_tiles_still_there_is_proven_too() -> None:
    monitor = following(1300)
    fork = StaticLog.of(FORKED[:700])
    monitor.log.note = fork.note
    monitor.log.files |= {path: data for path, data in fork.files.items() if ".p/" in path}
    assert convicts(json.dumps(monitor.finds("fork")).encode(), OWN)


def test_a_log_restored_from_an_old_copy_is_a_rollback() -> None:
    monitor = following(1300)
    copy = StaticLog.of(ENTRIES[:900])
    monitor.log.note, monitor.log.files = copy.note, copy.files
    value = monitor.finds("rollback")
    assert signed_head(value["seen"], OWN)[0] == 1300
    assert signed_head(value["checkpoint"], OWN)[0] == 900
    # A third party sees two heads of one history: that the larger is gone is the monitor's word.
    root = tree_head([leaf(data) for data in ENTRIES[:900]])
    if "history" in value:
        assert other_root(value, *signed_head(value["seen"], OWN)) == root
    monitor.log.grow(ENTRIES[:1300])
    monitor.fine()
    empty = StaticLog.of([])
    monitor.log.note, monitor.log.files = empty.note, empty.files
    monitor.finds("rollback")


# --- entries and tiles ----------------------------------------------------------------------------


def altered(monitor: Following, path: str, at: int) -> None:
    data = bytearray(monitor.log.files[path])
    data[at] ^= 1
    monitor.log.files[path] = bytes(data)


@pytest.mark.parametrize("index", [0, 255, 256, 1100, 1399])
def test_an_altered_entry_is_shown_beside_what_stands_there(index: int) -> None:
    monitor = Following(StaticLog.of(ENTRIES))
    width = "" if index < 1280 else ".p/120"
    altered(monitor, f"tile/entries/{index // 256:03}{width}", (index % 256) * 70 + 40)
    value = monitor.finds("entries")
    own, stands_there = stands(value, OWN)
    assert value["entry"]["index"] == index
    assert own != stands_there == leaf(ENTRIES[index])
    monitor.log.grow(ENTRIES)
    assert monitor.fine().new == 1400


def test_an_entry_altered_after_it_was_read_is_found_too() -> None:
    monitor = following(300)
    monitor.log.grow(ENTRIES[:310])
    altered(monitor, "tile/entries/001.p/54", 40)
    assert stands(monitor.finds("entries"), OWN)[1] == leaf(ENTRIES[256])


def test_an_entry_altered_together_with_its_hash_after_it_was_read_is_found() -> None:
    monitor = following(300)
    monitor.log.grow(ENTRIES[:310])
    lie = tiles([*ENTRIES[:256], entry(0, "lie"), *ENTRIES[257:310]])
    for path in ("tile/entries/001.p/54", "tile/0/001.p/54"):
        monitor.log.files[path] = lie[path]
    assert monitor.finds("entries")["finding"] == "an entry from 256 on was another one before"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + data[:70],
        lambda data: data[:70],
        lambda data: b"",
        lambda data: b"<html>",
        lambda data: data[70:] + data[:70],
    ],
)
@pytest.mark.parametrize("path", ["tile/entries/000", "tile/entries/005.p/120"])
def test_a_bundle_of_anything_else_is_not_the_entries(
    path: str, change: Callable[[bytes], bytes]
) -> None:
    monitor = Following(StaticLog.of(ENTRIES))
    monitor.log.files[path] = change(monitor.log.files[path])
    monitor.finds("entries")


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/003", "tile/0/005.p/120", "tile/1/000.p/5"])
@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("seen", [0, 700])
def test_an_altered_hash_tile_is_told_from_altered_entries(path: str, cut: bool, seen: int) -> None:
    monitor = following(seen)
    monitor.log.grow(ENTRIES)
    altered(monitor, path, 5)
    if cut:
        monitor.log.files[path] = monitor.log.files[path][:-32]
    if path == "tile/0/000" and seen:  # it was compared before, and nothing needs it any more
        monitor.fine()
        return
    value = monitor.finds("tiles")
    if "tile" in value:
        digest = sha256(monitor.log.files[path]).hexdigest()
        assert value["tile"] == {"path": path, "sha256": digest}
    monitor.finds("tiles")
    monitor.log.grow(ENTRIES)
    monitor.fine()


def test_altered_entries_under_hash_tiles_that_go_with_them_are_found() -> None:
    monitor = following(300)
    lie = [*ENTRIES[:500], entry(0, "lie"), *ENTRIES[501:900]]
    monitor.log.grow(ENTRIES[:900])
    note = monitor.log.note
    monitor.log.grow(lie)
    monitor.log.note = note
    before = monitor.state
    value = monitor.finds("entries")
    assert "hash to the root" in value["finding"]
    assert monitor.state == before
    monitor = Following(StaticLog(note, monitor.log.files))
    monitor.finds("entries")


def test_hash_tiles_that_show_nothing_leave_the_newest_head_where_it_was() -> None:
    monitor = following(300)
    monitor.log.grow(ENTRIES[:700])

    def fail(asked: str) -> None:
        if "entries" in asked:
            raise SourceError("no answer")

    monitor.log.before_each = fail
    assert monitor().undecided
    monitor.log.before_each = lambda _: None
    monitor.log.grow(ENTRIES[:900])
    altered(monitor, "tile/1/000.p/3", 40)
    assert monitor.finds("tiles")["finding"].startswith("nothing shows one history: ")
    assert monitor.state
    assert monitor.state.head.size == 700  # seen, and 900 is not shown to continue it
    monitor.log.grow(ENTRIES[:900])
    assert monitor.fine().new == 600


def test_a_head_that_only_the_entries_show_counts_as_seen() -> None:
    monitor = following(300)
    monitor.log.grow(ENTRIES[:310])
    altered(monitor, "tile/0/001.p/54", 40)
    for _ in range(2):
        assert monitor.finds("tiles")["tile"]["path"] == "tile/0/001.p/54"
    fork = StaticLog.of([*ENTRIES[:300], *(entry(number, "B") for number in range(300, 311))])
    monitor.log.note, monitor.log.files = fork.note, fork.files
    value = monitor.finds("fork")
    assert convicts(json.dumps(value).encode(), OWN)
    assert signed_head(value["seen"], OWN)[0] == 310


def test_a_tile_that_is_wrong_for_a_moment_is_told() -> None:
    monitor = following(300)
    monitor.log.grow(ENTRIES[:700])
    right = monitor.log.files["tile/1/000.p/2"]
    monitor.log.files["tile/1/000.p/2"] = right[::-1]

    def mend(asked: str) -> None:
        if "entries" in asked:
            monitor.log.files["tile/1/000.p/2"] = right

    monitor.log.before_each = mend
    assert "those that would show one history" in monitor.finds("tiles")["finding"]
    assert monitor.fine().new == 400


def test_an_entry_of_no_known_form_is_told_once_with_its_place() -> None:
    strange = [*ENTRIES[:310], b"of another log", entry(311), b"", *ENTRIES[313:400]]
    monitor = following(300)
    monitor.log.grow(strange)
    value = monitor.finds("entry")
    assert value["finding"].startswith("entry 310, and 1 more: ")
    own, stands_there = stands(value, OWN)
    assert own == stands_there == leaf(b"of another log")
    assert base64.b64decode(value["entry"]["entry"]) == b"of another log"
    monitor.fine()
    kind = bytearray(ENTRIES[400])
    kind[1] = 77
    monitor.log.grow([*strange, bytes(kind)])
    assert "unknown kind 77" in monitor.finds("entry")["finding"]
    monitor.fine()


def test_a_foreign_log_is_not_one_of_ours() -> None:
    log = StaticLog.of([b"go.sum line %d\n" % number for number in range(600)])
    monitor = Following(log)
    assert monitor.finds("entry")["finding"].startswith("entry 0, and 599 more: ")


# --- the checkpoint -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (signed(ENTRIES[:3], key=OTHER_KEY), "by no known key"),
        (signed(ENTRIES[:3]).replace(b"\n3\n", b"\n4\n"), "is not valid"),
        (signed(ENTRIES[:3], origin="evil.example/log"), "by no known key"),
        (sign_note("evil.example/log\n0\n\n", ORIGIN, KEY), "three lines"),
        (
            sign_note(
                signed([], origin="evil.example/log").decode().split("\n\n")[0] + "\n", ORIGIN, KEY
            ),
            "of the log 'evil.example/log'",
        ),
        (sign_note(f"{ORIGIN}\n0\n{'A' * 43}=\n", ORIGIN, KEY), "another root"),
        (sign_note(f"{ORIGIN}\n9\n{'A' * 43}=\n\nextension\n", ORIGIN, KEY), "three lines"),
    ],
    ids=range(7),
)
def test_a_note_that_is_no_checkpoint_of_the_log_is_found(note: bytes, said: str) -> None:
    monitor = following(2)
    monitor.log.note = note
    value = monitor.finds("checkpoint")
    assert said in value["finding"]
    assert value["checkpoint"].encode() == note


@pytest.mark.parametrize(
    "note",
    [b"", b"<html>502</html>", b"\xff", b"a\n\nb", signed(ENTRIES[:3])[:-1], b"\n" * 1_000_001],
)
def test_what_is_no_note_is_no_word_of_the_log(note: bytes) -> None:
    monitor = following(2)
    before, monitor.log.note = monitor.state, note
    found = monitor()
    assert found.findings == ()
    assert len(found.undecided) == 1
    assert "serves no signed note" in found.undecided[0]
    assert monitor.state == before


def cosigned(note: bytes, *keys: Any) -> bytes:
    text = note.decode().split("\n\n")[0] + "\n"
    lines = [cosign_note(text, "w.example/1", key, time=1_700_000_000) for key in keys]
    return add_signatures(note, lines)


def test_cosignatures_are_counted_and_demanded() -> None:
    witness = str(VerifierKey("w.example/1", WITNESS.public, COSIGNATURE))
    log = StaticLog.of(ENTRIES[:5])
    demanding = Following(log, witnesses=(witness,), minimum="confidential")
    found = demanding()
    assert found.findings == ()
    assert found.undecided == (
        "cosigned by 0 of the 1 witnesses that the policy names; it demands 1",
    )
    content = Following(log, witnesses=(witness,))
    assert content().undecided == ("cosigned by none of the 1 witnesses that the policy names",)
    log.note = cosigned(log.note, WITNESS)
    assert demanding.fine().cosigned == ("w.example/1",)
    assert content.fine().cosigned == ("w.example/1",)
    assert content.state
    assert content.state.checkpoint.encode() == log.note  # the newer note of the same head
    log.note = log.note.replace(b"5\n", b"6\n", 1)
    demanding.finds("checkpoint")
    log.note = cosign_only = cosigned(signed(ENTRIES[:5], key=OTHER_KEY), WITNESS)
    assert demanding.finds("checkpoint")["finding"] == "not signed by a log key of the policy"
    assert cosign_only


# --- no answer, and what was kept -----------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["checkpoint", "tile/entries/002.p/188", "tile/0/002.p/188", "tile/1/000.p/2"]
)
def test_no_answer_leaves_the_round_undecided_and_the_next_one_whole(path: str) -> None:
    monitor = following(300)
    monitor.log.grow(ENTRIES[:700])

    def fail(asked: str) -> None:
        if asked == path:
            raise SourceError("no answer")

    monitor.log.before_each = fail
    found = monitor()
    assert (found.findings, found.undecided) == ((), ("no answer",))
    monitor.log.before_each = lambda _: None
    assert monitor.fine().new == 400


def test_a_fork_is_found_though_the_entries_before_could_not_be_read() -> None:
    monitor = following(300)
    monitor.log.grow(ENTRIES[:700])

    def fail(asked: str) -> None:
        if "entries" in asked:
            raise SourceError("no answer")

    monitor.log.before_each = fail
    assert monitor().undecided
    assert monitor.state
    assert monitor.state.head.size == 700  # signed, and proven to continue: it counts as seen
    fork = StaticLog.of([*ENTRIES[:500], entry(0, "fork"), *ENTRIES[501:900]])
    monitor.log.note, monitor.log.files = fork.note, fork.files
    value = monitor.finds("fork")
    assert signed_head(value["seen"], OWN)[0] == 700
    assert convicts(json.dumps(value).encode(), OWN)


def test_the_state_of_another_log_is_refused() -> None:
    monitor = following(3)
    other = Monitor(monitor.log, policy(origin="other.example", log_keys=()), chains={})
    with pytest.raises(InputError, match=r"of the log 'acme\.example/ml', not of 'other\.example'"):
        other.round(monitor.state, monitor.saved.append)


def test_a_changed_log_key_is_refused_with_how_to_go_on() -> None:
    monitor = following(3)
    new = policy(log_keys=(vkey(OTHER_KEY),))
    with pytest.raises(InputError, match="keep the old one in `logKeys` for one round more"):
        Monitor(monitor.log, new, chains={}).round(monitor.state, monitor.saved.append)
    monitor.log.note = signed(ENTRIES[:3], key=OTHER_KEY)
    both = policy(log_keys=(OWN, vkey(OTHER_KEY)))
    monitor.monitor = Monitor(monitor.log, both, chains={})
    monitor.fine()
    monitor.monitor = Monitor(monitor.log, new, chains={})
    monitor.fine()


def test_a_state_whose_parts_do_not_belong_together_is_refused() -> None:
    state = following(300).state
    assert state
    other = following(301).state
    assert other
    for edge in (other.edge, (), (bytes(32 * 44), state.edge[1])):
        broken = replace(state, edge=edge)
        if edge == ():  # nothing read so far: that is how a reading begins
            assert State.parse(broken.to_bytes()) == broken
            continue
        with pytest.raises(MalformedError, match="not that of its checkpoint"):
            State.parse(broken.to_bytes())


def test_the_file_of_a_finding_is_named_by_what_was_found() -> None:
    monitor = following(400)
    fork = StaticLog.of(FORKED[:500])
    monitor.log.note, monitor.log.files = fork.note, fork.files
    (one,), (two,) = monitor().findings, monitor().findings
    assert one.file_name == two.file_name
    assert replace(one, time="2026-01-01T00:00:00Z").file_name == one.file_name
    assert replace(one, kind="rollback").file_name != one.file_name
    assert one.file_name.startswith("provenance-evidence-acme.example-ml-")
    hostile = replace(one, origin="../../etc/passwd\n" + "x" * 300)
    assert "/" not in hostile.file_name
    assert len(hostile.file_name) < 120
    assert tile_files([]) == {}
