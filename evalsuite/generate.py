"""Recordings and systems in, a run folder of matched samples out.

*Writes*::

    RUN/manifest.json                      what is there, with hashes (`evalsuite.manifest`)
    RUN/samples/<system>/<utterance>.wav   16 bit, one rate, one length, one level per utterance
    RUN/mels/<spec digest>/<utterance>.npy what each mel vocoder was given
    RUN/cache/…                            what makes the next run cheap (`evalsuite.cache`)

*Interrupted runs* Every file is written under a temporary name and renamed, with its record in
the cache right after it. The manifest is put together from these records when the run ends, on
Ctrl-C too; after a kill the old manifest (or none) stays until the next run, which makes only
what is missing. So nothing is half-written, and nothing that was written is lost.
"""

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from evalsuite.cache import RunCache, raw_key, seed_for
from evalsuite.engines import make_engine
from evalsuite.errors import CorpusError, EvalsuiteError, UsageError
from evalsuite.finishing import Assignment, UtteranceTask, reusable_samples
from evalsuite.lock import lock_run
from evalsuite.manifest import FailureRecord, Manifest, SampleRecord, Settings, SystemRecord
from evalsuite.registry import SystemRequest
from evalsuite.resynthesis import Resynthesis, UtteranceOutcome, Workplace, failure
from evalsuite.run_folder import describe_system, remove_stale, write_run_manifest
from evalsuite.types import Utterance
from evalsuite.vocoder import Vocoder

__all__ = ["GenerateResult", "Progress", "Settings", "generate", "parse_settings"]

