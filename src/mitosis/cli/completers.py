"""What the shell is offered for an argument: names from the table of steps, from source and from the journal.

Somebody has pressed a key and waits, so nothing of the user's is imported, and nothing that takes long to load. What
cannot be read gives no candidates and no message. The shell drops the candidates that do not begin like the word.

Names from a journal may come from anybody. Those with characters that steer a terminal are not offered; the others are
for the shell to quote.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cyclopts.completion._engine import CompletionContext

    from mitosis.cli.completion_names import Names
    from mitosis.config import StepConfig
    from mitosis.git.repository import Repository
    from mitosis.journal.variants import Lookup

Candidates = list[tuple[str, str]]
"""Words, each with a description, which may be empty."""

_MOST_TRIALS = 50
_MOST_BYTES = 2**18
"""Of a module. Whoever waits for the names in it would wait too long for more."""
_MOST_REFS = 500
_DESCRIPTION_LETTERS = 80
_SUMMARIES_S = 0.05
"""So much time of the processor goes into the first lines of docstrings."""


class _Here(NamedTuple):
    """Where the shell is."""

    repository: Repository
    steps: Mapping[str, StepConfig]
    lookup: Lookup
    names: Names


# --- for running ----------------------------------------------------------------------------------


def steps(context: CompletionContext) -> Candidates:
    """Registered steps that are not on the line yet, each with what its function says first.

    As the first word, one that is named like a command would be that command.
    """
    taken = {*_typed(context, "steps")}
    if context.index == 0 and not _follows_run():
        from mitosis.parameters import COMMANDS

        taken |= COMMANDS
    with _here(context) as here:
        return _offered(_with_summaries(here, [name for name in here.steps if name not in taken]))


def _follows_run() -> bool:
    """Whether the command line that is completed begins with `mitosis run`; it stands behind `mitosis __complete`."""
    return sys.argv[2:3] == ["run"]


def lookup_parameters(context: CompletionContext) -> Candidates:
    """`step.param=` of the steps on the line, and after that the parameter's variants."""

    def names(here: _Here, step: str, number: int) -> Iterable[tuple[str, str]]:
        return here.names.lookup_parameters(step).items()

    def variants(here: _Here, step: str, parameter: str) -> Iterable[tuple[str, str]]:
        return here.names.usable_variants(step, parameter).items()

    return _parameters(context, names, variants)


def eval_parameters(context: CompletionContext) -> Candidates:
    """`step.param=` of the steps on the line, for what their functions take."""

    def names(here: _Here, step: str, number: int) -> Iterable[tuple[str, str]]:
        return ((name, "") for name in here.names.eval_parameters(step, gets_data=number > 0))

    return _parameters(context, names, lambda here, step, parameter: ())


def _parameters(
    context: CompletionContext,
    names: Callable[[_Here, str, int], Iterable[tuple[str, str]]],
    values: Callable[[_Here, str, str], Iterable[tuple[str, str]]],
) -> Candidates:
    """`[+]step.param=` and what may follow; without the step where a module is run."""
    plus = "+" if context.incomplete.startswith("+") else ""
    target, equals, _ = context.incomplete.removeprefix("+").partition("=")
    module = next(iter(_typed(context, "module")), None)
    with _here(context, module) as here:
        if equals:
            step, _, parameter = (module, "", target) if module is not None else target.partition(".")
            return _offered((f"{plus}{target}={value}", text) for value, text in values(here, step, parameter))
        given = (*_typed(context, "param"), *_typed(context, "eval_param"))
        taken = {word.removeprefix("+").partition("=")[0] for word in given}
        on_line = _typed(context, "steps")
        found = []
        for number, step in enumerate([module] if module is not None else on_line or here.steps):
            prefix = "" if module is not None else f"{step}."
            # Without steps on the line, each may be the first.
            place = number if on_line else 0
            found += [(f"{prefix}{name}", text) for name, text in names(here, step, place)]
        return _offered((f"{plus}{name}=", text) for name, text in found if name not in taken)


