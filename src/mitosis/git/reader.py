"""Objects through one git program, which is there sooner than libgit2."""

from __future__ import annotations

import subprocess

from mitosis.errors.repository import ObjectMissing, UnreadableObject
from mitosis.git.objects import GitObject, Objects, check_size
from mitosis.git.program import LONGEST_ANSWER_BYTES, READ_AHEAD_BYTES, end_asked_git, start_asking_git
from mitosis.git.repository import Repository


class ObjectReader(Objects):
    """Reads objects through one git program. For a few of them that is done before libgit2 has been loaded.

    Args:
        repository: where they are. It is not a partial clone: git would fetch what is missing.
    """

    def __init__(self, repository: Repository) -> None:
        self._root = repository.root
        self._process: subprocess.Popen[bytes] | None = None

    def find(self, name: str) -> str | None:
        """The id of what git calls so, such as a ref; None if there is nothing of that name, or it cannot be read."""
        words = self._ask(name)
        if len(words) != 3:
            self.close()
            return None
        # The object itself follows, and would be taken for the next answer.
        size_bytes = int(words[2])
        if size_bytes > READ_AHEAD_BYTES or self._process is None or self._process.stdout is None:
            self.close()
        else:
            self._process.stdout.read(size_bytes + 1)
        return words[0]

    def read_object(self, oid: str, limit_bytes: int | None = None) -> GitObject:
        """See `Objects`."""
        words = self._ask(oid)
        if words[:1] != [oid] or len(words) != 3:
            self.close()
            if words == [oid, "missing"]:
                raise ObjectMissing(oid, "it is missing")
            raise UnreadableObject(oid, "git cannot read it")
        size_bytes = int(words[2])
        if limit_bytes is not None and size_bytes > limit_bytes:
            self.close()
            check_size(oid, size_bytes, limit_bytes)
        pipe = None if self._process is None else self._process.stdout
        data = b"" if pipe is None else pipe.read(size_bytes + 1)
        if len(data) != size_bytes + 1:
            self.close()
            raise UnreadableObject(oid, "it is damaged")
        return GitObject(words[1], data[:-1])

    def _ask(self, name: str) -> list[str]:
        """What the git program answers to a name: id, kind and size, or that it has nothing."""
        process = self._process
        if process is None:
            process = self._process = start_asking_git("cat-file", "--batch", cwd=self._root)
        if process.stdin is None or process.stdout is None:
            return []
        try:
            process.stdin.write(f"{name}\n".encode())
            process.stdin.flush()
        except OSError:  # it has stopped at what it cannot read; Windows has several numbers for that
            return []
        return process.stdout.readline(LONGEST_ANSWER_BYTES).decode("ascii", "replace").split()

    def close(self) -> None:
        """End the git program. The next object is read by a new one."""
        if self._process is not None:
            end_asked_git(self._process)
            self._process = None
