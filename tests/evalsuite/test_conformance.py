"""Each check of `check_vocoder` is seen to fail on a vocoder that breaks just that promise."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from evalsuite.conformance import CHECK_NAMES, check_vocoder, conformance_wave
from evalsuite.contract import require_own_features
from evalsuite.dummy import Dummy
from evalsuite.errors import FeatureMismatch
from evalsuite.mel import mel_spec
from evalsuite.types import Features, Waveform


def failures(vocoder: Dummy) -> dict[str, str]:
    results = check_vocoder(vocoder)
    assert tuple(result.name for result in results) == CHECK_NAMES
    assert all(result.passed == (not result.detail) for result in results)
    return {result.name: result.detail for result in results if not result.passed}


def test_the_dummy_keeps_every_promise() -> None:
    assert failures(Dummy()) == {}


def output_changed_by(change: Callable[[Waveform], Waveform]) -> Dummy:
    class Broken(Dummy):
        def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
            return [change(wave) for wave in super().generate(batch, seed=seed)]

    return Broken()


def features_changed_by(change: Callable[[Features], Features]) -> Dummy:
    class Broken(Dummy):
        def analyse(self, wave: Waveform) -> Features:
            return change(super().analyse(wave))

    return Broken()


def with_samples(change: Callable[[Any], Any]) -> Callable[[Waveform], Waveform]:
    return lambda wave: dataclasses.replace(wave, samples=change(wave.samples))


def one_not_finite(samples: Any) -> Any:
    samples[100] = np.nan
    return samples


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("id", lambda wave: dataclasses.replace(wave, id="other")),
        ("sample-rate", lambda wave: dataclasses.replace(wave, sample_rate=16000)),
        ("length", with_samples(lambda samples: samples[:-256])),
        ("length", with_samples(lambda samples: np.tile(samples, 2))),
        ("mono-float32", with_samples(lambda samples: samples.astype(np.float64))),
        ("mono-float32", with_samples(lambda samples: samples[:, np.newaxis])),
        ("finite", with_samples(one_not_finite)),
        ("full-scale", with_samples(lambda samples: samples / np.abs(samples).max() * 1.01)),
    ],
)
def test_a_wrong_output_is_found(check: str, change: Callable[[Waveform], Waveform]) -> None:
    assert check in failures(output_changed_by(change))


def test_a_frame_of_rounding_is_allowed() -> None:
    assert failures(output_changed_by(with_samples(lambda samples: samples[:-255]))) == {}


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("features", {"spec": mel_spec("tacotron2")}),
        ("features", {"n_samples": 5}),
        ("features", {"gain": 0.0}),
        ("features", {"gain": float("nan")}),
        ("features", {"values": np.full((80, 86), np.nan, np.float32)}),
        ("id", {"id": "other"}),
    ],
)
def test_wrong_features_are_found(check: str, change: dict[str, Any]) -> None:
    broken = features_changed_by(lambda features: dataclasses.replace(features, **change))
    assert check in failures(broken)


class AcceptsAnyRate(Dummy):
    def analyse(self, wave: Waveform) -> Features:
        return super().analyse(Waveform(wave.samples, 22050, wave.id))


class NeverTheSame(Dummy):
    calls = 0

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        self.calls += 1
        return super().generate(batch, seed=seed + self.calls)


class ClaimsToBeDeterministic(Dummy):
    def __init__(self) -> None:
        super().__init__()
        self.info = dataclasses.replace(self.info, deterministic=True)


class IgnoresItsSeed(Dummy):
    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        return super().generate(batch, seed=0)


class ScalesTheWaveInPlace(Dummy):
    def analyse(self, wave: Waveform) -> Features:
        wave.samples[:] *= 0.5
        return super().analyse(wave)


class ChangesItsFeatures(Dummy):
    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        for features in batch:
            features.values[:] -= 1
        return super().generate(batch, seed=seed)


class PadsTheBatch(Dummy):
    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        made = super().generate(batch, seed=seed)
        longest = max((len(wave.samples) for wave in made), default=0)
        return [
            dataclasses.replace(w, samples=np.pad(w.samples, (0, longest - len(w.samples))))
            for w in made
        ]


class DropsTheLast(Dummy):
    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        return super().generate(batch[:2], seed=seed)


class NoLanes(Dummy):
    lanes = 0


class Many(Dummy):
    """Side by side, last first; subclasses break it."""

    lanes = 2

    def generate_many(
        self, batch: Sequence[Features], seeds: Sequence[int], *, progress: Any = None
    ) -> Iterator[tuple[int, Waveform]]:
        progress(0.5)
        for place in reversed(range(len(batch))):
            yield place, self._one(batch[place], seeds[place])
        progress(1.5)


class SameSeedForAll(Many):
    def generate_many(
        self, batch: Sequence[Features], seeds: Sequence[int], *, progress: Any = None
    ) -> Iterator[tuple[int, Waveform]]:
        return super().generate_many(batch, [seeds[0]] * len(batch), progress=progress)


class GivesOneTwice(Many):
    def generate_many(
        self, batch: Sequence[Features], seeds: Sequence[int], *, progress: Any = None
    ) -> Iterator[tuple[int, Waveform]]:
        for _, wave in super().generate_many(batch, seeds, progress=progress):
            yield 1, wave


class MixesUpIds(Many):
    def generate_many(
        self, batch: Sequence[Features], seeds: Sequence[int], *, progress: Any = None
    ) -> Iterator[tuple[int, Waveform]]:
        for place, wave in super().generate_many(batch, seeds, progress=progress):
            yield place, dataclasses.replace(wave, id="other")


class FallsBack(Many):
    def generate_many(
        self, batch: Sequence[Features], seeds: Sequence[int], *, progress: Any = None
    ) -> Iterator[tuple[int, Waveform]]:
        yield from super().generate_many(batch, seeds, progress=progress)
        progress(0.25)


class SaysNothing(Many):
    def generate_many(
        self, batch: Sequence[Features], seeds: Sequence[int], *, progress: Any = None
    ) -> Iterator[tuple[int, Waveform]]:
        return super().generate_many(batch, seeds, progress=lambda _: None)


def test_any_order_of_finishing_is_allowed() -> None:
    assert failures(Many()) == {}


class FailsOnNothing(Dummy):
    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        return super().generate([batch[0], *batch[1:]], seed=seed)


class TakesAnyFeatures(Dummy):
    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        own = [dataclasses.replace(features, spec=self.info.spec) for features in batch]
        return super().generate(own, seed=seed)


class RefusesWithoutNames(Dummy):
    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        try:
            return super().generate(batch, seed=seed)
        except FeatureMismatch:
            raise FeatureMismatch("no", wanted="other features", do="go away") from None


class GivesTheWaveItself(Dummy):
    def analyse(self, wave: Waveform) -> Features:
        features = super().analyse(wave)
        return dataclasses.replace(features, values=wave.samples[np.newaxis])

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        for features in batch:
            require_own_features(self.info, features)
        return [Waveform(features.values[0], 22050, features.id) for features in batch]


@pytest.mark.parametrize(
    ("check", "broken", "detail"),
    [
        ("wrong-rate-refused", AcceptsAnyRate, "22051 Hz"),
        ("seed", NeverTheSame, "same seed gave other bytes"),
        ("seed", ClaimsToBeDeterministic, "the seed changes the output"),
        ("seed", IgnoresItsSeed, "the seed does not change the output"),
        ("input-untouched", ScalesTheWaveInPlace, "analyse() changed the waveform"),
        ("input-untouched", ChangesItsFeatures, "generate() changed the features"),
        ("input-untouched", GivesTheWaveItself, "share memory"),
        ("batch", PadsTheBatch, "items [0, 2]"),
        ("batch", DropsTheLast, "2 waveforms for 3 features"),
        ("side-by-side", NoLanes, "lanes is 0"),
        ("side-by-side", SameSeedForAll, "item 1 differs from what its seed gives alone"),
        ("side-by-side", GivesOneTwice, "places [1, 1]"),
        ("side-by-side", MixesUpIds, "id 'other'"),
        ("side-by-side", FallsBack, "1.5, 0.25] s; it may never fall"),
        ("side-by-side", SaysNothing, "progress was [0.0] s"),
        ("empty-batch", FailsOnNothing, "IndexError"),
        ("foreign-features-refused", TakesAnyFeatures, "not refused"),
        ("foreign-features-refused", RefusesWithoutNames, "does not name foreign, melgan"),
    ],
)
def test_a_broken_promise_is_found(check: str, broken: type[Dummy], detail: str) -> None:
    assert detail in failures(broken())[check]


def test_a_vocoder_that_raises_fails_its_checks_with_the_reason() -> None:
    class Crashes(Dummy):
        def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
            raise RuntimeError("out of memory")

    found = failures(Crashes())
    assert found["length"] == "RuntimeError: out of memory"
    assert "features" not in found


def test_the_trial_wave_is_no_multiple_of_a_hop_and_within_full_scale() -> None:
    for rate in (16000, 22050, 24000):
        wave = conformance_wave(rate)
        assert len(wave.samples) % 256
        assert 0.1 < np.abs(wave.samples).max() < 1
