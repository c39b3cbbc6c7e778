"""Every error that a user can cause.

A `MitosisError` says what happened, where, and what to do next. The command line prints it without a
traceback and exits with the class's `exit_status`. Errors carry their facts as attributes; the class
builds the text.
"""