# --- for looking at trials ------------------------------------------------------------------------


def keys(context: CompletionContext) -> Candidates:
    """Keys of the newest trials that are not on the line yet."""
    from mitosis.text import format_moment, format_value

    given = _typed(context, context.argument.field_info.name)
    with _here(context, is_registered=False) as here:
        trials = here.lookup.newest_trials(context.incomplete, _MOST_TRIALS)
    found = []
    for trial in trials:
        main = f"main = {format_value(trial.main)}" if trial.status == "finished" else ""
        facts = (trial.experiment, trial.status, main, format_moment(trial.started, relative=True))
        if trial.key not in given:
            found.append((trial.key, " · ".join(filter(None, facts))))
    return _offered(found)


def experiments(context: CompletionContext) -> Candidates:
    """Names of experiments that have trials."""
    with _here(context, is_registered=False) as here:
        return _offered((name, "") for name in here.lookup.experiments())


# --- for variants ---------------------------------------------------------------------------------


def full_variants(context: CompletionContext) -> Candidates:
    """`step.param=`, and after that its variants, whether they can be used or not."""
    return _full_variants(context, lambda here, step, parameter: here.names.variants(step, parameter))


def usable_variants(context: CompletionContext) -> Candidates:
    """The same of variants that are not retired; with `--undo`, of those that are."""
    if _typed(context, "undo"):
        return _full_variants(
            context, lambda here, step, parameter: dict.fromkeys(sorted(here.lookup.retired(step, parameter)), "")
        )
    return _full_variants(context, lambda here, step, parameter: here.names.usable_variants(step, parameter))


def conflicting_variants(context: CompletionContext) -> Candidates:
    """The same of variants that have several meanings."""

    def conflicts(here: _Here, step: str, parameter: str) -> dict[str, str]:
        found = here.lookup.variants(step, parameter)
        return {name: f"{len(digests)} meanings" for name, digests in found.items() if len(digests) > 1}

    return _full_variants(context, conflicts)


def _full_variants(context: CompletionContext, variants: Callable[[_Here, str, str], dict[str, str]]) -> Candidates:
    step, parameter, _ = _split(context.incomplete)
    with _here(context) as here:
        if "=" in context.incomplete:
            found = variants(here, step, parameter)
            return _offered((f"{step}.{parameter}={name}", text) for name, text in found.items())
        return _offered((f"{name}=", text) for name, text in _full_names(here))


def meanings(context: CompletionContext) -> Candidates:
    """Digests of the meanings of the variant on the line, each with the value."""
    step, parameter, variant = _split(next(iter(_typed(context, "variant")), ""))
    with _here(context, is_registered=False) as here:
        digests = here.lookup.variants(step, parameter).get(variant, ())
        return _offered((digest, here.lookup.summary(step, parameter, variant, digest)) for digest in digests)


def steps_and_parameters(context: CompletionContext) -> Candidates:
    """Steps, and after a dot `step.param`."""
    step, dot, _ = context.incomplete.partition(".")
    with _here(context) as here:
        if dot:
            return _offered((f"{step}.{name}", text) for name, text in here.names.lookup_parameters(step).items())
        return _offered(_with_summaries(here, here.names.steps()))


def parameter_names(context: CompletionContext) -> Candidates:
    """`step.param` of all steps."""
    with _here(context) as here:
        return _offered(_full_names(here))


def variants_of_parameter(context: CompletionContext) -> Candidates:
    """Variants of the parameter that is on the line."""
    word = next(iter((*_typed(context, "target"), *_typed(context, "parameter"))), "")
    step, parameter, _ = _split(word)
    with _here(context) as here:
        return _offered(here.names.variants(step, parameter).items())


# --- for git --------------------------------------------------------------------------------------


