"""Git: the program, repositories and their objects.

program       starts the git program, and nothing else does
objects       trees and blobs
tracked       whether git tracks a file, or a link that leads to it
repository    one repository, its identity, its objects through libgit2, and having git pack what many appends leave
"""
