"""Weights of Pythia's events at every benchmark, from ratios of squared matrix elements."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmc.compiler.catalogue.generators import PYTHIA8
from mmc.jobs.formats.events import Event
from mmc.jobs.generators import contact_interactions
from mmc.jobs.generators.contact_interactions import Floats, Kinematics


class Weigher:
    """Weights of the events of one process at every benchmark."""

    def __init__(
        self, process: Mapping[str, Any], benchmarks: Mapping[str, Mapping[str, float]], parameters: Mapping[str, str]
    ) -> None:
        self._per_event: float = process["cross_section_pb"] / process["mean_weight"]
        self._depends = PYTHIA8.processes[process["process"]]
        self._sampled = list(benchmarks).index(process["benchmark"])
        self._points = np.stack([contact_interactions.vector(point, parameters) for point in benchmarks.values()])

    def weights(self, events: Sequence[Event]) -> Floats:
        """Weights in pb, shape (events, benchmarks); equal at all benchmarks if the process has no parameters."""
        nominal = self._per_event * np.array([event.weight for event in events])[:, np.newaxis]
        if not self._depends:
            return np.broadcast_to(nominal, (len(events), len(self._points)))
        squared = contact_interactions.squared(kinematics(events), self._points)
        return nominal * squared / squared[:, [self._sampled]]


def kinematics(events: Sequence[Event]) -> Kinematics:
    """The variables of the matrix elements of events q q̄ → μ⁻ μ⁺."""
    pdg_ids: NDArray[np.int64] = np.array([[p.pdg_id for p in event.particles] for event in events], dtype=np.int64)
    momenta = np.array([[(p.px, p.py, p.pz, p.energy) for p in event.particles] for event in events])
    return Kinematics.from_momenta(pdg_ids, momenta, np.array([event.alpha_em for event in events]))
