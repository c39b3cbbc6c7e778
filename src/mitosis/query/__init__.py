"""Asking the journal: the names of fields, the language of conditions, and selections of trials.

The command line, Python and whatever else finds trials mean the same by a word, since all of them ask here.
"""
