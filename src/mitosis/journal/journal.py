"""The journal of one repository: the only writer of its refs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mitosis.errors import (
    AmbiguousKey,
    BadRecord,
    Conflict,
    FormatTooNew,
    JournalError,
    Meaning,
    NoteNotWritten,
    Redefinition,
    TrialNotFound,
    VariantConflict,
    VariantRedefined,
)
from mitosis.git import Identity, Repository
from mitosis.journal import layout
from mitosis.journal.index import TrialIndex
from mitosis.journal.locks import LockedVariant, LockOrigin, Locks, VariantValue, check_locks
from mitosis.journal.messages import ended_message, one_line, started_message
from mitosis.journal.notes import add_to_note
from mitosis.journal.origins import read_origins
from mitosis.journal.reading import File, Reader
from mitosis.journal.store import LockedRef, Store, object_oid
from mitosis.records import FORMAT, MAX_RECORD_BYTES, TrialRecord, decode_trial, encode_trial

_FORMAT_TEXT = f"{FORMAT}\n".encode()
_FORMAT_OID = object_oid(b"blob", _FORMAT_TEXT)
_FORMAT_LIMIT_BYTES = 100
_ENVIRONMENT_LIMIT_BYTES = 16 * 2**20
_AUTHOR_LIMIT = 100
_KEY_PREFIX = re.compile(rf"[0-9a-f]{{1,{layout.KEY_DIGITS}}}")

_Uses = Counter[tuple[str, str, str, str]]


@dataclass(frozen=True, slots=True)
class Started:
    """What `Journal.start` recorded."""

    record: TrialRecord
    """The record as it is in the journal, with its iteration."""
    newly_locked: tuple[VariantValue, ...]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """One state of the journal."""

    commit: str
    tree: str


class Journal:
    """The record of all trials and variant locks of a repository, kept in its git history.

    Every change is one commit on `refs/mitosis/journal`, made under that ref's lock, so it is seen whole or not at all.
    Reading takes no lock: each call reads the state that the ref points to when it begins.

    Args:
        repository: where the journal is; linked worktrees of one repository share it.
    """

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._store = Store(repository)

    # --- writing ----------------------------------------------------------------------------------

    def start(
        self, record: TrialRecord, variants: Sequence[VariantValue], environment: str, identity: Identity
    ) -> Started:
        """Record that a trial starts, and lock its variants, in one commit.

        Also pins the experiment's commit. The iteration in `record` is ignored: it is counted here, under the lock.

        Args:
            record: the trial, with status `running`.
            variants: the meaning of each tracked lookup parameter.
            environment: the text whose digest is `record.environment`.
            identity: author and committer of the journal's commit.

        Raises:
            VariantRedefined: a variant is locked to another value.
            VariantConflict: a variant has several recorded meanings.
            JournalBusy: somebody else is writing for too long.
            FormatTooNew: a newer mitosis has written this journal.
            JournalError: the journal is damaged, or cannot be written. After any error the journal is what it was.
        """
        record_path = layout.trial_path(record.experiment, record.started, record.key)
        environment_path = layout.environment_path(record.environment)
        pin = layout.pin_ref(record.commit)
        with self._store.locked(layout.JOURNAL_REF) as ref:
            before = self._snapshot()
            locks = check_locks(self._store, None if before is None else before.tree, variants)
            if not locks.are_violated:
                index = self._index(before)
                taken = index.folder_of(record.key)
                if taken is not None:
                    raise JournalError(f"there is already a trial {record.key}, in {taken}")
                record = record.with_changes(iteration=index.iteration(record))
                changes = {record_path: encode_trial(record)}
                for new in locks.missing:
                    _check_digest(new)
                    changes[layout.variant_path(new.step, new.parameter, new.variant, new.digest)] = new.value
                if before is None or self._store.find(before.tree, environment_path) is None:
                    changes[environment_path] = environment.encode("utf-8", "surrogatepass")
                names = [(new.step, new.parameter, new.variant, new.digest) for new in locks.missing]
                self._store.create_ref(pin, record.commit)
                self._append(ref, before, changes, started_message(record, names), identity)
        # Saying what is wrong takes longer than finding it out, and nobody should have to wait for that.
        self._refuse_violated(locks)
        self._store.create_symbolic_ref(layout.SYMBOLIC_REF, layout.JOURNAL_REF)
        return Started(record, locks.missing)

    def end(self, record: TrialRecord, identity: Identity) -> None:
        """Record how a trial ended, and let the git note of its commit tell it.

        Args:
            record: the trial, ended; it replaces the record that `start` made.
            identity: author and committer of the journal's commit.

        Raises:
            TrialNotFound: `start` has not recorded this trial.
            JournalBusy: somebody else is writing for too long.
            FormatTooNew: a newer mitosis has written this journal or record.
            NoteNotWritten: the trial's end is recorded, but the note could not be written.
            JournalError: the journal is damaged, or cannot be written.
        """
        if record.ended is None:
            raise ValueError(f"the record of trial {record.key} does not say when it ended")
        path = layout.trial_path(record.experiment, record.started, record.key)
        with self._store.locked(layout.JOURNAL_REF) as ref:
            before = self._snapshot()
            entry = None if before is None else self._store.find(before.tree, path)
            if entry is None or entry.is_tree:
                raise TrialNotFound(record.key, f"no start of trial {record.key} is recorded, so its end cannot be")
            had_ended = self._had_ended(path, entry.oid)
            self._append(ref, before, {path: encode_trial(record)}, ended_message(record), identity)
        try:
            add_to_note(
                self._store,
                record,
                identity,
                is_new=not had_ended,
                read_trials=lambda: self._trials_on(record.commit),
            )
        except JournalError as error:
            raise NoteNotWritten(record.key, layout.NOTES_REF, str(error)) from error

    def _had_ended(self, path: str, oid: str) -> bool:
        try:
            return self._decode(File(path, oid)).ended is not None
        except BadRecord:
            # Its own trial replaces a damaged record. Whether the note tells of the trial already is not known then.
            return True

    def _append(
        self, ref: LockedRef, before: _Snapshot | None, changes: Mapping[str, bytes], message: str, identity: Identity
    ) -> None:
        blobs = {path: self._store.write_blob(data) for path, data in changes.items()}
        if before is None:
            blobs[layout.FORMAT_FILE] = self._store.write_blob(_FORMAT_TEXT)
        tree = self._store.edit_tree(None if before is None else before.tree, blobs)
        commit = self._store.write_commit(tree, [] if before is None else [before.commit], message, identity)
        ref.set_target(commit, message.split("\n", 1)[0], identity)

    def _index(self, snapshot: _Snapshot | None) -> TrialIndex:
        trials = None if snapshot is None else self._store.find(snapshot.tree, layout.TRIALS)
        return TrialIndex(self._store, trials.oid if trials is not None and trials.is_tree else None)

    def _trials_on(self, commit: str) -> list[TrialRecord]:
        """All readable trials that ran on a commit."""
        with self._store.locked(layout.JOURNAL_REF):
            snapshot = self._snapshot()
            if snapshot is None:
                return []
            index = self._index(snapshot)
            keys = set(index.keys_on(commit))
            folders = {folder for key in keys if (folder := index.folder_of(key)) is not None}
        reader = Reader(self._store, snapshot.tree, [])
        files = [file for folder in sorted(folders) for file in reader.trials_in(folder) if file.key in keys]
        return list(reader.read_trials(files))

    # --- locks ------------------------------------------------------------------------------------

    def check(self, variants: Sequence[VariantValue]) -> tuple[VariantValue, ...]:
        """Check variants against the locks, without writing.

        Returns:
            Those that `start` would lock.

        Raises:
            VariantRedefined: a variant is locked to another value.
            VariantConflict: a variant has several recorded meanings.
            JournalError: the journal cannot be read.
        """
        snapshot = self._snapshot()
        locks = check_locks(self._store, None if snapshot is None else snapshot.tree, variants)
        self._refuse_violated(locks)
        return locks.missing

    def iter_variants(self, *, problems: list[BadRecord] | None = None) -> Iterator[LockedVariant]:
        """All recorded meanings of all variants, by step, parameter, variant and digest.

        Args:
            problems: what cannot be read, or does not belong where it is, is appended to it and skipped.
        """
        yield from self._reader(problems).iter_variants()

    def variant_origins(self) -> dict[tuple[str, str, str, str], LockOrigin]:
        """Where each lock comes from, by step, parameter, variant and digest."""
        return read_origins(self.repository, self._commit())

    def variant_origin(self, locked: LockedVariant) -> LockOrigin:
        """Where one lock comes from: the first commit of the journal that has it.

        Raises:
            JournalError: the journal's history does not have it.
        """
        name = (locked.step, locked.parameter, locked.variant, locked.digest)
        origin = read_origins(self.repository, self._commit(), layout.variant_path(*name)).get(name)
        if origin is None:
            raise JournalError(f"the journal's history does not tell where {layout.variant_path(*name)} comes from")
        return origin

    def _refuse_violated(self, locks: Locks) -> None:
        if not locks.are_violated:
            return
        uses = self._count_uses()
        if locks.in_conflict:
            raise VariantConflict(
                [
                    Conflict(
                        v.step, v.parameter, v.variant, tuple(self._meaning(meaning, uses) for meaning in meanings)
                    )
                    for v, meanings in locks.in_conflict
                ]
            )
        raise VariantRedefined([self._redefinition(variant, locked, uses) for variant, locked in locks.redefined])

    def _redefinition(self, variant: VariantValue, locked: LockedVariant, uses: _Uses) -> Redefinition:
        from mitosis import canonical

        comparison = canonical.compare(locked.value, variant.value)
        return Redefinition(
            step=variant.step,
            parameter=variant.parameter,
            variant=variant.variant,
            locked=self._meaning(locked, uses),
            now_digest=variant.digest,
            now_summary=canonical.summary(variant.value),
            differences=tuple((d.path, d.text) for d in comparison.differences),
            same_count=comparison.same,
            source=variant.source,
            more_count=comparison.more,
        )

    def _meaning(self, locked: LockedVariant, uses: _Uses) -> Meaning:
        from mitosis import canonical

        name = (locked.step, locked.parameter, locked.variant, locked.digest)
        origin = read_origins(self.repository, self._commit(), layout.variant_path(*name)).get(name)
        return Meaning(
            digest=locked.digest,
            summary=canonical.summary(locked.value),
            author="" if origin is None else one_line(origin.name, _AUTHOR_LIMIT),
            date="" if origin is None else origin.date.date().isoformat(),
            commit=None if origin is None else origin.commit,
            used_by=uses[name],
        )

    def _count_uses(self) -> _Uses:
        """How many trials used each meaning of each variant."""
        return Counter(
            (parameter.step, parameter.name, parameter.text, parameter.digest or "")
            for record in self.iter_trials()
            for parameter in record.parameters
            if parameter.kind == "lookup" and parameter.tracked
        )

    # --- reading ----------------------------------------------------------------------------------

    def tip(self) -> str | None:
        """The journal's newest commit; None while there is no journal."""
        return self._store.read_ref(layout.JOURNAL_REF)

    def read_trial(self, key: str) -> TrialRecord:
        """The trial whose key begins with `key`.

        Raises:
            TrialNotFound: there is none, or `key` is not hexadecimal.
            AmbiguousKey: there are several.
            BadRecord, FormatTooNew: its record cannot be read.
            JournalError: the journal cannot be read.
        """
        prefix = key.strip().lower()
        if not _KEY_PREFIX.fullmatch(prefix):
            raise TrialNotFound(
                key, f"{key!r} is no key of a trial: keys are up to {layout.KEY_DIGITS} hexadecimal digits"
            )
        problems: list[BadRecord] = []
        files = self._reader(problems).find_trials(prefix)
        if len(files) > 1:
            raise AmbiguousKey(key, [file.key for file in files])
        if not files:
            unread = f"\nParts of the journal cannot be read: {problems[0]}" if problems else ""
            raise TrialNotFound(key, f"no trial is recorded with a key that begins with `{prefix}`{unread}")
        return self._decode(files[0])

    def iter_trials(
        self, *, limit: int | None = None, experiment: str | None = None, problems: list[BadRecord] | None = None
    ) -> Iterator[TrialRecord]:
        """Trials by the time that they started, newest first.

        Args:
            limit: at most so many; only the newest days are read then.
            experiment: only those of this experiment.
            problems: what cannot be read, or does not belong where it is, is appended to it and skipped.

        Raises:
            JournalError: the journal itself cannot be read.
        """
        yield from self._reader(problems).iter_trials(limit, experiment)

    def read_environment(self, digest: str) -> str:
        """The text of an environment.

        Raises:
            JournalError: it is not in the journal, or cannot be read.
        """
        path = layout.environment_path(digest)
        snapshot = self._snapshot()
        entry = None if snapshot is None else self._store.find(snapshot.tree, path)
        if entry is None or entry.is_tree:
            raise JournalError(f"the journal has no environment {digest}")
        return self._store.read_blob(entry.oid, path, _ENVIRONMENT_LIMIT_BYTES).decode("utf-8", "replace")

    def _reader(self, problems: list[BadRecord] | None) -> Reader:
        snapshot = self._snapshot()
        return Reader(self._store, None if snapshot is None else snapshot.tree, [] if problems is None else problems)

    def _decode(self, file: File) -> TrialRecord:
        return decode_trial(self._store.read_blob(file.oid, file.path, MAX_RECORD_BYTES), file.path)

    def _commit(self) -> str | None:
        """The journal's newest commit, checked to be of a journal that can be read."""
        snapshot = self._snapshot()
        return None if snapshot is None else snapshot.commit

    def _snapshot(self) -> _Snapshot | None:
        """The present state of the journal; None while there is none.

        Raises:
            FormatTooNew: a newer mitosis has written it.
            JournalError: it is no journal, or damaged.
        """
        commit = self.tip()
        if commit is None:
            return None
        tree = self._store.read_commit_tree(commit, layout.JOURNAL_REF)
        entry = self._store.read_tree(tree, "").get(layout.FORMAT_FILE)
        if entry is None or entry.is_tree:
            raise JournalError(
                f"{layout.JOURNAL_REF} points to {commit}, which is no journal: it does not say its format"
            )
        if entry.oid != _FORMAT_OID:
            self._refuse_format(self._store.read_blob(entry.oid, layout.FORMAT_FILE, _FORMAT_LIMIT_BYTES))
        return _Snapshot(commit, tree)

    @staticmethod
    def _refuse_format(text: bytes) -> None:
        digits = text.strip()
        if not digits.isdigit():
            raise JournalError(f"the journal's format is {text!r}, where a number should be")
        if int(digits) > FORMAT:
            raise FormatTooNew("the journal", int(digits), FORMAT)


def _check_digest(variant: VariantValue) -> None:
    from mitosis import canonical

    if canonical.digest(variant.value) != variant.digest:
        raise ValueError(f"{variant.digest} is not the digest of the value of {variant.variant!r}")
