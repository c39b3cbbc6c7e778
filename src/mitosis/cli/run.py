"""`mitosis STEP...` and `mitosis run STEP...`: run a trial."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from mitosis.cli import completers

if TYPE_CHECKING:
    from mitosis.git.repository import Repository
    from mitosis.runner.request import Outcome


class NothingToRun(Exception):
    """Neither a step nor anything else is given: whoever types that wants to know what there is."""


def run(
    *steps: Annotated[
        str,
        Parameter(
            completer=completers.steps,
            help="Steps to run, in order, as they are registered in [tool.mitosis.steps]. "
            "Each gets the data of the one before it.",
        ),
    ],
    param: Annotated[
        tuple[str, ...],
        Parameter(
            name=["--param", "-p"],
            completer=completers.lookup_parameters,
            negative=(),
            show_default=False,
            help="STEP.PARAM=VARIANT: look the value up by its variant's name. The name is locked to the value from "
            "its first use on. A + before the step records without locking. May be repeated.",
        ),
    ] = (),
    eval_param: Annotated[
        tuple[str, ...],
        Parameter(
            name=["--eval-param", "-e"],
            completer=completers.eval_parameters,
            negative=(),
            show_default=False,
            help="STEP.PARAM=EXPR: a Python expression, quoted for the shell. A + before the step records without "
            "tracking. May be repeated.",
        ),
    ] = (),
    module: Annotated[
        str | None,
        Parameter(
            name=["--module", "-m"],
            help="Run MODULE:run with MODULE:lookup_dict, without registration. Parameters are then written without a "
            "step.",
        ),
    ] = None,
    debug: Annotated[
        bool,
        Parameter(
            name=["--debug", "-d"],
            negative=(),
            show_default=False,
            help="Try things out: nothing is checked, recorded or locked, the page is still made, and the log has "
            "DEBUG records.",
        ),
    ] = False,
    trials_folder: Annotated[
        str | None,
        Parameter(name=["--trials-folder", "-F"], help="Where outputs go, relative to the working directory."),
    ] = None,
    config: Annotated[
        str | None,
        Parameter(help="Configuration file in place of pyproject.toml, relative to the top of the repository."),
    ] = None,
    timeout: Annotated[
        float | None,
        Parameter(
            help="Seconds that the steps may take together. Then they are interrupted, and killed if they do not end "
            "within as long again, or 10 seconds if that is less. The trial is recorded as interrupted.",
        ),
    ] = None,
    output: Annotated[
        Literal["html", "ipynb", "both"],
        Parameter(help="What to write: the page (html), the notebook (ipynb), or both. All else is always written."),
    ] = "both",
    open_page: Annotated[
        bool,
        Parameter(
            name="--open",
            negative=(),
            show_default=False,
            help="Open the page in the browser afterwards, unless the trial was interrupted by hand.",
        ),
    ] = False,
    notify: Annotated[
        bool,
        Parameter(
            negative=(),
            show_default=False,
            help="When it ends, show a desktop notification, or else ring the terminal bell.",
        ),
    ] = False,
    quiet: Annotated[
        bool,
        Parameter(
            name=["--quiet", "-q"],
            negative=(),
            show_default=False,
            help="Print one line at the end, and warnings, but nothing that the experiment prints.",
        ),
    ] = False,
    as_json: Annotated[
        bool,
        Parameter(
            name="--json",
            negative=(),
            show_default=False,
            help="Print how it ended as one JSON object on standard output, and everything else on standard error.",
        ),
    ] = False,
) -> int:
    """Run a trial of the experiment that consists of these steps, and record it."""
    if not steps and module is None and not (param or eval_param or debug or as_json):
        raise NothingToRun
    from mitosis.cli.output import desktop
    from mitosis.cli.output.progress import make_progress
    from mitosis.cli.output.progress_lines import notification
    from mitosis.errors.usage import UsageError
    from mitosis.runner.request import Request
    from mitosis.runner.run import run as run_trial

    request = Request(
        folder=Path.cwd(),
        steps=steps,
        lookups=param,
        evaluated=eval_param,
        module=module,
        debug=debug,
        trials_folder=trials_folder,
        config=config,
        timeout_s=timeout,
        output=output,
    )
    out = sys.stderr if as_json else sys.stdout
    try:
        if open_page and output == "ipynb":
            raise UsageError("--open shows the page, and --output ipynb makes none\nUse only one of the two.")
        with make_progress(out, quiet=quiet) as progress:
            outcome = run_trial(request, progress)
            if not (quiet and as_json):
                progress.finish(outcome)
    except BaseException as error:
        if as_json:  # whatever it is, the reader of standard output gets an object
            from mitosis.cli.output.as_json import print_error

            print_error(error)
        if notify and isinstance(error, Exception):
            desktop.notify("mitosis", str(error).partition("\n")[0])
        raise
    if as_json:
        from mitosis.cli.output.as_json import print_outcome

        print_outcome(outcome)
    if notify:
        desktop.notify(*notification(outcome))
    if open_page and outcome.signal is None:
        _open(outcome)
    if outcome.recorded_in is not None:
        with contextlib.suppress(BrokenPipeError):  # it must not hide how the trial ended
            _share(outcome.recorded_in, outcome, None if quiet else out)
    _let_go(sys.stdout)
    return outcome.exit_status


def _let_go(stream: IO[str]) -> None:
    """Close a stream that takes nothing more: it must not change the exit status of a trial."""
    try:
        stream.flush()
    except OSError:
        with contextlib.suppress(OSError):
            stream.close()


def _open(outcome: Outcome) -> None:
    from mitosis.cli.output.desktop import open_in_browser
    from mitosis.cli.output.table import print_warning

    if outcome.page is not None and not open_in_browser(outcome.page):
        print_warning("there is no browser here to open the page in")


def _share(repository: Repository, outcome: Outcome, out: IO[str] | None) -> None:
    """Push what was recorded if that is wanted, and say what others have recorded."""
    if outcome.is_to_be_pushed:
        from mitosis.cli.sync import push_after_trial

        push_after_trial(repository, outcome.remote, out)
    elif outcome.signal is None:
        from mitosis.cli.output.table import print_unmerged
        from mitosis.journal.journal import Journal

        print_unmerged(Journal(repository))
