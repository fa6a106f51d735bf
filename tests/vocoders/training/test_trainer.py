"""Training as a whole: what it writes, how it stops, how it goes on."""

import json
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from evalsuite.errors import (
    AudioError,
    CheckpointError,
    CorpusError,
    TrainingError,
    UsageError,
)
from evalsuite.gate.check import check_run
from evalsuite.lock import lock_run
from evalsuite.manifest import read_manifest
from evalsuite.metrics.measure import measure_run
from evalsuite.metrics.registry import make_metric
from evalsuite.registry import create_vocoder, parse_system
from vocoders.checkpoints import to_official_names
from vocoders.melgan_generator import Generator, GeneratorConfig, randomise
from vocoders.training import limits as limits_module
from vocoders.training import loop as loop_module
from vocoders.training.checkpoint import Checkpoints
from vocoders.training.limits import Limits, StopReason
from vocoders.training.progress import Silent, StepReport

Losses = Callable[[Path], dict[tuple[int, str], float]]
#: Phases, windows of the log and checkpoints that do not fall together.
UNEVEN = ("warm_up.steps=5", "warm_up.final_learning_rate=1e-4", "run.log_interval=4",
          "run.checkpoint_interval=3")  # fmt: skip


class Recorder(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.said.append(f"warning: {text}")


def test_losses_fall_and_everything_is_written(train_tiny, tmp_path: Path, losses: Losses) -> None:
    result = train_tiny(tmp_path / "out", "warm_up.steps=40", n_steps=40)

    found = losses(tmp_path / "out")
    first = sum(found[n, "generator/total"] for n in range(1, 6))
    last = sum(found[n, "generator/total"] for n in range(36, 41))
    assert last < 0.8 * first
    assert result.reason is StopReason.STEPS
    assert (result.n_steps, result.n_steps_now) == (40, 40)
    assert set(result.validation) == {"log_mel_l1", "m_stft", "pesq_wb"}
    assert result.validation["log_mel_l1"] > 0
    assert result.weights == f"melgan:{tmp_path / 'out' / 'weights'}"
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["result"]["n_steps"] == 40
    assert record["synthetic_speech"] is True
    assert len(record["split"]["train"]) == 4
    assert len(record["split"]["valid"]) == 2
    assert not set(record["split"]["train"]) & set(record["split"]["valid"])


def test_data_is_a_small_share_of_a_step(
    train_tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The processor's time, which does not pass while others have the processor.
    clock = SimpleNamespace(perf_counter=time.thread_time)
    monkeypatch.setattr(loop_module, "time", clock)
    assert train_tiny(tmp_path, n_steps=10).data_share < 0.2  # of a network 500 times smaller


def without_offset(path: Path) -> Path:
    """Weights whose last filter stops 0 Hz: a network that learnt for seconds has an offset."""
    generator = Generator(GeneratorConfig(base_channels=2, n_residual_layers=1))
    randomise(generator, seed=0)
    state = to_official_names(generator.state_dict())
    *_, last = (name for name in state if name.endswith("weight_v"))
    state[last] = state[last] - state[last].mean(dim=2, keepdim=True)
    torch.save(state, path)
    return path


def test_samples_are_a_run_that_the_suite_evaluates(train_tiny, tmp_path: Path) -> None:
    settings = ("optimiser.learning_rate=1e-6", "run.samples=true",
                f"start.generator={without_offset(tmp_path / 'start.pt')}")  # fmt: skip
    result = train_tiny(tmp_path, *settings, n_steps=3)

    assert result.samples == tmp_path / "samples"
    manifest = read_manifest(result.samples)
    assert [system.label for system in manifest.systems] == ["original", "melgan_tiny"]
    assert manifest.synthetic_speech
    assert manifest.untrained_labels == ()
    assert {len(manifest.samples), 2 * len(manifest.utterances)} == {4}
    assert [f for f in check_run(result.samples).findings if f.severity == "error"] == []
    measured, _ = measure_run(result.samples, [make_metric("m_stft")])
    assert all(one.value is not None and one.value > 0 for one in measured)
    vocoder = create_vocoder(parse_system(result.weights))
    assert "3 steps" in vocoder.info.source
    assert "synthetic speech" in vocoder.info.source


def test_killed_at_a_random_step_it_goes_on_as_if_never_stopped(
    train_tiny, train_elsewhere, tmp_path: Path, losses: Losses
) -> None:
    whole = train_tiny(tmp_path / "whole", *UNEVEN, n_steps=13)

    kill_at = random.randint(1, 12)
    died = train_elsewhere(tmp_path / "killed", *UNEVEN, n_steps=13, kill_at=kill_at)
    assert died.returncode == -signal.SIGKILL, died.stderr
    result = train_tiny(tmp_path / "killed", *UNEVEN, n_steps=13)

    n_saved = 3 * ((kill_at - 1) // 3)  # it dies before it would save
    assert (result.n_steps, result.n_steps_now) == (13, 13 - n_saved)
    expected = losses(tmp_path / "whole")
    assert {step for step, _ in expected} == {4, 8, 12}
    assert losses(tmp_path / "killed") == pytest.approx(expected, rel=1e-5)
    # PESQ is NaN where its package is missing.
    validation = pytest.approx(dict(whole.validation), rel=1e-4, nan_ok=True)
    assert dict(result.validation) == validation
    states = [
        Checkpoints(tmp_path / n / "checkpoints").load_newest()[0] for n in ("whole", "killed")
    ]
    for name, tensor in states[0]["step"]["networks"]["generator"].items():
        torch.testing.assert_close(states[1]["step"]["networks"]["generator"][name], tensor)


def test_several_processes_take_the_steps_of_one(
    train_tiny, train_elsewhere, tmp_path: Path, losses: Losses
) -> None:
    train_tiny(tmp_path / "one", "data.batch_size=4", n_steps=6)

    done = train_elsewhere(tmp_path / "two", "data.batch_size=4", n_steps=6, n_processes=2)

    assert done.returncode == 0, done.stderr
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    # Adam's first steps have the size of the learning rate whatever the gradient's, so rounding
    # in the smallest gradients shows after the discriminator's first update.
    names = {name for _, name in one}
    assert {(1, n): two[1, n] for n in names} == pytest.approx(
        {(1, n): one[1, n] for n in names}, rel=1e-3
    )
    assert two == pytest.approx(one, rel=0.02, abs=1e-3)
    assert json.loads((tmp_path / "two" / "training.json").read_text())["n_processes"] == 2


def test_ctrl_c_finishes_the_step_and_saves(train_tiny, tmp_path: Path, losses: Losses) -> None:
    class CtrlC(Silent):
        def stepped(self, report: StepReport) -> None:
            if report.n_done == 3:
                signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    stopped = train_tiny(tmp_path / "out", n_steps=6, progress=CtrlC())

    assert (stopped.n_steps, stopped.reason) == (3, StopReason.SIGNAL)
    assert stopped.samples is None
    assert stopped.weights is not None
    assert signal.getsignal(signal.SIGINT) is before
    train_tiny(tmp_path / "out", n_steps=6)
    train_tiny(tmp_path / "whole", n_steps=6)
    assert losses(tmp_path / "out") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)


def test_second_ctrl_c_stops_at_once(train_tiny, tmp_path: Path) -> None:
    class Impatient(Silent):
        def stepped(self, report: StepReport) -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_tiny(tmp_path, n_steps=6, progress=Impatient())


def test_minutes_stop_between_steps_and_save(
    train_tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(0, 10_000, 10))  # each look at the clock takes ten seconds
    monkeypatch.setattr(limits_module, "time", SimpleNamespace(monotonic=lambda: next(now)))

    result = train_tiny(tmp_path, limits=Limits(1000, minutes=1.5))

    assert result.reason is StopReason.MINUTES
    assert 0 < result.n_steps < 9
    content, _ = Checkpoints(tmp_path / "checkpoints").load_newest()
    assert content["n_steps"] == result.n_steps


def test_finished_training_has_nothing_left_to_do(train_tiny, tmp_path: Path) -> None:
    train_tiny(tmp_path, n_steps=3)
    again = train_tiny(tmp_path, n_steps=3)
    assert (again.n_steps, again.n_steps_now) == (3, 0)
    assert again.validation["log_mel_l1"] > 0


def test_fresh_begins_anew(train_tiny, tmp_path: Path, losses: Losses) -> None:
    train_tiny(tmp_path, n_steps=5)
    again = train_tiny(tmp_path, n_steps=2, fresh=True)
    assert (again.n_steps, again.n_steps_now) == (2, 2)
    assert {step for step, _ in losses(tmp_path)} == {1, 2}
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


def test_damaged_newest_checkpoint_is_passed_over(
    train_tiny, tmp_path: Path, losses: Losses
) -> None:
    train_tiny(tmp_path / "out", "run.checkpoint_interval=2", n_steps=4)
    newest = sorted((tmp_path / "out" / "checkpoints").iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:-5000])
    told = Recorder()

    result = train_tiny(tmp_path / "out", n_steps=6, progress=told)

    assert result.n_steps_now == 4  # from step 2 again
    reason = "cannot be read (it is cut off, or no file of torch.save)"
    assert f"warning: {newest} {reason}" in told.said
    train_tiny(tmp_path / "whole", n_steps=6)
    assert losses(tmp_path / "out") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)


