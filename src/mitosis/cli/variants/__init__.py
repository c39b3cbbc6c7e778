"""`mitosis variants`: what names mean, and changes to that. One module a kind of command."""

from __future__ import annotations

from cyclopts import App, Parameter

from mitosis.cli.variants.changing import release, rename, resolve, retire
from mitosis.cli.variants.difference import diff
from mitosis.cli.variants.listing import list_variants
from mitosis.cli.variants.showing import show

app = App(
    name="variants",
    help="List variants, what they mean and whether that has changed.",
    help_format="plaintext",
    default_parameter=Parameter(negative=(), show_default=False),  # the reference forgets that of the whole
)
app.default(list_variants)
for _command in (show, diff, resolve, rename, retire, release):
    app.command(_command)
