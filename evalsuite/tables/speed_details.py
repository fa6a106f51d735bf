"""The tables behind table 1: the published way in turns, batches and cores, and the roofline."""

import math
from collections.abc import Mapping, Sequence

from evalsuite.benchmark import Benchmark, SystemSpeed
from evalsuite.machine_ceilings import Ceilings
from evalsuite.paired_ratio import PairedRatio
from evalsuite.tables.names import display_name
from evalsuite.tables.speed import load_lines
from evalsuite.tables.table import Column, Row, Table, Value

__all__ = ["engine_table", "roofline_table", "scaling_table", "speed_details"]

_RATIO_COLUMNS = (
    Column("ratio", "ratio", significant=3, details=("n_pairs",)),
    Column("ratio_low", "lowest", significant=3),
    Column("ratio_high", "highest", significant=3, details=("coverage",)),
)


def speed_details(
    benchmarks: Sequence[Benchmark], *, names: Mapping[str, str] | None = None
) -> list[Table]:
    """Return those of the three tables that the benchmarks have something for."""
    tables = (make(benchmarks, names) for make in (engine_table, scaling_table, roofline_table))
    return [table for table in tables if table.rows]


def engine_table(benchmarks: Sequence[Benchmark], names: Mapping[str, str] | None = None) -> Table:
    """Each engine: its speed, the ratio to the published way, its error, memory and start."""
    timed = _timed(benchmarks)
    rows = [_engine_row(one, names) for one in timed]
    return Table(
        id="speed_engines",
        title="Engines against the published way of computing",
        caption="Speed in kHz; ratio: median of pairs timed in turns in one process",
        columns=(
            Column("system", "system"),
            Column("engine", "engine"),
            Column("khz", "kHz", significant=3),
            Column("baseline", "baseline"),
            Column("baseline_khz", "its kHz", significant=3),
            *_RATIO_COLUMNS,
            Column("max_abs_millionths", "max error (1e-6)", significant=2),
            Column("snr_db", "SNR (dB)", decimals=1),
            Column("real_time_factor", "RTF", significant=3),
            Column("peak_memory_mib", "peak MiB", decimals=0),
            Column("load_s", "load (s)", decimals=1),
        ),
        rows=tuple(rows),
        footer=(*_engine_footer(timed, names), *load_lines(timed)),
        stamps=_stamps(timed, names),
    )


def _engine_row(one: SystemSpeed, names: Mapping[str, str] | None) -> Row:
    values: dict[str, Value] = {
        "system": _shown(one, names),
        "engine": _how(one),
        "khz": one.speed_khz,
        "real_time_factor": one.real_time_factor,
        "peak_memory_mib": one.peak_memory_mib,
        "load_s": one.load_s,
    }
    if one.baseline:
        values |= {"baseline": one.baseline.engine, "baseline_khz": one.baseline.speed_khz}
        values |= _ratio_values(one.baseline.ratio)
    if one.error:
        values |= {"max_abs_millionths": 1e6 * one.error.max_abs, "snr_db": one.error.snr_db}
    return Row(values, marks=_busy(one.loaded))


def _engine_footer(timed: Sequence[SystemSpeed], names: Mapping[str, str] | None) -> list[str]:
    lines = [
        "official: weight norm on, eager, one utterance at a time; eager: as the published script "
        "that removes weight norm; librosa: its functions for the same number of rounds.",
        "lowest, highest: of the pairs' ratios; they enclose the median of all such pairs with "
        "probability 1 - 2^(1 - pairs), so 94 % for five pairs and 75 % for three.",
        "max error, SNR: against the plain float32 network (eager), same features and seed; full "
        "scale is 1.",
    ]
    for one in timed:
        name = _shown(one, names) + (f" {one.engine}" if one.engine else "")
        if one.baseline and one.baseline.n_samples != one.n_samples:
            lines.append(
                f"{name}: {one.n_samples} samples a run, {one.baseline.n_samples} of the baseline."
            )
        if one.fit:
            theirs = one.fit.baseline_convergence
            beside = f", {theirs:.4f} of the baseline" if theirs is not None else ""
            lines.append(
                f"{name}: spectral convergence to the recording {one.fit.convergence:.4f}{beside} "
                "(smaller is better)."
            )
    return lines


def scaling_table(benchmarks: Sequence[Benchmark], names: Mapping[str, str] | None = None) -> Table:
    """Several utterances at once, all threads, and one process per core."""
    timed = _timed(benchmarks)
    rows = [row for one in timed for row in _scaling_rows(one, names)]
    return Table(
        id="speed_scaling",
        title="Batches and cores",
        caption="Speed in kHz; ratio: to one utterance in one process with one thread",
        columns=(
            Column("system", "system"),
            Column("khz", "kHz", significant=3),
            *_RATIO_COLUMNS,
            Column("ratio_to_baseline", "to the baseline", significant=3),
        ),
        rows=tuple(rows),
        footer=(
            "Each is timed in turns with what it is compared with; processes are loaded before "
            "and start together.",
            "to the baseline: to its median speed, one utterance at a time.",
            *load_lines(timed),
        ),
        stamps=_stamps(timed, names),
    )


