"""The command line, ``provenance``: parse, call the SDK, print.

- `app`: every command by name, exit codes, how errors are told
- `ledger`, `claims`: a ledger's own commands; `running`: ``step``
- `prove`, `verify`: both ends of a bundle; `verifier`: the page that verifies in a browser
- `sums`: ``hash``
- `trust`, `keys`: whom to trust, and who signs
- `output`, `options`, `opening`: what the commands share
"""

from provenance.cli.app import main

__all__ = ["main"]
