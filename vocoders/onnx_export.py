"""Export a generator to ONNX: a file that runs without torch, in float32 or with int8 weights.

Only networks from a mel straight to audio are exported; what samples step by step or takes noise
needs more than a graph. The file carries its mel convention and where its weights come from, so
`vocoders.onnx_vocoder` needs nothing else.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from evalsuite.benchmark_errors import numerical_error
from evalsuite.errors import ConfigError, VocoderError
from evalsuite.files import atomic_path
from evalsuite.mel import PRESETS
from evalsuite.types import FloatArray
from vocoders.network_vocoder import NetworkVocoder
from vocoders.onnx_vocoder import METADATA_KEY, open_session, run_session

__all__ = ["ExportReport", "export_onnx"]

Precision = Literal["float32", "int8"]

_MINIMUM_FRAMES = 8
_TRIAL_FRAMES = 64
_MOST_FLOAT32_ERROR = 1e-5


@dataclass(frozen=True)
class ExportReport:
    """What was written, and how far its output is from torch's on the same mel.

    Parameters
    ----------
    max_abs : greatest difference of two samples; full scale is 1.
    snr_db : None if there is no difference.
    """

    path: Path
    precision: Precision
    n_bytes: int
    max_abs: float
    snr_db: float | None


def export_onnx(
    vocoder: NetworkVocoder,
    path: Path,
    *,
    precision: Precision = "float32",
    mels: Sequence[FloatArray] = (),
) -> ExportReport:
    """Write a vocoder's network as an ONNX file with any number of frames, and compare the two.

    Parameters
    ----------
    vocoder : made with ``engine=eager``.
    precision : ``int8`` quantises convolutions, weights per output channel, activations by the
        ranges seen on `mels`.
    mels : real ones, each of shape (n_mels, frames): for the ranges, and the first for the
        comparison. Noise stands in for the comparison if there are none.

    Raises
    ------
    ConfigError for a network that cannot be exported, or int8 without mels; VocoderError if the
    float32 file's output differs by more than 1e-5.
    """
    _require_exportable(vocoder)
    if precision == "int8" and not mels:
        raise ConfigError(
            "int8 without recordings",
            wanted="some recordings: the ranges of activations are measured on them",
            do="name a folder of recordings, or export float32",
        )
    with TemporaryDirectory() as folder:
        model = Path(folder) / "network.onnx"
        _write_graph(vocoder, model)
        if precision == "int8":
            model = _quantise(model, mels)
        _add_metadata(model, _metadata(vocoder, precision))
        report = _compare(vocoder, model, precision, mels)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_bytes(model.read_bytes())
    return ExportReport(path, precision, path.stat().st_size, report.max_abs, report.snr_db)


class _MelToAudio(nn.Module):
    """(1, n_mels, frames) to (samples,)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, mel: Tensor) -> Tensor:
        audio: Tensor = self.network(mel)
        return audio[0, 0]


def _require_exportable(vocoder: NetworkVocoder) -> None:
    graph_only = vocoder.info.deterministic and vocoder.info.config.get("engine") == "eager"
    if not graph_only or vocoder.spec.name not in PRESETS:
        raise ConfigError(
            f"{vocoder.info.name} with mel {vocoder.spec.name!r} cannot be exported",
            wanted="a network from one of the mel presets straight to audio, engine=eager",
            do="export melgan, hifigan or mb_melgan",
        )


def _write_graph(vocoder: NetworkVocoder, path: Path) -> None:
    shortest = max(_MINIMUM_FRAMES, vocoder.minimum_frames)
    frames = torch.export.Dim("frames", min=shortest, max=2**20)
    with warnings.catch_warnings():
        # The exporter warns of its own internals, which nobody can act on.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            _MelToAudio(vocoder.network).eval(),
            (torch.zeros(1, vocoder.spec.n_mels, max(_TRIAL_FRAMES, shortest)),),
            str(path),
            input_names=["mel"],
            output_names=["audio"],
            dynamic_shapes={"mel": {2: frames}},
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _quantise(model: Path, mels: Sequence[FloatArray]) -> Path:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared, quantised = model.with_name("prepared.onnx"), model.with_name("int8.onnx")
    quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(quantised),
        _Mels(mels),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return quantised


class _Mels:
    """What ONNX Runtime's calibration asks for: inputs one by one, then None."""

    def __init__(self, mels: Sequence[FloatArray]) -> None:
        self._inputs: Iterator[dict[str, FloatArray]] = iter(
            [{"mel": np.asarray(mel[np.newaxis], np.float32)} for mel in mels]
        )

    def get_next(self) -> dict[str, FloatArray] | None:
        return next(self._inputs, None)

    def __iter__(self) -> "_Mels":
        return self

    def __next__(self) -> dict[str, FloatArray]:
        return next(self._inputs)


def _metadata(vocoder: NetworkVocoder, precision: Precision) -> dict[str, Any]:
    info = vocoder.info
    return {
        "vocoder": info.name,
        "version": info.version,
        "mel": vocoder.spec.name,
        "mel_digest": vocoder.spec.digest,
        "precision": precision,
        "minimum_frames": vocoder.minimum_frames,
        "start_offset": info.start_offset,
        "trained": info.trained,
        "weights_sha256": info.weights_sha256,
        "n_parameters": info.n_parameters,
        "n_parameters_with_weight_norm": info.n_parameters_with_weight_norm,
        "licence": info.licence,
        "source": info.source,
    }


def _add_metadata(path: Path, metadata: dict[str, Any]) -> None:
    import onnx

    model = onnx.load(str(path))
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(metadata)
    onnx.save(model, str(path))


def _compare(
    vocoder: NetworkVocoder, path: Path, precision: Precision, mels: Sequence[FloatArray]
) -> Any:
    noise = np.random.default_rng(0).normal(-5, 2, (vocoder.spec.n_mels, 40))
    mel = np.asarray(mels[0] if mels else noise, np.float32)
    with torch.inference_mode():
        wanted = vocoder.synthesise(torch.from_numpy(mel).to(vocoder.device), 0).cpu().numpy()
    error = numerical_error(run_session(open_session(path), mel), wanted, "eager")
    if precision == "float32" and not error.max_abs <= _MOST_FLOAT32_ERROR:
        raise VocoderError(
            f"the exported {vocoder.info.name} differs from torch by {error.max_abs:.2g}",
            wanted=f"at most {_MOST_FLOAT32_ERROR:g} of full scale",
            do="report it with the versions of torch and onnxruntime",
        )
    return error
