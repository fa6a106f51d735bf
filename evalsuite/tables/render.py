"""Draw a `Table` as Markdown, CSV, JSON, LaTeX, HTML or text. A new format is one function."""

import csv
import html
import io
import json
import re
from collections.abc import Callable, Sequence

from evalsuite.errors import UnknownName
from evalsuite.tables.table import Column, Row, Table, Value, is_missing

__all__ = ["FORMATS", "SUFFIXES", "render", "require_format"]


def render(table: Table, format: str) -> str:
    """Return a table as text in one of `FORMATS`.

    Raises
    ------
    UnknownName for another format.
    """
    return FORMATS[require_format(format)](table)


def require_format(format: str) -> str:
    """Return the name if it is one of `FORMATS`, so that a mistake shows before long work.

    Raises
    ------
    UnknownName for another name.
    """
    if format not in FORMATS:
        raise UnknownName(
            f"{format!r} is not a table format",
            wanted=f"one of {', '.join(FORMATS)}",
            do="choose formats from that list",
        )
    return format


def _plain_value(value: Value) -> Value:
    """A value for machines: None if missing; twelve digits, beyond which processors differ."""
    if is_missing(value):
        return None
    return float(f"{value:.12g}") if isinstance(value, float) else value


# Markdown


def _markdown(table: Table) -> str:
    lines = [f"### {_markdown_text(table.title)}", ""]
    lines += [f"> **{_markdown_text(stamp)}**\n" for stamp in table.stamps]
    lines += [f"{_markdown_text(table.caption)}.", ""]
    lines.append(_markdown_line([_markdown_text(column.title) for column in table.columns]))
    lines.append(_markdown_line(["---:" if one.numeric else "---" for one in table.columns]))
    lines += [
        _markdown_line([_markdown_cell(column, row) for column in table.columns])
        for row in table.rows
    ]
    lines += ["", *[f"- {_markdown_text(line)}" for line in table.footer]]
    return "\n".join(lines) + "\n"


def _markdown_line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_cell(column: Column, row: Row) -> str:
    text = _markdown_text(column.shown(row))
    return f"**{text}**" if column.emphasised(row) else text


def _markdown_text(text: str) -> str:
    """Escape what would end a cell, start HTML or change the type face."""
    return re.sub(r"([\\|*_<>`])", r"\\\1", " ".join(text.split()))


# CSV: one header row, plain numbers, nothing that a reader must strip


def _csv(table: Table) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*table.keys, "stamps"])
    stamps = "; ".join(table.stamps)
    for row in table.rows:
        values = [_plain_value(row.values.get(key)) for key in table.keys]
        writer.writerow(["" if value is None else value for value in values] + [stamps])
    return stream.getvalue()


# JSON


def _json(table: Table) -> str:
    rows = [
        {key: _plain_value(row.values.get(key)) for key in table.keys} | {"best": row.best}
        for row in table.rows
    ]
    value = {
        "id": table.id,
        "title": table.title,
        "caption": table.caption,
        "stamps": list(table.stamps),
        "columns": [{"key": column.key, "title": column.title} for column in table.columns],
        "rows": rows,
        "footer": list(table.footer),
    }
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


# LaTeX with booktabs


_LATEX_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "±": r"$\pm$", "×": r"$\times$", "<": r"\textless{}", ">": r"\textgreater{}", "–": "--",
    # Letters and signs that stock pdflatex does not know; accented Latin letters it does.
    "−": "$-$", "·": r"$\cdot$", "√": r"$\surd$", "≤": r"$\le$", "≥": r"$\ge$", "→": r"$\to$",
    "α": r"$\alpha$", "β": r"$\beta$", "δ": r"$\delta$", "µ": r"$\mu$", "μ": r"$\mu$",
    "σ": r"$\sigma$", "²": r"$^2$", "³": r"$^3$", "°": r"$^\circ$", "…": r"\ldots{}",
    "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''", "′": "$'$", "\u00a0": "~",
}  # fmt: skip


