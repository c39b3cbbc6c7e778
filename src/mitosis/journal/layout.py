"""Where things are in the journal: the names of its refs and the paths in its tree.

The tree of a journal commit is

    trials/<experiment>/<YYYY-MM-DD>/<key>.msgpack               the first records of a day
    trials/<experiment>/<YYYY-MM-DD>/<key[:2]>/<key>.msgpack     those that a crowded day gets afterwards
    variants/<step>/<parameter>/<variant>/<digest>.msgpack
    renamed|retired|sources|released/<step>/<parameter>/<variant>/<digest>.msgpack
    disputed/<key>/<oid>.msgpack                                 other records of an ended trial, see `journal.merge`
    annotations/<key[:2]>/<key>/<digest>.msgpack                           tags of a trial, and notes on it
    environments/<digest>.txt
    format

Names given by users are percent-encoded, so that a path never holds anything but ASCII letters, digits and `._-+%/`.
"""

from __future__ import annotations

import functools
import hashlib
import re
import shlex
from collections.abc import Iterable
from datetime import UTC, datetime

from mitosis.errors.base import shell_words
from mitosis.errors.journal import FormatTooNew, JournalError
from mitosis.text import one_line
from mitosis.variants import VariantName

JOURNAL_REF = "refs/mitosis/journal"
SYMBOLIC_REF = "refs/refs/mitosis"
"""git reads the short name `refs/mitosis` as this one; pointing it at the journal makes `git log refs/mitosis` work."""
PIN_PREFIX = "refs/mitosis/commits/"
NOTES_REF = "refs/notes/mitosis"
REMOTES_PREFIX = "refs/mitosis/remotes/"

TRIALS = "trials"
VARIANTS = "variants"
RENAMED = "renamed"
RETIRED = "retired"
SOURCES = "sources"
RELEASED = "released"
REMARKS = (RENAMED, RETIRED, SOURCES, RELEASED)
DISPUTED = "disputed"
ANNOTATIONS = "annotations"
ENVIRONMENTS = "environments"
FOLDERS = (TRIALS, VARIANTS, *REMARKS, DISPUTED, ANNOTATIONS, ENVIRONMENTS)
FORMAT_FILE = "format"
FORMAT = 1
"""Of the tree; records have a format of their own."""

CROWDED = 128
"""From this many records in the folder of a day on, the next go to folders of two digits: an append writes the whole
folder, and each further level of folders costs a trial some 170 bytes."""

RECORD_SUFFIX = ".msgpack"
KEY_DIGITS = 12
SHORT_KEY_DIGITS = 6
"""How many digits of a key are shown where it only has to be told from its neighbours."""
_DIGEST_DIGITS = 40

LONGEST_COMPONENT = 3_000
"""Bytes of one component of a path: what git can handle is limited to 4,096 for a whole path."""

KEY_PATTERN = re.compile(r"[0-9a-f]{12}")
DIGEST_PATTERN = re.compile(r"[0-9a-f]{40}")
COMMIT_PATTERN = re.compile(r"[0-9a-f]{40}")
SHARD_PATTERN = re.compile(r"[0-9a-f]{2}")
_RECORD_PATH = re.compile(
    r"trials/(?P<experiment>[^/]+)/(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})/(?:[0-9a-f]{2}/)?"
    r"(?P<key>[0-9a-f]{12})\.msgpack"
)
_DISPUTED_PATH = re.compile(r"disputed/(?P<key>[0-9a-f]{12})/[0-9a-f]{40}\.msgpack")
_ANNOTATION_PATH = re.compile(
    r"annotations/(?P<shard>[0-9a-f]{2})/(?P<key>(?P=shard)[0-9a-f]{10})/[0-9a-f]{40}\.msgpack"
)
_ENVIRONMENT_PATTERN = re.compile(r"[0-9a-f]{6,64}")

_UNSAFE = re.compile(rb"[^A-Za-z0-9._+-]")
_ESCAPE = re.compile(rb"%([0-9A-F]{2})")
_EMPTY_NAME = "%"


def experiment_name(steps: Iterable[str]) -> str:
    """The name of the experiment that runs these steps in this order."""
    return "+".join(steps)


