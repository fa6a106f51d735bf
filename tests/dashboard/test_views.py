"""Each view without a browser or a server: what is on the page, and what it stores."""

import json
from typing import Any

import pytest
from listening_site import SECRETS, Path, make_study
from protocol_listener import new_answer, trigger
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.testing.v1 import AppTest

import dashboard.listener
from dashboard import settings
from dashboard.texts import ENGLISH
from tests_mos.store import Store, default_url, open_store


@pytest.fixture
def store(study_file: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    return serve_here(study_file, monkeypatch)


def serve_here(study: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Point the page at a study, as `evalsuite serve` does."""
    monkeypatch.setenv(settings.STUDY, str(study))
    monkeypatch.setenv(settings.DATABASE, default_url(study))
    return open_store(default_url(study))


def open_page(**query: str) -> AppTest:
    page = AppTest.from_file(dashboard.listener.__file__, default_timeout=120)
    for name, value in query.items():
        page.query_params[name] = value
    return page.run()


def component(page: AppTest) -> Any:
    [found] = page.get("bidi_component")
    return found.proto


def payload(page: AppTest) -> dict[str, Any]:
    [data] = json.loads(component(page).json)
    return data


def send(page: AppTest, event: str, value: object) -> AppTest:
    """Fire a component's trigger: AppTest has no public way, so this is the only private call."""
    states = WidgetStates()
    name, content = trigger(component(page).id, event, value)
    states.widgets.add(id=name, json_trigger_value=content)
    return page._run(states)


def address(page: AppTest) -> dict[str, str]:
    """The query of the address bar; AppTest gives what was set as text, the rest as lists."""
    query = page.query_params
    return {name: v if isinstance(v, str) else v[-1] for name, v in query.items()}


def begin(page: AppTest) -> AppTest:
    page.checkbox[0].check().run()
    return page.button[0].click().run()


def words(page: AppTest) -> str:
    return " ".join(str(element.value) for element in [*page.title, *page.header, *page.markdown])


def at_trial(store: Store, **entry: Any) -> tuple[AppTest, str]:
    code = store.enter(1, None, attributes={}, **entry).resume_code
    return open_page(seat=code, level="done"), code


def test_full_study_is_said_on_begin_and_nothing_else_is_shown(store: Store) -> None:
    for _ in range(4):
        store.enter(1, None, attributes={})
    page = begin(open_page())
    assert page.title[0].value == ENGLISH["full_title"]
    assert len(page.title) == 1 and not page.button


def test_unknown_seat_is_a_bad_link(store: Store) -> None:
    assert open_page(seat="NOTASEAT").title[0].value == ENGLISH["link_title"]


def test_malformed_invitation_is_a_bad_link(store: Store) -> None:
    page = open_page(PROLIFIC_PID="<img src=x onerror=alert(1)>")
    assert page.title[0].value == ENGLISH["link_title"]
    assert not page.button


def test_lost_seat_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = serve_here(make_study(tmp_path, listeners=2), monkeypatch)
    code = store.enter(1, None, attributes={}, now=0.0).resume_code
    store.enter(1, None, attributes={})
    assert open_page(seat=code).title[0].value == ENGLISH["lost_title"]


def test_welcome_says_what_is_asked_and_takes_no_seat(store: Store) -> None:
    page = open_page()
    assert page.title[0].value == "How natural does it sound?"
    for expected in ("how good", "3 samples", "3 minutes", "voluntary", "who you are"):
        assert expected in words(page)
    assert page.button[0].disabled
    assert not page.checkbox[0].check().run().button[0].disabled
    assert store.status(1).seats == {"free": 4}


def test_demo_speech_is_marked_on_welcome_and_thanks_only(store: Store) -> None:
    assert open_page().caption[0].value == ENGLISH["demo"]
    page, _ = at_trial(store)
    assert not page.caption
    for _ in range(3):
        page = send(page, "submit", new_answer(payload(page), 3))
    assert page.caption[0].value == ENGLISH["demo"]


def test_begin_takes_a_seat_and_moves_its_code_into_the_address(store: Store) -> None:
    page = begin(open_page(PROLIFIC_PID="p1", STUDY_ID="s1"))
    assert set(address(page)) == {"seat"}
    seat = store.seat_by_code(address(page)["seat"])
    assert seat is not None
    assert page.title[0].value == ENGLISH["level_title"]
    # the same invitation leads to the same seat
    again = begin(open_page(PROLIFIC_PID="p1"))
    assert address(again) == address(page)
    assert store.status(1).seats == {"claimed": 1, "free": 3}


def test_level_check_leads_to_the_first_trial_and_is_not_repeated(store: Store) -> None:
    page = send(begin(open_page()), "confirm", {"heard_s": 2.0})
    assert payload(page)["place"] == "Sample 1 of 3"
    reloaded = open_page(**address(page))
    assert payload(reloaded)["trial"] == payload(page)["trial"]


def test_trial_shows_the_scale_in_the_order_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(tmp_path, scale={"order": "worst_first"}, question="How clear?")
    page, _ = at_trial(serve_here(study, monkeypatch))
    shown = payload(page)
    assert [option["value"] for option in shown["scale"]] == [1, 2, 3, 4, 5]
    assert shown["scale"][4]["label"] == "Excellent"
    assert shown["question"] == "How clear?"
    assert shown["required"] == 0.98


def test_page_is_blind(store: Store) -> None:
    page, _ = at_trial(store)
    sent = component(page).SerializeToString().lower()
    assert not [name for name in SECRETS if name.encode() in sent]
    assert str(store.seat_by_code(payload(page)["seat"]).seat_id) != payload(page)["seat"]


def test_answer_is_stored_and_the_next_trial_shown(store: Store) -> None:
    page, code = at_trial(store)
    first = payload(page)
    page = send(page, "submit", new_answer(first, 4))
    assert payload(page)["place"] == "Sample 2 of 3"
    assert payload(page)["url"] == first["preload"][0]
    assert list(store.ratings(1)["score"]) == [4.0]
    assert payload(open_page(seat=code))["trial"] == payload(page)["trial"]


def test_instant_answer_is_stored_and_flagged(store: Store) -> None:
    page, _ = at_trial(store)
    send(page, "submit", new_answer(payload(page), 5))
    assert stored_flags(store) == [True]


def test_answer_of_a_new_session_is_taken_and_not_called_fast(store: Store) -> None:
    """After a restart the page resends into a session that has drawn nothing yet."""
    page, code = at_trial(store)
    fresh = AppTest.from_file(dashboard.listener.__file__, default_timeout=120)
    fresh.query_params["seat"], fresh.query_params["level"] = code, "done"
    states = WidgetStates()
    name, content = trigger(component(page).id, "submit", new_answer(payload(page), 2))
    states.widgets.add(id=name, json_trigger_value=content)
    fresh._run(states)
    assert payload(fresh)["place"] == "Sample 2 of 3"
    assert list(store.ratings(1)["score"]) == [2.0]


def stored_flags(store: Store) -> list[object]:
    import sqlalchemy as sa

    from tests_mos.schema import rating

    with store._database.read() as connection:
        return [row.telemetry["too_fast"] for row in connection.execute(sa.select(rating))]


def test_second_window_moves_on_and_says_so(store: Store) -> None:
    page, code = at_trial(store)
    other = open_page(seat=code, level="done")
    send(page, "submit", new_answer(payload(page), 4))
    other = send(other, "submit", new_answer(payload(other), 1))
    assert payload(other)["place"] == "Sample 2 of 3"
    assert payload(other)["notice"] == ENGLISH["already_rated"]
    assert list(store.ratings(1)["score"]) == [4.0]


@pytest.mark.parametrize("change", [{"scores": [9]}, {"key": "x"}, {"trial": 10**6}], ids=str)
def test_forged_answer_stores_nothing_and_the_trial_stays(
    store: Store, change: dict[str, object]
) -> None:
    page, _ = at_trial(store)
    before = payload(page)["trial"]
    page = send(page, "submit", {**new_answer(payload(page), 4), **change})
    assert payload(page)["trial"] == before
    assert store.ratings(1).empty


def test_thanks_shows_the_code_and_the_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "https://panel.example/done?cc={code}"
    study = make_study(tmp_path, completion={"code": "C0DE7", "url": url})
    page, code = at_trial(serve_here(study, monkeypatch))
    for _ in range(3):
        page = send(page, "submit", new_answer(payload(page), 3))
    for shown in (page, open_page(seat=code)):
        assert shown.title[0].value == ENGLISH["thanks_title"]
        assert shown.code[0].value == "C0DE7"
        [button] = shown.get("link_button")
        assert button.proto.url == "https://panel.example/done?cc=C0DE7"


def test_simulated_seat_is_marked_at_the_end(store: Store) -> None:
    page, _ = at_trial(store, simulated=True)
    for _ in range(3):
        page = send(page, "submit", new_answer(payload(page), 3))
    assert ENGLISH["simulated"] in [caption.value for caption in page.caption]


def test_fault_shows_our_words_and_none_of_its_own() -> None:
    def fail() -> None:
        from dashboard.app import _on_script_error

        _on_script_error(RuntimeError("postgresql://user:password@host"))

    page = AppTest.from_function(fail).run()
    assert [error.value for error in page.error] == [ENGLISH["error"]]
    assert not page.exception
