"""Who used what: recorded durably, signed in batches, and every row that goes missing is missed."""

import itertools
import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance import InputError, Ledger, forms, verify
from provenance.errors import LedgerError, MalformedError
from provenance.ledger import access, batches, usage
from provenance.ledger.config import AccessLogConfig, Config, ServiceConfig
from provenance.ledger.treefiles import TreeFiles
from provenance.ledger.uses import Use, UseFile, use_files, whole_records
from provenance.records import JSON, hash_record
from provenance.statements import Access, Statement
from provenance.statements.statement import MAX_ARTIFACTS

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ROWS = [{"id": number} for number in range(20)]


class Ticking:
    """A clock that goes on by a second each time it is read."""

    def __init__(self):
        self.now = NOON

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


def turn_on(home, **settings):
    path = home / ".provenance" / "config.toml"
    with Ledger.open(home) as ledger:
        service = ServiceConfig(access_log=AccessLogConfig(**settings))
        ledger.folder.configure(service=service)
    assert Config.read(path).service.access_log == AccessLogConfig(**settings)


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request, template, tmp_path):
    """A folder with a ledger of its own, on either database."""
    home = tmp_path / "home"
    if request.param == "sqlite":
        shutil.copytree(template, home)
    else:
        database = request.getfixturevalue("postgres").database()
        Ledger.init(home, origin="acme.example/uses", database=database).close()
    return home


@pytest.fixture
def ledger(home):
    turn_on(home)
    with Ledger.open(home, clock=Ticking()) as ledger:
        ledger.register(ROWS, name="train")
        ledger.register(ROWS[:3], name="test")
        yield ledger


def use(ledger, name="train", action="show", records=None, who="4c1f09ab", request="r1"):
    artifact = ledger.resolve(name).artifact.digest
    ledger.access_log.record(action, [(artifact, records)], who=who, request=request)


def told(uses):
    return [(known.use.request, known.state) for known in uses]


def folder_of(ledger):
    return ledger.folder.access


# --- records --------------------------------------------------------------------------------------

uses = st.builds(
    Use,
    artifact=st.binary(min_size=32, max_size=32),
    action=st.sampled_from(
        ["show", "history", "descendants", "prove", "prove-entry", "find", "leaves"]
    ),
    who=st.from_regex("[0-9a-f]{8}|public", fullmatch=True),
    when=st.just("2026-01-31T12:00:00.120Z"),
    request=st.from_regex("[A-Za-z0-9._-]{1,64}", fullmatch=True),
    nonce=st.binary(min_size=16, max_size=16),
    records=st.none() | st.lists(st.integers(0, 2**53 - 1)).map(tuple),
)


@given(uses)
def test_a_use_has_one_form_which_is_the_leaf_of_its_record(use):
    record = use.to_bytes()
    assert record == forms.dump(use)
    assert Use.parse(record) == use
    assert hash_record(json.loads(record), JSON) == hash_record(record.decode(), JSON)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"who": "plt_4c1f09ab_secret"}, "the id of a token, or public"),
        ({"who": ""}, "the id of a token"),
        ({"request": "a b"}, "the id of a request"),
        ({"request": "x" * 65}, "the id of a request"),
        ({"action": "delete"}, "must be one of"),
        ({"when": "yesterday"}, "RFC 3339"),
        ({"more": 1}, "unknown field"),
        ({"nonce": None}, "nonce is null"),
    ],
)
def test_what_is_no_use(ledger, change, said):
    use(ledger)
    (path,) = use_files(folder_of(ledger))
    (record,) = whole_records(path.read_bytes())
    with pytest.raises(MalformedError, match=said):
        Use.parse(forms.canonical(json.loads(record) | change))


# --- from recording to an anchor ------------------------------------------------------------------


