"""Batches of uses, signed: the records under a tree, and how often each artifact was used.

In this order, with what a crash then leaves:

1. the tree, and ``access/<digest>.jsonl``: files that nothing names, and that serve again
2. the statement: its uses are given once more, and it is seen that it is there
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from provenance.errors import LedgerError
from provenance.ledger.catalog import Catalog
from provenance.ledger.folder import write_file
from provenance.ledger.keys import own_key
from provenance.ledger.refs import read_statement
from provenance.log.log import Log
from provenance.merkle import leaf_hash
from provenance.records import ARTIFACT_DIGEST, JSON, Artifact
from provenance.signing import PrivateKey
from provenance.statements import Access, Statement, Subject

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["UseBatches"]

NAME = "uses"
"""Of every batch. It is found by its digest."""

_ADVICE = (
    "make one: `provenance keys new NAME`, `provenance keys add NAME --kind access`, and "
    'signer = "NAME" under [service.accessLog] in config.toml'
)


class UseBatches:
    """Signs batches of uses in one ledger, with the key in ``keys/<signer>.pem``."""

    def __init__(self, ledger: Ledger, signer: str) -> None:
        self._ledger = ledger
        self._signer = signer

    def sign(self, records: Sequence[bytes]) -> None:
        """Keep the records of a batch, and log its statement, unless it is logged.

        Raises:
            InputError: the key cannot be opened, or may not sign it.
            LedgerError: something cannot be written.
        """
        leaf_hashes = b"".join(map(leaf_hash, records))
        artifact, _ = self._ledger.trees.keep(iter([leaf_hashes]), JSON)
        text = b"\n".join([*records, b""]).decode()
        write_file(self._ledger.folder.uses(artifact.digest), text, private=True)
        if not self._is_logged(artifact):
            self._ledger.journal.submit(self._statement(artifact, records), [self.key()])

    def key(self) -> PrivateKey:
        """Return the key that signs batches.

        Raises:
            InputError: it cannot be opened, or may not sign them.
        """
        return own_key(self._ledger, self._signer, "access", "the access log", _ADVICE)

    def _is_logged(self, artifact: Artifact) -> bool:
        with self._ledger._database.reading() as session:
            return bool(Catalog(session).registrations(digest=artifact.digest_hex, limit=1))

    def _statement(self, artifact: Artifact, records: Sequence[bytes]) -> Statement:
        uses = [json.loads(record) for record in records]
        counts = Counter(use["artifact"] for use in uses)
        named = {artifact.digest_hex: NAME} | self._names(counts)
        times = [use["when"] for use in uses]
        predicate = Access(
            **self._ledger.journal.stamp(),
            artifact=artifact,
            uses=dict(counts),
            started=min(times),
            finished=max(times),
        )
        subjects = [
            Subject(name=name, digest={ARTIFACT_DIGEST: digest}) for digest, name in named.items()
        ]
        return Statement(subjects=tuple(subjects), predicate=predicate)

    def _names(self, digests: Iterable[str]) -> dict[str, str]:
        """Return what artifacts are called; by their digests, where they were erased."""
        names = {digest: digest for digest in digests}
        with self._ledger._database.reading() as session:
            log = Log(session, self._ledger.origin)
            for digest, entry in Catalog(session).newest(list(map(bytes.fromhex, names))).items():
                with suppress(LedgerError):
                    names[digest.hex()] = read_statement(log, entry).subjects[0].name
        return names
