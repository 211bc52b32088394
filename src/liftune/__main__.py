"""`python -m liftune` is `liftune`."""

import sys

from liftune.cli import main

sys.exit(main())
