"""Recordings and systems in, a run folder of matched samples out.

*Writes*::

    RUN/manifest.json                      what is there, with hashes (`evalsuite.manifest`)
    RUN/samples/<system>/<utterance>.wav   16 bit, one rate, one length, one level per utterance
    RUN/mels/<spec digest>/<utterance>.npy what each mel vocoder was given
    RUN/cache/…                            what makes the next run cheap (`evalsuite.cache`)

*Two stages* Systems that make many utterances side by side (`evalsuite.side_by_side`) first put
their outputs into the cache; then every utterance goes through all systems
(`evalsuite.resynthesis`), which takes what is there, makes the rest, levels and writes.

*Interrupted runs* Every file is written under a temporary name and renamed, with its record in
the cache right after it. The manifest is put together from these records when the run ends, on
Ctrl-C too; after a kill the old manifest (or none) stays until the next run, which makes only
what is missing. So nothing is half-written, and nothing that was written is lost. What a stop
costs is the output in the making: in each process one utterance, or side by side as many as there
are lanes, and as these are about equally long, the first are finished late.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from evalsuite.cache import RunCache, raw_key, seed_for
from evalsuite.errors import CorpusError, EvalsuiteError, UsageError
from evalsuite.finishing import Assignment, UtteranceTask, reusable_samples
from evalsuite.lock import lock_run
from evalsuite.manifest import FailureRecord, Manifest, Settings, SystemRecord
from evalsuite.registry import SystemRequest, fingerprint
from evalsuite.resynthesis import failure
from evalsuite.run_estimate import VocoderWork, estimate_s
from evalsuite.run_folder import describe_system, remove_stale, write_run_manifest
from evalsuite.run_progress import Progress
from evalsuite.run_stages import Work, run_stages
from evalsuite.side_by_side import width
from evalsuite.types import Utterance
from evalsuite.vocoder import Vocoder
from evalsuite.workplace import Workplace

__all__ = ["GenerateResult", "Progress", "Settings", "generate", "parse_settings"]

#: Names become file names; a leading dot would hide them or leave the folder.
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


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
    setbacks : groups that stopped and were made in smaller parts, with reasons.
    """

    manifest: Manifest | None
    made: int
    reused: int
    vocoded: int
    failed: list[FailureRecord]
    removed: tuple[Path, ...] = ()
    estimated_s: float | None = None
    setbacks: tuple[str, ...] = ()


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
        return _plan(work, workplace, vocoders, jobs)
    with lock_run(run):
        todo = _take_finished(work, workplace)
        try:
            run_stages(work, todo, workplace, vocoders, jobs=jobs, progress=progress)
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
        manifest,
        work.made,
        reused,
        work.vocoded,
        list(manifest.failures),
        removed,
        setbacks=tuple(work.setbacks),
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
) -> Work:
    """Give every system its key for every utterance; what has no source fails here."""
    work = Work([])
    unsourced: defaultdict[str, list[EvalsuiteError]] = defaultdict(list)
    for utterance in utterances:
        assignments = []
        for system in systems:
            vocoder = vocoders[system.label]
            seed = seed_for("vocoder", settings.seed, utterance.id, system.label)
            try:
                source = vocoder.source_sha256(utterance.id)
            except EvalsuiteError as error:
                unsourced[system.label].append(error)
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
    _require_some_source(unsourced, len(utterances))
    return work


def _require_some_source(
    unsourced: Mapping[str, Sequence[EvalsuiteError]], n_utterances: int
) -> None:
    """Refuse a system without any utterance: its folder or its file names are wrong."""
    for label, errors in unsourced.items():
        if len(errors) == n_utterances:
            raise CorpusError(
                f"{label} has none of {n_utterances} utterances; of the first: {errors[0].got}",
                wanted=errors[0].wanted,
                do=errors[0].do,
            )


def _take_finished(work: Work, workplace: Workplace) -> list[UtteranceTask]:
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


def _plan(
    work: Work, workplace: Workplace, vocoders: Mapping[str, Vocoder], jobs: int
) -> GenerateResult:
    """Count what a run would do."""
    cache = RunCache(workplace.run)
    total = sum(len(task.assignments) for task in work.tasks)
    if workplace.force:
        reused = 0
    else:
        reused = sum(len(reusable_samples(cache, t, workplace.settings)) for t in work.tasks)
    lengths_s: dict[str, list[float]] = defaultdict(list)
    for task in work.tasks:
        for one in task.assignments:
            if workplace.force or not cache.has_raw(one.raw_key):
                lengths_s[one.label].append(task.utterance.duration_s)
    works = [
        VocoderWork(
            fingerprint(vocoders[label].info),
            sum(missing_s),
            width(vocoders[label].lanes, len(missing_s), jobs),
        )
        for label, missing_s in lengths_s.items()
    ]
    return GenerateResult(
        None,
        total - reused,
        reused,
        sum(map(len, lengths_s.values())),
        work.failures,
        estimated_s=estimate_s(cache, works, jobs=jobs),
    )
