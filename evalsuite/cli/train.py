"""``evalsuite train``: a network from recordings, resumable, with samples to evaluate at once."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vocoders.training.trainer import TrainingResult

__all__ = ["train"]


def train(
    config: Annotated[
        str, typer.Argument(help="A packaged configuration (see --list), or a .yaml file.")
    ] = "melgan",
    data: Annotated[
        Path | None,
        typer.Option(help="Recordings: a folder, or a table; a column split holds clips out."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder; a training in it goes on.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting, such as data.batch_size=8. Repeatable."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Stop after N steps in all; default: the config's.", min=1)
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Stop after so long and save; samples come after.", min=0)
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or auto.")] = "auto",
    cache: Annotated[
        Path | None, typer.Option(help="Decoded recordings, to be shared; default OUT/audio.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Remove the checkpoints in OUT and begin anew.")
    ] = False,
    corpus_kind: Annotated[
        str, typer.Option(help="folder, ljspeech, vctk, manifest or auto.")
    ] = "auto",
    skip_bad: Annotated[bool, typer.Option(help="Leave unusable recordings out.")] = False,
    synthetic_speech: Annotated[
        bool, typer.Option(help="The recordings are not human speech; mark everything.")
    ] = False,
    list_all: Annotated[
        bool, typer.Option("--list", help="List the packaged configurations and their sizes.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress; warnings stay.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON on stdout.")] = False,
) -> int:
    """Train CONFIG until --steps or --minutes; the same command goes on where it stopped.

    Ctrl-C finishes the step and saves. Several GPUs: torchrun --nproc_per_node N -m evalsuite
    train … Writes checkpoints, log.csv, weights (melgan:OUT/weights) and samples of held-out
    clips as a run for check, metrics and study.
    """
    _require_train_extra()
    if list_all:
        _list(as_json=as_json)
        return 0
    from evalsuite.errors import UsageError

    if data is None or out is None:
        raise UsageError(
            "no recordings or no output folder are given",
            wanted="evalsuite train CONFIG --data RECORDINGS -o OUT",
            do="add --data and -o, or ask for --list",
        )
    from contextlib import nullcontext

    from vocoders.training.config import load_config
    from vocoders.training.data import Recordings
    from vocoders.training.limits import Limits, StopReason
    from vocoders.training.progress import ProgressLine, WarningsOnly
    from vocoders.training.trainer import train as run_training

    loaded, kind = load_config(config, settings or [])
    limits = Limits(steps or loaded.steps, minutes)
    recordings = Recordings(data, corpus_kind, skip_bad, synthetic_speech)
    with nullcontext(WarningsOnly()) if quiet else ProgressLine() as progress:
        result = run_training(
            loaded, kind, recordings, out,
            limits=limits, device=device, cache=cache, fresh=fresh, progress=progress,
        )  # fmt: skip
    if os.environ.get("RANK", "0") == "0":  # under torchrun the first process speaks for all
        _print_result(out, result)
        if as_json:
            typer.echo(json.dumps(result.as_json(), indent=2))
    return 130 if result.reason is StopReason.SIGNAL else 0


def _print_result(out: Path, result: "TrainingResult") -> None:
    from vocoders.training.limits import StopReason

    reasons = {
        StopReason.STEPS: "all steps are done",
        StopReason.MINUTES: "the time is up",
        StopReason.SIGNAL: "stopped by the user",
    }
    typer.echo(f"{reasons[result.reason]}: step {result.n_steps}, saved in {out}", err=True)
    if result.n_steps_now:
        typer.echo(
            f"{result.n_steps_now} steps now, {result.steps_per_s:.3g} steps/s, "
            f"{100 * result.data_share:.2g} % of the time for data",
            err=True,
        )
    if result.weights:
        typer.echo(f"use it as the system  {result.weights}", err=True)
    if result.samples:
        typer.echo(
            f"listen: {result.samples}; measure: evalsuite metrics {result.samples}", err=True
        )


def _list(*, as_json: bool) -> None:
    from dataclasses import asdict

    from vocoders.training.catalogue import list_configs

    found = list_configs()
    if as_json:
        typer.echo(json.dumps({"configs": [asdict(one) for one in found]}, indent=2))
        return
    for one in found:
        sizes = ", ".join(
            f"{name} {one.as_trained[name]:,} ({one.folded[name]:,} without norm)"
            for name in one.as_trained
        )
        typer.echo(f"{one.name}: {sizes}")


def _require_train_extra() -> None:
    from importlib.util import find_spec

    from evalsuite.errors import Unavailable

    missing = [name for name in ("torch", "safetensors") if find_spec(name) is None]
    if missing:
        raise Unavailable(
            f"{', '.join(missing)} not installed",
            wanted="the extra for training",
            do="pip install 'evalsuite[train]'",
        )
