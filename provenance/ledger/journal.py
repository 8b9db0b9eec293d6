"""Writing to the log: sign, admit, append and catalogue, each batch in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress

from provenance.errors import BatchError, InputError, LedgerError
from provenance.ledger.admission import Admission
from provenance.ledger.catalog import Catalog
from provenance.ledger.desk import Clock, Desk
from provenance.ledger.drafting import Draft, Keys, draft
from provenance.ledger.group import GroupCommit
from provenance.ledger.keyring import Keyring
from provenance.log.log import Log
from provenance.log.store import Database
from provenance.log.submission import Submission
from provenance.signing import Envelope, PrivateKey, sign
from provenance.statements import Statement
from provenance.verification import Standing

__all__ = ["Journal"]


class Journal(Desk[int]):
    """The one way into the log of a ledger. May be shared between threads."""

    def __init__(self, database: Database, origin: str, keyring: Keyring, clock: Clock) -> None:
        super().__init__(clock)
        self._database = database
        self._origin = origin
        self._keyring = keyring
        self._admission = Admission()
        self._alone = threading.Lock()  # with the admission
        self._group = GroupCommit[Draft, int](self._commit)

    @property
    def signers(self) -> Sequence[PrivateKey]:
        """The keys that sign statements; as `Desk`."""
        return self._keyring.signers

    def submit(self, statement: Statement, keys: Iterable[PrivateKey] = ()) -> int:
        """Sign a statement, with the ledger's signers unless `keys` are given, and append it.

        Returns:
            Its index in the log. When this returns, the entry is durable.

        Raises:
            InputError: the keys may not sign this, by what the log says of them.
        """
        keys = tuple(keys) or self.signers
        return self.append(Submission(sign(statement.to_bytes(), keys), statement))

    def append(self, submission: Submission) -> int:
        """Append what somebody signed; as `submit`.

        Threads that append at the same time share a transaction; one whose submission cannot be
        taken fails alone.
        """
        try:
            (index,) = self.write([draft(submission, self.keys)])
        except BatchError as error:
            raise error.reason from None
        return index

    def append_all(self, submissions: Iterable[Submission]) -> list[int]:
        """Append in order, all or nothing, in one transaction; return each one's index.

        The same payload by the same keys is logged once, so a batch whose answer was lost can be
        sent again and gets the same indices.

        Raises:
            BatchError: one of them cannot be taken, as `submit` says; nothing was appended.
        """
        drafts = []
        for position, submission in enumerate(submissions):
            try:
                drafts.append(draft(submission, self.keys))
            except InputError as error:
                raise BatchError(error, position) from error
        return self.write(drafts)

    def write(self, drafts: Sequence[Draft]) -> list[int]:
        """Append drafts; as `append_all`."""
        return self._group.submit(drafts) if drafts else []

    @property
    def keys(self) -> Keys:
        """The keys that the log knew when it was last looked at."""
        return self._admission.keys

    def look(self) -> Keys:
        """Look what the log says of keys now; return those that it knows."""
        with self._database.reading() as session, self._alone:
            self._admission.catch_up(Log(session, self._origin))
            return self.keys

    def _commit(self, items: list[Sequence[Draft]]) -> list[list[int] | Exception]:
        """Append what can be taken of `items`, each as a whole or not at all.

        A crash before the commit leaves nothing of any of them, and one after it all.
        """
        outcomes: list[list[int] | Exception] = []
        with self._alone, self._admission.transaction(), self._database.writing() as session:
            log, catalog = Log(session, self._origin), Catalog(session)
            # What was logged stays so: who never got the answer asks again, perhaps with a key that
            # this very entry revoked.
            indices = log.find(each.leaf.identity for item in items for each in item)
            self._admission.catch_up(log)
            size, new = log.size, list[Draft]()

            def original_signers(statement: Statement, standing: Standing) -> frozenset[str]:
                found = frozenset[str]()
                for digest in statement.artifact_digests()[:1]:
                    for index in catalog.registrations(digest=digest.hex()):
                        with suppress(LedgerError):  # erased: then only an admin can say so
                            found |= standing.signers(Envelope.parse(log.envelope(index)))
                    for each in new:
                        if each.registers(digest):
                            found |= each.verified
                return found

            for item in items:
                taken, position = len(new), 0
                try:
                    with self._admission.all_or_nothing(log):
                        for position, each in enumerate(item):  # noqa: B007 - of what fails
                            if each.leaf.identity not in indices:
                                index = size + len(new)
                                self._admission.admit(index, each, original_signers)
                                indices[each.leaf.identity] = index
                                new.append(each)
                    outcomes.append([indices[each.leaf.identity] for each in item])
                except InputError as error:
                    for each in new[taken:]:
                        del indices[each.leaf.identity]
                    del new[taken:]
                    outcomes.append(BatchError(error, position))
            log.extend([each.leaf for each in new])
            catalog.add(size, [each.rows for each in new])
        return outcomes
