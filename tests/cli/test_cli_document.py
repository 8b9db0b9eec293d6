"""docs/cli.md describes every command, with the help text that it has today."""

import re

import pytest
from help_pages import DOCUMENT, command_names, documented, help_of

from provenance.cli.app import COMMANDS, EXIT_CODES, FAULT, INTERRUPTED
from provenance.cli.output import BROKEN_PIPE

NAMES = command_names()


def test_the_names_are_all_commands():
    assert {name.split()[0] for name in NAMES} == set(COMMANDS)
    assert len(NAMES) > len(COMMANDS)


@pytest.mark.parametrize("name", ["verify", "keys add"])
def test_these_are_the_texts_that_the_program_prints(elsewhere, name):
    assert elsewhere(*name.split(), "--help")[0] == help_of(name)


def test_no_command_is_described_that_is_not_there():
    assert set(documented()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_described_with_its_help_text(name):
    fresh = help_of(name)
    assert documented()[name] == fresh, "python tests/cli/help_pages.py writes it anew"
    assert f"\n### {name}\n" in DOCUMENT.read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_and_option_is_explained(name):
    """A line of the help text that names an option or argument goes on to say what it is for."""
    text = help_of(name)
    assert "--json" in text
    for option in re.findall(
        r"^  (--?\S.*|[A-Z]\S* <.*|[A-Z]+  .*)$(?=\n  \S|\n\n|\n\Z)", text, re.MULTILINE
    ):
        assert re.search(r"\S {2,}\S", option), f"{name}: {option!r} is not explained"


def test_the_table_of_exit_statuses_is_that_of_the_program():
    told = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    ends = {code for _, code in EXIT_CODES} | {0, FAULT, INTERRUPTED, BROKEN_PIPE}
    assert set(told) == {str(code) for code in ends}
