"""In the warm-up the discriminator is not stored, and nothing is lost by it."""

import copy

import pytest
import torch

from vocoders.training.config import load_config
from vocoders.training.melgan_step import MelganStep

SETTINGS = ["warm_up.steps=2", "data.batch_size=2"]


def new_step(*overrides: str) -> MelganStep:
    config, kind = load_config("melgan_tiny", [*SETTINGS, *overrides])
    torch.manual_seed(config.seed)
    step = kind.build(config, torch.device("cpu"))
    assert isinstance(step, MelganStep)
    return step


def batches(n: int) -> list[torch.Tensor]:
    source = torch.Generator().manual_seed(1)
    return [0.3 * torch.randn(2, 1, 8192, generator=source) for _ in range(n)]


@pytest.mark.parametrize("n_before", [1, 2])
def test_a_training_resumed_in_the_warm_up_is_the_one_that_went_on(n_before: int) -> None:
    audio, random = batches(4), torch.Generator()
    whole = new_step()
    for batch in audio[:n_before]:
        whole.run(batch, random)
    state = copy.deepcopy(whole.state_dict())  # as a file would hold it
    assert set(state["networks"]) == {"generator"}
    resumed = new_step()
    resumed.load_state_dict(state)
    for batch in audio[n_before:]:
        assert resumed.run(batch, random) == whole.run(batch, random)


def test_a_discriminator_that_learnt_is_stored() -> None:
    step = new_step()
    for batch in batches(3):
        step.run(batch, torch.Generator())
    assert set(step.state_dict()["networks"]) == {"generator", "discriminator"}


def test_each_phase_has_its_own_losses() -> None:
    step = new_step("warm_up.dc_offset=3", "losses.log_mel_l1=1")
    warm, again, adversarial = (step.run(batch, torch.Generator()) for batch in batches(3))
    assert set(warm) == set(again) == {
        "generator/log_mel_l1", "generator/stft", "generator/dc_offset", "generator/total",
        "generator/gradient_norm", "skipped_updates",
    }  # fmt: skip
    assert "generator/dc_offset" not in adversarial
    assert {"discriminator/hinge", "generator/log_mel_l1"} <= set(adversarial)
