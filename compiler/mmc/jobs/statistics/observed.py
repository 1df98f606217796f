"""Reading of observed events."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmc.compiler.inputs.observed_events import ObservedError, parse_observed
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array


def read_observed(path: Path, observables: Sequence[str]) -> Array:
    """The observed events of a CSV file, shape (events, observables).

    :raises StepError: when an observable is missing, a value is not a finite number, or there are no events
    """
    try:
        return np.array(parse_observed(path.read_text(encoding="utf-8"), observables))
    except (ObservedError, UnicodeDecodeError) as error:
        raise StepError(f"the observed events of {path.name} cannot be used: {error}") from error
