"""One file a command, and the steps that `tune` is made of."""
