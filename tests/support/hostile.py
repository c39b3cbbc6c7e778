"""Journals as somebody with git alone can make them: of a real one, with anything in it exchanged for anything else."""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pygit2

from fuzz.fuzz_decoders import HOSTILE_TEXTS, mutate, restructure_plain
from mitosis.canonical.encode import digest_value, encode_value
from mitosis.records.codec import decode_trial, encode_trial

FILE, FOLDER = b"100644", b"40000"
MODES = (b"100755", b"120000", b"160000", FOLDER, FILE, b"040000", b"100664")
MARKER = "marker-of-code-that-ran"
HUGE_BYTES = (2**20 + 1, 17 * 2**20, 65 * 2**20)
"""Sizes of files beyond what is read of records, of folders and of anything."""
MISSING = "dead" * 10


class Pickle:
    """Leaves the marker when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.system, (f"touch {MARKER}",)


NAMES = (
    *(b"..", b".", b".git", b"GIT~1", b".gitmodules", b".gitattributes", b".mailmap", b"format", b"%", b"%2Egit"),
    *(b"\x1b[2J\x1b]0;t\x07", b"a\nb", b"\xff\xfe", "\u202eevil".encode(), b"x" * 3000, b"x" * 9000, b"x~" + b"a" * 32),
    *(b"-rf", b":(glob)**", b":", b":/x", b"*", b"a b", b"'", b'"', b"\\", b"`touch %b`" % MARKER.encode()),
    *(b"$(touch %b)" % MARKER.encode(), b"; touch %b" % MARKER.encode(), b"2026-03-01", b"9999-99-99", b"aa", b"con"),
    *(b"aaaaaaaaaaaa.msgpack", b"1" * 40 + b".msgpack", b"1" * 40 + b".txt", b"one", b"%6Fne", b"caf\xc3\xa9"),
)
ATTRIBUTES = b"* diff=evil filter=evil merge=evil\n"
BLOBS = (
    *(
        b"",
        b"\x91" * 100_000,
        b"\x81\xa1x" * 50_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\x81\xa6format\x09",
    ),
    *(
        b"\x9f" + b"\xdd\x00\x01\x86\x9f" * 15,
        pickle.dumps(Pickle()),
        ATTRIBUTES,
        b"[diff]\n",
        b"../../x",
        b"1\n",
        b"2\n",
    ),
)
DATES = ("0 +0000", "1 -9999", "99999999999 +0100", "18446744073709551615 +0000", "-5 +0000", "x", "", "1e9 +2400")
TOPS = tuple(b"trials variants renamed retired sources released disputed annotations environments".split())


class Folder(dict[bytes, tuple[bytes, "str | Folder"]]):
    """A tree that is not written yet: mode, and id or folder, by name."""

    spoil: Callable[[list[bytes]], list[bytes]] | None = None
    """What is done to its entries when it is written."""


class Maker:
    """Makes hostile journals.

    Args:
        random: decides everything.
        source: a repository with a real journal.
        objects: the folder of objects to write to.
        huge: ids of huge blobs.
    """

    def __init__(self, random: random.Random, source: pygit2.Repository, objects: Path, huge: list[str]) -> None:
        self.random = random
        self.source = source
        self.objects = objects
        self.huge = huge
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

    def read(self, folder: Folder, name: bytes) -> bytes:
        _, below = folder.get(name, (FILE, ""))
        try:
            return self.source[below].data if isinstance(below, str) else b""  # type: ignore[attr-defined]
        except (KeyError, ValueError, AttributeError):
            return b""

    # --- what can be done to it -------------------------------------------------------------------

    def take_away(self, root: Folder) -> None:
        folder, name = self.pick(root)
        folder.pop(name, None)

    def damage(self, root: Folder) -> None:
        folder, name = self.pick(root, is_file=True)
        data = self.read(folder, name)
        folder[name] = (FILE, self.put(b"blob", mutate(data, self.random.choice(BLOBS[:-6]), self.random)))

    def restructure(self, root: Folder) -> None:
        found = self.pick_record(root)
        if found:
            folder, name, data = found
            folder[name] = (FILE, self.put(b"blob", restructure_plain(data, self.random)))

    def exchange(self, root: Folder) -> None:
        folder, name = self.pick(root)
        other, of = self.pick(root)
        options = [self.put(b"blob", self.random.choice(BLOBS)), MISSING, self.random.choice(self.huge)]
        folder[name] = (folder.get(name, (FILE,))[0], self.random.choice(options))
        if self.random.random() < 0.5 and of in other:
            below = other[of][1]
            folder[name] = (folder[name][0], below if isinstance(below, str) else self.write(below))

    def rename(self, root: Folder) -> None:
        folder, name = self.pick(root)
        if name in folder:
            folder[self.random.choice(NAMES)] = folder[name] if self.random.random() < 0.5 else folder.pop(name)

    def change_mode(self, root: Folder) -> None:
        folder, name = self.pick(root)
        if name in folder:
            folder[name] = (self.random.choice(MODES), folder[name][1])

    def copy(self, root: Folder) -> None:
        """The same file or folder at another place: of a record, a key that is there twice; of a folder, a bomb."""
        folder, name = self.pick(root)
        into = self.random.choice(list(self.folders(root)))
        if name in folder:
            below = folder[name][1]
            into[name] = (folder[name][0], below if isinstance(below, str) else self.write(below))

    def add(self, root: Folder) -> None:
        folder = self.random.choice(list(self.folders(root)))
        folder[self.random.choice(NAMES)] = (FILE, self.put(b"blob", self.random.choice(BLOBS)))

    def turn(self, root: Folder) -> None:
        """A folder where a file should be, or the other way round."""
        folder, name = self.pick(root)
        is_file = isinstance(folder.get(name, (FILE, ""))[1], str)
        below = Folder({name: (FILE, self.put(b"blob", b"x"))}) if is_file else self.put(b"blob", b"x")
        folder[name] = (FOLDER if is_file else FILE, below)

    def bomb(self, root: Folder) -> None:
        oid = self.put(b"tree", b"100644 aaaaaaaaaaaa.msgpack\0" + bytes.fromhex(self.put(b"blob", b"x")))
        for level in range(self.random.choice((3, 8, 30))):
            names = [b"%02x" % n for n in range(self.random.choice((2, 16, 40)))]
            names = names if level % 2 else [b"2026-03-%02d" % n for n in range(1, len(names) + 1)]
            oid = self.put(b"tree", b"".join(b"40000 %s\0%s" % (name, bytes.fromhex(oid)) for name in names))
        root[self.random.choice(TOPS)] = (FOLDER, oid)

    def spoil(self, root: Folder) -> None:
        """Entries out of order, twice, or cut off."""
        ways: list[Callable[[list[bytes]], list[bytes]]] = [
            lambda entries: entries[::-1],
            lambda entries: entries + entries[:1],
            lambda entries: [entry.replace(b"100644", b"40000") for entry in entries] + entries,
            lambda entries: [b"".join(entries)[:-3]],
            lambda entries: [b"40000 a/../b\0" + b"\x11" * 20, *entries],
        ]
        self.random.choice(list(self.folders(root))).spoil = self.random.choice(ways)

    def retell(self, root: Folder) -> None:
        """A record that says something else than before, and is as good as any."""
        found = self.pick_record(root)
        if found is None:
            return
        folder, name, data = found
        try:
            record = decode_trial(data, "")
        except Exception:
            return  # it is a value
        text = self.random.choice(HOSTILE_TEXTS)
        moment = self.random.choice(("2026-03-01T12:00:05+00:00", "0001-01-01T00:00:00+23:59", text))
        changes: list[dict[str, Any]] = [
            {"main": 9},
            {"status": "finished", "ended": moment},
            {"status": "running", "ended": None},
            {"author": text, "subject": text, "branch": text, "warnings": (text, text)},
            {"started": moment},
            {"commit": self.random.choice((text, MISSING, "a" * 40))},
            {"experiment": text},
            {"environment": text},
            {"key": self.random.choice(("aaaaaaaaaaaa", text))},
        ]
        other = self.put(b"blob", encode_trial(record.with_changes(**self.random.choice(changes))))
        if self.random.random() < 0.3:
            ends = root.setdefault(b"disputed", (FOLDER, Folder()))[1]
            if isinstance(ends, Folder):
                ends[name.partition(b".")[0]] = (FOLDER, Folder({other.encode() + b".msgpack": (FILE, other)}))
        else:
            folder[name] = (FILE, other)

    def lock(self, root: Folder) -> None:
        """One more meaning of a variant, or remark on one."""
        data = encode_value(self.random.choice((1, [1] * 1000, {"a": Ellipsis}, self.random.choice(HOSTILE_TEXTS))))
        place = root
        names = (
            self.random.choice(TOPS[1:6]),
            b"my_exp",
            b"frequency",
            self.random.choice((b"slow", b"fast", b"x%2Fy")),
        )
        for name in names:
            below = place.setdefault(name, (FOLDER, Folder()))[1]
            if not isinstance(below, Folder):
                return
            place = below
        place[digest_value(data).encode() + b".msgpack"] = (FILE, self.put(b"blob", data))

    def say(self, root: Folder) -> None:
        """One more annotation of a trial, by somebody who may say anything."""
        texts = ("paper", *HOSTILE_TEXTS)
        trials = root.setdefault(b"annotations", (FOLDER, Folder()))[1]
        key = b"%02x" % self.random.randrange(13) * 6
        of = trials.get(key, (FOLDER, Folder()))[1] if isinstance(trials, Folder) else ""
        if not isinstance(trials, Folder) or not isinstance(of, Folder):
            return
        digests = [name[:40].decode("latin-1") for name in of]
        fields = {
            self.random.choice(("tag", "tag", "untag", "note", "x")): self.random.choice(texts),
            "of": self.random.choice((digests, [], texts, None)),
            "author": self.random.choice(texts),
            "when": self.random.choice(
                ("2026-03-01T12:00:00.123456+00:00", "9999-12-31T23:59:59.999999+00:00", *texts)
            ),
        }
        data = msgpack.packb(fields, unicode_errors="surrogatepass")
        of[digest_value(data).encode() + b".msgpack"] = (FILE, self.put(b"blob", data))
        trials[key] = (FOLDER, of)

    def change(self, root: Folder) -> None:
        """Do some of it."""
        kinds = (
            *(self.take_away, self.damage, self.restructure, self.exchange, self.rename, self.change_mode, self.copy),
            *(self.add, self.turn, self.bomb, self.spoil, self.retell, self.retell, self.lock, self.lock),
            *(self.say, self.say),
        )
        for _ in range(self.random.choice((0, 1, 1, 1, 2, 4))):
            kind = self.random.choice(kinds)
            self.done.append(kind.__name__)
            kind(root)

    # --- commits ----------------------------------------------------------------------------------

    def message(self, names: list[str]) -> bytes:
        text = self.random.choice((*HOSTILE_TEXTS, "forget my_exp", "x" * 300_000, "merge origin"))
        lies = ("Forgotten", "Chosen", "Settled", "Dropped", "Released", "Unretired", "Trial", "Variant", "Locked")
        trailers = "\n".join(
            f"{self.random.choice(lies)}: {self.random.choice((*names, *HOSTILE_TEXTS[:5]))}"
            for _ in range(self.random.choice((0, 1, 3)))
        )
        data = f"{text}\n\n{trailers}".encode("utf-8", "surrogatepass")
        return data if self.random.random() < 0.9 else data + b"\xff\0x"

    def commit(self, tree: str, parents: list[str], names: list[str]) -> str:
        """Write a commit, which may be malformed."""
        odd = self.random.choice((*[""] * 20, "parents", "missing", "blob", "author", "date", "lines", "none"))
        self.done.append(odd)
        if odd == "parents":
            parents = parents * self.random.choice((2, 40))
        elif odd in ("missing", "blob"):
            parents = [*parents, MISSING if odd == "missing" else self.put(b"blob", b"x")]
        elif odd == "none":
            parents = []
        name = self.random.choice(HOSTILE_TEXTS).replace("\n", " ") if odd == "author" else "Eve <eve@example.org>"
        date = self.random.choice(DATES) if odd == "date" else f"{1_772_366_400 + self.random.randrange(9**6)} +0100"
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
        lines += [f"{role} {name} {date}" for role in ("author", "committer")]
        if odd == "lines":
            extra = (["encoding latin-1"], ["encoding \x1b"], ["gpgsig x", " y"], ["mergetag x"], [f"parent {MISSING}"])
            lines += self.random.choice(extra)
            lines = lines[: self.random.choice((1, 2, 9))]
        header = "\n".join(lines).encode("utf-8", "surrogatepass")
        return self.put(b"commit", header + b"\n\n" + self.message(names))

    def journal(self, tip: str, other: str, names: list[str]) -> str:
        """The tip of a journal that goes on from another one.

        Args:
            tip: the other one's.
            other: a commit to cross histories with.
            names: values of trailers that would explain what is taken away.
        """
        root = self.load(str(self.source[tip].peel(pygit2.Tree).id))
        for _ in range(self.random.choice((1, 1, 2, 3))):
            self.change(root)
            tree, parents = self.write(root), [tip]
            if self.random.random() < 0.1:
                parents.append(other)
            tip = self.commit(tree, parents, names)
            if self.random.random() < 0.05:
                self.done.append("lattice")
                for _ in range(self.random.choice((3, 40))):
                    tip, other = (self.commit(tree, [tip, other], [n]) for n in "ab")
        return tip

    def ref(self, tip: str) -> str:
        """What the journal's ref points to."""
        tag = b"object %s\ntype commit\ntag x\ntagger E <e> 1 +0000\n\nx" % tip.encode()
        wrong = (self.put(b"blob", b"x"), self.put(b"tree", b""), self.put(b"tag", tag))
        return self.random.choice(wrong) if self.random.random() < 0.04 else tip
