"""Where a trial comes from: the commit, the environment, the imported code, the process.

`state` looks at the working tree, `environment` at the interpreter and what is installed in it, `imported_code` at the
code that was imported; who runs is in `mitosis.process`.
"""
