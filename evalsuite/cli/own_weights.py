"""``evalsuite weights``: the verbs around weights that we train ourselves.

From recordings to a table (``corpus``), a training packed and carried (``pack-data``,
``pack-state``, ``unpack-state``, ``continue``), weights to ship (``export``, ``card``), and which
of two to keep (``compare``). `docs/weights.md` shows them in the order of the work.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vocoders.training.held_out import HeldOutClip
    from vocoders.training.snapshot import Snapshot

__all__ = ["add_verbs"]

_Training = Annotated[
    Path, typer.Argument(help="A training folder, a folder of parts, or a checkpoint.")
]
_Config = Annotated[
    str | None, typer.Option(help="Its configuration, if the file does not hold it.")
]
_Settings = Annotated[list[str] | None, typer.Option("--set", help="Change a setting. Repeatable.")]
_Budget = Annotated[float, typer.Option(help="For all files together, in MB (1e6 bytes).", min=0.1)]
_Part = Annotated[float, typer.Option(help="Largest file, in MB.", min=0.01)]
_HeldOut = Annotated[
    Path | None, typer.Option("--data", help="Table with test clips, to measure on.")
]
_Limit = Annotated[
    int | None, typer.Option("--limit", help="Clips of each group; default: all.", min=1)
]
_Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")]
_Json = Annotated[bool, typer.Option("--json", help="The result as JSON on stdout.")]


def add_verbs(app: typer.Typer) -> None:
    """Attach the verbs in the order of the work."""
    verbs: dict[str, Callable[..., int]] = {
        "corpus": corpus,
        "pack-data": pack_data,
        "pack-state": pack_state,
        "unpack-state": unpack_state,
        "continue": continue_,
        "export": export,
        "card": card,
        "compare": compare,
    }
    for name, verb in verbs.items():
        app.command(name)(verb)


def corpus(
    data: Annotated[Path, typer.Argument(help="Folder with train/, lj/ and vctk-like/.")],
    table: Annotated[Path, typer.Option("--output", "-o", help="CSV table to write.")],
    as_json: _Json = False,
) -> int:
    """Write the table of training, validation and test recordings with its fixed split."""
    from collections import Counter

    from vocoders.training.training_data import write_training_data

    counts = Counter(one.split for one in write_training_data(data, table))
    typer.echo(f"{table}: " + ", ".join(f"{n} {split}" for split, n in counts.items()), err=True)
    if as_json:
        typer.echo(json.dumps({"table": str(table), "clips": dict(counts)}))
    return 0


def pack_data(
    data: Annotated[Path, typer.Argument(help="Table with a column split.")],
    folder: _Output,
    budget_mb: _Budget = 13.0,
    coder: Annotated[str, typer.Option(help="vorbis or flac.")] = "vorbis",
    quality: Annotated[float, typer.Option(help="Of Vorbis, above 0 up to 1.")] = 0.5,
    as_json: _Json = False,
) -> int:
    """Pack training and validation clips, never test clips, into few files under a budget."""
    _require_train_extra()
    from vocoders.training.packing import pack_data as pack
    from vocoders.training.packing import parse_coder

    with _counting("reading recordings") as progress:
        index = pack(
            data, folder, budget_bytes=round(budget_mb * 1e6), coder=parse_coder(coder),
            quality=quality, progress=progress,
        )  # fmt: skip
    n_bytes = sum(path.stat().st_size for path in folder.iterdir())
    facts = {
        "files": len(index.files) + 1,
        "bytes": n_bytes,
        "clips": len(index.clips),
        "left_out": index.n_left_out,
        "train_minutes": round(index.duration_s("train") / 60, 2),
        "valid_minutes": round(index.duration_s("valid") / 60, 2),
    }
    typer.echo(
        f"{folder}: {n_bytes / 1e6:.1f} MB in {facts['files']} files, "
        f"{facts['train_minutes']} min to train on, {facts['valid_minutes']} min to validate on, "
        f"{index.n_left_out} clips left out",
        err=True,
    )
    if as_json:
        typer.echo(json.dumps(facts))
    return 0


def pack_state(
    training: _Training,
    folder: _Output,
    config: _Config = None,
    settings: _Settings = None,
    budget_mb: _Budget = 60.0,
    part_mb: _Part = 16.0,
    as_json: _Json = False,
) -> int:
    """Write the newest training state in parts, with as little loss as the budget allows."""
    _require_train_extra()
    from vocoders.training.snapshot import pack_snapshot

    snapshot = _snapshot(training, config, settings)
    index = pack_snapshot(
        snapshot, folder, budget_bytes=round(budget_mb * 1e6), part_bytes=round(part_mb * 1e6)
    )
    for line in (*snapshot.said, *index.losses()):
        typer.echo(line, err=True)
    files = {part.file: part.n_bytes for part in index.parts}
    typer.echo(
        f"{folder}: step {index.step}, {sum(files.values()) / 1e6:.1f} MB in {len(files)} parts",
        err=True,
    )
    if as_json:
        typer.echo(json.dumps({"step": index.step, "files": files, "lost": index.losses()}))
    return 0


def unpack_state(
    state: _Training,
    data: Annotated[Path, typer.Option("--data", help="Corpus or packed data to go on with.")],
    out: Annotated[Path, typer.Option("--output", "-o", help="Training folder to make.")],
    config: _Config = None,
    settings: _Settings = None,
) -> int:
    """Make a training folder that evalsuite train goes on from."""
    _require_train_extra()
    from evalsuite.files import write_json
    from vocoders.training.continuation import place_state
    from vocoders.training.packing import INDEX_NAME, unpack_data

    snapshot = _snapshot(state, config, settings)
    if (data / INDEX_NAME).is_file():
        data = unpack_data(data, out / "corpus")
    place_state(snapshot, data, out)
    for line in snapshot.said:
        typer.echo(line, err=True)
    file = out / "config.yaml"
    write_json(file, snapshot.config.model_dump(mode="json"))  # JSON is YAML
    typer.echo(f"go on: evalsuite train {file} --data {data} -o {out}", err=True)
    return 0


def continue_(
    state: Annotated[Path, typer.Option(help="Folder of parts to go on from.")],
    data: Annotated[Path, typer.Option(help="Packed recordings, or a corpus.")],
    out: Annotated[Path, typer.Option("--output", "-o", help="Training folder.")],
    minutes: Annotated[float, typer.Option(help="For everything, packing included.")] = 8.0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or auto.")] = "auto",
    settings: _Settings = None,
    steps: Annotated[int | None, typer.Option(help="Stop after N steps in all.", min=1)] = None,
    leave: Annotated[
        Path | None, typer.Option("--leave", help="Where the state goes; default OUT/state.")
    ] = None,
    budget_mb: _Budget = 60.0,
    part_mb: _Part = 16.0,
    as_json: _Json = False,
) -> int:
    """Unpack, train for some minutes, and leave the newest state in parts."""
    _require_train_extra()
    from vocoders.training.continuation import continue_training
    from vocoders.training.limits import StopReason
    from vocoders.training.progress import ProgressLine

    with ProgressLine() as progress:
        done = continue_training(
            state, data, out, minutes=minutes, device=device, settings=settings or [],
            steps=steps, leave=leave, budget_bytes=round(budget_mb * 1e6),
            part_bytes=round(part_mb * 1e6), progress=progress,
        )  # fmt: skip
    result = done.result
    for name, value in result.validation.items():
        typer.echo(f"validation {name} {value:.4g}", err=True)
    typer.echo(
        f"{done.state}: step {result.n_steps} ({result.n_steps_now} now, "
        f"{result.steps_per_s:.3g} steps/s), {len(done.index.parts)} parts",
        err=True,
    )
    if as_json:
        typer.echo(json.dumps(done.as_json(), indent=2))
    return 130 if result.reason is StopReason.SIGNAL else 0


def export(
    training: _Training,
    folder: _Output,
    data: _HeldOut = None,
    config: _Config = None,
    settings: _Settings = None,
    limit: _Limit = None,
    fault: Annotated[
        list[str] | None, typer.Option(help="A known fault, for the card. Repeatable.")
    ] = None,
    licence: Annotated[str, typer.Option(help="Of the weights, for the card.")] = "MIT",
    as_json: _Json = False,
) -> int:
    """Write a MelGAN generator in float16 with its cards, measured beside Griffin-Lim."""
    _require_train_extra()
    from vocoders.training.shipping import export_weights, render_card

    snapshot = _snapshot(training, config, settings)
    clips = _held_out(data, limit)
    with _counting("measuring clips") as progress:
        made = export_weights(
            snapshot, folder, clips, faults=fault or [], licence=licence, progress=progress
        )
    typer.echo(made.model_dump_json(indent=2) if as_json else render_card(made))
    return 0


def card(folder: Annotated[Path, typer.Argument(help="Weights folder with a model card.")]) -> int:
    """Print a model card as the Markdown of docs/weights.md."""
    _require_train_extra()
    from evalsuite.model_card import read_model_card
    from vocoders.training.shipping import render_card

    typer.echo(render_card(read_model_card(folder)))
    return 0


def compare(
    new: Annotated[Path, typer.Argument(help="Weights folder (or training folder) to judge.")],
    old: Annotated[Path, typer.Argument(help="Weights folder in use.")],
    data: Annotated[Path, typer.Option("--data", help="Table with test clips.")],
    limit: _Limit = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    as_json: _Json = False,
) -> int:
    """Decide on held-out clips whether NEW is better than OLD: exit code 0 = new, 1 = old."""
    _require_train_extra()
    from evalsuite.registry import create_vocoder, parse_system
    from vocoders.training.compare import decide, render_decision
    from vocoders.training.held_out import held_out_metrics, measure_held_out

    requests = {
        "new": f"melgan:{_weights_in(new)}",
        "old": f"melgan:{_weights_in(old)}",
        "griffin_lim": "griffin_lim",
    }
    systems = {
        name: create_vocoder(parse_system(text), device=device) for name, text in requests.items()
    }
    with _counting("measuring clips") as progress:
        scores = measure_held_out(
            systems, _held_out(data, limit), held_out_metrics(), progress=progress
        )
    decision = decide(scores)
    typer.echo(json.dumps(decision.as_json()) if as_json else render_decision(decision))
    return 0 if decision.keep == "new" else 1


def _weights_in(folder: Path) -> Path:
    """Accept a training folder for the weights in it."""
    inner = folder / "weights"
    return inner if (inner / "weights.json").is_file() else folder


def _snapshot(path: Path, config: str | None, settings: list[str] | None) -> "Snapshot":
    from vocoders.training.snapshot import read_snapshot

    return read_snapshot(path, config=config, overrides=settings or [])


def _held_out(data: Path | None, limit: int | None) -> "list[HeldOutClip]":
    from vocoders.training.held_out import list_held_out

    return list_held_out(data, limit=limit) if data else []


@contextmanager
def _counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a callback (done, of) that moves a progress bar."""
    from evalsuite.cli.console import progress_bar

    with progress_bar() as bar:
        task = bar.add_task(what, total=None, rate="")
        yield lambda done, of: bar.update(task, completed=done, total=of)


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