def test_no_whole_checkpoint_is_an_error_not_a_new_beginning(train_tiny, tmp_path: Path) -> None:
    train_tiny(tmp_path, n_steps=2)
    for path in (tmp_path / "checkpoints").iterdir():
        path.write_bytes(b"torn")
    with pytest.raises(CheckpointError, match="--fresh"):
        train_tiny(tmp_path, n_steps=4)


def test_checkpoint_of_another_architecture_is_refused(train_tiny, tmp_path: Path) -> None:
    train_tiny(tmp_path, n_steps=1)
    with pytest.raises(CheckpointError, match=r"base_channels = 2\).*base_channels = 4"):
        train_tiny(tmp_path, "generator.base_channels=4", n_steps=2)


def test_checkpoint_of_other_recordings_is_refused(train_tiny, tmp_path: Path, voice) -> None:
    train_tiny(tmp_path / "out", n_steps=1)
    for number in range(6):
        voice(tmp_path / "other" / f"clip{number}.wav", duration_s=1, seed=20 + number)
    with pytest.raises(CheckpointError, match="other recordings"):
        train_tiny(tmp_path / "out", n_steps=2, data=tmp_path / "other")


def test_checkpoint_of_another_split_is_refused(train_tiny, tmp_path: Path) -> None:
    train_tiny(tmp_path, n_steps=1)
    with pytest.raises(CheckpointError, match="4 clips to train on, 2 held out"):
        train_tiny(tmp_path, "data.valid_clips=3", n_steps=2)


