"""Journals as somebody with git alone can make them: of a real one, with anything in it exchanged for anything else."""

from __future__ import annotations

import contextlib
import copy
import os
import pickle
from collections.abc import Callable
from typing import Any

import msgpack
import pygit2

from fuzz.fuzz_decoders import HOSTILE_TEXTS, mutate, restructure_plain
from mitosis.canonical.encode import digest_value, encode_value
from mitosis.errors.journal import JournalError
from mitosis.journal import layout
from mitosis.journal.unrecorded import FILE as END
from mitosis.journal.unrecorded import ROOM, keep_end
from mitosis.process import this_process
from mitosis.records.codec import encode_trial
from mitosis.records.trial import ProcessRecord
from support.hostile_trees import FILE, FOLDER, Folder, Trees

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


class Maker(Trees):
    """Makes hostile journals; see `Trees`."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.root = Folder()
        """What is in the newest commit."""
        self.twins: list[tuple[Folder, Folder]] = []
        """A folder of trials, and its copy, in which all is changed alike."""

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
        found = self.pick_trial(self.random.choice(self.twins)[0] if self.twins else root)
        if found is None:
            return
        folder, name, record = found
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
            for one, two in self.twins:
                if folder is one:
                    two[name] = (FILE, other)

    def double(self, root: Folder) -> None:
        """One more record of a trial, where one can be."""
        found = self.pick_trial(root)
        if found is not None:
            record = found[2].with_changes(main=9, experiment=self.random.choice(("aaa", "zzz", found[2].experiment)))
            with contextlib.suppress(JournalError):  # it started at no time, or has no key
                paths = layout.record_paths(layout.trial_folder(record.experiment, record.started), record.key)
                self.put_at(root, self.random.choice(paths), encode_trial(record))

    def twin(self, root: Folder) -> None:
        """A copy of all trials of a day, to be changed alike."""
        trials = root.get(b"trials", (FILE, ""))[1]
        experiments = trials.values() if isinstance(trials, Folder) else ()
        days = [day for _, below in experiments if isinstance(below, Folder) for day in below.items()]
        if days and isinstance(trials, Folder):
            name, (_, day) = self.random.choice(days)
            if isinstance(day, Folder):
                self.twins.append((day, copy.copy(day)))
                trials[self.random.choice((b"aaa", b"zzz"))] = (FOLDER, Folder({name: (FOLDER, self.twins[-1][1])}))

    def lose(self, root: Folder) -> None:
        """A trial of this machine whose process is gone. Its end is kept, but not by any trial of this clone."""
        found = self.pick_trial(root)
        if found is None:
            return
        here, key = this_process(), f"{self.random.getrandbits(48):012x}"
        started = (here.started or "").rpartition("start=")[0] + "start=1"  # the same each time
        lost = found[2].with_changes(
            key=key,
            experiment="my_exp",
            started="2026-03-01T12:00:00+00:00",
            status="running",
            ended=None,
            main=None,
            process=ProcessRecord(here.host, 3_999_999, started),
            trials_folder=self.random.choice((*[str(self.bait)] * 3, "/a\0b", "", "x" * 5000, "/proc/self/cwd")),
            folder=self.random.choice((key, key, "x\0", "..")),
        )
        self.put_at(root, layout.record_paths(layout.trial_folder("my_exp", lost.started), key)[0], encode_trial(lost))
        (self.bait / key).mkdir()
        (self.bait / key / ROOM).touch()
        if self.random.random() < 0.2:
            os.mkfifo(self.bait / key / END)
        else:
            keep_end(self.bait / key, lost.with_changes(status="finished", main=9, ended="2026-03-01T13:00:00+00:00"))

    def lock(self, root: Folder) -> None:
        """One more meaning of a variant, or remark on one."""
        data = encode_value(self.random.choice((1, [1] * 1000, {"a": Ellipsis}, self.random.choice(HOSTILE_TEXTS))))
        name = self.random.choice(("slow", "fast", "x%2Fy"))
        kind = self.random.choice(TOPS[1:6]).decode()
        self.put_at(root, f"{kind}/my_exp/frequency/{name}/{digest_value(data)}.msgpack", data)

    def say(self, root: Folder) -> None:
        """One more annotation of a trial, by somebody who may say anything."""
        texts = ("paper", *HOSTILE_TEXTS)
        fields = {
            self.random.choice(("tag", "tag", "untag", "note", "x")): self.random.choice(texts),
            "of": self.random.choice((["1" * 40], [], texts, None)),
            "author": self.random.choice(texts),
            "when": self.random.choice(
                ("2026-03-01T12:00:00.123456+00:00", "9999-12-31T23:59:59.999999+00:00", *texts)
            ),
        }
        data = msgpack.packb(fields, unicode_errors="surrogatepass")
        key = f"{self.random.randrange(13):02x}" * 6
        self.put_at(root, f"annotations/{key[:2]}/{key}/{digest_value(data)}.msgpack", data)

    def change(self, root: Folder) -> None:
        """Do some of it."""
        kinds = (
            *(self.take_away, self.damage, self.restructure, self.exchange, self.rename, self.change_mode, self.copy),
            *(self.add, self.turn, self.bomb, self.spoil, self.retell, self.retell, self.lock, self.lock),
            *(self.double, self.twin, self.twin, self.lose, self.say, self.say),
        )
        for _ in range(self.random.choice((0, 1, 1, 1, 2, 4))):
            kind = self.retell if self.twins and self.random.random() < 0.5 else self.random.choice(kinds)
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
        self.root = self.load(str(self.source[tip].peel(pygit2.Tree).id))
        return self.grow(tip, other, names)

    def grow(self, tip: str, other: str, names: list[str]) -> str:
        """The tip of a journal that goes on from the one that was made last; see `journal`."""
        for _ in range(self.random.choice((1, 1, 2, 3))):
            self.change(self.root)
            tree, parents = self.write(self.root), [tip]
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