def test_a_use_from_its_recording_to_an_anchor(ledger):
    token, _ = ledger.tokens.new("auditor")
    use(ledger, action="prove", records=[7, 3], who=token.id)
    use(ledger, request="r2", who="public")
    use(ledger, "test", request="r3")
    assert told(ledger.access("train")) == [("r2", "recorded"), ("r1", "recorded")]
    assert ledger.access("train").batches == ()

    (entry,) = ledger.access_log.roll()
    assert use_files(folder_of(ledger)) == []
    found = ledger.access("train")
    assert told(found) == [("r2", "logged"), ("r1", "logged")]
    public, auditor = found
    assert (auditor.name, public.name) == ("auditor", None)
    assert (auditor.use.action, auditor.use.records) == ("prove", (7, 3))
    assert (auditor.entry, auditor.index, public.index) == (entry, 0, 1)
    (batch,) = found.batches
    assert (batch.entry, batch.counted, batch.here) == (entry, 2, 2)

    said = ledger.entry(entry).statement
    train, test = (ledger.resolve(name) for name in ("train", "test"))
    assert isinstance(said.predicate, Access)
    assert said.predicate.uses == {train.digest: 2, test.digest: 1}
    assert (said.predicate.started, said.predicate.finished) == (
        auditor.use.when,
        ledger.access("test")[0].use.when,
    )
    assert [subject.name for subject in said.subjects] == ["uses", "train", "test"]
    assert Statement.parse(said.to_bytes()) == said

    ledger.checkpoint()
    assert told(ledger.access("train"))[0] == ("r2", "checkpointed")
    ledger.anchor()
    assert told(ledger.access("train"))[0] == ("r2", "anchored")

    proof = ledger.prove(auditor.batch, index=auditor.index)
    record = forms.encode(auditor.use)
    policy, chains = ledger.policy(), ledger.chains
    verified = verify(proof, record=record, policy=policy, chains=chains)
    assert verified.statement.predicate.uses[train.digest] == 2
    assert ledger.prove(auditor.batch, record=record).indices == (0,)


def test_batches_stand_in_no_list_and_no_history(ledger):
    use(ledger)
    ledger.access_log.roll()
    (batch,) = ledger.access("train").batches
    assert {artifact.name for artifact in ledger.artifacts()} == {"train", "test"}
    assert [event.statement.kind for event in ledger.history("train").events] == ["dataset"]
    assert ledger.descendants("train").events == ()
    assert [event.statement.kind for event in ledger.history(batch.digest).events] == ["access"]
    (source,) = ledger.impact(batch.digest).sources
    assert (source.kind, source.registered) == ("unregistered", None)
    assert ledger.impact("train").artifacts == ()
    (record,) = ledger.access("train")
    assert len(ledger.find(record=forms.encode(record.use))) == 0


def test_the_rows_are_for_the_owner_alone(ledger):
    use(ledger)
    assert folder_of(ledger).stat().st_mode & 0o077 == 0
    ledger.access_log.roll()
    (rows,) = folder_of(ledger).glob("*.jsonl")
    assert rows.stat().st_mode & 0o077 == 0


def test_nothing_recorded_is_nothing_signed(ledger):
    size = ledger.size()
    assert ledger.access_log.roll() == []
    use(ledger)
    assert ledger.access_log.roll() == [size]
    assert ledger.access_log.roll() == []
    assert ledger.size() == size + 1
    test = ledger.resolve("test").artifact.digest
    assert ledger.access("test") == usage.Uses((), artifact=test)


def test_a_batch_is_full_after_so_many_uses(home):
    turn_on(home, uses=3)
    with Ledger.open(home) as ledger:
        ledger.register(ROWS, name="train")
        for number in range(7):
            use(ledger, request=f"r{number}")
        assert len(use_files(folder_of(ledger))) == 3
        assert len(ledger.access_log.roll()) == 3
        counts = [batch.counted for batch in ledger.access("train").batches]
        assert counts == [1, 3, 3]


def test_a_batch_is_of_no_more_artifacts_than_a_statement_can_name(ledger):
    digests = [number.to_bytes(32) for number in range(MAX_ARTIFACTS)]
    for part in (digests[:1500], digests[1500:], digests[:1]):
        artifacts = [(digest, [0]) for digest in part]
        ledger.access_log.record("find", artifacts, who="public", request="r")
    at_once = [(number.to_bytes(32), None) for number in range(5000)]
    ledger.access_log.record("impact", at_once, who="public", request="many")
    entries = ledger.access_log.roll()
    named = [len(ledger.entry(entry).entry.artifacts) for entry in entries]
    assert named == [1501, 502, 2000, 2000, 1003]


