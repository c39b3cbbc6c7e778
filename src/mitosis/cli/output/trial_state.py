"""What of a trial depends on the present: whether it still runs, and what the names of its variants mean now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mitosis.journal.locks import used_lock
from mitosis.process import is_alive
from mitosis.records.trial import ProcessRecord
from mitosis.variants import PresentMeaning, VariantLock

if TYPE_CHECKING:
    from mitosis.records.trial import ParameterRecord
    from mitosis.records.view import View

Meanings = Mapping[VariantLock, PresentMeaning]


def present_state(view: View) -> tuple[str, str]:
    """The status, `lost` where the process of a running trial is gone, and a note about it."""
    status = view.raw("status")
    if status != "running":
        return status, view.raw("note")
    host, pid = view.raw("host"), view.value("pid")
    process = ProcessRecord(host, pid if isinstance(pid, int) else 0, view.raw("process") or None)
    alive = is_alive(process)
    if alive is False:
        return "lost", f"its process on {host} is gone"
    elsewhere = [f"on {host}"] if alive is None else []
    return "running", ", ".join(filter(None, [*elsewhere, view.place]))


def present_meaning(parameter: ParameterRecord, meanings: Meanings) -> PresentMeaning | None:
    """What the variant of a recorded parameter means now; None if the parameter is not a tracked variant."""
    use = used_lock(parameter)
    return None if use is None else meanings.get(use)
