"""The command line, nothing else: arguments, one call, what is printed."""
