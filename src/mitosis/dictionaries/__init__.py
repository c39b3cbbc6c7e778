"""What the lookup dictionaries of the registered steps mean, without a trial.

`working_tree` gives the files of the working tree, and `open_index` those that are staged or in a commit. `evaluate`
imports the lookup modules from there in a process of their own and hands back the canonical value of every variant.
`evaluate_index` does it for an index, and checks out no more than is needed.

This process never imports user code. The other process imports this package too, and should start fast.
"""
