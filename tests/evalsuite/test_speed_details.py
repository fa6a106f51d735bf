"""The tables behind table 1, and table 1 itself where something is missing."""

import pytest

from evalsuite.benchmark_records import (
    BaselineSpeed,
    BatchSpeed,
    Benchmark,
    BenchmarkSettings,
    NumericalError,
    ScalingSpeed,
    SpectralFit,
    SystemSpeed,
)
from evalsuite.machine_ceilings import Ceilings
from evalsuite.machine_load import MachineLoad
from evalsuite.paired_ratio import paired_ratio
from evalsuite.tables.render import render
from evalsuite.tables.speed import speed_table
from evalsuite.tables.speed_details import (
    engine_table,
    roofline_table,
    scaling_table,
    speed_details,
)
from evalsuite.workload import Workload
from tests_mos.published import published_table


def speed(label: str, khz: float, **changes) -> SystemSpeed:
    return SystemSpeed(
        **{
            "label": label, "vocoder": label, "family": "neural", "conditioning": "mel",
            "weights": "random", "weights_sha256": None, "n_parameters": 4_260_257,
            "n_parameters_with_weight_norm": 4_266_050, "device": "cpu",
            "device_name": "Some CPU", "dtype": "float32", "threads": 1, "n_samples": 44100,
            "seconds": [44.1 / khz] * 5, "speed_khz": khz, "speed_khz_min": 0.9 * khz,
            "speed_khz_max": 1.1 * khz, "spread": 0.2, "real_time_factor": 22.05 / khz,
            "analysis_s": 0.01, "load_s": 1.0, "cpu_share": 1.0, "load_average": 0.1,
            "loaded": False,
        }
        | changes
    )  # fmt: skip


FULL = speed(
    "melgan", 200.0,
    engine="gemm",
    peak_memory_mib=312.4,
    load=MachineLoad(0.1, 0.2, 1.25, 0.031, 10.0),
    loaded=True,
    baseline=BaselineSpeed(
        engine="official", n_samples=22050, seconds=[0.2] * 3, speed_khz=110.25,
        ratio=paired_ratio([200, 210, 190], [100, 100, 100]),
    ),
    error=NumericalError(reference="eager", max_abs=4.6e-7, snr_db=113.7),
    batches=[BatchSpeed(size=8, speed_khz=100.0, ratio_to_one=paired_ratio([1], [2]))],
    scaling=[
        ScalingSpeed(processes=1, threads=4, speed_khz=300.0, ratio=paired_ratio([3], [2])),
        ScalingSpeed(processes=4, threads=1, speed_khz=790.0, ratio=paired_ratio([4], [1])),
    ],
    workload=Workload(176_448, 17_019_776),
)  # fmt: skip
EAGER = FULL.model_copy(
    update={"label": "melgan-eager", "engine": "eager", "variant_of": "melgan", "speed_khz": 90.0}
)


def benchmark(*systems: SystemSpeed, **more) -> Benchmark:
    return Benchmark(
        settings=BenchmarkSettings(), systems=list(systems), skipped=[], provenance={}, **more
    )


def test_each_engine_stands_beside_the_baseline_and_its_error() -> None:
    table = engine_table([benchmark(FULL, EAGER)])
    rows = [row.values for row in table.rows]
    assert [(row["system"], row["engine"]) for row in rows] == [
        ("MelGAN", "gemm"), ("MelGAN", "eager"),
    ]  # fmt: skip
    first = rows[0]
    assert (first["ratio"], first["ratio_low"], first["ratio_high"]) == (2.0, 1.9, 2.1)
    assert (first["baseline"], first["baseline_khz"]) == ("official", 110.25)
    text = render(table, "md")
    assert (
        "| MelGAN | gemm | 200 (busy) | official | 110 | 2.00 | 1.90 | 2.10 | 0.46 | 113.7 |"
        in text
    )
    assert "44100 samples a run, 22050 of the baseline" in text
    assert "Other work while timing: 1.25 to 1.25 cores" in text
    assert "RANDOM WEIGHTS: MelGAN" in text


