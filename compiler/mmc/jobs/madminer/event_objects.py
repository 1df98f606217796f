"""The variables of MadMiner's expressions in one event, with sums that are made only where an expression uses them."""

from collections.abc import Iterable
from typing import Any

import numpy as np


class GeneratedObjects(dict[str, Any]):
    """The objects of a generated event; sums are computed when an expression uses them."""

    def __missing__(self, name: str) -> Any:
        if name == "visible":
            self[name] = self.visible()
        elif name == "all":
            self[name] = self["visible"] + self["met"]
        else:
            raise KeyError(name)
        return self[name]

    def visible(self) -> Any:
        """The sum over all generated particles that a detector sees."""
        from madminer.utils.interfaces.lhe import get_elementary_pdg_ids

        visible = set(get_elementary_pdg_ids()) - {12, 14, 16, -12, -14, -16}
        return momentum_sum((particle for particle in self["p"] if particle.pdgid in visible), zero=0.0)


class DetectedObjects(GeneratedObjects):
    """The objects of a detected event."""

    def update(self, objects: dict[str, Any]) -> None:  # type: ignore[override]
        """Take the objects without their sums."""
        super().update({name: value for name, value in objects.items() if not isinstance(value, NotSummed)})
        self["boost_to_com"] = lambda momentum: momentum.boost(self["all"].to_Vector3D())

    def visible(self) -> Any:
        """The sum over all detected particles, in MadMiner's order."""
        return momentum_sum(
            (particle for name in ("e", "j", "mu", "a") for particle in self[name]), zero=np.float64(0.0)
        )


class NotSummed:
    """In place of MadMiner's sums over the particles of a detected event."""

    def __add__(self, _particle: object) -> "NotSummed":
        return self


def momentum_sum(particles: Iterable[Any], zero: float) -> Any:
    """The sum of momenta, a plain four-vector: MadMiner's particles add only to such a vector."""
    from mmc.jobs.madminer.light_vector import vector

    return sum(particles, start=vector.MomentumObject4D.from_xyzt(zero, zero, zero, zero))
