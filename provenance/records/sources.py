"""An ordered stream of records, whatever it is read from. `provenance.records.opening` makes them.

::

    for block in source.leaf_hash_blocks():       # 32·n bytes each, in order
        tree.extend(block)
    source.encoding, source.schema, source.digests
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from provenance.errors import InputError
from provenance.merkle import CompactRange
from provenance.records.artifacts import Artifact, Encoding
from provenance.records.files import Part, PrefixChanged, changed_while_read
from provenance.records.remembered import FileMemory, Remembered
from provenance.records.rows import Csv

__all__ = ["Progress", "Source"]

Progress = Callable[[int, int | None], None]
"""Called now and then with how much was read, and of how much where that is known: bytes on
disk, or rows of what is in memory."""

_MODELS = (".safetensors", ".gguf", ".onnx", ".pt", ".pth", ".ckpt", ".keras", ".tflite", ".joblib")
_LEAVES_PER_BLOCK = {"json": 4096, "line": 4096, "chunk": 4096, "file": 128}


class Source:
    """An ordered stream of records under one encoding. Made by `open_source`.

    Attributes:
        name: the name of the file or folder, without the way to it; "" for what is in memory.
        encoding: how records become leaves.
        default_kind: "model" for a file that holds nothing but a model's weights, else "dataset".
        media_type: of the file as on disk, where it is one file.
        parts: the files, or what there is in memory, that it is read from one after the other.
        memory: where it is remembered what the file is hashed to, if it is.
    """

    def __init__(
        self, parts: Sequence[Part], encoding: Encoding, *, name: str = "", media_type: str = ""
    ) -> None:
        self.parts = parts
        self.memory: FileMemory | None = None
        self._known: Remembered | None = None
        self._begun: Iterator[bytes] | None = None
        self._started = False
        self._finished = False
        self.name = name
        self.encoding = encoding
        self.default_kind = "model" if name.lower().endswith(_MODELS) else "dataset"
        self.media_type = media_type or None

    def leaves(self) -> Iterator[bytes]:
        """Yield the leaf bytes of every record, in order. A source is read once.

        Raises:
            InputError: the input is not as it must be, or changed while it was read; or the
                source was read before.
        """
        self._start()
        for part in self.parts:
            yield from part.leaves()
        self._finished = True

    def leaf_hash_blocks(self, progress: Progress | None = None) -> Iterator[bytes]:
        """Yield the leaf hashes, 32·n contiguous bytes at a time, n ≤ 4096.

        After `resume` those of the records that it did not return.

        Raises:
            InputError: as `leaves`.
        """
        self._start()
        for part in self.parts:
            for block in self._begun or self._blocks(part):
                if progress is not None:
                    progress(sum(part.done for part in self.parts), self.total)
                yield block
        self._finished = True
        if progress is not None:
            progress(sum(part.done for part in self.parts), self.total)

    def _blocks(self, part: Part) -> Iterator[bytes]:
        return part.leaf_hash_blocks(_LEAVES_PER_BLOCK[self.encoding.name])

    def resume(self, usable: Callable[[Artifact], bool] | None = None) -> CompactRange:
        """Return the first records, from 0 on, that need not be hashed again: none, some or all.

        Of a single file that was hashed before, with a cache. Its first bytes were read again,
        unless nothing changed.

        Args:
            usable: says whether these records are of use. They are not where their leaf hashes
                are needed, and are not at hand.

        Raises:
            InputError: as `leaves`.
        """
        known = None if self.memory is None else self.memory.recall()
        if known is None or not (usable is None or usable(self._artifact(known.records))):
            return CompactRange()
        (part,) = self.parts
        if self.memory is not None and known.state == self.memory.state:
            self._known = known
            part.digests, part.schema, part.done = known.digests, known.schema, known.length
            self._begun = iter(())
            return known.records
        part.after = known.prefix
        if part.after is None:
            return CompactRange()
        blocks = self._blocks(part)
        try:
            self._begun = chain([next(blocks, b"")], blocks)
        except PrefixChanged:
            part.after = None
            return CompactRange()
        return known.records

    def remember(self, records: CompactRange) -> None:
        """Keep, now that all leaves were read, what a `resume` of the same file begins with.

        Args:
            records: all of them, from 0 on.
        """
        if self.memory is not None and self._known is None:
            self._check_finished()
            self.memory.keep(self.parts[0], records)

    def is_as(self, known: Remembered) -> bool:
        """Read everything, and say whether it is what is remembered of the file.

        Raises:
            InputError: as `leaves`; or the file is not in the state that is remembered.
        """
        records = CompactRange()
        for block in self.leaf_hash_blocks():
            records.extend(block)
        (part,) = self.parts
        if part.state != known.state:
            raise changed_while_read(part.label)
        found = Remembered(known.state, part.done, part.digests, part.schema, records, part.whole)
        return found == known

    @property
    def page(self) -> Path | None:
        """Where it is remembered what the file is hashed to; None where it is not."""
        return None if self.memory is None else self.memory.page

    def artifact(self, progress: Progress | None = None) -> Artifact:
        """Read everything, and return the artifact that it is. Nothing of the tree is kept.

        With a cache: everything that is not known to be as it was.

        Raises:
            InputError: as `leaves`.
        """
        records = self.resume()
        for block in self.leaf_hash_blocks(progress):
            records.extend(block)
        self.remember(records)
        return self._artifact(records)

    def _artifact(self, records: CompactRange) -> Artifact:
        return Artifact(root=records.root(), size=records.end, encoding=self.encoding)

    def _start(self) -> None:
        if self._started:
            raise InputError(f"{self.name or 'this source'} was already read; open it again")
        self._started = True

    @property
    def total(self) -> int | None:
        """How much there is to read: bytes on disk, or rows of what is in memory, if known."""
        totals = [part.total for part in self.parts]
        return None if None in totals else sum(total for total in totals if total is not None)

    @property
    def digests(self) -> dict[str, str]:
        """DigestSet of the file as on disk, where the source is one file (or bytes).

        Raises:
            ValueError: not all leaves were read yet.
        """
        self._check_finished()
        return dict(self.parts[0].digests) if len(self.parts) == 1 else {}

    def check_takes_schema(self) -> None:
        """Refuse a schema where there are no CSV files, whose cells it would give types.

        Raises:
            InputError: there are none.
        """
        if not any(isinstance(part, Csv) for part in self.parts):
            raise InputError(f"{self.name or 'this'} is not CSV: what it holds has types already")

    @property
    def schema(self) -> dict[str, str] | None:
        """Column → type of a table; of several tables every type that a column has in them.

        Given back to `open_source` it makes a CSV file of the same rows give the same leaves.

        Raises:
            ValueError: not all leaves were read yet.
        """
        self._check_finished()
        types: dict[str, list[str]] = {}
        for part in self.parts:
            for column, kind in (part.schema or {}).items():
                kinds = types.setdefault(column, [])
                if kind not in kinds:
                    kinds.append(kind)
        if not any(part.schema is not None for part in self.parts):
            return None
        return {column: " | ".join(kinds) for column, kinds in types.items()}

    def _check_finished(self) -> None:
        if not self._finished:
            raise ValueError("known only once all leaves were read")
