"""`python -m liftune` is `liftune`."""

import sys

from liftune.cli.main import main

sys.exit(main())
