"""One self-contained HTML page of a run: players, figures, tables, and how it was made.

The page works from a file, without network and without JavaScript, and prints well.
"""
