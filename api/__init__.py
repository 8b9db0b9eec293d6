"""Services over HTTP: ledgers with their logs as C2SP tlog-tiles, and a witness.

::

    with provenance.Ledger.open() as ledger:
        api.serve(ledger, "127.0.0.1", 8000)

- `app`: `create_app`, the service of a ledger; `projects`: `create_projects_app`, that of several;
  `witness`: `create_witness_app`, that of a witness
- `serving`: `serve`, `serve_projects` and `serve_witness`, until a signal ends it
- `workers`: what each process opens, where several serve
- `access`: who may ask, by token and scope; `uses`: who did, where that is recorded
- `routes`: what is answered where; `answers`: the shapes of the answers, with examples
- `cors`: which pages of other sites may ask
- `bodies`: requests, read strictly; `errors`: the one table from errors to HTTP
- `logs`: an id, and a line, for each request
- `metrics`: what is counted, for Prometheus
- `limits`: how much one may ask for; `turns`: how much is done at a time
"""

from api.app import create_app
from api.projects import create_projects_app
from api.serving import serve, serve_projects, serve_witness
from api.witness import create_witness_app

__all__ = [
    "create_app",
    "create_projects_app",
    "create_witness_app",
    "serve",
    "serve_projects",
    "serve_witness",
]
