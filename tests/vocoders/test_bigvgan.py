"""BigVGAN through its authors' package: import, both counts, contract."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("bigvgan")

from plain_network import conformance_bit  # noqa: E402

from evalsuite.conformance import check_vocoder  # noqa: E402
from evalsuite.errors import CheckpointError  # noqa: E402
from evalsuite.mel import mel_spec  # noqa: E402
from evalsuite.registry import BUILT_IN, BuiltIn, Setup  # noqa: E402
from evalsuite.types import Waveform  # noqa: E402
from vocoders.bigvgan import (  # noqa: E402
    BASE_22KHZ,
    CHECKPOINT,
    BigVGAN,
    _build,
    _randomise,
    convention_of,
)

SMALL = {
    **BASE_22KHZ,
    "upsample_initial_channel": 32,
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 3]],
}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    line = BuiltIn("vocoders.bigvgan:BigVGAN", "BigVGAN", "bigvgan", needs_weights=True)
    monkeypatch.setitem(BUILT_IN, "bigvgan", line)  # type: ignore[arg-type]


def small_network(seed: int = 0) -> torch.nn.Module:
    network = _build(SMALL)
    _randomise(network, seed)
    return network.eval()


@pytest.mark.usefixtures("registered")
def test_from_a_published_checkpoint_to_audio(tmp_path: Path, speech: Waveform) -> None:
    from vocoders.checkpoints import import_weights

    network = small_network()
    torch.save({"generator": network.state_dict()}, tmp_path / "bigvgan_generator.pt")
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    files = {"config": tmp_path / "config.json"}
    import_weights(tmp_path / "bigvgan_generator.pt", "bigvgan", tmp_path / "w", **files)
    system = BigVGAN.create(Setup(str(tmp_path / "w")))
    features = system.analyse(Waveform(speech.samples[8000:11000], 22050, "u1"))
    ours = system.generate([features], seed=0)[0].samples
    with torch.no_grad():
        theirs = network(torch.from_numpy(features.values)[None])[0, 0].numpy()
    assert ours.std() > 0.02
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    with_norm = sum(p.numel() for p in network.parameters())
    lengths = sum(p.numel() for n, p in network.named_parameters() if n.endswith("weight_g"))
    counts = (system.info.n_parameters_with_weight_norm, system.info.n_parameters)
    assert counts == (with_norm, with_norm - lengths)


def test_the_configuration_is_needed() -> None:
    with pytest.raises(CheckpointError, match="--config"):
        CHECKPOINT.recognised(small_network().state_dict(), {})
    with pytest.raises(CheckpointError, match="no known layout"):
        CHECKPOINT.recognised({"conv_pre.bias": torch.zeros(3)}, {})


def test_the_configuration_says_the_mel() -> None:
    assert convention_of(BASE_22KHZ) == "hifigan"
    with pytest.raises(CheckpointError, match="128 bands from 0 to 11000 Hz at 22000 Hz"):
        convention_of({**BASE_22KHZ, "num_mels": 128, "fmax": None, "sampling_rate": 22000})


def test_contract() -> None:
    system = BigVGAN(small_network(), mel_spec("hifigan"), SMALL)
    results = check_vocoder(system, wave=conformance_bit())
    assert [result for result in results if not result.passed] == []
    assert system.info.trained is False


def test_the_base_release_has_fourteen_million_parameters() -> None:
    """The release's own table says 14M."""
    with torch.device("meta"):
        network = _build(BASE_22KHZ)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(14.0e6, rel=0.005)
