"""The page in a real browser: nothing but wide tables moves sideways, at any width."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evalsuite.report.page import Page, render_page
from evalsuite.report.players import Grid, GridRow, Player
from evalsuite.tables.table import Column, Row, Table

pytestmark = pytest.mark.browser

CHROMIUM = os.environ.get("EVALSUITE_CHROMIUM", "/usr/bin/chromium")
SYSTEMS = (*(f"system{number}" for number in range(8)), "a_name_without_a_break_" * 3)
UTTERANCES = ("LJ001-0001", "an_utterance_of_somebody_who_likes_long_names_" * 3)
HAIR_PX = 1.0

#: Right edge of what reaches furthest right, without what lies in a frame that moves by itself.
FURTHEST = """() => Math.max(...[...document.querySelectorAll('body *')]
  .filter(one => !one.closest('table')).map(one => one.getBoundingClientRect().right))"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        message = f"no Chromium at {CHROMIUM}; set EVALSUITE_CHROMIUM"
        if os.environ.get("EVALSUITE_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], timeout=120_000
        )
        yield browser
        browser.close()


def wide_table() -> Table:
    columns = tuple(Column(f"c{number}", f"column {number}") for number in range(20))
    row = Row({column.key: "0.123456" for column in columns} | {"system": SYSTEMS[-1]})
    stamps = ("SIMULATED LISTENERS: 24 of 24 ratings",)
    system = Column("system", "system")
    return Table("t", "Many columns", "Measured", (system, *columns), (row,), stamps=stamps)


def page_of_many_systems() -> Page:
    rows = tuple(
        GridRow(
            utterance,
            "What is said in it. " * 9,
            tuple(Player(f"{utterance}, {system}", "data:,") for system in SYSTEMS),
        )
        for utterance in UTTERANCES
    )
    return Page(
        title="Vocoders compared: " + "run_" * 30,
        banners=["SIMULATED LISTENERS: 24 of 24 ratings by no person"],
        columns=SYSTEMS,
        grid=Grid(SYSTEMS, rows, len(rows), embedded=True),
        pictures=(),
        tables=[wide_table()],
        gate=None,
        checklist=[("Question", "How natural does it sound?")],
        facts=[("Weights", "0123456789abcdef" * 8)],
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("layout") / "page.html"
    path.write_text(render_page(page_of_many_systems()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(params=[320, 380, 768, 1280, 1920])
def window(request: pytest.FixtureRequest, chromium: Any, address: str) -> Iterator[Any]:
    page = chromium.new_page(viewport={"width": request.param, "height": 900})
    page.goto(address)
    yield page
    page.close()


def test_the_page_does_not_move_sideways(window: Any) -> None:
    width = window.evaluate("document.documentElement.clientWidth")
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    assert window.evaluate(FURTHEST) <= width + HAIR_PX


def test_every_player_can_be_seen_and_used(window: Any) -> None:
    players = window.locator("audio")
    boxes = [players.nth(number).bounding_box() for number in range(players.count())]
    assert len(boxes) == len(SYSTEMS) * len(UTTERANCES)
    # Chromium needs some 150 px for its button, its time and its menu.
    assert all(box["width"] >= 190 and box["height"] >= 36 for box in boxes)
    # The same system stands at the same place in every utterance.
    lefts = [round(box["x"]) for box in boxes]
    assert lefts[: len(SYSTEMS)] == lefts[len(SYSTEMS) :]
    in_a_line = len(set(lefts))
    wanted = {320: 1, 380: 1, 768: 3, 1280: 5, 1920: 5}
    assert in_a_line == wanted[window.viewport_size["width"]]


def test_a_wide_table_moves_in_its_frame_under_its_stamp(window: Any) -> None:
    frame = window.locator(".scroll")
    edge = frame.bounding_box()
    moved = frame.evaluate("one => { one.scrollLeft = 1e4; return one.scrollLeft }")
    assert moved > 0
    name = frame.locator("tbody th").bounding_box()
    assert abs(name["x"] - edge["x"]) <= HAIR_PX
    stamp = window.locator("#results strong").bounding_box()
    assert edge["x"] <= stamp["x"] + HAIR_PX
    assert stamp["x"] + stamp["width"] <= edge["x"] + edge["width"] + HAIR_PX
    last = frame.locator("tbody td").last.bounding_box()
    assert last["x"] >= name["x"] + name["width"] - HAIR_PX
    assert last["x"] + last["width"] <= edge["x"] + edge["width"] + HAIR_PX