def _latex(table: Table) -> str:
    stamps = "".join(rf"\textbf{{{_latex_text(stamp)}.}} " for stamp in table.stamps)
    alignment = "".join(_latex_column(column, table.rows) for column in table.columns)
    lines = [
        r"% needs \usepackage{booktabs} and \usepackage{siunitx}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{stamps}{_latex_text(table.caption)}.}}",
        rf"\label{{tab:{table.id}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        # Braces keep siunitx from reading a heading as a number.
        _latex_line([f"{{{_latex_text(column.title)}}}" for column in table.columns]),
        r"\midrule",
        *[_latex_line([_latex_cell(one, row) for one in table.columns]) for row in table.rows],
        r"\bottomrule",
        r"\end{tabular}",
        *[rf"\par\footnotesize {_latex_text(line)}" for line in table.footer],
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_column(column: Column, rows: Sequence[Row]) -> str:
    """An S column, aligned at the decimal point, where all cells are plain numbers."""
    if not column.numeric:
        return "l"
    if column.ends:
        return "r"
    cells = [column.text(row.values.get(column.key)) for row in rows]
    numbers = [re.fullmatch(r"-?(\d+)(?:\.(\d+))?", cell) for cell in cells if cell]
    if not numbers or None in numbers or any(row.marks.get(column.key) for row in rows):
        return "r"
    whole = max(len(found[1]) for found in numbers if found)
    decimals = max(len(found[2] or "") for found in numbers if found)
    return f"S[table-format={whole}.{decimals},detect-weight]"


def _latex_line(cells: list[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _latex_cell(column: Column, row: Row) -> str:
    shown = column.shown(row)
    text = _latex_text(shown)
    if column.numeric and re.fullmatch(r"-?\d+(\.\d+)?", shown):
        return rf"\bfseries {text}" if column.emphasised(row) else text
    if column.half_width and re.fullmatch(r"±\d+(\.\d+)?", shown):
        return shown.removeprefix("±")  # the heading says that it is a half width
    return rf"\textbf{{{text}}}" if column.emphasised(row) else text


def _latex_text(text: str) -> str:
    return "".join(_LATEX_SPECIAL.get(character, character) for character in text)


# HTML, without style: the page around it decides how it looks


def _html(table: Table) -> str:
    def cell(tag: str, text: str, column: Column) -> str:
        side = ' style="text-align: right"' if column.numeric else ""
        return f"<{tag}{side}>{text}</{tag}>"

    head = "".join(cell("th", html.escape(one.title), one) for one in table.columns)
    body = []
    for row in table.rows:
        cells = []
        for one in table.columns:
            text = html.escape(one.shown(row))
            cells.append(cell("td", f"<b>{text}</b>" if one.emphasised(row) else text, one))
        body.append(f"<tr>{''.join(cells)}</tr>")
    lines = [
        f"<h3>{html.escape(table.title)}</h3>",
        *[f"<p><strong>{html.escape(stamp)}</strong></p>" for stamp in table.stamps],
        "<table>",
        f"<caption>{html.escape(table.caption)}.</caption>",
        f"<thead><tr>{head}</tr></thead>",
        "<tbody>",
        *body,
        "</tbody>",
        "</table>",
        *[f"<p><small>{html.escape(line)}</small></p>" for line in table.footer],
    ]
    return "\n".join(lines) + "\n"


# Plain text for a terminal


def _plain(table: Table) -> str:
    cells = [[column.title for column in table.columns]]
    cells += [[_plain_cell(column, row) for column in table.columns] for row in table.rows]
    widths = [max(len(line[index]) for line in cells) for index in range(len(table.columns))]
    lines = [table.title, *[f"!! {stamp}" for stamp in table.stamps], ""]
    for line in cells:
        padded = [
            text.rjust(width) if column.numeric else text.ljust(width)
            for text, width, column in zip(line, widths, table.columns, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join([*lines, "", *table.footer]) + "\n"


def _plain_cell(column: Column, row: Row) -> str:
    text = column.shown(row)
    return f"{text} *" if column.emphasised(row) and column.key == "system" else text


FORMATS: dict[str, Callable[[Table], str]] = {
    "table": _plain,
    "md": _markdown,
    "csv": _csv,
    "json": _json,
    "latex": _latex,
    "html": _html,
}

SUFFIXES = {
    "html": ".html",
    "table": ".txt",
    "md": ".md",
    "csv": ".csv",
    "json": ".json",
    "latex": ".tex",
}
