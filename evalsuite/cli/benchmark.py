"""``evalsuite benchmark``: parameters and kHz."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalsuite.cli.console import stderr_console
from evalsuite.cli.device import require_device
from evalsuite.cli.engine_option import EngineOption
from evalsuite.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from evalsuite.benchmark import Benchmark, BenchmarkSettings, SystemSpeed

__all__ = ["benchmark"]

_DEFAULT_SECONDS = 2.0


def benchmark(
    systems: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated; label=vocoder?key=value names one and sets its options. "
            "Default: every vocoder that synthesises.",
            metavar="A,B,…",
        ),
    ] = None,
    table1: Annotated[
        bool,
        typer.Option(
            "--table1",
            help="The paper's four systems and Griffin-Lim, on CPU and GPU, with all that "
            "follows; each for as long as it needs.",
        ),
    ] = False,
    engine: EngineOption = None,
    all_engines: Annotated[
        bool, typer.Option("--all-engines", help="Every engine of each system, one row each.")
    ] = False,
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline",
            help="Also time the published way of computing, in turns with ours, and measure "
            "errors against the plain float32 network.",
        ),
    ] = False,
    batch: Annotated[str, typer.Option(help="Utterances at once, such as 4,16,64.")] = "",
    scaling: Annotated[
        bool, typer.Option("--scaling", help="Also all threads, and one process per core.")
    ] = False,
    roofline: Annotated[
        bool, typer.Option("--roofline", help="Also count the work and measure the ceilings.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    threads: Annotated[int, typer.Option(help="Threads of each library; the paper: 1.")] = 1,
    runs: Annotated[int, typer.Option(help="Timed runs after the warm-up, three or more.")] = 5,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            "--duration-s",
            help=f"Seconds of audio in each run; default {_DEFAULT_SECONDS:g}, and with "
            "--table1 what suits each system.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it, such as RUN/benchmark.json.")
    ] = None,
    markdown: Annotated[
        bool,
        typer.Option(
            "--markdown", help="Print the tables as Markdown on stdout; needs no --output."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> int:
    """Count parameters and time synthesis, one process per system.

    A network without named weights runs on random ones, which do not change its speed.

    Two systems of one vocoder need two labels, their names in the tables.
    Engines are options, which evalsuite vocoders NAME lists. For example:

    evalsuite benchmark --markdown --systems "melgan,plain=melgan?engine=eager"
    """
    from evalsuite.benchmark import write_benchmark

    _require_consistent(table1=table1, systems=systems, markdown=markdown, as_json=as_json)
    require_device(device)
    if output is not None:
        _require_writable(output)
    settings = _settings(
        device=device,
        threads=threads,
        runs=runs,
        duration_s=_DEFAULT_SECONDS if seconds is None else seconds,
        baseline=baseline,
        batch_sizes=_batch_sizes(batch),
        scaling=scaling,
        roofline=roofline,
        all_engines=all_engines,
    )
    if table1:
        result = _run_table1(settings, seconds, engine)
    else:
        result = _run_systems(systems, settings, engine)
    if output is not None:
        write_benchmark(output, result)
    if markdown:
        typer.echo(_markdown(result), nl=False)
    else:
        _print_table(result)
    if as_json:
        typer.echo(result.model_dump_json())
    return 0 if result.systems else 1


def _require_consistent(
    *, table1: bool, systems: str | None, markdown: bool, as_json: bool
) -> None:
    if table1 and systems is not None:
        raise ConfigError(
            "--table1 and --systems", wanted="one choice of systems", do="leave one of them out"
        )
    if markdown and as_json:
        raise ConfigError(
            "--markdown and --json", wanted="one form on stdout", do="leave one of them out"
        )


def _settings(**values: Any) -> "BenchmarkSettings":
    from pydantic import ValidationError

    from evalsuite.benchmark import BenchmarkSettings

    try:
        return BenchmarkSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = {"duration_s": "seconds"}.get(str(first["loc"][0]), str(first["loc"][0]))
        raise ConfigError(
            f"--{name} is {first['input']}", wanted=first["msg"], do="correct it"
        ) from error


def _batch_sizes(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise ConfigError(
            f"--batch is {text!r}", wanted="whole numbers, such as 4,16,64", do="correct it"
        )
    return [int(word) for word in words]


def _tell(message: str) -> None:
    typer.echo(f"timing {message}", err=True)


def _require_writable(path: Path) -> None:
    """Find out before minutes of timing, not after."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        reason = "it is a folder" if path.is_dir() else ""
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise UsageError(
            f"cannot write {path}: {reason}",
            wanted="a file for the result, in a folder that can be written",
            do="give another --output",
        )