def test_other_settings_may_change_and_are_told(train_tiny, tmp_path: Path) -> None:
    train_tiny(tmp_path, n_steps=1)
    told = Recorder()
    train_tiny(tmp_path, "optimiser.learning_rate=5e-5", n_steps=2, progress=told)
    line = "warning: changed since the last call: optimiser.learning_rate = 5e-05 (was 0.001)"
    assert line in told.said


def test_folder_in_use_is_refused(train_tiny, tmp_path: Path) -> None:
    with lock_run(tmp_path), pytest.raises(UsageError, match="one evalsuite train"):
        train_tiny(tmp_path)


def test_corpus_of_another_rate(train_tiny, tmp_path: Path, voice) -> None:
    for number in range(4):
        voice(tmp_path / "16k" / f"{number}.wav", duration_s=1, sample_rate=16000, seed=number)
    with pytest.raises(AudioError, match=r"16000 Hz.*22050 Hz"):
        train_tiny(tmp_path / "out", "data.other_rates=error", data=tmp_path / "16k")
    # By default, too: a network would learn that there is nothing above 8 kHz.
    with pytest.raises(AudioError, match=r"4 of 4 .*16000 Hz.*at least 22050 Hz"):
        train_tiny(tmp_path / "out", data=tmp_path / "16k")
    assert not (tmp_path / "out" / "checkpoints").exists()
    told = Recorder()
    train_tiny(tmp_path / "out", "data.other_rates=resample", data=tmp_path / "16k", n_steps=1,
               progress=told)  # fmt: skip
    line = "warning: 4 of 4 recordings are resampled to 22050 Hz: 4 of 16000 Hz"
    assert line in told.said


