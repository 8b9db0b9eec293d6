"""Following a log from here: find its policy, its chains and what was seen before, then look.

The state of each log is one file in ``$XDG_STATE_HOME/provenance/monitor`` (``~/.local/state``
where unset), named by its origin: so a log is held to what was seen of it anywhere, over HTTP or
in its own folder. A round keeps the evidence first and the state then, both durably.
"""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Any, Self, cast

from provenance.anchoring import ChainReader, RpcReader
from provenance.errors import InputError, LedgerError, MalformedError
from provenance.ledger import trust
from provenance.ledger.checking import read_policy
from provenance.ledger.config import Config
from provenance.ledger.folder import Folder, locked, write_file
from provenance.ledger.view import LedgerView
from provenance.log import Checkpoint
from provenance.monitoring import LogSource, MissingError, Monitor, Round, SourceError, State
from provenance.verification import Policy

__all__ = ["LedgerSource", "Look", "Watch", "seen_here"]


class LedgerSource:
    """A ledger on disk, as its monitor reads it: the very tiles that it would serve."""

    def __init__(self, ledger: LedgerView) -> None:
        self._ledger = ledger

    @property
    def name(self) -> str:
        """Where it lies."""
        return f"the ledger in {self._ledger.folder.path}"

    def checkpoint(self) -> bytes:
        """Return the newest checkpoint, a signed note."""
        try:
            note = self._ledger.latest_checkpoint()
        except LedgerError as error:
            raise SourceError(str(error)) from error
        if note is None:
            raise MissingError(f"{self.name} has signed no checkpoint yet")
        return note.encode()

    def tile(self, path: str) -> bytes:
        """Return the tile or entry bundle of a path."""
        try:
            return self._ledger.tile(path)
        except InputError as error:
            raise MissingError(str(error)) from error
        except LedgerError as error:
            raise SourceError(str(error)) from error


@dataclass(frozen=True)
class Look:
    """One round, and where its evidence is.

    Attributes:
        round: what was found.
        files: one for each finding.
        trouble: why evidence or state could not be written, though there are findings.
    """

    round: Round
    files: tuple[Path, ...]
    trouble: str | None = None


