"""How figures of matplotlib come out of a kernel."""

from __future__ import annotations

import asyncio
import base64
import struct
from pathlib import Path
from typing import Any

import pytest

from mitosis import notebook
from mitosis.kernel.kernel import Kernel
from mitosis.protocol import Setup

DRAW = "import matplotlib.pyplot as plt\nplt.figure(figsize=(4, 2), dpi={dpi}).add_subplot()\nplt.show()"


def drawn(cwd: Path, *sources: str, **settings: Any) -> list[Any]:
    """The outputs of cells that draw."""

    async def run() -> list[Any]:
        setup = Setup(str(cwd), (), str(cwd / "log"), debug=False, **settings)
        kernel = Kernel(lambda stream, text: None, cwd, setup)
        try:
            await kernel.connect(notebook.new_notebook())
            cells = [notebook.code_cell(source, "step") for source in sources]
            for cell in cells:
                assert await kernel.run_cell(cell) is None
            return [output for cell in cells for output in cell.outputs]
        finally:
            await kernel.close()

    return asyncio.run(run())


def pixels(output: Any) -> tuple[int, int]:
    width, height = struct.unpack_from(">16xII", base64.b64decode(output.data["image/png"]))
    return width, height


@pytest.mark.parametrize(("dpi", "own", "sharpness"), [(None, 50, 2), (300, 100, 3)])
def test_a_figure_has_the_pixels_asked_for_and_the_size_that_it_says(
    tmp_path: Path, dpi: int | None, own: int, sharpness: float
) -> None:
    (output,) = drawn(tmp_path, DRAW.format(dpi=own), figure_dpi=dpi)
    size = output.metadata["image/png"]
    assert set(output.data) == {"image/png", "text/plain"}
    # The margins are cut off, so that it is somewhat smaller than what was asked for.
    assert 3 * own < size["width"] <= 4 * own
    assert pixels(output) == pytest.approx((size["width"] * sharpness, size["height"] * sharpness), abs=sharpness)


def test_figures_are_svg_where_that_is_asked_for(tmp_path: Path) -> None:
    (output,) = drawn(tmp_path, DRAW.format(dpi=100), figure_format="svg")
    assert "<svg" in output.data["image/svg+xml"]
    assert "image/png" not in output.data


def test_a_figure_without_anything_in_it_is_no_picture(tmp_path: Path) -> None:
    (output,) = drawn(tmp_path, "import matplotlib.pyplot as plt\nplt.figure()\nplt.show()")
    assert list(output.data) == ["text/plain"]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_figures_are_shown_without_pyplot_and_with_another_backend(tmp_path: Path, kind: str) -> None:
    alone = "from matplotlib.figure import Figure\nfigure = Figure()\nfigure.subplots()\ndisplay(figure)"
    unshown = DRAW.format(dpi=50).replace("plt.show()", "None")
    agg = f"import matplotlib\nmatplotlib.use('Agg')\n{unshown}"
    outputs = drawn(tmp_path, alone, agg, "plt.get_fignums()", figure_format=kind)
    expected = "image/svg+xml" if kind == "svg" else "image/png"
    assert [expected in output.data for output in outputs] == [True, True, False]
    assert [len(output.data) for output in outputs] == [2, 2, 1]
    assert outputs[-1].data["text/plain"] == "[]", "it is closed, or the next cell would show it again"


def test_an_experiment_may_ask_for_another_format(tmp_path: Path) -> None:
    source = "from matplotlib_inline.backend_inline import set_matplotlib_formats\nset_matplotlib_formats('svg')"
    (output,) = drawn(tmp_path, source, DRAW.format(dpi=100))
    assert "image/svg+xml" in output.data


def test_matplotlib_is_not_imported_for_it(tmp_path: Path) -> None:
    (output,) = drawn(tmp_path, "import sys\n'matplotlib' in sys.modules")
    assert output.data["text/plain"] == "False"


def test_a_figure_is_described_by_its_titles_and_axes(tmp_path: Path) -> None:
    source = """\
import matplotlib.pyplot as plt
figure, (one, two) = plt.subplots(2)
figure.suptitle("Pendulum")
one.set(title="As measured", xlabel="time (s)", ylabel="angle\\n(rad)")
two.set(xlabel="time (s)")
plt.show()
"""
    described, silent = drawn(tmp_path, source, DRAW.format(dpi=100))
    assert described.metadata["image/png"]["alt"] == "Pendulum; As measured: angle (rad) against time (s); time (s)"
    assert "alt" not in silent.metadata.get("image/png", {})


def test_a_figure_in_a_format_of_the_experiments_choice_is_described(tmp_path: Path) -> None:
    source = """\
from matplotlib_inline.backend_inline import set_matplotlib_formats
import matplotlib.pyplot as plt
set_matplotlib_formats("svg", "jpeg")
plt.plot([1, 2])
plt.title("Rising")
plt.show()
"""
    (output,) = drawn(tmp_path, source)
    assert {kind: output.metadata[kind]["alt"] for kind in ("image/svg+xml", "image/jpeg")} == {
        "image/svg+xml": "Rising",
        "image/jpeg": "Rising",
    }
