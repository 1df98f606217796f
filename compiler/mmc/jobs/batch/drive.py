"""``python -m mmc.jobs.batch.drive``: what ``mmc run --on`` starts in place of ``run.sh``.

It has the jobs of a bundle run elsewhere and writes the same ``events.log``. ``mmc run`` holds the locks of the folder.
"""

import signal
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from mmc.errors import MixedVersionsError, MmcError
from mmc.files import Folder
from mmc.jobs.batch import on_hyperqueue, on_slurm
from mmc.printing import complain
from mmc.processes import EXIT_FULL, FULL

EVENTS = "events.log"
ENGINES: Mapping[str, Callable[[Path, BinaryIO, int | None, bool], bool]] = {
    "slurm": on_slurm.run,
    "hyperqueue": on_hyperqueue.run,
}
"""Each runs the missing jobs of a bundle, on a number of cores if they run here, whether or not finished jobs were made
with other versions, and says whether none has failed."""


class LeftError(BaseException):
    """A signal asks this process to end, but not to end what it has submitted."""


def main(argv: Sequence[str]) -> int:
    """Run the jobs of a bundle that are missing.

    :returns: 0; 1 when jobs have failed; 3 (4: the disk is full) with one line on standard error; 128 and
        the number of the signal that has ended it
    """
    parser = ArgumentParser("drive")
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--mixed-versions", action="store_true")
    arguments = parser.parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Folder(arguments.out).restart(EVENTS) as events:
            run = ENGINES[arguments.engine]
            return 0 if run(arguments.bundle, events, arguments.jobs, arguments.mixed_versions) else 1
    except MixedVersionsError as error:
        complain(f"mmc: {error}: continue with --mixed-versions, or start a new run with another --out")
        return error.exit_code
    except MmcError as error:
        complain(f"mmc: {error}")
        return error.exit_code
    except OSError as error:
        complain(f"mmc: cannot write into {error.filename or arguments.out}: {error.strerror}")
        return EXIT_FULL if error.errno in FULL else MmcError.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except LeftError as error:
        return 128 + int(error.args[0])


def _leave(number: int, _frame: FrameType | None) -> None:
    raise LeftError(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
