"""Lines that say what was hashed: ``provenance hash`` prints them, its ``--check`` reads them.

One line a path, in the manner of ``sha256sum``, its fields two spaces apart: root, size, encoding,
name. The encoding goes on with its parameters, as they are signed, and then with the digests of
the file as on disk, where there are any::

    900ca068…  3  json,sha256=2c26b46b…  rows.jsonl
    94f69fe4…  2048  chunk,chunkSize=1048576  weights.bin
    c5fe113d…  20000  file,digest=sha256,ignore=*.tmp,ignore=.git,followSymlinks  photos
    6f1b2c9e…  7  json,together,column=price:double  may.csv  june.csv

In a glob, and in a column and its type, everything but letters, digits and ``*?[]!/._-~`` is
percent-encoded. A name with a backslash, or with a character that cannot be shown, is escaped as
in Python (``\\\\``, ``\\n``, ``\\u202e``; ``\\udcff`` for a byte that is no UTF-8), and a backslash
starts such a line, as with ``sha256sum``. Of the names of tables that are hashed together, spaces
are escaped too (``\\x20``).

`format_sum` and `parse_sum` are inverse: of every line that is read, the same line is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from provenance.errors import InputError, MalformedError
from provenance.records.artifacts import Artifact, Encoding

__all__ = ["Sum", "format_sum", "parse_sum"]

_LINE = re.compile(
    r"(?P<mark>\\?)(?P<root>[0-9a-f]{64})  (?P<size>\d{1,16})  "
    r"(?P<encoding>json(?P<together>,together)?(?P<columns>(?:,column=[^,: ]+:[^,: ]+)*)|line"
    r"|chunk,chunkSize=(?P<chunk_size>\d{1,9})"
    r"|file,digest=(?P<digest>sha256|blake3)(?P<ignore>(?:,ignore=[^, ]+)*)"
    r"(?P<follow>,followSymlinks)?)"
    r"(?:,sha256=(?P<sha256>[0-9a-f]{64}))?(?:,blake3=(?P<blake3>[0-9a-f]{64}))?"
    r"  (?P<name>.+)",
    re.ASCII,
)
_ESCAPE = re.compile(r"\\(?:[\\nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")


@dataclass(frozen=True)
class Sum:
    """What a path was hashed to.

    Attributes:
        names: the path of the file or folder; several of tables that were hashed together.
        artifact: root, size and encoding.
        digests: DigestSet of the file as on disk.
        columns: column → type, of what was told of the cells of CSV files.
    """

    names: tuple[str, ...]
    artifact: Artifact
    digests: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)


def format_sum(found: Sum) -> str:
    """Return the line, without its LF.

    Raises:
        InputError: a glob to ignore, or a column, is not UTF-8.
    """
    together = len(found.names) > 1
    names = "  ".join(_escaped(name, "\\ " if together else "\\") for name in found.names)
    mark = "" if names == "  ".join(found.names) else "\\"
    artifact = found.artifact
    words = _words(artifact.encoding)
    if together:
        words.append("together")
    for name, kind in sorted(found.columns.items()):
        words.append(f"column={_quoted(name)}:{_quoted(kind)}")
    words += map("=".join, found.digests.items())
    return f"{mark}{artifact.root.hex()}  {artifact.size}  {','.join(words)}  {names}"


def parse_sum(line: str) -> Sum:
    """Read one line, without its LF.

    Raises:
        MalformedError: not such a line, or not written as `format_sum` would.
    """
    fields = _LINE.fullmatch(line)
    if fields is None:
        raise MalformedError("not a line of root, size, encoding and name, two spaces apart")
    names = fields["name"].split("  ") if fields["together"] else [fields["name"]]
    if "" in names:
        raise MalformedError("one of its names is empty")
    try:
        if fields["mark"]:
            names = [_ESCAPE.sub(_unescaped, name) for name in names]
        artifact = Artifact(
            root=bytes.fromhex(fields["root"]), size=int(fields["size"]), encoding=_encoding(fields)
        )
        digests = {name: fields[name] for name in ("sha256", "blake3") if fields[name]}
        found = Sum(tuple(names), artifact, digests, _columns(fields["columns"] or ""))
        written = format_sum(found)
    except (InputError, ValueError) as error:  # ValueError: an escape beyond Unicode
        raise MalformedError(str(error)) from None
    if written != line:
        raise MalformedError(f"it should be written as {written!r}")
    return found


def _escaped(name: str, special: str) -> str:
    return "".join(
        char if char.isprintable() and char not in special else _escape(char) for char in name
    )


def _escape(char: str) -> str:
    return "\\x20" if char == " " else char.encode("unicode_escape", "surrogatepass").decode()


def _unescaped(escape: re.Match[str]) -> str:
    return escape[0].encode().decode("unicode_escape")


def _quoted(text: str) -> str:
    try:
        return quote(text, safe="*?[]!/._-~")
    except UnicodeEncodeError:
        raise InputError(f"{text!a} is not UTF-8") from None


def _words(encoding: Encoding) -> list[str]:
    words: list[str] = [encoding.name]
    if encoding.chunk_size is not None:
        words.append(f"chunkSize={encoding.chunk_size}")
    if encoding.digest is not None:
        words.append(f"digest={encoding.digest}")
    words += [f"ignore={_quoted(glob)}" for glob in encoding.ignore or ()]
    if encoding.follow_symlinks:
        words.append("followSymlinks")
    return words


def _encoding(fields: re.Match[str]) -> Encoding:
    parameters: dict[str, Any] = {}
    if fields["chunk_size"]:
        parameters = {"chunk_size": int(fields["chunk_size"])}
    if fields["digest"]:
        globs = fields["ignore"].split(",ignore=")[1:]
        parameters = {
            "digest": fields["digest"],
            "ignore": tuple(unquote(glob, errors="strict") for glob in globs),
            "follow_symlinks": bool(fields["follow"]),
        }
    return Encoding(name=fields["encoding"].partition(",")[0], **parameters)  # type: ignore[arg-type]


def _columns(text: str) -> dict[str, str]:
    pairs = (word.partition(":") for word in text.split(",column=")[1:])
    return {
        unquote(name, errors="strict"): unquote(kind, errors="strict") for name, _, kind in pairs
    }
