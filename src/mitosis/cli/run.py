"""`mitosis STEP...` and `mitosis run STEP...`: run a trial."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from mitosis.cli import completers
from mitosis.cli.configuration import ConfigFile
from mitosis.errors.usage import UsageError

if TYPE_CHECKING:
    from mitosis.git.repository import Repository
    from mitosis.runner.request import Outcome


class NothingToRun(Exception):
    """Neither a step nor anything else is given: whoever types that wants to know what there is."""


def run(
    *steps: Annotated[str, Parameter(completer=completers.steps)],
    param: Annotated[tuple[str, ...], Parameter(alias="-p", completer=completers.lookup_parameters)] = (),
    eval_param: Annotated[tuple[str, ...], Parameter(alias="-e", completer=completers.eval_parameters)] = (),
    module: Annotated[str | None, Parameter(alias="-m")] = None,
    debug: Annotated[bool, Parameter(alias="-d")] = False,
    trials_folder: Annotated[str | None, Parameter(alias="-F")] = None,
    config: ConfigFile = None,
    timeout: float | None = None,
    output: Literal["html", "ipynb", "both"] = "both",
    open_page: Annotated[bool, Parameter(name="--open")] = False,
    notify: bool = False,
    quiet: Annotated[bool, Parameter(alias="-q")] = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Run a trial of the experiment that consists of these steps, and record it.

    Args:
        steps: Steps to run, in order, registered in [tool.mitosis.steps]. Each gets the data of the one before it.
        param: STEP.PARAM=VARIANT: look the value up by its variant's name. May be repeated.
            The name is locked to the value from its first use on. A + before the step records without locking.
        eval_param: STEP.PARAM=EXPR: a Python expression, quoted for the shell. May be repeated.
            A + before the step records without tracking. STEP.PARAM=env:NAME passes a secret: the value of an
            environment variable, of which only the name is recorded.
        module: Run MODULE:run with MODULE:lookup_dict, without registration.
            Parameters are then written without a step.
        debug: Try things out: nothing is checked, recorded or locked.
            The page is still made, and the log has DEBUG records.
        trials_folder: Where outputs go, relative to the working directory.
        timeout: Seconds that the steps may take together. Then the trial is interrupted, and recorded as that.
            The steps are killed if they do not end within as long again, or 10 seconds if that is less.
        output: What to write: the page (html), the notebook (ipynb), or both. All else is always written.
        open_page: Open the page in the browser afterwards, unless the trial was interrupted by hand.
        notify: When it ends, show a desktop notification, or else ring the terminal bell.
        quiet: Print one line at the end, and warnings, but nothing that the experiment prints.
        as_json: Print how it ended as one JSON object on standard output, and everything else on standard error.
    """
    if not steps and module is None and not (param or eval_param or debug or as_json):
        raise NothingToRun
    from mitosis.cli.output import desktop
    from mitosis.cli.output.progress import notification
    from mitosis.cli.output.progress_live import make_progress
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
    if open_page and outcome.signal is None and outcome.page is not None:
        desktop.show_page(outcome.page)
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


def _share(repository: Repository, outcome: Outcome, out: IO[str] | None) -> None:
    """Push what was recorded if that is wanted, and say what others have recorded."""
    if outcome.is_to_be_pushed:
        from mitosis.cli.sync import push_after_trial

        push_after_trial(repository, outcome.remote, out)
    elif outcome.signal is None:
        from mitosis.cli.output.table import print_unmerged
        from mitosis.journal.journal import Journal

        print_unmerged(Journal(repository))
