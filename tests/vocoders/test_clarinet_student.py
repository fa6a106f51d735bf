"""Engines of the student: the formulas' values, whatever the blocks."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import official_clarinet  # noqa: E402
import small_clarinet as small  # noqa: E402

from vocoders import clarinet_student  # noqa: E402
from vocoders.clarinet_student import EagerStudent, TimeBlockedStudent  # noqa: E402
from vocoders.clarinet_weights import random_clarinet  # noqa: E402
from vocoders.layers import remove_weight_norm  # noqa: E402


@pytest.mark.parametrize("engine", [EagerStudent, TimeBlockedStudent])
@pytest.mark.parametrize("n_frames", [1, 9])
def test_audio_as_the_formulas_say(
    engine: type[EagerStudent] | type[TimeBlockedStudent],
    n_frames: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clarinet_student, "BLOCK_ROWS", 1)  # as short as the histories allow: 16
    state = small.random_state(0)
    source = np.random.default_rng(0)
    mel, noise = source.normal(size=(5, n_frames)), source.normal(size=8 * n_frames)
    condition = official_clarinet.upsample(state, mel, small.RATIOS)
    expected = official_clarinet.student(state, small.FLOW, 3, noise, condition)[0]
    made = engine(small.network(state, torch.float64))(torch.tensor(mel), torch.tensor(noise))
    np.testing.assert_allclose(made, expected, atol=1e-11)


@pytest.mark.parametrize("block_rows", [1, 17, 40, 1000])
def test_blocks_do_not_show(block_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = small.network(small.random_state(1))
    source = torch.Generator().manual_seed(0)
    mel, noise = torch.rand(5, 30, generator=source), torch.randn(240, generator=source)
    expected = EagerStudent(network)(mel, noise)
    monkeypatch.setattr(clarinet_student, "BLOCK_ROWS", block_rows)
    made = TimeBlockedStudent(network)(mel, noise)
    assert expected.std() > 0.05
    torch.testing.assert_close(made, expected, atol=5e-6, rtol=0)


def test_full_size_engines_agree_across_a_block() -> None:
    network = random_clarinet(seed=0).eval()
    remove_weight_norm(network)
    source = torch.Generator().manual_seed(0)
    mel, noise = torch.rand(80, 9, generator=source), torch.randn(9 * 256, generator=source)
    with torch.inference_mode():
        expected, made = EagerStudent(network)(mel, noise), TimeBlockedStudent(network)(mel, noise)
    assert len(noise) > 2 * clarinet_student.BLOCK_ROWS
    torch.testing.assert_close(made, expected, atol=1e-6, rtol=0)
