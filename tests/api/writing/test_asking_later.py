"""A server that says when to ask again is asked then, and no sooner."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from serving import serving

import provenance
from api import create_app
from provenance import Ledger
from provenance.client.transport import LaterError, retry_after
from provenance.signing import PrivateKey

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"  # of RFC 9110


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "5"}, 5),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "3600"}, 60),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:47 GMT", "date": DATE}, 10),
        ({"retry-after": "Sunday, 06-Nov-94 08:49:47 GMT", "date": DATE}, 10),  # RFC 850
        ({"retry-after": "Sun Nov  6 08:49:47 1994", "date": DATE}, 10),  # asctime
        ({"retry-after": "Sun, 06 Nov 1994 08:49:27 GMT", "date": DATE}, 0),
        ({"retry-after": "Mon, 06 Nov 1995 08:49:27 GMT", "date": DATE}, 60),
        ({"retry-after": DATE}, 0),  # long gone
        ({"retry-after": "Sat, 06 Nov 2094 08:49:37 GMT", "date": "yesterday"}, 60),
        *(
            ({"retry-after": text}, None)
            for text in ("", "-1", "1.5", "soon", "٣", "9" * 400, f"{DATE[:-3]}+{10**20}")
        ),
        ({}, None),
    ],
)
def test_when_to_ask_again(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_without_a_date_the_time_is_by_the_clock_here() -> None:
    told = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    seconds = retry_after({"retry-after": told})
    assert seconds is not None
    assert 0 < seconds <= 30


@pytest.fixture
def limited(ledger: Ledger) -> Iterator[Ledger]:
    """The ledger, to which everybody may submit one statement a second."""
    config = ledger.folder.config
    config.write_text(config.read_text() + "\n[service.limits]\nstatements = 60\n")
    with Ledger.open(ledger.folder.path.parent) as opened:
        yield opened


def refused(app: FastAPI) -> int:
    """Return how often somebody was told to ask later."""
    return int(
        re.findall(r'limited_total{limit="statements"} (.+)\.0', app.state.metrics.text().decode())[
            0
        ]
    )


def test_a_client_that_is_limited_waits_and_is_taken(
    limited: Ledger, token: str, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    sleep = time.sleep

    def rest(seconds: float) -> None:
        rests.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", rest)
    app = create_app(limited)
    with serving(app) as url, provenance.connect(url, token=token, signer=key) as remote:
        app.state.limits.charge(token[4:12], "statements", 61)  # two seconds' worth too much
        assert remote.register([{"n": 1}], name="rows").index == 3
    assert len(rests) == refused(app) >= 1
    assert all(rest > 1 for rest in rests), "a second at least, as it was told, and a little more"


def test_with_a_spool_it_is_left_alone_for_as_long_as_it_says(
    limited: Ledger,
    token: str,
    key: PrivateKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("provenance.client.writing.REST", 0.0)
    app = create_app(limited)
    app.state.limits.charge(token[4:12], "statements", 600)
    given = {"token": token, "signer": key, "spool": tmp_path / "spool", "patience": 0.0}
    with serving(app) as url, provenance.connect(url, **given) as remote:
        until = time.monotonic() + 2.0  # the first refusal takes a tenth of a second of it, say
        while time.monotonic() < until:
            assert remote.register([{"n": 1}], name="rows").index is None
            time.sleep(0.1)
        assert refused(app) == 1
        with pytest.raises(LaterError, match="at most 60 statements a minute") as caught:
            remote.drain()
        assert caught.value.seconds == 60
        waiting = remote.waiting()
        app.state.limits._full.clear()  # some minutes later
        assert len(remote.drain()) == waiting > 1
