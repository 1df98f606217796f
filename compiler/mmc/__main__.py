"""``python -m mmc`` is the command ``mmc``."""

import sys

from mmc.cli import main

sys.exit(main())
