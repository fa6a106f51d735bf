"""From a training to shipped weights, and a training that goes on elsewhere."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer import Typer
from typer.testing import CliRunner

from evalsuite.audio import read_wave
from evalsuite.cli.own_weights import add_verbs
from evalsuite.errors import CheckpointError, UsageError
from evalsuite.model_card import read_model_card
from evalsuite.registry import create_vocoder, parse_system
from evalsuite.shipped_weights import weakness
from vocoders.melgan_generator import Generator, randomise
from vocoders.training.checkpoint import Checkpoints
from vocoders.training.config import load_config
from vocoders.training.continuation import continue_training, place_state
from vocoders.training.export import export_generator
from vocoders.training.held_out import (
    HeldOutClip,
    list_held_out,
    measure_held_out,
    prepare,
    resynthesise,
)
from vocoders.training.packing import pack_data
from vocoders.training.shipping import LARGEST_FILE_BYTES, export_weights, render_card
from vocoders.training.snapshot import pack_snapshot, read_snapshot
from vocoders.training.state_parts import save_state
from vocoders.training.training_data import Recording, write_recordings

SPLITS = ("train", "train", "train", "valid", "valid", "test")
Train = Callable[..., Any]


@pytest.fixture(scope="module")
def table(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "corpus.csv"
    rows = [
        Recording(f"clip{n}", str(corpus / f"clip{n}.wav"), "voice", split, "")
        for n, split in enumerate(SPLITS)
    ]
    write_recordings(path, rows)
    return path


@pytest.fixture(scope="module")
def pack(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    pack_data(table, folder, budget_bytes=10**6)
    return folder


def clips(table: Path) -> list[HeldOutClip]:
    return list_held_out(table)


def run(*arguments: object) -> Any:
    app = Typer()
    add_verbs(app)
    return CliRunner().invoke(
        app, [str(one) for one in arguments], catch_exceptions=False, standalone_mode=False
    )


def networks(path: Path) -> dict[str, torch.Tensor]:
    step = read_snapshot(path).step
    return {f"{k}.{n}": t for k, net in step["networks"].items() for n, t in net.items()}


def test_weights_of_the_papers_size_ship_in_nine_megabytes(tmp_path: Path, table: Path) -> None:
    config, _ = load_config("melgan")
    generator = Generator()
    randomise(generator, 0)
    small, exact = tmp_path / "small", tmp_path / "exact"
    export_generator(generator, config, small, n_steps=0, dtype=torch.float16)
    export_generator(generator, config, exact, n_steps=0)
    assert 8_400_000 < (small / "weights.safetensors").stat().st_size <= LARGEST_FILE_BYTES
    wave = prepare(read_wave(clips(table)[0].path))
    outputs = []
    for folder in (exact, small):
        vocoder = create_vocoder(parse_system(f"melgan:{folder}"))
        assert {p.dtype for p in vocoder.network.parameters()} == {torch.float32}  # type: ignore[attr-defined]
        outputs.append(resynthesise(vocoder, wave).samples.astype(float))
    noise = outputs[1] - outputs[0]
    # 11 bits of mantissa through some 20 layers: far under 16-bit dither's audibility, not zero.
    assert 40 < 10 * np.log10(np.sum(outputs[0] ** 2) / np.sum(noise**2)) < 100


def test_an_export_says_what_it_is_worth(train_tiny: Train, table: Path, tmp_path: Path) -> None:
    train_tiny(tmp_path / "out", data=table, n_steps=2)
    folder = tmp_path / "weights"
    card = export_weights(
        read_snapshot(tmp_path / "out"), folder, clips(table), faults=["hums"], licence="CC0"
    )
    assert read_model_card(folder) == card
    assert card.steps == 2 and card.precision == "float16"
    assert 0 < card.largest_rounding_error < 2**-10
    assert card.held_out_clips == ("clip5",)
    assert not card.may_be_default
    assert set(card.losses) >= {"generator/total", "discriminator/hinge"}
    assert "hums" in card.known_faults
    vocoder = create_vocoder(parse_system(f"melgan:{folder}"))
    assert weakness(vocoder.info.source).startswith("BELOW GRIFFIN-LIM on held-out clips (log_mel")
    assert vocoder.info.licence == "CC0" and vocoder.info.trained
    # The card's means are what anyone measures with the weights as loaded.
    found = measure_held_out({"x": vocoder}, clips(table), [_log_mel_l1()])
    ours = next(one for one in card.held_out if one.metric == "log_mel_l1")
    assert ours.mean == pytest.approx(found[0].value, rel=1e-6)
    assert "| voice | 1 | log_mel_l1 ↓ |" in render_card(card)


def _log_mel_l1() -> Any:
    from evalsuite.metrics.registry import make_metric

    return make_metric("log_mel_l1")


def test_an_unmeasured_export_says_so(train_tiny: Train, table: Path, tmp_path: Path) -> None:
    train_tiny(tmp_path / "out", data=table, n_steps=1)
    card = export_weights(read_snapshot(tmp_path / "out"), tmp_path / "weights")
    assert card.held_out == () and card.output_snr_db is None
    assert any("held-out clips" in one for one in card.not_measured)
    assert "until measured" in render_card(card)


def test_a_packed_state_goes_on_as_if_never_packed(
    train_tiny: Train, table: Path, tmp_path: Path
) -> None:
    train_tiny(tmp_path / "whole", data=table, n_steps=4)
    train_tiny(tmp_path / "first", data=table, n_steps=2)
    snapshot = read_snapshot(tmp_path / "first")
    index = pack_snapshot(snapshot, tmp_path / "state", budget_bytes=10**8, part_bytes=10**6)
    assert index.losses() == []
    place_state(read_snapshot(tmp_path / "state"), table, tmp_path / "second")
    result = train_tiny(tmp_path / "second", data=table, n_steps=4)
    assert (result.n_steps, result.n_steps_now) == (4, 2)
    one, other = networks(tmp_path / "whole"), networks(tmp_path / "second")
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor)


def test_a_state_that_lost_its_moments_still_trains(
    train_tiny: Train, table: Path, pack: Path, tmp_path: Path
) -> None:
    train_tiny(tmp_path / "first", data=table, n_steps=2)
    snapshot = read_snapshot(tmp_path / "first")
    sizes = sum(tensor.numel() for tensor in networks(tmp_path / "first").values())
    budget = 2 * sizes + 180_000  # float16 networks, and the index
    index = pack_snapshot(snapshot, tmp_path / "state", budget_bytes=budget, part_bytes=10_000)
    assert len(index.dropped) == 2
    done = continue_training(
        tmp_path / "state", pack, tmp_path / "second", minutes=5, steps=3, device="cpu",
        leave=tmp_path / "left", part_bytes=50_000,
    )  # fmt: skip
    assert (done.result.n_steps, done.result.n_steps_now) == (3, 1)
    assert read_snapshot(tmp_path / "left").n_steps == 3
    assert max(p.stat().st_size for p in (tmp_path / "left").glob("*.part")) <= 50_000
    assert all(np.isfinite(value) for value in done.result.losses.values())


def test_continuing_twice_goes_on_from_its_own_checkpoint(
    train_tiny: Train, table: Path, pack: Path, tmp_path: Path
) -> None:
    train_tiny(tmp_path / "first", data=table, n_steps=1)
    for steps in (2, 3):
        done = continue_training(
            tmp_path / "first", pack, tmp_path / "on", minutes=5, steps=steps, device="cpu"
        )
        assert (done.result.n_steps, done.result.n_steps_now) == (steps, 1)
    assert done.state == tmp_path / "on" / "state"
    assert read_snapshot(done.state).n_steps == 3


def test_minutes_bound_the_whole_call(
    train_tiny: Train, table: Path, pack: Path, tmp_path: Path
) -> None:
    train_tiny(tmp_path / "first", data=table, n_steps=1)
    with pytest.raises(UsageError, match="0 minutes"):
        continue_training(tmp_path / "first", pack, tmp_path / "on", minutes=0)
    done = continue_training(
        tmp_path / "first", pack, tmp_path / "on", minutes=1e-6, device="cpu", steps=10**6
    )
    assert done.result.n_steps == 1  # no time for a step, and still a state is left
    assert read_snapshot(done.state).n_steps == 1


def test_a_folder_with_checkpoints_is_not_overwritten(
    train_tiny: Train, table: Path, tmp_path: Path
) -> None:
    train_tiny(tmp_path / "out", data=table, n_steps=1)
    with pytest.raises(UsageError, match="already has step_000000001"):
        place_state(read_snapshot(tmp_path / "out"), table, tmp_path / "out")


def test_a_bare_state_needs_its_configuration(
    train_tiny: Train, table: Path, tmp_path: Path
) -> None:
    train_tiny(tmp_path / "out", data=table, n_steps=1)
    snapshot = read_snapshot(tmp_path / "out")
    bare = tmp_path / "bare.pt"
    torch.save({"n": 1, "state": snapshot.step}, bare)
    with pytest.raises(UsageError, match="--config melgan"):
        read_snapshot(bare)
    again = read_snapshot(bare, config="melgan_tiny", overrides=["seed=9"])
    assert (again.n_steps, again.config.seed) == (1, 9)
    with pytest.raises(CheckpointError, match="does not fit"):
        export_weights(read_snapshot(bare, config="melgan_tiny"), tmp_path / "weights")


@pytest.mark.parametrize("content", [{"a": 1}, {"n": "x", "state": {}}])
def test_what_is_no_training_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="holds"):
        read_snapshot(tmp_path / "x.pt", config="melgan_tiny")
    (tmp_path / "y.pt").write_bytes(b"no zip")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_snapshot(tmp_path / "y.pt")
    with pytest.raises(CheckpointError, match="no training in"):
        read_snapshot(tmp_path / "nowhere")


def test_only_melgans_are_exported(tmp_path: Path) -> None:
    config, _ = load_config("melgan_tiny")
    content = {"step": {"other": {}}, "n_steps": 1, "config": config.model_dump(mode="json")}
    save_state(content, tmp_path / "state", step=1)
    with pytest.raises(CheckpointError, match="is no MelGAN"):
        export_weights(read_snapshot(tmp_path / "state"), tmp_path / "weights")


def test_the_verbs_in_the_order_of_the_work(
    train_tiny: Train, table: Path, corpus: Path, tmp_path: Path
) -> None:
    train_tiny(tmp_path / "out", data=table, n_steps=1)
    packed = run("pack-data", table, "-o", tmp_path / "data", "--budget-mb", 1, "--json")
    assert json.loads(packed.stdout.splitlines()[-1])["clips"] == 5
    state = tmp_path / "state"
    told = run("pack-state", tmp_path / "out", "-o", state, "--part-mb", 0.05, "--json")
    assert json.loads(told.stdout.splitlines()[-1])["step"] == 1
    told = run(
        "continue", "--state", state, "--data", tmp_path / "data", "-o", tmp_path / "on",
        "--steps", 2, "--device", "cpu", "--minutes", 5,
    )  # fmt: skip
    assert told.return_value == 0
    run("unpack-state", tmp_path / "on/state", "--data", tmp_path / "data", "-o", tmp_path / "back")
    assert Checkpoints(tmp_path / "back" / "checkpoints").paths()[-1].name == "step_000000002.pt"
    for name in ("out", "on"):
        told = run("export", tmp_path / name, "-o", tmp_path / "w" / name, "--data", table)
        assert told.return_value == 0 and "BELOW GRIFFIN-LIM" in told.stdout
    assert run("card", tmp_path / "w" / "on").stdout == told.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (None, "it is cut off, or no file of torch.save"),
        (b"\0" * 2000, "it is cut off, or no file of torch.save"),
        (b"<!doctype html><html></html>", "it is cut off, or no file of torch.save"),
        ({"step": {}, "n_steps": 1, "mean": [1]}, "losses that are no numbers by name"),
        ({"step": {}, "n_steps": 1, "losses": 3}, "losses that are no numbers by name"),
        ({"n_steps": 1}, "holds 'n_steps'"),
        ([1], "holds no names"),
        ({"step": {}, "n_steps": Path("x")}, "something else than numbers, texts and tensors"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_plain_words(
    tmp_path: Path, content: Any, said: str
) -> None:
    path = tmp_path / "x.pt"
    if content is None:
        torch.save({"step": {}, "n_steps": 1}, path)
        content = path.read_bytes()[:100]
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match=said) as caught:
        run("pack-state", path, "-o", tmp_path / "out", "--config", "melgan_tiny")
    assert "weights_only" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_compare_speaks_by_its_exit_code(table: Path, corpus: Path, tmp_path: Path) -> None:
    """Random weights make noise with the rhythm of the speech; silence is farther from it."""
    config, _ = load_config("melgan_tiny")
    for name, gain in (("silence", 0.0), ("noise", 1.0)):
        generator = Generator(config.generator)
        randomise(generator, 0)
        last = [layer for layer in generator.modules() if isinstance(layer, torch.nn.Conv1d)][-1]
        with torch.no_grad():
            last.parametrizations.weight.original0.mul_(gain)
        export_generator(generator, config, tmp_path / name, n_steps=0)
    rows = [Recording(f"c{n}", str(corpus / f"clip{n}.wav"), "v", "test", "") for n in range(3)]
    write_recordings(tmp_path / "test.csv", rows)
    pairs = {("noise", "silence"): (0, "new"), ("silence", "noise"): (1, "old")}
    for (new, old), (code, keep) in pairs.items():
        told = run(
            "compare", tmp_path / new, tmp_path / old, "--data", tmp_path / "test.csv", "--json"
        )
        assert told.return_value == code
        assert json.loads(told.stdout.splitlines()[-1])["keep"] == keep
