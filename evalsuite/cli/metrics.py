"""``evalsuite metrics``: objective metrics of a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalsuite.cli.console import progress_bar, stderr_console

if TYPE_CHECKING:
    from evalsuite.metrics.measure import Measured

__all__ = ["metrics"]


def metrics(
    run: Annotated[Path, typer.Argument(help="A run made by evalsuite generate.")],
    only: Annotated[
        str, typer.Option(help="Some of pesq_wb, pesq_nb, log_mel_l1, m_stft.", metavar="M,…")
    ] = "pesq_wb,pesq_nb,log_mel_l1,m_stft",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the means as JSON.")] = False,
) -> None:
    """Compare every sample with its recording; writes RUN/metrics.jsonl, resumes by hash.

    They are no opinion scores: a metric is of use where it agrees with listeners.
    """
    import json

    from evalsuite.manifest import read_manifest
    from evalsuite.metrics.measure import measure_run
    from evalsuite.metrics.registry import make_metric
    from evalsuite.report.checklist import manifest_stamps

    chosen = [make_metric(name.strip()) for name in only.split(",") if name.strip()]
    stamps = manifest_stamps(read_manifest(run))
    with progress_bar(quiet=quiet) as bar:
        task = bar.add_task("samples", total=None, rate="")
        measured, n_new = measure_run(
            run, chosen, progress=lambda name: bar.update(task, advance=1, rate=name)
        )
    means = _means(measured)
    typer.echo(f"{n_new} measured, {len(measured) - n_new} known before", err=True)
    _print(means)
    for stamp in stamps:
        typer.echo(stamp, err=True)
    if as_json:
        typer.echo(json.dumps({"measured": n_new, "systems": means, "stamps": stamps}, indent=2))


def _means(measured: "list[Measured]") -> list[dict[str, Any]]:
    """Mean per system and metric over the samples for which it is defined, with their number."""
    import statistics

    groups: dict[tuple[str, str], list[float | None]] = {}
    for one in measured:
        groups.setdefault((one.system, one.metric), []).append(one.value)
    found = []
    for (system, metric), values in groups.items():
        defined = [value for value in values if value is not None]
        found.append(
            {
                "system": system,
                "metric": metric,
                "mean": statistics.fmean(defined) if defined else None,
                "n_defined": len(defined),
                "n": len(values),
            }
        )
    return found


def _print(means: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table("system", "metric", "mean", "defined")
    for one in means:
        mean = "" if one["mean"] is None else f"{one['mean']:.3f}"
        table.add_row(one["system"], one["metric"], mean, f"{one['n_defined']}/{one['n']}")
    stderr_console().print(table)
