"""``evalsuite benchmark``: parameters and kHz."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli.console import stderr_console
from evalsuite.errors import ConfigError

if TYPE_CHECKING:
    from evalsuite.benchmark import Benchmark, BenchmarkSettings, SystemSpeed

__all__ = ["benchmark"]


def benchmark(
    systems: Annotated[
        str | None,
        typer.Option(help="Comma-separated systems; default: every vocoder that synthesises."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    threads: Annotated[int, typer.Option(help="Threads of each library.")] = 1,
    runs: Annotated[int, typer.Option(help="Timed runs after the warm-up, five or more.")] = 5,
    duration_s: Annotated[float, typer.Option(help="Seconds of audio in each run.")] = 2.0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it, such as RUN/benchmark.json.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> int:
    """Count parameters and time synthesis, one process per system.

    A network without named weights runs on random ones, which do not change its speed.
    """
    from evalsuite.benchmark import default_requests, run_benchmark, write_benchmark
    from evalsuite.registry import parse_systems

    requests = default_requests() if systems is None else parse_systems(systems)
    settings = _settings(device, threads, runs, duration_s)
    result = run_benchmark(
        requests, settings, progress=lambda message: typer.echo(f"timing {message}", err=True)
    )
    if output is not None:
        write_benchmark(output, result)
    _print_table(result)
    if as_json:
        typer.echo(result.model_dump_json())
    return 0 if result.systems else 1


def _settings(device: str, threads: int, runs: int, duration_s: float) -> "BenchmarkSettings":
    from pydantic import ValidationError

    from evalsuite.benchmark import BenchmarkSettings

    try:
        return BenchmarkSettings(device=device, threads=threads, runs=runs, duration_s=duration_s)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).replace("_", "-")
        raise ConfigError(
            f"--{name} is {first['input']}", wanted=first["msg"], do="correct it"
        ) from error


def _print_table(result: "Benchmark") -> None:
    from rich.table import Table

    table = Table(title="Parameters and speed")
    for heading in ("system", "M params", "with weight norm", "kHz (min-max)", "RTF", "weights"):
        table.add_column(heading)
    for speed in result.systems:
        table.add_row(*_cells(speed))
    console = stderr_console()
    console.print(table)
    for skipped in result.skipped:
        console.print(f"{skipped.name} not timed: {skipped.reason}. {skipped.how}", markup=False)
    if any(speed.loaded for speed in result.systems):
        console.print("* the machine was busy: speeds may be too low")


def _cells(speed: "SystemSpeed") -> tuple[str, ...]:
    millions = speed.millions_of_parameters, speed.millions_of_parameters_with_weight_norm
    without, with_norm = ("-" if value is None else f"{value:.3f}" for value in millions)
    extremes = f"{speed.speed_khz_min:.1f}-{speed.speed_khz_max:.1f}"
    speed_text = f"{speed.speed_khz:.1f} ({extremes}){'*' if speed.loaded else ''}"
    return (
        speed.label,
        without,
        with_norm,
        speed_text,
        f"{speed.real_time_factor:.4f}",
        speed.weights,
    )
