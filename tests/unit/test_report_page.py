from __future__ import annotations

import dataclasses
import itertools
import math
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from mitosis.omission import METADATA, Omission
from mitosis.records.trial import Failure, Metric, ParameterRecord, ProcessRecord, Status, StepRecord, TrialRecord
from mitosis.report.curves import curve_html
from mitosis.report.exporter import PageExporter, prepared_exporter, render_page
from mitosis.report.layout import PageFacts

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'&\x1b\x00\u202e"

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # 1 pixel

_AMPLITUDE = ParameterRecord("my_exp", "amplitude", "eval", "2 * 2", summary="4")
_FREQUENCY = ParameterRecord("my_exp", "frequency", "lookup", "slow", summary="1")


def trial(*steps: StepRecord, status: Status = "finished", **changes: Any) -> TrialRecord:
    """A trial of the given steps, or of `my_exp`."""
    steps = steps or (
        StepRecord("my_exp", "sine:run", None, "sine.py", 0.62, main=3.1706776324915e-05, metrics={"n": 126}),
    )
    record = TrialRecord(
        key="5f2c91d07a3b",
        experiment="+".join(step.name for step in steps),
        steps=steps,
        parameters=(_AMPLITUDE, _FREQUENCY),
        commit="8c1d2e0f3a4b5c6d7e8f90123456789abcdef012",
        status=status,
        iteration=3,
        started="2026-03-01T12:00:00.123456+00:00",
        author="Ada Lovelace <ada@example.org>",
        process=ProcessRecord("gpu-2.example.org", 1234),
        environment="e",
        duration_s=72.0,
        cpu_s=144.0,
        peak_memory_bytes=182_000_000,
        main=steps[-1].main,
        subject="Retune the sine",
        branch="topic",
        interpreter="CPython 3.11.7",
    )
    return record.with_changes(**changes)


def page_facts(record: TrialRecord, **changes: Any) -> PageFacts:
    facts: dict[str, Any] = {
        "record": record,
        "environment": "numpy==2.0.0\nscipy==1.14.0\n",
        "log": "INFO started\nINFO done\n",
        "debug": False,
        "folder": "2026-03-01_5f2c91d07a3b",
        "links": {"notebook": "2026-03-01_5f2c91d07a3b/notebook.ipynb"},
        "rerun": "mitosis my_exp -e 'my_exp.amplitude=2 * 2' -p my_exp.frequency=slow",
    }
    return PageFacts(**{**facts, **changes})


def cell(
    source: str, /, *outputs: NotebookNode, kind: str = "step", step: str | None = "my_exp", **more: Any
) -> NotebookNode:
    made: NotebookNode = new_code_cell(
        source, outputs=list(outputs), metadata={"mitosis": {"kind": kind, "step": step, **more}}
    )
    return made


def stream(text: str, name: str = "stdout") -> NotebookNode:
    made: NotebookNode = new_output("stream", name=name, text=text)
    return made


def display(data: dict[str, Any], kind: str = "display_data", metadata: dict[str, Any] | None = None) -> NotebookNode:
    made: NotebookNode = new_output(kind, data=data, metadata=metadata or {})
    return made


def error(name: str, message: str, *traceback: str) -> NotebookNode:
    made: NotebookNode = new_output("error", ename=name, evalue=message, traceback=list(traceback))
    return made


def notebook(*cells: NotebookNode) -> NotebookNode:
    made: NotebookNode = new_notebook(cells=list(cells))
    return made


def heading(text: str) -> NotebookNode:
    made: NotebookNode = new_markdown_cell(text, metadata={"mitosis": {"kind": "heading"}})
    return made


def rendered(*cells: NotebookNode, record: TrialRecord | None = None, **changes: Any) -> str:
    return render_page(notebook(*cells), page_facts(record or trial(), **changes))


def text_of(page: str, selector: str, *, between: str = "") -> list[str]:
    """The text of each element, white space made one space, and `between` put between the elements inside."""
    found = BeautifulSoup(page, "html.parser").select(selector)
    return [" ".join(element.get_text(between).split()) for element in found]


def rows_of(page: str, selector: str) -> list[str]:
    return text_of(page, selector, between=" ")


ONE = (
    heading("# my_exp\n\n| parameter | variant | value |\n|---|---|---|\n| frequency | slow | 1 |"),
    cell("import sine", kind="imports", step=None),
    cell('my_exp_parameters = {"amplitude": 4}', kind="parameters"),
    cell(
        "my_exp = sine.run(**my_exp_parameters)",
        stream("error: 0.000177\n"),
        display({"image/png": PNG, "text/plain": "<Figure size 600x320>"}),
        doc="Integrate a sine.\n\nOver one period.",
        source="def run(amplitude):\n    return {}\n",
    ),
    cell('my_exp["main"]', display({"text/plain": "3.1706776324915e-05"}, "execute_result"), kind="result"),
)


