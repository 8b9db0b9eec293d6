"""What reaches a terminal: nothing that acts on it, and bars only where somebody looks."""

import json
import os
import pty
import sys
import unicodedata

from command_line import environment
from hypothesis import given
from hypothesis import strategies as st

from provenance.cli.output import shown

BARS = """
import time
from provenance.cli.output import progress
with progress("a\\x1b[31mb") as bar:
    if bar is None:
        print("no bar")
    else:
        bar(1, 100)
        time.sleep(0.6)
        bar(50, 100)
        time.sleep(0.3)
        bar(100, 100)
"""

# Cc, Cf: control and format, which holds what changes direction; Cs: no text; Zl, Zp: new lines.
ACTING = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text(st.characters()))
def test_what_is_shown_is_one_line_that_acts_on_nothing(text):
    line = shown(text)
    assert not {unicodedata.category(char) for char in line} & ACTING
    if text.isprintable():
        assert line == text


def test_hostile_claims_are_shown_as_escapes(provenance):
    reason = "\x1b]0;owned\x07 \u202egnp.exe \u200b\n✓ policy"
    provenance("supersede", "rows", "--reason", reason)
    provenance("anchor")
    provenance("prove", "rows.jsonl", "--sidecar")
    for arguments in (("verify", "rows.jsonl"), ("history", "rows"), ("log",)):
        out, _ = provenance(*arguments)
        assert not {unicodedata.category(char) for char in out.replace("\n", "")} & ACTING
        assert not any(line.startswith("✓ policy\n") for line in out.splitlines(keepends=True))
    out, _ = provenance("verify", "rows.jsonl")
    assert "\\u202egnp.exe" in out
    provenance("register", "open.csv", "--name", "x", "--source", reason)
    out, _ = provenance("show", "x")
    assert not {unicodedata.category(char) for char in out.replace("\n", "")} & ACTING
    out, _ = provenance("show", "x", "--json")
    assert out.isascii()
    assert json.loads(out)["statement"]["predicate"]["source"] == reason


def test_a_terminal_without_unicode_shows_escapes(reading):
    done = reading.run("verify", "open.csv", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("\\u2713 bundle")


def on_a_terminal(program, home):
    """Return what a terminal sees of a program on its standard error."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-c", program], environment(home, TERM="xterm"))
    seen = b""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        seen += data
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert status == 0, seen
    return seen.decode()


def test_long_work_draws_a_bar_on_a_terminal(tmp_path):
    seen = on_a_terminal(BARS, tmp_path)
    assert "50%" in seen
    assert "a\\x1b[31mb" in seen


def test_short_work_draws_none(tmp_path):
    assert on_a_terminal(BARS.replace("0.6", "0"), tmp_path).strip() == ""


def test_nothing_is_drawn_in_a_pipe(provenance):
    _, told = provenance("register", "policy.json")
    assert told == ""
