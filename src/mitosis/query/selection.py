"""Words for trials, wherever one has to be named:

5f2c            the beginning of a key
latest          the newest trial; latest~2 is the second before it
best            of the newest trial's experiment, the one with the lowest `main`, or as its registration says
best:-f1        the same by any field; after a `-` the highest
@paper          those with a tag
where:EXPR      those that meet a condition, newest first
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mitosis.errors.base import bulleted
from mitosis.errors.journal import TrialNotFound
from mitosis.errors.usage import UsageError
from mitosis.journal.journal import Journal
from mitosis.query.search import Search
from mitosis.records.trial import TrialRecord

_LATEST = re.compile(r"latest(?:~(\d{1,9}))?")


class SeveralTrials(UsageError):
    """A word for one trial that means several. Attributes: word, keys."""

    def __init__(self, word: str, keys: Sequence[str]) -> None:
        self.word = word
        self.keys = tuple(keys)
        super().__init__(
            f"`{word}` means {len(keys)} trials, and one is needed\n{bulleted(keys)}\nGive the key of one."
        )


def is_selection(word: str) -> bool:
    """Whether a word is one of those above, and not the beginning of a key."""
    return word.startswith(("@", "where:", "best:")) or word == "best" or _LATEST.fullmatch(word) is not None


def select(journal: Journal, word: str) -> list[str]:
    """The keys of the trials that a word means, at least one.

    Raises:
        TrialNotFound: there is none.
        AmbiguousKey: it is the beginning of several keys.
        QueryError, UnknownField: its condition or field cannot be understood.
        JournalError: the journal cannot be read.
    """
    if word.startswith("where:"):
        found = list(Search(journal, [word.removeprefix("where:")]).keys())
        return found or _refuse(word, "meets the condition")
    if word.startswith("@"):
        found = list(Search(journal, [f"{word[1:]!r} in tags"]).keys()) if word != "@" else []
        return found or _refuse(word, f"has the tag `{word[1:]}`")
    latest = _LATEST.fullmatch(word)
    if latest is not None:
        before = int(latest[1] or 0)
        found = list(Search(journal, limit=before + 1).keys())[before:]
        return found or _refuse(word, "is so old" if before else "")
    if word == "best" or word.startswith("best:"):
        return [_best(journal, word)]
    return [journal.find_key(word)]


def select_one(journal: Journal, word: str) -> str:
    """The key of the trial that a word means; raises as `select`, and `SeveralTrials`."""
    found = select(journal, word)
    if len(found) > 1:
        raise SeveralTrials(word, found)
    return found[0]


def select_all(journal: Journal, words: Sequence[str]) -> list[str]:
    """The keys of the trials that some words mean, each once; raises as `select`."""
    return list(dict.fromkeys(key for word in words for key in select(journal, word)))


def read_one(journal: Journal, word: str) -> TrialRecord:
    """The record of the trial that a word means; raises as `select_one`."""
    return journal.read_trial(select_one(journal, word))


def _best(journal: Journal, word: str) -> str:
    newest = next(Search(journal, limit=1).views(), None)
    if newest is None:
        return _refuse(word, "")[0]
    by = word.partition(":")[2] or ("-main" if newest.value("main.better") == "higher" else "main")
    name = by.removeprefix("-")
    conditions = [f"experiment == {newest.raw('experiment')!r}", "status == 'finished'"]
    search = Search(journal, conditions, [by])
    field = search.fields.find(name)
    for key, value in search.rows([search.fields.find("key"), field]):
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
            return str(key)
    return _refuse(word, f"of {newest.text('experiment')} has finished with a number as `{name}`")[0]


def _refuse(word: str, what: str) -> list[str]:
    said = f"no trial {what}\n`mitosis list` shows what there is." if what else ""
    raise TrialNotFound(word, said or "no trials are recorded in this repository")
