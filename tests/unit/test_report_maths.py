from __future__ import annotations

import pytest

from mitosis.report.markup import formula_html, latex_html


def test_a_formula_becomes_mathml() -> None:
    shown = latex_html(r"$\displaystyle \frac{a}{b}$")
    assert shown.startswith("<math")
    assert 'display="block"' in shown
    assert "<mfrac>" in shown
    assert "<mo>=</mo>" in formula_html("a = b", block=False)


def test_text_around_formulas_is_escaped() -> None:
    shown = latex_html(r"<b> of $x^2$ and \begin{align}a &= b\end{align} & \(y\)")
    assert shown.startswith('&lt;b&gt; of <math display="inline"')
    assert shown.count("<math") == 3
    assert " &amp; <math" in shown


def test_nothing_in_a_formula_is_markup() -> None:
    shown = formula_html(
        r"\text{<script>alert(1)</script>} < a \href{javascript:alert(1)}{x} \text{&lt;b&gt;}", block=True
    )
    assert "<script" not in shown
    assert "javascript" not in shown
    assert "&lt;script&gt;" in shown


@pytest.mark.parametrize(
    "formula", [r"\begin{tabular}{ll}a & b\end{tabular}", r"\nonsense{x}", r"\left( x", r"\begin{matrix}a<b", "^"]
)
def test_what_cannot_be_set_is_shown_as_its_source(formula: str) -> None:
    shown = formula_html(formula, block=True)
    assert shown.startswith(('<pre class="tex">', "<math"))
    if shown.startswith("<pre"):
        assert shown.unescape() == f'<pre class="tex">{formula}</pre>'


def test_an_unknown_command_or_environment_is_shown_as_its_source() -> None:
    assert formula_html(r"\nonsense{x}", block=False) == r'<code class="tex">\nonsense{x}</code>'
    assert latex_html(r"\begin{tabular}{l}a\end{tabular}").startswith('<pre class="tex">\\begin{tabular}')


@pytest.mark.parametrize(
    ("environment", "body", "columns"),
    [
        ("align", r"a &= b \\ c &= d", 2),
        ("aligned", r"a &= b \\ c &= d", 2),
        ("alignat*", r"{2} a &= b \\ c &= d", 2),
        ("alignedat", r"{1}a &= b \\ c &= d", 2),
        ("split", r"a &= b \\ c &= d", 2),
        ("gathered", r"a \\ b", 1),
        ("gather*", r"a \\ b", 1),
        ("multline", r"a \\ b", 1),
        ("subarray", r"{c} a \\ b", 1),
    ],
)
def test_lines_of_a_formula_stand_below_one_another_without_numbers(environment: str, body: str, columns: int) -> None:
    shown = formula_html(rf"\begin{{{environment}}}{body}\end{{{environment}}}", block=True)
    assert shown.count("<mtr>") == 2
    assert shown.count("<mtd") == 2 * columns
    assert "&amp;" not in shown and "(1)" not in shown


def test_an_ampersand_outside_of_any_table_is_shown_as_its_source() -> None:
    assert formula_html("a & b", block=False) == '<code class="tex">a &amp; b</code>'