def encode_name(name: str) -> str:
    """A name as one component of a path, safe for git and for every file system; `decode_name` undoes it.

    Raises:
        JournalError: it is longer than a path can be. Names of steps, parameters and variants never are: they have been
            refused long before.
    """
    if not name:
        return _EMPTY_NAME
    data = name.encode("utf-8", "surrogatepass")
    encoded = _UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], data).decode("ascii")
    if encoded.startswith("."):
        encoded = "%2E" + encoded[1:]
    if len(encoded) > LONGEST_COMPONENT:
        raise JournalError(f"the name {name[:80]!r}... is too long to be recorded: it has {len(name)} characters")
    return encoded


def decode_name(component: str) -> str:
    """The name that `encode_name` made this component from. One that it never makes comes back as it is."""
    if component == _EMPTY_NAME:
        return ""
    try:
        data = _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), component.encode("utf-8", "surrogateescape"))
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return component


VERIFY = "mitosis verify"
"""It says whether what cannot be used was sound once, so that it can be put back."""


def forget_command(path: str) -> str:
    """The command that takes away a file of the journal which mitosis cannot use; it takes names as they are shown."""
    return f"mitosis forget {shlex.quote(one_line(path if '/' in path else f'./{path}'))}"


@functools.lru_cache(maxsize=4096)
def is_component(component: str) -> bool:
    """Whether `encode_name` makes such a component."""
    try:
        return encode_name(decode_name(component)) == component
    except JournalError:
        return False


def trial_folder(experiment: str, started: str) -> str:
    """The folder of the trials of one experiment that started on one day of UTC.

    Args:
        experiment: name of the experiment.
        started: ISO 8601 with an offset.

    Raises:
        JournalError: `started` is not such a time.
    """
    try:
        day = datetime.fromisoformat(started).astimezone(UTC).date().isoformat()
    except (ValueError, OverflowError) as error:
        raise JournalError(f"{started!r} is not an ISO 8601 time, so the trial has no place in the journal") from error
    return f"{TRIALS}/{encode_name(experiment)}/{day}"


def record_paths(folder: str, key: str) -> tuple[str, str]:
    """The two paths that a trial's record can have: in the folder of a day, and in a crowded one.

    Raises:
        JournalError: the key is not 12 hexadecimal digits.
    """
    if not KEY_PATTERN.fullmatch(key):
        raise JournalError(f"{key!r} is not a trial key: a key has {KEY_DIGITS} hexadecimal digits")
    name = f"{key}{RECORD_SUFFIX}"
    return f"{folder}/{name}", f"{folder}/{key[:2]}/{name}"


def parse_record_path(path: str) -> tuple[str, str, str] | None:
    """Experiment, day and key of the trial whose record has this path; None if no record has it."""
    match = _RECORD_PATH.fullmatch(path)
    if match is None or not is_component(match["experiment"]):
        return None
    return decode_name(match["experiment"]), match["day"], match["key"]


def disputed_path(key: str, oid: str) -> str:
    """The path of a record that another one is in the place of.

    Args:
        key: the trial's.
        oid: id of the record's blob.
    """
    return f"{DISPUTED}/{key}/{oid}{RECORD_SUFFIX}"


def parse_disputed_path(path: str) -> str | None:
    """The key of the trial that a disputed record at this path is of; None if none is."""
    match = _DISPUTED_PATH.fullmatch(path)
    return None if match is None else match["key"]


def annotation_folder(key: str) -> str:
    """The folder of the tags of a trial, and the notes on it."""
    return f"{ANNOTATIONS}/{key[:2]}/{key}"


def parse_annotation_path(path: str) -> str | None:
    """The key of the trial that an annotation at this path is of; None if none is."""
    match = _ANNOTATION_PATH.fullmatch(path)
    return None if match is None else match["key"]


def parse_variant_path(path: str) -> tuple[VariantName, str] | None:
    """The variant that a value or remark at this path is about, and the digest in its name; None if there is none."""
    *names, file = path.split("/")[1:] or [""]
    digest = file.removesuffix(RECORD_SUFFIX)
    if len(names) != 3 or digest == file or not DIGEST_PATTERN.fullmatch(digest):
        return None
    if not all(map(is_component, names)):
        return None  # another spelling of a name
    return VariantName(*map(decode_name, names)), digest


def variant_folder(variant: VariantName) -> str:
    """The folder that holds the locked value of a variant: one file, or several if there is a conflict."""
    return remark_folder(VARIANTS, variant)


def remark_folder(kind: str, variant: VariantName) -> str:
    """The folder that holds the remarks of one kind, one of `REMARKS`, on a variant."""
    return "/".join([kind, *(encode_name(name) for name in variant)])


