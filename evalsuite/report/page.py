"""What stands on the page, and its HTML."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from evalsuite.analysis import Analysis
from evalsuite.figures import TWO_COLUMNS_IN, counts_figure, figure_bytes, mos_figure
from evalsuite.manifest import Manifest
from evalsuite.report.checklist import banners, checklist, provenance_facts
from evalsuite.report.players import Grid
from evalsuite.tables.names import display_name
from evalsuite.tables.table import Table

__all__ = ["GateSummary", "Page", "Picture", "build_page", "render_page"]


@dataclass(frozen=True)
class Picture:
    """A figure on the page.

    Parameters
    ----------
    source : SVG in a data URI.
    text : what it shows, for those who cannot see it.
    """

    source: str
    text: str


@dataclass(frozen=True)
class GateSummary:
    """What the audio gate found.

    Parameters
    ----------
    counts : severity -> number of findings; empty if it was not run.
    lines : the findings in words, the gravest first.
    """

    counts: Mapping[str, int]
    lines: Sequence[str]


@dataclass(frozen=True)
class Page:
    """Everything the template shows; see `build_page`."""

    title: str
    banners: Sequence[str]
    columns: Sequence[str]
    grid: Grid
    pictures: Sequence[Picture]
    tables: Sequence[Table]
    gate: GateSummary | None
    checklist: Sequence[tuple[str, str]]
    facts: Sequence[tuple[str, str]]


def build_page(
    manifest: Manifest,
    grid: Grid,
    *,
    title: str,
    analysis: Analysis | None = None,
    tables: Sequence[Table] = (),
    gate: GateSummary | None = None,
    study: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
) -> Page:
    """Gather a page.

    Parameters
    ----------
    analysis : figures and the checklist's numbers; None before anyone has listened.
    tables : shown in this order.
    study : heading -> text about the listening test, for the checklist.
    names : system -> name shown.
    """
    stamps = banners(manifest, analysis)
    return Page(
        title=title,
        banners=stamps,
        columns=[display_name(system, names) for system in grid.systems],
        grid=grid,
        pictures=_pictures(analysis, names, stamps) if analysis else (),
        tables=tables,
        gate=gate,
        checklist=checklist(manifest, analysis, study or {}),
        facts=provenance_facts(manifest, analysis),
    )


def render_page(page: Page) -> str:
    """Return a page as HTML; every text is escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = files("evalsuite.report").joinpath("page.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(source).render(page=page)


def _pictures(
    analysis: Analysis, names: Mapping[str, str] | None, stamps: Sequence[str]
) -> list[Picture]:
    others = [stamp for stamp in stamps if not stamp.startswith("SIMULATED")]
    scores = mos_figure(analysis, width_in=TWO_COLUMNS_IN, names=names, stamps=others)
    means = "; ".join(
        f"{display_name(one.system, names)} {one.mean:.2f}" for one in analysis.systems
    )
    pictures = [
        Picture(
            _svg_uri(figure_bytes(scores, "svg")),
            f"Mean opinion scores with intervals: {means}.",
        )
    ]
    if any(one.score_counts for one in analysis.systems):
        counts = counts_figure(analysis, width_in=TWO_COLUMNS_IN, names=names, stamps=others)
        text = "Share of every score given to each system."
        pictures.append(Picture(_svg_uri(figure_bytes(counts, "svg")), text))
    return pictures


def _svg_uri(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