def test_closing_signs_what_is_recorded(home, ledger):
    use(ledger)
    size = ledger.size()
    ledger.close()
    with Ledger.open(home) as again:
        assert told(again.access("train")) == [("r1", "logged")]
        assert again.size() == size + 1


# --- page by page ---------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_tell_each_use_once(ledger, limit):
    for number in range(12):
        use(ledger, request=f"r{number}")
        use(ledger, "test", request=f"t{number}")
        if number in (3, 4, 8):
            ledger.access_log.roll()
    found, cursor = [], None
    for _ in itertools.count():
        page = ledger.access("train", limit=limit, cursor=cursor)
        assert len(page) <= limit
        found += [known.use.request for known in page]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [f"r{number}" for number in reversed(range(12))]


def test_what_is_signed_between_two_pages_is_not_missed(ledger):
    for number in range(5):
        use(ledger, request=f"r{number}")
    page = ledger.access("train", limit=2)
    assert told(page) == [("r4", "recorded"), ("r3", "recorded")]
    ledger.access_log.roll()
    use(ledger, request="later")
    rest = ledger.access("train", cursor=page.next_cursor)
    assert told(rest) == [(f"r{number}", "logged") for number in reversed(range(5))]


def test_what_is_signed_while_it_is_read_is_told_once(ledger, monkeypatch):
    use(ledger)
    waiting = usage.waiting_uses

    def read_and_signed(*given):
        found = waiting(*given)
        ledger.access_log.roll()
        return found

    monkeypatch.setattr(usage, "waiting_uses", read_and_signed)
    assert told(ledger.access("train")) == [("r1", "logged")]


def test_a_page_ends_after_many_batches(ledger, monkeypatch):
    monkeypatch.setattr(usage, "MOST", 2)
    for number in range(5):
        use(ledger, request=f"r{number}")
        ledger.access_log.roll()
    pages, cursor = [], None
    while cursor is not None or not pages:
        page = ledger.access("train", cursor=cursor)
        pages.append([known.use.request for known in page])
        cursor = page.next_cursor
    assert pages == [["r4", "r3"], ["r2", "r1"], ["r0"]]


def test_since(ledger):
    times = []
    for number in range(6):
        use(ledger, request=f"r{number}")
        times.append(ledger.access("train", limit=1)[0].use.when)
        if number in (1, 3):
            ledger.access_log.roll()
    for number, time in enumerate(times):
        found = ledger.access("train", since=time)
        assert [known.use.request for known in found] == [f"r{n}" for n in range(5, number - 1, -1)]
        assert len(found.batches) == {0: 2, 1: 2, 2: 1, 3: 1, 4: 0, 5: 0}[number]
    assert len(ledger.access("train", since="2026-01-31")) == 6
    assert len(ledger.access("train", since="2026-02-01")) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cursor": "57"}, "no cursor"),
        ({"cursor": "waiting.1.2"}, "no cursor"),
        ({"cursor": "0.1"}, "no cursor"),
        ({"since": "yesterday"}, "no time"),
        ({"since": "2026-02-30"}, "no time"),
    ],
)
def test_what_cannot_be_asked(ledger, given, said):
    with pytest.raises(InputError, match=said):
        ledger.access("train", **given)
    with pytest.raises(InputError, match="nothing is registered"):
        ledger.access("nobody")


# --- shortened, altered, erased -------------------------------------------------------------------


@pytest.fixture
def rolled(ledger):
    """The file of a batch of three uses of `train`, one of `test` among them."""
    for number in range(3):
        use(ledger, request=f"r{number}")
        if number == 1:
            use(ledger, "test", request="t")
    ledger.access_log.roll()
    (rows,) = folder_of(ledger).glob("*.jsonl")
    return rows


def test_uses_that_were_erased_are_counted_all_the_same(ledger, rolled):
    lines = rolled.read_bytes().split(b"\n")
    rolled.write_bytes(b"\n".join([lines[0], b"", *lines[2:]]))
    found = ledger.access("train")
    assert told(found) == [("r2", "logged"), ("r0", "logged")]
    assert [(batch.counted, batch.here) for batch in found.batches] == [(3, 2)]
    assert ledger.prove(found[0].batch, index=1).indices == (1,)
    rolled.unlink()
    found = ledger.access("train")
    assert len(found) == 0
    assert [(batch.counted, batch.here) for batch in found.batches] == [(3, 0)]


