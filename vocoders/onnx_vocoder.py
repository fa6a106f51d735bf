"""A generator that was exported to ONNX, run by ONNX Runtime: ``onnx:FILE``. Needs no torch."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evalsuite.contract import require_frames, require_own_features, require_sample_rate
from evalsuite.errors import CheckpointError, Unavailable
from evalsuite.files import sha256_file
from evalsuite.mel import extract_mel, mel_spec
from evalsuite.registry import Setup
from evalsuite.types import Features, FloatArray, Waveform
from evalsuite.vocoder import Vocoder, VocoderInfo
from vocoders.first_line import first_line

__all__ = ["METADATA_KEY", "OnnxVocoder", "open_session", "run_session"]

#: Of the entry that `vocoders.onnx_export` writes into the file: JSON.
METADATA_KEY = "evalsuite"


class OnnxVocoder(Vocoder):
    """What `vocoders.onnx_export.export_onnx` wrote, as a system.

    Parameters
    ----------
    path : of the file.

    Raises
    ------
    Unavailable if ONNX Runtime or the file is missing, CheckpointError for another ONNX file.
    """

    def __init__(self, path: Path) -> None:
        self._session = open_session(path)
        facts = _facts(self._session, path)
        self._spec = mel_spec(facts["mel"])
        if self._spec.digest != facts["mel_digest"]:
            raise CheckpointError(
                f"{path} was exported for another definition of the mel {facts['mel']!r}",
                wanted="the definition of this version",
                do="export it anew",
            )
        # Older files do not say it; ONNX Runtime then refuses in its own words.
        self._minimum_frames = int(facts.get("minimum_frames", 1))
        self.info = VocoderInfo(
            name="onnx",
            family="neural",
            sample_rate=self._spec.sample_rate,
            spec=self._spec,
            deterministic=True,
            start_offset=facts["start_offset"],
            n_parameters=facts["n_parameters"],
            n_parameters_with_weight_norm=facts["n_parameters_with_weight_norm"],
            trained=facts["trained"],
            weights_sha256=sha256_file(path),
            licence=facts["licence"],
            source=facts["source"],
            config={
                "vocoder": facts["vocoder"],
                "dtype": facts["precision"],
                "exported_from_sha256": facts["weights_sha256"],
            },
        )

    @classmethod
    def create(cls, setup: Setup) -> "OnnxVocoder":
        """Make it from ``onnx:FILE``."""
        if setup.argument is None:
            raise Unavailable(
                "onnx without a file",
                wanted="onnx:FILE",
                do="make one: evalsuite export-onnx melgan -o FILE",
            )
        return cls(Path(setup.argument))

    def analyse(self, wave: Waveform) -> Features:
        """Compute the mel of the exported network.

        Raises
        ------
        AudioError if the wave is too short or at another rate.
        """
        require_sample_rate(self.info, wave)
        features = extract_mel(wave, self._spec)
        self._require_frames(features)
        return features

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        """Synthesise one utterance after the other; nothing is random."""
        for features in batch:
            require_own_features(self.info, features)
            self._require_frames(features)
        return [
            Waveform(
                run_session(self._session, features.values), self._spec.sample_rate, features.id
            )
            for features in batch
        ]

    def _require_frames(self, features: Features) -> None:
        n_frames = features.values.shape[1]
        require_frames(n_frames, minimum=self._minimum_frames, utterance=features.id)


def open_session(path: Path) -> Any:
    """Load an ONNX file on the CPU, in as many threads as ``OMP_NUM_THREADS`` says.

    Raises
    ------
    Unavailable if ONNX Runtime or the file is missing, CheckpointError if it is no ONNX file.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise Unavailable(
            "onnxruntime is not installed",
            wanted="ONNX Runtime",
            do="pip install 'evalsuite[onnx]'",
        ) from error
    if not path.is_file():
        raise Unavailable(
            f"there is no file {path}",
            wanted="an exported network",
            do="make one: evalsuite export-onnx melgan -o FILE",
        )
    options = onnxruntime.SessionOptions()
    # Its own default is every core; 0 stands for that.
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it has a type of its own for each thing that can be wrong
        raise CheckpointError(
            f"{path} is no ONNX file that runs here: {first_line(error)}",
            wanted="a file that evalsuite export-onnx wrote",
            do="export it anew",
        ) from error


def run_session(session: Any, mel: FloatArray) -> FloatArray:
    """Turn a mel of shape (n_mels, frames) into float32 audio of shape (samples,)."""
    (audio,) = session.run(None, {"mel": np.asarray(mel[np.newaxis], np.float32)})
    return np.asarray(audio, np.float32)


def _facts(session: Any, path: Path) -> dict[str, Any]:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise CheckpointError(
            f"{path} does not say which mel it needs",
            wanted="a file that evalsuite export-onnx wrote",
            do="export the network with evalsuite export-onnx",
        )
    facts: dict[str, Any] = json.loads(text)
    return facts