def _run_table1(
    settings: "BenchmarkSettings", seconds: float | None, engine: str | None
) -> "Benchmark":
    from evalsuite.benchmark_plan import run_table1

    return run_table1(settings, seconds=seconds, engine=engine, progress=_tell)


def _run_systems(
    systems: str | None, settings: "BenchmarkSettings", engine: str | None
) -> "Benchmark":
    from evalsuite.benchmark import default_requests, run_benchmark
    from evalsuite.engine_options import with_engine
    from evalsuite.registry import parse_systems

    requests = default_requests() if systems is None else parse_systems(systems)
    if engine is not None:
        requests = with_engine(requests, engine)
    return run_benchmark(requests, settings, progress=_tell)


def _markdown(result: "Benchmark") -> str:
    from evalsuite.tables.render import render
    from evalsuite.tables.speed import speed_table
    from evalsuite.tables.speed_details import speed_details
    from tests_mos.published import published_table

    tables = [speed_table([result], published=published_table(1)), *speed_details([result])]
    command = f"Made by `{result.provenance['command']}`.\n"
    return "\n".join([*[render(table, "md") for table in tables], command])


def _print_table(result: "Benchmark") -> None:
    console = stderr_console()
    console.print(_speed_table(result.systems))
    for skipped in result.skipped:
        console.print(f"{skipped.name} not timed: {skipped.reason}. {skipped.how}", markup=False)
    for device, reason in result.missing_devices.items():
        console.print(f"{device} not timed: {reason}", markup=False)
    if any(speed.loaded for speed in result.systems):
        console.print("* the machine was busy: speeds may be too low")


def _speed_table(speeds: "Sequence[SystemSpeed]") -> "Table":
    """Make the table; in a narrow terminal names fold, and no number is cut."""
    from rich.table import Table

    table = Table(title="Parameters and speed", title_justify="left", box=None, pad_edge=False)
    table.add_column("system", overflow="fold")
    table.add_column("engine", overflow="fold")
    for heading in ("M\nparams", "with\nweight norm", "kHz\n(min-max)", "RTF"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("weights", overflow="fold")
    for speed in speeds:
        table.add_row(*_cells(speed))
    return table


def _cells(speed: "SystemSpeed") -> tuple[str, ...]:
    millions = speed.millions_of_parameters, speed.millions_of_parameters_with_weight_norm
    without, with_norm = ("-" if value is None else f"{value:.3f}" for value in millions)
    extremes = f"{_three_digits(speed.speed_khz_min)}-{_three_digits(speed.speed_khz_max)}"
    busy = "*" if speed.loaded else ""
    return (
        speed.label,
        speed.engine or "",
        without,
        with_norm,
        f"{_three_digits(speed.speed_khz)} ({extremes}){busy}",
        _three_digits(speed.real_time_factor),
        speed.weights,
    )


def _three_digits(value: float) -> str:
    """Round to three digits, without an exponent: a WaveNet makes 0.05 kHz, a WORLD 1,090.

    >>> _three_digits(0.04567), _three_digits(251.7), _three_digits(1093.0)
    ('0.0457', '252', '1,090')
    """
    rounded = float(f"{value:.3g}")
    if not math.isfinite(rounded) or rounded == 0.0:
        return f"{rounded:g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"
