"""The text of ``evalsuite analyze``: JSON, or tables in a format, for one group or several."""

from typing import TYPE_CHECKING

from evalsuite.cli.run_facts import RunFacts

if TYPE_CHECKING:
    from evalsuite.analysis import Analysis
    from evalsuite.prediction import Prediction
    from evalsuite.tables.table import Table

__all__ = ["json_text", "tables_text"]


def json_text(
    analyses: "dict[str, Analysis]",
    predictions: "dict[str, list[Prediction]]",
    by: str | None,
    facts: RunFacts,
) -> str:
    """Return one JSON object; with groups, one under each value of their column.

    Parameters
    ----------
    analyses, predictions : by value of the column `by`; one entry without a name if `by` is None.
    facts : of the run that was rated, for its stamps.
    """
    import json

    from evalsuite.analysis import analysis_json
    from evalsuite.tables.stamps import table_stamps

    values = {
        name: analysis_json(analysis)
        | {"stamps": table_stamps(analysis, facts.stamps)}
        | _objective(predictions[name])
        for name, analysis in analyses.items()
    }
    value = values[""] if by is None else {"by": by, "groups": values}
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _objective(predictions: "list[Prediction]") -> dict[str, object]:
    if not predictions:
        return {}
    from evalsuite.prediction import prediction_json

    return {"objective": prediction_json(predictions)}


def tables_text(
    analyses: "dict[str, Analysis]",
    predictions: "dict[str, list[Prediction]]",
    by: str | None,
    format: str,
    facts: RunFacts,
) -> str:
    """Return every table in a format; CSV holds the scores alone, all groups below each other.

    Parameters
    ----------
    analyses, predictions : by value of the column `by`; one entry without a name if `by` is None.
    facts : of the run that was rated: stamps, recordings, anchors, the table it follows.
    """
    from evalsuite.tables.grouped import of_group, stacked
    from evalsuite.tables.render import render

    found = {
        name: _tables(analysis, predictions[name], facts, whole=format != "csv")
        for name, analysis in analyses.items()
    }
    if by is None:
        return "\n".join(render(table, format) for table in found[""])
    if format == "csv":  # one header for all groups
        return render(stacked({name: tables[0] for name, tables in found.items()}, by), format)
    return "\n".join(
        render(of_group(table, by, name), format)
        for name, tables in found.items()
        for table in tables
    )


def _tables(
    analysis: "Analysis", predictions: "list[Prediction]", facts: RunFacts, *, whole: bool
) -> "list[Table]":
    """The scores, and if the whole is wanted comparisons, screening and metrics."""
    from evalsuite.tables.comparisons import comparison_table, screening_table
    from evalsuite.tables.mos import mos_table
    from evalsuite.tables.names import paper_names

    names = paper_names(facts.table)
    tables = [mos_table(analysis, names=names, standards=facts.standards, stamps=facts.stamps)]
    if analysis.inference is not None and whole:
        tables += [
            comparison_table(analysis, names=names, stamps=facts.stamps),
            screening_table(analysis, names=names, stamps=facts.stamps),
        ]
    if predictions and whole:
        from evalsuite.tables.prediction import prediction_table

        tables.append(prediction_table(predictions, stamps=tables[0].stamps))
    return tables
