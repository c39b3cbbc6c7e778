"""`mitosis variants`: what names mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mitosis.cli.table import print_columns, print_line, print_problems
from mitosis.cli.text import clean, is_terminal, moment

if TYPE_CHECKING:
    from mitosis.errors import BadRecord

_VALUE_WIDTH = 60


def variants() -> int:
    """List all locked variants, with their values, and when and by whom they were locked."""
    from collections import Counter

    from mitosis import canonical
    from mitosis.errors import MitosisError
    from mitosis.git import find_repository
    from mitosis.journal import Journal

    problems: list[BadRecord] = []
    journal = Journal(find_repository(Path.cwd()))
    origins = journal.variant_origins()
    locked = list(journal.iter_variants(problems=problems))
    meanings = Counter((lock.step, lock.parameter, lock.variant) for lock in locked)
    rows = []
    for lock in locked:
        try:
            value = canonical.summary(lock.value, limit=_VALUE_WIDTH)
        except MitosisError as error:
            value = f"cannot be read: {error}"
        origin = origins.get((lock.step, lock.parameter, lock.variant, lock.digest))
        in_conflict = meanings[lock.step, lock.parameter, lock.variant] > 1
        rows.append(
            {
                "": "!" if in_conflict else " ",
                "variant": clean(f"{lock.step}.{lock.parameter}={lock.variant}"),
                "value": clean(value),
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
    return 0
