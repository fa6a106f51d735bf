"""What every process of a run is told, so that all make the same."""

from dataclasses import dataclass
from pathlib import Path

from evalsuite.manifest import Settings
from evalsuite.registry import SystemRequest, create_vocoder
from evalsuite.vocoder import Vocoder

__all__ = ["Workplace"]


@dataclass(frozen=True)
class Workplace:
    """Everything a process needs to work; picklable.

    Parameters
    ----------
    requests : the systems; a vocoder is built when it is first needed.
    force : make everything again.
    """

    run: Path
    requests: tuple[SystemRequest, ...]
    settings: Settings
    device: str = "cpu"
    untrained: bool = False
    force: bool = False

    def build(self, request: SystemRequest) -> Vocoder:
        """Make a vocoder as every process of this run makes it."""
        return create_vocoder(
            request,
            device=self.device,
            untrained=self.untrained,
            sample_rate=self.settings.sample_rate,
        )
