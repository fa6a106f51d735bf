"""evalsuite plan: what it answers, and when it says that nothing helps."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from evalsuite.cli import app
from evalsuite.errors import TooFewRatings, UnknownName, UsageError
from evalsuite.stats.planning import MEASURED_EFFECTS, plan_half_width
from evalsuite.stats.simulate import crossed_cells, simulate_scores


def call(*arguments) -> str:
    result = CliRunner().invoke(app, ["plan", *map(str, arguments)])
    if result.exception:
        raise result.exception
    return result.stdout


def test_the_plan_reaches_what_was_wanted_and_is_checked_by_simulation() -> None:
    value = json.loads(
        call("--utterances", 60, "--ratings-each", 10, "--half-width", 0.25, "--simulate", 150,
             "--json")
    )  # fmt: skip
    plan = value["plan"]
    assert plan["half_width"] <= 0.25
    assert plan["half_width"] == pytest.approx(
        plan_half_width(MEASURED_EFFECTS["voicemos_2024"], plan["n_listeners"], 60,
                        plan["n_ratings"])
    )  # fmt: skip
    assert value["simulated_power"]["power"] == pytest.approx(0.8, abs=0.15)
    assert value["simulated_power"]["false_positives"] < 0.12


def test_more_sentences_are_asked_for_where_listeners_do_not_help() -> None:
    with pytest.raises(TooFewRatings, match="no number of listeners"):
        call("--utterances", 8, "--ratings-each", 5, "--half-width", 0.1)


def test_what_a_given_number_of_listeners_reaches() -> None:
    text = call("--utterances", 40, "--ratings-each", 10, "--listeners", 30, "--simulate", 0)
    assert "30 listeners x 40 utterances, 300 ratings" in text
    assert "simulated" not in text


def test_a_pilot_gives_the_variances(tmp_path) -> None:
    cells = crossed_cells(12, 3, 10)
    path = tmp_path / "pilot.csv"
    pd.DataFrame(
        {
            "listener": cells.listeners, "system": cells.systems, "utterance": cells.utterances,
            "score": simulate_scores(cells, [2.5, 3.0, 3.5], seed=0),
        }
    ).to_csv(path, index=False)  # fmt: skip
    value = json.loads(
        call("--utterances", 40, "--ratings-each", 10, "--difference", 0.4, "--pilot", path,
             "--simulate", 0, "--json")
    )  # fmt: skip
    assert 0.4 < value["effects"]["noise"] < 1.0
    assert value["plan"]["detectable_difference"] <= 0.4
    with pytest.raises(UnknownName, match="voicemos_2024"):
        call("--utterances", 40, "--ratings-each", 10, "--half-width", 0.3, "--effects", "x")


def test_impossible_numbers_are_blamed_on_the_option_that_has_them() -> None:
    with pytest.raises(UsageError, match="10 ratings of each system by every listener, and 5 "):
        call("--utterances", 5, "--ratings-each", 10, "--half-width", 0.2)
    with pytest.raises(UsageError, match="10 ratings of each system by every listener, and 5 "):
        call("--utterances", 5, "--ratings-each", 10, "--listeners", 20)
    with pytest.raises(UsageError, match="a half width of -1 points"):
        call("--utterances", 20, "--ratings-each", 5, "--half-width", -1)


def test_a_plan_that_simulation_contradicts_says_so() -> None:
    """Two listeners and two sentences would find more than the scale has room for."""
    size = ("--utterances", 2, "--ratings-each", 2, "--listeners", 3, "--simulate", 100)
    assert "warning: simulated tests of this size find the difference in" in call(*size)
    value = json.loads(call(*size, "--json"))
    assert "not in 80 %" in value["warnings"][0]
    good = ("--utterances", 40, "--ratings-each", 10, "--listeners", 30, "--simulate", 100)
    assert json.loads(call(*good, "--json"))["warnings"] == []


def test_a_pilot_of_one_system_is_not_enough(tmp_path) -> None:
    cells = crossed_cells(12, 1, 10)
    path = tmp_path / "pilot.csv"
    pd.DataFrame(
        {
            "listener": cells.listeners, "system": "a", "utterance": cells.utterances,
            "score": simulate_scores(cells, [3.0], seed=0),
        }
    ).to_csv(path, index=False)  # fmt: skip
    with pytest.raises(TooFewRatings, match="listener:system and utterance:system"):
        call("--utterances", 40, "--ratings-each", 10, "--difference", 0.4, "--pilot", path)