def _scaling_rows(one: SystemSpeed, names: Mapping[str, str] | None) -> list[Row]:
    where = "" if one.device == "cpu" else ", GPU"
    name = _shown(one, names) + where
    rows = [
        Row(
            {
                "system": f"{name}, batch of {batch.size}",
                "khz": batch.speed_khz,
                "ratio_to_baseline": batch.ratio_to_baseline,
                **_ratio_values(batch.ratio_to_one),
            },
            marks=_busy(one.loaded),
        )
        for batch in one.batches
    ]
    for scaling in one.scaling:
        setup = (
            f"{scaling.processes} processes"
            if scaling.processes > 1
            else f"{scaling.threads} threads"
        )
        values: dict[str, Value] = {"system": f"{name}, {setup}", "khz": scaling.speed_khz}
        rows.append(Row(values | _ratio_values(scaling.ratio), marks=_busy(scaling.loaded)))
    return rows


def roofline_table(
    benchmarks: Sequence[Benchmark], names: Mapping[str, str] | None = None
) -> Table:
    """What the network asks for, what the machine can do, and the share that is reached."""
    pairs = [
        (one, benchmark.ceilings[kind])
        for benchmark in benchmarks
        for one in benchmark.systems
        for kind in [one.device.partition(":")[0]]
        if one.workload and kind in benchmark.ceilings
    ]
    used = list({id(ceilings): ceilings for _, ceilings in pairs}.values())
    return Table(
        id="speed_roofline",
        title="Roofline",
        caption="Work per sample, counted on the network's graph, against the machine's ceilings "
        "for one thread in float32",
        columns=(
            Column("system", "system"),
            Column("engine", "engine"),
            Column("multiply_adds", "multiply-adds a sample"),
            Column("weight_bytes", "bytes of weights"),
            Column("bytes_per_step", "read a step"),
            Column("compute_khz", "compute bound (kHz)", significant=3),
            Column("memory_khz", "memory bound (kHz)", significant=3),
            Column("khz", "reached (kHz)", significant=3),
            Column("share_percent", "share (%)", significant=3),
        ),
        rows=tuple(_roofline_row(one, ceilings, names) for one, ceilings in pairs),
        footer=(
            "bytes of weights: of the published network, in float32; read a step: of them, or of "
            "narrower ones, by the engine, for one sample of an autoregressive network and for one "
            "utterance of any other.",
            "share: of the lower bound. An engine with fewer multiply-adds than the plain network "
            "can exceed it.",
            *[line for ceilings in used for line in _ceiling_lines(ceilings)],
            *load_lines([one for one, _ in pairs]),
        ),
        stamps=_stamps([one for one, _ in pairs], names),
    )


def _roofline_row(one: SystemSpeed, ceilings: Ceilings, names: Mapping[str, str] | None) -> Row:
    work = one.workload
    assert work is not None  # the caller left the others out
    bound = ceilings.bound_khz(work)
    return Row(
        {
            "system": _shown(one, names),
            "engine": _how(one),
            "multiply_adds": round(work.multiply_adds_per_sample),
            "weight_bytes": work.weight_bytes,
            "bytes_per_step": round(work.bytes_per_step),
            "compute_khz": ceilings.compute_bound_khz(work),
            "memory_khz": ceilings.memory_bound_khz(work),
            "khz": one.speed_khz,
            "share_percent": 100 * one.speed_khz / bound if bound else math.nan,
        },
        marks=_busy(one.loaded),
    )


def _ceiling_lines(ceilings: Ceilings) -> list[str]:
    products = ", ".join(f"{name} {rate:.0f}" for name, rate in ceilings.gemm_gflops.items())
    reads = ", ".join(f"{size} MiB {rate:.1f}" for size, rate in ceilings.read_gb_s.items())
    busy = " (busy: they may be higher)" if ceilings.loaded else ""
    return [f"Ceilings{busy}: matrix products, GFLOP/s: {products}; reading, GB/s: {reads}."]


def _ratio_values(ratio: PairedRatio) -> dict[str, Value]:
    return {
        "ratio": ratio.median,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "n_pairs": ratio.n_pairs,
        "coverage": ratio.coverage,
    }


def _timed(benchmarks: Sequence[Benchmark]) -> list[SystemSpeed]:
    return [one for benchmark in benchmarks for one in benchmark.systems]


def _how(one: SystemSpeed) -> str:
    """Name the engine, and what is not float32 on a CPU."""
    number = "" if one.dtype == "float32" else one.dtype
    where = "" if one.device == "cpu" else "on the GPU"
    return " ".join(filter(None, [one.engine, number, where]))


def _busy(loaded: bool) -> dict[str, str]:
    return {"khz": "(busy)"} if loaded else {}


def _shown(one: SystemSpeed, names: Mapping[str, str] | None) -> str:
    return display_name(one.variant_of or one.label, names)


def _stamps(timed: Sequence[SystemSpeed], names: Mapping[str, str] | None) -> tuple[str, ...]:
    random = [_shown(one, names) for one in timed if one.weights == "random"]
    return (f"RANDOM WEIGHTS: {', '.join(dict.fromkeys(random))}",) if random else ()
