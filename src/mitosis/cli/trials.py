"""`mitosis list`, `show`, `open` and `forget`: look at trials, and take one out of sight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mitosis.cli import completers
from mitosis.cli.arguments import Flag
from mitosis.cli.table import print_columns, print_line, print_problems, print_unmerged, print_warning
from mitosis.cli.text import KEY_DIGITS, clean, duration, is_terminal, moment, result
from mitosis.records.fields import TrialRecord

if TYPE_CHECKING:
    from mitosis.errors.journal import BadRecord
    from mitosis.journal.journal import Journal
    from mitosis.records.fields import ParameterRecord
    from mitosis.variants import PresentMeaning, VariantLock

    Meanings = Mapping[VariantLock, PresentMeaning]

_Key = Annotated[str, Parameter(completer=completers.keys)]
_Experiment = Annotated[str | None, Parameter(completer=completers.experiments)]

_PARAMETER_WIDTH = 24
_NOTE_WIDTH = 48
_NAME_WIDTH = 13
_DEFAULT_COUNT = 20


def list_trials(
    *, number: Annotated[int, Parameter(name=["--number", "-n"])] = _DEFAULT_COUNT, experiment: _Experiment = None
) -> int:
    """List trials, newest first.

    Args:
        number: How many at most; 0 for all.
        experiment: Only trials of this experiment: its steps joined by +.
    """
    from mitosis.errors.usage import UsageError

    if number < 0:
        raise UsageError(f"-n {number}: give how many trials to list, or 0 for all")
    problems: list[BadRecord] = []
    journal = _open_journal()
    records = list(journal.iter_trials(limit=number or None, experiment=experiment, problems=problems))
    meanings = journal.present_meanings(parameter for record in records for parameter in record.parameters)
    if records:
        _print_table(records, meanings)
    else:
        what = f" of {experiment}" if experiment is not None else ""
        print_line(f"no trials{what} {'can be read' if problems else 'are recorded'} in this repository")
    print_problems(problems)
    _print_conflicts(meanings)
    print_unmerged(journal)
    return 0


def show(key: _Key) -> int:
    """Show everything that is recorded about a trial.

    Args:
        key: The trial's key, or any unique beginning of it.
    """
    journal = _open_journal()
    record = journal.read_trial(key)
    meanings = journal.present_meanings(record.parameters)
    for line in describe_trial(record, meanings):
        print_line(line)
    _print_conflicts(meanings)
    print_unmerged(journal)
    return 0


def forget(*keys: _Key, outputs: Flag = False) -> int:
    """Take trials out of the listing by a new commit. The history of the journal keeps their records.

    Args:
        keys: The trials' keys, or any unique beginning of each.
        outputs: Delete their pages and folders as well, for good, where they are in this repository.
    """
    from mitosis.errors.journal import NotesNotUpdated
    from mitosis.errors.usage import UsageError
    from mitosis.results import remove_outputs

    if not keys:
        raise UsageError("give the key of a trial: mitosis forget KEY...\n`mitosis list` shows them.")
    journal = _open_journal()
    identity = journal.repository.identity()
    records = {record.key: record for record in map(journal.read_trial, keys)}
    for record in records.values():
        try:
            journal.forget(record.key, identity)
        except NotesNotUpdated as error:
            print_warning(clean(str(error)))
        print_line(
            f"forgot {record.key}, {clean(record.experiment)}; git keeps it: git log --grep {record.key} refs/mitosis"
        )
        if outputs:
            removed = remove_outputs(record, journal.read_trial)
            for path in removed:
                print_line(f"    deleted {clean(str(path))}")
            if not removed:
                place = f"{record.trials_folder} on {record.process.host}"
                print_line(f"    its outputs are not in this repository; they were written to {clean(place)}")
    if _has_remote(journal):
        print_line("Let others know: mitosis push")
    return 0


def _has_remote(journal: Journal) -> bool:
    from mitosis.sync.remotes import list_remotes

    return bool(list_remotes(journal.repository))


def open_page(key: _Key) -> int:
    """Open a trial's page in the browser, or print its path where there is no browser.

    Of a trial that was run for its notebook alone, the notebook's path is printed.

    Args:
        key: The trial's key, or any unique beginning of it.
    """
    from mitosis.cli.desktop import open_in_browser
    from mitosis.errors.journal import TrialNotFound
    from mitosis.results import find_notebook, find_page

    journal = _open_journal()
    record = journal.read_trial(key)
    page = find_page(record)
    notebook = find_notebook(record) if record.page is None else None
    if notebook is not None:
        print_warning(f"trial {record.key} has no page; this is its notebook")
        print_line(str(notebook))
        return 0
    if page is None:
        where = f"{record.trials_folder}/{record.page}" if record.page else "nowhere: it has no page"
        raise TrialNotFound(
            key,
            f"the page of trial {record.key} is not here\n    it was written on {record.process.host}, to {where}",
        )
    if not (is_terminal() and open_in_browser(page)):
        print_line(str(page))
    return 0


def _open_journal() -> Journal:
    from mitosis.git.repository import find_repository
    from mitosis.journal.journal import Journal

    return Journal(find_repository(Path.cwd()))


# --- the table ------------------------------------------------------------------------------------


def _print_table(records: Sequence[TrialRecord], meanings: Meanings) -> None:
    """Trials as rows. What is the same in all of them is said once above. Files get the status as a word."""
    relative = is_terminal()
    steps_of: dict[str, set[str]] = {}
    for record in records:
        for parameter in record.parameters:
            steps_of.setdefault(parameter.name, set()).add(parameter.step)
    ambiguous = frozenset(name for name, steps in steps_of.items() if len(steps) > 1)
    rows = [_row(record, ambiguous, meanings, relative=relative) for record in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    common = {}
    if len(rows) > 1:
        for name in names:
            values = {row.get(name, "") for row in rows}
            if len(values) == 1 and name not in ("", "key", "status", "when", "took", "note", "main"):
                common[name] = values.pop()
    if common:
        print_line("all: " + " · ".join(f"{name} {value}" for name, value in common.items()))
    first = ("", "key", "experiment") if relative else ("", "key", "status", "experiment")
    last = ("main", "when", "took", "note")
    parameters = [name for name in names if name not in first and name not in last]
    columns = [name for name in (*first, *parameters, *last) if name in names and name not in common]
    if not any(row.get("note") for row in rows):
        columns.remove("note")
    left_out = print_columns(columns, rows, optional=parameters)
    if left_out:
        print_line(f"No room for {', '.join(left_out)}: see `mitosis show KEY`, or make the window wider.")


def _row(record: TrialRecord, ambiguous: frozenset[str], meanings: Meanings, *, relative: bool) -> dict[str, str]:
    """The cells of a trial. Parameters in `ambiguous` belong to several steps, and are named with theirs."""
    state, note = _state(record)
    mark = {"finished": " ", "failed": "✗", "interrupted": "✗", "running": "…", "lost": "?"}[state]
    row = {"": mark, "key": record.key[:KEY_DIGITS], "experiment": clean(record.experiment)}
    if not relative:
        row["status"] = state
    for parameter in record.parameters:
        name = parameter.full_name if parameter.name in ambiguous else parameter.name
        mark = "" if parameter.tracked else "+"
        meaning = _present_meaning(parameter, meanings)
        # The name alone would say what it means now, or nothing while it means several things.
        is_plain = meaning is None or (meaning.is_locked and meaning.meanings == 1)
        then = "" if is_plain else f" ({parameter.summary})"
        shown = _cut(mark + clean(parameter.text + then), _PARAMETER_WIDTH)
        if meaning is not None and meaning.new_names:
            shown += f" (now {_cut(clean(' or '.join(meaning.new_names)), _PARAMETER_WIDTH)})"
        row[clean(name)] = shown
    row["main"] = result(record.main) if state == "finished" else "–" if state in ("failed", "interrupted") else state
    row["when"] = moment(record.started, relative=relative)
    row["took"] = duration(record.duration_s) if record.duration_s is not None else ""
    row["note"] = _cut(clean(note), _NOTE_WIDTH) if relative else clean(note)
    return row


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _state(record: TrialRecord) -> tuple[str, str]:
    """The status, `lost` where the process of a running trial is gone, and a note about it."""
    if record.status == "running":
        from mitosis.process import is_alive

        where = f"step {(record.step or 0) + 1} of {len(record.steps)}" if len(record.steps) > 1 else ""
        alive = is_alive(record.process)
        if alive is False:
            return "lost", f"its process on {record.process.host} is gone"
        if alive is None:
            return "running", ", ".join(filter(None, [f"on {record.process.host}", where]))
        return "running", where
    failure = record.failure
    if failure is None:
        return record.status, f"{len(record.warnings)} warnings" if len(record.warnings) > 1 else "".join(
            record.warnings
        )
    return record.status, failure.summary + (f" ({failure.step})" if failure.step else "")


# --- one trial ------------------------------------------------------------------------------------


def describe_trial(record: TrialRecord, meanings: Meanings) -> list[str]:
    """Everything recorded about a trial, a fact a line."""
    relative = is_terminal()
    state, note = _state(record)
    lines = [
        f"{record.key}  {clean(record.experiment)}  {state}"
        + (f": {clean(note.removeprefix('interrupted '))}" if note and state != "finished" else "")
    ]

    def add(name: str, value: object, width: int = _NAME_WIDTH) -> None:
        if value not in (None, "", ()):
            lines.append(f"  {name:<{width}} {clean(str(value))}")

    if record.status == "finished":
        add("main", record.main if not isinstance(record.main, float) else repr(record.main))
    if record.failure is not None and record.failure.location is not None:
        add("failed at", record.failure.location)
    add(
        "started",
        moment(record.started, relative=False) + (f" ({moment(record.started, relative=True)})" if relative else ""),
    )
    if record.ended is not None:
        add("ended", moment(record.ended, relative=False))
    add("took", duration(record.duration_s) if record.duration_s is not None else None)
    add("cpu", duration(record.cpu_s) if record.cpu_s is not None else None)
    if record.peak_memory_bytes is not None:
        add("peak memory", f"{record.peak_memory_bytes / 1e6:.0f} MB")
    add("iteration", record.iteration)
    add("author", record.author)
    add("commit", f'{record.commit} "{record.subject}"')
    add("branch", record.branch)
    lines += _describe_parameters(record, meanings)
    lines += _describe_steps(record)
    for warning in record.warnings:
        add("warning", warning)
    lines.append("environment")
    width = max([_NAME_WIDTH, *map(len, record.variables)])
    add("interpreter", record.interpreter, width)
    add("platform", record.platform, width)
    add("host", f"{record.process.host}, {record.cpu_count} CPUs", width)
    add("command", " ".join(record.command), width)
    for name, value in record.variables.items():
        add(name, value, width)
    add("untracked", f"{record.untracked_files} files in the working tree" if record.untracked_files else None, width)
    add("packages", f"git cat-file -p refs/mitosis/journal:environments/{record.environment}.txt", width)
    lines += _describe_outputs(record)
    return lines


def _describe_parameters(record: TrialRecord, meanings: Meanings) -> list[str]:
    if not record.parameters:
        return []
    lines = ["parameters"]
    width = max(len(parameter.full_name) for parameter in record.parameters)
    for parameter in record.parameters:
        value = f"{parameter.text} = {parameter.summary}" if parameter.kind == "lookup" else parameter.text
        if parameter.kind == "eval" and parameter.summary not in ("", parameter.text):
            value += f" = {parameter.summary}"
        remark = "" if parameter.tracked else "  (not tracked)"
        meaning = _present_meaning(parameter, meanings)
        if meaning is not None and not meaning.is_locked:
            names = " or ".join(f"`{clean(name)}`" for name in meaning.other_names)
            now = "is not locked any more" if not meaning.meanings else "means another value now"
            remark = f"  (`{clean(parameter.text)}` {now}{f'; this one is {names}' if names else ''})"
        elif meaning is not None and meaning.new_names:
            remark = f"  (called {' or '.join(f'`{clean(name)}`' for name in meaning.new_names)} now)"
        if meaning is not None and meaning.is_retired:
            reasons = "; ".join(filter(None, map(clean, meaning.reasons)))
            remark += f"  (`{clean(parameter.text)}` is retired{f': {reasons}' if reasons else ''})"
        lines.append(f"  {clean(parameter.full_name):<{width}}  {clean(value)}{remark}")
    return lines


def _present_meaning(parameter: ParameterRecord, meanings: Meanings) -> PresentMeaning | None:
    from mitosis.journal.locks import used_lock

    use = used_lock(parameter)
    return None if use is None else meanings.get(use)


def _print_conflicts(meanings: Meanings) -> None:
    """Say, on standard error, which names that were shown have several meanings."""
    names = {str(u.name): m.meanings for u, m in meanings.items() if m.meanings > 1}
    for name, count in names.items():
        print_warning(f"{clean(name)} has {count} recorded meanings, so it cannot be run: see `mitosis variants`")


def _describe_steps(record: TrialRecord) -> list[str]:
    lines = ["steps"]
    for step in record.steps:
        took = f"  {duration(step.duration_s)}" if step.duration_s is not None else "  did not run"
        source = f"  ({step.source})" if step.source else ""
        lines.append(clean(f"  {step.name}  {step.action}{source}{took}"))
        has_failed = record.failure is not None and record.failure.step == step.name
        if step.duration_s is not None and record.status != "running" and not has_failed:
            lines.append(f"    main = {clean(repr(step.main) if isinstance(step.main, float) else str(step.main))}")
        lines += [
            f"    {clean(name)} = {clean(repr(value) if isinstance(value, float) else str(value))}"
            for name, value in step.metrics.items()
        ]
    return lines


def _describe_outputs(record: TrialRecord) -> list[str]:
    if not record.outputs:
        return []
    lines = [f"outputs in {clean(record.trials_folder)} on {clean(record.process.host)}"]
    width = max(len(f"{output.size_bytes:,}") for output in record.outputs)
    lines += [f"  {output.size_bytes:>{width},}  {output.oid[:12]}  {clean(output.path)}" for output in record.outputs]
    return lines
