"""Statistics of a listening test, on plain arrays: no files, no tables, no rendering.

`scores` holds the data every method reads, `intervals` the methods by name.
"""
