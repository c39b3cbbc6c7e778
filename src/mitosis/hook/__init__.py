"""The hook that warns when a commit changes what a locked variant means.

`installing` and `place` see to the script that git runs; `python -m mitosis.hook` is what that script runs. Importing
this package costs next to nothing, since every commit does.
"""

CONFIG_KEY = "mitosis.hookConfig"
"""The key of git's configuration that names a configuration file in place of pyproject.toml."""
