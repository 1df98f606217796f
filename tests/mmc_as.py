"""`mmc`; if its first word is the path of a program, it takes that one for itself, and so do its jobs."""

import sys
from pathlib import Path

from mmc.cli.main import main

if __name__ == "__main__":
    if sys.argv[1:] and Path(sys.argv[1]).is_absolute():
        sys.argv[0] = sys.argv.pop(1)
    sys.exit(main())
