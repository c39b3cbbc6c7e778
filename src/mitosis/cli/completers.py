"""What the shell is offered for an argument: names from the table of steps, from source and from the journal.

Somebody has pressed a key and waits, so nothing of the user's is imported, and nothing that takes long to load. What
cannot be read gives no candidates and no message. The shell drops the candidates that do not begin like the word.

Names from a journal may come from anybody. Those with characters that steer a terminal are not offered; the others are
for the shell to quote.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mitosis.errors.base import MitosisError

if TYPE_CHECKING:
    from cyclopts.completion._engine import CompletionContext

    from mitosis.config import Config, StepConfig
    from mitosis.dictionaries.source import Signature, SourceReader
    from mitosis.git.repository import Repository
    from mitosis.journal.lookup import Lookup

_MOST_TRIALS = 50
_MOST_BYTES = 2**18
"""Of a module. Whoever waits for the names in it would wait too long for more."""
_MOST_REFS = 500
_MOST_SUMMARIES = 100
"""This many values of locked variants are read for what they mean."""
_SHOWN_VARIANTS = 8
_DESCRIPTION_LETTERS = 80
_SUMMARIES_S = 0.05
"""So much time of the processor goes into the first lines of docstrings."""

_Found = Iterable[tuple[str, str]]
"""Words, each with a description, which may be empty."""


class _Names:
    """What can be named where the shell is. Each question is answered with what can be read, and nothing else.

    Args:
        context: of the completion: `--config` and `-m` on the line count.
        repository: that the shell is in.
        lookup: looks into its journal.
    """

    def __init__(self, context: CompletionContext, repository: Repository, lookup: Lookup) -> None:
        self._context = context
        self.repository = repository
        self.lookup = lookup

    @functools.cached_property
    def _config(self) -> Config:
        from mitosis.config import CONFIG_NAME, Config, find_config

        root = self.repository.root
        # Without it, the journal may know all the same.
        with contextlib.suppress(MitosisError):
            return find_config(root, next(iter(_typed(self._context, "config")), None), steps_needed=False)
        return Config(root / CONFIG_NAME, {}, None, (root,))

    @functools.cached_property
    def registered(self) -> Mapping[str, StepConfig]:
        """The registered steps by name; the module that `-m` runs is one of that name."""
        from mitosis.config import module_step

        found = dict(self._config.steps)
        for module in _typed(self._context, "module"):
            with contextlib.suppress(MitosisError):
                found[module] = module_step(module)
        return found

    @functools.cached_property
    def _source(self) -> SourceReader:
        from mitosis.dictionaries.modules import Modules, reader_of_files
        from mitosis.dictionaries.source import SourceReader

        return SourceReader(Modules(self._config, reader_of_files(self.repository.root, _MOST_BYTES)))

    def steps(self) -> list[str]:
        """Those that are registered, and then others that have locked variants."""
        return list(dict.fromkeys([*self.registered, *self.lookup.steps()]))

    def with_summaries(self, steps: Iterable[str]) -> Iterator[tuple[str, str]]:
        """The steps, each with the first line of its function's docstring."""
        deadline = time.process_time() + _SUMMARIES_S
        for step in steps:
            found = self._signature(step) if time.process_time() < deadline else None
            yield step, "" if found is None else found.summary

    def all_parameters(self) -> Iterator[tuple[str, str]]:
        """`step.param` of all steps, each with the names of some variants."""
        for step in self.steps():
            for name, text in self.lookup_parameters(step).items():
                yield f"{step}.{name}", text

    def lookup_parameters(self, step: str) -> dict[str, str]:
        """The parameters of a step that have variants, each with the names of some."""
        found = {}
        for name, variants in self._dictionary(step).items():
            more = ["..."] if len(variants) > _SHOWN_VARIANTS else []
            found[name] = ", ".join([*list(variants)[:_SHOWN_VARIANTS], *more])
        return found | {name: "" for name in self.lookup.parameters(step) if name not in found}

    def eval_parameters(self, step: str, *, gets_data: bool) -> dict[str, str]:
        """The parameters of a step's function that can be given by name.

        Args:
            step: its name.
            gets_data: whether there is a step before it, whose data is its first argument.
        """
        found = self._signature(step)
        if found is None:
            return {}
        return {name: "" for name in found.parameters if not (gets_data and name == found.data)}

    def variants(self, step: str, parameter: str) -> dict[str, str]:
        """The variants of a parameter in the dictionary, and then others that are locked, each with its value."""
        found = dict(self._dictionary(step).get(parameter, {}))
        for name, digests in self.lookup.variants(step, parameter).items():
            if len(digests) > 1:
                found[name] = f"{len(digests)} meanings: see `mitosis variants`"
            elif name not in found:
                is_told = len(found) < _MOST_SUMMARIES
                found[name] = self.lookup.summary(step, parameter, name, digests[0]) if is_told else ""
        return found

    def usable_variants(self, step: str, parameter: str) -> dict[str, str]:
        """The same without those that are retired."""
        retired = self.lookup.retired(step, parameter)
        return {name: value for name, value in self.variants(step, parameter).items() if name not in retired}

    def _dictionary(self, step: str) -> dict[str, dict[str, str]]:
        registered = self.registered.get(step)
        return {} if registered is None or registered.lookup is None else self._source.variants(registered.lookup)

    def _signature(self, step: str) -> Signature | None:
        registered = self.registered.get(step)
        return None if registered is None else self._source.signature(registered.action)


