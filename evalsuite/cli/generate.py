"""``evalsuite generate``: recordings and systems in, a run folder of matched samples out."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalsuite.cli.device import require_device
from evalsuite.cli.engine_option import EngineOption

if TYPE_CHECKING:
    from evalsuite.generate import GenerateResult, Progress
    from evalsuite.registry import SystemRequest
    from evalsuite.types import Utterance

__all__ = ["generate"]

_LISTED = 20


def generate(
    run: Annotated[Path, typer.Argument(help="The run folder; what fits in it is reused.")],
    corpus: Annotated[
        Path, typer.Option(help="A folder of recordings, or a CSV or JSONL table of them.")
    ],
    systems: Annotated[
        str, typer.Option(help="Systems, such as original,griffin_lim,world.", metavar="A,B,…")
    ] = "",
    system: Annotated[
        list[str] | None,
        typer.Option(help=r"One more: \[label=]vocoder\[:argument]\[?key=value&…]. Repeatable."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N utterances.", min=1)] = None,
    corpus_kind: Annotated[
        str, typer.Option(help="folder, ljspeech, vctk, manifest or auto.")
    ] = "auto",
    skip_bad: Annotated[bool, typer.Option(help="Leave unusable recordings out.")] = False,
    sample_rate: Annotated[int, typer.Option(help="Rate of all samples, hertz.")] = 22050,
    level: Annotated[
        str, typer.Option(help="One level for all: lufs:-23 (BS.1770) or p56:-26 (ITU-T P.56).")
    ] = "lufs:-23",
    jobs: Annotated[int, typer.Option(help="Processes, one thread each.", min=1)] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto, for neural vocoders.")] = "cpu",
    engine: EngineOption = None,
    seed: Annotated[int, typer.Option(help="All random draws derive from it.", min=0)] = 0,
    untrained: Annotated[
        bool, typer.Option(help="Allow random weights; everything made is marked.")
    ] = False,
    synthetic_speech: Annotated[
        bool, typer.Option(help="The recordings are not human speech; mark everything.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be done.")] = False,
    force: Annotated[bool, typer.Option(help="Make everything again.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON on stdout.")] = False,
) -> None:
    """Make matched samples: one rate, one length, one level for every system of an utterance."""
    from evalsuite.threads import pin_threads

    pin_threads()
    require_device(device)
    from evalsuite.generate import generate as generate_run
    from evalsuite.generate import parse_settings

    settings = parse_settings(sample_rate=sample_rate, level=level, seed=seed)
    requests = _requests(systems, system or [], engine)
    utterances = _utterances(corpus, corpus_kind, limit, skip_bad=skip_bad, quiet=quiet)
    started = time.monotonic()
    with _progress(quiet=quiet or dry_run) as report:
        result = generate_run(
            run,
            utterances,
            requests,
            settings,
            progress=report,
            jobs=jobs,
            device=device,
            untrained=untrained,
            dry_run=dry_run,
            force=force,
            synthetic_speech=synthetic_speech,
        )
    _print_result(run, result, time.monotonic() - started, device)
    if as_json:
        typer.echo(json.dumps(_as_json(run, result), indent=2, ensure_ascii=False))
    if result.failed:
        raise typer.Exit(1)


def _requests(systems: str, more: list[str], engine: str | None) -> "list[SystemRequest]":
    from evalsuite.engine_options import with_engine
    from evalsuite.errors import UsageError
    from evalsuite.registry import parse_system, parse_systems

    requests = parse_systems(systems) if systems.strip() else []
    requests += [parse_system(text) for text in more]
    if not requests:
        raise UsageError(
            "no systems are given",
            wanted="what the listeners are to compare",
            do="add --systems original,griffin_lim,world; see evalsuite vocoders",
        )
    return requests if engine is None else with_engine(requests, engine)


def _utterances(
    path: Path, kind: str, limit: int | None, *, skip_bad: bool, quiet: bool
) -> "tuple[Utterance, ...]":
    from evalsuite.cli.console import progress_bar
    from evalsuite.corpus import load_corpus, require_clean

    with progress_bar(quiet=quiet) as bar:
        task = bar.add_task("reading", total=limit, rate="")

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=min(total, limit or total))

        corpus = load_corpus(path, kind=kind, limit=limit, progress=show)
    utterances = require_clean(corpus, skip_bad=skip_bad)
    for problem in corpus.problems[:_LISTED]:
        typer.echo(f"left out: {problem}", err=True)
    if len(corpus.problems) > _LISTED:
        typer.echo(f"left out: {len(corpus.problems) - _LISTED} more", err=True)
    return utterances


@contextmanager
def _progress(*, quiet: bool) -> "Iterator[Callable[[Progress], None]]":
    """Show samples done, and above them the seconds that are made side by side beforehand.

    Two bars, because their speeds have nothing to do with each other: a time left over both would
    be wrong until the end.
    """
    from evalsuite.cli.console import progress_bar

    begun: dict[str, float] = {}

    def rate(bar: str, audio_s: float) -> str:
        elapsed_s = time.monotonic() - begun.setdefault(bar, time.monotonic())
        pace = audio_s / max(elapsed_s, 1e-3)
        return f"{pace:.{1 if pace >= 10 else 3}f} x real time"

    with progress_bar(quiet=quiet) as bars:
        vocoding = bars.add_task("vocoding (s)", total=None, rate="", visible=False, start=False)
        making = bars.add_task("making", total=None, rate="", visible=False, start=False)

        def show(state: "Progress") -> None:
            if state.to_vocode_s and not bars.tasks[vocoding].finished:
                if state.vocoded_s == 0:
                    bars.reset(vocoding, total=state.to_vocode_s, visible=True)
                pace = rate("vocoding", state.vocoded_s)
                bars.update(vocoding, completed=state.vocoded_s, rate=pace)
            if state.audio_s == 0:
                # Reused samples are no speed: counted as such, the time left would be wrong.
                waiting = state.vocoded_s < state.to_vocode_s
                bars.reset(making, start=not waiting, total=state.total, visible=True)
                begun.pop("making", None)
            bars.update(making, completed=state.done, rate=rate("making", state.audio_s))

        yield show


def _print_result(run: Path, result: "GenerateResult", elapsed_s: float, device: str) -> None:
    dry = result.manifest is None
    verb = "would be made" if dry else "made"
    line = f"{result.made} samples {verb} ({result.vocoded} by a vocoder), {result.reused} reused"
    if dry:
        known = result.estimated_s
        line += "" if known is None else f"; about {known:.0f} s of vocoder time"
        line += "; time unknown: not every system has run here" if known is None else ""
    else:
        line += f" in {elapsed_s:.1f} s: {run}"
    typer.echo(line, err=True)
    if result.removed:
        typer.echo(f"{len(result.removed)} files that no longer belong were removed", err=True)
    _print_marks(result, device)
    for setback in result.setbacks[:_LISTED]:
        typer.echo(f"made in smaller groups: {setback}", err=True)
    for failed in result.failed[:_LISTED]:
        where = f"{failed.system} / {failed.utterance}"
        typer.echo(f"failed: {where}: {failed.kind}: {failed.reason}", err=True)
    if len(result.failed) > _LISTED:
        typer.echo(f"failed: {len(result.failed) - _LISTED} more, see the manifest", err=True)


def _print_marks(result: "GenerateResult", device: str) -> None:
    """Say what listeners and readers must know."""
    if result.manifest is None:
        return
    if result.manifest.synthetic_speech:
        typer.echo("marked: the recordings are synthetic speech", err=True)
    on_cpu = [one.label for one in result.manifest.systems if "device" not in one.config]
    if device != "cpu" and on_cpu:
        typer.echo(f"computed on the CPU, which is all they use: {', '.join(on_cpu)}", err=True)
    if labels := result.manifest.untrained_labels:
        typer.echo(f"marked: random weights in {', '.join(labels)}", err=True)
    warned = sum(bool(sample.warnings) for sample in result.manifest.samples)
    if warned:
        typer.echo(f"{warned} samples have warnings; see evalsuite check", err=True)


def _as_json(run: Path, result: "GenerateResult") -> dict[str, Any]:
    return {
        "run": str(run),
        "dry_run": result.manifest is None,
        "made": result.made,
        "reused": result.reused,
        "vocoded": result.vocoded,
        "removed": [str(path) for path in result.removed],
        "estimated_s": result.estimated_s,
        "setbacks": list(result.setbacks),
        "failed": [record.model_dump(mode="json") for record in result.failed],
    }
