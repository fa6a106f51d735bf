"""The paper's tables with ours beside them: one `Table` object, every format drawn from it.

`mos` builds the tables of opinion scores (2 to 5), `speed` the table of parameters and speed (1),
`render` writes Markdown, CSV, JSON and LaTeX.
"""
