"""Published weights: where they are, what they hash to, and under which licence.

*Hashes* are never made up. Those given here were read in the public code named beside them, not in
the release itself: few authors publish any. Where none is known, fetching asks for one, or for
leave to trust the first download (`evalsuite.fetch_release`).

*Sizes* in bytes are given nowhere that could be cited, so none stands here: a download is held to
the size its server says, and to its hash.

*Addresses* are the authors' own, read in their repositories (`source`). Google Drive serves a
question instead of large files, so what lies there is fetched by hand: `Release.by_hand` tells how.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Literal

from evalsuite.errors import UnknownName

__all__ = ["RELEASES", "Release", "ReleaseFile", "find_release", "releases_of"]

Role = Literal["checkpoint", "config", "statistics"]


@dataclass(frozen=True)
class ReleaseFile:
    """One file of a release.

    Parameters
    ----------
    role : what the import needs it for.
    name : to store it under.
    url : of the file itself; of the page or folder it is on if it must be fetched by hand.
    sha256 : hex digest; None = unknown.
    sha256_source : the public code that records the digest.
    size_bytes : None = unknown.
    """

    role: Role
    name: str
    url: str
    sha256: str | None = None
    sha256_source: str = ""
    size_bytes: int | None = None


@dataclass(frozen=True)
class Release:
    """Weights as somebody published them.

    Parameters
    ----------
    name : to fetch it by.
    vocoder : registered name of the network.
    summary : data and training, in a few words.
    files : the checkpoint first.
    licence : of the repository; none of these releases has another one for its weights.
    source : repository and revision.
    by_hand : how to get the files where no program may; empty = they can be fetched.
    """

    name: str
    vocoder: str
    summary: str
    files: tuple[ReleaseFile, ...]
    licence: str
    source: str
    by_hand: str = ""


_TONGUES = "github.com/dancxjo/tongues, scripts/coqui-reference.py"
_VOCODE = (
    "github.com/rahul1-bot/VOCODE-Efficient-Neural-Vocoders fdb0930, "
    "code/vocode/models/{}/weights.py"
)
_MELGAN = (
    "https://raw.githubusercontent.com/descriptinc/melgan-neurips/"
    "6488045bfba1975602288de07a58570c7b4d66ea/models"
)
_NGC = "https://api.ngc.nvidia.com/v2/models/nvidia"
_HIFIGAN = "https://drive.google.com/drive/folders/1-eEYTB5Av9jNql0WGBlRoi-WH2J7bp5Y"
_HIFIGAN_SHA256 = {
    "v1": "bb4b0cb7f9df59b8e57bb2e51a1bede57b43e9f0454863e3971c491f255505e4",
    "v2": "3fac378c5918fb2c102733f21eeaa8e9a4ca6cda24dbfddc55bbb947c78d562f",
    "v3": "b5e89fc0c45924525b7bd0c974aaf8b55aa8e0f9115a83356632d5aa11b8a554",
}


def _hifigan(version: str) -> Release:
    """One of jik876's generators of LJ Speech, which lie in a folder of Google Drive."""
    folder = f"LJ_{version.upper()}"
    checkpoint = ReleaseFile(
        "checkpoint",
        f"generator_{version}",
        _HIFIGAN,
        _HIFIGAN_SHA256[version],
        _VOCODE.format("hifigan"),
    )
    return Release(
        name=f"hifigan-{version}-lj",
        vocoder="hifigan",
        summary=f"LJ Speech, {version.upper()}, not fine-tuned",
        files=(checkpoint, ReleaseFile("config", "config.json", _HIFIGAN)),
        licence="MIT",
        source="jik876/hifi-gan",
        by_hand=f"open the folder {folder} of the address in a browser",
    )


def _kan_bayashi(name: str, vocoder: str, tag: str, drive_id: str) -> Release:
    """One of kan-bayashi's recipes: an archive with checkpoint, config.yml and stats.h5."""
    url = f"https://drive.google.com/uc?id={drive_id}"
    return Release(
        name=name,
        vocoder=vocoder,
        summary=f"LJ Speech, {tag}",
        files=(
            ReleaseFile("checkpoint", "checkpoint.pkl", url),
            ReleaseFile("config", "config.yml", url),
            ReleaseFile("statistics", "stats.h5", url),
        ),
        licence="MIT",
        source=f"kan-bayashi/ParallelWaveGAN, {tag}",
        by_hand="open the address in a browser and unpack the archive; its checkpoint-*steps.pkl "
        "is checkpoint.pkl",
    )


