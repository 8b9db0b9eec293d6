"""Registering: from data to the entry that says what it is and where it is from."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import fields, replace
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from provenance import forms
from provenance.errors import InputError
from provenance.ledger.catalog import Catalog, RegisteredArtifact
from provenance.ledger.folder import Folder
from provenance.ledger.journal import Stamp
from provenance.log.log import Log
from provenance.merkle import EMPTY_ROOT, HASH_SIZE, CompactRange, Tree, TreeWriter
from provenance.merkle.index import write_index
from provenance.records import ARTIFACT_DIGEST, Artifact, Encoding
from provenance.records.sources import Progress, Source
from provenance.signing import Envelope
from provenance.statements import Dataset, Model, Outputs, Sensitivity, Statement, Subject
from provenance.statements.predicates import Described

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["keep_tree", "register"]

_BLOCK = 1 << 20

_FORMS: dict[str, type[Described]] = {"dataset": Dataset, "model": Model, "outputs": Outputs}


def register(
    ledger: Ledger,
    source: Source,
    *,
    name: str | None,
    kind: str | None,
    claims: Mapping[str, Any],
    sensitivity: Sensitivity,
    metadata: Mapping[str, forms.Json] | None,
    progress: Progress | None,
) -> RegisteredArtifact:
    """Hash what was opened, sign the claims about it, and log that; as `Ledger.register`.

    Args:
        ledger: that signs.
        source: what is hashed.
        name: of the artifact; the source's own, if None.
        kind: of the statement; the source's own, if None.
        claims: the fields of the statement that are the kind's own; None says nothing.
        sensitivity: of the artifact.
        metadata: anything else, signed.
        progress: called with how much was read, and of how much.

    Raises:
        InputError: it cannot be registered; nothing was written.
    """
    name = name or source.name
    if not name:
        raise InputError("what is in memory has no name of its own: give one with name=")
    described = partial(
        _describe,
        kind or source.default_kind,
        name,
        ledger.journal.stamp(),
        claims=claims,
        sensitivity=sensitivity,
        metadata=dict(metadata or {}),
    )
    # Said of nothing first, and the keys opened: a mistake costs no hours of hashing.
    nothing = Artifact(root=EMPTY_ROOT, size=0, encoding=source.encoding)
    described(nothing, {}, None).to_bytes()
    signers = {key.public.keyid for key in ledger.keyring.signers}
    leaf_hashes = _leaf_hashes(ledger.folder, source, progress)
    artifact = keep_tree(ledger.folder, leaf_hashes, source.encoding)
    tree = Tree.open(ledger.folder.tree(artifact.digest))
    source.remember(CompactRange.of(tree.size, tree.node))
    statement = described(artifact, source.digests, source.schema)
    if sensitivity in ("confidential", "restricted") and artifact.encoding.name == "json":
        warnings.warn(
            f"{name}: whoever holds a proof can test guesses at neighbouring records; rows "
            "of few possible values can be guessed",
            stacklevel=3,
        )
    with ledger.folder.alone("register"):  # two at once shall not both find nothing
        known = _known(ledger, name, statement, signers)
        return known or RegisteredArtifact.of(ledger.journal.submit(statement), statement)


def _leaf_hashes(folder: Folder, source: Source, progress: Progress | None) -> Iterator[bytes]:
    """Yield all leaf hashes: those of records that were registered before from the tree they have.

    Only from one whose leaves make the root that is remembered; it is replaced as a whole, so what
    was checked is what is read then.
    """
    with ExitStack() as stack:
        kept: IO[bytes] | None = None

        def usable(known: Artifact) -> bool:
            nonlocal kept
            try:
                kept = stack.enter_context(folder.tree(known.digest).open("rb"))
                found = CompactRange()
                for block in _blocks(kept, known.size):
                    found.extend(block)
            except (OSError, ValueError):
                return False
            return (found.end, found.root()) == (known.size, known.root)

        known = source.resume(usable)
        if kept is not None:
            yield from _blocks(kept, known.end)
        yield from source.leaf_hash_blocks(progress)


def _blocks(tree: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield the first `size` leaf hashes of a tree file, which begins with them."""
    rest = size * HASH_SIZE
    tree.seek(0)
    while block := tree.read(min(rest, _BLOCK)):
        yield block
        rest -= len(block)


def keep_tree(folder: Folder, leaf_hash_blocks: Iterator[bytes], encoding: Encoding) -> Artifact:
    """Build and keep the tree over leaf hashes, 32·n bytes at a time, and its index.

    A crash later leaves a tree file that nothing names, and that serves again.
    """
    with folder.building() as drafts, TreeWriter(drafts) as writer:
        for block in leaf_hash_blocks:
            writer.extend(block)
        tree = writer.finish()
        artifact = Artifact(root=tree.root, size=tree.size, encoding=encoding)
        writer.keep(folder.tree(artifact.digest))
        write_index(tree, drafts, folder.index(artifact.digest))
    return artifact


def _known(
    ledger: Ledger, name: str, statement: Statement, signers: set[str]
) -> RegisteredArtifact | None:
    """Return what says the same already, signed by all of `signers`."""
    (digest,) = statement.artifact_digests()[:1]
    with ledger._database.reading() as session:
        log = Log(session, ledger.origin)
        for index in Catalog(session).registrations(name=name, digest=digest.hex()):
            envelope = Envelope.parse(log.envelope(index))
            known = Statement.parse(envelope.payload)
            if signers <= set(envelope.keyids) and _same_claims(known, statement):
                return RegisteredArtifact.of(index, known)
    return None


def _describe(
    kind: str,
    name: str,
    stamp: Stamp,
    artifact: Artifact,
    digests: Mapping[str, str],
    schema: Mapping[str, str] | None,
    *,
    claims: Mapping[str, Any],
    sensitivity: Sensitivity,
    metadata: dict[str, forms.Json],
) -> Statement:
    """Return the statement of `kind` about `artifact`.

    Raises:
        InputError: an unknown kind, or a claim that statements of this kind have no place for.
    """
    form = _FORMS.get(kind)
    if form is None:
        raise InputError(f"nothing is registered as {kind!r}: there are {', '.join(_FORMS)}")
    known = {field.name for field in fields(form)}
    given = {claim: value for claim, value in claims.items() if value is not None}
    for claim in given:
        if claim not in known:
            raise InputError(f"{name!r} is of kind {kind!r}, which has no {claim}")
    if schema is not None and "schema" in known:
        given["schema"] = dict(schema)
    predicate = form(
        **stamp, artifact=artifact, sensitivity=sensitivity, metadata=metadata, **given
    )
    subject = Subject(name=name, digest={ARTIFACT_DIGEST: artifact.digest_hex, **digests})
    return Statement(subjects=(subject,), predicate=predicate)


def _same_claims(known: Statement, new: Statement) -> bool:
    """Say whether two statements differ in nonce and time at most."""
    predicate = replace(new.predicate, nonce=known.predicate.nonce, issued=known.predicate.issued)
    return known == replace(new, predicate=predicate)
