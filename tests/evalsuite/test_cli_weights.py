"""The verbs of ``evalsuite weights`` for published checkpoints, in this process."""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parent))

from file_server import Behaviour, serve  # noqa: E402

from evalsuite import releases  # noqa: E402
from evalsuite.cli.weights import app  # noqa: E402
from evalsuite.errors import CheckpointError, UsageError  # noqa: E402
from evalsuite.registry import BUILT_IN  # noqa: E402
from evalsuite.releases import Release, ReleaseFile  # noqa: E402
from evalsuite.weights import read_card  # noqa: E402
from vocoders.melgan_generator import Generator, randomise  # noqa: E402
from vocoders.tensor_names import to_official_names  # noqa: E402

group = typer.Typer()
group.add_typer(app)


def run(*arguments: str) -> tuple[str, str]:
    """Run a verb that must succeed; its stdout and stderr."""
    command = ["weights", *arguments]
    result = CliRunner().invoke(group, command, catch_exceptions=False, standalone_mode=False)
    assert not result.return_value
    return result.stdout, result.stderr


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An official MelGAN of random weights."""
    generator = Generator()
    randomise(generator, 0)
    path = tmp_path_factory.mktemp("published") / "best_netG.pt"
    torch.save(to_official_names(generator.state_dict()), path)
    return path


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVALSUITE_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def test_import_takes_every_option(checkpoint: Path, tmp_path: Path) -> None:
    config = tmp_path / "args.yml"
    config.write_text("!!python/object:argparse.Namespace\nn_mel_channels: 80\nngf: 32\n")
    out, err = run(
        "import", str(checkpoint), "--vocoder", "melgan", "-o", str(tmp_path / "w"),
        "--config", str(config), "--licence", "CC0", "--source", "me", "--json",
    )  # fmt: skip
    card = read_card(tmp_path / "w")
    assert json.loads(out) == card.model_dump()
    assert (card.licence, card.source, list(card.companions)) == ("CC0", "me", ["args.yml"])
    assert err == ""
    with pytest.raises(CheckpointError):
        run(
            "import", str(checkpoint), "--vocoder", "melgan", "-o", str(tmp_path / "v"),
            "--with", str(checkpoint),
        )  # fmt: skip


# --- fetch -------------------------------------------------------------------------------------


@pytest.fixture
def url(checkpoint: Path) -> Iterator[str]:
    with serve(Behaviour(checkpoint.read_bytes())) as address:
        yield address


@pytest.fixture
def digest(checkpoint: Path) -> str:
    return hashlib.sha256(checkpoint.read_bytes()).hexdigest()


@pytest.fixture
def published(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = ReleaseFile("checkpoint", "g.pt", url)
    release = Release("test-lj", "melgan", "a test", (file,), "MIT", "nobody/nothing")
    monkeypatch.setattr(releases, "RELEASES", {"test-lj": release})


@pytest.mark.usefixtures("published")
def test_fetch_downloads_verifies_and_imports(root: Path, digest: str) -> None:
    with pytest.raises(UsageError, match="nobody vouches"):
        run("fetch", "test-lj")
    out, err = run("fetch", "test-lj", "--sha256", digest, "--json")
    facts = json.loads(out)
    assert facts["folder"] == str(root / "test-lj")
    assert facts["trusted"] == {}
    assert "TRUSTED" not in err
    card = read_card(root / "test-lj")
    assert (card.vocoder, card.source_sha256, card.licence) == ("melgan", digest, "MIT")
    assert card.source == "nobody/nothing (test-lj)"


@pytest.mark.usefixtures("published")
def test_trust_on_first_use_is_said_loudly_and_recorded(root: Path, digest: str) -> None:
    out, err = run("fetch", "test-lj", "--trust-on-first-use")
    assert out == ""
    assert "TRUSTED ON FIRST USE: g.pt" in err
    assert digest in err
    assert f"use it as the system  melgan:{root / 'test-lj'}" in err
    assert "trusted on first use" in read_card(root / "test-lj").source
    assert digest in (root / "trusted.json").read_text()


@pytest.mark.usefixtures("published")
def test_download_only_imports_nothing(root: Path, digest: str) -> None:
    out, _ = run("fetch", "test-lj", "--sha256", f"g.pt={digest}", "--download-only", "--json")
    facts = json.loads(out)
    assert facts["folder"] is None
    assert Path(facts["files"]["checkpoint"]).is_file()
    assert not (root / "test-lj").exists()


# --- list --------------------------------------------------------------------------------------


def test_the_list_says_what_is_missing_and_how_to_get_it(root: Path, checkpoint: Path) -> None:
    text, err = run("list")
    assert f"no weights below {root}" in err
    for name, entry in BUILT_IN.items():
        assert (f"\n{name}: " in text) == entry.needs_weights
        if entry.needs_weights:
            assert f"evalsuite weights import FILE --vocoder {name} -o {root}/NAME" in text
    assert "evalsuite weights fetch melgan-lj\n" in text
    assert "SHA-256 of multi_speaker.pt unknown" in text
    run("import", str(checkpoint), "--vocoder", "melgan", "-o", str(root / "mine"))
    text, _ = run("list")
    assert f"melgan:{root / 'mine'}  from best_netG.pt  (licence unknown)" in text
    assert f"\nmelgan: melgan:{root / 'mine'}" in text


def test_the_list_as_json(root: Path) -> None:
    listing = json.loads(run("list", "--json")[0])
    assert listing["weights"] == []
    rows = {row["vocoder"]: row for row in listing["vocoders"]}
    assert rows.keys() == {name for name, entry in BUILT_IN.items() if entry.needs_weights}
    names = [release["name"] for release in rows["melgan"]["releases"]]
    assert names[0] == "melgan-lj"
    first = rows["melgan"]["releases"][0]
    assert first["fetch"] == "evalsuite weights fetch melgan-lj"
    assert first["files"][0]["url"].endswith("/linda_johnson.pt")
    assert rows["melgan"]["missing"] == (not rows["melgan"]["systems"])
