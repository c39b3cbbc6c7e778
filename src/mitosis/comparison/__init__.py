"""What differs between trials: `trials` reads what is recorded of them, `comparing` compares that and reads nothing.

The room is not called `compare`, since the package would then have the module under that name, and could not have a
function.
"""
