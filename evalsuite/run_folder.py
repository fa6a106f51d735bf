"""What a run folder holds in the end: the manifest, and nothing that is not in it."""

from collections.abc import Sequence
from pathlib import Path

from evalsuite.errors import ManifestError
from evalsuite.manifest import (
    FailureRecord,
    Manifest,
    SampleRecord,
    Settings,
    SystemRecord,
    UtteranceRecord,
    read_manifest,
    write_manifest,
)
from evalsuite.provenance import provenance
from evalsuite.registry import SystemRequest, fingerprint
from evalsuite.types import Utterance
from evalsuite.vocoder import Vocoder

__all__ = ["describe_system", "remove_stale", "write_run_manifest"]


def describe_system(request: SystemRequest, vocoder: Vocoder) -> SystemRecord:
    """Record a configured vocoder."""
    info = vocoder.info
    return SystemRecord(
        label=request.label,
        vocoder=request.vocoder,
        family=info.family,
        conditioning=info.conditioning,
        sample_rate=info.sample_rate,
        spec=info.spec.name,
        spec_digest=info.spec.digest,
        version=info.version,
        deterministic=info.deterministic,
        trained=info.trained,
        untrained=info.trained is False,
        n_parameters=info.n_parameters,
        n_parameters_with_weight_norm=info.n_parameters_with_weight_norm,
        weights_sha256=info.weights_sha256,
        licence=info.licence,
        source=info.source,
        config=dict(info.config),
        fingerprint=fingerprint(info),
    )


def write_run_manifest(
    run: Path,
    *,
    settings: Settings,
    systems: tuple[SystemRecord, ...],
    utterances: Sequence[Utterance],
    samples: Sequence[SampleRecord],
    failures: Sequence[FailureRecord],
    synthetic_speech: bool,
) -> Manifest:
    """Write the manifest in the order of the corpus and the systems, not of completion.

    Returns
    -------
    The manifest on disk: the old one if nothing but its provenance would change, because its
    provenance then is that of the run that made the samples.
    """
    rank = {utterance.id: i for i, utterance in enumerate(utterances)}
    place = {system.label: i for i, system in enumerate(systems)}

    def order(record: SampleRecord | FailureRecord) -> tuple[int, int]:
        return rank[record.utterance], place[record.system]

    n_samples = {sample.utterance: sample.n_samples for sample in samples}
    manifest = Manifest(
        settings=settings,
        systems=systems,
        utterances=tuple(_utterance_record(u, n_samples.get(u.id)) for u in utterances),
        samples=tuple(sorted(samples, key=order)),
        failures=tuple(sorted(failures, key=order)),
        synthetic_speech=synthetic_speech,
        provenance=provenance(),
    )
    try:
        old = read_manifest(run)
    except ManifestError:
        old = None
    if old is not None and old.model_copy(update={"provenance": manifest.provenance}) == manifest:
        return old
    write_manifest(run, manifest)
    return manifest


def remove_stale(run: Path, manifest: Manifest) -> tuple[Path, ...]:
    """Remove samples and mels of systems and utterances that are no longer in the run.

    The vocoders' outputs stay in the cache, so to put a system back costs no synthesis.
    """
    samples = {run / sample.path for sample in manifest.samples}
    specs = {s.spec_digest for s in manifest.systems if s.conditioning == "mel"}
    ids = {utterance.id for utterance in manifest.utterances}
    stale = [path for path in run.glob("samples/*/*.wav") if path not in samples]
    for suffix in (".npy", ".json"):
        for path in run.glob(f"mels/*/*{suffix}"):
            if path.parent.name not in specs or path.name.removesuffix(suffix) not in ids:
                stale.append(path)
    for path in stale:
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    return tuple(sorted(stale))


def _utterance_record(utterance: Utterance, n_samples: int | None) -> UtteranceRecord:
    return UtteranceRecord(
        id=utterance.id,
        path=str(utterance.path),
        sha256=utterance.sha256,
        speaker=utterance.speaker,
        text=utterance.text,
        duration_s=utterance.duration_s,
        n_samples=n_samples,
    )
