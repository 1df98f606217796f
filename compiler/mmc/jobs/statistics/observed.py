"""Reading of observed events."""

from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

import numpy as np

from mmc.compiler.inputs.observed_events import ObservedError, parse_observed
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.readers.observed_cuts import failed_cuts
from mmc.reading import open_regular


def read_observed(path: Path, observables: Sequence[str], cuts: Sequence[str] = ()) -> Array:
    """The observed events of a CSV file, shape (events, observables).

    :param cuts: conditions that simulated events have passed
    :raises StepError: when the file cannot be read, an observable is missing, a value is not a finite number, there are
        no events, or an event fails a cut that needs only observables
    """
    try:
        with TextIOWrapper(open_regular(path), encoding="utf-8", errors="replace") as text:
            events = np.array(parse_observed(text.read(), observables))
    except OSError as error:
        raise StepError(f"the observed events of {path.name} cannot be read: {error.strerror}") from error
    except ObservedError as error:
        raise StepError(f"the observed events of {path.name} cannot be used: {error}") from error
    columns = dict(zip(observables, events.T, strict=True))
    failed = next(failed_cuts(cuts, columns, len(events)), None)
    if failed is not None:
        cut, fails = failed
        raise StepError(
            f"{fails.sum():,} of the {len(events):,} observed events of {path.name} fail the cut {cut}, which all "
            "simulated events pass: remove these events from the file"
        )
    return events
