"""What is told of an artifact later, page by page."""

from provenance import Ledger
from provenance.ledger import tracing


def test_pages_end_after_so_many_statements_or_so_many_bytes(tmp_path, monkeypatch):
    with Ledger.init(tmp_path, origin="acme.example/ml") as ledger:
        artifact = ledger.register([{"id": 1}], name="one")
        said = [
            ledger.review(artifact, "flag", reason="a doubt"),
            ledger.quality(artifact, metrics={"rows": 1}),
            ledger.supersede(artifact, None, reason="wrong"),
        ]

        def pages(limit):
            found, below = [], None
            while True:
                page = ledger.remarks(artifact, limit=limit, below=below)
                assert page.end(artifact.artifact.digest).superseded == said[-1]
                found.append([event.index for event in page.events])
                if page.next_cursor is None:
                    return found
                below = int(page.next_cursor)

        assert pages(3) == [said[::-1]]
        assert pages(2) == [said[:0:-1], said[:1]]
        monkeypatch.setattr(tracing, "MAX_PAGE", 10)
        assert pages(3) == [[each] for each in said[::-1]]


def test_the_newest_verdict_counts(tmp_path):
    with Ledger.init(tmp_path, origin="acme.example/ml") as ledger:
        one, other = (ledger.register([{"id": id}], name=f"n{id}") for id in range(2))
        digests = [one.artifact.digest, other.artifact.digest]
        for verdict in ("flag", "approve", "flag", "reject", "approve"):
            ledger.review(one, verdict, reason="looked at")
            assert ledger.verdicts(digests) == {digests[0]: verdict}
