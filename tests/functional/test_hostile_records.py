"""Whatever somebody else puts into the journal: named and skipped, shown harmlessly, never followed, never run."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
import re
import resource
import shutil
import subprocess
import sys
import types
import typing
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from mitosis.__main__ import run_command
from mitosis.canonical.encode import digest_value, encode_value
from mitosis.errors.journal import TrialNotFound
from mitosis.files import file_blob_id
from mitosis.journal import layout
from mitosis.records.codec import encode_trial
from mitosis.records.trial import Output, TrialRecord
from mitosis.results import find_page, find_trial_folder, load_trial_data, load_trial_params
from mitosis.verify import verify
from support.journal import JOURNAL, Desk, record_path, run_git
from support.records import FAILED
from support.terminal import on_terminal
from support.waiting import TIMEOUT_S

Commands = Callable[..., str]

KEY = "5f2c91d07a3b"
DAY = "trials/my_exp/2026-03-01"
COMMANDS = (["list"], ["list", "-n", "0"], ["show", KEY], ["open", KEY], ["variants"], ["verify", "--outputs"])
TEXT = "a\x1b[2J\x1b]0;t\x07\x9b31m\x00\r\n\t\u202eevil\u2066\u2028\x85<script>alert(1)</script>"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
MEMORY_LIMIT_BYTES = 1_500_000_000


@pytest.fixture(autouse=True)
def in_repository(repository_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository_folder)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.fixture
def commands(capsys: pytest.CaptureFixture[str]) -> Commands:
    """Runs commands that read, all by default; returns all that they print. None may fail but by saying why."""

    def run(*chosen: list[str]) -> str:
        for words in chosen or COMMANDS:
            assert run_command(words) in (0, 1, 2), words
        said = capsys.readouterr()
        text = said.out + said.err
        assert "Traceback" not in text
        assert "error in mitosis itself" not in text
        return text

    return run


def plant(journal: Desk, kind: bytes, data: bytes) -> str:
    """Write an object that git itself would not write."""
    whole = b"%s %d\0" % (kind, len(data)) + data
    oid = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
    path = journal.folder / ".git" / "objects" / oid[:2] / oid[2:]
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_bytes(zlib.compress(whole, 1))
    return oid


def plant_tree(journal: Desk, *entries: tuple[bytes, bytes, str]) -> str:
    return plant(journal, b"tree", b"".join(b"%s %s\0%s" % (m, name, bytes.fromhex(oid)) for m, name, oid in entries))


TREE, FILE = b"40000", b"100644"


def plant_journal(journal: Desk, **folders: str) -> None:
    """Let the journal have these trees as `trials` and `variants`."""
    entries = [(FILE, b"format", plant(journal, b"blob", b"1\n"))]
    entries += [(TREE, name.encode(), oid) for name, oid in sorted(folders.items())]
    tree = plant_tree(journal, *entries)
    journal.git("update-ref", JOURNAL, journal.git("commit-tree", tree, "-m", "by hand").strip())


# --- what a record says ---------------------------------------------------------------------------


def text_fields(cls: type, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every text in a record, whatever its depth."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        for option in options:
            item = (typing.get_args(option) or (None,))[0] if typing.get_origin(option) is tuple else option
            if dataclasses.is_dataclass(item) and isinstance(item, type):
                yield from text_fields(item, (*path, field.name))
            elif item is str or typing.get_origin(option) is dict or field.name == "main":
                yield (*path, field.name)


FIELDS = sorted(set(text_fields(TrialRecord)))


def with_text(record: TrialRecord, path: tuple[str, ...], text: str) -> TrialRecord:
    """The record with a text, or with a mapping of texts, at a place."""

    def changed(value: Any, names: tuple[str, ...]) -> Any:
        present = getattr(value, names[0])
        if len(names) == 1:
            if names[0] in ("metrics", "variables", "extra"):
                return dataclasses.replace(value, **{names[0]: {text: text}})
            is_list = names[0] in ("imported", "warnings", "command")
            return dataclasses.replace(value, **{names[0]: (text, text) if is_list else text})
        if isinstance(present, tuple):
            return dataclasses.replace(value, **{names[0]: tuple(changed(item, names[1:]) for item in present)})
        return dataclasses.replace(value, **{names[0]: changed(present, names[1:])})

    result: TrialRecord = changed(record, path)
    return result


@pytest.fixture
def full_record(journal: Desk) -> TrialRecord:
    """A failed trial of which every field says something."""
    return FAILED.with_changes(
        key=KEY,
        experiment="my_exp",
        commit=journal.oid_of("HEAD"),
        started="2026-03-01T12:00:00+00:00",
        folder=f"2026-03-01_{KEY}",
        page=f"trial_my_exp_0_{KEY}.html",
        extra={"new": "x"},
    )


@pytest.mark.parametrize("path", FIELDS, ids=".".join)
def test_text_of_a_record_cannot_steer_the_terminal(
    journal: Desk, full_record: TrialRecord, commands: Commands, path: tuple[str, ...]
) -> None:
    other = journal.run_trial().key
    journal.rewrite({f"{DAY}/5f/{KEY}.msgpack": encode_trial(with_text(full_record, path, TEXT))})
    compared = ["compare", other, KEY]
    text = commands(
        ["list"], ["show", KEY], ["open", KEY], compared, [*compared, "--format", "markdown"], [*compared, "--code"]
    )
    assert UNSAFE.search(text) is None
    assert KEY[:6] in text


def test_names_in_paths_cannot_steer_the_terminal(journal: Desk, commands: Commands) -> None:
    record = journal.run_trial()
    value = encode_value({TEXT: TEXT})
    name = layout.encode_name(TEXT)
    hostile = "\x1b[2Jx\u202e"
    journal.rewrite(
        {
            f"variants/{name}/{name}/{name}/{digest_value(value)}.msgpack": value,
            f"variants/{hostile}/{hostile}/{hostile}/{digest_value(value)}.msgpack": value,
            f"variants/{hostile}/{hostile}/{hostile}/{hostile}": "x",
            f"trials/{hostile}/{hostile}/x": "x",
            f"{DAY}/5f/{hostile}": "x",
            hostile: "x",
        }
    )
    text = commands()
    assert UNSAFE.search(text) is None
    assert record.key[:6] in text
    assert "\\x1b[2J" in text


def test_texts_are_harmless_on_a_terminal(journal: Desk, full_record: TrialRecord) -> None:
    other = journal.run_trial().key
    hostile = full_record
    for path in FIELDS:
        if path[-1] not in ("key", "started"):
            hostile = with_text(hostile, path, TEXT)
    journal.rewrite({f"{DAY}/5f/{KEY}.msgpack": encode_trial(hostile)})
    for words in (["list"], ["show", KEY], ["open", KEY], ["compare", other, KEY], ["variants"], ["verify"]):
        seen = on_terminal(journal.folder, *words, environment={"TERM": "linux"})
        assert seen.status in (0, 1, 2)
        text = re.sub(r"\x1b\[[0-9;]*[mK]", "", seen.raw).replace("\r", "")
        assert UNSAFE.search(text) is None, words
        assert "\x1b[2J" not in seen.raw


def test_git_shows_texts_harmlessly(
    journal: Desk, full_record: TrialRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.run_trial()
    hostile = full_record
    for path in FIELDS:
        if path[-1] not in ("key", "started", "commit", "experiment"):
            hostile = with_text(hostile, path, TEXT)
    journal.rewrite({f"{DAY}/5f/{KEY}.msgpack": encode_trial(hostile)})
    assert run_command(["verify", "--repair"]) in (0, 1)
    assert run_command(["setup"]) == 0
    assert KEY[:6] in journal.git_note()
    assert UNSAFE.search(journal.git_note()) is None
    assert UNSAFE.search(journal.git("log", "-p", "--no-color", "refs/mitosis")) is None


# --- where a record leads -------------------------------------------------------------------------

HOSTILE_NAMES = ["../evil", "..", ".", "/", "", "evil", "a/../../evil", f"../evil/2026-03-01_{KEY}", "x\0y"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_of_outputs_lead_nowhere_else(
    journal: Desk, repository_folder: Path, full_record: TrialRecord, commands: Commands, name: str
) -> None:
    journal.run_trial()
    evil = repository_folder / "evil"
    for folder in (evil, evil / f"2026-03-01_{KEY}", repository_folder / "trials"):
        folder.mkdir()
        (folder / "results_0.dill").write_bytes(pickle.dumps("stolen"))
    full_name = str(evil) if name == "/" else name
    hostile = full_record.with_changes(
        trials_folder=str(repository_folder / "trials"), folder=full_name, page=f"{full_name}/results_0.dill"
    )
    journal.rewrite({f"{DAY}/5f/{KEY}.msgpack": encode_trial(hostile)})
    with pytest.raises(TrialNotFound):
        find_trial_folder(KEY)
    with pytest.raises(TrialNotFound):
        load_trial_data(KEY)
    for page in (hostile.page, full_name, "../experiment.py", str(repository_folder / "experiment.py")):
        assert find_page(hostile.with_changes(page=page)) is None


def test_trials_folder_of_a_record_is_believed_for_names_of_mitosis_alone(
    journal: Desk, full_record: TrialRecord, tmp_path: Path
) -> None:
    journal.run_trial()
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / f"2026-03-01_{KEY}").mkdir(parents=True)
    (elsewhere / "evil.html").touch()
    (elsewhere / f"trial_my_exp_0_{KEY}.html").touch()
    record = full_record.with_changes(trials_folder=str(elsewhere))
    journal.rewrite({f"{DAY}/5f/{KEY}.msgpack": encode_trial(record)})
    assert find_trial_folder(KEY) == elsewhere / f"2026-03-01_{KEY}"
    assert find_page(record) == elsewhere / f"trial_my_exp_0_{KEY}.html"
    assert find_page(record.with_changes(page="evil.html")) is None
    assert find_page(record.with_changes(trials_folder="elsewhere\0")) is None
    for other in (Path("/proc/self/cwd") / os.path.relpath(elsewhere), f"{elsewhere}/../elsewhere"):
        assert find_page(record.with_changes(trials_folder=str(other))) is None
    run_git("init", "--quiet", cwd=elsewhere)
    assert find_page(record) is not None
    run_git("add", ".", cwd=elsewhere)
    assert find_page(record) is None, "it came with a clone"
    shutil.rmtree(elsewhere / ".git")
    if os.getuid() == 0:
        os.chown(elsewhere, 12345, -1)
        assert find_page(record) is None


def test_a_pickle_that_is_not_what_was_recorded_is_not_read(
    journal: Desk, full_record: TrialRecord, repository_folder: Path, commands: Commands
) -> None:
    journal.run_trial()
    folder = repository_folder / "trials" / f"2026-03-01_{KEY}"
    folder.mkdir(parents=True)
    own = {"main": 1}
    for name in ("results_0.dill", "parameters_0.dill"):
        (folder / name).write_bytes(pickle.dumps(own))
    found = ((path.name, *file_blob_id(path)) for path in folder.iterdir())
    outputs = tuple(Output(f"{folder.name}/{name}", size, oid) for name, oid, size in found)
    record = full_record.with_changes(outputs=outputs, folder=folder.name, trials_folder=str(folder.parent))
    journal.rewrite({f"{DAY}/5f/{KEY}.msgpack": encode_trial(record)})
    assert (load_trial_data(KEY), load_trial_params(KEY)) == ([own], own)
    (folder / "results_0.dill").write_bytes(pickle.dumps({"main": 2}))
    with pytest.raises(ValueError, match="is not what the trial left"):
        load_trial_data(KEY)
    (folder / "results_0.dill").write_bytes(pickle.dumps(own))
    (folder / "results_1.dill").write_bytes(pickle.dumps(own))
    with pytest.raises(ValueError, match=r"results_1\.dill is not what"):
        load_trial_data(KEY)


def test_a_pickle_that_came_with_a_clone_is_not_read(
    journal: Desk, full_record: TrialRecord, repository_folder: Path, tmp_path: Path
) -> None:
    own = {"main": 1}
    other = tmp_path / "other"
    run_git("init", "--quiet", "--object-format=sha256", str(other), cwd=tmp_path)
    for root in (repository_folder, other):
        for name in (f"2026-03-01_{KEY}", f"2026-03-01_{KEY[::-1]}debug"):
            (root / "trials" / name).mkdir(parents=True)
            for file in ("results_0.dill", "parameters_0.dill"):
                (root / "trials" / name / file).write_bytes(pickle.dumps(own))
    for key in (KEY, KEY[::-1]):
        assert load_trial_data(key) == load_trial_data(key, trials_folder=other / "trials") == [own]
    for root in (repository_folder, other):
        run_git("add", "--force", "trials", cwd=root)
        for key, load in ((KEY, load_trial_data), (KEY[::-1], load_trial_params)):
            with pytest.raises(ValueError, match=f"has come with the repo.*\n.*git rm --cached {root}/trials/2026"):
                load(key, trials_folder=root / "trials")
    # Nor where a link leads, which has come with it.
    (repository_folder / "linked").symlink_to(tmp_path / "linked")
    (tmp_path / "linked").mkdir()
    shutil.copytree(other / "trials" / f"2026-03-01_{KEY}", tmp_path / "linked" / f"2026-03-01_{KEY}")
    assert load_trial_data(KEY, trials_folder="linked") == [own]
    journal.git("add", "linked")
    with pytest.raises(ValueError, match="has come with the repository"):
        load_trial_data(KEY, trials_folder="linked")
    # What a trial is recorded to have left may be shared.
    oid, size = file_blob_id(tmp_path / "linked" / f"2026-03-01_{KEY}" / "results_0.dill")
    record = full_record.with_changes(outputs=(Output(f"2026-03-01_{KEY}/results_0.dill", size, oid),))
    journal.start_trial()
    journal.rewrite({f"{DAY}/5f/{KEY}.msgpack": encode_trial(record)})
    assert load_trial_data(KEY) == load_trial_data(KEY, trials_folder="linked") == [own]


def test_reading_unpickles_nothing(journal: Desk, full_record: TrialRecord) -> None:
    journal.run_trial()
    evil = pickle.dumps(Path("x"))
    value = encode_value({"evil": evil})
    journal.rewrite(
        {
            f"{DAY}/5f/{KEY}.msgpack": encode_trial(full_record.with_changes(extra={"evil": evil})),
            f"{DAY}/aa/aaaaaaaaaaaa.msgpack": evil,
            f"variants/s/p/v/{digest_value(value)}.msgpack": value,
            f"variants/s/p/v/{digest_value(evil)}.msgpack": evil,
            f"environments/{'a' * 40}.txt": evil,
        }
    )
    code = (
        "import pickle, sys\n"
        "from mitosis.__main__ import run_command\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, arguments: event == 'pickle.find_class' and seen.append(arguments))\n"
        f"for words in {[*COMMANDS, ['textconv', 'evil.msgpack']]!r}:\n"
        "    assert run_command(words) in (0, 1, 2)\n"
        "assert not seen, seen\n"
        "pickle.loads(pickle.dumps(ValueError))\n"
        "assert seen\n"
    )
    Path("evil.msgpack").write_bytes(evil)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- bytes that are no record ---------------------------------------------------------------------

BYTES = {
    "empty": b"",
    "deep": b"\x91" * 100_000 + b"\x01",
    "deep field": b"\x82\xa6format\x01\xa1x" + b"\x91" * 5000 + b"\x01",
    "deep mapping": b"\x81\xa1x" * 50_000 + b"\x01",
    "huge array": b"\xdd\xff\xff\xff\xff",
    "huge mapping": b"\xdf\xff\xff\xff\xff",
    "huge text": b"\xdb\xff\xff\xff\xff",
    "huge arrays": b"\x9f" + b"\xdd\x00\x01\x86\x9f" * 15,
    "newer": b"\x81\xa6format\xcd\xff\xff",
    "extension": b"\xc7\x05\x01abcde",
    "pickle": pickle.dumps({"format": 1}),
    "list": msgpack.packb([1, 2, 3]),
    "value": encode_value({"a": 1}),
    "json": b'{"format": 1}',
    "wrong types": msgpack.packb(
        {"format": 1, "key": 3, "experiment": [], "steps": {}, "started": 1.5, "process": "x"}
    ),
    "wrong key type": msgpack.packb({"format": 1, 3: 4, None: 5}),
}


def test_bytes_that_are_nothing_are_named_and_skipped(journal: Desk, commands: Commands) -> None:
    record = journal.run_trial()
    records = {f"{DAY}/5f/5f{number:010x}.msgpack": data for number, data in enumerate(BYTES.values())}
    values = {
        f"variants/my_exp/n/v{number}/{digest_value(data)}.msgpack": data for number, data in enumerate(BYTES.values())
    }
    environments = {f"environments/{digest_value(data)}.txt": data for data in BYTES.values()}
    journal.rewrite({**records, **values, **environments})
    assert journal.listed() == ([record], sorted(records))
    text = commands(*COMMANDS, *(["show", path[-20:-8]] for path in records))
    assert record.key[:6] in text
    found = {finding.where for finding in verify(journal.repository).problems}
    assert set(records) <= found
    # One of them is a value.
    assert len(set(values) - found) == 1


@pytest.mark.parametrize(
    "paths",
    [
        (
            f"{DAY}/5f/{KEY}.msgpack",
            f"variants/my_exp/frequency/slow/{'1' * 40}.msgpack",
            f"environments/{'1' * 40}.txt",
            f"{DAY}/README",
        ),
        ("format",),
    ],
    ids=["all but the format", "format"],
)
def test_gigabyte_is_refused_by_its_header(journal: Desk, paths: tuple[str, ...], tmp_path: Path) -> None:
    record = journal.run_trial()
    size_bytes = 2**30
    oid = "ab" * 20
    loose = journal.folder / ".git" / "objects" / oid[:2] / oid[2:]
    loose.parent.mkdir(exist_ok=True)
    packer = zlib.compressobj(1)
    block = packer.compress(b"blob %d\0" % size_bytes) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush the same bytes stand for the same zeros again and again.
    zeros = zlib.compressobj(9, zlib.DEFLATED, -15)
    mebibyte = zeros.compress(bytes(2**20)) + zeros.flush(zlib.Z_FULL_FLUSH)
    with loose.open("wb") as file:
        file.write(block)
        for _ in range(1024):
            file.write(mebibyte)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
        journal.git("read-tree", JOURNAL)
        for path in paths:
            journal.git("update-index", "--add", "--cacheinfo", f"100644,{oid},{path}")
        tree = journal.git("write-tree", "--missing-ok").strip()
    journal.commit_tree(tree)
    for words in (["list"], ["show", record.key], ["variants"], ["verify"]):
        text = limited(words)
        assert paths == ("format",) or words[0] not in ("list", "show") or record.key[:6] in text
        if words[0] == "verify":
            assert "1073741824 bytes" in text
            assert all(path in text for path in paths)


def limited(words: list[str], seconds: int = 60) -> str:
    """Run a command as its own process with bounded memory and time of the processor; returns all that it prints."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))

    done = subprocess.run(
        [sys.executable, "-m", "mitosis", *words],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        preexec_fn=bound,
        check=False,
    )
    text = done.stdout + done.stderr
    assert done.returncode in (0, 1, 2), text[-2000:]
    assert "Traceback" not in text
    assert "MemoryError" not in text
    return text


