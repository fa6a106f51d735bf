"""Tables of comparisons between systems and of what screening would change."""

import math
from collections.abc import Mapping, Sequence

from evalsuite.analysis import Analysis
from evalsuite.inference import Inference
from evalsuite.rater_models import largest
from evalsuite.stats.comparisons import COMPARISONS
from evalsuite.tables.names import display_name
from evalsuite.tables.stamps import table_stamps
from evalsuite.tables.table import Column, Row, Table

__all__ = ["comparison_table", "screening_table"]

_MODEL_NOTE = (
    "p913: each listener's mean difference to all listeners taken out (ITU-T P.913, 12.4); p910: "
    "maximum likelihood of biases and inconsistencies (ITU-T P.910, annex E). Both leave nobody "
    "out; they are shown, not applied."
)


def comparison_table(
    analysis: Analysis,
    *,
    names: Mapping[str, str] | None = None,
    stamps: Sequence[str] = (),
) -> Table:
    """One row a pair: difference with interval, p before and after Holm, effect sizes.

    Raises
    ------
    ValueError if the analysis was made without comparisons.
    """
    inference = _require(analysis)
    method = COMPARISONS[inference.method]
    rows = []
    for one, effect in zip(inference.comparisons, inference.effects, strict=True):
        rows.append(
            Row(
                {
                    "system": f"{display_name(one.a, names)} − {display_name(one.b, names)}",
                    "a": one.a,
                    "b": one.b,
                    "difference": one.difference,
                    "half_width": one.half_width,
                    "low": one.low,
                    "high": one.high,
                    "df": one.df,
                    "p": _p(one.p),
                    "p_holm": _p(one.p_holm),
                    "significant": _verdict(one.p_holm, inference.alpha),
                    "cliffs_delta": effect.cliffs_delta,
                    "cliffs_delta_paired": effect.cliffs_delta_paired,
                    "standardised": effect.standardised,
                    "reason": one.reason,
                }
            )
        )
    unit = "log odds" if inference.method == "ordinal" else "points"
    percent = f"{100 * analysis.confidence:g} %"
    footer = [
        f"{method.name} ({method.source}) covers {method.scope}.",
        f"p: two-sided; Holm: adjusted over {len(rows)} comparisons (Holm 1979). Intervals are "
        "not adjusted.",
        "Cliff's δ: share of pairs of ratings with the first higher, less those with it lower; "
        "d: difference over the pooled standard deviation.",
        *[f"{row.values['system']}: no p, {row.values['reason']}." for row in rows
          if row.values["reason"]],
    ]  # fmt: skip
    if method.warning:
        footer.insert(0, f"Warning: {method.warning}.")
    return Table(
        id="comparisons",
        title="Comparisons",
        caption=f"Differences of systems in {unit}, with half widths of {percent} intervals",
        columns=(
            Column("system", "systems", details=("a", "b")),
            Column("difference", f"difference ({unit})", decimals=2),
            Column("half_width", "CI", decimals=2, half_width=True, details=("low", "high", "df")),
            Column("p", "p", significant=2),
            Column("p_holm", "p (Holm)", significant=2),
            Column("significant", f"differ at {inference.alpha:g}", words=True),
            Column("cliffs_delta", "Cliff's δ", decimals=2, details=("cliffs_delta_paired",)),
            Column("standardised", "d", decimals=2, details=("reason",)),
        ),
        rows=tuple(rows),
        footer=tuple(footer),
        stamps=tuple(table_stamps(analysis, stamps)),
    )


def screening_table(
    analysis: Analysis,
    *,
    names: Mapping[str, str] | None = None,
    stamps: Sequence[str] = (),
) -> Table:
    """One row a rule or model: whom it would leave out, and what it would change most.

    Raises
    ------
    ValueError if the analysis was made without it.
    """
    inference = _require(analysis)
    rows = []
    for rule in dict.fromkeys(one.rule for one in inference.screening):
        named = inference.named.get(rule, [])
        changes = inference.without.get(rule, {})
        most, change = largest(changes)
        rows.append(
            Row(
                {
                    "system": rule,
                    "n_named": len(named),
                    "listeners": ", ".join(named) or "nobody",
                    "largest_change": change,
                    "of": display_name(most, names) if most else "",
                }
            )
        )
    models = _model_rows(inference, names)
    rows += models
    icc, sos = inference.reliability.icc, inference.sos
    split = inference.reliability.split_half_systems
    return Table(
        id="screening",
        title="Who would go, and what would change",
        caption="Screening rules applied to all listeners; nobody was left out by this table",
        columns=(
            Column("system", "rule"),
            Column("n_named", "listeners named"),
            Column("listeners", "who", words=True),
            Column("largest_change", "largest change of a MOS", decimals=2),
            Column("of", "of", words=True),
        ),
        rows=tuple(rows),
        footer=(
            "A rule is applied only on request (--apply-screening RULE): leaving listeners out "
            "after seeing their scores changes results.",
            *([_MODEL_NOTE] if models else []),
            f"Agreement: ICC(2,1) {_number(icc.single)}, ICC(2,k) {_number(icc.average)} with "
            f"k = {icc.n_per_stimulus:.1f} ratings of a stimulus; Krippendorff's alpha "
            f"{_number(inference.reliability.alpha_interval)} (interval), "
            f"{_number(inference.reliability.alpha_ordinal)} (ordinal); split-half over systems "
            f"{_number(split.mean)} [{_number(split.low)}, {_number(split.high)}]; SOS parameter "
            f"{_number(sos)}.",
        ),
        stamps=tuple(table_stamps(analysis, stamps)),
    )


def _model_rows(inference: Inference, names: Mapping[str, str] | None) -> list[Row]:
    """The two rater models: their extreme listeners instead of listeners named."""
    known = [one for one in inference.rater_models.listeners if not math.isnan(one.bias)]
    if not known:
        return []
    strict, mild = (pick(known, key=lambda one: one.bias) for pick in (min, max))
    loose = max(known, key=lambda one: one.inconsistency)
    who = {
        "p913": f"biases {strict.bias:+.2f} ({strict.listener}) to {mild.bias:+.2f} "
        f"({mild.listener})",
        "p910": f"inconsistency up to {loose.inconsistency:.2f} ({loose.listener})",
    }
    rows = []
    for model, changes in inference.rater_models.would_change.items():
        most, change = largest(changes)
        of = display_name(most, names) if most else ""
        rows.append(
            Row({"system": model, "listeners": who[model], "largest_change": change, "of": of})
        )
    return rows


def _verdict(p_holm: float, alpha: float) -> str:
    if math.isnan(p_holm):
        return "not tested"
    return "yes" if p_holm < alpha else "no"


def _require(analysis: Analysis) -> Inference:
    if analysis.inference is None:
        raise ValueError("the analysis was made without comparisons")
    return analysis.inference


def _p(value: float) -> float | str:
    """Tiny p-values depend on the tail of a distribution nobody can check."""
    return "<0.0001" if value < 1e-4 else value


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.2f}"
