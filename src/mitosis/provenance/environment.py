"""The interpreter, what is installed in it, and the variables that change how numbers come out."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from mitosis.confidential import without_password
from mitosis.errors.repository import RepositoryError
from mitosis.git.program import run_git
from mitosis.git.repository import Repository
from mitosis.text import recordable

if TYPE_CHECKING:
    from importlib.metadata import Distribution

VARIABLES = frozenset(
    {
        # threads and processors
        *("BLIS_NUM_THREADS", "GOTO_NUM_THREADS", "KMP_AFFINITY", "KMP_BLOCKTIME", "MKL_CBWR", "MKL_DYNAMIC"),
        *("MKL_NUM_THREADS", "MKL_THREADING_LAYER", "NUMBA_DISABLE_JIT", "NUMBA_NUM_THREADS", "NUMEXPR_MAX_THREADS"),
        *("NUMEXPR_NUM_THREADS", "OMP_DYNAMIC", "OMP_NUM_THREADS", "OMP_PLACES", "OMP_PROC_BIND", "OMP_SCHEDULE"),
        *("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"),
        *("VECLIB_MAXIMUM_THREADS",),
        # graphics processors
        *("CUBLAS_WORKSPACE_CONFIG", "CUDA_DEVICE_ORDER", "CUDA_LAUNCH_BLOCKING", "CUDA_VISIBLE_DEVICES"),
        *("HIP_VISIBLE_DEVICES", "NVIDIA_TF32_OVERRIDE", "NVIDIA_VISIBLE_DEVICES", "PYTORCH_CUDA_ALLOC_CONF"),
        *("PYTORCH_ENABLE_MPS_FALLBACK", "ROCR_VISIBLE_DEVICES", "XLA_FLAGS", "XLA_PYTHON_CLIENT_ALLOCATOR"),
        *("XLA_PYTHON_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_PREALLOCATE"),
        # TensorFlow: named one by one, since Terraform keeps secrets in variables that begin with TF_ too
        *("TF_CPP_MIN_LOG_LEVEL", "TF_CUDNN_DETERMINISTIC", "TF_CUDNN_USE_AUTOTUNE", "TF_DETERMINISTIC_OPS"),
        *("TF_ENABLE_ONEDNN_OPTS", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_GPU_ALLOCATOR", "TF_GPU_THREAD_MODE"),
        *("TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_USE_LEGACY_KERAS", "TF_XLA_FLAGS"),
        # Python
        *("CONDA_DEFAULT_ENV", "MPLBACKEND", "PYTHONHASHSEED", "PYTHONINTMAXSTRDIGITS", "PYTHONNOUSERSITE"),
        *("PYTHONOPTIMIZE", "PYTHONPATH", "PYTHONUTF8", "PYTHONWARNINGS", "PYTHON_GIL", "VIRTUAL_ENV"),
        # libraries and locale
        *("LANG", "LC_ALL", "LC_NUMERIC", "LD_LIBRARY_PATH", "LD_PRELOAD", "TZ"),
        # batch systems
        *("LSB_JOBID", "PBS_ARRAY_INDEX", "PBS_JOBID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"),
        *("SLURM_CLUSTER_NAME", "SLURM_CPUS_PER_TASK", "SLURM_GPUS", "SLURM_JOB_ID", "SLURM_JOB_NAME"),
        *("SLURM_JOB_NODELIST", "SLURM_JOB_PARTITION", "SLURM_LOCALID", "SLURM_MEM_PER_NODE", "SLURM_NNODES"),
        *("SLURM_NTASKS", "SLURM_PROCID"),
    }
)
"""Variables that are recorded where they are set."""

VARIABLE_PREFIXES = ("JAX_", "TORCH_")
"""Of further variables that are recorded, unless their name sounds like a secret."""

_SECRET = re.compile(r"AUTH|CRED|KEY|PASS|SECRET|TOKEN")
_VALUE_LIMIT = 4096
_DIGEST_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Environment:
    """What the code of a trial ran in."""

    text: str
    """What is installed, in the form that `pip freeze` has."""
    digest: str
    """Of the text: the first 40 hexadecimal digits of its SHA-256."""
    interpreter: str
    """Implementation and version, such as `CPython 3.11.7`."""
    platform: str
    cpu_count: int
    """Processors that this process may use."""
    variables: dict[str, str]
    """Those of `VARIABLES` and `VARIABLE_PREFIXES` that are set, by name."""


def read_environment(repository: Repository | None = None) -> Environment:
    """Describe the environment of this process, which is that of the kernel it starts.

    Args:
        repository: that of the experiment. What is installed from it in editable mode is written without a commit,
            which the trial's record holds; or every commit would make a new environment.
    """
    interpreter = f"{platform.python_implementation()} {platform.python_version()}{getattr(sys, 'abiflags', '')}"
    build = "-".join(word for word in (platform.system(), platform.machine(), *platform.libc_ver()) if word)
    lines = [line for _, line in sorted(_requirements(repository))]
    text = recordable("".join(f"{line}\n" for line in (f"# {interpreter}", f"# {build}", *lines)))
    return Environment(
        text=text,
        digest=hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH],
        interpreter=interpreter,
        platform=platform.platform(),
        cpu_count=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        variables=chosen_variables(os.environ),
    )


def chosen_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Those among `variables` that are worth recording and hold no secret, sorted by name."""
    return {
        name: recordable(without_password(value[:_VALUE_LIMIT]))
        for name, value in sorted(variables.items())
        if name in VARIABLES or (name.startswith(VARIABLE_PREFIXES) and not _SECRET.search(name))
    }


