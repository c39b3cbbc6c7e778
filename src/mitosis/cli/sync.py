"""`mitosis push`, `pull` and `sync`: exchange records with other repositories."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from pathlib import Path
from typing import IO, Annotated

from cyclopts import Parameter

from mitosis.cli import completers
from mitosis.cli.configuration import ConfigFile
from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.table import print_conflicts, print_line, print_lines, print_warning
from mitosis.confidential import without_password
from mitosis.config import find_config
from mitosis.errors.base import ExitStatus, MitosisError
from mitosis.errors.journal import FetchFailed, NoRemote, PushFailed, TrialNotFound, UnknownRemote
from mitosis.git.repository import Repository, find_repository
from mitosis.journal.history import read_decisions
from mitosis.journal.journal import Journal
from mitosis.journal.layout import pin_ref, push_pin_command
from mitosis.journal.unrecorded import record_ends
from mitosis.sync import exchange
from mitosis.sync.exchange import Pulled, Pushed
from mitosis.sync.remotes import Remote, find_remote, is_place, list_remotes
from mitosis.sync.transport import Transport
from mitosis.text import clean, counted

_Remote = Annotated[str | None, Parameter(completer=completers.remotes)]
_Commits = Annotated[bool, Parameter(name="--commits", negative="--no-commits")]
_DECISIONS_SHOWN = 10
_DECISION_WIDTH = 300
_PINS_SHOWN = 10
_AFTER_TRIAL_LIMIT_S = 30.0


def push(
    *words: Annotated[str, Parameter(completer=completers.remote_and_keys)],
    commits: _Commits = True,
    config: ConfigFile = None,
) -> int:
    """Send records to a remote, after fetching and merging those it already has.

    Args:
        words: [REMOTE] [KEY...]: the remote, by default where git push would push to, and the trials, by default all.
        commits: Send the experiments' commits too, so that others can check out the code of each trial.
    """
    repository, journal = _open()
    before = journal.tip()
    remote, keys = _split(repository, journal, words, config)
    pushed = exchange.push(repository, remote, _transport(repository), keys=keys, with_commits=commits)
    _print_pushed(pushed, with_received=False)
    _print_decisions(journal, before, pushed.pulled)
    print_conflicts(journal.conflicts())
    return ExitStatus.FAILED if pushed.misleading_pins else ExitStatus.DONE


def pull(
    remote: _Remote = None,
    /,
    *,
    fetch: Annotated[bool, Parameter(negative="--no-fetch")] = True,
    verify_signatures: Annotated[bool, Parameter(negative="--no-verify-signatures")] = True,
    keep: Annotated[bool, Parameter(negative=())] = False,
    config: ConfigFile = None,
) -> int:
    """Fetch the records of a remote and merge them into the local ones.

    Args:
        remote: Where to fetch from, by default where git push would push to.
        fetch: Fetch first; otherwise merge what git fetch has already brought.
        verify_signatures: Refuse records without a good signature, if the configuration requires them.
        keep: Keep what the remote has taken away without a recorded reason, which is otherwise refused.
    """
    repository, journal = _open()
    before = journal.tip()
    place = _find(repository, remote, config)
    transport = _transport(repository) if fetch else None
    pulled = exchange.pull(repository, place, transport, keep=keep, verify_signatures=verify_signatures)
    print_warning(*pulled.warnings)
    print_line(f"{pulled.remote}: {_received(pulled) or ('nothing new' if pulled.has_journal else 'no records')}")
    _print_decisions(journal, before, pulled)
    print_conflicts(journal.conflicts())
    return 0


def sync(remote: _Remote = None, /, *, commits: _Commits = True, config: ConfigFile = None) -> int:
    """Pull and push: afterwards both sides have all records.

    Args:
        remote: Which one to exchange records with, by default where git push would push to.
        commits: Send the experiments' commits too, so that others can check out the code of each trial.
    """
    repository, journal = _open()
    before = journal.tip()
    place = _find(repository, remote, config)
    pushed = exchange.push(repository, place, _transport(repository), with_commits=commits)
    _print_pushed(pushed, with_received=True)
    _print_decisions(journal, before, pushed.pulled)
    print_conflicts(journal.conflicts())
    return ExitStatus.FAILED if pushed.misleading_pins else ExitStatus.DONE


def push_after_trial(repository: Repository, configured: str | None, out: IO[str] | None) -> None:
    """Send what was just recorded, if that can be done without a question and soon; say it otherwise, and no more.

    Args:
        repository: whose records to send.
        configured: the remote that the configuration names.
        out: where to say that it was done; None for nowhere.
    """
    place = without_password(configured or "the remote")
    said = bytearray()
    deadline = time.monotonic() + _AFTER_TRIAL_LIMIT_S
    try:
        remote = find_remote(repository, None, configured)
        place = remote.name
        transport = Transport(repository, said.extend, unattended=True, deadline=deadline)
        pushed = exchange.push(repository, remote, transport)
    except NoRemote:
        print_warning("not pushed: this repository has no remote (git remote add origin URL)")
        return
    except (MitosisError, KeyboardInterrupt) as error:
        print_warning(*_words_of_remote(said))
        if isinstance(error, KeyboardInterrupt):
            reason = "interrupted"
        elif isinstance(error, FetchFailed | PushFailed | UnknownRemote):
            reason = error.reason
        else:
            reason = str(error).split("\n", 1)[0]
        print_warning(f"not pushed to {place}: {reason}; `mitosis push` sends it later")
        return
    _print_warnings(pushed)
    if out is not None:
        print_line(f"pushed to {place}", out)
    print_conflicts(Journal(repository).conflicts())


def _words_of_remote(said: bytearray) -> list[str]:
    """What the remote said for itself, such as why it declines."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines()]
    return [line for line in lines if line.startswith("remote:") and line.removeprefix("remote:").strip()]