def test_the_page_says_what_was_run_and_what_came_out() -> None:
    page = rendered(*ONE)
    assert text_of(page, "h1") == ["my_exp amplitude=2 * 2 · frequency=slow"]
    assert text_of(page, "title") == ["2 * 2, slow · my_exp finished · 5f2c91d07a3b"]
    assert text_of(page, ".lede") == [
        "Finished after 1 min 12 s, run by Ada Lovelace on 2026-03-01 12:00:00 UTC, "
        "at commit 8c1d2e0 “Retune the sine” on branch topic"
    ]
    assert rows_of(page, ".results tr") == ["main 3.171e-05", "n 126"]
    assert rows_of(page, ".parameters tbody tr") == ["amplitude 4 given as 2 * 2", "frequency slow 1"]
    assert rows_of(page, ".facts div") == [
        "Commit 8c1d2e0f3a4b5c6d7e8f90123456789abcdef012",
        "Result main = 3.1706776324915e-05",
        "Started 2026-03-01 12:00:00 UTC",
        "Took 1 min 12 s",
        "CPU time 2 min 24 s",
        "Peak memory 182 MB",
        "Who Ada Lovelace ada@example.org",
        "Where gpu-2.example.org",
        "Key 5f2c91d07a3b",
        "Iteration 3",
    ]
    assert text_of(page, ".command") == ["mitosis my_exp -e 'my_exp.amplitude=2 * 2' -p my_exp.frequency=slow"]
    assert text_of(page, "header nav a") == ["folder", "notebook"]
    assert '<a href="2026-03-01_5f2c91d07a3b/notebook.ipynb">notebook</a>' in page
    assert '<time datetime="2026-03-01T12:00:00.123456+00:00">' in page


def test_a_step_has_its_docstring_code_output_figure_and_result() -> None:
    page = rendered(*ONE)
    assert text_of(page, ".step h2") == ["Step my_exp 0.6 s"]
    assert text_of(page, ".step p.doc") == ["Integrate a sine."]
    assert text_of(page, ".step details.doc pre") == ["Over one period."]
    assert text_of(page, ".step > .code") == [
        "import sine",
        'my_exp_parameters = {"amplitude": 4}',
        "my_exp = sine.run(**my_exp_parameters)",
    ]
    assert text_of(page, ".step pre.text:not(.code)")[1:] == ["error: 0.000177"]
    assert text_of(page, ".step .source summary") == ["Source of sine:run: sine.py, 2 lines"]
    assert text_of(page, ".step .source pre") == ["def run(amplitude): return {}"]
    assert rows_of(page, ".step .results tr") == [], "they stand on top"
    image = BeautifulSoup(page, "html.parser").select_one(".step figure img")
    assert image is not None
    assert image["src"] == f"data:image/png;base64,{PNG}"
    assert image["alt"] == "Figure 1, drawn by the experiment"
    assert (image["width"], image["height"]) == ("1", "1")


def test_environment_and_log_are_folded_at_the_end() -> None:
    page = rendered(*ONE, record=trial(variables={"OMP_NUM_THREADS": "4"}))
    assert rows_of(page, ".end summary") == [
        "Record resources, host, key, and the command that runs it again",
        "Environment CPython 3.11.7, 2 distributions",
        "Log 2 lines (22 bytes)",
    ]
    assert text_of(page, ".end .variables td") == ["4"]
    assert text_of(page, ".end pre")[1:] == ["numpy==2.0.0 scipy==1.14.0", "INFO started INFO done"]
    assert "<details open" not in page
    assert text_of(rendered(*ONE, log=None), ".end h2") == ["Record", "Environment"]


def test_steps_stand_in_order_each_with_its_own() -> None:
    steps = (StepRecord("data", "m:data", main=1.0), StepRecord("fit", "m:fit", main=0.5, metrics={"rmse": 0.25}))
    page = rendered(
        cell("data = m.data()", stream("made\n"), step="data"),
        cell("fit = m.fit(data)", stream("fitted\n"), step="fit"),
        record=trial(*steps, parameters=(ParameterRecord("fit", "gpu", "eval", "1", tracked=False, summary="1"),)),
    )
    assert text_of(page, ".step h2") == ["Step 1 of 2 data", "Step 2 of 2 fit"]
    assert text_of(page, "#step-1 pre.text") == ["data = m.data()", "made"]
    assert text_of(page, "#step-2 pre.text") == ["fit = m.fit(data)", "fitted"]
    assert rows_of(page, "#step-1 .results tr") == ["main 1"]
    assert rows_of(page, "#step-2 .results tr") == [], "they stand on top"
    assert rows_of(page, ".overview .results tr") == ["main 0.5", "rmse 0.25"]
    assert rows_of(page, ".parameters tbody tr") == ["fit", "gpu untracked 1"]
    assert [link["href"] for link in BeautifulSoup(page, "html.parser").select("nav ol a")] == ["#step-1", "#step-2"]


