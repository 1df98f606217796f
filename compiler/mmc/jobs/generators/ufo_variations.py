"""The weights of systematic uncertainties in the events of the generator ``ufo``, declared as MadGraph does."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mmc.compiler.settings.uncertainties import PdfUncertainty, ScaleUncertainty, Uncertainty
from mmc.jobs.formats.declared_weights import WeightGroup
from mmc.jobs.scattering import error_sets
from mmc.jobs.scattering.error_sets import ErrorSet
from mmc.jobs.scattering.partons import Partons
from mmc.jobs.scattering.variations import Variation


@dataclass(frozen=True)
class Varied:
    """The variations of a job, in the order of their weights in the file."""

    groups: tuple[WeightGroup, ...] = ()
    variations: tuple[Variation, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of the weights."""
        return [weight["id"] for group in self.groups for weight in group.weights]


def varied(systematics: Mapping[str, Uncertainty], partons: Partons | None) -> Varied:
    """The variations that a sample's uncertainties need; none for leptons.

    :raises StepError: a set of parton distributions is not there
    """
    if partons is None:
        return Varied()
    scales = list(dict.fromkeys(_scales(systematics.values())))
    declared = [
        {"id": f"scale_{at}", "MUR": f"{mur:g}", "MUF": f"{muf:g}"} for at, (mur, muf) in enumerate(scales, start=1)
    ]
    groups = [WeightGroup({"name": "Central scale variation", "combine": "envelope"}, "", tuple(declared))]
    variations = [Variation(partons, mur, muf) for mur, muf in scales]
    names = dict.fromkeys(entry.variation for entry in systematics.values() if isinstance(entry, PdfUncertainty))
    for at, name in enumerate(names):
        found = error_sets.load(name)
        groups.append(_members(found, at))
        variations += [Variation(member) for member in found.members]
    return Varied(tuple(group for group in groups if group.weights), tuple(variations))


def _scales(uncertainties: Iterable[Uncertainty]) -> Iterable[tuple[float, float]]:
    """The factors on the renormalisation and the factorisation scale."""
    for one in uncertainties:
        if isinstance(one, ScaleUncertainty):
            for factor in one.variations:
                yield factor if one.scale in ("mu", "mur") else 1.0, factor if one.scale in ("mu", "muf") else 1.0


def _members(found: ErrorSet, at: int) -> WeightGroup:
    weights = tuple(
        {"id": f"pdf_{at}_{k}", "MUR": "1", "MUF": "1", "PDF": str(found.number + k)} for k in range(len(found.members))
    )
    return WeightGroup({"name": found.name, "combine": found.error_type}, "", weights)
