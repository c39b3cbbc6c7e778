"""Compare trials of a journal: read what is recorded of them, and ask git how their code differs."""

from __future__ import annotations

from collections.abc import Sequence

from mitosis.comparison.code import compare_code
from mitosis.comparison.comparing import TrialFacts, compare
from mitosis.comparison.result import Comparison
from mitosis.errors.journal import BadRecord, JournalError
from mitosis.errors.usage import UsageError
from mitosis.journal.journal import Journal
from mitosis.process import is_alive
from mitosis.records.trial import TrialRecord
from mitosis.variants import VariantLock


def compare_trials(journal: Journal, keys: Sequence[str]) -> Comparison:
    """What trials have in common, and how the others differ from the first.

    Args:
        journal: where they are recorded.
        keys: of two trials or more; any unique prefix of each.

    Raises:
        UsageError: it is one trial, or the same one twice.
        TrialNotFound, AmbiguousKey: a key does not name one trial.
        JournalError: the journal, or one of the records, cannot be read.
    """
    return compare_records(journal, read_trials(journal, keys))


def read_trials(journal: Journal, keys: Sequence[str]) -> list[TrialRecord]:
    """The records of trials that can be compared; see `compare_trials`."""
    if len(keys) < 2:
        raise UsageError("give the keys of two trials or more: mitosis compare KEY KEY...\n`mitosis list` shows them.")
    records: dict[str, TrialRecord] = {}
    for key in keys:
        record = journal.read_trial(key)
        if record.key in records:
            raise UsageError(f"trial {record.key} is given twice\nGive the key of another trial to compare it with.")
        records[record.key] = record
    return list(records.values())


def compare_records(journal: Journal, records: Sequence[TrialRecord]) -> Comparison:
    """As `compare_trials`, of trials whose records were read."""
    problems: list[str] = []
    values = _read_values(journal, records, problems)
    digests = dict.fromkeys(record.environment for record in records)
    environments = {digest: _read_environment(journal, digest, problems) for digest in digests}
    facts = [
        TrialFacts(
            record,
            "lost" if record.status == "running" and is_alive(record.process) is False else record.status,
            {p.full_name: values[p.lock] for p in record.parameters if p.lock in values},
            environments[record.environment],
            compare_code(journal.repository, records[0], record),
        )
        for record in records
    ]
    return compare(facts, problems)


def _read_values(journal: Journal, records: Sequence[TrialRecord], problems: list[str]) -> dict[VariantLock, bytes]:
    """The values of the variants that not all trials have used."""
    used = [{p.lock for p in record.parameters if p.lock is not None} for record in records]
    wanted = {lock for locks in used for lock in locks if not all(lock in others for others in used)}
    if not wanted:
        return {}
    unread: list[BadRecord] = []
    found = {lock: variant.value for lock, variant in journal.read_locks(wanted, problems=unread)}
    problems += map(str, unread)
    return found


def _read_environment(journal: Journal, digest: str, problems: list[str]) -> str | None:
    try:
        return journal.read_environment(digest)
    except JournalError as error:
        problems.append(f"packages were not compared: {error}")
        return None
