"""The main job: a trial runs, and everything about it is where it should be."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import mitosis as package
from support.e2e import LAB, PYPROJECT, SLOW, Project, SlowTrial


def test_trial_says_what_it_did_and_where(project: Project, slow_trial: SlowTrial) -> None:
    lines = slow_trial.done.stdout.splitlines()

    record = project.record()
    assert lines[0] == f'my_exp · frequency=slow (1) · amplitude=4 · commit {record.commit[:7]} "first"'
    assert re.match(r"✓ checked     clean tree, 1 variant newly locked +\d+\.\d s", lines[1])
    assert lines[2] == "multiplying"
    assert re.match(r"✓ my_exp      main = 4 +\d+\.\d s", lines[3])
    assert lines[4] == f"✓ recorded    {record.key[:6]} · trials/trial_my_exp-4-slow_0_{record.key}.html"


def test_record_holds_what_was_run_and_how_it_went(project: Project) -> None:
    project.mitosis(*SLOW, environment={"OMP_NUM_THREADS": "3"})

    record = project.record()
    assert re.fullmatch(r"[0-9a-f]{12}", record.key)
    assert (record.status, record.main, record.iteration) == ("finished", 4, 0)
    assert record.commit == project.git("rev-parse", "HEAD").strip()
    assert (record.subject, record.branch) == ("first", "main")
    assert record.author == "Ada Lovelace <ada@example.org>"
    assert record.variables["OMP_NUM_THREADS"] == "3"
    assert record.command == ("mitosis", *SLOW)
    assert record.steps[0].source == "lab/__init__.py"
    assert {(p.full_name, p.kind, p.text, p.summary) for p in record.parameters} == {
        ("my_exp.frequency", "lookup", "slow", "1"),
        ("my_exp.amplitude", "eval", "4", "4"),
    }
    assert record.duration_s is not None and record.duration_s > 0
    assert record.cpu_s is not None and record.cpu_s > 0
    assert record.peak_memory_bytes is not None and record.peak_memory_bytes > 10 * 2**20
    packages = project.git("cat-file", "-p", f"refs/mitosis/journal:environments/{record.environment}.txt")
    assert "\nmsgpack==" in packages


def test_record_says_what_of_the_commit_was_imported(project: Project) -> None:
    late = LAB.replace('    print("multiplying")', "    import lab.late\n    import free")
    names = [f"many/m{number:03}.py" for number in range(1_000)]
    project.commit({"lab/__init__.py": late, "lab/late.py": "", "lab/unused.py": "", **dict.fromkeys(names, "")})
    project.write({"free.py": ""})
    project.mitosis(*SLOW)
    assert project.record().imported == ("lab/__init__.py",)
    project.commit({})
    project.mitosis(*SLOW)
    assert project.records()[0].imported == ("free.py", "lab/__init__.py", "lab/late.py")
    every = "".join(f"import many.m{number:03}\n" for number in range(1_000))
    project.commit({"lab/late.py": every})
    project.mitosis(*SLOW)
    assert project.records()[0].imported == ("free.py", "lab/__init__.py", "lab/late.py", *names)[:1_000]


@pytest.mark.usefixtures("slow_trial")
def test_outputs_are_listed_with_the_ids_that_git_gives(project: Project) -> None:
    record = project.record()
    listed = {output.path: output for output in record.outputs}
    folder = record.folder
    names = {"notebook.ipynb", "source.py", "experiment.log", "requirements.txt", "results_0.dill", "parameters_0.dill"}
    assert {f"{folder}/{name}" for name in names} | {record.page} == set(listed)
    for path, output in listed.items():
        file = project / "trials" / path
        assert file.stat().st_size == output.size_bytes
        assert project.git("hash-object", "--no-filters", str(file)).strip() == output.oid
    link = project / "trials" / str(folder) / "experiment"
    assert link.resolve() == project.page_of(record)


def test_working_tree_index_and_branches_stay_as_they_are(project: Project) -> None:
    def state() -> tuple[str, ...]:
        files = sorted(
            str(path) for path in project.rglob("*") if ".git" not in path.parts and "trials" not in path.parts
        )
        return (
            project.git("for-each-ref", "refs/heads", "refs/tags"),
            project.git("rev-parse", "HEAD"),
            project.git("status", "--porcelain"),
            (project / ".git" / "index").read_bytes().hex(),
            *files,
        )

    project.git("status")
    before = state()
    project.mitosis(*SLOW)
    assert state() == before
    assert (project / "trials" / ".gitignore").read_text() == "*\n"
    assert project.git("fsck", "--strict") == ""
    refs = project.git("for-each-ref", "--format=%(refname)").split()
    own = ("refs/mitosis/", "refs/refs/mitosis", "refs/notes/mitosis", "refs/heads/")
    assert all(ref.startswith(own) for ref in refs)


@pytest.mark.usefixtures("slow_trial")
def test_results_load_by_any_unique_prefix(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    key = project.record().key
    monkeypatch.chdir(project / "lab")

    for results in (
        package.load_trial_data(key),
        package.load_trial_data(key[:4]),
        package.load_trial_data(hexstr=key, trials_folder=project / "trials"),
    ):
        assert results == [{"main": 4, "data": [4]}]
    assert package.load_trial_params(key) == {"amplitude": 4, "frequency": 1}


def test_chain_hands_data_on_and_keeps_each_result(project: Project) -> None:
    done = project.mitosis("data", "fit", "-p", "data.noise=high", "-p", "fit.kind=sum")

    record = project.record()
    assert record.experiment == "data+fit"
    assert record.main == 4.0
    assert [step.main for step in record.steps] == [4, 4.0]
    assert record.steps[0].metrics == {"length": 4}
    assert record.steps[1].metrics == {"size.count": 4, "name": "fit"}
    assert "size.count = 4" in done.stdout
    data = package.load_trial_data(record.key, trials_folder=project / "trials")
    assert data[0]["data"] == [1.0] * 4
    assert data[1]["main"] == 4.0


def test_steps_run_in_the_order_of_the_command_line(project: Project) -> None:
    project.mitosis("data", "my_exp", "-p", "data.noise=low", "-e", "my_exp.frequency=2", status=0)
    assert [step.name for step in project.record().steps] == ["data", "my_exp"]
    assert project.record().main == str([0.01] * 8)


@pytest.mark.usefixtures("slow_trial")
def test_iteration_counts_trials_of_the_same_variants(project: Project) -> None:
    project.mitosis(*SLOW)
    project.mitosis("my_exp", "-p", "my_exp.frequency=fast", "-e", "my_exp.amplitude=4")
    project.mitosis(*SLOW)
    assert [record.iteration for record in project.records()] == [2, 0, 1, 0]


def test_defaults_are_recorded_shown_and_tell_trials_apart_and_are_left_out_of_objects(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = """[tool.mitosis.steps]\nfirst = ["lab:first", "lab:lookups"]\nthen = ["lab:then", "lab:lookups"]\n"""
    lab = """
