"""A generator out of a training, as a weights folder that ``melgan:FOLDER`` loads."""

from pathlib import Path

import torch
from safetensors.torch import save

from evalsuite.files import atomic_path, sha256_file, sha256_json, write_json
from evalsuite.weights import CARD_NAME, TENSORS_NAME, WeightsCard
from vocoders.checkpoints import to_official_names
from vocoders.layers import remove_weight_norm
from vocoders.melgan import card_config
from vocoders.melgan_generator import Generator
from vocoders.training.melgan_config import MelganConfig

__all__ = ["export_generator"]


def export_generator(
    generator: Generator,
    config: MelganConfig,
    folder: Path,
    *,
    n_steps: int,
    dtype: torch.dtype = torch.float32,
) -> str:
    """Write weights and card, tensors under the release's names (weight norm as ``weight_g, v``).

    Spectral norm is folded into plain weights: it plays no part in synthesis.

    Parameters
    ----------
    generator : not changed.
    n_steps : of training, for the card.
    dtype : of the stored tensors; float16 halves the file.

    Returns
    -------
    The system text ``melgan:FOLDER``.
    """
    # A new network, not a deep copy: that would share the parametrised classes of the layers,
    # and taking a norm away from the copy would take it from the network in training.
    with torch.random.fork_rng(devices=[]):
        network = Generator(generator.config)
    network.load_state_dict(generator.state_dict())
    network.eval()
    if config.generator.spectral_norm:
        remove_weight_norm(network)
    tensors = {
        name: tensor.detach().to(dtype).contiguous()
        for name, tensor in to_official_names(network.state_dict()).items()
    }
    with atomic_path(folder / TENSORS_NAME) as temporary:
        # Through Python's own writing: a full disk is an OSError then, as everywhere else.
        temporary.write_bytes(save(tensors))
    digest = sha256_file(folder / TENSORS_NAME)
    settings = config.model_dump(mode="json", exclude={"run", "start"})
    card = WeightsCard(
        vocoder="melgan",
        source_file=f"evalsuite train {config.name}, step {n_steps}",
        source_sha256=digest,
        weights_sha256=digest,
        layout="weight_g, weight_v" if config.generator.weight_norm else "plain",
        key_map={},
        config=card_config(config.generator),
        mel=config.mel,
        mel_digest=config.mel_spec.digest,
        source=f"evalsuite train {config.name}: {n_steps} steps, seed {config.seed}, "
        f"configuration {sha256_json(settings)[:12]}",
    )
    write_json(folder / CARD_NAME, card.model_dump())
    return f"melgan:{folder}"
