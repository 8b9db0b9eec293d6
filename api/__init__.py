"""The HTTP service over one ledger: its read side, and the log as C2SP tlog-tiles.

::

    with provenance.Ledger.open() as ledger:
        api.serve(ledger, "127.0.0.1", 8000)

- `app`: `create_app`, the whole service; `serving`: `serve`, until a signal ends it
- `routes`: what is answered where; `answers`: the shapes of the answers, with examples
- `bodies`: requests, read strictly; `errors`: the one table from errors to HTTP
"""

from api.app import create_app
from api.serving import serve

__all__ = ["create_app", "serve"]
