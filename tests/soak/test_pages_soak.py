"""A small run of `pages.py`; `scripts/soak pages` asks a ledger of a million entries."""

from __future__ import annotations

from pathlib import Path

import pages
import pytest

FEW, MANY = 400, 1_600


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, pages.Figures]]:
    home = tmp_path_factory.mktemp("pages")
    return {count: pages.measured(home / str(count), count, times=1) for count in (FEW, MANY)}


def test_no_page_does_what_grows_with_the_ledger(
    figures: dict[int, dict[str, pages.Figures]],
) -> None:
    """The database counts for itself: no clock. What ends at a limit of its own ends there."""
    for name, many in figures[MANY].items():
        few = figures[FEW][name]
        if name == "overview":  # counts artifacts, up to ten thousand
            assert many.instructions < few.instructions + 15 * (MANY - FEW) / 2
        elif any(each in name for each in ("history", "fifth", "search")):
            assert many.instructions < 40_000, name
        else:
            more = max(1, many.size / few.size)  # a list that is not full where there are few
            assert many.instructions < more * (1.5 * few.instructions + 500), name
        assert many.size < 100_000


def test_what_is_written_is_not_written_again(tmp_path: Path) -> None:
    for _ in range(2):
        pages.write(tmp_path / "200", 200)
    with pages.Ledger.open(tmp_path / "200") as ledger:
        assert len(list(ledger.artifacts(name="reviews"))) == 1
        told = pages.head([200]).splitlines()
        row = pages.row("log", [pages.Figures(1_000, 2_000, 0.003)])
        assert row.count("|") == told[0].count("|") == told[1].count("|")
