"""Do the lookup dictionaries still say what is locked? What is staged, the working tree or commits are compared.

Modules are imported when they are needed: the hook, which is timed, mostly needs the smallest of them.
"""
