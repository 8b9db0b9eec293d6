"""What single files were hashed to: an unchanged one is not read again, a longer one goes on.

Of a file is remembered, in a page of `provenance.records.cache` and under its rules: its digests,
the columns of a table, and its records as a compact range, which is their root and all that
appending to a tree takes. So there are two uses::

    unchanged   the state of the file is the one it had: it is as it was
    longer      of JSONL and lines (a gzipped file is none): the SHA-256 of as many bytes as it had
                is recomputed from the file, and only if it is the one that is remembered, and they
                ended with an LF, the rows behind them are hashed, from the frontier on

The first rests on the state, like all digests that are remembered. The second does not: it takes
a page that was not tampered with, and SHA-256. Chunks gain nothing by it: recomputing the SHA-256
of what was there takes longer than hashing the chunks again.

A page holds one JSON object, of one file hashed in one way::

    {"path": "/data/train.jsonl", "how": {"encoding": {"encoding": "json"}, "schema": null, …},
     "state": [device, inode, size, modified, changed], "length": 4711,
     "digests": {"sha256": "…"}, "schema": null, "records": 3, "hashes": ["…", "…"],
     "whole": true}

``how`` holds all that the rest depends on beside the bytes: also the versions of this package and,
where it reads the file, of pyarrow. A page of another form than this one is not used.

``state`` is null where the file changed too recently to tell it from another of the same times: a
file that is written to all the time goes on, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import NoneType
from typing import Any

from provenance.errors import InputError
from provenance.merkle import HASH_SIZE, CompactRange
from provenance.records.cache import DigestCache, Place
from provenance.records.files import FileState, Part, Prefix, regular_status, state_of

__all__ = ["FileMemory", "Remembered", "parse_file"]

_FORM: dict[str, type | tuple[type, ...]] = {
    "path": str,
    "how": dict,
    "state": (list, NoneType),
    "length": int,
    "digests": dict,
    "schema": (dict, NoneType),
    "records": int,
    "hashes": list,
    "whole": bool,
}


@dataclass(frozen=True)
class Remembered:
    """What a file was hashed to.

    Attributes:
        state: of the file; None if a later change might have left it as it is.
        length: of the file, in bytes.
        digests: DigestSet of the file as on disk, those that were asked for.
        schema: column → type, of a table.
        records: all of them, as the range from 0.
        whole: as `Part.whole`.
    """

    state: FileState | None
    length: int
    digests: dict[str, str]
    schema: dict[str, str] | None
    records: CompactRange
    whole: bool

    @property
    def prefix(self) -> Prefix | None:
        """What a longer file begins with, if it can go on from there."""
        if not self.whole or "sha256" not in self.digests:
            return None
        return Prefix(self.length, self.digests["sha256"], self.records.end)


class FileMemory:
    """What is remembered of one file, hashed in one way.

    Attributes:
        state: of the file, when this was made.
        page: where it lies.
    """

    def __init__(self, place: Place, path: Path, how: Mapping[str, Any]) -> None:
        self._place = place
        self._path = path
        self._how = how
        self.state = place.state
        self.page = place.page

    @classmethod
    def of(cls, cache: DigestCache, path: Path, how: Mapping[str, Any]) -> FileMemory | None:
        """Return the memory of a file that is about to be hashed; None where there can be none.

        Args:
            cache: where it lies.
            path: of the file.
            how: all that the root, the digests and the schema depend on, as JSON.
        """
        text = json.dumps(how, sort_keys=True)
        place = cache.place(path, f"file-{sha256(text.encode()).hexdigest()[:32]}")
        return None if place is None else cls(place, path.absolute(), how)

    def recall(self) -> Remembered | None:
        """Return what is remembered, if anything is."""
        body = self._place.read()
        try:
            return None if body is None else parse_file(body)[2]
        except ValueError:  # as an earlier or a later version wrote it
            return None

    def keep(self, part: Part, records: CompactRange) -> None:
        """Remember what the file was hashed to since this was made, now that all was read.

        If it changed since, or just before, then at most what a longer one begins with. What cannot
        be written is not remembered.
        """
        try:
            now = state_of(regular_status(self._path, part.label))
        except InputError:
            return
        # What was open when this was made had the state that the open file had at the end.
        steady = part.state == self.state == now and now.changed < self._place.before
        state = now if steady else None
        found = Remembered(state, part.done, part.digests, part.schema, records, part.whole)
        if found.state is None and found.prefix is None:
            return
        page = {
            "path": str(self._path),
            "how": self._how,
            "state": found.state,
            "length": found.length,
            "digests": found.digests,
            "schema": found.schema,
            "records": records.end,
            "hashes": [value.hex() for value in records.hashes],
            "whole": found.whole,
        }
        self._place.write(json.dumps(page).encode())


def parse_file(body: bytes) -> tuple[Path, dict[str, Any], Remembered]:
    """Return of the page of a file its path, how it was hashed, and what to.

    Raises:
        ValueError: it is of another form.
    """
    try:
        page = json.loads(body)
        formed = page.keys() == _FORM.keys() and all(
            isinstance(page[name], kind) for name, kind in _FORM.items()
        )
        state = page["state"]
        found = Remembered(
            state=None if state is None else FileState(*state),
            length=page["length"],
            digests=page["digests"],
            schema=page["schema"],
            records=CompactRange(0, page["records"], tuple(map(bytes.fromhex, page["hashes"]))),
            whole=page["whole"],
        )
        lengths = [len(value) for value in found.records.hashes]
        formed = formed and lengths == [HASH_SIZE] * found.records.end.bit_count()
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        formed = False
    if not formed:
        raise ValueError("it is of another form")
    return Path(page["path"]), page["how"], found
