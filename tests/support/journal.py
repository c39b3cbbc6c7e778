"""Where things are in the journal."""

from __future__ import annotations

from mitosis.journal import layout
from mitosis.records.trial import TrialRecord


def record_path(record: TrialRecord) -> str:
    """The path of a trial's record, on a day with few trials."""
    direct, _ = layout.record_paths(layout.trial_folder(record.experiment, record.started), record.key)
    return direct
