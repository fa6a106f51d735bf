"""``evalsuite plan``: how many listeners, sentences and ratings a test needs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalsuite.cli.rating_source import Columns, load_ratings
from evalsuite.errors import TooFewRatings, UnknownName

if TYPE_CHECKING:
    from evalsuite.stats.planning import Plan
    from evalsuite.stats.simulate import Effects

__all__ = ["plan"]


def plan(
    utterances: Annotated[int, typer.Option(help="Sentences, rated for every system.", min=2)],
    ratings_each: Annotated[
        int, typer.Option(help="Ratings that one listener gives to each system.", min=1)
    ],
    half_width: Annotated[
        float | None, typer.Option(help="Wanted half width of a MOS's interval, in points.")
    ] = None,
    difference: Annotated[
        float | None,
        typer.Option(help="Difference to find with 80 % power at 5 %, in points."),
    ] = None,
    listeners: Annotated[
        int | None, typer.Option(help="Say what this many listeners reach instead.", min=2)
    ] = None,
    pilot: Annotated[
        Path | None, typer.Option(help="Rating table to take the variances from.")
    ] = None,
    effects: Annotated[
        str, typer.Option(help="Without a pilot: blizzard_2009_crowd or voicemos_2024.")
    ] = "voicemos_2024",
    columns: Columns = "",
    simulate: Annotated[
        int, typer.Option(help="Check the power with so many simulated tests; 0 = do not.", min=0)
    ] = 200,
    seed: Annotated[int, typer.Option(help="Of the simulated tests.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Find the smallest number of listeners that reaches a precision or finds a difference.

    Sentences are the bottleneck of most tests: where no number of listeners is enough, it says so.
    """
    import json
    from dataclasses import asdict

    from evalsuite.stats.planning import (
        Plan,
        minimal_detectable_difference,
        plan_half_width,
        plan_listeners,
        require_ratings_each,
    )

    require_ratings_each(utterances, ratings_each)
    parts = _effects(pilot, effects, columns)
    found: Plan | None
    if listeners is not None:
        size = (listeners, utterances, listeners * ratings_each)
        found = Plan(
            *size, plan_half_width(parts, *size), minimal_detectable_difference(parts, *size)
        )
    else:
        found = plan_listeners(
            parts, n_utterances=utterances, n_ratings_each=ratings_each,
            half_width=half_width, difference=difference,
        )  # fmt: skip
    if found is None:
        raise TooFewRatings(
            f"{utterances} utterances with {ratings_each} ratings each: no number of listeners "
            "reaches what is wanted",
            wanted="more sentences: they limit what can be known",
            do="raise --utterances (and --ratings-each with it), or accept a wider interval",
        )
    power = _simulated(found, parts, simulate, seed) if simulate else None
    warnings = _warnings(power)
    if as_json:
        value = {
            "plan": asdict(found), "effects": asdict(parts), "simulated_power": power,
            "warnings": warnings,
        }  # fmt: skip
        typer.echo(json.dumps(value, indent=2))
    else:
        _print(found, power)
        for line in warnings:
            typer.echo(f"warning: {line}")


def _effects(pilot: Path | None, name: str, columns: str) -> "Effects":
    from evalsuite.stats.planning import MEASURED_EFFECTS, effects_from_pilot

    if pilot is None:
        if name not in MEASURED_EFFECTS:
            raise UnknownName(
                f"there are no measured effects {name!r}",
                wanted=f"one of {', '.join(MEASURED_EFFECTS)}",
                do="choose one of them, or give a --pilot",
            )
        return MEASURED_EFFECTS[name]
    from evalsuite.stats.scores import score_table

    frame = load_ratings(pilot, columns=columns).frame
    return effects_from_pilot(
        score_table(frame["system"], frame["listener"], frame["utterance"], frame["score"])
    )


def _simulated(found: "Plan", parts: "Effects", n_tests: int, seed: int) -> dict[str, Any]:
    """Power for the plan's difference, and false positives, in tests of this very size."""
    from evalsuite.stats.planning import simulated_power
    from evalsuite.stats.simulate import rotated_cells

    each = found.n_ratings // found.n_listeners
    cells = rotated_cells(found.n_listeners, 2, found.n_utterances, each)
    middle, half = 3.0, found.detectable_difference / 2
    power, error = simulated_power(
        cells, [middle - half, middle + half], parts, n_tests=n_tests, seed=seed
    )
    wrong, wrong_error = simulated_power(cells, [middle] * 2, parts, n_tests=n_tests, seed=seed)
    return {
        "power": power, "power_error": error, "false_positives": wrong,
        "false_positives_error": wrong_error, "n_tests": n_tests,
    }  # fmt: skip


def _warnings(power: dict[str, Any] | None) -> list[str]:
    """What the simulation says against the plan, beyond twice its own error."""
    from evalsuite.stats.planning import PLANNED_POWER

    if power is None or power["power"] >= PLANNED_POWER - 2 * power["power_error"]:
        return []
    return [
        f"simulated tests of this size find the difference in {100 * power['power']:.0f} % of "
        f"cases, not in {100 * PLANNED_POWER:.0f} %: finding it takes more listeners or sentences"
    ]


def _print(found: "Plan", power: dict[str, Any] | None) -> None:
    typer.echo(
        f"{found.n_listeners} listeners x {found.n_utterances} utterances, "
        f"{found.n_ratings} ratings of each system"
    )
    typer.echo(f"expected half width of a MOS: {found.half_width:.2f} points")
    typer.echo(f"difference found with 80 % power at 5 %: {found.detectable_difference:.2f} points")
    if power:
        typer.echo(
            f"simulated: power {power['power']:.2f} ± {power['power_error']:.2f}, false positives "
            f"{power['false_positives']:.3f} ± {power['false_positives_error']:.3f} "
            f"({power['n_tests']} tests each)"
        )
