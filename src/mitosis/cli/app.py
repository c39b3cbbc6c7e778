"""The commands of the command line. The module of each is imported when it is called."""

from __future__ import annotations

import shlex

from cyclopts import App, CycloptsError, Group, MissingArgumentError, Parameter

from mitosis import __version__
from mitosis.cli.configuration import with_config_in_place
from mitosis.cli.run import NothingToRun, run
from mitosis.errors.base import ExitStatus, nearest
from mitosis.errors.usage import UnknownStep, UsageError

_USAGE = """\
Usage: mitosis STEP... [-p STEP.PARAM=VARIANT]... [-e STEP.PARAM=EXPR]...
       mitosis COMMAND ..."""


def _shown_default(value: object) -> str | None:
    """What the help says of a default: nothing where it only says that an option may be left out."""
    return None if value in (None, False, (), "") else str(value)


app = App(
    name="mitosis",
    help="Run experiments, and record in git which code and parameters gave which result.",
    version=f"mitosis {__version__}",
    help_format="plaintext",
    usage=_USAGE,
    suppress_keyboard_interrupt=False,  # it would end without a word
    # A flag is said or left out, with no word for the opposite unless it names one.
    default_parameter=Parameter(negative=(), show_default=_shown_default),
)
_RUNNING = Group("Running", sort_key=1)
_READING = Group("Looking at trials", sort_key=2)
_SHARING = Group("Sharing", sort_key=3)
_SETTING_UP = Group("Setting up", sort_key=4)
_ABOUT = Group("About", sort_key=9)
app["--help"].group = _ABOUT
app["--version"].group = _ABOUT

# The list of commands has the first line alone.
_CHECK = """\
Compare lookup dictionaries with the locks: staged, a commit, a range.

The exit status is 1 if a trial with some variant would be refused, and 3 if a dictionary could not be checked."""
_LOCK = """\
Lock all variants of the lookup dictionaries, without a trial.

All are locked as they are committed or, if one of them is already locked to another value, none.

The exit status is 1 if they contain something that can never be locked; it is named."""

app.default(run)
app.command(run, name="run", help="Run a trial: for steps that share a command's name.", group=_RUNNING)
for _name, _function, _group, _help in (
    ("list", "listing:list_trials", _READING, "List trials, newest first."),
    ("fields", "listing:list_fields", _READING, "List what trials can be asked for."),
    ("sql", "listing:sql", _READING, "Ask the index of the journal in SQL."),
    ("log", "log:log", _READING, "Show the history of the code with the trials that ran on each commit."),
    ("show", "trials:show", _READING, "Show everything that is recorded about a trial."),
    ("open", "trials:open_page", _READING, "Open a trial's page in the browser."),
    ("compare", "compare:compare", _READING, "Say what differs between two or more trials."),
    ("variants", "variants:app", _READING, "List variants, what they mean, and whether that has changed."),
    ("lock", "lock:lock", _RUNNING, _LOCK),
    ("check", "check:check", _READING, _CHECK),
    ("tag", "annotations:tag", _READING, "Tag trials, for everybody who shares the repository."),
    ("untag", "annotations:untag", _READING, "Take a tag from trials."),
    ("note", "annotations:note", _READING, "Write a note on a trial, for everybody who shares the repository."),
    ("forget", "trials:forget", _READING, "Remove trials from the listing; git keeps their records."),
    ("settle", "trials:settle", _READING, "Choose one of several records of a trial."),
    ("verify", "verify:verify", _READING, "Check that everything recorded is there, can be read, and agrees."),
    ("push", "sync:push", _SHARING, "Send records to a remote."),
    ("pull", "sync:pull", _SHARING, "Fetch the records of a remote, and merge them into the local ones."),
    ("sync", "sync:sync", _SHARING, "Pull and push."),
    ("init", "project:init", _SETTING_UP, "Add an empty table of steps to pyproject.toml."),
    ("setup", "project:setup", _SETTING_UP, "Have plain git show records and locks as text."),
    ("completion", "completion:completion", _SETTING_UP, "Have bash, zsh or fish complete steps, variants and keys."),
    ("hook", "hook:app", _SETTING_UP, "Warn before a commit that changes what a locked variant means."),
    ("demo", "project:demo", _SETTING_UP, "Write a small experiment as a new repository, and run a trial."),
):
    app.command(f"mitosis.cli.{_function}", name=_name, help=_help, group=_group)


def call(words: list[str]) -> int:
    """Parse a command line and call its command.

    Returns:
        The command's exit status.

    Raises:
        UsageError: the words make no command, or name no step but perhaps a command.
    """
    words = with_config_in_place(app, words)
    try:
        status = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except NothingToRun:
        app.help_print()
        return ExitStatus.REFUSED
    except CycloptsError as error:
        usage = UsageError(f"{_missing(error, words) or error}\nSee {_helpful(words)} --help.")
        if "--json" in words and (words[0] == "run" or words[0] not in app):
            from mitosis.cli.output.as_json import print_error

            print_error(usage)
        raise usage from error
    except UnknownStep as error:
        # After a command, such as `lock`, the word can mean nothing but a step.
        commands = [name for name in app if not name.startswith("-")] if words[0] not in app else []
        near = nearest(error.name, commands)
        hint = f"\nOr did you mean the command `mitosis {near[0]}`?" if near else ""
        raise UsageError(f"{error}{hint}") from error
    return status if isinstance(status, int) else 0


def _missing(error: CycloptsError, words: list[str]) -> str:
    """What is to be said of a word that has to be given and was not; empty if something else is wrong."""
    argument = error.argument if isinstance(error, MissingArgumentError) else None
    if argument is None or any(word.partition("=")[0] in argument.names for word in words):
        return ""
    option = f'{argument.name} "..."' if argument.name.startswith("-") else argument.name
    return f"{argument.name} is required: {shlex.join(['mitosis', *words])} {option}"


def _helpful(words: list[str]) -> str:
    """The command whose help is about these words."""
    command, found = app, ["mitosis"]
    for word in words:
        if word.startswith("-") or word not in command:
            break
        command = command[word]
        found.append(word)
    return " ".join(found)
