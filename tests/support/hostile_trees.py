"""The trees and objects of journals that somebody makes with git alone: sound or not, found by chance, written."""

from __future__ import annotations

import hashlib
import os
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pygit2

from mitosis.errors.base import MitosisError
from mitosis.records.codec import decode_trial
from mitosis.records.trial import TrialRecord

FILE, FOLDER = b"100644", b"40000"


class Folder(dict[bytes, tuple[bytes, "str | Folder"]]):
    """A tree that is not written yet: mode, and id or folder, by name."""

    spoil: Callable[[list[bytes]], list[bytes]] | None = None
    """What is done to its entries when it is written."""


class Trees:
    """What a journal that is being made consists of, and where it goes.

    Args:
        random: decides everything.
        source: a repository that has a real journal, and what is written.
        objects: its folder of objects.
        huge: ids of huge blobs.
        bait: an empty folder, for what no command may touch.
    """

    def __init__(
        self, random: random.Random, source: pygit2.Repository, objects: Path, huge: list[str], bait: Path
    ) -> None:
        self.random = random
        self.source = source
        self.objects = objects
        self.huge = huge
        self.bait = bait
        self.done: list[str] = []
        """What was done, to be printed."""

    def put(self, kind: bytes, data: bytes) -> str:
        """Write an object, be it one or not."""
        whole = b"%s %d\0" % (kind, len(data)) + data
        oid = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        path = self.objects / oid[:2] / oid[2:]
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(zlib.compress(whole, 1))
        return oid

    def load(self, oid: str) -> Folder:
        folder = Folder()
        for item in self.source[oid]:  # type: ignore[attr-defined]
            is_folder = item.type_str == "tree"
            below = self.load(str(item.id)) if is_folder else str(item.id)
            folder[os.fsencode(item.name)] = (FOLDER if is_folder else b"%o" % item.filemode, below)
        return folder

    def write(self, folder: Folder) -> str:
        entries = []
        for name, (mode, below) in sorted(folder.items(), key=lambda item: item[0] + b"/" * (item[1][0] == FOLDER)):
            oid = below if isinstance(below, str) else self.write(below)
            entries.append(b"%s %s\0%s" % (mode, name, bytes.fromhex(oid)))
        return self.put(b"tree", b"".join(folder.spoil(entries) if folder.spoil else entries))

    # --- what is in the tree ----------------------------------------------------------------------

    def folders(self, folder: Folder) -> Iterator[Folder]:
        yield folder
        for _, below in folder.values():
            if isinstance(below, Folder):
                yield from self.folders(below)

    def pick(self, root: Folder, *, is_file: bool | None = None) -> tuple[Folder, bytes]:
        """An entry somewhere: the folder that has it, and its name."""
        found = [
            (folder, name)
            for folder in self.folders(root)
            for name, (_, below) in folder.items()
            if is_file is None or isinstance(below, str) == is_file
        ]
        return self.random.choice(found) if found else (root, b"format")

    def pick_record(self, root: Folder) -> tuple[Folder, bytes, bytes] | None:
        """A record that is as mitosis wrote it: its folder, its name and its bytes."""
        folder, name = self.pick(root, is_file=True)
        for _ in range(40):
            data = self.read(folder, name)
            if name.endswith(b".msgpack") and len(name) == len("aaaaaaaaaaaa.msgpack") and data:
                return folder, name, data
            folder, name = self.pick(root, is_file=True)
        return None

    def pick_trial(self, root: Folder) -> tuple[Folder, bytes, TrialRecord] | None:
        """A record of a trial: its folder, its name and what it says."""
        found = self.pick_record(root)
        try:
            return None if found is None else (*found[:2], decode_trial(found[2], ""))
        except MitosisError:
            return None  # it is a value

    def put_at(self, root: Folder, path: str, data: bytes) -> None:
        """Let a file be there, unless a file is in the way."""
        *folders, name = path.encode().split(b"/")
        for part in folders:
            below = root.setdefault(part, (FOLDER, Folder()))[1]
            if not isinstance(below, Folder):
                return
            root = below
        root[name] = (FILE, self.put(b"blob", data))

    def read(self, folder: Folder, name: bytes) -> bytes:
        _, below = folder.get(name, (FILE, ""))
        try:
            return self.source[below].data if isinstance(below, str) else b""  # type: ignore[attr-defined]
        except (KeyError, ValueError, AttributeError, pygit2.GitError):
            return b""