def test_other_engines_do_not_take_rows_of_table_1() -> None:
    table = speed_table([benchmark(FULL, EAGER)], published=published_table(1))
    assert [row.values["system"] for row in table.rows if "cpu_khz" in row.values] == ["MelGAN"]
    assert table.rows[0].values["cpu_khz"] == 200.0


def test_a_missing_gpu_is_an_empty_column_and_a_sentence() -> None:
    missing = benchmark(FULL, missing_devices={"cuda": "device 'cuda' is not here"})
    table = speed_table([missing], published=published_table(1))
    melgan = table.rows[0]
    assert "gpu_khz" not in melgan.values
    text = render(table, "md")
    assert "| MelGAN | 4.26 | 4.27 | 200 (busy) |  | 4.26 | 51.9 | 2500 |" in text
    assert "- No GPU column: device 'cuda' is not here." in text
    assert ",," in render(table, "csv")


def test_batches_and_cores_are_rows_of_their_own() -> None:
    rows = {row.values["system"]: row.values for row in scaling_table([benchmark(FULL)]).rows}
    assert list(rows) == ["MelGAN, batch of 8", "MelGAN, 4 threads", "MelGAN, 4 processes"]
    assert rows["MelGAN, batch of 8"]["ratio"] == 0.5
    assert rows["MelGAN, 4 processes"]["ratio"] == 4.0


def test_the_share_of_the_ceiling_is_of_the_lower_bound() -> None:
    """100 GFLOP/s make 283.4 kHz of 176,448 multiply-adds; 200 kHz are 70.6 percent."""
    ceilings = {"cpu": Ceilings({"float32": 100.0}, {1024: 10.0})}
    table = roofline_table([benchmark(FULL, ceilings=ceilings)])
    (row,) = table.rows
    assert row.values["multiply_adds"] == 176_448
    assert row.values["share_percent"] == pytest.approx(70.58, abs=0.01)
    # Its weights are read once per utterance: no bound from memory, so an empty cell.
    assert "| 176448 | 17019776 | 17019776 | 283 |  | 200 (busy) | 70.6 |" in render(table, "md")

    steps = speed("wavenet", 0.1, workload=Workload(24_649_728, 98_598_912, True))
    (row,) = roofline_table([benchmark(steps, ceilings=ceilings)]).rows
    assert row.values["memory_khz"] == pytest.approx(10e9 / 98_598_912 / 1000)
    assert row.values["share_percent"] == pytest.approx(98.6, abs=0.1)

    # An engine that reads half of them could be twice as fast.
    halved = Workload(24_649_728, 98_598_912, True, engine_bytes_per_step=49_299_456)
    blocked = speed("wavenet", 0.1, workload=halved)
    (row,) = roofline_table([benchmark(blocked, ceilings=ceilings)]).rows
    assert (row.values["weight_bytes"], row.values["bytes_per_step"]) == (98_598_912, 49_299_456)
    assert row.values["share_percent"] == pytest.approx(49.3, abs=0.1)


def test_a_fit_to_the_recording_is_told_in_words() -> None:
    dsp = speed("griffin_lim", 300.0, weights="none", fit=SpectralFit(
        convergence=0.2176, baseline_convergence=0.2470))  # fmt: skip
    text = render(engine_table([benchmark(dsp)]), "md")
    assert "Griffin-Lim: spectral convergence to the recording 0.2176, 0.2470 of the" in text


def test_only_what_was_measured_makes_a_table() -> None:
    assert [table.id for table in speed_details([benchmark(speed("melgan", 1.0))])] == [
        "speed_engines"
    ]
    everything = benchmark(FULL, ceilings={"cpu": Ceilings({"float32": 100.0}, {})})
    assert [table.id for table in speed_details([everything])] == [
        "speed_engines", "speed_scaling", "speed_roofline",
    ]  # fmt: skip
