"""The script that times the teacher times what it says; a small network, no figure is checked."""

import pytest

torch = pytest.importorskip("torch")

from tiny_teacher import SMALL  # noqa: E402

from vocoders import clarinet_teacher_speed as speed  # noqa: E402
from vocoders.clarinet_teacher import RingTeacher  # noqa: E402
from vocoders.clarinet_weights import random_clarinet  # noqa: E402
from vocoders.layers import remove_weight_norm  # noqa: E402


def test_a_step_of_the_published_way_sees_the_whole_receptive_field(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = random_clarinet(SMALL, seed=0).teacher
    seen = []
    monkeypatch.setattr(
        network, "distribution", lambda *given: seen.append([one.shape[-1] for one in given])
    )
    speed.whole_field_speed_khz(network, n_steps=2)
    field = (1 + 2 + 4 + 8) * 1 + 32
    assert seen == [[field, field]] * 2


def test_the_table_divides_by_the_speed_measured_beside(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One round warms up; then the rings are 30, 60, ... times as fast as the whole field."""
    monkeypatch.setattr(speed, "random_clarinet", lambda seed: random_clarinet(SMALL, seed=seed))
    whole = iter([9.0, 1.0, 2.0, 4.0, 2.0, 1.0])
    now = []

    def whole_field(network: torch.nn.Module) -> float:
        now.append(next(whole))
        return now[-1]

    monkeypatch.setattr(speed, "whole_field_speed_khz", whole_field)
    monkeypatch.setattr(speed, "ring_speed_khz", lambda teacher, size: 30 * size * now[-1])
    assert speed.main() == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[2] == "| whole receptive field a step | 2 | 1 | | |"
    assert rows[3] == "| rings, 1 side by side | 60 | 30 | 30 | 30 |"
    assert rows[6].endswith("| 1,920 | 1,920 | 1,920 |")
    assert "random weights" in rows[-1]


def test_the_rings_are_timed_on_as_many_utterances_as_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = random_clarinet(SMALL, seed=0).teacher
    remove_weight_norm(network)
    teacher = RingTeacher(network, most_lanes=4)
    clock = iter([0.0, 0.5])
    monkeypatch.setattr(speed.time, "process_time", lambda: next(clock))
    with torch.inference_mode():
        # Three utterances of 100 samples in half a second: 0.6 kHz.
        assert speed.ring_speed_khz(teacher, 3, n_steps=100) == pytest.approx(0.6)
