"""Git: the program, repositories and their objects.

program      starts the git program, and nothing else does
objects      trees and blobs
repository   one repository, its identity, and its objects through libgit2 or the git program
"""

from mitosis.git.objects import GitObject, Objects, TreeEntry, read_blobs
from mitosis.git.program import Streamed, run_git, start_git, stream_git, without_password
from mitosis.git.repository import Identity, ObjectReader, Repository, find_repository, open_briefly

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
