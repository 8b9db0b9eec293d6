"""An anchor on a real node, checked by the page that works from a disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import provenance
from provenance.browser import page as page_bytes

ROW = {"id": 7, "text": "hello"}
FREE = ("--gas-price", "0", "--block-base-fee-per-gas", "0", "--disable-min-priority-fee")


def test_a_page_asks_a_node(chromium: Any, start_anvil: Callable[..., str], tmp_path: Path) -> None:
    node = start_anvil(*FREE)
    with provenance.Ledger.init(tmp_path, origin="node.example/log") as ledger:
        ledger.add_chain("main", node, confirmations=1)
        ledger.register([ROW, {"id": 8}], name="rows")
        ledger.anchor()
        bundle, policy = ledger.prove("rows", record=ROW).bundle.to_bytes(), ledger.policy()
        chosen = {"bundle": bundle, "policy": policy.to_bytes()}

    path = tmp_path / "verify.html"
    path.write_bytes(page_bytes())
    page = chromium.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text))
    page.goto(path.as_uri())
    for field, data in chosen.items():
        given = {"name": f"{field}.json", "mimeType": "application/json", "buffer": data}
        page.set_input_files(f"#{field}", given)
    page.fill("#record", json.dumps(ROW))

    def verdict(url: str) -> str:
        page.fill("#nodes input", url)
        page.click("#verify")
        page.wait_for_selector("#verify:not([disabled])")
        return str(page.inner_text("#verdict h2"))

    page.wait_for_selector("#nodes input")
    assert page.locator("#nodes input").count() == 1  # the chain in the ledger's folder has no node
    assert verdict(node) == "Verified"
    assert "Signed and logged not later than" in page.inner_text("#verdict p")
    (chain,) = page.locator(".rung.holds:has-text('Chain main')").all()
    assert "Confirmations" in chain.inner_text()
    assert troubles == []

    other = start_anvil(*FREE, "--chain-id", "4242")
    assert verdict(other) == "Undecided"
    assert "is on chain 4242" in page.inner_text("ol.steps")
    empty = start_anvil(*FREE)
    assert verdict(empty) == "Not verified"
    assert "there is no contract at" in page.inner_text("ol.steps")
    assert troubles == []
    assert verdict("http://127.0.0.1:9/") == "Undecided"
    assert "does not answer" in page.inner_text("ol.steps")
    page.close()
