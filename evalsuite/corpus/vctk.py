"""The VCTK layout: wav48/ or wav48_silence_trimmed/, one folder per speaker, and txt/."""

from pathlib import Path

from evalsuite.corpus.model import Entry, Listing, is_recording, read_text, safe_id

__all__ = ["VCTK_AUDIO_FOLDERS", "read_vctk"]

# Release 0.92 holds the second; an unpacked mixture of both releases is read from the newer one.
VCTK_AUDIO_FOLDERS = ("wav48_silence_trimmed", "wav48")


def read_vctk(folder: Path) -> Listing:
    """List a VCTK folder.

    Release 0.92 has two microphones; the first is taken, the second only where the first is
    missing. Speaker p315 has no texts.
    """
    audio = next(folder / name for name in VCTK_AUDIO_FOLDERS if (folder / name).is_dir())
    chosen: dict[tuple[str, str], Path] = {}
    # Sorted, mic1 comes before mic2, so the first of an utterance stays.
    for path in sorted(path for path in audio.glob("*/*") if is_recording(path)):
        stem = path.stem.removesuffix("_mic1").removesuffix("_mic2")
        chosen.setdefault((path.parent.name, stem), path)
    return Listing(
        tuple(
            Entry(safe_id(stem), path, speaker, _text(folder, speaker, stem))
            for (speaker, stem), path in chosen.items()
        )
    )


def _text(folder: Path, speaker: str, stem: str) -> str:
    path = folder / "txt" / speaker / f"{stem}.txt"
    return read_text(path).strip() if path.is_file() else ""