def test_a_rich_result_is_shown_in_its_step() -> None:
    result = cell('my_exp["main"]', display({"text/html": "<table></table>"}, "execute_result"), kind="result")
    page = rendered(result, record=trial(StepRecord("my_exp", "sine:run", main="a table")))
    assert text_of(page, ".step .code") == ['my_exp["main"]']
    assert "<table></table>" in page


@pytest.mark.parametrize(
    ("status", "failure", "verdict"),
    [
        ("finished", None, "Finished"),
        ("failed", Failure("exception", "bad shape", "ValueError", "fit"), "Failed in step fit"),
        ("failed", Failure("exception", "no module", "ImportError"), "Failed"),
        ("interrupted", Failure("interrupt", "interrupted by Ctrl-C", step="fit"), "Interrupted in step fit"),
        ("running", None, "Still running in step fit when this page was written"),
    ],
)
def test_the_verdict_of_each_status(status: Status, failure: Failure | None, verdict: str) -> None:
    steps = (StepRecord("data", "m:data"), StepRecord("fit", "m:fit"), StepRecord("plot", "m:plot"))
    step = None if failure is not None and failure.step is None else 1
    page = rendered(record=trial(*steps, status=status, failure=failure, step=step))
    assert text_of(page, ".lede .badge") == [verdict]
    states = text_of(page, ".step h2 .badge")
    if status == "finished":
        assert states == []
    else:
        assert states == ([status, "not run"] if step is not None else ["not run"] * 3)
        assert text_of(page, "#result") == []


def test_a_failure_shows_the_users_traceback_first_and_not_twice() -> None:
    traceback = (
        "-" * 75,
        "\x1b[31mValueError\x1b[39m        Traceback (most recent call last)",
        "Cell In[3], line 1\n----> 1 my_exp = sine.run(**my_exp_parameters)\n",
        "File \x1b[32m~/sine.py:12\x1b[39m, in run()\n---> 12 raise ValueError\n",
        "ValueError: bad shape",
    )
    failure = Failure("exception", "bad shape", "ValueError", "my_exp", "sine.py:12 in run")
    page = rendered(
        cell(
            "my_exp = sine.run(**my_exp_parameters)", stream("before\n"), error("ValueError", "bad shape", *traceback)
        ),
        record=trial(StepRecord("my_exp", "sine:run"), status="failed", failure=failure, step=0, main=None),
    )
    soup = BeautifulSoup(page, "html.parser")
    first = soup.select("main > *")[0]
    assert text_of(page, ".trouble h2") == ["ValueError: bad shape"]
    assert first["class"] == ["trouble", "failed"]
    assert text_of(page, ".trouble .where") == ["at sine.py:12 in run"]
    (shown,) = text_of(page, ".trouble pre")
    assert "~/sine.py:12" in shown
    assert "Cell In" not in shown
    assert '<span class="c2">~/sine.py:12</span>' in page
    assert page.count("~/sine.py:12") == 1
    assert text_of(page, ".step pre.text:not(.code)") == ["before"]
    assert text_of(page, ".step .remark") == ["ValueError: see above"]


def test_a_kernel_that_died_is_told_without_a_traceback() -> None:
    failure = Failure("kernel", "the kernel died\nsignal 9", step="my_exp")
    page = rendered(cell("my_exp = run()"), record=trial(status="failed", failure=failure, step=0))
    assert text_of(page, ".trouble h2") == ["The kernel died"]
    assert text_of(page, ".trouble pre") == ["signal 9"], "the title has the rest"


def test_an_interrupted_trial_tells_where_it_was_on_demand() -> None:
    failure = Failure("interrupt", "interrupted by Ctrl-C", step="my_exp")
    page = rendered(
        cell("my_exp = run()", error("KeyboardInterrupt", "", "File ~/sine.py:3, in run()\n----> 3 sleep()\n")),
        record=trial(status="interrupted", failure=failure, step=0),
    )
    assert text_of(page, ".trouble h2") == ["Interrupted by Ctrl-C"]
    assert text_of(page, ".trouble details pre") == ["File ~/sine.py:3, in run() ----> 3 sleep()"]


