"""``evalsuite study``: plan, check, publish, try out and read a listening test."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalsuite.cli.published_study import open_published
from evalsuite.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from tests_mos.proof import Proof

__all__ = ["study_app"]

study_app = typer.Typer(
    name="study",
    help="Plan, check, publish, try out and read a listening test.",
    no_args_is_help=True,
)

StudyFile = Annotated[Path, typer.Argument(help="The study file.", metavar="STUDY.yaml")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database", help="Database URL; default: a SQLite file beside the study."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@study_app.command()
def new(
    run: Annotated[Path, typer.Argument(help="Run made by evalsuite generate.", metavar="RUN")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Study file to write.")],
    like: Annotated[
        str | None,
        typer.Option(help="Take over a ready-made set-up: melgan_table2, _table3, _table4."),
    ] = None,
    utterances: Annotated[
        int | None, typer.Option(min=1, help="Draw so many utterances; default: 20 or all.")
    ] = None,
    listeners: Annotated[int | None, typer.Option(min=1, help="Seats.")] = None,
    ratings_per_stimulus: Annotated[int | None, typer.Option(min=1)] = None,
    ratings_per_listener: Annotated[int | None, typer.Option(min=1)] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw and the design.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented study file for the samples of a run."""
    from tests_mos.samples import usable_utterances
    from tests_mos.study import load_template, new_study, write_study

    if output.exists() and not force:
        raise UsageError(
            f"{output} exists", wanted="a new file", do="choose another name, or add --force"
        )
    study = new_study(
        run,
        study_id=_as_id(output.stem),
        like=like,
        n_utterances=utterances,
        listeners=listeners,
        ratings_per_stimulus=ratings_per_stimulus,
        ratings_per_listener=ratings_per_listener,
        seed=seed,
    )
    write_study(study, output)
    usable = usable_utterances(run, study.systems)
    if usable.left_out:
        typer.echo(f"left out, not intact for all systems: {', '.join(usable.left_out)}", err=True)
    missing = set(load_template(like).systems) - set(study.systems) if like else set()
    if missing:
        typer.echo(f"not in {run}, so not in the study: {', '.join(sorted(missing))}", err=True)
    typer.echo(f"wrote {output}; check it with: evalsuite study validate {output}", err=True)


def _as_id(stem: str) -> str:
    allowed = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in stem)
    return allowed[:80] or "study"


@study_app.command()
def validate(study: StudyFile, as_json: AsJson = False) -> None:
    """Check a study file, its samples and its design; exit 2 if the design breaks a promise."""
    from dataclasses import asdict

    from tests_mos.publication import prepare

    ready = prepare(study)
    plan, proof = ready.study.plan(), ready.proof
    if as_json:
        typer.echo(json.dumps(asdict(proof) | {"passed": proof.passed, "plan": asdict(plan)}))
    else:
        typer.echo(f"{study}: {len(ready.stimuli)} stimuli, every file as it was generated")
        low, high = plan.ratings_per_stimulus
        typer.echo(
            f"{plan.listeners} listeners x {plan.trials_per_listener} trials = {plan.n_ratings} "
            f"ratings, {low if low == high else f'{low} or {high}'} of each stimulus"
        )
        for line in _proof_lines(proof):
            typer.echo(line)
    if not proof.passed:
        raise typer.Exit(2)


def _proof_lines(proof: "Proof") -> Iterator[str]:
    for line in proof.lines:
        mark = "ok    " if line.passed else "BROKEN" if line.promised else "note  "
        yield f"  {mark}  {line.name}: {line.detail}"


@study_app.command()
def publish(study: StudyFile, database: DatabaseUrl = None) -> None:
    """Freeze a study with all its seats in the database; harmless if done already."""
    from tests_mos.publication import publish_file
    from tests_mos.store import default_url, open_store

    with open_store(database or default_url(study)) as store:
        key, published = publish_file(study, store)
        seats = store.status(key).seats
    typer.echo(
        f"published {published.id} version {published.version}: {sum(seats.values())} seats, "
        f"{seats.get('free', 0)} free",
        err=True,
    )


