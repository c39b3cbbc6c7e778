"""What is installed, and which variables are set, as a trial's record keeps it."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from mitosis.git.repository import find_repository
from mitosis.provenance.environment import (
    VARIABLE_PREFIXES,
    VARIABLES,
    chosen_variables,
    read_environment,
    strip_secrets,
)
from support.e2e import Project


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed distributions, the only one on the path."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder)])
    return folder


def install(site: Path, name: str, version: str = "1.0", origin: dict[str, Any] | None = None, **files: str) -> None:
    """Leave what an installer leaves beside the code."""
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: not a field\nVersion: 9\n"
    (folder / "METADATA").write_text(metadata)
    if origin is not None:
        (folder / "direct_url.json").write_text(json.dumps(origin))
    for file, text in files.items():
        (folder / file).write_text(text)


def requirements() -> list[str]:
    return [line for line in read_environment().text.splitlines() if not line.startswith("#")]


def test_distributions_are_listed_by_name_with_exact_versions(site: Path) -> None:
    install(site, "zlib_ng", "2.0+cu118")
    install(site, "Alpha.B", "1.0rc1")
    install(site, "beta", "0.1")
    assert requirements() == ["Alpha.B==1.0rc1", "beta==0.1", "zlib_ng==2.0+cu118"]


def test_text_begins_with_interpreter_and_platform(site: Path) -> None:
    environment = read_environment()
    first, second = environment.text.splitlines()
    version = ".".join(map(str, sys.version_info[:3]))
    assert re.fullmatch(rf"# \w+ {re.escape(version)}\w*", first)
    assert first == f"# {environment.interpreter}"
    assert second.startswith("# ")


def test_digest_is_that_of_the_text(site: Path) -> None:
    install(site, "alpha")
    before = read_environment()
    assert before.digest == hashlib.sha256(before.text.encode()).hexdigest()[:40]
    assert read_environment() == before
    install(site, "beta")
    assert read_environment().digest != before.digest


def test_first_of_two_installations_counts(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other" / "site-packages"
    other.mkdir(parents=True)
    install(site, "my_pkg", "1.0")
    install(other, "My-Pkg", "2.0")
    monkeypatch.setattr(sys, "path", [str(other), str(site)])
    assert requirements() == ["My-Pkg==2.0"]


def test_what_an_interrupted_installation_left_is_passed_over(site: Path) -> None:
    (site / "~umpy-1.0.dist-info").mkdir()
    install(site, "alpha")
    assert requirements() == ["alpha==1.0"]


def test_install_from_a_repository_names_its_commit(site: Path) -> None:
    vcs = {"vcs": "git", "commit_id": "c" * 40, "requested_revision": "main"}
    install(site, "alpha", origin={"url": "https://example.org/a.git", "vcs_info": vcs, "subdirectory": "py"})
    url = f"git+https://example.org/a.git@{'c' * 40}#subdirectory=py"
    assert requirements() == [f"alpha @ {url}  # alpha==1.0"]


@pytest.mark.parametrize(
    ("archive", "fragment"),
    [
        ({"hash": "sha256=ab12"}, "#sha256=ab12"),
        ({"hashes": {"md5": "00", "sha256": "ab12"}}, "#sha256=ab12"),
        ({"hash": "md5=00", "hashes": {"sha512": "cd34", "sha256": "ab12"}}, "#sha256=ab12"),
        ({}, ""),
    ],
)
def test_install_from_an_archive_names_its_hash(site: Path, archive: dict[str, Any], fragment: str) -> None:
    install(site, "alpha", origin={"url": "file:///w/alpha.whl", "archive_info": archive})
    assert requirements() == [f"alpha @ file:///w/alpha.whl{fragment}  # alpha==1.0"]


def test_copy_of_a_folder_is_told_by_the_hash_of_what_was_installed(site: Path) -> None:
    origin = {"url": "file:///home/ada/alpha", "dir_info": {}}
    install(site, "alpha", origin=origin, RECORD="alpha/__init__.py,sha256=abc,3\n")
    (line,) = requirements()
    digest = hashlib.sha256(b"alpha/__init__.py,sha256=abc,3\n").hexdigest()
    assert line == f"alpha @ file:///home/ada/alpha  # alpha==1.0, RECORD sha256={digest}"


def test_package_that_conda_built_has_no_folder(site: Path) -> None:
    origin = {"url": "file:///home/conda/feedstock_root/alpha", "dir_info": {}}
    install(site, "alpha", origin=origin, INSTALLER="conda\n")
    assert requirements() == ["alpha==1.0"]


def test_editable_install_names_the_commit_of_its_checkout(site: Path, project: Project) -> None:
    install(site, "alpha", origin={"url": project.as_uri(), "dir_info": {"editable": True}})
    commit = project.git("rev-parse", "HEAD").strip()
    assert requirements() == [f"-e {project}  # alpha==1.0, commit {commit}"]
    (project / "notes.txt").write_text("untracked")
    assert requirements() == [f"-e {project}  # alpha==1.0, commit {commit}"]
    (project / "pkg" / "model.py").write_text("A = 2\n")
    assert requirements() == [f"-e {project}  # alpha==1.0, commit {commit} with uncommitted changes"]


def test_editable_install_in_a_folder_with_odd_name_is_found(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "größe und mehr"
    folder.mkdir()
    install(site, "alpha", origin={"url": folder.as_uri(), "dir_info": {"editable": True}})
    assert requirements() == [f"-e {folder}  # alpha==1.0, in no git repository with a commit"]


@pytest.mark.parametrize("where", ["file:///nowhere/at/all", "file:///"])
def test_editable_install_without_checkout_is_no_error(site: Path, where: str) -> None:
    install(site, "alpha", origin={"url": where, "dir_info": {"editable": True}})
    assert requirements()[0].endswith("# alpha==1.0, in no git repository with a commit")


def test_install_by_setup_py_develop_is_editable(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    info = project / "alpha.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Name: alpha\nVersion: 3.0\n")
    monkeypatch.setattr(sys, "path", [str(project)])
    (line,) = requirements()
    assert line.startswith(f"-e {project}  # alpha==3.0, commit ")


def test_experiments_own_package_has_the_same_text_at_every_commit_and_place(site: Path, project: Project) -> None:
    (project / "sub").mkdir()
    for name, folder in (("alpha", project), ("beta", project / "sub")):
        install(site, name, origin={"url": folder.as_uri(), "dir_info": {"editable": True}})
    before = read_environment(find_repository(project))
    own = "of the experiment's repository"
    assert before.text.splitlines()[2:] == [f"-e .  # alpha==1.0, {own}", f"-e ./sub  # beta==1.0, {own}"]
    project.git("commit", "--quiet", "--allow-empty", "--message", "second")
    assert read_environment(find_repository(project)) == before
    assert "commit" in read_environment().text


def test_credentials_never_reach_the_text(site: Path) -> None:
    secret = "hunter2"
    vcs = {"vcs": "git", "commit_id": "c" * 40}
    for number, url in enumerate(
        (
            f"https://ada:{secret}@example.org/a.git",
            f"https://{secret}@example.org/a.git",
            f"https://git:{secret}@example.org/a.git",
            f"https://example.org/a.git?token={secret}",
            f"https://example.org/a.git#{secret}",
            f"ssh://{secret}@example.org/a.git",
        )
    ):
        install(site, f"alpha{number}", origin={"url": url, "vcs_info": vcs})
        install(site, f"beta{number}", origin={"url": url, "archive_info": {}})
    text = read_environment().text
    assert text.count("example.org") == 12
    assert secret not in text


def test_user_git_of_a_url_is_kept() -> None:
    assert strip_secrets("ssh://git@example.org:22/a.git") == "ssh://git@example.org:22/a.git"
    assert strip_secrets("https://a:b@example.org:8443/x") == "https://example.org:8443/x"


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_unreadable_origin_is_said_and_no_error(site: Path, text: str) -> None:
    install(site, "alpha")
    (site / "alpha-1.0.dist-info" / "direct_url.json").write_text(text)
    (line,) = requirements()
    assert "alpha==1.0" in line
    assert "unreadable" in line


def test_chosen_variables_are_recorded_and_no_others() -> None:
    given = {
        "OMP_NUM_THREADS": "4",
        "JAX_ENABLE_X64": "1",
        "TORCH_SHOW_CPP_STACKTRACES": "1",
        "PYTHONHASHSEED": "0",
        "SLURM_JOB_ID": "17",
        "HOME": "/home/ada",
        "AWS_SECRET_ACCESS_KEY": "s",
        "TF_VAR_password": "s",
        "TF_TOKEN_app_terraform_io": "s",
        "JAX_API_TOKEN": "s",
        "TORCH_HUB_KEY": "s",
    }
    assert list(chosen_variables(given).items()) == [
        ("JAX_ENABLE_X64", "1"),
        ("OMP_NUM_THREADS", "4"),
        ("PYTHONHASHSEED", "0"),
        ("SLURM_JOB_ID", "17"),
        ("TORCH_SHOW_CPP_STACKTRACES", "1"),
    ]


def test_variables_of_this_process_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    variables = read_environment().variables
    assert variables["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert "MKL_NUM_THREADS" not in variables


def test_value_of_a_variable_can_be_recorded_whatever_it_holds() -> None:
    value = chosen_variables({"PYTHONPATH": "/a\udcff" + "x" * 100_000})["PYTHONPATH"]
    assert len(value.encode()) < 10_000
    assert value.startswith("/a\N{REPLACEMENT CHARACTER}x")


def test_every_recorded_variable_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "environment.md").read_text()
    documented = set(re.findall(r"`([A-Z0-9_]+)`", page))
    assert {*VARIABLES, *VARIABLE_PREFIXES} <= documented
