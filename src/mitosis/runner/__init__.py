"""The flow of a trial, from the command line to the record in git; `run` is the way in."""