def _requirements(repository: Repository | None) -> Iterator[tuple[str, str]]:
    """For each distribution its normalized name, to sort by, and its line."""
    from importlib.metadata import distributions

    checkouts = _Checkouts(repository)
    seen: set[str] = set()
    for distribution in distributions():
        name, version = _name_and_version(distribution)
        if name is None:
            continue  # what an interrupted installation left
        # Names are compared as in https://packaging.python.org/en/latest/specifications/name-normalization/
        normalized = re.sub(r"[-_.]+", "-", name).lower()
        if normalized not in seen:  # the first on the path is the one that is imported
            seen.add(normalized)
            yield normalized, _requirement(distribution, f"{name}=={version}", name, checkouts)


def _name_and_version(distribution: Distribution) -> tuple[str | None, str]:
    """Read from the metadata's head alone: parsing all of it takes four times as long."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or distribution.read_text("") or ""
    name, version = None, "unknown"
    for line in text.splitlines():
        field, colon, value = line.partition(":")
        if not colon and not line.strip():
            break
        match field.lower():
            case "name":
                name = value.strip()
            case "version":
                version = value.strip()
    return name or None, version


def _requirement(distribution: Distribution, exact: str, name: str, checkouts: _Checkouts) -> str:
    """One line of a requirements file; what pip does not understand stands in a comment at its end.

    Where a distribution was installed from is told by direct_url.json, see
    https://packaging.python.org/en/latest/specifications/direct-url/
    """
    origin = _read_origin(distribution)
    if origin is None:
        folder = Path(str(distribution.locate_file("")))
        if distribution.read_text("METADATA") is None and folder.name not in ("site-packages", "dist-packages"):
            return checkouts.editable(folder, exact)  # `setup.py develop` leaves the metadata beside the source
        return exact
    url = strip_secrets(str(origin.get("url", "")))
    source, archive, folder_info = (origin.get(key) for key in ("vcs_info", "archive_info", "dir_info"))
    fragment = f"#subdirectory={origin['subdirectory']}" if origin.get("subdirectory") else ""
    if isinstance(source, dict):
        return f"{name} @ {source.get('vcs')}+{url}@{source.get('commit_id')}{fragment}  # {exact}"
    if isinstance(archive, dict):
        digest = _archive_digest(archive)
        joint = "&" if fragment else "#"
        return f"{name} @ {url}{fragment}{joint + digest if digest else ''}  # {exact}"
    if isinstance(folder_info, dict) and folder_info.get("editable"):
        return checkouts.editable(_path_of(url), exact)
    if (distribution.read_text("INSTALLER") or "").strip() == "conda":
        return exact  # the folder is that of the machine where conda built the package
    # The folder may have changed since: only the list of the installed files and their hashes says what was copied.
    record = distribution.read_text("RECORD") or ""
    return f"{name} @ {url}{fragment}  # {exact}, RECORD sha256={hashlib.sha256(record.encode()).hexdigest()}"


def _read_origin(distribution: Distribution) -> dict[str, Any] | None:
    text = distribution.read_text("direct_url.json")
    if text is None:
        return None
    try:
        origin = json.loads(text)
    except ValueError:
        return {"url": "unreadable direct_url.json"}
    return origin if isinstance(origin, dict) else {"url": "unreadable direct_url.json"}


def _archive_digest(archive: Mapping[str, Any]) -> str:
    """Such as `sha256=...`, if there is one."""
    hashes = archive.get("hashes")
    if isinstance(hashes, dict) and "sha256" in hashes:
        return f"sha256={hashes['sha256']}"
    return str(archive.get("hash") or "")


def strip_secrets(url: str) -> str:
    """The URL without user, password, query and fragment, where credentials stand; the user `git` is kept."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    netloc = f"git@{host}" if at and user == "git" else host
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))


def _path_of(url: str) -> Path:
    path = unquote(urlsplit(url).path)
    return Path(path.lstrip("/") if os.name == "nt" else path)


class _Checkouts:
    """The commits of the folders that distributions were installed from in editable mode, each asked for once."""

    def __init__(self, repository: Repository | None) -> None:
        self._own_root = repository.root.resolve() if repository else None
        self._described: dict[Path, str] = {}

    def editable(self, folder: Path, exact: str) -> str:
        """The line of a distribution whose source is `folder`."""
        if folder not in self._described:
            self._described[folder] = self._describe(folder)
        where, _, state = self._described[folder].partition("\0")
        return f"-e {where}  # {exact}, {state}"

    def _describe(self, folder: Path) -> str:
        try:
            answer = os.fsdecode(run_git("rev-parse", "--show-toplevel", "HEAD", cwd=folder))
        except RepositoryError:
            return f"{folder}\0in no git repository with a commit"
        top, commit = answer.splitlines()[-2:]
        if self._own_root is not None and Path(top).resolve() == self._own_root:
            relative = folder.resolve().relative_to(self._own_root).as_posix()
            return f"{'.' if relative == '.' else f'./{relative}'}\0of the experiment's repository"
        changes = run_git(
            "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=untracked", "--", ".", cwd=folder
        )
        return f"{folder}\0commit {commit}{' with uncommitted changes' if changes else ''}"
