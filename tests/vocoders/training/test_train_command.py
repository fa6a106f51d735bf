"""``evalsuite train`` and the two tables of docs/training.md, on the tiny network."""

import json
import math
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from evalsuite.cli.train import train
from evalsuite.errors import ConfigError, UsageError
from vocoders.training import speed, variants
from vocoders.training.config import load_config
from vocoders.training.data import Recordings, open_data
from vocoders.training.distributed import Processes
from vocoders.training.limits import StopReason
from vocoders.training.melgan_config import MelganConfig
from vocoders.training.progress import Silent
from vocoders.training.trainer import TrainingResult

TINY = (
    "generator.base_channels=2",
    "generator.n_residual_layers=1",
    "discriminator.base_channels=4",
    "discriminator.n_layers=1",
    "discriminator.max_channels=16",
    "data.segment_samples=2048",
    "data.batch_size=2",
    "data.valid_clips=2",
)


def call(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(train)
    return CliRunner().invoke(app, [str(one) for one in arguments], standalone_mode=False)


def settings(*more: str) -> list[str]:
    return [word for one in (*TINY, *more) for word in ("--set", one)]


def test_trains_and_goes_on(corpus: Path, cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    common = ["melgan_tiny", "--data", corpus, "-o", out, "--cache", cache, "--device", "cpu",
              "--synthetic-speech", "--json", *settings("run.samples=false")]  # fmt: skip
    first = call(*common, "--steps", "2")
    assert first.exit_code == 0, first.stderr
    assert json.loads(first.stdout)["n_steps"] == 2

    second = call(*common, "--steps", "3")

    found = json.loads(second.stdout)
    assert (found["n_steps"], found["n_steps_now"], found["reason"]) == (3, 1, "steps")
    assert found["weights"] == f"melgan:{out / 'weights'}"
    assert math.isfinite(found["validation"]["m_stft"])
    assert "going on from step 2" in second.stderr
    assert "all steps are done: step 3" in second.stderr
    assert not (out / "audio").exists()


def test_quiet_leaves_the_warnings(corpus: Path, cache: Path, tmp_path: Path) -> None:
    common = ["melgan_tiny", "--data", corpus, "-o", tmp_path, "--cache", cache, "-q",
              *settings("run.samples=false", "run.checkpoint_interval=1")]  # fmt: skip
    first = call(*common, "--steps", "2")
    assert first.exit_code == 0, first.stderr
    assert "held out" not in first.stderr
    newest = tmp_path / "checkpoints" / "step_000000002.pt"
    newest.write_bytes(newest.read_bytes()[:100])

    second = call(*common, "--steps", "3", "--set", "optimiser.learning_rate=5e-5")

    assert f"{newest} cannot be read (it is cut off" in second.stderr
    assert "changed since the last call: optimiser.learning_rate = 5e-05" in second.stderr
    assert "going on from step 1" in second.stderr
    assert "steps/s, 0:00" not in second.stderr  # progress


def test_minutes_of_zero_do_no_step_and_nothing_breaks(
    corpus: Path, cache: Path, tmp_path: Path
) -> None:
    done = call("melgan_tiny", "--data", corpus, "-o", tmp_path, "--cache", cache, "-q", "--json",
                "--minutes", "0", *settings())  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["n_steps"], found["reason"], found["weights"]) == (0, "minutes", None)
    assert found["steps_per_s"] is None


def test_stopped_training_exits_with_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stopped = TrainingResult(7, 7, StopReason.SIGNAL, {}, {}, {}, 1.0, 0.0, None, None)
    monkeypatch.setattr("vocoders.training.trainer.train", lambda *_, **__: stopped)
    done = call("melgan_tiny", "--data", tmp_path, "-o", tmp_path)
    assert done.return_value == 130
    assert "stopped by the user: step 7" in done.stderr


def test_mistakes_are_found_before_any_work(corpus: Path, tmp_path: Path) -> None:
    mistaken = call("melgan", "--data", corpus, "-o", tmp_path / "o", "--set", "steps=-1")
    assert isinstance(mistaken.exception, ConfigError)
    assert isinstance(call("melgan").exception, UsageError)
    assert not (tmp_path / "o").exists()


def test_list_names_every_configuration_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    names = "vocoders.training.catalogue.config_names"
    monkeypatch.setattr(names, lambda: ["melgan", "melgan_tiny"])
    done = call("--list", "--json")
    found = {one["name"]: one for one in json.loads(done.stdout)["configs"]}
    assert found["melgan"]["folded"]["generator"] == 4_260_257
    assert set(found) == {"melgan", "melgan_tiny"}
    assert "melgan: generator 4,266,050 (4,260,257 without norm)" in call("--list").stdout


def test_variant_table(corpus: Path, tmp_path: Path) -> None:
    few = (*TINY, "warm_up.steps=4", "run.log_interval=1")
    rows = variants.compare(
        Recordings(corpus), tmp_path, variants=["no_weight_norm"], settings=few, n_steps=8
    )
    (row,) = rows
    assert row.finite
    assert row.warm_up[1] < row.warm_up[0]
    assert row.sizes.as_trained["generator"] == 4_260_257
    last = variants.as_markdown(rows).splitlines()[-1]
    assert last.startswith("| no_weight_norm | 4,260,257 | 4,260,257 | 16,913,859 |")
    assert row.findings.startswith(("passed", "FAILED"))


def test_all_variants_are_packaged() -> None:
    names = [load_config(name)[0].name for name in variants.VARIANTS]
    assert names == list(variants.VARIANTS)


def test_speed_table_compares_the_same_training(corpus: Path, cache: Path) -> None:
    config, _ = load_config("melgan_tiny", TINY)
    assert isinstance(config, MelganConfig)
    cases = (speed.CASES[0], speed.CASES[1])
    found = speed.measure(config, Recordings(corpus), cache, cases=cases, n_rounds=2, n_steps=2)
    slow, fast = found
    assert slow.speed_up == 1
    assert fast.data_share < slow.data_share  # decoding files against cutting from memory
    assert fast.samples_per_s > 0
    assert speed.as_markdown(found).count("\n") == 3


def test_optimisations_change_speed_and_not_the_losses(corpus: Path, cache: Path) -> None:
    config, _ = load_config("melgan_tiny", TINY)
    assert isinstance(config, MelganConfig)
    data = open_data(Recordings(corpus), cache, config, processes=Processes(), progress=Silent())
    found = []
    for case in (speed.CASES[0], speed.CASES[1]):
        lane = speed.Lane(case, config, data.store, data.split.train, torch.device("cpu"))
        lane.run(1)
        found.append(lane.losses)
    assert found[0] == pytest.approx(found[1], rel=1e-3)
