"""What a cell prints, as far as the notebook keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import NotebookNode, v4

from mitosis.kernel import printed
from mitosis.kernel.printed import Printed
from mitosis.omission import Omission, omissions_of, output_file, take_omissions
from mitosis.report.excerpts import excerpt

LINE = "0123456789" * 10 + "\n"


@pytest.fixture(autouse=True)
def small_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for a hundred lines, so that much is little."""
    monkeypatch.setattr(printed, "HEAD_CHARACTERS", 10_000)
    monkeypatch.setattr(printed, "TAIL_CHARACTERS", 1_000)


@pytest.fixture
def cell() -> NotebookNode:
    made: NotebookNode = v4.new_code_cell("print()")
    return made


def text_of(cell: NotebookNode) -> str:
    return "".join(output.text for output in cell.outputs)


def told(cell: NotebookNode) -> list[Omission]:
    """The omissions that both the cell's text and its metadata tell of."""
    return take_omissions(text_of(cell), omissions_of(cell.metadata))[1]


def test_an_omission_is_found_where_its_line_stands_alone_and_as_often_as_it_is_known() -> None:
    omission = Omission(12, 3456, output_file(1))
    text = f"before\n{omission}\nafter {omission}\n{omission}\n"
    assert take_omissions(text, [omission])[1] == [omission]
    assert take_omissions(text, [omission] * 3)[1] == [omission] * 2
    assert take_omissions(text, [])[1] == []
    assert take_omissions(text, [Omission(12, 3457, output_file(1))])[1] == []


def test_what_an_experiment_prints_tells_of_no_omission(tmp_path: Path, cell: NotebookNode) -> None:
    keeper = Printed(cell, tmp_path / "output_0.txt")
    keeper.add("stdout", f"{Omission(10**9, 10**12, output_file(0))}\n{LINE * 300}the end\n")
    keeper.close()
    (omission,) = told(cell)
    assert omission.lines < 300
    assert take_omissions(str(omission), omissions_of(cell.metadata))[1] == [omission]


def test_little_stays_in_the_notebook_and_makes_no_file(tmp_path: Path, cell: NotebookNode) -> None:
    keeper = Printed(cell, tmp_path / "output_0.txt")
    for _ in range(50):
        keeper.add("stdout", LINE)
    keeper.close()
    assert text_of(cell) == LINE * 50
    assert list(tmp_path.iterdir()) == []


def test_of_much_the_beginning_and_the_end_stay_and_the_file_has_all(tmp_path: Path, cell: NotebookNode) -> None:
    keeper = Printed(cell, tmp_path / "output_0.txt")
    count = 3 * printed.HEAD_CHARACTERS // len(LINE)
    for number in range(count):
        keeper.add("stdout", f"{number:05d} {LINE}")
    keeper.add("stderr", "the end\n")
    keeper.close()
    text = text_of(cell)
    (omission,) = told(cell)
    before, after = text.split(f"\n{omission}\n")
    whole = (tmp_path / "output_0.txt").read_text()
    assert whole.count("\n") == count + 1
    assert whole.startswith(before) and len(before) == printed.HEAD_CHARACTERS
    assert whole.endswith(after) and printed.TAIL_CHARACTERS - 2 * len(LINE) < len(after) <= printed.TAIL_CHARACTERS
    assert whole[: len(whole) - len(after)].endswith("\n"), "the end begins with a whole line"
    assert omission.size_bytes == len(whole) - len(before) - len(after)
    assert cell.outputs[-1].name == "stderr"


@pytest.mark.parametrize("line", [LINE, LINE[:-1]], ids=["lines", "one line"])
def test_the_page_counts_the_lines_that_were_printed(tmp_path: Path, cell: NotebookNode, line: str) -> None:
    keeper = Printed(cell, tmp_path / "output_0.txt")
    for _ in range(200):
        keeper.add("stdout", line)
    keeper.close()
    shown = excerpt(text_of(cell), 1000, omissions=omissions_of(cell.metadata))
    whole = (tmp_path / "output_0.txt").read_text().strip("\n")
    assert (shown.lines, shown.size_bytes) == (len(whole.splitlines()), len(whole))


def test_a_figure_stays_between_what_was_printed_before_and_after_it(tmp_path: Path, cell: NotebookNode) -> None:
    keeper = Printed(cell, tmp_path / "output_0.txt")
    keeper.add("stdout", "a" * 2 * printed.HEAD_CHARACTERS + "\nbefore\n")
    keeper.flush()
    cell.outputs.append(v4.new_output("display_data", data={"image/png": ""}))
    keeper.add("stdout", "after\n")
    keeper.close()
    kinds = [output.output_type for output in cell.outputs]
    assert kinds == ["stream", "display_data", "stream"]
    assert cell.outputs[0].text.endswith("has all of it]\nbefore\n")
    assert cell.outputs[2].text == "after\n"


def test_cleared_output_gives_room_again(tmp_path: Path, cell: NotebookNode) -> None:
    keeper = Printed(cell, tmp_path / "output_0.txt")
    keeper.add("stdout", LINE * 200)
    keeper.clear()
    cell.outputs.clear()
    keeper.add("stdout", "afresh\n")
    keeper.close()
    assert text_of(cell) == "afresh\n"
    assert (tmp_path / "output_0.txt").read_text() == LINE * 200 + "afresh\n"


def test_a_file_that_cannot_be_written_is_told_and_the_ends_stay(tmp_path: Path, cell: NotebookNode) -> None:
    keeper = Printed(cell, tmp_path / "missing" / "output_0.txt")
    keeper.add("stdout", LINE * 200)
    keeper.add("stdout", "the end\n")
    keeper.close()
    assert isinstance(keeper.trouble, FileNotFoundError)
    assert text_of(cell).startswith(LINE) and text_of(cell).endswith("the end\n")
    (omission,) = told(cell)
    assert omission.file == "" and str(omission).endswith("it could not be kept]")


def test_a_file_of_the_experiments_is_not_overwritten(tmp_path: Path, cell: NotebookNode) -> None:
    path = tmp_path / "output_0.txt"
    path.write_text("measured")
    keeper = Printed(cell, path)
    keeper.add("stdout", LINE * 200)
    keeper.close()
    assert path.read_text() == "measured"
    assert isinstance(keeper.trouble, FileExistsError)
    (omission,) = told(cell)
    assert omission.file == ""


@given(texts=st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.text("ab\n", max_size=40)), max_size=40))
def test_whatever_is_printed_the_file_has_all_or_the_notebook_has(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]]
) -> None:
    cell = v4.new_code_cell("print()")
    path = tmp_path_factory.mktemp("printed") / "output_0.txt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(printed, "HEAD_CHARACTERS", 100)
        patch.setattr(printed, "TAIL_CHARACTERS", 50)
        keeper = Printed(cell, path)
        for stream, text in texts:
            keeper.add(stream, text)
        keeper.close()
    whole = "".join(text for _, text in texts)
    kept = text_of(cell)
    if path.exists():
        assert path.read_text() == whole
        omissions = told(cell)
        assert len(omissions) <= 1
        left_out = sum(omission.size_bytes for omission in omissions)
        marks = sum(len(f"\n{omission}\n") for omission in omissions)
        assert len(kept) - marks + left_out == len(whole)
        assert len(kept) - marks <= 150
    else:
        assert kept == whole
