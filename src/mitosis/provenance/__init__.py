"""Where a trial comes from: the environment and the imported code.

`environment` looks at the interpreter and what is installed in it, `imported_code` at the code that was imported. The
commit is looked at in `mitosis.runner.refusals`; who runs is in `mitosis.process`.
"""
