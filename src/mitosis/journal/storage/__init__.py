"""How the journal is kept in git: its objects and refs, read and written; locks, waiting processes, signatures.

Nothing here knows what a record says.
"""
