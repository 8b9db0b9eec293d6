"""Who may log what: kept from append to append, and never ahead of the log or behind it."""

import linecache
import sys
import threading
import time
from contextlib import closing

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from provenance import BatchError, InputError, Ledger, LedgerError
from provenance.ledger.drafting import draft
from provenance.log.store import Database, EnvelopeRow
from provenance.log.submission import Submission
from provenance.records import ARTIFACT_DIGEST, JSON, Artifact
from provenance.signing import PrivateKey, sign
from provenance.statements import (
    Dataset,
    Key,
    Review,
    Statement,
    Subject,
    Supersede,
    key_subject,
)

ALICE, BOB, STRANGER = (PrivateKey.generate() for _ in range(3))


def review(ledger, number, *keys):
    """What a foreign reviewer sends."""
    digest = {ARTIFACT_DIGEST: f"{number:064x}"}
    predicate = Review(**ledger.journal.stamp(), verdict="approve", reason=f"review {number}")
    statement = Statement(subjects=(Subject(name="it", digest=digest),), predicate=predicate)
    return Submission(sign(statement.to_bytes(), keys), statement)


def dataset(ledger, root, *keys):
    artifact = Artifact(root=root, size=1, encoding=JSON)
    predicate = Dataset(**ledger.journal.stamp(), artifact=artifact)
    subject = Subject(name="rows", digest={ARTIFACT_DIGEST: artifact.digest_hex})
    statement = Statement(subjects=(subject,), predicate=predicate)
    return Submission(sign(statement.to_bytes(), keys), statement), subject


def added(ledger, key):
    """The statement of an admin that adds a key."""
    predicate = Key(**ledger.journal.stamp(), action="add", public_key=key.public.to_pem())
    subject = key_subject("somebody", key.public.keyid)
    statement = Statement(subjects=(subject,), predicate=predicate)
    return Submission(sign(statement.to_bytes(), [ledger.keyring.admin]), statement)


def envelopes(submissions):
    return [each.envelope.to_bytes() for each in submissions]


# --- batches --------------------------------------------------------------------------------------


def test_a_batch_is_logged_in_order(ledger):
    ledger.add_key(ALICE.public, name="alice")
    batch = [review(ledger, number, ALICE) for number in range(300)]
    assert ledger.submit_all(envelopes(batch)) == list(range(3, 303))
    assert [line.subjects for line in ledger.entries(start=3, limit=300)] == [("it",)] * 300
    assert ledger.journal.append_all([]) == ledger.submit_all([]) == []


def test_a_batch_is_sent_again_and_holds_one_twice(ledger):
    ledger.add_key(ALICE.public, name="alice")
    one, two, three = (review(ledger, number, ALICE) for number in range(3))
    assert ledger.journal.append_all([one, two, one]) == [3, 4, 3]
    assert ledger.journal.append_all([two, three, one]) == [4, 5, 3]
    ledger.revoke_key("alice", reason="left")
    assert ledger.submit_all(envelopes([three, one])) == [5, 3], "what was logged stays so"


def test_one_that_cannot_be_taken_keeps_the_batch_out(ledger):
    ledger.add_key(ALICE.public, name="alice")
    good = [review(ledger, number, ALICE) for number in range(3)]
    stranger = review(ledger, 7, BOB)
    for call, bad in (
        (ledger.journal.append_all, [*good, stranger]),
        (ledger.submit_all, envelopes([*good, stranger])),
        (ledger.submit_all, [*envelopes(good), b"{}"]),
    ):
        with pytest.raises(BatchError, match="item 3 of the batch: ") as caught:
            call(bad)
        assert caught.value.position == 3
        assert str(caught.value.reason) in str(caught.value)
        assert ledger.status().size == 3
    tampered = good[1].envelope.to_bytes().replace(b'"sig":"', b'"sig":"A', 1)[:-5] + b'=="}]}'
    with pytest.raises(BatchError) as caught:
        ledger.submit_all([envelopes(good)[0], tampered])
    assert caught.value.position == 1
    assert ledger.submit_all(envelopes(good)) == [3, 4, 5]


def test_a_key_may_be_added_and_used_in_one_batch(ledger):
    batch = [added(ledger, ALICE), review(ledger, 1, ALICE)]
    assert ledger.journal.append_all(batch) == [2, 3]
    assert ledger.journal.append(review(ledger, 2, ALICE)) == 4


