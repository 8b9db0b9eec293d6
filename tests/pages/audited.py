"""A ledger with something of everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import httpx

from provenance import Ledger

REVIEWS = [{"id": i, "text": f"review {i}", "stars": i % 5 + 1} for i in range(40)]
HOSTILE = "<script>document.title='taken'</script>\"'&amp;<!--"
HOSTILE_TEXT = f"{HOSTILE}\n\u202e\u0000\u2028"
LONG = "x" * 200


@dataclass(frozen=True)
class Site:
    """What is served.

    Attributes:
        url: without a slash at its end.
        ledger: open while it is served.
        digests: name → artifact digest; of several, the first one.
        http: asks it.
    """

    url: str
    ledger: Ledger
    digests: dict[str, str]
    http: httpx.Client
    _known: dict[str, httpx.Response] = field(default_factory=dict)

    def page(self, path: str, **more: object) -> httpx.Response:
        return self.http.get(path, **more)  # type: ignore[arg-type]

    def known(self, path: str) -> httpx.Response:
        """Return a page as it was when it was first asked for: those of many tests are the same."""
        if path not in self._known:
            self._known[path] = self.page(path)
        return self._known[path]


def fill(ledger: Ledger, home: Path) -> dict[str, str]:
    raw = ledger.register(
        REVIEWS, name="reviews", license="CC-BY-4.0", source="shop", metadata={"language": "en"}
    )
    stop = ledger.register([{"word": "the"}], name="stopwords", sensitivity="public")
    with ledger.step("deduplicate", inputs=[raw, stop], params={"threshold": 0.9}) as step:
        clean = step.output(REVIEWS[:30], name="clean")
    ledger.quality(clean, metrics={"rows": 30, "nulls": 0.5}, criteria={"nulls": "<= 0.1"})
    ledger.anchor()
    with ledger.step("train", inputs=[clean]) as step:
        net = step.output(b"weights" * 300_000, name="net", kind="model")
    with ledger.outputs(name="answers", model=net) as answers:
        answers.record({"id": 1, "label": "good"})
    (home / "files").mkdir()
    (home / "files" / "a.txt").write_text("a")
    ledger.register(home / "files", name="files")
    (home / "notes.txt").write_text("one\ntwo\n")
    ledger.register(home / "notes.txt", name="notes", encoding="line")
    (home / "lines.txt").write_text('["a", "list"]\n"a text"\n')
    ledger.register(home / "lines.txt", name="lines", encoding="line")
    ledger.register([], name="nothing")
    ledger.register(REVIEWS[:1], name=LONG)
    ledger.register(REVIEWS[:2], name=HOSTILE, source=HOSTILE_TEXT, metadata={HOSTILE: HOSTILE})
    better = ledger.register(REVIEWS[:29], name="clean")
    ledger.anchor()
    ledger.supersede(clean, better, reason=HOSTILE_TEXT)
    ledger.review("notes", "approve")
    ledger.review("notes", "reject", reason=HOSTILE_TEXT)
    found = list(ledger.artifacts(limit=None))
    return {artifact.name: artifact.digest for artifact in found}
