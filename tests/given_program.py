"""Run the Python program that is the first argument, as `python -c` does: what is forked runs modules."""

import sys

if __name__ == "__main__":
    exec(sys.argv.pop(1), {"__name__": "__main__"})