def test_a_registration_may_be_superseded_in_the_batch_that_made_it(ledger):
    ledger.add_key(ALICE.public, name="alice")
    ledger.add_key(BOB.public, name="bob")
    registered, subject = dataset(ledger, bytes(32), ALICE)
    predicate = Supersede(**ledger.journal.stamp(), reason="wrong")
    wrong = Statement(subjects=(subject,), predicate=predicate)

    def by(key):
        return Submission(sign(wrong.to_bytes(), [key]), wrong)

    with pytest.raises(BatchError, match="nor an original signer"):
        ledger.journal.append_all([registered, by(BOB)])
    assert ledger.journal.append_all([registered, by(ALICE)]) == [4, 5]


def test_a_key_of_a_batch_that_was_refused_is_not_known(ledger):
    with pytest.raises(BatchError, match=f"item 2 of the batch: .*{BOB.public.keyid}"):
        ledger.journal.append_all(
            [added(ledger, ALICE), review(ledger, 1, ALICE), review(ledger, 2, BOB)]
        )
    with pytest.raises(InputError, match="add it first"):
        ledger.journal.append(review(ledger, 3, ALICE))
    assert ledger.status().size == 2


def test_what_a_refused_batch_said_of_keys_does_not_count_for_the_rest_of_its_group(ledger):
    ledger.add_key(BOB.public, name="bob")
    keys = ledger.journal.look()
    bad = [added(ledger, ALICE), review(ledger, 1, ALICE), review(ledger, 2, STRANGER)]
    good = [review(ledger, number, BOB) for number in range(3)]
    group = [[draft(each, keys) for each in batch] for batch in (bad, good)]
    refused, logged = ledger.journal._commit(group)
    assert isinstance(refused, BatchError)
    assert logged == [3, 4, 5]
    with pytest.raises(InputError, match=f"does not know the key {ALICE.public.keyid}"):
        ledger.journal.append(review(ledger, 3, ALICE))
    assert ledger.journal.append_all(bad[:2]) == [6, 7]


# --- what others log, and what is undone ----------------------------------------------------------


def test_what_another_process_says_of_keys_counts_at_once(ledger, home):
    with Ledger.open(home) as other:
        ledger.add_key(ALICE.public, name="alice")
        assert other.submit(envelopes([review(ledger, 1, ALICE)])[0]) == 3
        assert other.journal.append(review(ledger, 2, ALICE)) == 4
        ledger.revoke_key("alice", reason="left")
        with pytest.raises(InputError, match="was revoked at entry 5"):
            other.journal.append(review(ledger, 3, ALICE))


@pytest.fixture
def commits(ledger):
    """What becomes of the next commits: False fails as the database's own would."""
    coming = []

    @event.listens_for(ledger._database._engine, "commit")
    def fail(_connection):
        if coming and not coming.pop(0):
            raise OperationalError("COMMIT", {}, Exception("no answer"))

    return coming


def test_a_key_whose_commit_failed_is_not_known(ledger, commits):
    key = added(ledger, ALICE)
    commits.append(False)
    with pytest.raises(LedgerError, match="no answer"):
        ledger.journal.append(key)
    with pytest.raises(InputError, match="add it first"):
        ledger.journal.append(review(ledger, 1, ALICE))
    assert ledger.journal.append_all([key, review(ledger, 1, ALICE)]) == [2, 3]


def test_keys_are_read_once(ledger, monkeypatch):
    """However many there are, an append asks only for what is new of them."""
    keys = [PrivateKey.generate() for _ in range(20)]
    ledger.journal.append_all([added(ledger, key) for key in keys])
    read = []
    parse = Statement.parse.__func__
    monkeypatch.setattr(
        Statement, "parse", classmethod(lambda cls, data: read.append(data) or parse(cls, data))
    )
    for number in range(5):
        ledger.journal.append(review(ledger, number, keys[number]))
    assert len(read) <= 5 + len(keys), "the key statements are read at most once"
    before = len(read)
    ledger.journal.append(review(ledger, 9, keys[9]))
    assert len(read) == before + 1, "the new statement alone, which its signer reads back"


