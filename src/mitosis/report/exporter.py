"""nbconvert, with the template of this package. Imported when a page is due: it costs 0.2 s."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbconvert
from jupyter_core.paths import ENV_JUPYTER_PATH, jupyter_path
from markupsafe import Markup
from nbconvert.exporters.templateexporter import TemplateExporter
from nbformat import NotebookNode

from mitosis.report.highlight import highlight
from mitosis.report.layout import Page
from mitosis.report.markdown import markdown_html
from mitosis.report.maths import latex_html

TEMPLATE_FOLDER = Path(__file__).parent / "template"
_TEMPLATE = "mitosis"
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")

_lock = threading.Lock()
_prepared: PageExporter | None = None


class PageExporter(TemplateExporter):
    """nbconvert's exporter by template, set up so that nothing of the user's own Jupyter changes the page.

    It runs no preprocessors, reads no configuration, and looks for templates in this package and then beside nbconvert
    itself, before it looks where a user may have others. Unlike nbconvert's own, its template escapes what it shows
    unless it is marked as HTML.
    """

    file_extension = ".html"
    output_mimetype = "text/html"

    def __init__(self) -> None:
        # Wheels put nbconvert's templates below the prefix that its package is below: `lib/pythonX.Y/site-packages`,
        # or on Windows `Lib/site-packages`.
        beside = [str(above / "share" / "jupyter") for above in Path(nbconvert.__file__).parents[3:5]]
        folders = dict.fromkeys([*beside, *ENV_JUPYTER_PATH, *jupyter_path()])
        super().__init__(  # type: ignore[no-untyped-call]
            default_preprocessors=[],
            template_name=_TEMPLATE,
            extra_template_basedirs=[str(TEMPLATE_FOLDER)],
            template_paths=[
                str(TEMPLATE_FOLDER / _TEMPLATE),
                *(str(Path(folder, "nbconvert", "templates")) for folder in folders),
            ],
        )
        self.environment.autoescape = True
        self.environment.trim_blocks = True
        self.environment.lstrip_blocks = True
        filters: dict[str, Callable[..., Any]] = self.environment.filters
        filters.update(filter_data_type=list, markdown=markdown_html, latex=latex_html)
        self.environment.globals["stylesheet"] = _stylesheet()

    def render(self, cells: NotebookNode, page: Page) -> str:
        """The document that the template makes of what `lay_out` returned."""
        document, _ = self.from_notebook_node(cells, {"page": page})
        return _UNWRITABLE.sub("\ufffd", document)


def prepared_exporter() -> PageExporter:
    """The exporter, with its templates compiled; the same one each time."""
    global _prepared
    with _lock:
        if _prepared is None:
            exporter = PageExporter()
            # Templates that others extend, and the lexer's table, would be compiled with the first page.
            for name in ("index.html.j2", "base/display_priority.j2", "base/null.j2"):
                exporter.environment.get_template(name)
            highlight("x = 1")
            _prepared = exporter
        return _prepared


def _stylesheet() -> Markup:
    """The style sheet without its comments and indentation."""
    text = (TEMPLATE_FOLDER / _TEMPLATE / "page.css").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return Markup(re.sub(r"\s*\n\s*", "\n", text).strip())