_RELEASES = (
    Release(
        name="melgan-lj",
        vocoder="melgan",
        summary="the official release, LJ Speech",
        files=(
            ReleaseFile(
                "checkpoint",
                "linda_johnson.pt",
                f"{_MELGAN}/linda_johnson.pt",
                "d9f8a9934a162128a276b49122733a315eb434261e9c06162e11e0c5fa7a59e1",
                _TONGUES,
            ),
        ),
        licence="MIT",
        source="descriptinc/melgan-neurips 6488045",
    ),
    Release(
        name="melgan-multi-speaker",
        vocoder="melgan",
        summary="the official release, many speakers",
        files=(ReleaseFile("checkpoint", "multi_speaker.pt", f"{_MELGAN}/multi_speaker.pt"),),
        licence="MIT",
        source="descriptinc/melgan-neurips 6488045",
    ),
    Release(
        name="melgan-seungwonpark",
        vocoder="melgan",
        summary="LJ Speech, mels of NVIDIA's Tacotron 2, epoch 6400",
        files=(
            ReleaseFile(
                "checkpoint",
                "nvidia_tacotron2_LJ11_epoch6400.pt",
                "https://github.com/seungwonpark/melgan/releases/download/v0.3-alpha/"
                "nvidia_tacotron2_LJ11_epoch6400.pt",
                "06ead35b0169ee0c560dde9b3fe5fb8ccea2989ef9b7385487fbdd4dd22dda19",
                _VOCODE.format("melgan"),
            ),
        ),
        licence="BSD-3-Clause",
        source="seungwonpark/melgan v0.3-alpha",
    ),
    Release(
        name="waveglow-lj",
        vocoder="waveglow",
        summary="LJ Speech, 256 channels, version 3 of NVIDIA's release",
        files=(
            ReleaseFile(
                "checkpoint",
                "waveglow_256channels_ljs_v3.pt",
                f"{_NGC}/waveglow_ljs_256channels/versions/3/files/waveglow_256channels_ljs_v3.pt",
            ),
        ),
        licence="BSD-3-Clause",
        source="NVIDIA/waveglow, NGC waveglow_ljs_256channels 3",
    ),
    Release(
        name="wavenet-lj",
        vocoder="wavenet",
        summary="LJ Speech, mixture of logistics, 1000k steps: the 24.7 M of the paper's table 1",
        files=(
            ReleaseFile(
                "checkpoint",
                "20180510_mixture_lj_checkpoint_step000320000_ema.pth",
                "https://www.dropbox.com/s/zdbfprugbagfp2w/"
                "20180510_mixture_lj_checkpoint_step000320000_ema.pth?dl=1",
            ),
            ReleaseFile(
                "config",
                "20180510_mixture_lj_checkpoint_step000320000_ema.json",
                "https://www.dropbox.com/s/0vsd7973w20eskz/"
                "20180510_mixture_lj_checkpoint_step000320000_ema.json?dl=1",
            ),
        ),
        licence="MIT",
        source="r9y9/wavenet_vocoder 2092a64",
    ),
    *(_hifigan(version) for version in _HIFIGAN_SHA256),
    _kan_bayashi(
        "pwg-lj",
        "parallel_wavegan",
        "ljspeech_parallel_wavegan.v1",
        "1PdZv37JhAQH6AwNh31QlqruqrvjTBq7U",
    ),
    _kan_bayashi(
        "melgan-kan-bayashi", "melgan", "ljspeech_melgan.v1", "1i7-FPf9LPsYLHM6yNPoJdw5Q9d28C-ip"
    ),
    _kan_bayashi(
        "mb-melgan-lj",
        "mb_melgan",
        "ljspeech_multi_band_melgan.v2",
        "1b70pJefKI8DhGYz4SxbEHpxm92tj1_qC",
    ),
)

#: By name, the paper's systems first.
RELEASES: Mapping[str, Release] = MappingProxyType({r.name: r for r in _RELEASES})


def find_release(name: str) -> Release:
    """Return the release of this name.

    Raises
    ------
    UnknownName with the nearest and all known names.
    """
    if name not in RELEASES:
        near = get_close_matches(name, RELEASES, n=1)
        raise UnknownName(
            f"no release is called {name!r}",
            wanted=f"one of {', '.join(RELEASES)}",
            do=f"write {near[0]!r}" if near else "see: evalsuite weights list",
        )
    return RELEASES[name]


def releases_of(vocoder: str) -> list[Release]:
    """List what is published for a vocoder."""
    return [release for release in RELEASES.values() if release.vocoder == vocoder]
