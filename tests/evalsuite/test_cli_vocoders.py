"""The verbs vocoders, weights and benchmark, in this process."""

import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from evalsuite.cli.benchmark import benchmark
from evalsuite.cli.vocoders import vocoders
from evalsuite.cli.weights import app as weights
from evalsuite.errors import ConfigError, UnknownName
from evalsuite.registry import vocoder_names

app = typer.Typer()
app.command("vocoders")(vocoders)
app.command("benchmark")(benchmark)
app.add_typer(weights)


def run(*arguments: str) -> tuple[str, str]:
    """Run a verb that must succeed; its stdout and stderr."""
    result = CliRunner().invoke(app, arguments, catch_exceptions=False, standalone_mode=False)
    assert not result.return_value
    return result.stdout, result.stderr


def test_the_list_says_what_is_missing_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALSUITE_WEIGHTS", str(tmp_path))
    text, _ = run("vocoders")
    assert re.search(r"griffin_lim +Griffin-Lim from a mel", text)
    assert "not available: no trained weights for 'melgan'" in text
    rows = json.loads(run("vocoders", "--json")[0])["vocoders"]
    assert [row["name"] for row in rows] == vocoder_names()
    state = {row["name"]: row["available"] for row in rows}
    assert (state["original"], state["melgan"]) == (True, False)


def test_one_vocoder_shows_its_options() -> None:
    assert "?n_iterations=60  (int)" in run("vocoders", "griffin_lim")[0]
    facts = json.loads(run("vocoders", "world?f0=dio", "--json")[0])
    assert facts["options"] == [{"name": "f0", "kind": "harvest|dio", "default": "harvest"}]
    with pytest.raises(UnknownName):
        run("vocoders", "melgam")


def test_a_vocoder_is_checked() -> None:
    text, _ = run("vocoders", "dummy", "--check")
    assert "passed  length" in text
    assert "FAILED" not in text
    checks = json.loads(run("vocoders", "dummy", "--check", "--json")[0])["checks"]
    assert all(check["passed"] for check in checks)


def test_weights_are_imported_and_listed(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from vocoders.melgan_generator import Generator

    torch.save(Generator().state_dict(), tmp_path / "g.pt")
    folder = tmp_path / "weights" / "lj"
    arguments = ["--vocoder", "melgan", "-o", str(folder), "--licence", "CC0"]
    out, err = run("weights", "import", str(tmp_path / "g.pt"), *arguments)
    assert out == ""
    assert f"melgan:{folder}" in err
    assert f"melgan:{folder}  from g.pt  (CC0)" in run("weights", "list", str(folder.parent))[0]
    rows = json.loads(run("weights", "list", str(folder.parent), "--json")[0])["weights"]
    assert [(row["folder"], row["licence"]) for row in rows] == [(str(folder), "CC0")]


def test_an_empty_list_says_where_it_looked(tmp_path: Path) -> None:
    out, err = run("weights", "list", str(tmp_path))
    assert "evalsuite weights fetch melgan-lj" in out
    assert f"no weights below {tmp_path}" in err


def test_a_benchmark_writes_its_file_and_keeps_stdout_for_data(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.json"
    arguments = ["--systems", "d=dummy", "--duration-s", "0.2", "-o", str(path), "--json"]
    out, err = run("benchmark", *arguments)
    assert json.loads(out) == json.loads(path.read_text())
    assert "timing 1/1 d" in err
    assert "kHz" in err


def test_a_benchmark_prints_the_tables_of_the_documentation() -> None:
    out, _ = run(
        "benchmark", "--systems", "dummy", "--seconds", "0.2", "--batch", "2", "--markdown"
    )
    headings = [line for line in out.splitlines() if line.startswith("### ")]
    assert headings == [
        "### Table 1: Parameters and speed",
        "### Engines against the published way of computing",
        "### Batches and cores",
    ]
    # The published figures stand alone where nothing of ours was timed.
    assert "| MelGAN |  |  |  |  | 4.26 | 51.9 | 2500 |" in out
    assert "| dummy, batch of 2 |" in out


def test_two_systems_of_one_vocoder_are_rows_of_their_own() -> None:
    systems = "first=griffin_lim?n_iterations=1,second=griffin_lim?n_iterations=2"
    out, err = run("benchmark", "--systems", systems, "--seconds", "0.2", "--markdown")
    rows = [line.split(" | ") for line in out.splitlines() if line.startswith("|")]
    for label in ("first", "second"):
        # Once in table 1, with a speed, and once among the engines, with the engine's name.
        in_table_1, in_engines = [row for row in rows if row[0] == f"| {label}"]
        assert float(in_table_1[3].split()[0]) > 0
        assert in_engines[1] in ("fused", "scipy")
    assert "timing 2/2 second" in err
    with pytest.raises(ConfigError, match="label them apart"):
        run("benchmark", "--systems", "dummy,dummy", "--markdown")


def test_the_help_of_the_benchmark_shows_labels_and_engines_whole() -> None:
    out = CliRunner().invoke(app, ["benchmark", "--help"], env={"COLUMNS": "80"}).stdout
    assert "label=vocoder?key=value" in out
    assert '--systems "melgan,plain=melgan?engine=eager"' in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table1", "--systems", "dummy"], "--table1 and --systems"),
        (["--json", "--markdown"], "--markdown and --json"),
        (["--batch", "4,x"], "--batch is '4,x'"),
        (["--seconds", "0.001"], "--seconds is 0.001"),
    ],
)
def test_benchmark_options_that_cannot_be_followed(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run("benchmark", *arguments)


def test_benchmark_settings_are_refused_in_words() -> None:
    with pytest.raises(ConfigError, match=r"--runs is 2.*greater than or equal to 3"):
        run("benchmark", "--runs", "2")
