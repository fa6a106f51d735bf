"""What a reader must know to judge a listening test, and what to be warned of.

The list follows what ITU-T P.800 and P.808 ask to be reported. What the page cannot know says so
instead of being left out.
"""

from collections.abc import Mapping, Sequence

from evalsuite.analysis import Analysis
from evalsuite.manifest import Manifest
from evalsuite.shipped_weights import weakness

__all__ = ["banners", "checklist", "manifest_stamps", "provenance_facts"]

_NOT_STATED = "not stated"


def manifest_stamps(manifest: Manifest) -> list[str]:
    """Return what makes a run no result: untrained or weak weights, synthetic speech."""
    stamps = []
    if manifest.untrained_labels:
        stamps.append(f"UNTRAINED WEIGHTS: {', '.join(manifest.untrained_labels)}")
    for system in manifest.systems:
        if weak := weakness(system.source):
            stamps.append(f"{system.label}: {weak}")
    if manifest.synthetic_speech:
        stamps.append("SYNTHETIC SPEECH: the recordings are not human speech")
    return stamps


def banners(manifest: Manifest, analysis: Analysis | None) -> list[str]:
    """Return everything a reader must see first."""
    stamps = manifest_stamps(manifest)
    if analysis is not None and analysis.simulated:
        stamps.insert(
            0, f"SIMULATED LISTENERS: {analysis.n_simulated} of {analysis.n} ratings by no person"
        )
    if manifest.failures:
        stamps.append(f"INCOMPLETE RUN: {len(manifest.failures)} samples could not be made")
    return stamps


def checklist(
    manifest: Manifest, analysis: Analysis | None, study: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Return heading and text of every item, in the order of a methods section."""
    settings = manifest.settings
    meter = {"lufs": "LUFS (ITU-R BS.1770)", "p56": "dBov (ITU-T P.56)"}[settings.level_meter]
    given = ("Study", "Protocol", "Question", "Scale", "Instructions", "Language")
    items = [(heading, study.get(heading, _NOT_STATED)) for heading in given]
    items += [(heading, text) for heading, text in study.items() if heading not in given]
    items += [
        ("Systems", ", ".join(system.label for system in manifest.systems)),
        ("Utterances", f"{len(manifest.utterances)} in the run, {_speakers(manifest)}"),
        (
            "Level",
            f"every sample at {settings.level_target_db:g} {meter} by gain alone; true peak at "
            f"most {settings.peak_limit_dbtp:g} dBTP",
        ),
        (
            "Format",
            f"{settings.sample_rate} Hz mono {settings.sample_format}, {settings.dither.upper()} "
            f"dither, {settings.resampler}, fades of {1000 * settings.fade_s:g} ms",
        ),
        ("Ratings", _ratings(analysis)),
        ("Repeated, dropped and unfinished", _notes(analysis)),
        ("Screening of listeners", "none applied"),
        ("Intervals", _intervals(analysis)),
        ("Playback device and room", _NOT_STATED),
    ]
    return items


def _speakers(manifest: Manifest) -> str:
    speakers = {one.speaker for one in manifest.utterances if one.speaker}
    return f"{len(speakers)} speakers" if speakers else "speakers not stated"


def _ratings(analysis: Analysis | None) -> str:
    if analysis is None:
        return "none yet"
    kind = "simulated" if analysis.n_simulated == analysis.n else "people's"
    if 0 < analysis.n_simulated < analysis.n:
        kind = f"{analysis.n - analysis.n_simulated} people's and {analysis.n_simulated} simulated"
    stimuli = sum(one.utterances for one in analysis.systems)
    return (
        f"{analysis.n} ({kind}) by {analysis.listeners} listeners of {stimuli} stimuli, "
        f"{analysis.n / stimuli:.1f} a stimulus on average"
    )


def _notes(analysis: Analysis | None) -> str:
    if analysis is None:
        return "none yet"
    return "; ".join(analysis.notes) or "none"


def _intervals(analysis: Analysis | None) -> str:
    if analysis is None:
        return "none yet"
    percent = f"{100 * analysis.confidence:g} %"
    return "; ".join(f"{name} ({percent}): {scope}" for name, scope in analysis.scope.items())


def provenance_facts(manifest: Manifest, analysis: Analysis | None) -> Sequence[tuple[str, str]]:
    """Return what is needed to make the run again, and to know that it is the same."""
    facts = [
        (
            f"System {system.label}",
            f"{system.vocoder} version {system.version}, {system.spec or 'no mel'}"
            f"{_weights(system.weights_sha256)}, fingerprint {system.fingerprint[:16]}",
        )
        for system in manifest.systems
    ]
    facts.append(("Seed", str(manifest.settings.seed)))
    if analysis is not None:
        facts.append(("Ratings", f"{analysis.source}, sha256 {analysis.sha256}"))
    provenance = manifest.provenance
    for heading, key in (("Made at", "created_at"), ("Command", "command")):
        if key in provenance:
            facts.append((heading, str(provenance[key])))
    for heading, key in (("Versions", "versions"), ("Hardware", "hardware")):
        if isinstance(provenance.get(key), dict):
            pairs = provenance[key].items()
            facts.append((heading, ", ".join(f"{name} {value}" for name, value in pairs)))
    return facts


def _weights(sha256: str | None) -> str:
    return f", weights sha256 {sha256[:16]}" if sha256 else ""
