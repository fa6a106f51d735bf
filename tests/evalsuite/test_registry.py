"""Names, plug-ins, what is missing, and cache keys."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from evalsuite import registry
from evalsuite.contract import WaveformSpec
from evalsuite.dummy import Dummy
from evalsuite.errors import ConfigError, Unavailable, UnknownName
from evalsuite.registry import (
    BUILT_IN,
    availability,
    create_vocoder,
    fingerprint,
    parse_system,
    vocoder_names,
    vocoder_options,
    vocoder_summary,
)


def install_plug_in(
    monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, code: str, package: str = "plug"
) -> None:
    """Put a real distribution with one entry point on the import path."""
    metadata = folder / f"{package}_dist-1.2.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}-dist\nVersion: 1.2")
    (metadata / "entry_points.txt").write_text(f"[evalsuite.vocoders]\n{name} = {package}:Buzz\n")
    (folder / f"{package}.py").write_text(code)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, package, raising=False)


WORKING = """
from evalsuite.dummy import Dummy

class Buzz(Dummy):
    @classmethod
    def create(cls, setup, *, pitch_hz: float = 100.0):
        made = cls()
        made.pitch_hz, made.setup = pitch_hz, setup
        return made
"""


def test_built_in_names_come_first_in_table_order() -> None:
    assert vocoder_names()[: len(BUILT_IN)] == list(BUILT_IN)
    assert vocoder_names()[:6] == [
        "original", "anchor", "recorded", "griffin_lim", "world", "melgan",
    ]  # fmt: skip


def test_an_unknown_name_gets_the_nearest_and_all_known() -> None:
    with pytest.raises(UnknownName) as error:
        create_vocoder(parse_system("melgam"))
    assert "did you mean 'melgan'?" in str(error.value)
    assert ", ".join(sorted(vocoder_names())) in str(error.value)


@pytest.mark.parametrize("name", ["nosuch", "nothing", "x"])
def test_a_name_that_is_near_to_none_gets_no_guess(name: str) -> None:
    with pytest.raises(UnknownName) as error:
        create_vocoder(parse_system(name))
    assert "did you mean" not in str(error.value)
    assert error.value.do == "see evalsuite vocoders"


def test_an_unknown_option_is_refused_before_the_vocoder_is_made() -> None:
    with pytest.raises(ConfigError, match=r"no option 'n_iteration'.*write 'n_iterations'"):
        create_vocoder(parse_system("griffin_lim?n_iteration=3"))


def test_a_plug_in_is_listed_and_made_with_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plug_in(monkeypatch, tmp_path, "buzz", WORKING)
    assert vocoder_names()[-1] == "buzz"
    assert availability("buzz").available
    assert vocoder_summary("buzz") == "plug-in of plug-dist 1.2"
    assert [option.name for option in vocoder_options("buzz")] == ["pitch_hz"]
    made = create_vocoder(parse_system("b=buzz:some/folder?pitch_hz=80"), sample_rate=16000)
    assert isinstance(made, Dummy)
    assert vars(made)["pitch_hz"] == 80.0
    assert vars(made)["setup"] == registry.Setup("some/folder", "cpu", False, 16000)


def test_a_plug_in_that_fails_to_import_is_shown_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plug_in(monkeypatch, tmp_path, "buzz", "import a_module_nobody_has\n")
    assert "buzz" in vocoder_names()
    state = availability("buzz")
    assert not state.available
    assert "ModuleNotFoundError: No module named 'a_module_nobody_has'" in state.reason
    assert "plug-dist 1.2" in state.how
    with pytest.raises(Unavailable, match="a_module_nobody_has"):
        create_vocoder(parse_system("buzz"))


def test_a_plug_in_without_create_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plug_in(monkeypatch, tmp_path, "buzz", "class Buzz: ...\n")
    with pytest.raises(ConfigError, match=r"no classmethod create\(\)"):
        create_vocoder(parse_system("buzz"))


def test_a_plug_in_may_not_take_a_built_in_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plug_in(monkeypatch, tmp_path, "world", WORKING)
    with pytest.raises(ConfigError) as error:
        vocoder_names()
    assert "vocoders.world:World" in str(error.value)
    assert "plug:Buzz" in str(error.value)


def test_two_plug_ins_may_not_share_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plug_in(monkeypatch, tmp_path / "a", "buzz", WORKING)
    install_plug_in(monkeypatch, tmp_path / "b", "buzz", WORKING, package="other")
    with pytest.raises(ConfigError, match="two vocoders are called 'buzz'"):
        vocoder_names()


def test_a_missing_extra_gives_the_line_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._MODULES_OF_EXTRA, "world", ("a_module_nobody_has",))
    state = availability("world")
    assert (state.available, state.how) == (False, "pip install 'evalsuite[world]'")
    assert state.reason == "a_module_nobody_has not installed"


def test_a_network_without_weights_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALSUITE_WEIGHTS", str(tmp_path))
    state = availability("melgan")
    assert not state.available
    assert "evalsuite weights import" in state.how
    with pytest.raises(Unavailable, match="no trained weights"):
        create_vocoder(parse_system("melgan"))


def test_listing_imports_no_vocoder() -> None:
    code = (
        "import sys\n"
        "from evalsuite.registry import *\n"
        "assert [availability(name) for name in vocoder_names()]\n"
        "print([m for m in sys.modules if m in ('torch', 'pyworld') or m[:9] == 'vocoders.'])\n"
    )
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_fingerprint_follows_what_changes_the_output_and_nothing_else() -> None:
    info = Dummy().info
    changes = [
        {"name": "other"},
        {"sample_rate": 16000},
        {"spec": WaveformSpec()},
        {"version": "2"},
        {"start_offset": 3},
        {"trained": False},
        {"weights_sha256": "ab"},
        {"config": {"n_iterations": 3}},
    ]
    keys = {fingerprint(dataclasses.replace(info, **change)) for change in changes}
    assert len(keys | {fingerprint(info)}) == len(changes) + 1
    said_otherwise = dataclasses.replace(
        info, licence="?", source="?", n_parameters=1, n_parameters_with_weight_norm=2
    )
    assert fingerprint(said_otherwise) == fingerprint(info)
    assert fingerprint(create_vocoder(parse_system("dummy")).info) == fingerprint(info)
