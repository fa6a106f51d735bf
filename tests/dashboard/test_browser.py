"""The app in a real browser, driven by keys as a listener would."""

from typing import Any

import pytest
from browser_listener import (
    Wire,
    await_trial,
    begin,
    listen,
    moved_on,
    rate,
    rate_all,
    trial_box,
)
from listening_site import SECRETS, Path, Site, make_study, serving

pytestmark = pytest.mark.browser


def ratings_of(site: Site, page: Any) -> list[float]:
    """Scores stored for the seat that a page shows, in the order of its trials."""
    code = page.evaluate("new URL(location).searchParams.get('seat')")
    with site.store() as store:
        seat = store.seat_by_code(code)
        table = store.ratings(1)
    mine = table[table["listener"] == seat.listener].sort_values("trial")
    return mine["score"].tolist()


def place(page: Any) -> tuple[str, str]:
    """What identifies the trial on the page."""
    return page.locator("h2.position").inner_text(), trial_box(page).get_attribute("data-trial")


def test_whole_study_by_keyboard_alone(site: Site, window: Any) -> None:
    page = window.new_page()
    begin(page, site.url)
    scores = [5, 2, 3]
    assert rate_all(page, lambda position, _: scores[position - 1]) == scores
    assert ratings_of(site, page) == scores
    page.get_by_text("completion code").first.wait_for()


def test_locked_until_heard(tmp_path: Path, window: Any) -> None:
    # long enough to be stopped in time on a busy machine
    with serving(make_study(tmp_path, duration_s=5)) as site:
        page = window.new_page()
        begin(page, site.url)
        hear_half_then_all(page)


def hear_half_then_all(page: Any) -> None:
    radios, submit = page.get_by_role("radio"), page.get_by_role("button", name="Submit")
    assert [radio.is_disabled() for radio in radios.all()] == [True] * 5
    page.keyboard.press("4")
    page.keyboard.press("Space")
    trial_box(page, "playing").wait_for()
    page.keyboard.press("Space")
    trial_box(page, "ready").wait_for()
    assert float(trial_box(page).get_attribute("data-heard")) < 0.98
    assert page.locator("input:checked").count() == 0 and submit.is_disabled()
    listen(page)
    assert page.locator("input:checked").count() == 0 and submit.is_disabled()
    page.get_by_role("radio", name="4 Good").check()
    assert submit.is_enabled()
    submit.click()
    await_trial(page, 2)


def test_what_a_screen_reader_finds(site: Site, window: Any) -> None:
    page = window.new_page()
    begin(page, site.url)
    snapshot = page.locator("#trial").aria_snapshot()
    for line in (
        '- heading "Sample 1 of 3" [level=2]',
        '- button "Play"',
        "- status: Listen to the whole sample.",
        '- group "How good is the quality of this speech?":',
        '- radio "5 Excellent" [disabled]',
        '- button "Submit" [disabled]',
    ):
        assert line in snapshot
    order = [snapshot.index(name) for name in ("Excellent", "Good", "Fair", "Poor", "Bad")]
    assert order == sorted(order)


def test_telemetry_says_what_happened(site: Site, window: Any) -> None:
    page = window.new_page()
    begin(page, site.url)
    listen(page)
    rate(page, 3)
    code = page.evaluate("new URL(location).searchParams.get('seat')")
    with site.store() as store:
        table, seat = store.ratings(1), store.seat_by_code(code)
    [row] = table[table["listener"] == seat.listener].to_dict("records")
    assert (row["plays"], row["heard_fraction"]) == (2, 1.0)


def test_double_click_is_one_answer(site: Site, window: Any) -> None:
    page = window.new_page()
    begin(page, site.url)
    listen(page)
    page.keyboard.press("4")
    page.get_by_role("button", name="Submit").dblclick()
    await_trial(page, 2)
    assert ratings_of(site, page) == [4]


def test_two_tabs_give_one_answer_and_the_second_moves_on(site: Site, window: Any) -> None:
    first = window.new_page()
    begin(first, site.url)
    second = window.new_page()
    second.goto(first.url)
    await_trial(second, 1)
    for page, key in ((first, "2"), (second, "5")):
        page.bring_to_front()
        listen(page)
        page.keyboard.press(key)
        page.keyboard.press("Enter")
        await_trial(page, 2)
    second.get_by_text("already answered").wait_for()
    assert ratings_of(site, first) == [2]


