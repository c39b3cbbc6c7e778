"""Git: the program, repositories and their objects.

program      starts the git program, and nothing else does
objects      trees and blobs
repository   one repository, its identity, and its objects through libgit2
reader       a repository's objects through one git program
brief        a repository of which little is read, mostly through that
"""

from mitosis.git.brief import open_briefly
from mitosis.git.objects import GitObject, Objects, TreeEntry, read_blobs
from mitosis.git.program import Streamed, run_git, start_git, stream_git, without_password
from mitosis.git.reader import ObjectReader
from mitosis.git.repository import Identity, Repository, find_repository

__all__ = [
    "GitObject",
    "Identity",
    "ObjectReader",
    "Objects",
    "Repository",
    "Streamed",
    "TreeEntry",
    "find_repository",
    "open_briefly",
    "read_blobs",
    "run_git",
    "start_git",
    "stream_git",
    "without_password",
]
