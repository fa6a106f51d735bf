"""The recordings of a training, opened and split."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evalsuite.files import sha256_json
from vocoders.training.audio_store import AudioStore, open_audio
from vocoders.training.checkpoint import explain_full_disk
from vocoders.training.config import DataConfig, TrainingConfig
from vocoders.training.distributed import Processes, wait_for_all
from vocoders.training.progress import TrainingProgress
from vocoders.training.split import Split, choose_split, read_split_column

__all__ = ["Recordings", "TrainingData", "describe", "open_data"]


@dataclass(frozen=True)
class Recordings:
    """Where the recordings of a training are, and how they are read.

    Parameters
    ----------
    corpus : a folder or a table; a column ``split`` decides what is held out.
    kind : of corpus, or ``auto``.
    skip_bad : leave unusable recordings out instead of refusing the corpus.
    synthetic_speech : they are not human speech, which marks everything made from them.
    """

    corpus: Path
    kind: str = "auto"
    skip_bad: bool = False
    synthetic_speech: bool = False


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Decoded recordings and which of them are for what."""

    store: AudioStore
    split: Split

    def facts(self) -> dict[str, str | int]:
        """What identifies the data of a training; goes into every checkpoint."""
        ids = [clip.utterance.id for clip in self.store.clips]
        parts = [[ids[i] for i in part] for part in (self.split.train, self.split.valid)]
        return {
            "recordings": self.store.digest,
            "split": sha256_json(parts),
            "n_train": len(self.split.train),
            "n_valid": len(self.split.valid),
        }

    def ids(self) -> Mapping[str, list[str]]:
        """Ids of the clips of each part."""
        named = {"train": self.split.train, "valid": self.split.valid}
        clips = self.store.clips
        return {name: [clips[i].utterance.id for i in part] for name, part in named.items()}


def describe(data: TrainingData, config: DataConfig) -> tuple[str, list[str]]:
    """Say what there is to learn from, and in further lines what was done to it."""
    train, valid = ([data.store.clips[i] for i in part] for part in (data.split.train,
                                                                    data.split.valid))  # fmt: skip
    rate = config.sample_rate
    minutes = sum(clip.n_samples for clip in train) / rate / 60
    summary = f"{len(train)} clips to train on ({minutes:.3g} min), {len(valid)} held out"
    changed = []
    others = Counter(clip.file_rate for clip in (*train, *valid) if clip.file_rate != rate)
    if others:
        listed = ", ".join(f"{n} of {found} Hz" for found, n in sorted(others.items()))
        changed.append(
            f"{others.total()} of {len(train) + len(valid)} recordings are resampled to {rate} Hz: "
            f"{listed}"
        )
    short = sum(clip.n_samples < config.segment_samples for clip in train)
    if short:
        changed.append(
            f"{short} of {len(train)} clips to train on are shorter than a segment "
            f"({config.segment_samples / rate:.3g} s): zeros fill their crops"
        )
    return summary, changed


def open_data(
    recordings: Recordings,
    cache: Path,
    config: TrainingConfig,
    *,
    processes: Processes,
    progress: TrainingProgress,
) -> TrainingData:
    """Decode what the cache does not hold, and split.

    Raises
    ------
    CorpusError, AudioError; TrainingError if the disk is full.
    """
    if not processes.is_first:
        wait_for_all()  # the first process fills the cache
    named = read_split_column(recordings.corpus, recordings.kind)
    with explain_full_disk(cache):
        store = open_audio(
            recordings.corpus,
            cache,
            sample_rate=config.data.sample_rate,
            peak=config.data.peak,
            kind=recordings.kind,
            skip_bad=recordings.skip_bad,
            other_rates=config.data.other_rates,
            unused={name for name, part in named.items() if part == "test"},
            progress=progress.decoded if processes.is_first else None,
        )
    if processes.is_first:
        wait_for_all()
    split = choose_split(
        [clip.utterance.id for clip in store.clips],
        named,
        n_valid=config.data.valid_clips,
        seed=config.seed,
    )
    return TrainingData(store, split)
