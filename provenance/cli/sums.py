"""``hash``: the root of anything that could be registered, and whether it still has it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from provenance import forms
from provenance.cli.options import (
    Columns,
    Digest,
    EncodingName,
    FollowSymlinks,
    Ignore,
    Json,
    NoCache,
    Together,
    TreeOnly,
    pairs,
)
from provenance.cli.output import emit, progress, tell
from provenance.errors import InputError, MalformedError
from provenance.records.cache import user_cache
from provenance.records.opening import open_source
from provenance.records.sums import Sum, format_sum, parse_sum

__all__ = ["hash"]


def hash(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Files and folders; - is standard input."),
    ] = None,
    encoding: EncodingName = None,
    together: Together = False,
    column: Columns = None,
    ignore: Ignore = None,
    follow_symlinks: FollowSymlinks = False,
    digest: Digest = "sha256",
    tree_only: TreeOnly = False,
    no_cache: NoCache = False,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Hash what FILE lists, and compare; - reads it from standard input.",
        ),
    ] = None,
    check_cache: Annotated[
        bool,
        typer.Option(
            "--check-cache",
            help="Read every file again of which something is remembered, and compare.",
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Of --check, only what fails.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Of --check, nothing but the exit status.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Hash files and folders as `register` would, and sign and log nothing.

    One line each: root, size, encoding, name; of several --together all their names. Exit status
    of --check: 0 all are as listed, 1 one is not or cannot be read, 2 FILE is malformed; of
    --check-cache: 1 something was wrong, and is not remembered any more.
    """
    how = (encoding, together, column, ignore, follow_symlinks, digest != "sha256", tree_only)
    if check_cache:
        if any((paths, check, quiet, status, no_cache, *how)):
            raise InputError("--check-cache takes nothing but --json")
        _check_cache(as_json=as_json)
        return
    if check is not None:
        if any((paths, no_cache, *how)):
            raise InputError("--check takes the paths, and how to hash them, from its FILE")
        _check(_read_sums(check), told=not status, all_told=not quiet, as_json=as_json)
        return
    if quiet or status:
        raise InputError("--quiet and --status belong to --check")
    if not paths:
        raise InputError("name a file or folder to hash, or a list of them with --check")
    cache = None if no_cache else user_cache()
    schema = pairs("--column", column)
    found = []
    for names in [[*map(str, paths)]] if together else [[str(path)] for path in paths]:
        source = open_source(
            _named(names),
            encoding=encoding,
            together=together,
            ignore=ignore or (),
            follow_symlinks=follow_symlinks,
            digest=digest,
            tree_only=tree_only,
            schema=schema or None,
            cache=cache,
        )
        if schema:
            source.check_takes_schema()
        with progress(_shown(names)) as bar:
            found.append(Sum(tuple(names), source.artifact(bar), source.digests, schema))
        if not as_json:  # told at once: the next path may take hours, or be an error
            emit(False, None, [format_sum(found[-1])])
    if as_json:
        emit(True, {"artifacts": [_json(one) for one in found]}, [])


def _named(names: Sequence[str]) -> list[Path] | Path | IO[bytes]:
    """Return the paths that are one artifact, the path, or standard input for ``-``."""
    if len(names) > 1:
        return [Path(name) for name in names]
    return sys.stdin.buffer if names[0] == "-" else Path(names[0])


def _shown(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"


def _json(found: Sum) -> dict[str, Any]:
    return {
        "names": [*found.names],
        "digest": found.artifact.digest_hex,
        "root": found.artifact.root.hex(),
        "size": found.artifact.size,
        "encoding": forms.encode(found.artifact.encoding),
        "digests": dict(found.digests),
    }


# --- --check-cache --------------------------------------------------------------------------------


def _check_cache(*, as_json: bool) -> None:
    from provenance.records.recheck import recheck

    cache = user_cache()
    checked, forgotten, failed = 0, 0, []
    for found in recheck(cache) if cache is not None else ():
        checked += found.files
        forgotten += not found.kept
        for wrong in found.wrong:
            failed.append({"page": str(found.page), "finding": wrong})
            if not as_json:
                emit(False, None, [f"{found.page}: FAILED"])
                tell(wrong)
    emit(
        as_json,
        {"checked": checked, "forgotten": forgotten, "failed": failed},
        [f"{_count(checked, 'file')} as remembered; {_count(forgotten, 'page')} removed"],
    )
    if failed:
        raise typer.Exit(1)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


# --- --check --------------------------------------------------------------------------------------


def _read_sums(file: Path) -> list[Sum]:
    """Return what a file of lines lists.

    Raises:
        MalformedError: it lists nothing, or in another form.
    """
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        lines = data.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise MalformedError(f"{file} is not UTF-8 at byte {error.start}") from None
    sums = []
    for number, line in enumerate(lines, 1):
        try:
            sums.append(parse_sum(line))
        except MalformedError as error:
            raise MalformedError(f"{file}, line {number}: {error}") from None
    return sums


def _check(sums: list[Sum], *, told: bool, all_told: bool, as_json: bool) -> None:
    checked = []
    for listed in sums:
        ok, finding = _compare(listed)
        checked.append({"names": [*listed.names], "ok": ok, "finding": finding})
        if told and not as_json and (all_told or not ok):
            emit(False, None, [f"{_shown(listed.names)}: {'OK' if ok else 'FAILED'}"])
            if finding:
                tell(finding)
    failed = sum(not one["ok"] for one in checked)
    if told and as_json:
        emit(True, {"checked": checked, "failed": failed}, [])
    if failed:
        if told and not as_json:
            tell(f"warning: {failed} of {len(checked)} failed")
        raise typer.Exit(1)


def _compare(listed: Sum) -> tuple[bool, str | None]:
    """Hash a path anew, all of it, in the way it was listed.

    Returns:
        Whether it is as listed, and what differs. The same records may stand in other bytes, except
        where the records are the bytes: there another digest was never this file's.
    """
    name, wanted = _shown(listed.names), listed.artifact
    try:
        source = open_source(
            _named(listed.names),
            encoding=wanted.encoding,
            together=len(listed.names) > 1,
            schema=listed.columns or None,
            digest="blake3" if "blake3" in listed.digests else "sha256",
            tree_only=not listed.digests,
        )
        with progress(name) as bar:
            found = source.artifact(bar)
    except InputError as error:
        return False, str(error)
    if found.size != wanted.size:
        return False, f"{name} has another size, {found.size}, and root, {found.root.hex()}"
    if found != wanted:
        return False, f"{name} has another root, {found.root.hex()}"
    for digest, value in listed.digests.items():
        if source.digests.get(digest) != value:
            if wanted.encoding.name == "chunk":
                return False, f"{name} has another {digest} than the one beside its root"
            return True, f"{name} has the same records in other bytes: file re-encoded"
    return True, None
