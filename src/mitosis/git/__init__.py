"""Git: the program, repositories and their objects.

program       starts the git program, and nothing else does
objects       trees and blobs
repository    one repository, its identity, and its objects through libgit2
maintenance   has git pack what many appends leave
"""
