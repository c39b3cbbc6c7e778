"""The names of steps, parameters and variants that somebody can type, from the source and from the journal."""

from __future__ import annotations

from collections.abc import Mapping

from mitosis.config import StepConfig
from mitosis.dictionaries.source import Signature, SourceReader
from mitosis.journal.variants import Lookup

_MOST_SUMMARIES = 100
"""This many values of locked variants are read for what they mean."""
_SHOWN_VARIANTS = 8


class Names:
    """What can be named in one working tree.

    Each question is answered with what can be read, and nothing else.

    Args:
        steps: the registered steps, by name.
        source: reads their modules.
        lookup: looks into the journal.
    """

    def __init__(self, steps: Mapping[str, StepConfig], source: SourceReader, lookup: Lookup) -> None:
        self._steps = steps
        self._source = source
        self._lookup = lookup

    def steps(self) -> list[str]:
        """Those that are registered, and then others that have locked variants."""
        return list(dict.fromkeys([*self._steps, *self._lookup.steps()]))

    def summary(self, step: str) -> str:
        """The first line of the docstring of a step's function; empty where there is none."""
        found = self._signature(step)
        return "" if found is None else found.summary

    def lookup_parameters(self, step: str) -> dict[str, str]:
        """The parameters of a step that have variants, each with the names of some."""
        found = {name: self._some(variants) for name, variants in self._dictionary(step).items()}
        for name in self._lookup.parameters(step):
            found.setdefault(name, "")
        return found

    def eval_parameters(self, step: str, *, gets_data: bool) -> tuple[str, ...]:
        """The parameters of a step's function that can be given by name.

        Args:
            step: its name.
            gets_data: whether there is a step before it, whose data is its first argument.
        """
        found = self._signature(step)
        if found is None:
            return ()
        return tuple(name for name in found.parameters if not (gets_data and name == found.data))

    def variants(self, step: str, parameter: str) -> dict[str, str]:
        """The variants of a parameter in the dictionary, and then others that are locked, each with its value."""
        locked = self._lookup.variants(step, parameter)
        found = dict(self._dictionary(step).get(parameter, {}))
        for name, digests in locked.items():
            if len(digests) > 1:
                found[name] = f"{len(digests)} meanings: see `mitosis variants`"
            elif name not in found:
                is_told = len(found) < _MOST_SUMMARIES and len(digests) == 1
                found[name] = self._lookup.summary(step, parameter, name, digests[0]) if is_told else ""
        return found

    def usable_variants(self, step: str, parameter: str) -> dict[str, str]:
        """The same without those that are retired."""
        retired = self._lookup.retired(step, parameter)
        return {name: value for name, value in self.variants(step, parameter).items() if name not in retired}

    def _dictionary(self, step: str) -> dict[str, dict[str, str]]:
        registered = self._steps.get(step)
        return {} if registered is None else self._source.variants(registered.lookup)

    def _signature(self, step: str) -> Signature | None:
        registered = self._steps.get(step)
        return None if registered is None else self._source.signature(registered.action)

    @staticmethod
    def _some(variants: Mapping[str, str]) -> str:
        shown = ", ".join(list(variants)[:_SHOWN_VARIANTS])
        return f"{shown}, ..." if len(variants) > _SHOWN_VARIANTS else shown
