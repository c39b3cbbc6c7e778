"""`mitosis variants`: what names mean, and what they are to mean where there is a conflict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from mitosis.cli.table import print_columns, print_conflicts, print_line, print_problems, print_unmerged
from mitosis.cli.text import clean, is_terminal, moment

if TYPE_CHECKING:
    from mitosis.errors import BadRecord

_VALUE_WIDTH = 60
_MOST_LOCKS = 10_000

app = App(name="variants", help="List locked variants, and when and by whom they were locked.", help_format="plaintext")


@app.default
def variants() -> int:
    """List all locked variants, with their values, and when and by whom they were locked."""
    from collections import Counter

    from mitosis import canonical
    from mitosis.errors import MitosisError
    from mitosis.git import find_repository
    from mitosis.journal import Journal

    problems: list[BadRecord] = []
    journal = Journal(find_repository(Path.cwd()))
    summaries: dict[str, str] = {}
    names = []
    # One value at a time: each may have many megabytes.
    for lock in journal.iter_variants(problems=problems):
        if lock.digest not in summaries:
            try:
                summaries[lock.digest] = canonical.summary(lock.value, limit=_VALUE_WIDTH)
            except MitosisError as error:
                summaries[lock.digest] = f"cannot be read: {error}"
        names.append((lock.step, lock.parameter, lock.variant, lock.digest))
    meanings = Counter(name[:3] for name in names)
    # Nobody locks so many. git would look for where each comes from, and never end.
    origins = journal.variant_origins() if len(names) + len(problems) <= _MOST_LOCKS else {}
    rows = []
    for name in names:
        step, parameter, variant, digest = name
        origin = origins.get(name)
        rows.append(
            {
                "": "!" if meanings[name[:3]] > 1 else " ",
                "variant": clean(f"{step}.{parameter}={variant}"),
                "value": clean(summaries[digest]),
                "locked": moment(origin.date.isoformat(), relative=is_terminal()) if origin is not None else "",
                "by": clean(origin.name) if origin is not None else "",
                "commit": clean((origin.commit or "")[:7]) if origin is not None else "",
            }
        )
    if rows:
        print_columns(["", "variant", "value", "locked", "by", "commit"], rows)
    else:
        print_line("no variants are locked in this repository")
    print_problems(problems)
    print_conflicts(journal.conflicts())
    print_unmerged(journal)
    return 0


@app.command
def resolve(
    variant: str,
    /,
    *,
    keep: str,
    rename_other: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
) -> int:
    """Choose one of several recorded meanings of a variant, for everybody who shares the repository.

    Trials that used another meaning keep saying what they used.

    Args:
        variant: STEP.PARAM=VARIANT, as `mitosis variants` lists it.
        keep: Digest of the meaning that the name keeps, or any unique beginning of it.
        rename_other: Give the other meaning this name of its own; without it, it is dropped. With several other
            meanings, once for each in the order of their digests.
    """
    from mitosis import canonical
    from mitosis.git import find_repository
    from mitosis.journal import Journal
    from mitosis.parameters import parse_variant

    step, parameter, name = parse_variant(variant)
    repository = find_repository(Path.cwd())
    resolution = Journal(repository).resolve(
        step, parameter, name, keep, repository.identity(), rename_others=rename_other
    )

    def shown(value: bytes) -> str:
        return clean(canonical.summary(value, limit=_VALUE_WIDTH))

    print_line(clean(f"{step}.{parameter}={name}") + f" means {shown(resolution.kept.value)} now")
    for other, new_name in resolution.others:
        if new_name is None:
            print_line(f"    {shown(other.value)} is dropped; trials that used it keep saying so")
        else:
            print_line(f"    {shown(other.value)} is {clean(f'{step}.{parameter}={new_name}')} now")
    print_line("Let others know: mitosis push")
    return 0