def _completer(
    find: Callable[[CompletionContext, _Names], _Found],
) -> Callable[[CompletionContext], list[tuple[str, str]]]:
    """A completer of cyclopts that offers what is found and can be typed, each once, described on one line.

    In no repository it raises a MitosisError, and cyclopts gives no candidates.
    """

    def complete(context: CompletionContext) -> list[tuple[str, str]]:
        from mitosis.git.repository import find_repository
        from mitosis.journal.lookup import Lookup
        from mitosis.text import cut

        repository = find_repository(Path.cwd())
        offered: dict[str, str] = {}
        with Lookup(repository) as lookup:
            for value, text in find(context, _Names(context, repository, lookup)):
                if value.isprintable() and value not in offered:
                    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
                    offered[value] = cut(line, _DESCRIPTION_LETTERS)
        return list(offered.items())

    return complete


def _typed(context: CompletionContext, name: str) -> tuple[str, ...]:
    """What has been typed for a parameter of the command's function; nothing where it has none of that name."""
    for argument in context.arguments:
        if argument.field_info.name == name:
            return tuple(token.value or token.keyword or "" for token in argument.tokens)
    return ()


def _split(word: str) -> tuple[str, str, str]:
    """Step, parameter and variant of what may be the beginning of `step.param=variant`."""
    target, _, variant = word.partition("=")
    step, _, parameter = target.partition(".")
    return step, parameter, variant


# --- for running ----------------------------------------------------------------------------------


@_completer
def steps(context: CompletionContext, names: _Names) -> _Found:
    """Registered steps that are not on the line yet, each with what its function says first."""
    taken = {*_typed(context, "steps"), *_typed(context, "module")}
    # As the first word, one that is named like a command would be that command, unless `mitosis run` comes before it.
    if context.index == 0 and sys.argv[2:3] != ["run"]:
        from mitosis.parameters import COMMANDS

        taken |= COMMANDS
    return names.with_summaries(name for name in names.registered if name not in taken)


@_completer
def lookup_parameters(context: CompletionContext, names: _Names) -> _Found:
    """`step.param=` of the steps on the line, and after that the parameter's variants."""
    return _parameters(context, names, lambda step, _: names.lookup_parameters(step), names.usable_variants)


@_completer
def eval_parameters(context: CompletionContext, names: _Names) -> _Found:
    """`step.param=` of the steps on the line, for what their functions take."""

    def parameters(step: str, gets_data: bool) -> dict[str, str]:
        return names.eval_parameters(step, gets_data=gets_data)

    return _parameters(context, names, parameters, lambda step, parameter: {})


def _parameters(
    context: CompletionContext,
    names: _Names,
    parameters: Callable[[str, bool], dict[str, str]],
    values: Callable[[str, str], dict[str, str]],
) -> Iterator[tuple[str, str]]:
    """`[+]step.param=` and what may follow; without the step where a module is run."""
    plus = "+" if context.incomplete.startswith("+") else ""
    target, equals, _ = context.incomplete.removeprefix("+").partition("=")
    module = next(iter(_typed(context, "module")), None)
    if equals:
        step, parameter = _split(target)[:2] if module is None else (module, target)
        for value, text in values(step, parameter).items():
            yield f"{plus}{target}={value}", text
        return
    given = (*_typed(context, "param"), *_typed(context, "eval_param"))
    taken = {word.removeprefix("+").partition("=")[0] for word in given}
    on_line = _typed(context, "steps") if module is None else (module,)
    for number, step in enumerate(on_line or names.registered):
        prefix = f"{step}." if module is None else ""
        # Without steps on the line, each may be the first.
        for name, text in parameters(step, number > 0 and bool(on_line)).items():
            if f"{prefix}{name}" not in taken:
                yield f"{plus}{prefix}{name}=", text


# --- for looking at trials ------------------------------------------------------------------------


@_completer
def keys(context: CompletionContext, names: _Names) -> _Found:
    """Keys of the newest trials that are not on the line yet, and the other words for trials."""
    from mitosis.text import counted, format_moment

    given = _typed(context, context.argument.field_info.name)
    for trial in names.lookup.newest_trials(context.incomplete, _MOST_TRIALS):
        if trial.raw("key") not in given:
            started = format_moment(trial.raw("started"), relative=True)
            facts = (trial.text("experiment"), trial.text("status"), trial.main, started)
            yield trial.raw("key"), " · ".join(filter(None, facts))
    if context.incomplete.startswith("@"):
        yield from ((f"@{tag}", counted(trials, "trial")) for tag, trials in names.lookup.tags().items())
    elif context.incomplete.startswith("best:"):
        sign = "best:-" if context.incomplete.startswith("best:-") else "best:"
        yield from ((f"{sign}{name}", "") for name in names.lookup.fields())
    elif context.incomplete:
        yield from (("latest", "the newest trial"), ("best", "the best of the newest experiment"))