def test_a_debug_run_is_marked_and_its_commit_is_in_doubt() -> None:
    page = rendered(*ONE, debug=True)
    assert text_of(page, ".kind .badge") == ["debug"]
    assert text_of(page, ".note")[0].startswith("A debug run: git has no record of it")
    assert text_of(page, ".lede")[0].endswith("the code that ran may differ from it")
    assert text_of(page, "title") == ["2 * 2, slow · my_exp finished, debug · 5f2c91d07a3b"]
    assert text_of(rendered(*ONE), ".note, .kind .badge") == []
    dirty = rendered(*ONE, debug=True, changes=(" M sine.py", "A  <b>.py"))
    assert text_of(dirty, ".note pre") == ["M sine.py A <b>.py"]
    assert text_of(dirty, ".lede")[0].endswith("8c1d2e0 “Retune the sine” on branch topic dirty 2 changed files")
    outside = rendered(*ONE, debug=True, record=trial(commit="", subject="", branch=None))
    assert "commit" not in text_of(outside, ".lede")[0] and rows_of(outside, ".facts div")[0].startswith("Result ")


def test_numbers_are_written_in_one_way_and_are_there_with_all_digits() -> None:
    metrics: dict[str, Metric] = {"error": 2 / 3, "half": 0.5, "n": 123456, "tiny": 1.23456e-9}
    page = rendered(record=trial(StepRecord("my_exp", "sine:run", main=1 / 3, main_name="score", metrics=metrics)))
    assert rows_of(page, ".results tr") == ["score 0.3333", "error 0.6667", "half 0.5", "n 123456", "tiny 1.235e-09"]
    error = BeautifulSoup(page, "html.parser").select(".results data")[1]
    assert error["title"] == error["value"] == "0.6666666666666666"
    assert "Result score = 0.3333333333333333" in rows_of(page, ".facts div")


def test_metrics_are_grouped_by_name_and_lists_of_numbers_are_curves() -> None:
    recall: dict[str, Metric] = {f"recall.{number}": number / 7 for number in range(10)}
    metrics: dict[str, Metric] = {"val.loss": (1.0, math.nan, 0.25), "val.f1": 0.5, "top.k.1": 1, "top.k.2": 2}
    steps = (StepRecord("a", "m:a", main=1, metrics=metrics | recall), StepRecord("b", "m:b", main=2))
    page = rendered(
        cell('a["metrics"]', kind="metrics", step="a", curves={"val.loss": [3, 1, [1.0, "nan", 0.25]], "gone": 7}),
        record=trial(*steps),
    )
    assert rows_of(page, "#step-1 .results tr") == [
        "main 1",
        "val.loss 1 → 0.25 3 values, 1 not finite",
        "val.f1 0.5",
        "top.k 1 1 2 2",
        "recall 0 0 1 0.1429 2 0.2857 3 0.4286 4 0.5714 5 0.7143 6 0.8571 7 1 8 1.143 9 1.286",
    ]
    (curve,) = BeautifulSoup(page, "html.parser").select(".curve svg")
    assert curve["aria-label"] == "Curve of val.loss, from 0.25 to 1"
    assert [line["points"] for line in curve.select("polyline")] == ["3,3 3,3", "117,25 117,25"], "with a gap"
    assert [mark["d"] for mark in curve.select(".lost")] == ["M60 1V27"]
    diverged = curve_html("loss", [3, 1, [1, 2, "inf"]])
    assert diverged is not None and "1 → inf" in diverged, "the last value is the last one"


def test_without_variants_there_is_no_column_for_them() -> None:
    heads = [text_of(rendered(*ONE, record=trial(parameters=p)), "thead th") for p in ((_AMPLITUDE,), (_FREQUENCY,))]
    assert heads == [["Parameter", "Value"], ["Parameter", "Variant", "Value"]]


def test_the_title_tells_trials_apart_whatever_their_parameters() -> None:
    many = tuple(ParameterRecord("my_exp", f"p{i}", "eval", "x" * 90, summary="1") for i in range(9))
    untracked = dataclasses.replace(_FREQUENCY, tracked=False)
    page = rendered(*ONE, record=trial(parameters=(*many, untracked)))
    (title,) = text_of(page, "title")
    assert title.startswith("x" * 31 + "…, ") and title.endswith("…, and 3 more · my_exp finished · 5f2c91d07a3b")
    assert text_of(page, "h1")[0].endswith("… · and 3 more")
    two = (_FREQUENCY, dataclasses.replace(_FREQUENCY, step="fit"), dataclasses.replace(_AMPLITUDE, step="fit"))
    (head,) = text_of(rendered(*ONE, record=trial(parameters=two)), "h1")
    assert head == "my_exp my_exp.frequency=slow · fit.frequency=slow · amplitude=2 * 2"
    assert text_of(rendered(*ONE, record=trial(parameters=())), "title") == ["my_exp finished · 5f2c91d07a3b"]


