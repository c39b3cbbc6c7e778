"""The kinds of pages that there are, each as a person gets to see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.e2e import PYPROJECT, write

PENDULUM = '''\
"""A pendulum."""
import os
import signal
import time

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML, display
from scipy.optimize import least_squares

lookups = {
    "system": {
        "lab-pendulum-of-the-second-floor": {"length_m": 0.72, "damping_per_s": 0.11, "g": 9.81, "by": "hand, " * 40}
    },
    "start": {"singular": np.ones((3, 3))},
}


def simulate(system, count=1):
    """Simulate.

    The equation of motion is solved with a fixed step.
    """
    t = np.linspace(0, 20, 400)
    for i in range(count):
        for k in range(60 if count > 1 else 1):
            print(f"run {i:02d} iteration {k:03d} residual {np.exp(-k / 7):.6e} step {1 / (k + 1):.4f} of the region")
        _, axes = plt.subplots(figsize=(6, 3))
        axes.plot(t, np.cos(t))
        axes.set(title="Pendulum", xlabel="time (s)", ylabel="angle (rad)")
        plt.show()
    display(HTML("<style>#best { background: yellow }</style><table><tr><td id=best>0.109</td></tr></table>"))
    return {"main": 0.109394565915, "data": t, "metrics": {"rms": 0.2, "samples": 400}}


def fit(data):
    """Fit."""
    return {"main": float(data.sum())}


def residuals(x, start):
    return np.linalg.solve(start, x)


def break_down(start):
    """Fail, deep inside of scipy and numpy."""
    least_squares(residuals, np.ones(3), args=(start,))


def wait():
    """Be interrupted."""
    print("waiting")
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(30)
'''

STEPS = """\
simulate = ["lab.pendulum:simulate", "lab.pendulum:lookups"]
regress = ["lab.pendulum:fit", "lab.pendulum:lookups"]
collapse = ["lab.pendulum:break_down", "lab.pendulum:lookups"]
wait = ["lab.pendulum:wait", "lab.pendulum:lookups"]
"""

_SYSTEM = ("-p", "simulate.system=lab-pendulum-of-the-second-floor")
_KINDS: dict[str, tuple[tuple[str, ...], int]] = {
    "plain": (("simulate", *_SYSTEM), 0),
    "two steps": (("simulate", "regress", *_SYSTEM, "-e", "+simulate.count=2"), 0),
    "failed": (("collapse", "-p", "collapse.start=singular"), 1),
    "interrupted": (("wait",), 130),
    "debug": (("simulate", *_SYSTEM, "--debug"), 0),
    "30 figures": (("simulate", *_SYSTEM, "-e", "simulate.count=30"), 0),
}

Make = Callable[[str], Path]
Open = Callable[..., Any]


@pytest.fixture
def page_of(project: Path, made: Callable[..., Path], commit: Callable[[Mapping[str, str]], str]) -> Make:
    """Make a page of that kind."""
    commit({"lab/pendulum.py": PENDULUM, "pyproject.toml": PYPROJECT + STEPS})

    def make(kind: str) -> Path:
        if kind == "debug":
            write(project, {"lab/chain.py": "lookups = {}\n"})
        words, status = _KINDS[kind]
        return made(*words, status=status)

    return make


@pytest.mark.parametrize("kind", _KINDS)
def test_every_kind_of_page_can_be_read_by_everybody_on_every_screen(
    kind: str, page_of: Make, opened: Open, serious: Callable[[Any], list[str]]
) -> None:
    path = page_of(kind)
    for dark in (False, True):
        for width in (1200, 390):
            found = opened(path, width=width, dark=dark)
            found.page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
            assert found.overflow_px == 0
            for table in found.page.locator(".wide:has(.parameters)").all():
                assert table.evaluate("part => part.scrollWidth <= part.clientWidth"), "also of a value in full"
            assert serious(found.page) == []
            assert (found.requests, found.complaints) == ([], [])
    for link in found.page.locator("a").all():
        target = link.get_attribute("href")
        if target.startswith("#"):
            assert found.page.locator(target).count() == 1
        else:
            assert (path.parent / target).exists(), target


def test_a_phone_shows_names_whole_and_code_without_scrolling(page_of: Make, opened: Open) -> None:
    page = opened(page_of("plain"), width=390).page
    chip = page.locator(".variant")
    assert chip.bounding_box()["height"] < 1.8 * 16, "the name of a variant stands on one line"
    value = page.locator(".parameters td code").first
    assert value.bounding_box()["y"] > chip.bounding_box()["y"], "below it is its value"
    for part in page.locator(".code, .parameters, .facts, .command").all():
        assert part.evaluate("part => part.scrollWidth <= part.clientWidth + 1"), part.inner_text()
    assert page.locator("figure img").bounding_box()["width"] <= 390


def test_on_paper_what_is_folded_for_tidiness_is_open_and_what_only_works_on_a_screen_is_gone(
    page_of: Make, opened: Open
) -> None:
    page = opened(page_of("30 figures")).page
    page.emulate_media(media="print")
    assert page.locator("details.doc pre").bounding_box()["height"] > 0
    assert page.locator("details.doc pre").evaluate("part => part.checkVisibility({contentVisibilityAuto: true})")
    assert not page.locator("details.long pre").first.is_visible()
    assert page.locator("section.step details.long summary").count() == 30
    assert page.locator(".parameters details").count() and not page.locator(".parameters summary").is_visible()
    assert not any(part.is_visible() for part in page.locator("nav").all())
    for part in page.locator("figure, tr").all():
        assert part.evaluate("part => getComputedStyle(part).breakInside") == "avoid"
    assert page.locator("figure img").first.bounding_box()["height"] < 22 / 2.54 * 96
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_a_deep_failure_shows_the_users_lines_and_of_libraries_those_that_ran(page_of: Make, opened: Open) -> None:
    page = opened(page_of("failed")).page
    shown = page.locator(".trouble pre").inner_text()
    assert "np.linalg.solve(start, x)" in shown and "least_squares(residuals" in shown
    assert "site-packages" not in shown and "File scipy/optimize/" in shown and "File numpy/linalg/" in shown
    assert page.locator(".trouble .cut").count() == 0, "all of it is there"
    assert page.locator(".trouble .mark").first.is_visible()


def test_a_figure_says_what_it_shows_to_whoever_does_not_see_it(page_of: Make, opened: Open) -> None:
    page = opened(page_of("plain")).page
    assert page.locator("figure img").get_attribute("alt") == "Pendulum: angle (rad) against time (s)"
