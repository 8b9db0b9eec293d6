"""The ``provenance`` command: every command by name, exit codes, and how errors are told.

====  =============================================================================================
0     done; of ``verify``: verified
1     of ``verify``: not verified; of ``hash --check``: not as listed; of ``hash --check-cache``,
      ``monitor``, ``chain status``, ``fsck``, ``derivation check``: something does not hold
2     usage, malformed input, or a ledger, witness or chain that cannot do it
3     of ``verify``, ``monitor``, ``chain status`` and ``fsck``: undecided
70    a fault of this program, with a traceback
130   interrupted (128 + SIGINT)
141   the output was closed (128 + SIGPIPE)
====  =============================================================================================

``step`` passes on the exit status of what it runs.

Errors are told in one line on standard error, or with ``--json`` as one object on standard
output: ``{"error": {"type": "InputError", "message": "…", "exit_code": 2}}``.

A command's module is imported when the command is named, and all of them for ``--help``, so that
each starts quickly.
"""

from __future__ import annotations

import gc
import json
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, TextIO

import typer
import typer.core

from provenance.cli.output import give_up_output, tell, write
from provenance.errors import ProvenanceError, UndecidedError, VerificationError

__all__ = ["COMMANDS", "EXIT_CODES", "build", "exit_code", "main"]

COMMANDS = {
    "init": "ledger:init",
    "register": "claims:register",
    "step": "running:step",
    "quality": "claims:quality",
    "review": "claims:review",
    "supersede": "claims:supersede",
    "anchor": "chain:anchor",
    "chain": "chain:chain",
    "status": "ledger:status",
    "log": "ledger:log",
    "entry": "ledger:entry",
    "find": "find:find",
    "show": "ledger:show",
    "history": "ledger:history",
    "descendants": "ledger:descendants",
    "access": "access:access",
    "impact": "impact:impact",
    "export": "export:export",
    "diff": "derivation:diff",
    "derivation": "derivation:derivation",
    "prove": "prove:prove",
    "verify": "verify:verify",
    "verifier": "verifier:verifier",
    "hash": "sums:hash",
    "monitor": "monitor:monitor",
    "policy": "trust:policy",
    "trust": "trust:trust",
    "keys": "keys:keys",
    "drain": "drain:drain",
    "import": "importing:importing",
    "fsck": "fsck:fsck",
    "reindex": "fsck:reindex",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "storage": "storage:storage",
    "serve": "serve:serve",
    "tokens": "tokens:tokens",
    "witness": "witness:witness",
}
"""Command → module and function, or `typer.Typer` for a group of commands."""

EXIT_CODES: tuple[tuple[type[ProvenanceError], int], ...] = (
    (UndecidedError, 3),
    (VerificationError, 1),
    (ProvenanceError, 2),
)
"""The first class that fits counts. A bundle that is no bundle is malformed input, too: 2."""

FAULT, INTERRUPTED = 70, 130

COLLECT_AFTER = 50_000
"""New objects, after which those in cycles are looked for. Most that a command makes are modules,
which stay: at Python's 700 they are gone through again and again while they load."""

# The base of all that typer raises for wrong usage. It comes from click, or, newer, from within
# typer, and is the grandparent of the one class that typer has always exported.
_UsageProblem: type[Exception] = typer.BadParameter.__mro__[2]


def exit_code(error: ProvenanceError) -> int:
    """Return the exit status for an error."""
    if isinstance(error, VerificationError) and error.step == "bundle":
        return 2
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


class _Commands(Mapping[str, Any]):
    """Every command by name, as typer has it; its module is imported when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        module, _, thing = COMMANDS[name].partition(":")
        command = getattr(import_module(f"provenance.cli.{module}"), thing)
        if isinstance(command, typer.Typer):
            return typer.main.get_group(command)
        alone = typer.Typer(rich_markup_mode=None, add_completion=False)
        alone.command(name)(command)
        return typer.main.get_command(alone)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Group(typer.core.TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": _Commands()})


def build() -> typer.Typer:
    """Return the application."""
    app = typer.Typer(
        name="provenance",
        cls=_Group,
        help="A proof from a single record of an AI data set to a block on a chain.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_callback)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        from provenance.merkle import kernel
        from provenance.version import VERSION

        write(f"provenance-ledger {VERSION}\nkernel {kernel().name}\n")
        raise typer.Exit


def _callback(
    version: bool = typer.Option(
        False,
        "--version",
        callback=_version,
        is_eager=True,
        help="Show the version and the hashing kernel.",
    ),
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its status."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    warnings.showwarning = _show_warning
    before = given[: given.index("--")] if "--" in given else given
    gc.set_threshold(COLLECT_AFTER)
    status = _run(given, as_json="--json" in before)
    gc.freeze()  # nor once more at the end: the process goes as a whole
    sys.exit(status)


def _run(given: list[str], *, as_json: bool) -> int:
    try:
        command = typer.main.get_command(build())
        with command.make_context("provenance", given) as context:
            command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    except ProvenanceError as error:
        return _fail(as_json, type(error).__name__, str(error), exit_code(error))
    except _UsageProblem as error:
        return _refuse(as_json, error)
    except (KeyboardInterrupt, EOFError, typer.Abort):
        return _fail(as_json, "Interrupted", "interrupted", INTERRUPTED)
    except BrokenPipeError:
        return give_up_output()
    except OSError as error:
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return _fail(as_json, type(error).__name__, message, 2)
    except UnicodeEncodeError as error:
        # An argument of bytes that are no text, where text is needed: a REF, say.
        return _fail(as_json, "InputError", f"{error.object!r} is not UTF-8", 2)
    except Exception as error:
        import traceback

        traceback.print_exc()
        return _fail(as_json, type(error).__name__, f"a fault: {error}", FAULT)
    return 0


def _refuse(as_json: bool, error: Any) -> int:
    """Tell of wrong usage, with the way to the help text."""
    context = getattr(error, "ctx", None)
    if not as_json and context is not None:
        sys.stderr.write(f"{context.get_usage()}\n")
        sys.stderr.write(f"Try '{context.command_path} --help' for help.\n")
    message = error.format_message()
    return _fail(as_json, "UsageError", message, 2) if message else 2


def _fail(as_json: bool, kind: str, message: str, code: int) -> int:
    if not as_json:
        tell(f"error: {message}")
        return code
    try:
        told = {"type": kind, "message": message, "exit_code": code}
        write(json.dumps({"error": told}, indent=2) + "\n")
    except typer.Exit as closed:
        return closed.exit_code
    return code


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    tell(f"warning: {message}")
