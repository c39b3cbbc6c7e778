"""Canonical values: what a lock compares.

`encode` turns a Python value into bytes that are equal for equal values in any process on any machine; what has no
meaning that lasts is refused. `decode`, `show`, `full_text` and `difference` read such bytes back as something that can
be shown and compared. They run nothing and import nothing, so they are safe on bytes that somebody else wrote.

What counts as equal for each type, and the format itself, are in the reference page `values`.
"""
