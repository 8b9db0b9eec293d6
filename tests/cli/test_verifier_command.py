"""``verifier``: the page that verifies in a browser, written where one wants it."""

import json
from hashlib import sha256

from provenance.browser import page


def test_the_page_is_written_and_named_by_its_hash(elsewhere):
    out, _ = elsewhere("verifier")
    digest = sha256(page()).hexdigest()
    assert (elsewhere.folder / "verify.html").read_bytes() == page()
    assert out == f"wrote verify.html\nsha256 {digest}\n"
    told = json.loads(elsewhere("verifier", "-o", "other.html", "--json")[0])
    assert told == {"file": "other.html", "sha256": digest}
    assert (elsewhere.folder / "other.html").read_bytes() == page()


def test_where_nothing_can_be_written(elsewhere):
    _, told = elsewhere("verifier", "-o", "no/such/folder.html", status=2)
    assert told == "error: cannot write no/such/folder.html: No such file or directory\n"
