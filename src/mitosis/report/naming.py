"""What a trial's page is called."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from mitosis.records.trial import ParameterRecord, TrialRecord

MAX_NAME_BYTES = 150
"""Long enough to be read, short enough for every file system and for a folder or two in front."""

_DIGEST_DIGITS = 8
_QUOTES = re.compile(r"""['"`]+""")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+=,-]+")
_UNSAFE_ENDS = re.compile(r"^[^A-Za-z0-9._+=,-]+|[^A-Za-z0-9._+=,-]+$")


def page_name(record: TrialRecord, *, debug: bool) -> str:
    """The page's file name, such as `trial_my_exp-4-slow_0_5f2c91d07a3b.html`.

    Between the first and the last two underscores stand the steps, joined by `+`, each followed by what was given
    for its tracked parameters, in the order of their names. Characters that a file system or a shell might stumble
    over are replaced; a name that would be too long ends in a digest of the whole instead.
    """
    ending = f"_{record.iteration}_{_safe(record.key)}{'debug' if debug else ''}.html"
    texts = [
        (step.name, *(p.text for p in sorted(_tracked(record, step.name), key=lambda p: p.name)))
        for step in record.steps
    ]
    variants = "+".join("-".join(_safe(text) for text in step) for step in texts)
    room = MAX_NAME_BYTES - len("trial_") - len(ending)
    if len(variants) > room:
        digest = hashlib.sha256(repr(texts).encode(errors="surrogatepass")).hexdigest()[:_DIGEST_DIGITS]
        variants = f"{variants[: max(room - _DIGEST_DIGITS - 1, 0)]}-{digest}"
    return f"trial_{variants}{ending}"


def _tracked(record: TrialRecord, step: str) -> list[ParameterRecord]:
    return [parameter for parameter in record.parameters if parameter.step == step and parameter.tracked]


def _safe(text: str) -> str:
    """`text` in characters that are safe in a file name; `_` where nothing is left of it."""
    letters = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return _UNSAFE.sub("_", _UNSAFE_ENDS.sub("", _QUOTES.sub("", plain))) or "_"
