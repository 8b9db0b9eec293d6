"""``step``: run a command and record what it made of what."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from provenance import forms
from provenance.cli.opening import open_ledger
from provenance.cli.options import Json, Signers, values
from provenance.cli.output import artifact_line, emit, progress, tell
from provenance.errors import InputError, ProvenanceError
from provenance.ledger.surroundings import HOST_FACTS, code_at, named, versions_of_command
from provenance.records.listing import list_folder
from provenance.statements import Code

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["step"]


class CommandFailedError(Exception):
    """The command of a step ended with a status other than 0."""


def step(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What is done: 'deduplicate'.")],
    command: Annotated[
        list[str],
        typer.Argument(metavar="CMD", help="The command, after -- and with its arguments."),
    ],
    input_: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="REF", help="What it reads; repeatable."),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option("--output", metavar="PATH", help="What it makes; repeatable."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="Repeatable; VALUE may be JSON."),
    ] = None,
    derive: Annotated[
        bool,
        typer.Option(
            "--derive", help="Claim how the records of the outputs follow from the inputs'."
        ),
    ] = False,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Sign this environment variable, too; repeatable."),
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FACT", help=f"Sign this of the machine: {', '.join(HOST_FACTS)}; repeatable."
        ),
    ] = None,
    signer: Signers = None,
    as_json: Json = False,
) -> None:
    """Run a command, and record it as a step.

    Also when it fails. Ends with the exit status of the command, 128 and the signal if one ended
    it. With --json, what the command prints goes to standard error.

    provenance step train --input clean --output model/ -- python train.py
    """
    if derive and min(len(input_ or ()), len(output or ())) != 1:
        raise InputError("--derive is from one --input to one --output or several, or the reverse")
    params = values("--param", param)
    allowed = named(host=host or (), variables=env or ())
    code = _code(command)
    environment = {**versions_of_command(command), **allowed}
    status = 0
    with open_ledger(signing=True, signers=signer) as ledger:
        run = ledger.step(
            name, inputs=input_ or (), params=params, code=code, environment=environment
        )
        _ = ledger.keyring.signers  # a wrong passphrase shows now, and not after hours of work
        for ref in input_ or ():
            _tell_of_another(ledger, ref)
        before = {path: _state(path) for path in output or ()}
        try:
            with run:
                status = _run(command, as_json=as_json)
                _check(status)
                for path in output or ():
                    if before[path] is not None and _state(path) == before[path]:
                        tell(f"warning: the command did not write {path}, signed as what it made")
                    with progress(path) as bar:
                        run.output(path, progress=bar)
                if derive:
                    run.derive()
        except CommandFailedError:
            tell(f"step {name} failed with exit status {status}, recorded as entry {run.index}")
        except ProvenanceError:
            if run.index is not None:  # an output that is not there, say; the error says which
                tell(f"step {name} failed, recorded as entry {run.index}")
            raise
    outcome = "failed" if status else "succeeded"
    emit(
        as_json,
        {
            "name": name,
            "index": run.index,
            "outcome": outcome,
            "exit_status": status,
            "outputs": [artifact.to_json() for artifact in run.outputs],
            "derivations": [forms.encode(each) for each in run.derivations],
        },
        [] if status else [*map(artifact_line, run.outputs), f"entry {run.index}: step {name}"],
    )
    raise typer.Exit(status)


def _tell_of_another(ledger: Ledger, ref: str) -> None:
    """Say where a file of the name of an input is not what was registered so, which is signed."""
    from provenance.verification.content import Content

    artifact = ledger.resolve(ref)
    if artifact.name != ref or not os.path.exists(ref):  # noqa: PTH110 - False, for any text
        return
    try:
        found = Content(ref).measure(artifact.statement.described()).artifact
    except InputError:
        found = None
    if found != artifact.artifact:
        tell(f"warning: the input {ref} is what was registered so, and not what lies there now")


def _state(path: str) -> object:
    """Return what changes with a file, or a folder; None where there is none that can be read."""
    try:
        found = os.stat(path)  # noqa: PTH116 - any text
        if stat.S_ISDIR(found.st_mode):
            return list_folder(Path(path), path)
    except (OSError, ValueError, InputError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _check(status: int) -> None:
    if status:
        raise CommandFailedError(f"exit status {status}")


def _run(command: list[str], *, as_json: bool) -> int:
    """Return the exit status, as a shell gives it: 128 + the signal that ended it."""
    sys.stdout.flush()
    with _outliving() as running:
        running.append(subprocess.Popen(command, stdout=sys.stderr if as_json else None))
        status = running[0].wait()
    return status if status >= 0 else 128 - status


@contextmanager
def _outliving() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Meanwhile leave signals that end a program to the commands: how they end is to be recorded.

    What a terminal sends, they have got themselves; of the others it is not known, so these are
    passed on. What is ignored here stays ignored.
    """
    running: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        for process in running:
            process.send_signal(number)

    def leave(number: int, _: FrameType | None) -> None:
        """Do nothing; unlike what is ignored, that is not inherited."""

    kinds = ((signal.SIGTERM, pass_on), (signal.SIGHUP, pass_on), (signal.SIGINT, leave))
    heeded = [each for each in kinds if signal.getsignal(each[0]) != signal.SIG_IGN]
    before = [(number, signal.signal(number, kind)) for number, kind in heeded]
    try:
        yield running
    finally:
        for number, kind in before:
            signal.signal(number, kind)


def _code(command: list[str]) -> Code | None:
    """Return what runs, and at which commit of the working folder's repository.

    Raises:
        InputError: there is no such command, or its arguments are no text.
    """
    try:
        "\0".join(command).encode()
    except UnicodeEncodeError:
        raise InputError("an argument of the command is not UTF-8, and cannot be signed") from None
    if shutil.which(command[0]) is None:
        raise InputError(f"there is no command {command[0]!r}; nothing was recorded")
    return code_at(Path(), command)
