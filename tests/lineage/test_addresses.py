"""Texts without secrets: as two regular expressions say it, and in time that grows with them."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provenance.lineage.addresses import without_secrets

USER = re.compile(r"(\w*:)?//([^/?#\s]*)@")
PARAMETERS = re.compile(r"(?<=://)([^?#;\s]*)[?#;]\S*")


def by_definition(text):
    """The same by backtracking, which takes the square of a text's length."""

    def kept(address):
        scheme, user = address[1] or "", address[2]
        if scheme in ("abfs:", "abfss:", "wasb:", "wasbs:") and re.fullmatch(
            "[a-z0-9$-]{1,63}", user
        ):
            return address[0]
        return f"{scheme}//"

    return PARAMETERS.sub(r"\1", USER.sub(kept, text))


pieces = st.sampled_from(
    [*":/?#;@-_ \n\u2003aä", "://", "b@c", "x" * 64, "abfs", "abfss://", "wasb://c@h", "$web@"]
)


@given(st.lists(pieces, max_size=12).map("".join))
@example("abfss://c@h")
@example("xabfss://c@h")
@example("-abfss://c@h//u@abfs://c@h?d")
@example("a?b://c?d://e")
def test_it_is_what_the_definition_says(text):
    assert without_secrets(text) == by_definition(text)


@pytest.mark.parametrize("piece", ["a", "://", "//", "a:", "@", "://a@", "?", "://?", " ://a"])
def test_a_long_text_takes_no_longer_for_each_of_its_letters(piece):
    """It ends: the definition would take days."""
    text = piece * (4_000_000 // len(piece))
    assert len(without_secrets(text)) <= len(text)
