"""The command `mitosis`: hand the words to the command line, and turn every ending into an exit status."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import re
import signal
import sys
from typing import TextIO

from mitosis.errors.base import ExitStatus, MitosisError, of_signal

_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)
"""What writing to a file or a terminal ends with that takes nothing more."""

_COLLECT_EVERY = 50_000
"""After this many new objects Python looks for garbage: importing makes a hundred thousand that stay."""


def main() -> None:
    """Entry point of the installed command."""
    gc.set_threshold(_COLLECT_EVERY)
    _open_standard_streams()
    status = _with_output(run_command(sys.argv[1:]))
    _drop_broken_output()
    gc.freeze()  # or Python would look at every object several times before it ends
    sys.exit(status)


def _open_standard_streams() -> None:
    """Have the null device in place of a standard stream that is closed, as services and some schedulers leave them.

    The next file that is opened would get its number, and what is written to it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # It gets the lowest number that is free, which is this one. Programs that are started have it, too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            # It stays open for as long as the process is there.
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


def _with_output(status: int) -> int:
    """The exit status once standard output is written: what was asked for is not done if that fails."""
    if status or sys.stdout.closed:  # a trial has let go of it: what came of it is in git
        return status
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # whoever reads our output has enough
    except OSError as error:
        return _complain_of_output(error)
    return status


def _complain_of_output(error: OSError) -> int:
    _complain(f"mitosis: the output cannot be written: {error.strerror}\n")
    return ExitStatus.REFUSED


def _drop_broken_output() -> None:
    """Keep Python from complaining when it closes streams that nobody can have."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (OSError, ValueError):
            setattr(sys, name, None)


def _complain(text: str) -> None:
    """Write to standard error, if anybody can still have it: the exit status is to be right in any case."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def run_command(words: list[str]) -> int:
    """Run one command line.

    Args:
        words: what stands after `mitosis`.

    Returns:
        The exit status, as `ExitStatus` has it.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        if words == ["--version"]:
            from mitosis import __version__

            sys.stdout.write(f"mitosis {__version__}\n")
            return ExitStatus.DONE
        if words[:1] == ["textconv"]:
            from mitosis.cli.textconv import textconv

            return textconv(words[1:])
        if words[:1] == ["__complete"]:  # the shell asks, somebody waits, and it is over before there is garbage
            gc.disable()
            # In a partial clone git would fetch what is missing, by a program that the clone's configuration may name.
            # Older versions know only the second.
            os.environ.update(GIT_NO_LAZY_FETCH="1", GIT_ALLOW_PROTOCOL="none")
        from mitosis.cli.app import call

        status = call(words)
    except MitosisError as error:
        _complain(f"mitosis: {_for_stream(error, sys.stderr)}\n")
        return error.exit_status
    except KeyboardInterrupt:
        _complain("mitosis: interrupted\n")
        return of_signal(signal.SIGINT)
    except BrokenPipeError:
        status = 0  # whoever reads our output has enough
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
            return _complain_of_output(error)
        import traceback

        _complain(traceback.format_exc())
        _complain("mitosis: this is an error in mitosis itself, not in your experiment. Please report it.\n")
        return ExitStatus.BUG
    return status


_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


def _for_stream(error: MitosisError, stream: TextIO) -> str:
    """The text of an error as a terminal or a file may have it.

    Tracebacks of experiments keep their colours on a terminal. Whatever else steers a terminal is escaped, since a
    message may repeat what somebody else has recorded.
    """
    from mitosis.cli.output.streams import has_colour
    from mitosis.errors.experiment import ExperimentError

    is_coloured = isinstance(error, ExperimentError)
    keeps_colours = is_coloured and has_colour(stream)
    parts = _COLOUR.split(str(error)) if is_coloured else [str(error)]
    shown = []
    for number, part in enumerate(parts):
        if number % 2:
            shown.append(part if keeps_colours else "")
        else:
            shown.append("".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in part))
    return "".join(shown)


if __name__ == "__main__":
    main()
