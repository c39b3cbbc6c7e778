"""The command line, one module a group of commands: they parse, call and print; what they do is elsewhere."""
