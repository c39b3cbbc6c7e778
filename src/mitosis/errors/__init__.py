"""Every error that a user can cause.

A `MitosisError` says what happened, where, and what to do next. The command line prints it without a
traceback and exits with the class's `exit_status`. Errors carry their facts as attributes; the class
builds the text.
"""

from mitosis.errors.base import (
    MitosisError,
    bulleted,
    nearest,
)
from mitosis.errors.experiment import (
    BadReference,
    ExperimentError,
    ExpressionFailed,
    ImportFailed,
    LookupFailed,
    SignatureMismatch,
    UnknownVariant,
)
from mitosis.errors.files import (
    FileTrouble,
    FolderNotWritable,
)
from mitosis.errors.journal import (
    AmbiguousKey,
    BadRecord,
    FormatTooNew,
    JournalBusy,
    JournalError,
    NoteNotWritten,
    NotRecorded,
    TrialNotFound,
)
from mitosis.errors.repository import (
    BareRepository,
    DirtyRepository,
    GitError,
    GitMissing,
    NoCommit,
    NoIdentity,
    NotARepository,
    NotInWorkTree,
    RepositoryError,
    UncommittedImports,
    UnreadableObject,
    UnsupportedRepository,
)
from mitosis.errors.usage import (
    BadExpression,
    BadModule,
    ConfigError,
    MalformedParameter,
    MisdirectedParameter,
    NoStep,
    RepeatedParameter,
    RepeatedStep,
    UnknownStep,
    UsageError,
)
from mitosis.errors.values import (
    Conflict,
    Meaning,
    Redefinition,
    UnstableValue,
    UntrackableParameter,
    VariantConflict,
    VariantRedefined,
)

__all__ = [
    "AmbiguousKey",
    "BadExpression",
    "BadModule",
    "BadRecord",
    "BadReference",
    "BareRepository",
    "ConfigError",
    "Conflict",
    "DirtyRepository",
    "ExperimentError",
    "ExpressionFailed",
    "FileTrouble",
    "FolderNotWritable",
    "FormatTooNew",
    "GitError",
    "GitMissing",
    "ImportFailed",
    "JournalBusy",
    "JournalError",
    "LookupFailed",
    "MalformedParameter",
    "Meaning",
    "MisdirectedParameter",
    "MitosisError",
    "NoCommit",
    "NoIdentity",
    "NoStep",
    "NotARepository",
    "NotInWorkTree",
    "NotRecorded",
    "NoteNotWritten",
    "Redefinition",
    "RepeatedParameter",
    "RepeatedStep",
    "RepositoryError",
    "SignatureMismatch",
    "TrialNotFound",
    "UncommittedImports",
    "UnknownStep",
    "UnknownVariant",
    "UnreadableObject",
    "UnstableValue",
    "UnsupportedRepository",
    "UntrackableParameter",
    "UsageError",
    "VariantConflict",
    "VariantRedefined",
    "bulleted",
    "nearest",
]