def _open() -> tuple[Repository, Journal]:
    repository = find_repository(Path.cwd())
    journal = Journal(repository)
    for end in record_ends(journal):
        print_line(f"the end of trial {end.key} is now recorded: {end.status}")
    return repository, journal


def _find(repository: Repository, word: str | None, config: str | None) -> Remote:
    """The remote; the configuration, which may be wrong, is read only where it decides."""
    if word is not None:
        return find_remote(repository, word)
    return find_remote(repository, None, find_config(repository.root, config, steps_needed=False).remote)


def _transport(repository: Repository) -> Transport:
    def tell(data: bytes) -> None:
        with contextlib.suppress(OSError):  # records are exchanged also when nobody listens any more
            sys.stderr.flush()
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()

    return Transport(repository, tell, show_progress=is_terminal(sys.stderr))


def _split(
    repository: Repository, journal: Journal, words: tuple[str, ...], config: str | None
) -> tuple[Remote, list[str]]:
    """The remote and the full keys that the words of a push name."""
    from mitosis.query.selection import select_all

    remotes = list_remotes(repository)
    first = words[0] if words else None
    if first is not None and (first in remotes or is_place(first)):
        return _find(repository, first, config), select_all(journal, words[1:])
    try:
        keys = select_all(journal, words)
    except TrialNotFound as error:
        if error.key == first:
            raise UnknownRemote(error.key, remotes, or_key=True) from error
        raise
    return _find(repository, None, config), keys


def _print_pushed(pushed: Pushed, *, with_received: bool) -> None:
    _print_warnings(pushed)
    received = _received(pushed.pulled) if with_received or pushed.pulled.received else ""
    sent = f"{pushed.sent if received else counted(pushed.sent, 'trial')} sent" if pushed.sent else ""
    if pushed.is_changed and not pushed.sent:
        sent = "records sent"
    text = ", ".join(part for part in (received, sent) if part)
    print_line(f"{pushed.pulled.remote}: {text or 'nothing new'}")


def _print_warnings(pushed: Pushed) -> None:
    remote = pushed.pulled.remote
    print_warning(*pushed.pulled.warnings, *pushed.warnings)
    for commit in pushed.misleading_pins[:_PINS_SHOWN]:
        print_warning(f"{remote}'s {pin_ref(commit)} points to something else; the experiment's commit was not pushed")
        print_line(f"    {push_pin_command(remote, commit)}", sys.stderr)
    if len(pushed.misleading_pins) > _PINS_SHOWN:
        print_warning(f"... and {len(pushed.misleading_pins) - _PINS_SHOWN} more: mitosis verify --against {remote}")


def _print_decisions(journal: Journal, before: str | None, pulled: Pulled) -> None:
    """Say what others have decided, as the commits of the journal say it that came since, and what is disputed."""
    after = journal.tip()
    if before is None or after is None or before == after:
        return
    lines: list[str] = []
    try:
        lines += read_decisions(journal.repository, before, after)
    except MitosisError as error:
        print_warning(f"what others have decided cannot be told: {str(error).splitlines()[-1].strip()}")
    lines += [line for line in pulled.taken if line not in lines]
    print_lines(f"    {clean(line, _DECISION_WIDTH)}" for line in lines[-_DECISIONS_SHOWN:])
    if len(lines) > _DECISIONS_SHOWN:
        print_line(f"    ... and {len(lines) - _DECISIONS_SHOWN} before these: git log refs/mitosis")
    for what in pulled.unexplained[:_DECISIONS_SHOWN]:
        print_warning(f"kept, though {pulled.remote} has taken it away or changed it without a reason: {clean(what)}")
    if len(pulled.unexplained) > _DECISIONS_SHOWN:
        print_warning(f"kept as well: {len(pulled.unexplained) - _DECISIONS_SHOWN} more, see `mitosis verify`")
    disputes = dict.fromkeys(pulled.disputes)
    for key in itertools.islice(disputes, _DECISIONS_SHOWN):
        authors: dict[str, None] = {}
        with contextlib.suppress(MitosisError):
            authors = dict.fromkeys(end.author for end in journal.read_ends(key) if not end.is_in_place)
        by = f", one of them by {' and '.join(authors)}" if authors else ""
        print_warning(f"trial {key} has several records{by}: mitosis settle {key}")
    if len(disputes) > _DECISIONS_SHOWN:
        print_warning(f"{len(disputes) - _DECISIONS_SHOWN} more trials have several records: mitosis verify")


def _received(pulled: Pulled) -> str:
    parts = []
    if pulled.received:
        parts.append(f"{counted(pulled.received, 'trial')} received")
    if pulled.updated:
        parts.append(f"{counted(pulled.updated, 'trial')} updated")
    if pulled.forgotten:
        parts.append(f"{counted(pulled.forgotten, 'trial')} forgotten elsewhere")
    if pulled.is_changed and not parts:
        parts.append("records received")
    return ", ".join(parts)
