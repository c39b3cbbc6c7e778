"""Temporary folders: private, and gone when nobody needs them."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import pytest

from mitosis.files import TemporaryFolder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folder_is_where_temporary_files_belong_without_links_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "link"))
    with TemporaryFolder() as folder:
        assert folder.path.parent == Path(os.path.realpath(real))


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_only_this_user_can_open_the_folder(tmp_path: Path) -> None:
    with TemporaryFolder(tmp_path) as folder:
        assert mode(folder.path) == 0o700


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such locks")
def test_folders_of_killed_processes_are_removed(tmp_path: Path) -> None:
    code = (
        "import os, signal; from pathlib import Path\n"
        "from mitosis.files import TemporaryFolder\n"
        "made = TemporaryFolder(Path(os.environ['PLACE']))\n"
        "(made.path / 'tree').mkdir(); (made.path / 'tree/file').touch(); (made.path / 'tree').chmod(0o500)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PLACE": str(tmp_path)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    (abandoned,) = tmp_path.iterdir()
    foreign, new, old = (tmp_path / f"mitosis-{name}" for name in ("demo", "new", "old"))
    for folder in (foreign, new, old):
        folder.mkdir()
    for folder in (new, old):  # killed before they had the lock, or about to take it
        (folder / "owner").touch()
    for folder in (foreign, old):
        os.utime(folder, (0, 0))
    with TemporaryFolder(tmp_path) as first:
        os.utime(first.path, (0, 0))
        with TemporaryFolder(tmp_path) as second:
            assert not abandoned.exists() and not old.exists()
            assert foreign.exists() and new.exists()
            assert first.path.exists() and second.path.exists()


def test_what_is_read_only_is_removed(tmp_path: Path) -> None:
    with TemporaryFolder(tmp_path) as folder:
        (folder.path / "tree").mkdir()
        (folder.path / "tree/file").touch(0o400)
        (folder.path / "tree").chmod(0o500)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such locks")
def test_folder_that_cannot_be_locked_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    locked: list[IO[bytes]] = []

    def refuse(file: IO[bytes], _: int) -> None:
        locked.append(file)
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="no locks here"):
        TemporaryFolder(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert [file.closed for file in locked] == [True]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_removing_again_changes_nothing_of_the_folder_around_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    folder = TemporaryFolder(tmp_path)
    folder.remove()
    folder.remove()
    assert mode(tmp_path) == 0o755
