"""Engines of the teacher: sample by sample, alone or side by side, the same."""

from collections.abc import Sequence

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import official_clarinet  # noqa: E402
import small_clarinet as small  # noqa: E402
from torch import Tensor  # noqa: E402

from vocoders import clarinet_lanes  # noqa: E402
from vocoders.clarinet_network import Teacher, upsample  # noqa: E402
from vocoders.clarinet_teacher import EagerTeacher, RingTeacher  # noqa: E402
from vocoders.clarinet_weights import random_clarinet  # noqa: E402
from vocoders.layers import remove_weight_norm  # noqa: E402


def utterances(frames: Sequence[int], hop: int = 8) -> tuple[list[Tensor], list[Tensor]]:
    source = torch.Generator().manual_seed(0)
    mels = [torch.rand(5, n, generator=source) for n in frames]
    return mels, [torch.randn(n * hop, generator=source) for n in frames]


@pytest.mark.parametrize("engine", [EagerTeacher, RingTeacher])
def test_audio_as_the_formulas_say(engine: type[EagerTeacher] | type[RingTeacher]) -> None:
    state = small.random_state(0)
    teacher = small.network(state, torch.float64).teacher
    mels, noises = utterances([7])
    mel, noise = mels[0].double(), noises[0].double() * 0.5
    condition = official_clarinet.upsample(state, mel.numpy(), small.RATIOS)
    expected = official_clarinet.generate(state, small.TEACHER, noise.numpy(), condition)
    made = engine(teacher)([mel], [noise])[0]
    assert np.abs(expected).max() == 1  # some samples are clamped, as the release does
    assert 0.1 < np.abs(expected).mean() < 0.9
    np.testing.assert_allclose(made, expected, atol=1e-9)


@pytest.mark.parametrize("n_frames", [3, 40])
def test_steps_are_the_parallel_pass_over_their_own_samples(n_frames: int) -> None:
    """Also far beyond the receptive field, a chunk and a segment of the conditioning."""
    teacher = small.network(small.random_state(1)).teacher
    (mel,), (noise,) = utterances([n_frames])
    made = RingTeacher(teacher)([mel], [noise])[0]
    past = torch.nn.functional.pad(made[:-1], (1, 0))
    mean, log_sigma = teacher(past[None, None], mel[None])[0]
    parallel = (mean + log_sigma.exp() * noise).clamp(-1, 1)
    torch.testing.assert_close(made, parallel, atol=5e-6, rtol=0)


@pytest.mark.parametrize("most_lanes", [1, 2, 3, 8])
@pytest.mark.parametrize("chunk_rows", [32, 1024])
def test_a_batch_is_what_one_by_one_is_to_the_bit(
    most_lanes: int, chunk_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through refilled lanes, closed ranks, and utterances shorter than a chunk."""
    monkeypatch.setattr(clarinet_lanes, "_CHUNK_ROWS", chunk_rows)
    teacher = small.network(small.random_state(1)).teacher
    mels, noises = utterances([20, 1, 33, 5, 17, 2, 60])
    engine = RingTeacher(teacher, most_lanes=most_lanes)
    together = engine(mels, noises)
    for mel, noise, audio in zip(mels, noises, together, strict=True):
        assert torch.equal(engine([mel], [noise])[0], audio)
        assert audio.shape == noise.shape


def test_full_size_rings_equal_the_recomputed_field_and_any_company() -> None:
    network = random_clarinet(seed=0).eval().teacher
    remove_weight_norm(network)
    source = torch.Generator().manual_seed(0)
    mels = [torch.rand(80, n, generator=source) for n in (1, 2, 1)]
    noises = [torch.randn(n, generator=source) for n in (20, 90, 40)]
    with torch.inference_mode():
        engine = RingTeacher(network)
        together = engine(mels, noises)
        for mel, noise, audio in zip(mels, noises, together, strict=True):
            assert torch.equal(engine([mel], [noise])[0], audio)
        few = EagerTeacher(network)(mels[:1], [noises[0][:8]])[0]
    torch.testing.assert_close(together[0][:8], few, atol=1e-6, rtol=0)


def test_a_mel_is_upsampled_in_pieces_without_seams() -> None:
    teacher = small.network(small.random_state(2)).teacher
    (mel,), (noise,) = utterances([50])
    job = clarinet_lanes.Job(mel, noise, 8, teacher.upsample_conv)
    pieces = []
    while not job.is_done:
        pieces.append(job.conditioning(48))
        job.take(torch.zeros(48))
    whole = upsample(teacher.upsample_conv, mel[None])[0]
    torch.testing.assert_close(torch.cat(pieces, 1), whole, atol=1e-6, rtol=0)


def test_noise_of_another_utterance_does_not_leak() -> None:
    """A lane that takes a second utterance starts from silence."""
    teacher: Teacher = small.network(small.random_state(1)).teacher
    mels, noises = utterances([6, 6, 6])
    quiet = RingTeacher(teacher, most_lanes=2)(mels, noises)[0]
    loud = RingTeacher(teacher, most_lanes=2)(mels, [noises[0], noises[1] * 9, noises[2] * 9])[0]
    assert torch.equal(quiet, loud)


def test_no_utterances_make_no_audio() -> None:
    assert RingTeacher(small.network(small.random_state(0)).teacher)([], []) == []
