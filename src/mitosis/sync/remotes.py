"""Which repository to exchange records with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mitosis.confidential import without_password
from mitosis.errors.journal import NoRemote, UnknownRemote
from mitosis.git.repository import Repository
from mitosis.journal import layout

_SETTINGS = r"^(remote\.pushdefault|branch\..*\.(pushremote|remote))$"


@dataclass(frozen=True, slots=True)
class Remote:
    """Another repository."""

    name: str
    """What it is called in messages: a remote's name, or a URL without its password."""
    ref_name: str
    """What stands for it in the names of refs."""
    place: str
    """What git is told to fetch from and push to: a remote's name, a URL or a path."""


def find_remote(repository: Repository, word: str | None, configured: str | None = None) -> Remote:
    """The repository to exchange records with.

    Args:
        repository: the one at hand.
        word: a remote's name, a URL or a path, as it was given; None for the usual one: that of the configuration, else
            where `git push` would push to.
        configured: `remote` of the configuration: a remote's name, and nothing else.

    Raises:
        NoRemote: nothing is given, and there is no remote.
        UnknownRemote: there is no remote by that name.
    """
    remotes = list_remotes(repository)
    if word is None and configured is not None and configured not in remotes:
        # Whoever wrote the file did not set up this clone: a path in it could lead to a repository with hooks.
        raise UnknownRemote(configured, remotes, is_configured=True)
    name = configured if word is None else word
    if name is None:
        name = _default(repository, remotes)
    if name in remotes:
        return Remote(name, name, name)
    if name.startswith("-") or not is_place(name):
        raise UnknownRemote(name, remotes)
    # git runs at the top of the working tree.
    place = str(Path(name).resolve()) if Path(name).exists() else name
    return Remote(without_password(name), layout.remote_name(place), place)


def list_remotes(repository: Repository) -> list[str]:
    """The names of the configured remotes."""
    return repository.git("remote").splitlines()


def is_place(word: str) -> bool:
    """Whether a word is a URL or a path rather than a name."""
    return "/" in word or ":" in word or "\\" in word or word in (".", "..") or Path(word).is_dir()


def _default(repository: Repository, remotes: list[str]) -> str:
    """Where `git push` pushes to, see remote.pushDefault in git-config(1); else the only remote, or origin."""
    branch = repository.ask("symbolic-ref", "--quiet", "--short", "HEAD").strip()
    keys = ["remote.pushdefault"]
    if branch:
        keys = [f"branch.{branch}.pushremote", *keys, f"branch.{branch}.remote"]
    # In the names of settings, git writes the first and the last part in small letters; the last value counts.
    text = repository.ask("config", "--null", "--get-regexp", _SETTINGS)
    settings = dict(item.split("\n", 1) for item in text.split("\0") if "\n" in item)
    for key in keys:
        value = settings.get(key, "")
        if value not in ("", "."):
            return value
    if not remotes:
        raise NoRemote()
    return remotes[0] if len(remotes) == 1 else "origin"


def push_place(repository: Repository, remote: Remote) -> str:
    """Where a push goes to, as git is told to fetch from there: by the first push URL if that is another place."""
    if remote.place != remote.ref_name:
        return remote.place
    url = repository.git("remote", "get-url", "--push", remote.place)
    return remote.place if url == repository.git("remote", "get-url", remote.place) else url.removesuffix("\n")
