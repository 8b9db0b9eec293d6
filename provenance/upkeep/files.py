"""The files beside the database: trees and their indices, keys, and what waits to be registered."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from provenance.errors import InputError, LedgerError, MalformedError
from provenance.ledger.config import ChainConfig
from provenance.ledger.folder import Folder
from provenance.ledger.keyring import ACCOUNT, Keyring
from provenance.ledger.spool import FRAME, inspect, spool_files
from provenance.ledger.treefiles import TreeDamagedError, TreeFiles, index_of
from provenance.ledger.uploads import claimed
from provenance.ledger.uses import use_files, whole_records
from provenance.merkle import HASH_SIZE, Tree
from provenance.merkle.index import IndexUnusableError, check_index
from provenance.records import Artifact
from provenance.signing import VerifierKey, read_key_file, read_secret_file
from provenance.signing.keys import is_encrypted
from provenance.statements import Key, Statement
from provenance.upkeep.report import SHOWN, Area, Findings, Kind, Progress, counted

__all__ = ["check_keys", "check_pending", "check_trees"]

TREE = Kind(
    "no record of this artifact can be proven, or only some",
    "register the same data again, which writes it anew; or bring the file back from a backup",
)
STORED = Kind(
    "once its copy here has made way, no record of this artifact can be proven, or only some",
    "delete it there if it is, then register the same data again, which puts it there anew",
)
COPY = Kind(
    "records of this artifact cannot be proven, or only some, until it is fetched anew",
    "delete its folder: it is fetched when it is next needed",
)
INDEX = Kind(
    "records are not found by it: it is left aside, and looking them up takes longer",
    "delete the file: it is built again when it is next needed",
)
KEY = Kind(
    "it signs nothing that the log takes, or is known to others than its owner",
    "bring the file back from where its copy is kept; a key that others may have seen, revoke: "
    "`provenance keys revoke`",
)
PENDING = Kind(
    "outputs that were acknowledged cannot be registered",
    "bring the file back from a backup; or move it away, to go on without its outputs",
)
USES = Kind(
    "who asked for something, as it was recorded, cannot be signed",
    "bring the file back from a backup; or move it away, to go on without its uses",
)
UPLOAD = Kind(
    "a client cannot go on with it; nothing that was acknowledged as registered rests on it",
    "delete the folder: the client begins anew",
)


# --- trees ----------------------------------------------------------------------------------------


def check_trees(
    trees: TreeFiles,
    artifacts: Mapping[bytes, Artifact],
    found: Findings,
    progress: Progress,
) -> Area:
    """Hash every tree again, and make every index again; those in a storage are fetched for it.

    Args:
        trees: of the ledger.
        artifacts: digest → artifact, of all that the log registers.
        found: for the findings.
        progress: called with bytes done, and all of them.
    """
    sizes = {path.name: path.stat().st_size for path in _listed(trees.folder.trees, found)}
    total, done, leaves, count = sum(sizes.values()), 0, 0, 0
    missing = []
    with _doubted(found):
        trees.check()
    asks = trees.storage is not None and not found.doubts
    for digest, artifact in sorted(artifacts.items()):
        name, path = digest.hex(), trees.folder.tree(digest)
        stored = asks and _check_stored(trees, artifact, found)
        if name in sizes:
            _check_tree(path, f"trees/{name}", artifact, found, TREE)
            done += sizes.pop(name) + sizes.pop(f"{name}.index", 0)
            progress(done, total)
            if asks and not stored:
                found.notes.append(f"trees/{name} is here alone: see `provenance storage --free`")
        elif not stored and (asks or trees.storage is None):
            missing.append(name)
            continue
        elif (copy := trees.cached(digest)).exists():
            _check_tree(copy, f"cache/{name}/{name}", artifact, found, COPY)
        count, leaves = count + 1, leaves + artifact.size
    for name in missing[:SHOWN]:
        found.doubts.append(
            f"trees/{name} is not here: it never was, where a statement came without it, "
            "or it is lost. Register the same data here, and records of it can be proven"
        )
    if len(missing) > SHOWN:
        found.doubts.append(f"{len(missing) - SHOWN} more trees are not here")
    for name in sorted(sizes):
        if not re.fullmatch(r"[0-9a-f]{64}(\.index)?", name):
            found.notes.append(f"trees/{name} is none of the ledger's files")
        elif not name.endswith(".index"):
            found.notes.append(f"trees/{name} is of no artifact in the log: a call that failed")
    where = "" if trees.storage is None else f", in {trees.storage.place}"
    return found.area(
        f"{counted(count, 'tree')} of {counted(leaves, 'record')}{where}", there=bool(count)
    )


def _check_stored(trees: TreeFiles, artifact: Artifact, found: Findings) -> bool:
    """Check a tree in the storage; say whether it is there, as far as can be told."""
    with _doubted(found):
        if trees.storage is None or trees.storage.length(artifact.digest) is None:
            return False
        try:
            with tempfile.TemporaryDirectory(prefix="provenance-fsck-") as spare:
                trees.bring(artifact, Path(spare) / "tree")
        except TreeDamagedError as error:
            found.fault(f"{error}", STORED)
    return True


@contextmanager
def _doubted(found: Findings) -> Iterator[None]:
    """Let what a storage does not answer be a doubt."""
    try:
        yield
    except LedgerError as error:
        if str(error) not in found.doubts:
            found.doubts.append(str(error))


def _check_tree(path: Path, what: str, artifact: Artifact, found: Findings, kind: Kind) -> None:
    size, root = artifact.size, artifact.root
    try:
        tree = Tree.open(path)
        tree.check()
        if (tree.size, tree.root) != (size, root):
            found.fault(
                f"{what} has {tree.size} leaves and the root {tree.root.hex()}, not {size} and "
                f"{root.hex()}",
                kind,
            )
            return
    except LedgerError as error:
        if kind is not COPY or path.exists():  # else it made way meanwhile
            found.fault(f"{what}: {error}", kind)
        return
    if not index_of(path).exists():
        found.notes.append(f"{what} has no index: one is built when a record is looked up")
        return
    with tempfile.TemporaryDirectory(prefix="provenance-fsck-") as spare:
        try:
            check_index(tree, Path(spare), index_of(path))
        except IndexUnusableError as error:
            found.fault(f"{what}.index: {error}", INDEX)
        except LedgerError as error:
            found.doubts.append(f"{what}.index was not checked: {error}")


def _listed(folder: Path, found: Findings) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.is_dir())
    except OSError as error:
        found.fault(f"{folder} cannot be read: {error.strerror}", TREE)
        return []


# --- keys -----------------------------------------------------------------------------------------


def check_keys(
    folder: Folder,
    genesis: Statement | None,
    keyids: Collection[str],
    chains: Mapping[str, ChainConfig],
    passphrase: str | None,
    found: Findings,
) -> Area:
    """Open every private key, and find its public half in the log.

    Args:
        folder: of the ledger.
        genesis: the statement of entry 0, which names log key and account.
        keyids: of every key that the log knows.
        chains: as configured: with the key files of accounts.
        passphrase: of the keys; where they have one and it is not given, they stay undecided.
        found: for the findings.
    """
    files = _listed(folder.keys, found)
    if not files and not found.faults:
        return found.area("no private keys here, as in a backup without them", there=False)
    predicate = genesis.predicate if genesis is not None else None
    said = predicate if isinstance(predicate, Key) else None
    secret = (passphrase or os.environ.get("PROVENANCE_PASSPHRASE") or "").encode() or None
    names = {path.name for path in files}
    if "log.pem" not in names:
        found.fault("keys/log.pem is missing: no checkpoint can be signed", KEY)
    accounts = {ACCOUNT, *(chain.account for chain in chains.values() if chain.account)}
    for path in files:
        if f"keys/{path.name}" in accounts or path.suffix != ".pem":
            continue
        _check_signer(path, said, keyids, secret, found)
    for name in sorted(accounts):
        _check_account(folder, name, said, passphrase, found)
    return found.area(counted(len(files), "key file"))


def _check_signer(
    path: Path, genesis: Key | None, keyids: Collection[str], secret: bytes | None, found: Findings
) -> None:
    what = f"keys/{path.name}"
    try:
        data = read_secret_file(path)
        if is_encrypted(data) and secret is None:
            found.doubts.append(f"{what} has a passphrase, which was not given")
            return
        public = read_key_file(path, secret).public
    except InputError as error:
        found.fault(f"{what}: {error}", KEY)
        return
    if path.name == "log.pem" and genesis is not None:
        if VerifierKey.parse(str(genesis.log_key)).key != public:
            found.fault(f"{what} is not the key of this log", KEY)
    elif genesis is not None and public.keyid not in keyids:
        if path.name in ("admin.pem", "signer.pem"):
            found.fault(f"{what} is a key that the log does not know", KEY)
        else:
            found.doubts.append(
                f"{what} is a key that the log does not know: it was not added yet, or it is "
                "damaged. `provenance keys add` lets it sign"
            )


def _check_account(
    folder: Folder, name: str, genesis: Key | None, passphrase: str | None, found: Findings
) -> None:
    path = folder.path / name
    try:
        secret = Keyring(folder, passphrase).account(name)
    except InputError as error:
        if path.is_file() and "no passphrase was given" in str(error):
            found.doubts.append(f"{name} has a passphrase, which was not given")
        else:
            found.fault(f"{name}: {error}", KEY)
        return
    if name != ACCOUNT or genesis is None or not genesis.accounts:
        return
    from eth_keys.datatypes import PrivateKey

    address = PrivateKey(secret).public_key.to_address()
    if address not in {account.publisher for account in genesis.accounts}:
        found.fault(f"{name} is the account {address}, which entry 0 does not name", KEY)


# --- what waits -----------------------------------------------------------------------------------


def check_pending(folder: Folder, found: Findings) -> Area:
    """Read what is recorded and not registered or signed yet, and what is being uploaded."""
    count = 0
    for path in spool_files(folder.spool):
        what = f"spool/{path.name}"
        try:
            whole, rest = inspect(path)
        except MalformedError as error:
            found.fault(f"{what}: {error}", PENDING)
        except LedgerError as error:
            found.doubts.append(str(error))
        else:
            count += whole
            if rest == FRAME:
                found.doubts.append(
                    f"{what}: its last output is torn by a crash, and was not acknowledged, or it "
                    "is damaged"
                )
    uses = 0
    for path in use_files(folder.access):
        with found.catching(USES, f"access/{path.name}: "):
            try:
                data = path.read_bytes()
                uses += len(whole_records(data))
            except FileNotFoundError:  # signed just now
                continue
            except OSError as error:
                raise LedgerError(f"it cannot be read: {error.strerror}") from error
            if not data.endswith(b"\n") and data:
                found.doubts.append(
                    f"access/{path.name}: its last use is torn by a crash, and was not answered, "
                    "or it is damaged"
                )
    uploads = 0
    for place in sorted((folder.path / "uploads").glob("*")):
        uploads += 1
        with found.catching(UPLOAD, f"uploads/{place.name}: "):
            _check_upload(place)
    return found.area(
        f"{counted(count, 'output')} not registered yet, {counted(uses, 'use')} not signed, "
        f"{counted(uploads, 'upload')}",
        there=bool(count or uses or uploads),
    )


def _check_upload(place: Path) -> None:
    try:
        leaves = place / "leaves"
        if (
            leaves.exists()
            and leaves.stat().st_size > claimed(place / "artifact.json").size * HASH_SIZE
        ):
            raise LedgerError("it has more leaf hashes than it claims")
    except FileNotFoundError:
        return  # finished or forgotten just now
    except OSError as error:
        raise LedgerError(f"it cannot be read: {error.strerror}") from error
