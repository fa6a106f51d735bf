"""``evalsuite demo``: the whole chain on a built-in synthetic corpus, then the rating app.

Each step is a verb that anyone can type; the demo prints it before it runs it. Steps that are done
are done quickly again: samples, seats and ratings are kept.

*Writes* ``FOLDER/corpus/`` (synthetic speech), ``FOLDER/telephone/`` (finished files for the
``recorded`` system), ``FOLDER/run/``, ``FOLDER/listening_test.yaml`` and its database,
``FOLDER/ratings.csv``, ``FOLDER/tables/``, ``FOLDER/report.html``.
"""

import time
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]

SIMULATED_LISTENERS = 24
SEATS_FOR_PEOPLE = 6
_BENCHMARKED = ("griffin_lim", "world")


def demo(
    folder: Annotated[Path, typer.Argument(help="Where everything is written.")] = Path(
        "evalsuite-demo"
    ),
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="End with the rating app, or after the page.")
    ] = True,
    jobs: Annotated[int, typer.Option(min=1, help="Processes for generation.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of every random draw.")] = 0,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the rating app.")] = 8501,
) -> None:
    """Run everything once: recordings, samples, listening test, tables, report, rating app."""
    from evalsuite.threads import pin_threads

    pin_threads()  # before anything imports numpy: the same bytes for any number of processes
    started = time.monotonic()
    typer.echo(f"evalsuite demo: synthetic speech and simulated listeners, all in {folder}/")
    if serve:
        # Before the long work: a missing package or a taken port would waste it.
        from evalsuite.cli.serve import require_servable

        require_servable("127.0.0.1", port)
    study = folder / "listening_test.yaml"
    _make_recordings(folder)
    _make_samples(folder, jobs=jobs, seed=seed)
    _make_study(folder, study, seed=seed)
    _make_results(folder, study)
    typer.echo(f"done in {time.monotonic() - started:.0f} s; open {folder / 'report.html'}")
    if serve:
        from evalsuite.cli.serve import serve as serve_study

        _announce(f"serve {study} --port {port}")
        serve_study(study, port=port)


def _own_melgan() -> list[str]:
    """Name the MelGAN that comes with the package, if it is there and torch can run it.

    It has a label of its own: beside the paper's figures nobody shall take it for the paper's.
    """
    from importlib.util import find_spec

    from evalsuite.shipped_weights import SHIPPED, shipped_folder

    runs = all(find_spec(name) for name in ("torch", "safetensors"))
    return [f"our_melgan=melgan:{SHIPPED}"] if runs and shipped_folder("melgan") else []


def _announce(step: str) -> None:
    typer.echo(f"\n$ evalsuite {step}")


def _make_recordings(folder: Path) -> None:
    """Speak the sentences, and pass them through a telephone as somebody else's system."""
    from evalsuite.corpus import load_corpus, require_clean
    from evalsuite.synthetic_speech import write_corpus
    from evalsuite.telephone import write_telephone_folder

    table = folder / "corpus" / "corpus.csv"
    if not table.is_file():
        typer.echo("speaking the sentences with espeak-ng")
        write_corpus(folder / "corpus")
    utterances = require_clean(load_corpus(table), skip_bad=False)
    write_telephone_folder(list(utterances), folder / "telephone")


def _make_samples(folder: Path, *, jobs: int, seed: int) -> None:
    from evalsuite.cli.check import check
    from evalsuite.cli.generate import generate

    corpus, run = folder / "corpus" / "corpus.csv", folder / "run"
    systems = f"original,anchor,griffin_lim,world,telephone=recorded:{folder / 'telephone'}"
    systems += "".join(f",{own}" for own in _own_melgan())
    _announce(f"generate {run} --corpus {corpus} --systems {systems} --synthetic-speech")
    generate(run, corpus=corpus, systems=systems, jobs=jobs, seed=seed, synthetic_speech=True)
    _announce(f"check {run}")
    check(run, jobs=jobs)


def _make_study(folder: Path, study: Path, *, seed: int) -> None:
    """Plan seats for the simulated listeners and some for people; let the former answer."""
    from evalsuite.cli import study as verbs

    run, seats = folder / "run", SIMULATED_LISTENERS + SEATS_FOR_PEOPLE
    if not study.is_file():
        _announce(f"study new {run} -o {study} --listeners {seats} --ratings-per-listener 8")
        verbs.new(run, output=study, listeners=seats, ratings_per_listener=8, seed=seed)
    _announce(f"study validate {study}")
    verbs.validate(study)
    _announce(f"study simulate {study} --listeners {SIMULATED_LISTENERS}")
    # People may have rated in an earlier visit; each row says who is simulated.
    verbs.simulate(study, listeners=SIMULATED_LISTENERS, seed=seed, allow_mixed=True)


def _make_results(folder: Path, study: Path) -> None:
    from evalsuite.cli.analyze import analyze
    from evalsuite.cli.benchmark import benchmark
    from evalsuite.cli.report import report
    from evalsuite.cli.study import export
    from evalsuite.cli.tables import tables

    run, ratings = folder / "run", folder / "ratings.csv"
    _announce(f"study export {study} -o {ratings}")
    export(study, output=ratings)
    _announce(f"analyze {study}")
    analyze(study)
    speed = run / "benchmark.json"
    if not speed.is_file():
        timed = ",".join([*_BENCHMARKED, *_own_melgan()])
        _announce(f"benchmark --systems {timed} -o {speed}")
        benchmark(timed, output=speed)
    _announce(f"tables {folder / 'tables'} --run {run} --study {study}")
    tables(folder / "tables", run=run, study=study)
    _announce(f"report {run} --study {study} -o {folder / 'report.html'}")
    report(run, output=folder / "report.html", study=study, title="The evalsuite demo")