def remotes(context: CompletionContext) -> Candidates:
    """Names of git's remotes, with their places."""
    from mitosis.git.program import without_password

    with _here(context, is_registered=False) as here:
        lines = here.repository.git("remote", "-v").splitlines()
    pairs = (line.removesuffix(" (fetch)").split("\t", 1) for line in lines if line.endswith(" (fetch)"))
    return _offered((pair[0], without_password(pair[-1])) for pair in pairs)


def remote_and_keys(context: CompletionContext) -> Candidates:
    """A remote, which comes first, and keys of trials."""
    return [*(remotes(context) if context.index == 0 else []), *keys(context)]


def revisions(context: CompletionContext) -> Candidates:
    """Branches and tags, also after the `..` of a range."""
    first, dots, _ = context.incomplete.rpartition("..")
    with _here(context, is_registered=False) as here:
        form = "--format=%(refname:lstrip=2)%09%(subject)"
        text = here.repository.git("for-each-ref", f"--count={_MOST_REFS}", form, "refs/heads", "refs/tags")
    lines = (line.partition("\t") for line in text.splitlines())
    return _offered((f"{first}{dots}{name}", subject) for name, _, subject in lines)


# --- what they have in common ---------------------------------------------------------------------


@contextlib.contextmanager
def _here(context: CompletionContext, module: str | None = None, *, is_registered: bool = True) -> Iterator[_Here]:
    """Where the shell is.

    Args:
        context: of the completion.
        module: what `-m` runs; it becomes a step of that name.
        is_registered: whether the registered steps are wanted: it takes time to read them.

    Raises:
        MitosisError: it is in no repository. cyclopts gives no candidates then.
    """
    from pathlib import Path

    from mitosis.cli.completion_names import Names
    from mitosis.config import CONFIG_NAME, Config, find_config, module_step
    from mitosis.dictionaries.modules import Modules, reader_of_files
    from mitosis.dictionaries.source import SourceReader
    from mitosis.errors.base import MitosisError
    from mitosis.git.repository import find_repository
    from mitosis.journal.variants import Lookup

    repository = find_repository(Path.cwd())
    root = repository.root
    config = Config(root / CONFIG_NAME, {}, None, (root,))
    if is_registered:
        # Without it, the journal may know all the same.
        with contextlib.suppress(MitosisError):
            config = find_config(root, next(iter(_typed(context, "config")), None), steps_needed=False)
    registered = dict(config.steps)
    if module is not None:
        with contextlib.suppress(MitosisError):
            registered[module] = module_step(module)
    with Lookup(repository) as lookup:
        names = Names(registered, SourceReader(Modules(config, reader_of_files(root, _MOST_BYTES))), lookup)
        yield _Here(repository, registered, lookup, names)


def _with_summaries(here: _Here, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    deadline = time.process_time() + _SUMMARIES_S
    for name in names:
        yield name, here.names.summary(name) if time.process_time() < deadline else ""


def _full_names(here: _Here) -> Iterator[tuple[str, str]]:
    for step in here.names.steps():
        for name, text in here.names.lookup_parameters(step).items():
            yield f"{step}.{name}", text


def _split(word: str) -> tuple[str, str, str]:
    """Step, parameter and variant of what may be the beginning of `step.param=variant`."""
    target, _, variant = word.partition("=")
    step, _, parameter = target.partition(".")
    return step, parameter, variant


def _typed(context: CompletionContext, name: str) -> tuple[str, ...]:
    """What has been typed for a parameter of the command's function; nothing where it has none of that name."""
    for argument in context.arguments:
        if argument.field_info.name == name:
            return tuple(token.value or token.keyword or "" for token in argument.tokens)
    return ()


def _offered(candidates: Iterable[tuple[str, str]]) -> Candidates:
    """The candidates that can be typed, each once, with their descriptions on one line."""
    found: dict[str, str] = {}
    for value, text in candidates:
        if value.isprintable() and value not in found:
            line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
            found[value] = line if len(line) <= _DESCRIPTION_LETTERS else line[: _DESCRIPTION_LETTERS - 1] + "…"
    return list(found.items())
