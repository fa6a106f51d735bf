"""evalsuite plan: what it answers, and when it says that nothing helps."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from evalsuite.cli import app
from evalsuite.errors import TooFewRatings, UnknownName
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
