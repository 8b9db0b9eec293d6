"""A real ledger with something of everything, behind a real server, for a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from audited import Site, fill
from serving import serving

from api import create_app
from provenance import Ledger


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("site")
    with Ledger.init(home, origin="acme.example/ml") as ledger:
        digests = fill(ledger, home)
        with (
            serving(create_app(ledger, public=True)) as url,
            httpx.Client(base_url=url, timeout=30) as http,
        ):
            yield Site(url, ledger, digests, http)