def test_a_long_source_is_whole_without_colours_or_leads_to_its_file() -> None:
    line = "if x in (1, 2): return 'a'\n"
    pages = [rendered(cell("f()", source=count * line)) for count in (20, 150, 900)]
    assert ['<span class="k">if ' in page for page in pages] == [True, False, False]
    assert [text_of(page, ".source .cut") for page in pages[:2]] == [[], []]
    assert text_of(pages[2], ".source .cut")[0].endswith(" left out here; sine.py has all of it")


def test_what_may_come_later_is_no_link_among_what_is_there() -> None:
    links = {"notebook": "x/notebook.ipynb", "next iteration": "x/next_iteration.html"}
    page = rendered(*ONE, links=links)
    assert text_of(page, "header nav a") == ["folder", "notebook"]
    assert '<a href="x/next_iteration.html">run again since?</a>' in page


def test_warnings_are_shown() -> None:
    record = trial(warnings=('step `my_exp` has no "main"',), untracked_files=2)
    page = rendered(*ONE, record=record)
    assert text_of(page, ".warnings li") == ['step `my_exp` has no "main"']
    assert (
        rows_of(page, ".facts div")[-1]
        == "Untracked 2 files in the working tree that git does not know; none was imported"
    )


def test_whatever_the_user_wrote_is_escaped() -> None:
    parameter = ParameterRecord(HOSTILE, HOSTILE, "lookup", HOSTILE, summary=HOSTILE)
    step = StepRecord(HOSTILE, HOSTILE, main=HOSTILE, metrics={HOSTILE: HOSTILE})
    statuses: tuple[Status, ...] = ("finished", "failed", "interrupted")
    for status in statuses:
        record = trial(
            step,
            status=status,
            experiment=HOSTILE,
            parameters=(parameter, ParameterRecord(HOSTILE, "b", "eval", HOSTILE, summary="4")),
            subject=HOSTILE,
            branch=HOSTILE,
            author=HOSTILE,
            process=ProcessRecord(HOSTILE, 1),
            commit=HOSTILE,
            key=HOSTILE,
            started=HOSTILE,
            warnings=(HOSTILE,),
            interpreter=HOSTILE,
            platform=HOSTILE,
            variables={HOSTILE: HOSTILE},
            failure=Failure("exception", HOSTILE, HOSTILE, HOSTILE, HOSTILE),
            step=0,
        )
        page = render_page(
            notebook(
                heading(HOSTILE),
                cell(HOSTILE, kind="imports", step=None),
                cell(
                    f"# {HOSTILE}",
                    stream(HOSTILE),
                    stream(HOSTILE, "stderr"),
                    display({"text/plain": HOSTILE}),
                    display({"application/json": {HOSTILE: HOSTILE}}),
                    display({"text/latex": HOSTILE}),
                    display({HOSTILE: HOSTILE}),
                    display({"image/png": f'"{HOSTILE}', "text/plain": ""}, metadata={"alt": HOSTILE}),
                    error(HOSTILE, HOSTILE, HOSTILE),
                    error(HOSTILE, HOSTILE),
                    step=HOSTILE,
                    doc=f"{HOSTILE}\n\n{HOSTILE}",
                ),
            ),
            page_facts(
                record,
                environment=HOSTILE,
                log=HOSTILE,
                folder=f'"{HOSTILE}',
                links={HOSTILE: f'"{HOSTILE}', "bad": "javascript:alert(1)"},
                rerun=HOSTILE,
            ),
        )
        soup = BeautifulSoup(page, "html.parser")
        assert soup.select("script, [onerror]") == []
        assert all(str(image["src"]).startswith("data:") for image in soup.select("img"))
        assert "javascript:" not in page
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", page)


def test_nothing_is_loaded_from_anywhere() -> None:
    page = rendered(*ONE)
    soup = BeautifulSoup(page, "html.parser")
    assert soup.select("script, iframe, object, embed, base, [srcset]") == []
    assert [link["rel"] for link in soup.select("link")] == [["icon"]]
    for element in soup.select("[src], link[href]"):
        assert str(element.get("src") or element["href"]).startswith("data:")
    assert "@import" not in page
    assert not re.search(r"url\(", page)
    policy = soup.select_one('meta[http-equiv="Content-Security-Policy"]')
    assert policy is not None
    assert "default-src 'none'" in str(policy["content"])
    assert "http" not in str(policy["content"])


