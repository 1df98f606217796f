"""``python -m mmc`` is the command ``mmc``."""

import sys

from mmc.cli.main import main

sys.exit(main())