def test_reload_and_another_browser_resume_the_same_trial(
    site: Site, window: Any, chromium: Any
) -> None:
    page = window.new_page()
    begin(page, site.url)
    rate(page, 3)
    await_trial(page, 2)
    page.keyboard.press("Space")
    page.locator("#trial[data-plays='1']").wait_for()
    before = place(page)
    page.reload()
    await_trial(page, 2)
    assert place(page) == before
    elsewhere = chromium.new_context()
    other = elsewhere.new_page()
    other.goto(page.url)
    await_trial(other, 2)
    assert place(other) == before
    elsewhere.close()


def test_unloadable_sample_says_so_and_can_be_tried_again(site: Site, window: Any) -> None:
    page = window.new_page()
    window.route("**/audio/*", lambda route: route.fulfill(status=200, body="not audio"))
    page.goto(site.url)
    with site.store() as store:
        code = store.enter(1, None, attributes={}).resume_code
    page.goto(f"{site.url}/?seat={code}&level=done")
    trial_box(page, "failed").wait_for()
    assert "could not be loaded" in page.get_by_role("status").inner_text()
    window.unroute("**/audio/*")
    page.get_by_role("button", name="Try again").click()
    await_trial(page, 1)


def test_phone_has_stacked_answers_and_large_targets(site: Site, chromium: Any) -> None:
    phone = chromium.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = phone.new_page()
    begin(page, site.url)
    listen(page)
    boxes = [option.bounding_box() for option in page.locator("label.option").all()]
    boxes += [button.bounding_box() for button in page.locator("#trial button:visible").all()]
    assert min(box["height"] for box in boxes) >= 44
    assert len({box["x"] for box in boxes[:5]}) == 1
    assert max(box["x"] + box["width"] for box in boxes) <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("label.option", has_text="Fair").tap()
    page.get_by_role("button", name="Submit").tap()
    await_trial(page, 2)
    assert ratings_of(site, page) == [3]
    phone.close()


def test_nothing_the_browser_receives_names_a_sample(site: Site, window: Any) -> None:
    page = window.new_page()
    wire = Wire(page)
    begin(page, site.url)
    rate_all(page, lambda *_: 3)
    received = wire.collected()
    assert len(wire.frames) > 10 and any("/audio/" in address for address in wire.addresses)
    # the frames are readable: what may be there is found
    assert any(b"How good is the quality" in frame for frame in wire.frames)
    found = {name for name in SECRETS for part in received if name.encode() in part.lower()}
    assert found == set()
    audio = [address for address in wire.addresses if "/audio/" in address]
    assert len(audio) == len(set(audio)) == 3
    foreign = [a for a in wire.addresses if not a.startswith((site.url, "data:", "blob:"))]
    assert foreign == []


def test_page_continues_by_itself_after_a_restart(tmp_path: Path, window: Any) -> None:
    with serving(make_study(tmp_path)) as site:
        page = window.new_page()
        begin(page, site.url)
        rate(page, 4)
        trial = trial_box(page).get_attribute("data-trial")
        site.kill()
        listen(page)  # the sample is there already, and so is the page
        page.keyboard.press("2")
        page.keyboard.press("Enter")
        trial_box(page, "waiting").wait_for()
        assert "kept" in page.get_by_role("status").inner_text()
        site.start()
        moved_on(page, trial)
        assert ratings_of(site, page) == [4, 2]


def test_answer_survives_a_lost_line_and_a_reload(tmp_path: Path, window: Any) -> None:
    with serving(make_study(tmp_path)) as site:
        page = window.new_page()
        begin(page, site.url)
        trial = trial_box(page).get_attribute("data-trial")
        listen(page)
        site.kill()
        page.keyboard.press("5")
        page.keyboard.press("Enter")
        trial_box(page, "waiting").wait_for()
        site.start()
        page.reload()
        moved_on(page, trial)
        assert ratings_of(site, page) == [5]


def test_line_that_swallows_everything_is_given_up(site: Site, window: Any) -> None:
    """The server lives, the socket looks open, nothing arrives: the page reloads itself, once."""
    page = window.new_page()
    swallow: list[bool] = []

    def tamper(socket: Any) -> None:
        server = socket.connect_to_server()
        socket.on_message(lambda message: swallow or server.send(message))

    page.route_web_socket("**/_stcore/stream", tamper)
    begin(page, site.url)
    listen(page)
    page.keyboard.press("4")
    trial_box(page, "rated").wait_for()
    swallow.append(True)
    page.on("load", lambda: swallow.clear())
    page.keyboard.press("Enter")
    await_trial(page, 2)
    assert not swallow
    assert ratings_of(site, page) == [4]