def test_a_log_that_was_shortened_or_altered_shows(ledger, rolled):
    lines = rolled.read_bytes().split(b"\n")
    other = lines[1].replace(b'"r1"', b'"r9"')
    for changed, left in (
        ([lines[0], *lines[2:]], ["r0"]),  # those behind are not at their places
        ([lines[0], other, *lines[2:]], ["r2", "r0"]),
        ([lines[1], lines[0], *lines[2:]], ["r2"]),
        ([*lines[:-1], lines[0], b""], ["r2", "r1", "r0"]),  # more than were signed
    ):
        rolled.write_bytes(b"\n".join(changed))
        found = ledger.access("train")
        assert [known.use.request for known in found] == left
        assert (found.batches[0].counted, found.batches[0].here) == (3, len(left))


def test_the_tree_of_another_batch_is_none(ledger, rolled):
    use(ledger, request="other")
    ledger.access_log.roll()
    (other,) = set(folder_of(ledger).glob("*.jsonl")) - {rolled}
    trees = ledger.folder.trees
    (trees / other.stem).write_bytes((trees / rolled.stem).read_bytes())
    with pytest.raises(LedgerError, match="is missing or damaged"):
        ledger.access("train")
    (trees / other.stem).unlink()
    with pytest.raises(LedgerError, match="is missing or damaged"):
        ledger.access("train")


def test_uses_whose_statement_was_erased(ledger, rolled):
    (entry,) = [batch.entry for batch in ledger.access("train").batches]
    with ledger._database.writing() as session:
        session.connection().exec_driver_sql(f'DELETE FROM envelope WHERE "index" = {entry}')
    found = ledger.access("train")
    assert told(found) == []
    (batch,) = found.batches
    assert (batch.entry, batch.digest, batch.counted, batch.here) == (entry, rolled.stem, None, 0)


# --- crashes --------------------------------------------------------------------------------------

DIES = """
import sys, provenance
ledger = provenance.Ledger.open()
artifact = ledger.resolve("train").artifact.digest
for number in range(1000):
    ledger.access_log.record("show", [(artifact, None)], who="public", request=f"r{number}")
    print(number, flush=True)
"""


def test_a_process_that_is_killed_loses_no_use_that_was_recorded(ledger, start):
    process = start(DIES)
    for line in process.stdout:
        if int(line) == 100:
            process.kill()
            break
    acknowledged = 101 + len(process.stdout.read().splitlines())
    process.wait()
    before = [known.use.request for known in ledger.access("train", limit=1000)]
    assert ledger.access_log.roll() == [ledger.size() - 1]
    after = [known.use.request for known in ledger.access("train", limit=1000)]
    assert sorted(before) == sorted(after)
    assert {f"r{number}" for number in range(acknowledged)} <= set(after)
    assert len(after) in (acknowledged, acknowledged + 1)  # one may be recorded and not told


def test_what_a_living_process_records_is_its_own_to_sign(ledger, start):
    process = start(
        DIES.replace("print(number, flush=True)", "pass")
        + "print('done', flush=True)\nsys.stdin.readline()"
    )
    assert process.stdout.readline() == "done\n"
    with pytest.raises(LedgerError, match="held by a process that does not sign it"):
        ledger.access_log.roll(patience=0)
    assert ledger.access("train", limit=1)[0].state == "recorded"
    process.kill()
    process.wait()
    assert len(ledger.access_log.roll()) == 1


def test_killed_after_it_was_logged_and_before_the_file_was_removed(ledger, home):
    use(ledger)
    (path,) = use_files(folder_of(ledger))
    kept = path.read_bytes()
    ledger.access_log.roll()
    path.write_bytes(kept)
    size = ledger.size()
    assert told(ledger.access("train")) == [("r1", "logged")]
    assert ledger.access_log.roll() == []
    assert (ledger.size(), use_files(folder_of(ledger))) == (size, [])


