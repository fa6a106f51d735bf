"""A ClariNet teacher small enough for tests, as a plug-in that other processes find too."""

from pathlib import Path

from evalsuite.mel import mel_spec
from evalsuite.registry import Setup
from vocoders.clarinet import ClariNetTeacher
from vocoders.clarinet_network import ClariNetConfig, GaussianConfig
from vocoders.clarinet_weights import random_clarinet

SMALL = ClariNetConfig(
    teacher=GaussianConfig(1, 4, channels=8, gate_channels=8),
    flow=GaussianConfig(1, 4, channels=8, gate_channels=8, kernel=3),
    n_flows=2,
)


class TinyTeacher(ClariNetTeacher):
    @classmethod
    def create(cls, setup: Setup, *, lanes: int = 64) -> "TinyTeacher":  # type: ignore[override]
        return cls(random_clarinet(SMALL, seed=0).teacher, mel_spec("clarinet"), lanes=lanes)


def install(folder: Path) -> None:
    metadata = folder / "tiny_dist-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-dist\nVersion: 1.0")
    entry = "[evalsuite.vocoders]\ntiny_teacher = tiny_teacher:TinyTeacher\n"
    (metadata / "entry_points.txt").write_text(entry)
