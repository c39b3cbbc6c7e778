"""What runs inside the experiment's kernel.

`launch` starts the process. The runner asks by executing one hidden line, which calls `answering.answer`, and reads the
answers from a file in a folder that only this user can read. Only the plain values of `mitosis.protocol` cross over.

Nothing of this appears in the notebook, whose cells are the experiment alone.
"""
