"""What the lookup dictionaries of the registered steps mean, without a trial.

`states` has what can be evaluated: the working tree, what is staged, and commits, whose files `checkouts` writes.
`evaluation` starts a process of its own for it, `evaluator`, which imports the lookup modules and hands back the
canonical value of every variant. This process never imports user code; `source` reads it, for names and places.
"""
