"""Free text as it may be shown."""

from __future__ import annotations

__all__ = ["shown"]


def shown(text: str) -> str:
    """Return `text` without anything that a terminal or a drawing could take for a command."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