@pytest.mark.parametrize("step", ["keep", "write_file", "_is_logged"])
def test_a_failure_at_any_step_is_made_good(ledger, monkeypatch, step):
    use(ledger)

    def fails(*_given, **_more):
        raise LedgerError("the disk is full")

    place = {"_is_logged": batches.UseBatches, "keep": TreeFiles}.get(step, batches)
    with monkeypatch.context() as patched:
        patched.setattr(place, step, fails)
        with pytest.raises(LedgerError, match="the disk is full"):
            ledger.access_log._sign_all()
    use(ledger, request="r2")
    assert told(ledger.access("train")) == [("r2", "recorded"), ("r1", "recorded")]
    assert len(ledger.access_log.roll()) == 2
    assert told(ledger.access("train")) == [("r2", "logged"), ("r1", "logged")]


def test_what_a_crash_tore_off_was_not_acknowledged(ledger):
    use(ledger)
    use(ledger, request="r2")
    (path,) = use_files(folder_of(ledger))
    data = path.read_bytes()
    first = data.index(b"\n") + 1
    for length in range(len(data) + 1):
        found = whole_records(data[:length])
        assert len(found) == (length >= first) + (length == len(data))
    assert len(whole_records(data + bytes(4096))) == 2, "as after a power cut"


def test_any_bit_of_what_waits_is_missed(ledger):
    use(ledger)
    use(ledger, request="r2")
    (path,) = use_files(folder_of(ledger))
    data = path.read_bytes()
    second = data.index(b"\n") + 1
    for at in range(second):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            with pytest.raises(MalformedError, match="use 0 is damaged"):
                whole_records(bytes(flipped))
    path.write_bytes(data.replace(b"r1", b"r7", 1))
    with pytest.raises(LedgerError, match="is damaged: its use 0"):
        ledger.access("train")
    other = UseFile.create(folder_of(ledger))
    other.close()
    with pytest.raises(LedgerError, match="move it away to go on without its uses"):
        ledger.access_log.roll()
    assert use_files(folder_of(ledger)) == [path], "all else was signed"
    path.rename(path.with_suffix(".damaged"))


# --- what cannot be recorded or signed ------------------------------------------------------------


def test_a_use_that_cannot_be_written_is_an_error_and_the_next_one_is_not(ledger, run):
    use(ledger)
    output = run(
        """
import resource, provenance
ledger = provenance.Ledger.open()
artifact = ledger.resolve("train").artifact.digest
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
written, refused = [], 0
for limit in range(0, 4000, 37):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    name = f"full-{limit}-" + "x" * (limit % 40)
    try:
        used = [(artifact, None)] * (1 + limit % 3)
        ledger.access_log.record("show", used, who="public", request=name)
        written += [name] * len(used)
    except provenance.LedgerError as error:
        assert "cannot write" in str(error), error
        refused += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
found = ledger.access("train", limit=1000)
assert sorted(known.use.request for known in found) == sorted([*written, "r1"])
print(len(written) > 5 and refused > 5)
"""
    )
    assert output == "True\n"


def test_what_was_refused_half_written_is_no_use(ledger, monkeypatch):
    use(ledger)
    held = ledger.access_log._file._held
    write, train = held.write, ledger.resolve("train").artifact.digest

    def full(data, at):
        write(data[: data.index(b"\n") + 20], at)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(held, "write", full)
        with pytest.raises(LedgerError, match="No space left on device"):
            ledger.access_log.record(
                "find", [(train, [1]), (train, [2])], who="public", request="r2"
            )
    assert told(ledger.access("train")) == [("r1", "recorded")]
    use(ledger, request="r3")
    assert told(ledger.access("train")) == [("r3", "recorded"), ("r1", "recorded")]


def test_no_more_is_recorded_while_too_much_waits_to_be_signed(home, monkeypatch):
    monkeypatch.setattr(access, "MOST_WAITING", 700)
    turn_on(home, uses=2)
    with Ledger.open(home) as ledger:
        ledger.register(ROWS, name="train")
        for _ in range(4):
            use(ledger)
        assert ledger.access_log.waiting() > 700
        for check in (use, lambda ledger: ledger.access_log.check_room()):
            with pytest.raises(LedgerError, match="bytes of uses wait in"):
                check(ledger)
        ledger.access_log.roll()
        assert ledger.access_log.waiting() == 0
        ledger.access_log.check_room()
        use(ledger)


