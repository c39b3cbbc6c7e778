"""The notebook of a trial runs by itself: in a Python that has the experiment's package, and no mitosis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

from mitosis.records.trial import TrialRecord
from support.e2e import Project
from support.waiting import TIMEOUT_S

EXECUTE = """\
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
probe = nbformat.v4.new_code_cell(
    "try:\\n    import mitosis\\nexcept ImportError:\\n    print('there is no mitosis')"
)
notebook.cells.insert(0, probe)
client = NotebookClient(notebook, allow_errors=True, resources={"metadata": {"path": sys.argv[2]}})
client.execute()
assert probe.outputs[0].text == "there is no mitosis\\n", probe.outputs
del notebook.cells[0]
nbformat.write(notebook, sys.argv[3])
"""


@dataclass(frozen=True, slots=True)
class Alone:
    """A Python in which mitosis cannot be imported."""

    python: Path
    folder: Path

    def install(self, *folders: Path) -> None:
        """Have what is in the folders importable, as an editable installation does."""
        site = sysconfig.get_path("purelib", vars={"base": str(self.folder / "venv")})
        Path(site, "installed.pth").write_text("".join(f"{folder}\n" for folder in folders))

    def run(self, *words: str | Path) -> None:
        """Run this Python as somebody does who knows nothing of mitosis."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [self.python, *words],
            cwd=self.folder,
            env=environment | {"JUPYTER_PATH": "", "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def execute(self, notebook: Path, cwd: Path | None = None) -> nbformat.NotebookNode:
        """Execute a notebook, in its own folder unless told where, and return it with its new outputs."""
        script, executed = self.folder / "execute.py", self.folder / "executed.ipynb"
        script.write_text(EXECUTE)
        self.run(script, notebook, cwd or notebook.parent, executed)
        read: nbformat.NotebookNode = nbformat.read(executed, as_version=4)
        return read


@pytest.fixture(scope="module")
def alone_made(tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """A virtual environment that borrows what is installed here, all but mitosis."""
    folder = tmp_path_factory.mktemp("alone")
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(venv)}))
    borrowed = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    # Python puts the folders on its path, but reads no files of paths in them, which editable installations have.
    (site / "borrowed.pth").write_text("".join(f"{path}\n" for path in borrowed))
    (site / "without.pth").write_text("import sys; sys.modules['mitosis'] = None\n")
    return Alone(venv / "bin" / "python", folder)


@pytest.fixture
def alone(alone_made: Alone, project: Project) -> Alone:
    """The same, with the project installed."""
    alone_made.install(project)
    return alone_made


def notebook_of(project: Project, record: TrialRecord) -> Path:
    return project.folder_of(record) / "notebook.ipynb"


def shown(notebook: nbformat.NotebookNode) -> list[Any]:
    """What the cells show, in order, without counts of executions."""
    return [
        (output.output_type, output.get("data") or output.get("text") or (output.ename, output.evalue))
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.get("name") != "stderr"
    ]


def check_runs_alone(alone: Alone, project: Project, record: TrialRecord, cwd: Path | None = None) -> None:
    path = notebook_of(project, record)
    again = alone.execute(path, cwd)
    last = again.cells[-1]
    assert last.source.endswith('["main"]')
    assert last.outputs[0].data["text/plain"] == repr(record.main)
    assert shown(again) == shown(nbformat.read(path, as_version=4))


def test_notebook_is_one_that_jupyter_opens(project: Project) -> None:
    project.mitosis("data", "fit", "-p", "data.noise=low", "-p", "fit.kind=sum")
    text = notebook_of(project, project.record()).read_text()
    notebook = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook, relax_add_props=False)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert notebook.metadata.kernelspec == {
        "name": "python3",
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }
    assert notebook.metadata.language_info.file_extension == ".py"
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == sorted(counts)


def test_two_steps_with_data_passed_on_give_the_same(project: Project, alone: Alone) -> None:
    project.mitosis("data", "fit", "-p", "data.noise=low", "-p", "fit.kind=sum", "-e", "data.length=7")
    check_runs_alone(alone, project, project.record())