def test_the_page_can_be_read_by_everyone() -> None:
    soup = BeautifulSoup(rendered(*ONE), "html.parser")
    html = soup.select_one("html")
    assert html is not None
    assert html["lang"] == "en"
    levels = [int(found.name[1]) for found in soup.select("h1, h2, h3, h4, h5, h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(header.get("scope") for header in soup.select("th"))
    assert all(image.get("alt") for image in soup.select("img"))
    assert soup.select_one('meta[name="viewport"]')
    assert soup.select("main") and soup.select("header")


def test_long_output_is_folded_with_its_length_and_cut() -> None:
    printed = "".join(f"epoch {i:6d} <loss>\n" for i in range(200_000))
    page = rendered(cell("loud()", stream(printed)))
    (summary,) = rows_of(page, ".step details.long > summary")
    assert summary == "Output: 200,000 lines (4.0 MB) epoch 199999 <loss>"
    begin, end = text_of(page, ".step details.long pre")
    assert begin.startswith("epoch 0 <loss> epoch 1 <loss>")
    assert end.endswith("epoch 199999 <loss>")
    (cut,) = text_of(page, ".step details.long .cut")
    assert re.fullmatch(r"199,\d{3} lines \(4\.0 MB\) left out here; the notebook has all of it", cut)
    assert len(page) < 60_000


def test_short_output_is_not_folded() -> None:
    page = rendered(cell("quiet()", stream("one\ntwo\n")))
    assert text_of(page, "details.long") == []
    assert text_of(page, ".cut") == []


def test_a_page_without_figures_stays_small_whatever_is_written() -> None:
    noise = "<&>\x1b[38;5;28mx\x1b[0m" * 20_000 + "\n" + "<>\n" * 20_000
    frame = "\x1b[31mFile \x1b[32m~/x.py:3\x1b[0m, in f()\n" + "\x1b[38;5;28;01mraise\x1b[39;00m <>\n" * 50
    record = trial(
        status="failed",
        failure=Failure("exception", "<>" * 9000, "ValueError", "my_exp", "x.py:3 in f"),
        step=0,
        parameters=(_AMPLITUDE, ParameterRecord("my_exp", "p", "eval", "x" * 10_000, summary="y" * 10_000)),
    )
    page = rendered(
        cell(code := "x = '<>' + 1\n" * 4000, kind="parameters"),
        cell("f()", stream(noise), display({"text/plain": noise}), doc="<>" * 9000 + "\n\n" + "<>" * 9000, source=code),
        cell("f()", stream(noise, "stderr"), error("E", "x", *[frame] * 50)),
        record=record,
        environment="\n".join(f"package-{i}==1.{i}" for i in range(3000)),
        log="<log>\n" * 90_000,
    )
    assert len(page.encode()) <= 60_000


def test_a_value_of_which_the_table_says_less_is_there_in_full_and_folded() -> None:
    forest = ParameterRecord("my_exp", "model", "lookup", "big", summary="Forest(trees=500)")
    whole = "Forest(\n  depth=3,\n  name='<x>',\n  trees=500,\n)"
    record = trial(parameters=(_AMPLITUDE, forest))
    page = BeautifulSoup(rendered(cell("f()"), record=record, values={"my_exp.model": whole}), "html.parser")
    (folded,) = page.select("table.parameters details pre")
    assert folded.get_text().strip() == whole
    long = "\n".join(f"'{number:5}'" for number in range(5_000))
    record = trial(parameters=(_AMPLITUDE, forest))
    text = rendered(cell("f()"), record=record, values={"my_exp.model": long, "my_exp.amplitude": long})
    assert len(text.encode()) <= 60_000
    for folded in BeautifulSoup(text, "html.parser").select("table.parameters details pre"):
        assert re.search(r"…\n… and 4,[0-9]{3} more lines$", folded.get_text().strip())


def test_a_page_of_many_steps_metrics_and_outputs_stays_small_too() -> None:
    metrics: dict[str, Metric] = {f"metric_{number}": number / 7 for number in range(1000)}
    steps = tuple(StepRecord(f"s{i}", f"m:s{i}", "m:l", duration_s=1.0, main=1.0, metrics=metrics) for i in range(6))
    record = trial(
        steps=steps,
        parameters=tuple(
            ParameterRecord(step.name, f"p{k}", "lookup", "v", digest="a" * 40, summary="{'a': 1, 'b': [1, 2, 3]}")
            for step in steps
            for k in range(5)
        ),
    )
    doc = "Do it.\n\n" + "Explain at length.\n" * 100
    about: dict[str, Any] = {"doc": doc, "source": "f(x)\n" * 2000}
    curves = {name: [99, 0, [0.5] * 60] for name in metrics}
    cells = [cell("f()", stream("line\n" * 3000), step=step.name, curves=curves, **about) for step in steps]
    page = rendered(*cells, record=record)
    assert len(page.encode()) <= 60_000
    assert rows_of(page, ".overview .results tr")[-1] == "and 991 more in the results"
    assert len(text_of(page, ".curve")) == 8
    assert len(text_of(page, ".step .results tr")) <= 66
    outputs = [part for i in range(250) for part in (stream(f"{i}\n"), display({"text/plain": f"'{i}'"}))]
    assert len(rendered(cell("f()", *outputs)).encode()) <= 60_000


def test_only_what_can_be_moved_sideways_stops_the_keyboard() -> None:
    page = BeautifulSoup(rendered(cell("f()", stream("short\n"), display({"text/plain": "x" * 37}))), "html.parser")
    short, wide = page.select(".step pre.text:not(.code)")
    assert "tabindex" not in short.attrs
    assert wide["tabindex"] == "0" and wide["aria-label"] == "Output"


def test_of_a_progress_bar_only_the_last_state_is_shown() -> None:
    bar = ["\r  0%|   |", "\r 50%|#  |", "\r100%|###|\n"]
    page = rendered(
        cell("f()", stream(bar[0], "stderr"), stream("at 0\n"), stream(bar[1], "stderr"), stream(bar[2], "stderr"))
    )
    (shown,) = [pre.get_text() for pre in BeautifulSoup(page, "html.parser").select(".step pre:not(.code)")]
    assert shown == "at 0\n100%|###|"


def test_nothing_is_left_of_bars_that_make_way_for_what_is_printed() -> None:
    """As tqdm.write does it below two bars, of which the inner one goes in the end."""
    gone = "\r         \r\n\r         \r\x1b[A"
    page = rendered(
        cell(
            "f()",
            stream(f"\router 0\n\rinner 1\x1b[A{gone}", "stderr"),
            stream("written\n"),
            stream("\router 0\n\rinner 1\x1b[A\n\rinner 2\x1b[A\n\r       \x1b[A\router 1\r       \r", "stderr"),
            stream("more\n"),
            stream("\router 1\n\rinner 0\x1b[A", "stderr"),
            stream("printed\n"),
            stream("\router 2\n", "stderr"),
        )
    )
    (shown,) = [pre.get_text() for pre in BeautifulSoup(page, "html.parser").select(".step pre:not(.code)")]
    assert shown == "written\nmore\nprinted\nouter 2"


def test_what_follows_an_unfinished_bar_has_a_line_of_its_own() -> None:
    page = rendered(cell("f()", stream("\r 50%|#  |", "stderr"), stream("stopped\n")))
    (shown,) = [pre.get_text() for pre in BeautifulSoup(page, "html.parser").select(".step pre:not(.code)")]
    assert shown == " 50%|#  |\nstopped"


def test_html_that_is_displayed_on_purpose_is_shown_as_it_is() -> None:
    html = '<div class="mine"><b>hello</b><script>document.title = "x" && 1 < 2</script></div>'
    page = rendered(cell("f()", display({"text/html": html, "text/plain": "mine"})))
    assert html in page
    isolated = rendered(cell("f()", display({"text/html": html}, metadata={"text/html": {"isolated": True}})))
    assert html not in isolated
    frame = BeautifulSoup(isolated, "html.parser").select_one("iframe")
    assert frame is not None
    assert frame["srcdoc"] == html


def test_pictures_that_come_as_html_cannot_take_names_from_one_another() -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><g id="a"/><use href="#a"/></svg>'
    page = rendered(cell("f()", display({"text/html": svg}), display({"text/html": svg})))
    assert text_of(page, "figcaption") == ["Figure 1", "Figure 2"]
    assert "<svg" not in page


def test_markdown_and_formulas_are_set() -> None:
    page = rendered(
        cell("f()", display({"text/markdown": "# Head\n\nthe *sum* $a<b$ with <b>html</b>\n\n|a|\n|---|\n|1|"})),
        cell("g()", display({"text/latex": r"$\frac{a}{b}$"})),
    )
    assert text_of(page, ".step h3") == ["Head"]
    assert text_of(page, ".step em") == ["sum"]
    assert "<b>html</b>" in page
    assert page.count("<math") == 2
    assert text_of(page, ".step .shown td") == ["1"]


def test_outputs_of_any_type_are_shown_or_named() -> None:
    page = rendered(
        cell(
            "f()",
            display({"application/x-foo+json": {"a": 1}}),
            display({"application/x-foo": "bar", "text/plain": "plain"}),
            display({}),
            display({"image/gif": "R0lGOD"}),
            display({"image/svg+xml": "<svg></svg>"}),
            display({"image/jpeg": "/9j/"}, metadata={"image/jpeg": {"width": 20, "height": 10, "alt": "a cat"}}),
            display({"application/pdf": "JVBERi0="}),
            display({"application/json": {"a": [1]}}),
            display({"application/javascript": "element.append(1)"}),
            display({"text/x-rst": "rst"}),
        )
    )
    texts = text_of(page, ".step pre:not(.code)")
    assert texts[0] == "(an output of application/x-foo+json, which a page cannot show; the notebook has it)"
    assert "plain" in texts
    assert "rst" in texts
    assert '{ "a": [ 1 ] }' in texts
    images = BeautifulSoup(page, "html.parser").select(".step figure img")
    assert [str(image["src"])[:14] for image in images] == ["data:image/gif", "data:image/svg", "data:image/jpe"]
    assert (images[2]["width"], images[2]["height"], images[2]["alt"]) == ("20", "10", "a cat")
    assert "JVBERi0=" in page
    assert "element.append(1)" in page


def test_the_notebook_itself_is_left_as_it_is() -> None:
    given = notebook(*ONE)
    before = str(given)
    render_page(given, page_facts(trial(status="failed", step=0)))
    assert str(given) == before


def test_jupyter_templates_and_configuration_of_the_user_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = rendered(*ONE)
    for name in ("base/null.j2", "base/display_priority.j2", "mitosis/index.html.j2"):
        path = tmp_path / "data" / "nbconvert" / "templates" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "jupyter_nbconvert_config.py").write_text("c.TemplateExporter.exclude_input = True\n")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setattr("jupyter_core.paths.ENV_JUPYTER_PATH", [str(tmp_path / "data")])
    monkeypatch.setattr("mitosis.report.exporter._prepared", {None: PageExporter()})
    assert rendered(*ONE) == expected


def test_preparing_may_happen_in_many_threads_at_once() -> None:
    threads = [threading.Thread(target=prepared_exporter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert prepared_exporter() is prepared_exporter()


def left_out(omission: Omission, *told: Omission) -> BeautifulSoup:
    """The page of a cell in whose output the line of `omission` stands, and in whose metadata `told`."""
    about: dict[str, Any] = {METADATA: [dataclasses.asdict(known) for known in told]}
    text = "a line\n" * 5000 + f"\n{omission}\n" + "a line\n" * 3000
    return BeautifulSoup(rendered(cell("f()", stream(text), **about)), "html.parser")


def test_where_the_notebook_lacks_output_the_page_leads_to_the_file_that_has_it() -> None:
    omission = Omission(lines=9, size_bytes=90, file="output_0.txt")
    page = left_out(omission, omission)
    assert [link["href"] for link in page.select(".cut a")] == ["2026-03-01_5f2c91d07a3b/output_0.txt"]
    assert page.select(".long summary")[0].get_text().startswith("Output: 8,009 lines")


def test_what_was_only_printed_leads_to_no_file_and_counts_for_nothing() -> None:
    page = left_out(Omission(lines=9, size_bytes=90, file="output_0.txt"))
    assert [link["href"] for link in page.select(".cut a")] == ["2026-03-01_5f2c91d07a3b/notebook.ipynb"]
    assert page.select(".long summary")[0].get_text().startswith("Output: 8,002 lines")


def test_of_output_that_could_not_be_kept_no_place_is_named() -> None:
    omission = Omission(lines=9, size_bytes=90, file="")
    page = left_out(omission, omission)
    assert page.select(".cut a") == []
    assert page.select(".cut")[0].get_text().endswith("left out here; it could not be kept")


def test_the_command_that_runs_it_again_goes_with_a_commit_but_in_debug() -> None:
    assert text_of(rendered(*ONE), "h3") == ["Run it again at commit 8c1d2e0"]
    assert text_of(rendered(*ONE, debug=True), "h3") == ["Run it again"]


def test_a_long_log_and_environment_lead_to_their_files() -> None:
    page = rendered(*ONE, log="a line\n" * 5000, environment="a==1.0\n" * 5000)
    links = [str(link["href"]) for link in BeautifulSoup(page, "html.parser").select(".end .cut a")]
    assert links == ["2026-03-01_5f2c91d07a3b/requirements.txt", "2026-03-01_5f2c91d07a3b/experiment.log"]
