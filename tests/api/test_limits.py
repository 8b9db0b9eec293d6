"""Limits: no more than so much in any minute, all of that, and told so in one shape."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import httpx
import pytest
from asking import problem
from hypothesis import given
from hypothesis import strategies as st
from served import ROWS
from serving import serving

from api import create_app
from api.errors import LimitedError
from api.limits import MINUTE, Limits, address_of
from provenance import Ledger
from provenance.errors import LedgerError
from provenance.ledger.config import Config, LimitsConfig
from provenance.records import hash_record


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 10**15

    def __call__(self) -> int:
        return self.now


class Bucket:
    """The same by the book: a level that rises with time, in exact numbers."""

    def __init__(self, most: int, clock: Clock) -> None:
        self.most, self.clock = most, clock
        self.level, self.at = Fraction(most), clock.now

    def take(self, amount: int) -> bool:
        risen = Fraction((self.clock.now - self.at) * self.most, MINUTE)
        self.level, self.at = min(Fraction(self.most), self.level + risen), self.clock.now
        # The one rounds each amount to nanoseconds; at the very edge either may be right.
        if self.level < 1 - Fraction(self.most, 10**8):
            return False
        self.level -= amount
        return True


@given(
    most=st.integers(1, 1000),
    steps=st.lists(
        st.tuples(st.integers(0, 90).map(lambda s: s * 10**9), st.integers(0, 30)), max_size=60
    ),
)
def test_it_is_a_bucket(most: int, steps: list[tuple[int, int]]) -> None:
    clock = Clock()
    limits = Limits(LimitsConfig(requests=most), clock=clock)
    bucket = Bucket(most, clock)
    for pause, amount in steps:
        clock.now += pause
        if bucket.take(amount):
            limits.take("a", "requests", amount)
            continue
        with pytest.raises(LimitedError) as refused:
            limits.take("a", "requests", amount)
        # After so many seconds, and no whole one sooner, there is room.
        clock.now += (refused.value.seconds - 1) * 10**9
        with pytest.raises(LimitedError):
            limits.take("a", "requests", 0)
        clock.now += 10**9
        limits.take("a", "requests", 0)


@pytest.mark.parametrize("most", [1, 2, 3, 7, 60, 61, 999, 10_000])
def test_a_whole_minutes_worth_at_once_then_as_it_fills(most: int) -> None:
    clock = Clock()
    refused: list[str] = []
    limits = Limits(LimitsConfig(requests=most), refused=refused.append, clock=clock)
    for _ in range(most):
        limits.take("a", "requests")
    with pytest.raises(LimitedError, match=f"at most {most:,} requests a minute"):
        limits.take("a", "requests")
    limits.take("b", "requests")  # another one's bucket is full
    clock.now += MINUTE // most - most  # each of them may be a nanosecond off
    with pytest.raises(LimitedError):
        limits.take("a", "requests")
    clock.now += most
    limits.take("a", "requests")
    assert refused == ["requests", "requests"]
    clock.now += MINUTE
    for _ in range(most):
        limits.take("a", "requests")


def test_what_costs_more_than_is_left_is_waited_for_afterwards() -> None:
    clock = Clock()
    limits = Limits(LimitsConfig(statements=10, upload_bytes=100), clock=clock)
    limits.take("a", "statements", 25)
    with pytest.raises(LimitedError, match="ask again in 96 seconds") as refused:
        limits.take("a", "statements")
    assert refused.value.seconds == 96
    limits.take("a", "upload_bytes", 0)
    limits.charge("a", "upload_bytes", 1000)
    with pytest.raises(LimitedError, match="100 bytes of uploads a minute"):
        limits.take("a", "upload_bytes", 0)


def test_without_a_limit_nothing_is_counted() -> None:
    limits = Limits(LimitsConfig())
    for kind in ("requests", "statements", "upload_bytes"):
        limits.take("a", kind, 10**12)  # type: ignore[arg-type]
        limits.charge("a", kind, 10**12)  # type: ignore[arg-type]
    assert not limits._full


def test_who_comes_once_is_forgotten() -> None:
    clock = Clock()
    limits = Limits(LimitsConfig(requests=60), clock=clock)
    for number in range(100_000):
        limits.take(str(number), "requests")
        clock.now += 10**6
    # A second after it was asked the bucket is full again: a thousand others came meanwhile.
    assert len(limits._full) <= 2048


@pytest.mark.parametrize(
    ("host", "told_apart"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("4c1f09ab", "?4c1f09ab"),
        ("x" * 100, "?" + "x" * 64),
        (None, "?"),
    ],
)
def test_addresses(host: str | None, told_apart: str) -> None:
    assert address_of(host) == told_apart


# --- over HTTP ------------------------------------------------------------------------------------


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.init(tmp_path, origin="acme.example/limited") as ledger:
        ledger.register(ROWS, name="train")
        config = ledger.folder.config
    config.write_text(
        config.read_text() + "\n[service.limits]\nrequests = 3\nstatements = 2\nuploadBytes = 32\n"
    )
    with Ledger.open(tmp_path) as ledger:
        yield ledger


def test_each_token_and_each_address_has_its_own(limited: Ledger) -> None:
    one, other = (limited.tokens.new(name)[1] for name in ("one", "other"))
    revoked, gone = limited.tokens.new("gone")
    limited.tokens.revoke(revoked.id)
    with serving(create_app(limited, public=True)) as url, httpx.Client(base_url=url) as http:
        for headers in (
            {"Authorization": f"Bearer {one}"},
            {"Authorization": f"Bearer {other}"},
            {},
        ):
            for _ in range(3):
                assert http.head("/v1/artifacts", headers=headers).status_code == 200
            answer = http.get("/v1/artifacts/train", headers=headers)
            said = "at most 3 requests a minute are taken from one token, or one address without"
            assert said in problem(answer, 429, "limited")
            assert 1 <= int(answer.headers["retry-after"]) <= 20
        for text in (gone, "plt_00000000_" + "A" * 43):  # counts as no token: as the address
            answer = http.get("/checkpoint", headers={"Authorization": f"Bearer {text}"})
            problem(answer, 429, "limited")
        for path in ("/healthz", "/openapi.json"):
            assert http.get(path).status_code == 200


def test_submissions_are_counted_by_statements(limited: Ledger) -> None:
    _, text = limited.tokens.new("ci", scope="submit")
    headers = {"Authorization": f"Bearer {text}", "Content-Type": "application/jsonl"}
    with serving(create_app(limited)) as url, httpx.Client(base_url=url) as http:
        answer = http.post("/v1/entries", content=b"{}\n" * 5, headers=headers)
        problem(answer, 422, "malformed")
        answer = http.post("/v1/entries", content=b"{}", headers=headers)
        assert "at most 2 statements a minute" in problem(answer, 429, "limited")
        assert int(answer.headers["retry-after"]) > 60


def test_uploads_are_counted_by_bytes(limited: Ledger, tmp_path: Path) -> None:
    _, text = limited.tokens.new("ci", scope="submit")
    headers = {"Authorization": f"Bearer {text}", "Tus-Resumable": "1.0.0"}
    artifact = limited.register([{"x": 1}, {"x": 2}], name="two").artifact
    (limited.folder.tree(artifact.digest)).unlink()
    leaves = b"".join(hash_record({"x": x}, artifact.encoding) for x in (1, 2))
    claim = {"encoding": {"encoding": "json"}, "root": artifact.root.hex(), "size": 2}
    with serving(create_app(limited)) as url, httpx.Client(base_url=url) as http:
        begun = http.post(
            "/v1/trees",
            headers={
                **headers,
                "Upload-Length": "64",
                "Upload-Metadata": "artifact "
                + base64.b64encode(json.dumps(claim).encode()).decode(),
            },
        )
        place = f"/v1/{begun.headers['location']}"
        kind = {"Content-Type": "application/offset+octet-stream"}
        first = http.patch(
            place, content=leaves[:40], headers={**headers, **kind, "Upload-Offset": "0"}
        )
        assert first.status_code == 204
        second = http.patch(
            place, content=leaves[40:], headers={**headers, **kind, "Upload-Offset": "40"}
        )
        assert "at most 32 bytes of uploads a minute" in problem(second, 429, "limited")


def test_limits_stand_in_the_configuration(limited: Ledger, tmp_path: Path) -> None:
    assert limited.config.service.limits == LimitsConfig(requests=3, statements=2, upload_bytes=32)
    again = tmp_path / "again.toml"
    again.write_text(limited.config.to_toml())
    assert Config.read(again) == limited.config
    for wrong in ("requests = 0", "requests = -1", 'requests = "60"', "queries = 1"):
        again.write_text(f'origin = "x.example/y"\n[service.limits]\n{wrong}\n')
        with pytest.raises(LedgerError, match=r"again\.toml is not as it must be"):
            Config.read(again)