def test_package_of_a_configured_folder_is_found_from_anywhere(project: Project, alone: Alone) -> None:
    project.commit(
        {
            "pyproject.toml": '[tool.mitosis]\npythonpath = ["code", "more code", "unused"]\n'
            '[tool.mitosis.steps]\nsum = ["adder:run", "adder:lookups"]\n',
            "code/adder.py": "lookups = {}\n\ndef run(a):\n    from one import ONE\n    return {'main': a + ONE}\n",
            "more code/one.py": "ONE = 1\n",
            "unused/other.py": "",
        }
    )
    project.mitosis("sum", "-e", "sum.a=2")
    record = project.record()
    assert str(project) not in notebook_of(project, record).read_text()
    alone.install(project / "code", project / "more code")
    check_runs_alone(alone, project, record)
    check_runs_alone(alone, project, record, cwd=alone.folder)


def test_module_and_class_without_registration(project: Project, alone: Alone) -> None:
    project.commit(
        {
            "models/__init__.py": "",
            "models/deep.py": "class Net:\n"
            "    lookup_dict = {'size': {'small': {'layers': [{'width': 3}, {'width': 4}]}}}\n"
            "    @classmethod\n"
            "    def run(cls, size, scale=1.0):\n"
            "        return {'main': scale * sum(layer['width'] for layer in size['layers'])}\n"
            "lookup_dict = {}\ndef run(n):\n    return {'main': n}\n",
        }
    )
    project.mitosis("-m", "models.deep:Net", "-p", "size=small", "-e", "scale=0.1")
    project.mitosis("-m", "models.deep", "-e", "n=1e-300")
    for record in project.records():
        check_runs_alone(alone, project, record)


def test_nested_values_and_expressions_with_imports(project: Project, alone: Alone) -> None:
    project.commit(
        {
            "lab/nested.py": "import dataclasses\n\n\n"
            "@dataclasses.dataclass\nclass Solver:\n    tol: float\n    inner: object\n\n\n"
            "lookup_dict = {'solver': {'fine': Solver(1e-3, {'k': (1, [2, Solver(0.5, None)])})}}\n\n\n"
            "def run(solver, grid, name, path, f):\n"
            "    deep = solver.inner['k'][1][1].tol\n"
            "    return {'main': f(float(grid.sum()) * solver.tol + deep), 'metrics': {'n': name, 'p': str(path)}}\n",
            "pyproject.toml": '[tool.mitosis.steps]\nnest = ["lab.nested:run", "lab.nested:lookup_dict"]\n',
        }
    )
    expressions = {
        "grid": "np.linspace(0, math.pi, 5)",
        "name": "\"a 'quoted' = name\"",
        "path": 'Path("a") / "b"',
        "f": "lab.nested.dataclasses.astuple and math.sqrt",
    }
    words = [word for name, text in expressions.items() for word in ("-e", f"nest.{name}={text}")]
    project.mitosis("nest", "-p", "nest.solver=fine", *words)
    check_runs_alone(alone, project, project.record())


def test_failed_trial_fails_again_in_the_same_cell(project: Project, alone: Alone) -> None:
    project.commit_lab("lookup_dict = {}\n\ndef run(a):\n    print('on it')\n    return {'main': 1 / a}\n")
    project.mitosis("my_exp", "-e", "my_exp.a=0", status=1)
    path = notebook_of(project, project.record())
    nbformat.validate(nbformat.read(path, as_version=4))
    again = alone.execute(path)
    assert shown(again) == shown(nbformat.read(path, as_version=4))
    assert again.cells[-1].outputs[-1].ename == "ZeroDivisionError"


def test_jupyter_executes_the_notebook_and_python_the_script(project: Project, alone: Alone) -> None:
    project.mitosis("data", "fit", "-p", "data.noise=low", "-p", "fit.kind=max")
    record = project.record()
    path = notebook_of(project, record)
    alone.run("-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir", alone.folder, path)
    executed = json.loads((alone.folder / "notebook.ipynb").read_text())
    assert "".join(executed["cells"][-1]["outputs"][0]["data"]["text/plain"]) == repr(record.main)
    script = path.with_name("source.py")
    printing = alone.folder / "printing.py"
    printing.write_text(f"{script.read_text()}\nassert fit['main'] == {record.main!r}\n")
    alone.run(printing)
