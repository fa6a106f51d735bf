"""The audio gate: what must not be wrong with samples before anyone listens to them.

`check_run` reads a run folder, `check_folders` any folders of finished files. Both measure the
files themselves and return a `GateReport`: every finding with what was measured, the limit and
what to do. An error makes a listening test or a metric meaningless; a warning needs an ear; a
note says what `evalsuite.generate` already put right.
"""

from evalsuite.gate.check import Folder, check_folders, check_run, parse_folder
from evalsuite.gate.report import Finding, GateReport

__all__ = ["Finding", "Folder", "GateReport", "check_folders", "check_run", "parse_folder"]