class Forest:
    def __init__(self, bootstrap=True, criterion="gini", depth=None, leaves=None, max_features="sqrt", trees=100):
        vars(self).update({name: value for name, value in locals().items() if name != "self"})

lookups = {"model": {"big": Forest(trees=500)}}

def first(rate, model, seed=7, hook=lambda x: x):
    return {"main": seed, "data": seed}

def then(data=None, *rest, scale=2, **more):
    return {"main": data * scale}
"""
    project.commit({"pyproject.toml": steps, "lab/__init__.py": lab})
    words = ("first", "then", "-e", "first.rate=1", "-p", "first.model=big")
    project.mitosis(*words)
    project.commit_lab(lab.replace("seed=7", "seed=8"))
    done = project.mitosis(*words)

    later, earlier = project.records()
    assert (later.main, earlier.main) == (16, 14)
    assert (later.iteration, earlier.iteration) == (0, 0), "with another default it is not the same again"
    _, rate, seed, hook, scale = later.parameters
    assert (rate.kind, seed.kind, seed.full_name, seed.text) == ("eval", "default", "first.seed", "8")
    assert (scale.full_name, scale.text, scale.digest is not None) == ("then.scale", "2", True)
    assert (hook.text, hook.tracked, hook.digest) == ("<function <lambda>>", False, None), "it has no lasting value"
    parts = done.stdout.splitlines()[0].split(" · ")
    assert parts[1:-1] == ["first: model=big (Forest(trees=500)), rate=1"]
    listed = project.mitosis("list").stdout
    assert re.search(r"\b8 \(default\).*\n.*\b7 \(default\)", listed)
    assert "then.scale" in listed and "hook" not in listed, "it has no value"
    shown = project.mitosis("show", later.key).stdout
    assert re.search(r"first\.seed +8 \(default\)\n", shown)
    assert re.search(r"first\.hook +<function <lambda>> \(default\)  \(not tracked\)", shown)
    assert "Default: first.seed=8\nDefault: then.scale=2\n" in project.git("log", "-1", "--format=%B", "refs/mitosis")
    assert "seed" not in (project / "trials" / str(later.folder) / "source.py").read_text()
    assert "whole value: mitosis variants show first.model=big\n" in shown
    for listing in ("variants", "variants --locked"):
        assert re.search(r"first.model=big +locked +Forest\(trees=500\) ", project.mitosis(*listing.split()).stdout)
    page = (project / "trials" / str(later.page)).read_text()
    assert re.search(r"<details[^>]*><summary>All of it</summary><pre[^>]*>Forest\(bootstrap=True, criterion=", page)
    assert re.search(r"<code>8</code>\s*<small>\(default\)</small>", page)
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(project)
    assert package.load_trial_params(later.key).keys() == {"model", "rate", "seed"}

    project.mitosis("first", "-e", "first.rate=1", "-e", "first.seed=8", "-p", "first.model=big")
    listed = project.mitosis("list", "-n", "2").stdout
    assert re.search(r"\b8  .*\n.*\b8 \(default\)", listed), "who gave it explicitly stands beside who did not"


def test_options_stand_anywhere(project: Project) -> None:
    project.mitosis("-p", "my_exp.frequency=slow", "my_exp", "-e", "my_exp.amplitude=dict(a=1)['a']")
    project.mitosis("run", "--eval-param", "my_exp.amplitude=1", "my_exp", "--param=my_exp.frequency=slow")
    assert [record.main for record in project.records()] == [1, 1]


def test_working_directory_is_the_trials_folder(project: Project) -> None:
    project.commit_lab(
        "lookup_dict = {}\ndef run():\n    open('left.txt', 'w').write('here')\n    return {'main': 1}\n"
    )
    project.mitosis("my_exp")
    record = project.record()
    assert (project.folder_of(record) / "left.txt").read_text() == "here"
    assert f"{record.folder}/left.txt" in {output.path for output in record.outputs}


@pytest.mark.usefixtures("slow_trial")
def test_log_has_info_and_in_debug_also_debug(project: Project) -> None:
    project.mitosis(*SLOW, "--debug")
    normal, debug = sorted(project.glob("trials/*/experiment.log"), key=lambda path: "debug" in path.parent.name)
    assert "INFO:" in normal.read_text() and "told to multiply" in normal.read_text()
    assert "in great detail" not in normal.read_text()
    assert "in great detail" in debug.read_text()


def test_untracked_parameter_is_recorded_and_not_locked(project: Project) -> None:
    done = project.mitosis("my_exp", "-p", "+my_exp.frequency=slow", "-e", "+my_exp.amplitude=4")
    assert {(p.name, p.tracked) for p in project.record().parameters} == {("frequency", False), ("amplitude", False)}
    assert "newly locked" not in done.stdout
    assert "variants" not in project.git("ls-tree", "--name-only", "refs/mitosis/journal").split()


def test_allowed_changes_are_named_and_recorded(project: Project) -> None:
    config = 'allow-changes = ["*.md", "lab/**"]\n'
    project.commit({"pyproject.toml": f"[tool.mitosis]\n{config}{PYPROJECT}", "notes.md": "a\n"})
    (project / "notes.md").write_text("b\n")
    told = "changed since the commit, as `allow-changes` permits: notes.md"
    assert told in project.mitosis(*SLOW).stderr
    assert project.record().warnings == (told,)
    (project / "lab" / "__init__.py").write_text(f"{LAB}# changed\n")
    assert "lab/__init__.py  differs from the commit" in project.mitosis(*SLOW, status=2).stderr


def test_outputs_of_a_linked_worktree_outlive_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.git("worktree", "add", "--quiet", "-b", "side", str(project.parent / "linked"))
    project.mitosis(*SLOW, cwd=project.parent / "linked")
    project.git("worktree", "remove", str(project.parent / "linked"))
    monkeypatch.chdir(project)
    (result,) = package.load_trial_data(project.record().key)
    assert result["main"] == 4
    assert project.page_of(project.record()).exists()
    assert "no problems" in project.mitosis("verify", "--outputs").stdout


def test_trials_folder_that_a_deeper_one_has_made_is_ignored_by_git_as_well(project: Project) -> None:
    for folder in ("outputs/debug", "outputs"):
        project.mitosis(*SLOW, "-F", folder)
    assert project.git("status", "--porcelain", "--ignored") == "!! outputs/\n"


def test_what_only_pickle_can_pickle_is_saved(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.commit_lab(
        "import traceback\nlookup_dict = {}\nclass Plain:\n    def __reduce_ex__(self, protocol):\n"
        "        assert not any('dill' in frame.filename for frame in traceback.extract_stack())\n"
        "        return (Plain, ())\ndef run():\n    return {'main': 1, 'data': Plain()}\n"
    )
    assert project.mitosis("my_exp").stderr == ""
    monkeypatch.chdir(project)
    monkeypatch.delitem(sys.modules, "lab", raising=False)
    (result,) = package.load_trial_data(project.record().key)
    assert type(result["data"]).__name__ == "Plain"


def test_untracked_parameter_may_be_anything(project: Project) -> None:
    project.mitosis("data", "fit", "-p", "data.noise=low", "-e", "+fit.kind=lambda xs: len(xs)")
    assert project.record().main == 4


def test_results_that_cannot_be_pickled_are_named_and_the_rest_is_kept(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.commit_lab(
        "import threading\nlookup_dict = {}\n"
        "class Odd:\n    def __reduce__(self): raise ValueError('not me')\n"
        "    def __repr__(self): raise KeyError('nor me')\n"
        "def run():\n    return {'main': Odd(), 'data': {'odd': [1, Odd()], 'even': 2, 'f': lambda x: x + 1}}\n"
    )
    done = project.mitosis("my_exp")

    record = project.record()
    assert record.status == "finished"
    assert "result could not be saved: ['data']['odd'][1]: ValueError: not me" in done.stderr
    assert "main: Odd whose repr raised KeyError" in done.stderr
    monkeypatch.chdir(project)
    (result,) = package.load_trial_data(record.key)
    assert result["data"]["even"] == 2
    assert result["data"]["odd"][0] == 1
    assert result["data"]["f"](1) == 2
    assert result["data"]["odd"][1].reason == "ValueError: not me"
    assert any("not me" in warning for warning in record.warnings)


@pytest.mark.parametrize(("value", "shown"), [("(np.float64(1.5), 2)", "(1.5, 2)"), ("16**5000", "0x1000")])
def test_result_that_is_no_number_is_recorded_as_a_short_text(project: Project, value: str, shown: str) -> None:
    project.commit_lab(f"import numpy as np\nlookup_dict = {{}}\ndef run():\n    return {{'main': {value}}}\n")
    assert "NoneType" not in project.mitosis("my_exp").stderr
    assert str(project.record().main).startswith(shown)


def test_figures_metrics_and_arrays_pass_through_two_steps(project: Project) -> None:
    project.commit(
        {
            "lab/chain.py": "import numpy as np\nimport matplotlib.pyplot as plt\n"
            "lookups = {'noise': {'low': np.array([0.1, 0.2])}}\n"
            "def make(noise):\n    plt.plot(noise)\n    return {'main': noise.mean(), 'data': np.cumsum(noise)}\n"
            "class Fit:\n    lookups = {}\n    @staticmethod\n    def run(data):\n        plt.plot(data)\n"
            "        return {'main': np.float64(data[-1]), 'metrics': {'max': np.int32(3), 'array': np.array(2.5)}}\n"
        }
    )
    project.mitosis("data", "fit", "-p", "data.noise=low")

    record = project.record()
    assert record.main == pytest.approx(0.3)
    assert record.steps[1].metrics == {"max": 3, "array": 2.5}
    page = project.page_of(record).read_text()
    assert page.count("data:image/png;base64,") == 2
    data = package.load_trial_data(record.key, trials_folder=project / "trials")
    assert data[0]["data"].tolist() == pytest.approx([0.1, 0.3])


def test_module_runs_without_registration(project: Project) -> None:
    project.commit(
        {
            "pyproject.toml": "[project]\nname = 'x'\n",
            "lab/alone.py": "lookup_dict = {'f': {'slow': 1}}\ndef run(f, g):\n    return {'main': f + g}\n"
            "class Inner:\n    lookup_dict = {'h': {'two': 2}}\n"
            "    @staticmethod\n    def run(h):\n        return {'main': h}\n",
        }
    )
    project.mitosis("-m", "lab.alone", "-p", "f=slow", "-e", "g=4")
    project.mitosis("--module", "lab.alone:Inner", "-p", "h=two")
    assert [(record.experiment, record.main) for record in project.records()] == [
        ("lab.alone:Inner", 2),
        ("lab.alone", 5),
    ]


def test_untracked_files_that_nothing_imports_are_counted(project: Project) -> None:
    (project / "notes.txt").write_text("x")
    (project / "more.txt").write_text("x")
    assert "2 untracked files that nothing imports" in project.mitosis(*SLOW).stdout
    assert project.record().untracked_files == 2


def test_modules_are_imported_once_and_only_in_the_kernel(project: Project) -> None:
    project.commit_lab(
        "import os, pathlib\nlookup_dict = {}\n"
        f"with open({str(project / 'ignored.txt')!r}, 'a') as f: f.write(f'{{os.getppid()}}\\n')\n"
        "def run():\n    return {'main': 1}\n"
    )
    project.mitosis("my_exp")
    assert len((project / "ignored.txt").read_text().splitlines()) == 1


def test_shared_trials_folder_may_be_a_symbolic_link(project: Project, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (project / "trials").symlink_to(tmp_path / "shared")
    (project / ".git" / "info" / "exclude").write_text("trials\n")
    project.mitosis(*SLOW)
    assert (tmp_path / "shared" / str(project.record().page)).is_file()
    assert not (tmp_path / "shared" / ".gitignore").exists()


def test_trials_folder_option_is_relative_to_the_working_directory(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.mitosis(*SLOW, "-F", "out", cwd=project / "lab")
    record = project.record()
    assert (project / "lab" / "out" / str(record.page)).is_file()
    monkeypatch.chdir(project)
    assert package.load_trial_data(record.key[:5])[0]["main"] == 4


def test_configured_folder_and_config_are_relative_to_the_root(project: Project) -> None:
    text = '[tool.mitosis]\ntrials-folder = "results"\n[tool.mitosis.steps]\nother = ["lab:run", "lab:lookup_dict"]\n'
    project.commit({"conf/mitosis.toml": text.replace("[tool.mitosis]\n", '[tool.mitosis]\npythonpath = [".."]\n')})
    project.mitosis(
        *("--config", "conf/mitosis.toml", "other", "-p", "other.frequency=slow", "-e", "other.amplitude=4"),
        cwd=project / "lab",
    )
    assert (project / "results" / str(project.record().page)).is_file()


def test_values_with_slashes_and_great_length_give_usable_file_names(project: Project) -> None:
    project.commit_lab("lookup_dict = {}\ndef run(name):\n    return {'main': len(name)}\n")
    project.mitosis("my_exp", "-e", "my_exp.name='a/../b' + '" + "x" * 10_000 + "'")
    record = project.record()
    assert record.main == 10_006
    assert "/" not in str(record.page)
    assert len(str(record.page)) < 200
    assert project.page_of(record).is_file()


def test_module_hidden_by_its_package_is_reached(project: Project) -> None:
    project.commit(
        {
            "pyproject.toml": '[tool.mitosis.steps]\nrun = ["pack.run:run", "pack.run:lookups"]\n',
            "pack/__init__.py": "from pack.run import run\n",
            "pack/run.py": "lookups = {'a': {'x': 7}}\ndef run(a):\n    return {'main': a}\n",
        }
    )
    project.mitosis("run", "run", "-p", "run.a=x")
    assert project.record().main == 7


def test_step_named_like_its_module_runs(project: Project) -> None:
    project.commit({"pyproject.toml": '[tool.mitosis.steps]\nlab = ["lab:run", "lab:lookup_dict"]\n'})
    project.mitosis("lab", "-p", "lab.frequency=slow", "-e", "lab.amplitude=2")
    assert project.record().main == 2
