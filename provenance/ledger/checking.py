"""`provenance.verify`: find the policy and the chains, then verify."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from provenance.anchoring import ChainReader, RpcReader, StateCheck
from provenance.errors import InputError, MalformedError
from provenance.ledger import trust
from provenance.ledger.chains import Chains
from provenance.ledger.config import Config
from provenance.ledger.folder import Folder
from provenance.merkle import HASH_SIZE
from provenance.verification import Bundle, Content, EveryEntry, Policy, Verified, Verifier

if TYPE_CHECKING:
    from provenance.ledger.proving import Proof

__all__ = ["read_bundle", "read_policy", "verify"]


def verify(
    bundle: bytes | Bundle | Proof | str | PathLike[str],
    *,
    record: Any = None,
    data: Any = None,
    policy: Policy | str | PathLike[str] | None = None,
    chains: Mapping[str, ChainReader | str] | None = None,
    trusted_blocks: Mapping[str, str | bytes] | None = None,
    exact: bool = False,
) -> Verified:
    """Verify a bundle, and with it a record or the content of a file, folder or table.

    Args:
        bundle: a bundle, its bytes, or the path of its file.
        record: a record that it proves: a dict or JSON text, or what its encoding takes.
        data: the content that it is about: a path, a table, rows; where it proves records, all of
            them, in its order; for the proof of one file of a folder, that file's path.
        policy: whom to trust, or the path of such a file. If None: that of the ledger around the
            working folder if the bundle is of its log, else one saved by ``provenance trust add``;
            where there are both, they must be the same.
        chains: how to reach the policy's chains, by name: a URL or a reader. Beside these, what
            the ledger or the saved policy has configured.
        trusted_blocks: the hash of the anchor's block, by the chain's name: 32 bytes, or 0x and 64
            hex digits. The bundle's proof of the chain's state is checked under it and no node of
            this chain is asked: who names the hash vouches for the block being final. Where the
            bundle holds no such proof, the chain is out of reach; one of another block fails.
        exact: a file must be the same bytes, not only the same records.

    Returns:
        What holds. There is no other way to get a `Verified`.

    Raises:
        VerificationError: it does not hold; ``.step`` and ``.report`` say where.
        UndecidedError: a chain is out of reach, or no policy was found.
        InputError: something given cannot be read, `chains` or `trusted_blocks` names one that the
            policy does not pin, a library is missing that checking under a block takes, or the
            ledger around has another policy than the one that is trusted.
    """
    content = read_bundle(bundle)
    readers: dict[str, ChainReader] = {
        name: RpcReader(chain) if isinstance(chain, str) else chain
        for name, chain in (chains or {}).items()
    }
    configured: Mapping[str, ChainReader] = {}
    every_entry: EveryEntry | None = None
    with ExitStack() as stack:
        if policy is None:
            policy, configured, every_entry = _found(content, stack)
        elif not isinstance(policy, Policy):
            policy = read_policy(policy)
        if policy is not None:
            trust.check_pinned(policy, [*readers, *(trusted_blocks or ())])
        verifier = Verifier(
            policy,
            chains=ChainMap(readers, cast(Any, configured)),
            trusted_blocks={
                name: _under(block_hash) for name, block_hash in (trusted_blocks or {}).items()
            },
            every_entry=every_entry,
        )
        return verifier.verify(
            content,
            record=record,
            content=None if data is None else Content(data),
            exact=exact,
        )


def read_bundle(bundle: bytes | Bundle | Proof | str | PathLike[str]) -> bytes:
    """Return the bytes of a bundle.

    Raises:
        InputError: the file cannot be read.
    """
    if isinstance(bundle, bytes):
        return bundle
    if isinstance(bundle, (str, PathLike)):
        return _read(Path(bundle), "the bundle")
    return bundle.to_bytes()


def read_policy(path: str | PathLike[str]) -> Policy:
    """Return the policy in a file.

    Raises:
        InputError: the file cannot be read.
        MalformedError: it is not a policy.
    """
    try:
        return Policy.parse(_read(Path(path), "the policy"))
    except MalformedError as error:
        raise MalformedError(f"{path}: {error}") from error


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{what} {path} cannot be read: {error.strerror}") from error


def _under(block_hash: str | bytes) -> StateCheck:
    """Return how to check an anchor under a block's hash.

    Raises:
        InputError: not such a hash, or a library is missing.
    """
    if isinstance(block_hash, str):
        if not re.fullmatch("0x[0-9a-fA-F]{64}", block_hash):
            raise InputError(f"a block's hash is 0x and 64 hex digits, not {block_hash[:80]!r}")
        block_hash = bytes.fromhex(block_hash[2:])
    if len(block_hash) != HASH_SIZE:
        raise InputError(f"a block's hash has {HASH_SIZE} bytes, not {len(block_hash)}")
    try:
        from provenance.anchoring.state import check_state
    except ImportError as error:
        raise InputError(
            f"checking under a block's hash needs {error.name}: "
            "pip install 'provenance-ledger[ledger]'"
        ) from error
    return partial(check_state, block_hash=block_hash)


def _found(
    bundle: bytes, stack: ExitStack
) -> tuple[Policy | None, Mapping[str, ChainReader], EveryEntry | None]:
    """Return a policy of this user for the log that the bundle claims to be of.

    Chains that it opens are closed with `stack`.

    Raises:
        InputError: the ledger around has another policy than the one that is trusted.
    """
    try:
        origin = Bundle.parse(bundle).checkpoint.partition("\n")[0]
    except MalformedError:
        return None, {}, None  # the verifier's first step says so
    trusted = trust.find(origin)
    folder = Folder.around(Path())
    if folder is not None and (config := Config.read(folder.config)).origin == origin:
        policy = read_policy(folder.policy)
        # A ledger can come with the data, in one archive: it never overrules a fingerprint.
        if trusted is not None and trusted.policy.fingerprint != policy.fingerprint:
            raise InputError(
                f"the ledger in {folder.path} has another policy for {origin!r}, "
                f"{policy.fingerprint[:16]}, than the one you trust, "
                f"{trusted.policy.fingerprint[:16]}: name the policy, or trust the new one"
            )
        every_entry = partial(_scan, folder) if policy.standing == "scanned" else None
        chains = Chains(folder, config.chains)
        stack.callback(chains.close)
        return policy, chains, every_entry
    if trusted is None:
        return None, {}, None
    return trusted.policy, {name: RpcReader(url) for name, url in trusted.chains.items()}, None


def _scan(folder: Folder, size: int) -> Iterator[tuple[bytes, bytes | None]]:
    from provenance.ledger.view import LedgerView

    with LedgerView(folder) as ledger:
        yield from ledger.every_entry(size)