# --- trees that have no end -----------------------------------------------------------------------


def test_folder_with_a_million_files_is_not_read(journal: Desk) -> None:
    blob = plant(journal, b"blob", b"x")
    tree = plant_tree(journal, *((FILE, b"aa%010x.msgpack" % number, blob) for number in range(1_000_000)))
    for name in (b"aa", b"2026-03-01", b"my_exp"):
        tree = plant_tree(journal, (TREE, name, tree))
    plant_journal(journal, trials=tree, variants=tree)
    for words in (["list"], ["show", "aa0000000001"], ["variants"], ["verify"]):
        text = limited(words)
        assert words[0] == "variants" or "48000000 bytes, more than" in text


def test_folders_that_hold_each_other_are_walked_once(journal: Desk) -> None:
    blob = plant(journal, b"blob", b"x")
    tree = plant_tree(journal, *((FILE, b"aa%010x.msgpack" % number, blob) for number in range(1000)))
    tree = plant_tree(journal, *((TREE, b"%02x" % number, tree) for number in range(256)))
    tree = plant_tree(journal, *((TREE, b"%04d-01-01" % year, tree) for year in range(1000, 2000)))
    tree = plant_tree(journal, *((TREE, b"e%04d" % number, tree) for number in range(1000)))
    plant_journal(journal, trials=tree)
    for words in (["list"], ["list", "-n", "0"], ["show", "aa0000000001"], ["verify"]):
        text = limited(words, seconds=30)
        assert words[0] == "show" or ("more findings" if words == ["verify"] else "more that cannot be read") in text


