"""Which repository to exchange records with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mitosis.errors import GitError, NoRemote, UnknownRemote
from mitosis.git import Repository
from mitosis.journal import layout


@dataclass(frozen=True, slots=True)
class Remote:
    """Another repository."""

    name: str
    """What it is called in messages: a remote's name, or a URL without its password."""
    ref_name: str
    """What stands for it in the names of refs."""
    fetch_from: str
    """What git is told to fetch from when records are pulled."""
    push_to: str
    """What git is told to push to, and to fetch from before."""


def find_remote(repository: Repository, word: str | None, configured: str | None = None) -> Remote:
    """The repository to exchange records with.

    Args:
        repository: the one at hand.
        word: a remote's name, a URL or a path, as it was given; None for the usual one: that of the configuration, else
            where `git push` would push to.
        configured: `remote` of the configuration.

    Raises:
        NoRemote: nothing is given, and there is no remote.
        UnknownRemote: there is no remote of that name.
    """
    remotes = list_remotes(repository)
    name = word if word is not None else configured or _default(repository, remotes)
    if name in remotes:
        return Remote(name, name, name, _push_place(repository, name))
    if name.startswith("-") or not is_place(name):
        raise UnknownRemote(name, remotes)
    return Remote(_shown(name), layout.remote_name(name), name, name)


def list_remotes(repository: Repository) -> list[str]:
    """The names of the configured remotes."""
    return repository.git("remote").splitlines()


def is_place(word: str) -> bool:
    """Whether a word is a URL or a path rather than a name."""
    return "/" in word or ":" in word or "\\" in word or word in (".", "..") or Path(word).is_dir()


def _default(repository: Repository, remotes: list[str]) -> str:
    """Where `git push` pushes to, see remote.pushDefault in git-config(1); else the only remote, or origin."""
    branch = _ask(repository, "symbolic-ref", "--quiet", "--short", "HEAD")
    keys = ["remote.pushDefault"]
    if branch:
        keys = [f"branch.{branch}.pushRemote", *keys, f"branch.{branch}.remote"]
    for key in keys:
        value = _ask(repository, "config", "--get", key)
        if value and value != ".":
            return value
    if not remotes:
        raise NoRemote()
    return remotes[0] if len(remotes) == 1 else "origin"


def _push_place(repository: Repository, name: str) -> str:
    """The remote's name, or the URL that it is pushed to where that is another one than it is fetched from."""
    places = repository.git("remote", "get-url", "--push", "--all", name).splitlines()
    fetched = repository.git("remote", "get-url", name).splitlines()
    return name if places == fetched else places[0]


def _ask(repository: Repository, *words: str) -> str:
    try:
        return repository.git(*words).strip()
    except GitError as error:
        if error.status != 1:  # 1: it is not set
            raise
        return ""


def _shown(url: str) -> str:
    """A URL without what it says before the host, which may be a password."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)