def test_the_key_must_be_there_and_may_sign(home):
    turn_on(home, signer="service")
    with Ledger.open(home) as ledger:
        ledger.register(ROWS, name="train")
        advice = "no key can sign the access log; make one: `provenance keys new NAME`"
        with pytest.raises(InputError, match=f"service.pem.*{advice}"):
            ledger.access_log.start()
        key = ledger.keyring.new("service")
        with pytest.raises(InputError, match=r"keys/service.pem may not sign .*'access'"):
            ledger.access_log.start()
        ledger.add_key(key, name="service", kinds=["review"])
        with pytest.raises(InputError, match="may not sign"):
            ledger.access_log.check()
        use(ledger)
        with pytest.raises(InputError, match="may not sign"):
            ledger.access_log.roll()
        ledger.add_key(key, name="service", kinds=["access"])
        ledger.access_log.check()
        (entry,) = ledger.access_log.roll()
        assert ledger.entry(entry).signed.keyids == (key.keyid,)
        ledger.revoke_key("service", reason="lost")
        with pytest.raises(InputError, match="may not sign"):
            ledger.access_log.check()


def test_what_cannot_be_signed_at_the_end_waits_for_the_next(home, caplog):
    turn_on(home, signer="service")
    with Ledger.open(home) as ledger:
        ledger.register(ROWS, name="train")
        use(ledger)
    assert "uses wait to be signed: " in caplog.text
    turn_on(home)
    with Ledger.open(home) as ledger:
        assert told(ledger.access("train")) == [("r1", "recorded")]
        assert len(ledger.access_log.roll()) == 1


@pytest.mark.parametrize("settings", [{"uses": 0}, {"uses": 1_000_001}, {"minutes": 0}])
def test_settings_that_there_cannot_be(settings):
    with pytest.raises(MalformedError, match="a batch has 1 to 1,000,000 uses"):
        AccessLogConfig(**settings)


# --- in the background ----------------------------------------------------------------------------


def eventually(holds):
    """Wait until something holds, or fail."""
    end = datetime.now(UTC) + timedelta(seconds=60)
    while not holds():
        assert datetime.now(UTC) < end


@pytest.fixture
def brisk(monkeypatch):
    monkeypatch.setattr(access, "SYNC_SECONDS", 0.02)


@pytest.mark.usefixtures("brisk")
def test_full_batches_are_signed_in_the_background_and_what_others_left(home):
    turn_on(home, uses=2)
    with Ledger.open(home) as ledger:
        ledger.register(ROWS, name="train")
        use(ledger, request="left")
        (path,) = use_files(folder_of(ledger))
        ledger.access_log._file.close()  # as if its process were gone
        ledger.access_log._file = None
        ledger.access_log.start()
        eventually(lambda: not path.exists())
        for number in range(3):
            use(ledger, request=f"r{number}")
        eventually(lambda: len(use_files(folder_of(ledger))) == 1)
        states = dict(told(ledger.access("train")))
        assert states == {"r2": "recorded", "r1": "logged", "r0": "logged", "left": "logged"}


@pytest.mark.usefixtures("brisk")
def test_old_batches_are_signed_in_the_background(ledger, monkeypatch):
    ledger.access_log.start()
    use(ledger)
    monkeypatch.setattr(ledger.access_log, "_begun", ledger.access_log._begun - 3601)
    eventually(lambda: told(ledger.access("train")) == [("r1", "logged")])


@pytest.mark.usefixtures("brisk")
def test_another_process_has_a_running_one_sign(home, ledger):
    ledger.access_log.start()
    use(ledger)
    with Ledger.open(home) as other:
        (entry,) = other.access_log.roll(patience=60)
        assert told(other.access("train")) == [("r1", "logged")]
        assert other.entry(entry).kind == "access"


@pytest.mark.usefixtures("brisk")
def test_what_was_recorded_is_brought_to_the_disk(ledger, monkeypatch):
    ledger.access_log.start()
    use(ledger)
    file = ledger.access_log._file
    eventually(lambda: file._synced == file._end > 0)


@pytest.mark.usefixtures("brisk")
def test_a_disk_that_fails_is_told_once(ledger, monkeypatch, caplog):
    use(ledger)

    def fails():
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(ledger.access_log._file._held, "sync", fails)
    ledger.access_log._sync()
    ledger.access_log._sync()
    assert caplog.text.count("a power cut may cost uses that were recorded") == 1
