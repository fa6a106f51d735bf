"""``evalsuite generate`` and ``evalsuite check`` as a user runs them."""

import json
import subprocess
import sys
from pathlib import Path

import soundfile

from evalsuite.gate import Folder


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", "from evalsuite.cli import main; main()", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_generate_and_check_from_the_command_line(
    folders: dict[str, Folder], tmp_path: Path
) -> None:
    run, original = tmp_path / "run", folders["original"].path
    theirs = f"theirs=recorded:{folders['vocoder'].path}?name=vocoder_{{id}}.wav"
    arguments = ("generate", run, "--corpus", original, "--systems", "original", "--system", theirs)
    made = command(*arguments, "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["made"] == 6
    again = command(*arguments, "--dry-run")
    assert again.returncode == 0
    assert again.stdout == ""
    assert "0 samples would be made (0 by a vocoder), 6 reused" in again.stderr
    next(iter(folders["vocoder"].files().values())).unlink()
    partly = command(*arguments, "--json")
    assert partly.returncode == 1
    assert len(json.loads(partly.stdout)["failed"]) == 1
    checked = command("check", run, "--json")
    assert checked.returncode == 1
    assert json.loads(checked.stdout)["findings"][0]["fault"] == "missing"


def test_check_of_folders_prints_levels_and_findings(folders: dict[str, Folder]) -> None:
    for path in folders["vocoder"].files().values():
        soundfile.write(path, soundfile.read(path)[0] / 2, 22050, subtype="PCM_16")
    theirs = f"vocoder={folders['vocoder'].path}?name=vocoder_{{id}}.wav"
    both = f"original={folders['original'].path},{theirs}"
    done = command("check", "--folders", both, "--reference", "original")
    assert done.returncode == 1
    assert "FAILED: 3 errors" in done.stdout
    assert "Levels, medians" in done.stdout


def test_check_of_nothing_is_a_usage_error() -> None:
    done = command("check")
    assert done.returncode == 2
    assert "--folders" in done.stderr