def test_test_clips_may_have_any_rate(train_tiny, tmp_path: Path, voice) -> None:
    parts = ("train", "train", "valid", "test")
    for number, part in enumerate(parts):
        rate = 8000 if part == "test" else 44100
        voice(tmp_path / "c" / f"{number}.wav", duration_s=1, sample_rate=rate, seed=number)
    rows = [f"{number}.wav,{part}" for number, part in enumerate(parts)]
    (tmp_path / "c" / "metadata.csv").write_text("\n".join(["file,split", *rows]))
    told = Recorder()
    train_tiny(tmp_path / "out", data=tmp_path / "c", n_steps=1, progress=told)
    assert "2 clips to train on (0.0333 min), 1 held out" in told.said
    line = "warning: 3 of 3 recordings are resampled to 22050 Hz: 3 of 44100 Hz"
    assert line in told.said


def test_clips_shorter_than_a_segment(train_tiny, tmp_path: Path) -> None:
    long = "data.segment_samples=25600"  # 1.16 s
    with pytest.raises(AudioError, match="shorter than a segment"):
        train_tiny(tmp_path, long, "data.short_clips=error")
    told = Recorder()
    assert train_tiny(tmp_path, long, n_steps=1, progress=told).n_steps == 1
    assert any(
        line.endswith("are shorter than a segment (1.16 s): zeros fill their crops")
        for line in told.said
    )
    with pytest.raises(AudioError, match=r"4 of 4 clips are shorter.*To fix: lower data"):
        train_tiny(tmp_path, "data.segment_samples=51200")


def test_a_cut_off_cache_is_decoded_anew(train_tiny, tmp_path: Path, losses: Losses) -> None:
    train_tiny(tmp_path / "out", n_steps=2, cache=tmp_path / "audio")
    (samples,) = (tmp_path / "audio").glob("*.pcm")
    samples.write_bytes(samples.read_bytes()[:1000])
    train_tiny(tmp_path / "out", n_steps=4, cache=tmp_path / "audio")
    train_tiny(tmp_path / "whole", n_steps=4)
    assert losses(tmp_path / "out") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)


def test_too_few_clips_for_a_split(train_tiny, tmp_path: Path, voice) -> None:
    voice(tmp_path / "one" / "a.wav", duration_s=1)
    with pytest.raises(CorpusError, match="0 clips to train on"):
        train_tiny(tmp_path / "out", data=tmp_path / "one")


def test_tensorboard_events_are_written(train_tiny, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    train_tiny(tmp_path, "run.tensorboard=true", n_steps=2)
    assert list((tmp_path / "tensorboard").iterdir())


@contextmanager
def files_up_to(n_bytes: int) -> Iterator[None]:
    """Let no file grow larger, which looks like a full disk to the writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_checkpoint_that_cannot_be_written_leaves_the_last_good_one(
    train_tiny, tmp_path: Path, losses: Losses
) -> None:
    train_tiny(tmp_path / "out", n_steps=2)
    with files_up_to(50_000), pytest.raises(TrainingError, match=r"from step_000000002\.pt"):
        train_tiny(tmp_path / "out", n_steps=4)

    assert [path.name for path in (tmp_path / "out" / "checkpoints").iterdir()] == [
        "step_000000002.pt"
    ]
    train_tiny(tmp_path / "out", n_steps=4)
    train_tiny(tmp_path / "whole", n_steps=4)
    assert losses(tmp_path / "out") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)


def test_full_disk_at_the_first_checkpoint_promises_nothing(train_tiny, tmp_path: Path) -> None:
    with files_up_to(50_000), pytest.raises(TrainingError, match="begins anew: nothing is saved"):
        train_tiny(tmp_path, n_steps=2)
    assert list((tmp_path / "checkpoints").iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk(train_tiny, small_disk: Path) -> None:
    settings = ("run.checkpoint_interval=1", "run.keep_checkpoints=9")
    with pytest.raises(TrainingError, match="No space left"):
        train_tiny(small_disk, *settings, n_steps=100)

    content, damaged = Checkpoints(small_disk / "checkpoints").load_newest()
    assert damaged == []
    assert content["n_steps"] >= 1
    sorted((small_disk / "checkpoints").iterdir())[0].unlink()
    assert train_tiny(small_disk, n_steps=content["n_steps"]).n_steps_now == 0