# --- threads --------------------------------------------------------------------------------------


@pytest.fixture
def at_once(ledger):
    """Append from as many threads as there are submissions; return what each was told."""

    def append_all(submissions):
        outcomes = [None] * len(submissions)

        def append(number):
            try:
                outcomes[number] = ledger.journal.append(submissions[number])
            except (InputError, LedgerError) as error:
                outcomes[number] = error

        threads = [threading.Thread(target=append, args=(n,)) for n in range(len(submissions))]
        with closing(Database.open(ledger.folder.database)) as other, other.writing():
            for thread in threads:  # of which the first waits for the database, the rest for it
                thread.start()
            while len(ledger.journal._group._queue) < len(threads) - 1:
                time.sleep(0.01)
        for thread in threads:
            thread.join()
        return outcomes

    return append_all


def test_threads_share_commits_and_one_fails_alone(ledger, at_once, commits):
    ledger.add_key(ALICE.public, name="alice")
    commits += [True] * 9
    stranger = review(ledger, 100, BOB)
    good = [review(ledger, number, ALICE) for number in range(24)]
    told = at_once([*good[:12], stranger, *good[12:]])
    refused = told.pop(12)
    assert type(refused) is InputError
    assert BOB.public.keyid in str(refused)
    assert sorted(told) == list(range(3, 27))
    assert len(commits) == 7, "one commit for the first, one for all others"
    assert sorted(at_once(good)) == list(range(3, 27))


def test_a_commit_that_fails_fails_its_group_and_no_other(ledger, at_once, commits):
    ledger.add_key(ALICE.public, name="alice")
    batch = [review(ledger, number, ALICE) for number in range(8)]
    commits += [True, False]
    told = at_once(batch)
    failed = [each for each in told if isinstance(each, LedgerError)]
    assert [each for each in told if each not in failed] == [3]
    assert len(failed) == 7
    assert len({id(error) for error in failed}) == 7, "each thread raises an error of its own"
    assert all("no answer" in str(error) for error in failed)
    commits += [False, True]
    more = [review(ledger, 10 + number, ALICE) for number in range(4)]
    told = at_once(more)
    assert sorted(each for each in told if isinstance(each, int)) == [4, 5, 6]
    assert sorted(ledger.journal.append_all([*batch, *more])) == list(range(3, 15))


def test_an_interruption_at_any_moment_lets_the_next_one_in(ledger, monkeypatch):
    """Ctrl-C within each line of a submission, up to the commit; then somebody else appends."""
    ledger.add_key(ALICE.public, name="alice")

    def interrupted_at(line, submission):
        left = [line]

        def trace(frame, event, _):
            if "group.py" not in frame.f_code.co_filename:
                return None
            # Python itself lets no signal in at the ends of a `with`; nothing is left to do after
            # the last line, which cleans up.
            line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
            counts = not any(end in line for end in ("with ", "finally:", "self._leave(own)"))
            if event == "line" and frame.f_code.co_name in ("submit", "_lead") and counts:
                left[0] -= 1
                if left[0] == 0:
                    sys.settrace(None)
                    raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            ledger.journal.append(submission)
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False

    line, interrupted = 1, True
    while interrupted:
        interrupted = interrupted_at(line, review(ledger, 2 * line, ALICE))
        other = threading.Thread(
            target=ledger.journal.append, args=(review(ledger, 2 * line + 1, ALICE),), daemon=True
        )
        other.start()
        other.join(10)
        assert not other.is_alive(), f"an interruption at line {line} hangs everybody after it"
        line += 1
    assert line > 20


def test_one_whose_envelope_was_erased_can_be_superseded_by_an_admin_alone(ledger):
    registered = ledger.register([{"id": 1}], name="rows")
    with ledger._database.writing() as session:
        session.delete(session.get(EnvelopeRow, registered.index))
    predicate = Supersede(**ledger.journal.stamp(), reason="wrong")
    subject = Subject(name="rows", digest={ARTIFACT_DIGEST: registered.digest})
    statement = Statement(subjects=(subject,), predicate=predicate)
    with pytest.raises(InputError, match="neither an admin key nor an original signer"):
        ledger.journal.submit(statement)
    assert ledger.journal.submit(statement, [ledger.keyring.admin]) == registered.index + 1
