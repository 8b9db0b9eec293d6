"""Services over HTTP: the read side of one ledger with its log as C2SP tlog-tiles, and a witness.

::

    with provenance.Ledger.open() as ledger:
        api.serve(ledger, "127.0.0.1", 8000)

- `app`: `create_app`, the service of a ledger; `witness`: `create_witness_app`, that of a witness
- `serving`: `serve` and `serve_witness`, until a signal ends it
- `routes`: what is answered where; `answers`: the shapes of the answers, with examples
- `bodies`: requests, read strictly; `errors`: the one table from errors to HTTP
"""

from api.app import create_app
from api.serving import serve, serve_witness
from api.witness import create_witness_app

__all__ = ["create_app", "create_witness_app", "serve", "serve_witness"]
