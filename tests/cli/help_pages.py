"""The help texts within docs/cli.md: between two marks for each command.

python tests/cli/help_pages.py        write the help texts of today into docs/cli.md
"""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "cli.md"
BLOCK = re.compile(r"```text\n\$ provenance ([a-z -]+?) --help\n(.*?)```\n", re.DOTALL)


def command_names():
    """Return every command, those within groups too: "register", "keys new"."""
    import typer

    from provenance.cli.app import build

    def walk(command, name):
        if not hasattr(command, "commands"):
            yield name
        for part, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, f"{name} {part}".strip())

    return list(walk(typer.main.get_command(build()), ""))


def help_of(name):
    """Return the help text of a command, 80 columns wide."""
    import typer

    from provenance.cli.app import build

    os.environ["COLUMNS"] = "80"
    command = typer.main.get_command(build())
    context = command.make_context("provenance", [], resilient_parsing=True)
    for part in name.split():
        command = command.commands[part]
        context = command.make_context(part, [], parent=context, resilient_parsing=True)
    return command.get_help(context) + "\n"


def documented():
    """Return command → its help text, as the document has it."""
    return dict(BLOCK.findall(DOCUMENT.read_text("utf-8")))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    text = DOCUMENT.read_text("utf-8")
    for name in command_names():
        block = f"```text\n$ provenance {name} --help\n"
        if block not in text:
            sys.exit(f"docs/cli.md has no {block!r}")
    DOCUMENT.write_text(
        BLOCK.sub(
            lambda found: f"```text\n$ provenance {found[1]} --help\n{help_of(found[1])}```\n",
            text,
        ),
        "utf-8",
    )
