"""The conventions of the released vocoders, each with where it was read."""

import dataclasses
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from evalsuite.errors import UnknownName
from evalsuite.mel.spec import MelSpec

__all__ = ["PRESETS", "mel_spec"]

_TACOTRON2 = MelSpec("tacotron2")

_PRESETS = (
    # descriptinc/melgan-neurips 6488045, mel2wav/modules.py (Audio2Mel) and dataset.py
    MelSpec("melgan", framing="hop_aligned", f_max=11025.0, log_base="10", input_peak=0.95),
    # NVIDIA/tacotron2 185cd24, layers.py (TacotronSTFT); NVIDIA/waveglow 8afb643 uses the same
    _TACOTRON2,
    dataclasses.replace(_TACOTRON2, name="waveglow"),
    # jik876/hifi-gan 4769534, meldataset.py
    MelSpec("hifigan", framing="hop_aligned", magnitude_epsilon=1e-9, input_peak=0.95),
    # r9y9/wavenet_vocoder 2092a64, audio.py, preset ljspeech_mixture (not today's master)
    MelSpec(
        "wavenet", window="half_sine", framing="lws", f_min=125.0, f_max=7600.0,
        log_base="10", log_scale=20.0, log_offset=-20.0, affine_scale=0.01, affine_offset=1.0,
        clip=(0.0, 1.0), input_peak=0.999,
    ),
    # r9y9/wavenet_vocoder a35fff7 (master), audio.py; the training set's mean and variance come
    # with each checkpoint (meanvar.joblib), so the vocoder that loads it normalises
    MelSpec("wavenet_master", f_min=125.0, f_max=7600.0, log_base="10", floor=1e-10),
    # ksw0306/ClariNet df31b4c: 20 log10, although power 2 makes it energies
    MelSpec(
        "clarinet", f_min=125.0, f_max=7600.0, power=2, floor=1e-4,
        log_base="10", log_scale=20.0, log_offset=-20.0, affine_scale=0.01, affine_offset=1.0,
        clip=(0.0, 1.0), input_peak=0.999,
    ),
    # kan-bayashi/ParallelWaveGAN; the training set's mean and deviation come with each
    # checkpoint (stats.h5), so the vocoder that loads it normalises
    MelSpec("pwg", f_min=80.0, f_max=7600.0, log_base="10", floor=1e-10),
)  # fmt: skip

PRESETS: Mapping[str, MelSpec] = MappingProxyType({spec.name: spec for spec in _PRESETS})


def mel_spec(name: str) -> MelSpec:
    """Return the preset of this name.

    Raises
    ------
    UnknownName with the nearest and all known names.
    """
    if name not in PRESETS:
        near = get_close_matches(name, PRESETS, n=1)
        raise UnknownName(
            f"unknown mel convention {name!r}",
            wanted=f"one of {', '.join(sorted(PRESETS))}",
            do=f"write {near[0]!r}" if near else "choose one of them",
        )
    return PRESETS[name]
