"""The training and validation samples of a method from simulated events, each of which has a point of its own."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmc.compiler.catalogue.methods import METHODS
from mmc.compiler.settings.sampling import SampleSettings
from mmc.errors import StepError
from mmc.jobs.learning.sample_checks import check_observables, repair
from mmc.jobs.learning.samples import save
from mmc.jobs.madminer.event_file import Array

log = logging.getLogger(__name__)


def take_samples(
    x: Mapping[str, Array],
    arrays: Mapping[str, Array],
    settings: SampleSettings,
    out: Path,
    random: np.random.Generator,
) -> dict[str, Any]:
    """Divide simulated events into training and validation samples, each event into one, and write MadMiner's arrays.

    :param x: the observables, each of shape (events,)
    :param arrays: ``theta0``, ``theta1``, ``y``, and ``r_xz`` and ``t_xz`` if they are known, of shape (events, n)
    :returns: the entries of ``sample.json``
    :raises StepError: when there are too few events, or numbers are not finite
    """
    events = {"x": np.stack(list(x.values()), axis=1), **arrays}
    n_events, wanted = len(events["x"]), settings.samples + settings.validation_samples
    if n_events < wanted:
        raise StepError(
            f"{n_events:,} simulated events pass the cuts, and samples and validation_samples ask for {wanted:,}"
        )
    order: npt.NDArray[np.intp] = random.permutation(n_events)[:wanted]
    record: dict[str, Any] = {
        "method_name": settings.method_name,
        "method": settings.method,
        "observables": list(x),
        "parameters": list(settings.parameters),
        "nuisance_parameters": [],
    }
    warnings: list[str] = []
    parts = {"train": order[: settings.samples], "validation": order[settings.samples :]}
    for partition, rows in parts.items():
        chosen: dict[str, Any] = {name: values[rows].astype(np.float32) for name, values in events.items()}
        found = [*check_observables(chosen["x"], list(x), settings), *repair(chosen, METHODS[settings.method])]
        warnings += [f"{partition}: {text}" for text in found]
        save(out / partition, chosen)
        size = float(len(rows))
        record |= {f"n_{partition}": len(rows), f"{partition}_events": len(rows)}
        record[f"{partition}_effective_sample_size"] = {"theta0": {"min": size, "mean": size, "max": size}}
    for text in warnings:
        log.warning("%s", text)
    return {**record, "warnings": warnings}
