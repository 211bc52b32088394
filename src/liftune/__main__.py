"""`python -m liftune` is `liftune`."""

from liftune.cli import main

main()