#: Names become file names; a leading dot would hide them or leave the folder.
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Parameters
    ----------
    done, total : samples; reused ones count as done from the start.
    audio_s : seconds of audio made by this run so far.
    """

    done: int
    total: int
    audio_s: float


@dataclass(frozen=True)
class GenerateResult:
    """What a run did, or would do.

    Parameters
    ----------
    manifest : None after a dry run.
    made : samples written now; a dry run counts those it would write.
    reused : samples that were there already.
    vocoded : samples for which a vocoder had to run; the rest only needed levelling.
    failed : samples without a file, with reasons.
    removed : files of an earlier state of the run that no longer belong to it.
    estimated_s : time the vocoders need, from their earlier speed in this run folder; None if
        one of them has not run yet.
    """

    manifest: Manifest | None
    made: int
    reused: int
    vocoded: int
    failed: list[FailureRecord]
    removed: tuple[Path, ...] = ()
    estimated_s: float | None = None


@dataclass
class _Work:
    """The state of one run while it is put together."""

    tasks: list[UtteranceTask]
    samples: list[SampleRecord] = field(default_factory=list)
    failures: list[FailureRecord] = field(default_factory=list)
    made: int = 0
    vocoded: int = 0

    def add(self, outcome: UtteranceOutcome) -> None:
        self.samples += outcome.samples
        self.failures += outcome.failures
        self.made += len(outcome.made)
        self.vocoded += len(outcome.vocoded)


def parse_settings(*, sample_rate: int = 22050, level: str = "lufs:-23", seed: int = 0) -> Settings:
    """Make settings from what a command line says.

    Raises
    ------
    UsageError if the level is not ``lufs:NUMBER`` or ``p56:NUMBER``, or a value is out of range.

    >>> parse_settings(level="p56:-26").level_target_db
    -26.0
    """
    meter, _, target = level.partition(":")
    try:
        return Settings.model_validate(
            {
                "sample_rate": sample_rate,
                "level_meter": meter,
                "level_target_db": float(target),
                "seed": seed,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        got = f"{'.'.join(map(str, first['loc']))}: {first['msg']}, not {first['input']!r}"
    except ValueError:
        got = f"the level {level!r} has no number"
    raise UsageError(
        got,
        wanted="a positive rate and seed, and a level such as lufs:-23 or p56:-26",
        do="see evalsuite generate --help",
    )


def generate(
    run: Path,
    utterances: Sequence[Utterance],
    requests: Sequence[SystemRequest],
    settings: Settings,
    *,
    progress: Callable[[Progress], None] | None = None,
    jobs: int = 1,
    device: str = "cpu",
    untrained: bool = False,
    dry_run: bool = False,
    force: bool = False,
    synthetic_speech: bool = False,
) -> GenerateResult:
    """Make matched samples of every utterance by every system.

    Parameters
    ----------
    run : the run folder; made if absent. What fits in it is reused.
    jobs : processes; 1 works in this one. The bytes of the samples do not depend on it, provided
        that this process called `evalsuite.threads.pin_threads` first, as the command line does.
    device : ``cpu``, ``cuda`` or ``auto``, for the neural vocoders.
    untrained : allow random weights, which stamps the systems that use them.
    dry_run : only say what would be done; nothing is written.
    force : make everything again.
    synthetic_speech : the recordings are not human speech, which stamps the run.

    Raises
    ------
    CorpusError, UsageError for names that cannot be file names or appear twice, UnknownName and
    Unavailable for a system that cannot run here: all before any work. A sample that fails later
    does not stop the others; it is listed in the result and in the manifest.
    """
    _require_distinct_names(utterances, requests)
    workplace = Workplace(run, tuple(requests), settings, device, untrained, force)
    vocoders = {request.label: workplace.build(request) for request in requests}
    systems = tuple(describe_system(request, vocoders[request.label]) for request in requests)
    work = _assign(utterances, vocoders, systems, settings)
    if dry_run:
        return _plan(work, workplace, jobs)
    with lock_run(run):
        todo = _take_finished(work, workplace)
        try:
            _run(work, todo, workplace, vocoders, jobs, progress)
        finally:
            # On Ctrl-C too: the manifest then lists what there is.
            manifest = write_run_manifest(
                run,
                settings=settings,
                systems=systems,
                utterances=utterances,
                samples=work.samples,
                failures=work.failures,
                synthetic_speech=synthetic_speech,
            )
        removed = remove_stale(run, manifest)
    reused = len(work.samples) - work.made
    return GenerateResult(
        manifest, work.made, reused, work.vocoded, list(manifest.failures), removed
    )


def _require_distinct_names(
    utterances: Sequence[Utterance], requests: Sequence[SystemRequest]
) -> None:
    labels, ids = [r.label for r in requests], [u.id for u in utterances]
    if fault := _name_fault(labels):
        raise UsageError(
            f"the systems {fault}",
            wanted="at least one system, each with its own label of letters, digits, _ - and .",
            do="label them, such as gl32=griffin_lim?n_iterations=32",
        )
    if fault := _name_fault(ids):
        raise CorpusError(
            f"the utterances {fault}",
            wanted="at least one utterance, each with its own id of letters, digits, _ - and .",
            do="name them in a manifest CSV with the columns id and path",
        )


def _name_fault(names: Iterable[str]) -> str:
    counts = Counter(names)
    if not counts:
        return "are none"
    if twice := [name for name, count in counts.items() if count > 1]:
        return f"name {twice[0]!r} twice"
    if unsafe := [name for name in counts if not _SAFE_NAME.fullmatch(name)]:
        return f"have the name {unsafe[0]!r}, which cannot be a file name"
    return ""


def _assign(
    utterances: Sequence[Utterance],
    vocoders: dict[str, Vocoder],
    systems: Sequence[SystemRecord],
    settings: Settings,
) -> _Work:
    """Give every system its key for every utterance; what has no source fails here."""
    work = _Work([])
    for utterance in utterances:
        assignments = []
        for system in systems:
            vocoder = vocoders[system.label]
            seed = seed_for("vocoder", settings.seed, utterance.id, system.label)
            try:
                source = vocoder.source_sha256(utterance.id)
            except EvalsuiteError as error:
                work.failures.append(failure(system.label, utterance.id, error))
                continue
            key = raw_key(
                utterance, vocoder.info, system.fingerprint, source, seed, settings.sample_rate
            )
            mel = system.spec_digest if system.conditioning == "mel" else None
            assignments.append(
                Assignment(system.label, system.fingerprint, key, mel, seed, system.untrained)
            )
        work.tasks.append(UtteranceTask(utterance, tuple(assignments)))
    return work


def _take_finished(work: _Work, workplace: Workplace) -> list[UtteranceTask]:
    """Take over whole utterances; return the others, longest first.

    Longest first keeps the processes busy to the end.
    """
    cache, todo = RunCache(workplace.run), []
    for task in work.tasks:
        found = [] if workplace.force else reusable_samples(cache, task, workplace.settings)
        if len(found) == len(task.assignments):
            work.samples += found
        else:
            todo.append(task)
    return sorted(todo, key=lambda task: (-task.utterance.duration_s, task.utterance.id))


def _plan(work: _Work, workplace: Workplace, jobs: int) -> GenerateResult:
    """Count what a run would do."""
    cache = RunCache(workplace.run)
    total = sum(len(task.assignments) for task in work.tasks)
    if workplace.force:
        reused = 0
    else:
        reused = sum(len(reusable_samples(cache, t, workplace.settings)) for t in work.tasks)
    audio_s: dict[str, float] = defaultdict(float)
    vocoded = 0
    for task in work.tasks:
        for one in task.assignments:
            if workplace.force or not cache.has_raw(one.raw_key):
                audio_s[one.fingerprint] += task.utterance.duration_s
                vocoded += 1
    estimated_s = _estimate_s(cache, audio_s, jobs)
    return GenerateResult(
        None, total - reused, reused, vocoded, work.failures, estimated_s=estimated_s
    )


def _estimate_s(cache: RunCache, audio_s: dict[str, float], jobs: int) -> float | None:
    """Time for so many seconds of audio per vocoder, from how long each took before."""
    if not audio_s:
        return 0.0
    speeds: dict[str, list[float]] = defaultdict(list)
    for facts in cache.all_raw_facts():
        speeds[facts["fingerprint"]].append(facts["seconds"] / facts["audio_s"])
    if set(audio_s) - set(speeds):
        return None
    seconds = sum(length * statistics.median(speeds[mark]) for mark, length in audio_s.items())
    return seconds / max(1, jobs)


def _run(
    work: _Work,
    todo: list[UtteranceTask],
    workplace: Workplace,
    vocoders: dict[str, Vocoder],
    jobs: int,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Let an engine do the tasks and collect what comes back."""
    # In this process the vocoders exist already; other processes build their own.
    setup: Callable[[], Resynthesis] = (
        workplace if jobs > 1 else partial(Resynthesis, workplace, vocoders)
    )
    total = sum(len(task.assignments) for task in work.tasks)
    done, audio_s = total - sum(len(task.assignments) for task in todo), 0.0
    report = progress or (lambda _: None)
    report(Progress(done, total, audio_s))
    for outcome in make_engine(setup, jobs=jobs).map(todo):
        task = todo[outcome.index]
        if outcome.value is not None:
            work.add(outcome.value)
            audio_s += task.utterance.duration_s * len(outcome.value.made)
        if outcome.error is not None:
            error = outcome.error
            work.failures += [failure(a.label, task.utterance.id, error) for a in task.assignments]
        done += len(task.assignments)
        report(Progress(done, total, audio_s))
