"""Everything that is remembered of files (`provenance.records.cache`), held against the files.

Each page is of a folder or of a file. What it says is computed anew from the bytes of each file
that is still as it was; a page that says something else is removed, and named. So is a damaged one.
A page that nothing can be held against is removed, too: its folder or file is gone, or the file
changed, or it was hashed by another version. So is, within the page of a folder, what is of files
that are not there as they were. What is left was proven.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from provenance import forms
from provenance.errors import InputError
from provenance.merkle.parallel import in_order
from provenance.records.artifacts import Encoding
from provenance.records.cache import (
    DigestCache,
    folder_body,
    parse_folder,
    read_page,
    write_page,
)
from provenance.records.files import FileState, SteadyFile, state_of
from provenance.records.opening import open_source
from provenance.records.remembered import parse_file

__all__ = ["Rechecked", "recheck"]

_NAME = re.compile(r"(?P<device>\d+)-(?P<inode>\d+)\.(?P<kind>sha256|blake3|file)(?:-[0-9a-f]+)?")


@dataclass(frozen=True)
class Rechecked:
    """What was found of a page.

    Attributes:
        page: its path.
        path: of the folder or file that it is of, if that is known.
        files: how many were read, and are as it says.
        wrong: what is not as it says.
        kept: whether the page is still there.
    """

    page: Path
    path: Path | None
    files: int
    wrong: tuple[str, ...]
    kept: bool


def recheck(cache: DigestCache) -> Iterator[Rechecked]:
    """Read every file again that is remembered; yield what was found of each page."""
    for page in cache.pages():
        name = _NAME.fullmatch(page.name)
        path, files, wrong = None, 0, ["it is none of ours"]
        if name is not None:
            try:
                body = read_page(page)
            except FileNotFoundError:  # replaced or removed, by somebody who hashes
                continue
            except (OSError, ValueError) as error:
                wrong = [str(error)]
            else:
                if name["kind"] == "file":
                    path, files, wrong = _check_file(cache, page, body)
                else:
                    folder = int(name["device"]), int(name["inode"])
                    path, files, wrong = _check_folder(page, body, folder, name["kind"])
        kept = files > 0 and not wrong
        if not kept:
            page.unlink(missing_ok=True)
        yield Rechecked(page, path, files, tuple(wrong), kept)


def _check_folder(
    page: Path, body: bytes, folder: tuple[int, int], digest: str
) -> tuple[Path, int, list[str]]:
    """Check the page of a folder, and leave in it only what was proven."""
    path, digests = parse_folder(folder[0], body)
    found = _state(path)
    if found is None or (found.device, found.inode) != folder:
        return path, 0, []

    def check(remembered: tuple[Path, FileState]) -> tuple[Path, FileState, bool | None]:
        file, state = remembered
        try:
            with SteadyFile(file, str(file), [digest]) as opened:
                value = opened.finish()[digest]
        except InputError:  # it changed, or is gone
            return file, state, None
        if opened.state != state:
            return file, state, None
        return file, state, value == digests[state].hex()

    files, wrong, proven = 0, [], set[tuple[int, ...]]()
    remembered = ((file, state) for file, state in _files(path) if state in digests)
    with closing(in_order(check, remembered)) as checked:
        for file, state, holds in checked:
            if holds:
                files += 1
                proven.add(state)
            elif holds is not None:
                wrong.append(f"{file} has another {digest}")
    if files and not wrong and proven != digests.keys():
        rest = ((state, value) for state, value in digests.items() if state in proven)
        try:
            write_page(page, folder_body(path, rest))
        except OSError:
            return path, 0, []
    return path, files, wrong


def _files(folder: Path) -> Iterator[tuple[Path, FileState]]:
    for inside, _, names in os.walk(folder):
        for name in names:
            file = Path(inside) / name
            state = _state(file)
            if state is not None:
                yield file, state


def _check_file(cache: DigestCache, page: Path, body: bytes) -> tuple[Path | None, int, list[str]]:
    try:
        path, how, found = parse_file(body)
        encoding, digests, schema = how["encoding"], how["digests"], how["schema"]
    except (KeyError, ValueError):  # by another version
        return None, 0, []
    if found.state is None or _state(path) != found.state:
        return path, 0, []
    try:
        source = open_source(
            path,
            encoding=forms.decode(Encoding, encoding, "the encoding"),
            digest="blake3" if "blake3" in digests else "sha256",
            tree_only=not digests,
            schema=schema,
            cache=cache,
        )
        if source.page != page:  # by another version
            return path, 0, []
        holds = source.is_as(found)
    except InputError:  # it changed, or its records cannot be had any more
        return path, 0, []
    return (path, 1, []) if holds else (path, 0, [f"{path} has another root or digest"])


def _state(path: Path) -> FileState | None:
    try:
        return state_of(path.stat())
    except OSError:
        return None