def test_many_files_in_many_folders_take_bounded_memory(journal: Desk) -> None:
    blob = plant(journal, b"blob", b"x")
    shards = [
        plant_tree(journal, *((FILE, b"%02x%010x.msgpack" % (shard, number), blob) for number in range(200)))
        for shard in range(256)
    ]
    tree = plant_tree(journal, *((TREE, b"%02x" % number, oid) for number, oid in enumerate(shards)))
    for name in (b"2026-03-01", b"my_exp"):
        tree = plant_tree(journal, (TREE, name, tree))
    plant_journal(journal, trials=tree)
    for command in ("list", "variants", "verify"):
        assert len(limited([command])) < 20_000


# --- refs and objects -----------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["blob", "tree", "tag", "loop", "missing", "garbage", "other commit"])
@pytest.mark.parametrize("ref", [JOURNAL, "refs/notes/mitosis", "refs/mitosis/remotes/origin/journal"])
def test_ref_that_leads_elsewhere_is_told(journal: Desk, commands: Commands, ref: str, target: str) -> None:
    journal.run_trial()
    journal.git("tag", "-a", "-m", "x", "a-tag")
    file = journal.folder / ".git" / ref
    file.parent.mkdir(parents=True, exist_ok=True)
    oids = {"blob": "HEAD:experiment.py", "tree": "HEAD^{tree}", "tag": "a-tag", "other commit": "HEAD"}
    if target in oids:
        file.write_text(journal.git("rev-parse", oids[target]))
    else:
        file.write_text({"loop": f"ref: {ref}\n", "missing": "1" * 40 + "\n", "garbage": "garbage\n"}[target])
    text = commands(["list"], ["variants"], ["verify"])
    if ref == JOURNAL:
        assert ref in text


@pytest.mark.parametrize("how", ["missing", "truncated", "changed"])
@pytest.mark.parametrize("place", ["{path}", "variants", "trials", DAY, "environments", "format", ""])
def test_damaged_object_is_never_fatal_to_listings(journal: Desk, commands: Commands, place: str, how: str) -> None:
    record = journal.run_trial(key=KEY)
    path = place.format(path=record_path(record))
    oid = journal.oid_of(f"{JOURNAL}:{path}" if path != "variants" else JOURNAL)
    file = journal.loose_file(oid)
    data = file.read_bytes()
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(data[: len(data) // 2] if how == "truncated" else data[:-2] + b"\xff\xff")
    commands(["list"], ["show", KEY], ["variants"])
