"""Texts of other tools, without what is secret in the addresses that stand in them.

Each step goes through a text once, whatever it holds: it comes from whoever sends events.
"""

from __future__ import annotations

import re

__all__ = ["without_secrets"]

_USER = re.compile(r"//([^/?#\s]*)@")
_AZURE = re.compile(r"(?:^|\W)(abfss?|wasbs?):$")
_CONTAINER = re.compile(r"[a-z0-9$-]{1,63}")
_WORD = re.compile(r"\S+")
_PARAMETERS = re.compile("[?#;]")


def without_secrets(text: str) -> str:
    """Return a text without users and their passwords, and without what follows an address.

    ``postgres://me:secret@db/x?sslkey=…`` becomes ``postgres://db/x``; a container of Azure, which
    stands where others have a user, is kept: ``abfss://container@account…``.
    """
    return _WORD.sub(_without_parameters, _USER.sub(_without_user, text))


def _without_user(address: re.Match[str]) -> str:
    begin = address.start()
    is_azure = _AZURE.search(address.string[max(0, begin - len("?wasbs:")) : begin])
    return address[0] if is_azure and _CONTAINER.fullmatch(address[1]) else "//"


def _without_parameters(word: re.Match[str]) -> str:
    text = word[0]
    host = text.find("://")
    if host == -1:
        return text
    parameters = _PARAMETERS.search(text, host + 3)
    return text if parameters is None else text[: parameters.start()]
