"""Git: the program, repositories and their objects.

program      starts the git program, and nothing else does
objects      trees and blobs
repository   one repository, its identity, and its objects through libgit2
reader       a repository's objects through one git program
brief        a repository of which little is read, mostly through that
"""
