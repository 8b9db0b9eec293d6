"""`provenance monitor`: its exit statuses, what it prints, and the files it leaves."""

import base64
import json
import re
import shutil
from pathlib import Path

from provenance import Ledger

PAGE = (Path(__file__).parents[2] / "docs" / "monitor.md").read_text("utf-8")


def test_a_fork_is_printed_with_both_heads_and_the_proof_and_written(provenance, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(provenance.folder, copy)
    for folder, names in ((provenance.folder, ("a",)), (copy, ("x", "y"))):
        with Ledger.open(folder) as ledger:
            for name in names:
                ledger.register([{"name": name}], name=name)
            ledger.anchor()
    out, _ = provenance("monitor", ".")
    assert without_values(out) == without_values(shown_for("monitor ."))

    out, told = provenance("monitor", "../copy", "--evidence", "found", status=1)
    assert told == ""
    shown = shown_for("monitor ../copy --evidence found")
    assert without_values(out) == without_values(shown)
    (file,) = (provenance.folder / "found").iterdir()
    value = json.loads(file.read_bytes())
    assert value["kind"] == "fork"
    for note in (value["seen"], value["checkpoint"]):
        assert all(line in out for line in note.splitlines())
    root, path = value["history"]["oldRoot"], value["history"]["path"]
    assert f"proof:    the first 6 of 7 have the root {base64_of(root)}, by\n" in out
    assert all(f"\n          {base64_of(node)}\n" in out for node in path)
    assert out.endswith(f"evidence: found/{file.name}\n")

    found = provenance.json("monitor", "../copy", "--evidence", "found", status=1)
    (finding,) = found["findings"]
    assert found["verdict"] == "found"
    assert finding.pop("file") == f"found/{file.name}"
    assert finding | {"time": ""} == value | {"time": ""}


def shown_for(command):
    """What docs/monitor.md shows for a command."""
    (text,) = re.findall(rf"```console\n\$ provenance {command}\n(.*?)```", PAGE, re.DOTALL)
    return text


def without_values(text):
    """The text without what differs each time: times, hashes, signatures."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    return re.sub(r"[A-Za-z0-9+/]{43,}=+|[0-9a-f]{16}(?=\.json)", "VALUE", text)


def base64_of(digits):
    return base64.b64encode(bytes.fromhex(digits)).decode()


def test_one_line_says_how_far_it_got(provenance):
    value = provenance.json("monitor", ".")
    assert set(value) == {
        "verdict",
        "origin",
        "time",
        "size",
        "root",
        "new",
        "cosigned",
        "anchored",
        "findings",
        "undecided",
        "notices",
    }
    assert (value["verdict"], value["size"], value["new"]) == ("one history", 5, 5)
    assert value["anchored"] == {"embedded": 5}
    state = provenance.home / ".local" / "state" / "provenance" / "monitor"
    assert len(list(state.glob("*.json"))) == 1


def test_what_cannot_be_told_is_undecided(provenance, elsewhere):
    nobody = "http://127.0.0.1:9"
    assert provenance("monitor", nobody, status=3)[0].startswith("? 127.0.0.1:9 does not answer")
    value = provenance.json("monitor", ".", "--rpc", f"embedded={nobody}", status=3)
    assert value["verdict"] == "undecided"
    assert "does not answer" in value["undecided"][0]
    elsewhere("init", "--origin", "new.example/log")
    assert "has signed no checkpoint yet" in elsewhere("monitor", ".", status=3)[0]
