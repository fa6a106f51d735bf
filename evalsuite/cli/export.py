"""``evalsuite export-onnx``: a network as a file that runs without torch."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["export_onnx"]


def export_onnx(
    system: Annotated[str, typer.Argument(help="Such as melgan or melgan:FOLDER.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .onnx file to write.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Quantise convolutions; needs --recordings.")
    ] = False,
    recordings: Annotated[
        list[Path] | None,
        typer.Option(help="Recordings whose mels set the ranges of int8; may be repeated."),
    ] = None,
    untrained: Annotated[bool, typer.Option("--untrained", help="Allow random weights.")] = False,
) -> None:
    """Export a network to ONNX and compare its output with torch's; use it as onnx:FILE."""
    from dataclasses import replace

    from evalsuite.audio import read_wave, resample
    from evalsuite.errors import ConfigError
    from evalsuite.registry import create_vocoder, parse_system
    from vocoders.network_vocoder import NetworkVocoder
    from vocoders.onnx_export import export_onnx as write

    request = parse_system(system)
    request = replace(request, options={**request.options, "engine": "eager"})
    vocoder = create_vocoder(request, untrained=untrained)
    if not isinstance(vocoder, NetworkVocoder):
        raise ConfigError(
            f"{request.vocoder!r} is no network", wanted="such as melgan", do="name another system"
        )
    waves = [resample(read_wave(path), vocoder.spec.sample_rate) for path in recordings or []]
    mels = [vocoder.analyse(wave).values for wave in waves]
    report = write(vocoder, output, precision="int8" if int8 else "float32", mels=mels)
    snr = "equal" if report.snr_db is None else f"SNR {report.snr_db:.1f} dB"
    typer.echo(
        f"wrote {report.path}, {report.n_bytes / 2**20:.1f} MiB, {report.precision}; against "
        f"torch: max error {report.max_abs:.2g}, {snr}",
        err=True,
    )