class Watch:
    """A log that is followed, round by round.

    Args:
        target: the URL before ``/checkpoint``, or the folder of a ledger.
        token: to read the log at a URL with, where not everybody may.
        policy: whom to trust. If None: the policy saved by ``provenance trust add`` for the log's
            origin, else that of the ledger: the one in `target`, or the one around the working
            folder where it is of this origin.
        chains: how to reach the policy's chains, by name: a URL or a reader. Beside these, what
            the saved policy or the ledger has configured.
        state: the file to keep what was seen in; else one of this user for the origin.
        evidence: the folder for evidence; it is made when there is any.
        clock: for the time of a finding.

    Raises:
        InputError: `target` is neither, or nobody said whom to trust.
    """

    def __init__(
        self,
        target: str,
        *,
        token: str | None = None,
        policy: Policy | str | PathLike[str] | None = None,
        chains: Mapping[str, ChainReader | str] | None = None,
        state: Path | None = None,
        evidence: Path = Path(),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._given = policy
        self._readers: dict[str, ChainReader] = {
            name: RpcReader(chain) if isinstance(chain, str) else chain
            for name, chain in (chains or {}).items()
        }
        self._state_path = state
        self._evidence = evidence
        self._clock = clock
        self._stack = ExitStack()
        self._ledger: LedgerView | None = None
        self._policy: Policy | None = None
        self._configured: Mapping[str, ChainReader] = {}
        self._source: LogSource
        if "://" in target:
            from provenance.monitoring.web import HttpSource

            source = HttpSource(target, token=token)
            self._stack.callback(source.close)
            self._source = source
        else:
            self._ledger = self._stack.enter_context(LedgerView(Folder.find(Path(target))))
            self._source = LedgerSource(self._ledger)

    def close(self) -> None:
        """Give files and connections back."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def round(self) -> Look:
        """Look once, and keep what was found and seen.

        Raises:
            SourceError: the log does not answer, so that not even its name is known.
            InputError: nobody said whom to trust, or the state file is of no use.
            LedgerError: the state cannot be kept.
        """
        policy = self._find_policy()
        monitor = Monitor(
            self._source,
            policy,
            chains=ChainMap(self._readers, cast(Any, self._configured)),
            clock=self._clock,
        )
        path = self._state_path or _state_path(policy.origin)
        _make(path.parent)
        with locked(path.with_name(f"{path.name}.lock")):
            state = _read(path)
            found = monitor.round(state, lambda now: _write(path, now))
            files: list[Path] = []
            try:
                for evidence in found.findings:
                    file = self._evidence / evidence.file_name
                    _make(file.parent)
                    if not file.exists():  # the first time is what counts
                        write_file(file, evidence.to_bytes().decode() + "\n")
                    files.append(file)
                # A crash here tells of the same findings again.
                if found.state is not None and found.state != state:
                    _write(path, found.state)
            except LedgerError as error:
                if not found.findings:
                    raise
                return Look(found, tuple(files), str(error))
        return Look(found, tuple(files))

    # --- whom to trust ----------------------------------------------------------------------------

    def _find_policy(self) -> Policy:
        """Return the policy; the first time, find it and its chains."""
        if self._policy is None:
            given = self._given
            if given is not None:
                policy = given if isinstance(given, Policy) else read_policy(given)
            else:
                policy = self._own_policy()
            trust.check_pinned(policy, self._readers)
            if self._ledger is not None:
                self._configured = self._ledger.chains
            self._add_trusted_chains(policy)
            self._policy = policy
        return self._policy

    def _own_policy(self) -> Policy:
        ledger = self._ledger
        origin = ledger.origin if ledger else _origin(self._source)
        trusted = trust.find(origin)
        if trusted is not None:
            return trusted.policy
        if ledger is None:
            ledger = self._around(origin)
        if ledger is None:
            raise InputError(
                f"nobody is trusted for the log {origin!r}: name a policy with --policy, or save "
                "one with `provenance trust add`"
            )
        self._configured = ledger.chains
        return ledger.policy()

    def _around(self, origin: str) -> LedgerView | None:
        folder = Folder.around(Path())
        if folder is None or Config.read(folder.config).origin != origin:
            return None
        return self._stack.enter_context(LedgerView(folder))

    def _add_trusted_chains(self, policy: Policy) -> None:
        trusted = trust.find(policy.origin)
        if trusted is not None and trusted.policy.fingerprint == policy.fingerprint:
            readers: dict[str, ChainReader] = {
                name: RpcReader(url) for name, url in trusted.chains.items()
            }
            self._configured = ChainMap(readers, cast(Any, self._configured))


def _origin(source: LogSource) -> str:
    """Return the name that the log has by its own word, to find the policy for it."""
    try:
        return Checkpoint.of_note(source.checkpoint().decode(), extended=True).origin
    except (MalformedError, UnicodeDecodeError) as error:
        raise SourceError(f"{source.name} serves no checkpoint: {error}") from None


# --- the state file -------------------------------------------------------------------------------


def seen_here(origin: str) -> Checkpoint | None:
    """Return the newest checkpoint that monitors of this user saw of a log; None without one.

    Raises:
        InputError: the state file is damaged.
    """
    state = _read(_state_path(origin))
    return None if state is None else state.head


def _state_path(origin: str) -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    folder = (Path(base) if base else Path.home() / ".local" / "state") / "provenance" / "monitor"
    return folder / f"{sha256(origin.encode()).hexdigest()[:32]}.json"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(f"cannot make {folder}: {error.strerror}") from error


def _read(path: Path) -> State | None:
    try:
        return State.parse(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"the state file {path} cannot be read: {error.strerror}") from error
    except MalformedError as error:
        raise MalformedError(
            f"the state file {path} is damaged: {error}. Bring it back from a copy; without it, "
            "what was seen before is forgotten"
        ) from None


def _write(path: Path, state: State) -> None:
    write_file(path, state.to_bytes().decode() + "\n")
