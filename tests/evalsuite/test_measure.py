"""Metrics of a run: values of real pairs, resuming by hash, undefined without a number."""

import csv
import json
import math

import numpy as np
import pytest
import soundfile

from evalsuite.errors import AudioError, ManifestError, UnknownName
from evalsuite.files import sha256_file
from evalsuite.generate import generate
from evalsuite.manifest import Settings
from evalsuite.metrics import MetricValue
from evalsuite.metrics.log_mel_l1 import LogMelL1
from evalsuite.metrics.measure import measure_run, read_metrics
from evalsuite.metrics.registry import make_metric
from evalsuite.registry import SystemRequest
from evalsuite.types import Utterance, Waveform

METRIC = LogMelL1()


def test_log_mel_distance_of_the_published_samples(data) -> None:
    folder = data / "melgan-demo"
    with (folder / "manifest.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["system"] == "baseline"]
    for row in rows:
        waves = []
        for path in (f"ablation/original/original_{row['utterance']}.wav", row["file"]):
            samples, rate = soundfile.read(folder / path, dtype="float32")
            waves.append(Waveform(samples, rate))
        found = METRIC.compare(reference=waves[0], degraded=waves[1])
        assert found.value == pytest.approx(float(row["logmel_l1"]), abs=3e-3)


def test_log_mel_distance_of_a_level_change_is_its_logarithm(speech) -> None:
    louder = Waveform(speech.samples * np.float32(2), speech.sample_rate)
    assert METRIC.compare(reference=speech, degraded=speech).value == 0.0
    found = METRIC.compare(reference=speech, degraded=louder).value
    assert 0.9 * math.log10(2) < found <= math.log10(2) + 1e-6  # the floor of 1e-5 takes a little


def test_log_mel_distance_of_next_to_nothing_is_undefined(speech) -> None:
    short = Waveform(speech.samples[:100], speech.sample_rate)
    found = METRIC.compare(reference=speech, degraded=short)
    assert math.isnan(found.value)
    assert "shorter than" in found.reason
    with pytest.raises(AudioError, match="16000 Hz"):
        METRIC.compare(reference=Waveform(speech.samples, 16000), degraded=speech)


class Counting:
    """Knows what it was asked; undefined for the utterance it is told."""

    name = "counting"
    version = "1"
    higher_is_better = True

    def __init__(self, undefined: str = "") -> None:
        self.asked: list[str] = []
        self.undefined = undefined

    def compare(self, *, reference: Waveform, degraded: Waveform) -> MetricValue:
        self.asked.append(degraded.id)
        if degraded.id == self.undefined:
            return MetricValue(math.nan, "told so")
        return MetricValue(float(np.abs(degraded.samples - reference.samples).max()))


@pytest.fixture
def run(tmp_path):
    utterances = []
    for index in range(3):
        path = tmp_path / f"u{index}.wav"
        noise = np.random.default_rng(index).uniform(-0.1, 0.1, 22050)
        soundfile.write(path, noise, 22050)
        utterances.append(Utterance(path.stem, path, "", "", 1.0, sha256_file(path)))
    requests = [SystemRequest("original", "original"), SystemRequest("anchor", "anchor")]
    generate(tmp_path / "run", utterances, requests, Settings(), synthetic_speech=True)
    return tmp_path / "run"


def test_a_run_is_measured_once(run) -> None:
    metric = Counting(undefined="u1")
    lines, n_new = measure_run(run, [metric])
    assert metric.asked == ["u0", "u1", "u2"]
    assert n_new == 3
    assert [(one.system, one.utterance, one.reason) for one in lines] == [
        ("anchor", "u0", ""), ("anchor", "u1", "told so"), ("anchor", "u2", ""),
    ]  # fmt: skip
    assert lines[1].value is None
    assert read_metrics(run) == lines
    again = Counting()
    assert measure_run(run, [again]) == (lines, 0)
    assert again.asked == []


def test_a_new_version_or_metric_is_measured_and_others_are_kept(run) -> None:
    measure_run(run, [Counting()])
    newer = Counting()
    newer.version = "2"
    assert measure_run(run, [newer])[1] == 3
    assert measure_run(run, [METRIC])[1] == 3
    assert {one.metric for one in read_metrics(run)} == {"counting", "log_mel_l1"}


def test_a_stopped_run_goes_on_where_it_was(run) -> None:
    lines, _ = measure_run(run, [Counting()])
    path = run / "metrics.jsonl"
    whole = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text(whole[0] + whole[1][:40], encoding="utf-8")
    metric = Counting()
    again, n_new = measure_run(run, [metric])
    assert metric.asked == ["u1", "u2"]
    assert (again, n_new) == (lines, 2)
    assert path.read_text(encoding="utf-8") == "".join(whole)


def test_every_line_is_strict_json(run) -> None:
    measure_run(run, [Counting(undefined="u0"), METRIC])

    def refuse(name: str) -> None:
        raise AssertionError(name)

    for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        value = json.loads(line, parse_constant=refuse)
        assert (value["value"] is None) == bool(value["reason"])
        assert (value["untrained"], value["synthetic_speech"]) == (False, True)


def test_a_run_without_the_recording_has_nothing_to_compare_with(run, tmp_path) -> None:
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    manifest["systems"] = manifest["systems"][1:]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ManifestError, match="no reference system"):
        measure_run(tmp_path, [Counting()])


def test_unknown_metric() -> None:
    with pytest.raises(UnknownName, match="did you mean 'pesq_wb'"):
        make_metric("pesq-wb")
