"""Pages of an experiment all of whose texts try to be markup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from support.e2e import PYPROJECT, write

BAD = "\"'></title></style></pre><img src=x onerror=window.taken=1><script>window.taken=1</script>{{ 1 }}&lt;b&gt;"

HOSTILE = f"""\
BAD = {BAD!r}
lookups = {{"kind": {{BAD: {{BAD: [BAD]}}, "plain": BAD}}}}


def run(kind, fail, other):
    import logging, sys
    print(BAD)
    print(BAD, file=sys.stderr)
    print("\\x1b]8;;javascript:window.taken=1\\x07link\\x1b]8;;\\x07")
    logging.getLogger(BAD).info(BAD)
    with open("<img src=x onerror=window.taken=1>.txt", "w") as file:
        file.write(BAD)
    if fail:
        raise type(BAD, (Exception,), {{}})(BAD)
    return {{"main": BAD, "metrics": {{BAD: BAD}}}}


run.__doc__ = BAD + "\\n\\n" + BAD
"""

STEPS = 'hostile = ["lab.hostile:run", "lab.hostile:lookups"]\n'
NAME = "A \"&lt;b&gt;' {{ 1 }}"
"""git takes angle brackets out of the names of authors."""
BRANCH = "<img/src=x/onerror=window.taken=1>"


def test_no_text_of_the_users_is_markup(
    project: Path,
    git: Callable[..., str],
    made: Callable[..., Path],
    commit: Callable[[Mapping[str, str]], str],
    opened: Callable[..., Any],
) -> None:
    commit({"lab/hostile.py": HOSTILE, "pyproject.toml": PYPROJECT + STEPS, f"lab/{BRANCH.replace('/', ' ')}.py": ""})
    git("checkout", "--quiet", "-b", BRANCH, cwd=project)
    git("config", "user.name", NAME, cwd=project)
    git("commit", "--quiet", "--amend", "--reset-author", "-m", BAD, cwd=project)
    words = ("hostile", "-p", f"hostile.kind={BAD}", "-e", f"hostile.other={BAD!r}", "-e")
    pages = [made(*words, "hostile.fail=False"), made(*words, "hostile.fail=True", status=1)]
    write(project, {f"lab/{BRANCH.replace('/', ' ')}.py": "x = 1\n"})
    pages.append(made(*words, "hostile.fail=True", "--debug", status=1))
    for path in pages:
        found = opened(path)
        page = found.page
        page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        assert page.evaluate("window.taken") is None
        assert (found.requests, found.complaints) == ([], [])
        assert page.locator("img, script, iframe, object, [onerror]").count() == 0
        assert page.locator("a[href^='javascript:']").count() == 0
        assert page.title().startswith("\"'></title></style></pre><img s…, ")
        text = page.locator("body").inner_text()
        assert BRANCH in text and NAME in text
        for place in (".doc", ".parameters .variant", ".step pre.text:not(.code)", ".lede"):
            assert BAD in page.locator(place).first.inner_text(), place
        for row in page.locator(".parameters tbody tr:not(.group)").all()[1:]:
            assert "<img src=x onerror=window.taken=1>" in row.locator("td").last.inner_text()
        assert "<img src=x onerror=window.taken=1>" in page.locator(".command").inner_text()
        assert BAD in page.locator(".end pre").last.inner_text(), "the log"
    assert BAD in opened(pages[0]).page.locator(".results td").first.inner_text()
    assert BAD in opened(pages[0]).page.locator(".results tr:last-child th").first.inner_text()
    assert BAD in opened(pages[1]).page.locator(".trouble pre").inner_text()
    assert "onerror=window.taken=1>.py" in opened(pages[2]).page.locator(".note pre").inner_text()


OPEN = """\
from IPython.display import HTML, display

PIECES = [
    "<!-- {}", "<textarea>{}", "<style>{}", "<script>let a = '{}'", "</div></main></body>{}", "<title>{}",
    "<script><!-- <script> {} </script>", "<meta http-equiv=refresh content='0;url=about:blank'>{}",
    "<svg><![CDATA[ {}", "<div class='{}", "<select><option>{}", "<iframe>{}", "<template>{}", "<xmp>{}",
    "<svg><style><!-- {}", "<math><mtext>{}", "<details>{}", "<button disabled>{}", "<a href='x'>{}", "<? {}", "<!x {}",
    "<table><tr><td>{}", "<noscript>{}", "<plaintext>{}",
]


lookups = {}


def run():
    for number, piece in enumerate(PIECES):
        display(HTML(piece.format("piece")))
        print(f"after {number}.")
    return {"main": len(PIECES)}
"""


def test_no_html_takes_in_what_comes_after_it(
    made: Callable[..., Path], commit: Callable[[Mapping[str, str]], str], opened: Callable[..., Any]
) -> None:
    steps = 'open = ["lab.open:run", "lab.open:lookups"]\n'
    commit({"lab/open.py": OPEN, "pyproject.toml": PYPROJECT + steps})
    found = opened(made("run", "open"))
    texts = found.page.locator("main > .step > pre.text:visible").all_inner_texts()
    assert [text for text in texts if text.startswith("after")] == [f"after {number}." for number in range(24)]
    assert found.page.locator("main > .end").count() >= 1, "what comes after the step is where it was"
    assert found.page.url.endswith(".html")
    assert found.requests == []
