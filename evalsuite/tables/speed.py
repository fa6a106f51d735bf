"""The table of parameters and speed (Table 1): ours, with the published figures beside them."""

from collections.abc import Mapping, Sequence

from evalsuite.benchmark import Benchmark, SystemSpeed
from evalsuite.tables.names import display_name, match_key
from evalsuite.tables.published import PublishedRow, PublishedTable
from evalsuite.tables.table import Column, Row, Table, Value

__all__ = ["load_lines", "speed_table"]

_DEVICE_NAMES = {"cuda": "GPU", "cpu": "CPU"}

_COLUMNS = (
    Column("system", "system"),
    Column("parameters_million", "params (M)", significant=3),
    Column("parameters_with_weight_norm_million", "with WN (M)", significant=3),
    Column(
        "cpu_khz",
        "CPU kHz",
        significant=3,
        details=("cpu_khz_min", "cpu_khz_max", "cpu_threads", "cpu_runs"),
    ),
    Column(
        "gpu_khz",
        "GPU kHz",
        significant=3,
        details=("gpu_khz_min", "gpu_khz_max", "gpu_runs", "weights"),
    ),
)
_PUBLISHED_COLUMNS = (
    Column("published_parameters_million", "published params (M)", significant=3),
    Column("published_cpu_khz", "published CPU kHz", significant=3),
    Column("published_gpu_khz", "published GPU kHz", significant=3),
)


def speed_table(
    benchmarks: Sequence[Benchmark],
    *,
    published: PublishedTable | None = None,
    names: Mapping[str, str] | None = None,
    inputs: Sequence[str] = (),
) -> Table:
    """Build the table of parameters and speed.

    Parameters
    ----------
    benchmarks : such as one on a CPU and one on a GPU; of a system timed twice on the same kind
        of device the last counts.
    published : printed rows to set beside ours; those without a counterpart follow.
    names : system -> name shown.
    inputs : file and hash of each benchmark, for the footer.
    """
    systems: dict[str, dict[str, SystemSpeed]] = {}
    for benchmark in benchmarks:
        # Other engines of a system stand in the table of engines.
        for one in (one for one in benchmark.systems if one.variant_of is None):
            systems.setdefault(one.label, {})[_kind(one)] = one
    printed = {match_key(row.name): row for row in published.rows} if published else {}
    rows = []
    for label, timed in systems.items():
        shown = display_name(label, names)
        rows.append(_row(shown, timed, printed.pop(match_key(shown), None)))
    rows.extend(Row({"system": row.name, **_printed_values(row)}) for row in printed.values())
    return Table(
        id=f"table{published.number}" if published else "speed",
        title=f"Table {published.number}: {published.title}" if published else "Speed",
        caption="Parameters in millions and speed in kHz (thousands of samples a second)",
        columns=(*_COLUMNS, *(_PUBLISHED_COLUMNS if published else ())),
        rows=tuple(rows),
        footer=(
            *_footer(benchmarks, systems, published),
            *[f"Input: {line}." for line in inputs],
        ),
        stamps=tuple(_stamps(systems, names)),
    )


def _kind(one: SystemSpeed) -> str:
    return "cpu" if one.device == "cpu" else "gpu"


def _row(shown: str, timed: Mapping[str, SystemSpeed], counterpart: PublishedRow | None) -> Row:
    any_of_them = next(iter(timed.values()))
    values: dict[str, Value] = {
        "system": shown,
        "parameters_million": any_of_them.millions_of_parameters,
        "parameters_with_weight_norm_million": any_of_them.millions_of_parameters_with_weight_norm,
        "weights": any_of_them.weights,
    }
    marks = {}
    for kind, one in timed.items():
        values |= {
            f"{kind}_khz": one.speed_khz,
            f"{kind}_khz_min": one.speed_khz_min,
            f"{kind}_khz_max": one.speed_khz_max,
            f"{kind}_threads": one.threads,
            f"{kind}_runs": len(one.seconds),
        }
        if one.loaded:
            marks[f"{kind}_khz"] = "(busy)"
    if counterpart:
        values |= _printed_values(counterpart)
    return Row(values, marks=marks)


def _printed_values(row: PublishedRow) -> dict[str, Value]:
    keys = ("parameters_million", "cpu_khz", "gpu_khz")
    return {f"published_{key}": row.values.get(key) for key in keys}


def _footer(
    benchmarks: Sequence[Benchmark],
    systems: Mapping[str, Mapping[str, SystemSpeed]],
    published: PublishedTable | None,
) -> list[str]:
    timed = [one for kinds in systems.values() for one in kinds.values()]
    lines = [
        "Speed: median of repeated runs of one utterance, features computed before; minimum and "
        "maximum stand in the CSV.",
        "params: with weight norm removed; with WN: as trained, weight norm included.",
    ]
    lines += [
        f"Ours: {description}." for description in dict.fromkeys(_hardware(one) for one in timed)
    ]
    if published and published.hardware:
        lines.append(f"Published ({published.source}): {published.hardware}.")
        lines.append("Speeds on different hardware are not comparable.")
    lines += load_lines(timed)
    if any(one.weights == "random" for one in timed):
        lines.append("Random weights: speed does not depend on their values.")
    more = sorted({one.conditioning for one in timed if one.conditioning != "mel"})
    if more:
        lines.append(f"Some systems are given more than a mel ({', '.join(more)}).")
    lines += [
        f"No {_DEVICE_NAMES.get(device, device)} column: {reason}."
        for benchmark in benchmarks
        for device, reason in benchmark.missing_devices.items()
    ]
    lines += [
        f"Not timed: {skipped.name}, {skipped.reason}."
        for benchmark in benchmarks
        for skipped in benchmark.skipped
    ]
    return lines


def load_lines(timed: Sequence[SystemSpeed]) -> list[str]:
    """Say which speeds a busy machine may have lowered, and how busy it was."""
    lines = []
    if any(one.loaded for one in timed):
        lines.append("(busy): the machine had other work, so the speed may be too low.")
    loads = [one.load for one in timed if one.load]
    cores = [one.other_cores for one in loads if one.other_cores is not None]
    stolen = [one.stolen_share for one in loads if one.stolen_share is not None]
    if cores and stolen:
        lines.append(
            f"Other work while timing: {min(cores):.2f} to {max(cores):.2f} cores; taken by the "
            f"host of a virtual machine: {100 * min(stolen):.1f} to {100 * max(stolen):.1f} %."
        )
    return lines


def _hardware(one: SystemSpeed) -> str:
    threads = (
        f", {one.threads} thread{'s' if one.threads > 1 else ''}" if _kind(one) == "cpu" else ""
    )
    return f"{_kind(one).upper()} {one.device_name}{threads}, {one.dtype}"


def _stamps(
    systems: Mapping[str, Mapping[str, SystemSpeed]], names: Mapping[str, str] | None
) -> list[str]:
    random = [
        display_name(label, names)
        for label, kinds in systems.items()
        if any(one.weights == "random" for one in kinds.values())
    ]
    return [f"RANDOM WEIGHTS: {', '.join(random)}"] if random else []
