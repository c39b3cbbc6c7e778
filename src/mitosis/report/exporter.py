"""nbconvert, with the template of this package or the user's. Imported when a page is due: it costs 0.2 s."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jinja2
from jinja2 import nodes
from markupsafe import Markup
from nbconvert.exporters.templateexporter import TemplateExporter
from nbformat import NotebookNode

from mitosis.errors.usage import ConfigError
from mitosis.report.layout import PageFacts, lay_out
from mitosis.report.markup import highlight, latex_html, markdown_html
from mitosis.report.templates import INDEX, KEY, OWN_FOLDER, OWN_NAME, Template, template_roots

_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")

_lock = threading.Lock()
_prepared: dict[Template | None, TemplateExporter] = {}


class PageExporter(TemplateExporter):
    """nbconvert's exporter by template, set up so that nothing of the user's own Jupyter changes the page.

    It runs no preprocessors but those that a template of the user's asks for, reads no configuration, and looks for
    templates in this package and then beside nbconvert itself, before it looks where a user may have others. Unlike
    nbconvert's own, its template escapes what it shows unless it is marked as HTML.

    Args:
        template: one of the user's that is built on that of this package.
    """

    file_extension = ".html"
    output_mimetype = "text/html"

    def __init__(self, template: Template | None = None) -> None:
        folders = (OWN_FOLDER / OWN_NAME,) if template is None else template.folders
        super().__init__(  # type: ignore[no-untyped-call]
            default_preprocessors=[],
            template_name=OWN_NAME,
            extra_template_basedirs=[str(OWN_FOLDER)],
            template_paths=[str(path) for path in (*folders, *template_roots(), OWN_FOLDER)],
        )
        self.environment.autoescape = True
        self.environment.trim_blocks = True
        self.environment.lstrip_blocks = True
        filters: dict[str, Callable[..., Any]] = self.environment.filters
        filters.update(filter_data_type=list, markdown=markdown_html, latex=latex_html)
        self.environment.globals["stylesheet"] = _stylesheet()


def _stock_exporter(template: Template) -> TemplateExporter:
    """nbconvert's own exporter to HTML, for templates that are not built on that of this package.

    They expect the notebook as it is, and escape for themselves. It reads no configuration of the user's.
    """
    from nbconvert.exporters.html import HTMLExporter

    roots = template_roots()
    # As nbconvert itself has it: also `classic/index.html.j2` and `nbconvert/templates/classic/index.html.j2`.
    paths = [*template.folders, *roots, *(root.parents[1] for root in roots)]
    paths += [root / "compatibility" for root in roots]
    exporter: TemplateExporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name=template.folders[0].name, template_paths=[str(path) for path in paths]
    )
    # It brings these itself with the first page; before, templates that use them could not be compiled.
    for name in ("highlight_code", "filter_data_type"):
        exporter.environment.filters.setdefault(name, str)
    return exporter


def render_page(notebook: NotebookNode, facts: PageFacts, template: Template | None = None) -> str:
    """The page of a trial, a complete HTML document.

    Args:
        notebook: the trial's notebook with its outputs, as far as it got. `metadata.mitosis` of a cell tells what the
            cell is for: `kind` (`heading`, `imports`, `parameters`, `step`, `result`, `metrics`), `step`, `doc` (the
            step's docstring), `duration_s`, `printed` (the file that has all that it printed). Any of it may be
            missing.
        facts: the rest of what the page says.
        template: that of the user, in place of that of mitosis. What goes wrong in it is raised as it is.
    """
    cells, page = lay_out(notebook, facts)
    exporter: Any = prepared_exporter(template)
    resources = {"page": page, "record": facts.record, "metadata": {"name": page.title}}
    document, _ = exporter.from_notebook_node(cells if isinstance(exporter, PageExporter) else notebook, resources)
    return _UNWRITABLE.sub("\ufffd", document)


def prepared_exporter(template: Template | None = None) -> TemplateExporter:
    """The exporter, with its templates compiled; the same one each time, in whichever thread.

    Called ahead, in a thread while the kernel starts, it makes `render_page` quick.

    Raises:
        ConfigError: the user's template cannot be used.
    """
    with _lock:
        if template not in _prepared:
            exporter = _own_exporter() if template is None else _users_exporter(template)
            highlight("x = 1")  # or the lexer's table would be compiled with the first page
            _prepared[template] = exporter
        return _prepared[template]


def _own_exporter() -> PageExporter:
    exporter = PageExporter()
    # Templates that others extend would be compiled with the first page.
    for name in (INDEX, "base/display_priority.j2", "base/null.j2"):
        exporter.environment.get_template(name)
    return exporter


def _users_exporter(template: Template) -> TemplateExporter:
    try:
        exporter = PageExporter(template) if template.extends_own else _stock_exporter(template)
    except Exception as error:  # conf.json may name any class
        raise ConfigError(
            template.config,
            f"the template `{template.name}` cannot be set up: {type(error).__name__}: {error}",
            key=KEY,
        ) from error
    _compile(exporter.environment, template)
    return exporter


def _compile(environment: jinja2.Environment, template: Template) -> None:
    """Compile a template and all that it names, so that what is wrong with any is found before a trial."""
    waiting = [(INDEX, "")]
    seen: set[str] = set()
    while waiting:
        name, reader = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            environment.get_template(name)
            assert environment.loader is not None
            source, path, _ = environment.loader.get_source(environment, name)
            waiting += [(needed, path or name) for needed in _needed(environment.parse(source, name, path))]
        except jinja2.TemplateNotFound as error:
            problem = f"{reader}: there is no file {error.message or name}"
            raise _unusable(template, problem) from error
        except jinja2.TemplateSyntaxError as error:
            raise _unusable(template, f"{error.filename or name}, line {error.lineno}: {error.message}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise _unusable(template, f"{name} cannot be read: {error}") from error


def _needed(tree: nodes.Template) -> Iterator[str]:
    """The names of other templates that one names as they are, and cannot do without."""
    for node in tree.find_all((nodes.Extends, nodes.FromImport, nodes.Import, nodes.Include)):
        named = node.template  # type: ignore[attr-defined]
        if isinstance(named, nodes.Const) and isinstance(named.value, str):
            if isinstance(node, nodes.Include) and node.ignore_missing:
                continue
            yield named.value


def _unusable(template: Template, problem: str) -> ConfigError:
    return ConfigError(
        template.config,
        f"the template `{template.name}` cannot be used\n    {problem}\n"
        "Fix it, or remove the key to use mitosis's own page.",
        key=KEY,
    )


def _stylesheet() -> Markup:
    """The style sheet without its comments, indentation and needless blanks."""
    text = (OWN_FOLDER / OWN_NAME / "page.css").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*\n\s*", "\n", text).strip()
    return Markup(re.sub(r"(?<=[:;,{]) | (?=[{}])|;(?= })", "", text))