@study_app.command()
def simulate(
    study: StudyFile,
    listeners: Annotated[
        int | None, typer.Option(min=1, help="How many; default: all that the study plans.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same answers.")] = 0,
    means: Annotated[
        str, typer.Option(help="Latent means of the systems; default: made up.", metavar="S=M,…")
    ] = "",
    lazy: Annotated[int, typer.Option(min=0, help="So many do not listen.")] = 1,
    allow_mixed: Annotated[
        bool, typer.Option("--allow-mixed", help="Also into a study that people take part in.")
    ] = False,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let simulated listeners rate: a trial run. Their answers are made up and marked so."""
    from dataclasses import asdict

    from evalsuite.cli.console import progress_bar
    from tests_mos.publication import publish_file
    from tests_mos.simulate import simulate_listeners
    from tests_mos.store import default_url, open_store

    with open_store(database or default_url(study)) as store, progress_bar() as bar:
        key, published = publish_file(study, store)
        task = bar.add_task("listeners", total=listeners or published.listeners, rate="simulated")
        done = simulate_listeners(
            store,
            key,
            published,
            seed=seed,
            n_listeners=listeners,
            means=_parse_means(means),
            n_lazy=lazy,
            allow_mixed=allow_mixed,
            progress=lambda count: bar.update(task, completed=count),
        )
    if as_json:
        typer.echo(json.dumps(asdict(done)))
        return
    typer.echo(
        f"SIMULATED: {done.ratings} ratings of {done.listeners} listeners added; their answers "
        "are made up and say nothing about any system",
        err=True,
    )
    shown = ", ".join(f"{system} {mean:g}" for system, mean in done.means.items())
    typer.echo(f"latent means: {shown}; lazy: {', '.join(done.lazy) or 'nobody'}", err=True)


def _parse_means(text: str) -> dict[str, float] | None:
    if not text:
        return None
    try:
        pairs = [part.split("=") for part in text.split(",")]
        return {system.strip(): float(mean) for system, mean in pairs}
    except ValueError as error:
        raise UsageError(
            f"--means {text!r}", wanted="SYSTEM=NUMBER,…", do="write original=4.5,melgan=3.6"
        ) from error


@study_app.command()
def status(study: StudyFile, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Count seats and ratings."""
    from dataclasses import asdict

    with open_published(study, database) as (store, key, _):
        found = store.status(key)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    typer.echo(f"{found.name} version {found.version}")
    typer.echo("seats: " + ", ".join(f"{count} {name}" for name, count in found.seats.items()))
    for system, planned in found.planned.items():
        typer.echo(f"  {system}: {found.rated[system]} of {planned} ratings")
    typer.echo(
        f"further ratings: {found.incomplete} of seats given up, {found.withdrawn} withdrawn"
    )
    if found.simulated:
        typer.echo(f"SIMULATED: {found.simulated} ratings were given by no person")


@study_app.command()
def release(study: StudyFile, database: DatabaseUrl = None) -> None:
    """Give up seats that were silent beyond the time-out; serving does so by itself."""
    with open_published(study, database) as (store, key, _):
        count = store.release_expired(key)
    typer.echo(f"{count} seats given up and dealt again", err=True)


@study_app.command()
def withdraw(
    study: StudyFile,
    code: Annotated[str, typer.Option(help="What follows ?seat= in the listener's link.")],
    database: DatabaseUrl = None,
) -> None:
    """Honour a listener's wish: their ratings are exported no more, their seat is dealt again."""
    with open_published(study, database) as (store, _, _):
        seat = store.seat_by_code(code)
        if seat is None:
            raise UsageError(
                f"no seat has the code {code!r}",
                wanted="the code in the listener's own link",
                do="copy what follows ?seat= in the address of their page",
            )
        store.withdraw(seat.seat_id)
    typer.echo(f"withdrawn: {seat.listener}, {seat.n_rated} ratings leave every export", err=True)


@study_app.command()
def export(
    study: StudyFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="CSV or parquet file to write.")],
    database: DatabaseUrl = None,
) -> None:
    """Write the ratings table, one rating a row."""
    with open_published(study, database) as (store, key, _):
        frame = store.ratings(key)
    _write_frame(frame, output)
    simulated = int(frame["simulated"].sum())
    mark = f"; SIMULATED: {simulated} of them" if simulated else ""
    typer.echo(f"wrote {len(frame)} ratings to {output}{mark}", err=True)


def _write_frame(frame: Any, output: Path) -> None:
    from evalsuite.files import atomic_path

    if output.suffix.lower() not in {".csv", ".parquet"}:
        raise UsageError(f"--output {output}", wanted="a .csv or .parquet file", do="rename it")
    with atomic_path(output) as temporary:
        if output.suffix.lower() == ".csv":
            frame.to_csv(temporary, index=False)
            return
        try:
            frame.to_parquet(temporary, index=False)
        except ImportError as error:
            raise Unavailable(
                "pyarrow is not installed",
                wanted="pyarrow, or a .csv file",
                do='pip install "evalsuite[app]", or write a .csv file',
            ) from error
