"""The command `mitosis`: hand the words to the command line, and turn every ending into an exit status."""

from __future__ import annotations

import gc
import os
import re
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from mitosis.errors import MitosisError

EXIT_BUG = 3
EXIT_INTERRUPTED = 130


_COLLECT_EVERY = 50_000
"""So many new objects, and Python looks for garbage: importing makes a hundred thousand that stay."""


def main() -> None:
    """Entry point of the installed command."""
    gc.set_threshold(_COLLECT_EVERY)
    status = run_command(sys.argv[1:])
    gc.freeze()  # or Python would look at every object several times before it ends
    sys.exit(status)


def run_command(words: list[str]) -> int:
    """Run one command line.

    Args:
        words: what stands after `mitosis`.

    Returns:
        The exit status: 0 done, 1 the experiment failed or a check found something, 2 refused, 3 an error of mitosis
        itself, 128 + n ended by signal n.
    """
    if words == ["--version"]:
        from mitosis import __version__

        sys.stdout.write(f"mitosis {__version__}\n")
        return 0
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    from mitosis.errors import MitosisError

    try:
        if words[:1] == ["textconv"]:
            from mitosis.cli.textconv import textconv

            return textconv(words[1:])
        if words[:1] == ["__complete"]:  # the shell asks, somebody waits, and it is over before there is garbage
            import gc

            gc.disable()
        from mitosis.cli import call

        status = call(words)
    except MitosisError as error:
        sys.stderr.write(f"mitosis: {_for_stream(error, sys.stderr)}\n")
        return error.exit_status
    except KeyboardInterrupt:
        sys.stderr.write("mitosis: interrupted\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        status = 0  # whoever reads our output has enough
    except Exception:
        import traceback

        traceback.print_exc()
        sys.stderr.write("mitosis: this is an error in mitosis itself, not in your experiment. Please report it.\n")
        return EXIT_BUG
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = None  # or Python complains once more when it closes the stream
    return status


_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


def _for_stream(error: MitosisError, stream: TextIO) -> str:
    """The text of an error as a terminal or a file may have it.

    Tracebacks of experiments keep their colours on a terminal. Whatever else steers a terminal is escaped, since a
    message may repeat what somebody else has recorded.
    """
    from mitosis.errors import ExperimentError

    keeps_colours = isinstance(error, ExperimentError) and stream.isatty() and not os.environ.get("NO_COLOR")
    is_coloured = isinstance(error, ExperimentError)
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
