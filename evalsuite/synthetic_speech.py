"""A small built-in corpus: original sentences spoken by several espeak-ng voices.

It lets the whole chain run on a machine without recordings or network. Formant synthesis is not
human speech: everything made from it is marked synthetic. espeak-ng (GPL-3) is loaded at run
time from the optional ``espeakng-loader`` wheel and is no part of this project.

*Writes* ``FOLDER/<voice>/<id>.wav`` (16 bit) and ``FOLDER/corpus.csv`` (id, path, speaker, text).
"""

import csv
import ctypes
import io
from pathlib import Path
from typing import Any

import numpy as np

from evalsuite.audio import write_wave
from evalsuite.errors import Unavailable, VocoderError
from evalsuite.files import write_text
from evalsuite.types import FloatArray, Waveform

__all__ = ["SENTENCES", "VOICES", "EspeakNg", "write_corpus"]

#: Sentences written for this demo; between them they hold every English phoneme class.
SENTENCES = (
    "The old harbour was quiet until the first boats came back with the tide.",
    "She measured the voice twice, and each time the meter gave the same value.",
    "Every listener hears the samples in another order, and nobody sees a name.",
    "A cheap loudspeaker hides exactly the faults that we would like to find.",
    "Could you please judge how natural this short recording sounds to you?",
    "Six thick thistle sticks rustled while the judge checked his watch.",
    "Numbers are only worth as much as the care with which they were collected.",
    "Yesterday the choir sang softly, so that the echo would not blur the words.",
)
#: Speaker id -> espeak-ng voice with a speaker variant.
VOICES = {
    "anna": "en-us+f3",
    "brian": "en-gb-x-rp+m3",
    "clara": "en-gb-scotland+f4",
    "david": "en-us+m7",
}

_SYNCHRONOUS, _DO_NOT_EXIT = 2, 0x8000
_UTF8, _RATE = 1, 1
_WORDS_PER_MINUTE = 165
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class EspeakNg:
    """The espeak-ng library of the ``espeakng-loader`` wheel.

    Raises
    ------
    Unavailable if the wheel is missing or the library does not load.
    """

    def __init__(self) -> None:
        self._library = _load_library()
        self._chunks: list[FloatArray] = []
        # The library keeps the pointer; losing the reference would crash the process.
        self._callback = _Callback(self._receive)
        self.sample_rate = int(
            self._library.espeak_Initialize(_SYNCHRONOUS, 0, _data_path(), _DO_NOT_EXIT)
        )
        if self.sample_rate <= 0:
            raise Unavailable(
                f"espeak-ng did not start (code {self.sample_rate})",
                wanted="a working espeakng-loader wheel",
                do='pip install --force-reinstall "espeakng-loader"',
            )

    def _receive(self, samples: Any, n_samples: int, _events: Any) -> int:
        if samples and n_samples > 0:
            block = np.ctypeslib.as_array(samples, shape=(n_samples,))
            self._chunks.append(block.astype(np.float32) / np.float32(32768))
        return 0

    def speak(self, text: str, voice: str) -> Waveform:
        """Synthesise `text`.

        Parameters
        ----------
        voice : an espeak-ng voice name, optionally with a variant: ``en-us+f3``.

        Returns
        -------
        Mono float32 at `sample_rate` (22 050 Hz).

        Raises
        ------
        VocoderError if the voice is unknown or nothing was synthesised.
        """
        self._chunks.clear()
        # The library has one callback; another instance may have taken it meanwhile.
        self._library.espeak_SetSynthCallback(self._callback)
        code = self._library.espeak_SetVoiceByName(voice.encode())
        self._library.espeak_SetParameter(_RATE, _WORDS_PER_MINUTE, 0)
        if code == 0:
            data = text.encode()
            code = self._library.espeak_Synth(data, len(data) + 1, 0, 0, 0, _UTF8, None, None)
            self._library.espeak_Synchronize()
        if code != 0 or not self._chunks:
            raise VocoderError(
                f"espeak-ng made no audio with voice {voice!r} (code {code})",
                wanted="a voice that espeak-ng knows, such as 'en-us+f3'",
                do="choose another voice",
            )
        return Waveform(np.concatenate(self._chunks), self.sample_rate)


def _loader() -> Any:
    try:
        import espeakng_loader
    except ImportError as error:
        raise Unavailable(
            "the package espeakng-loader is not installed",
            wanted="the extra 'demo', which brings the voices of the built-in corpus",
            do='pip install "evalsuite[demo]"',
        ) from error
    return espeakng_loader


def _load_library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(_loader().get_library_path()))
    library.espeak_Initialize.argtypes = [
        ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int,
    ]  # fmt: skip
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
        ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    return library


def _data_path() -> bytes:
    return str(_loader().get_data_path()).encode()


def write_corpus(folder: Path, *, n_utterances: int = len(SENTENCES)) -> Path:
    """Speak the built-in sentences, voices in turn, and write a corpus that loads as it is.

    Returns
    -------
    Path of ``corpus.csv``, a manifest for `evalsuite.corpus.load_corpus`.

    Raises
    ------
    Unavailable if espeak-ng is not installed.
    """
    espeak = EspeakNg()
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["id", "path", "speaker", "text"])
    for number, text in enumerate(SENTENCES[:n_utterances]):
        speaker = list(VOICES)[number % len(VOICES)]
        name = f"sentence{number + 1:02d}"
        wave = espeak.speak(text, VOICES[speaker])
        path = folder / speaker / f"{name}.wav"
        write_wave(path, wave, dither_seed=number)
        rows.writerow([name, path.relative_to(folder), speaker, text])
    manifest = folder / "corpus.csv"
    write_text(manifest, table.getvalue())
    return manifest
