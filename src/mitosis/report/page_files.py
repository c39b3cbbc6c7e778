"""The files of pages: what they are called, and how those of iterations lead to each other.

Iterations are trials of the same experiment and parameters. A page is recorded with git's id of its content, so it is
not written again when a later iteration comes. It links to a file in its trial's folder that is: it sends the browser
on to the next iteration, as soon as there is one.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from mitosis.errors.base import MitosisError
from mitosis.files import write_whole
from mitosis.records.output_names import belongs_to_trial
from mitosis.records.trial import TrialRecord
from mitosis.text import in_file_name

if TYPE_CHECKING:
    import jinja2

MAX_NAME_BYTES = 150
"""Long enough to be read, short enough for every file system and for a folder or two in front."""

_DIGEST_DIGITS = 8

ReadTrial = Callable[[str], TrialRecord]
"""Returns the record of a trial by its key; raises a MitosisError where there is none."""

NEXT_ITERATION = "next_iteration.html"
_GENERATOR = b'<meta name="generator" content="mitosis">'
"""Stands at the beginning of such a file, and not in one of that name that an experiment has written."""
_BEGINNING_BYTES = 200
_ASKED_LIMIT = 20
"""This many records at most are read to find a neighbour: names of pages tell nearly all apart but for defaults."""


def page_name(record: TrialRecord, *, debug: bool) -> str:
    """The page's file name, such as `trial_my_exp-4-slow_0_5f2c91d07a3b.html`.

    Between the first and the last two underscores stand the steps, joined by `+`, each followed by what was given
    for its tracked parameters, in the order of their names. Characters that a file system or a shell might stumble
    over are replaced; a name that would be too long ends in a digest of the whole instead.
    """
    ending = f"_{record.iteration}_{in_file_name(record.key)}{'debug' if debug else ''}.html"
    tracked = sorted((p for p in record.parameters if p.tracked and not p.is_default), key=lambda p: p.name)
    texts = [(step.name, *(p.text for p in tracked if p.step == step.name)) for step in record.steps]
    variants = "+".join("-".join(in_file_name(text) for text in step) for step in texts)
    room = MAX_NAME_BYTES - len("trial_") - len(ending)
    if len(variants) > room:
        digest = hashlib.sha256(repr(texts).encode(errors="surrogatepass")).hexdigest()[:_DIGEST_DIGITS]
        variants = f"{variants[: max(room - _DIGEST_DIGITS - 1, 0)]}-{digest}"
    return f"trial_{variants}{ending}"


def find_previous(record: TrialRecord, trials_folder: Path, read_trial: ReadTrial) -> str | None:
    """The name of the page of the last iteration before a trial's, of those that the trials folder has."""
    earlier = [found for found in _pages(record, trials_folder) if found[0] < record.iteration]
    return _first_of_same(record, reversed(earlier), read_trial)


def is_free(folder: Path) -> bool:
    """Whether the file that leads on from a trial can be written to its folder, for no other has its name."""
    path = folder / NEXT_ITERATION
    try:
        with path.open("rb") as file:
            return _GENERATOR in file.read(_BEGINNING_BYTES)
    except FileNotFoundError:
        return not path.is_symlink()


def lead_on(record: TrialRecord, trials_folder: Path, read_trial: ReadTrial) -> None:
    """Have the pages of a trial and of the iteration before it lead on to what comes after them now.

    Args:
        record: the trial; its own page may be there, or have been removed.
        trials_folder: where the pages are.
        read_trial: reads the records of others.

    Raises:
        OSError: a file cannot be read or written.
    """
    previous = find_previous(record, trials_folder, read_trial)
    later = [found for found in _pages(record, trials_folder) if found[0] > record.iteration]
    following = _first_of_same(record, later, read_trial)
    own = page_name(record, debug=False)
    if (trials_folder / own).is_file():
        _write(record.experiment, trials_folder, own, following)
        following = own
    if previous is not None:
        _write(record.experiment, trials_folder, previous, following)


def _pages(record: TrialRecord, trials_folder: Path) -> list[tuple[int, str]]:
    """Iteration and name of the pages that may be those of iterations, in this order."""
    stem, _, _ = page_name(record, debug=False).rpartition(f"_{record.iteration}_")
    pattern = re.compile(rf"{re.escape(stem)}_(?P<iteration>[0-9]{{1,9}})_[0-9a-f]+\.html")
    names = (path.name for path in trials_folder.glob("trial_*.html"))
    return sorted((int(match["iteration"]), match[0]) for name in names if (match := pattern.fullmatch(name)))


def _first_of_same(record: TrialRecord, pages: Iterable[tuple[int, str]], read_trial: ReadTrial) -> str | None:
    for asked, (_, name) in enumerate(pages):
        if asked == _ASKED_LIMIT:
            break
        try:
            other = read_trial(_key(name))
        except MitosisError:  # another clone's trial, or a file of that name that is not a page
            continue
        if other.asked == record.asked:
            return name
    return None


def _key(page: str) -> str:
    return page.removesuffix(".html").rpartition("_")[2]


def _write(experiment: str, trials_folder: Path, page: str, following: str | None) -> None:
    key = _key(page)
    folders = (path for path in trials_folder.glob(f"*_{key}") if belongs_to_trial(path.name, key))
    folder = next((path for path in folders if path.is_dir() and not path.is_symlink()), None)
    if folder is not None and is_free(folder):
        text = _template().render(experiment=experiment, page=page, following=following)
        write_whole(folder / NEXT_ITERATION, text)


@functools.cache
def _template() -> jinja2.Template:
    source = (Path(__file__).parent / "template" / f"{NEXT_ITERATION}.j2").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True, trim_blocks=True).from_string(source)