@_completer
def fields(context: CompletionContext, names: _Names) -> _Found:
    """Names of fields, also behind a comma and a `-`."""
    given, comma, last = context.incomplete.rpartition(",")
    sign = "-" * last.startswith("-")
    return ((f"{given}{comma}{sign}{name}", "") for name in names.lookup.fields())


@_completer
def tags(context: CompletionContext, names: _Names) -> _Found:
    """Tags, each with how many trials have it."""
    from mitosis.text import counted

    return ((tag, counted(trials, "trial")) for tag, trials in names.lookup.tags().items())


@_completer
def experiments(context: CompletionContext, names: _Names) -> _Found:
    """Names of experiments that have trials."""
    return ((name, "") for name in names.lookup.experiments())


# --- for variants ---------------------------------------------------------------------------------


@_completer
def full_variants(context: CompletionContext, names: _Names) -> _Found:
    """`step.param=`, and after that its variants, whether they can be used or not."""
    return _full_variants(context, names, names.variants)


@_completer
def usable_variants(context: CompletionContext, names: _Names) -> _Found:
    """The same of variants that are not retired; with `--undo`, of those that are."""

    def retired(step: str, parameter: str) -> dict[str, str]:
        return dict.fromkeys(sorted(names.lookup.retired(step, parameter)), "")

    return _full_variants(context, names, retired if _typed(context, "undo") else names.usable_variants)


@_completer
def locked_variants(context: CompletionContext, names: _Names) -> _Found:
    """The same of variants that are locked."""

    def locked(step: str, parameter: str) -> dict[str, str]:
        found = names.lookup.variants(step, parameter)
        return {name: names.lookup.summary(step, parameter, name, digests[0]) for name, digests in found.items()}

    return _full_variants(context, names, locked)


@_completer
def conflicting_variants(context: CompletionContext, names: _Names) -> _Found:
    """The same of variants that have several meanings."""

    def conflicts(step: str, parameter: str) -> dict[str, str]:
        found = names.lookup.variants(step, parameter)
        return {name: f"{len(digests)} meanings" for name, digests in found.items() if len(digests) > 1}

    return _full_variants(context, names, conflicts)


def _full_variants(context: CompletionContext, names: _Names, variants: Callable[[str, str], dict[str, str]]) -> _Found:
    if "=" not in context.incomplete:
        return ((f"{name}=", text) for name, text in names.all_parameters())
    step, parameter, _ = _split(context.incomplete)
    return ((f"{step}.{parameter}={name}", text) for name, text in variants(step, parameter).items())


@_completer
def meanings(context: CompletionContext, names: _Names) -> _Found:
    """Digests of the meanings of the variant on the line, each with the value."""
    step, parameter, variant = _split(next(iter(_typed(context, "variant")), ""))
    for digest in names.lookup.variants(step, parameter).get(variant, ()):
        yield digest, names.lookup.summary(step, parameter, variant, digest)


@_completer
def steps_and_parameters(context: CompletionContext, names: _Names) -> _Found:
    """Steps, and after a dot `step.param`."""
    return _steps_and_parameters(context, names)


def _steps_and_parameters(context: CompletionContext, names: _Names) -> _Found:
    step, dot, _ = context.incomplete.partition(".")
    if not dot:
        return names.with_summaries(names.steps())
    return ((f"{step}.{name}", text) for name, text in names.lookup_parameters(step).items())


@_completer
def compared_variants(context: CompletionContext, names: _Names) -> _Found:
    """The same as `full_variants`; with `--rev`, steps and parameters."""
    if _typed(context, "rev"):
        return _steps_and_parameters(context, names)
    return _full_variants(context, names, names.variants)


# --- for git --------------------------------------------------------------------------------------


@_completer
def remotes(context: CompletionContext, names: _Names) -> _Found:
    """Names of git's remotes, with their places."""
    from mitosis.confidential import without_password

    for line in names.repository.git("remote", "-v").splitlines():
        if line.endswith(" (fetch)"):
            name, _, place = line.removesuffix(" (fetch)").partition("\t")
            yield name, without_password(place)


def remote_and_keys(context: CompletionContext) -> list[tuple[str, str]]:
    """A remote, which comes first, and keys of trials."""
    return [*(remotes(context) if context.index == 0 else []), *keys(context)]


@_completer
def revisions(context: CompletionContext, names: _Names) -> _Found:
    """Branches and tags, also after the `..` of a range."""
    first, dots, _ = context.incomplete.rpartition("..")
    form = "--format=%(refname:lstrip=2)%09%(subject)"
    text = names.repository.git("for-each-ref", f"--count={_MOST_REFS}", form, "refs/heads", "refs/tags")
    for line in text.splitlines():
        name, _, subject = line.partition("\t")
        yield f"{first}{dots}{name}", subject