def variant_path(variant: VariantName, digest: str) -> str:
    """The path of one locked value.

    Raises:
        JournalError: the digest is not 40 hexadecimal digits.
    """
    if not DIGEST_PATTERN.fullmatch(digest):
        raise JournalError(f"{digest!r} is not the digest of a value: a digest has 40 hexadecimal digits")
    return f"{variant_folder(variant)}/{digest}{RECORD_SUFFIX}"


def digest_name(data: bytes) -> str:
    """The name of a file that is named by the digest of its content."""
    return f"{hashlib.sha256(data).hexdigest()[:_DIGEST_DIGITS]}{RECORD_SUFFIX}"


def environment_path(digest: str) -> str:
    """The path of an environment's text.

    Raises:
        JournalError: the digest is not hexadecimal.
    """
    if not _ENVIRONMENT_PATTERN.fullmatch(digest):
        raise JournalError(f"{digest!r} is not the digest of an environment: a digest is hexadecimal")
    return f"{ENVIRONMENTS}/{digest}.txt"


def pin_ref(commit: str) -> str:
    """The ref that keeps an experiment's commit.

    Raises:
        JournalError: it is not a full id of a commit.
    """
    if not COMMIT_PATTERN.fullmatch(commit):
        raise JournalError(f"{commit!r} is not a commit: a full id has 40 hexadecimal digits")
    return PIN_PREFIX + commit


def push_pin_command(remote: str, commit: str) -> str:
    """The command that sets a remote's pin right, for whoever has the commit."""
    return shell_words("git", "push", "--force", remote, f"{pin_ref(commit)}:{pin_ref(commit)}")


def remote_journal_ref(remote: str) -> str:
    """Where a remote's journal is kept as it was last fetched.

    Args:
        remote: the name of a remote of git, or the `remote_name` of a URL.
    """
    return f"{REMOTES_PREFIX}{remote}/journal"


def remote_notes_ref(remote: str) -> str:
    """Where a remote's notes are kept as they were last fetched."""
    return f"{REMOTES_PREFIX}{remote}/notes"


def remote_pins_prefix(remote: str) -> str:
    """What the names begin with at which a remote's pins are kept when they are fetched by git alone."""
    return f"{REMOTES_PREFIX}{remote}/commits/"


def fetch_refspecs(remote: str, *, with_pins: bool) -> tuple[str, ...]:
    """What `git fetch` is told to fetch from a remote beside its branches: journal, pins and notes.

    The patterns do no harm where the remote has no records yet: git fails when a ref that it was told by its full name
    is missing.

    Args:
        remote: its name.
        with_pins: whether experiments' commits are to come with their history, of which a shallow clone has none.
    """
    return (
        f"+{JOURNAL_REF}*:{remote_journal_ref(remote)}*",
        *((f"+{PIN_PREFIX}*:{remote_pins_prefix(remote)}*",) if with_pins else ()),
        f"+{NOTES_REF}*:{remote_notes_ref(remote)}*",
    )


def remote_name(url: str) -> str:
    """The name in refs that stands for a repository that is not a configured remote: a URL may not be part of a ref."""
    return f"url-{hashlib.sha256(url.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"


def refuse_format(what: str, text: bytes) -> None:
    """Refuse a journal by what it says is its format, unless this version can read it.

    Raises:
        FormatTooNew: a newer mitosis has written it.
        JournalError: it is not a number.
    """
    digits = text.strip()
    if not digits.isdigit():
        raise JournalError(f"the format of {what} is {text!r}, where a number should be")
    if int(digits) > FORMAT:
        raise FormatTooNew("the journal" if what == JOURNAL_REF else what, int(digits), FORMAT)


def refuse_unsafe_name(path: str) -> None:
    """Refuse to take in a name that git itself would refuse in a working tree.

    Raises:
        JournalError: it is one.
    """
    if any(name in ("", ".", "..") or _is_git_folder(name) for name in path.split("/")):
        raise JournalError(f"it has a file {path!r}, a name that mitosis never writes")


_IGNORED_BY_HFS = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
"""Characters that file systems of macOS leave out of account, see `git fsck` on hasDotgit."""
_GIT_FOLDERS = (".git", "git~1")


def _is_git_folder(name: str) -> bool:
    """Whether a file system may take a name for that of git's own folder."""
    plain = _IGNORED_BY_HFS.sub("", name).partition(":")[0].rstrip(" .")
    return plain.lower() in _GIT_FOLDERS
