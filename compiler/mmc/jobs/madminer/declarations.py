"""The declarations of a MadMiner file: its set-up and the columns of its weights; check that files agree on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.madminer import layout, workarounds

_SETUP = (
    "parameters/names",
    "parameters/lha_blocks",
    "parameters/lha_ids",
    "parameters/max_power",
    "parameters/val_ranges",
    "parameters/transforms",
    "morphing/components",
    "morphing/morphing_matrix",
    "systematics/names",
    "systematics/types",
    "systematics/values",
    "systematics/scales",
)
"""Besides the benchmarks, the entries on which a set-up and its event files must agree, where both have them."""
_OBSERVABLES = ("observables/names", "observables/definitions")


@dataclass(frozen=True)
class Content:
    """The columns of the weights in a file."""

    path: Path
    benchmarks: tuple[str, ...]
    """All benchmarks, nuisance benchmarks last."""
    points: npt.NDArray[np.float64]
    """The points of the benchmarks, shape (benchmarks, parameters)."""
    n_physical: int
    """The number of benchmarks that are points of parameter space."""
    reference: str | None
    """The benchmark at whose parameters the nuisance benchmarks' weights are taken."""
    nuisance: Mapping[str, tuple[str, str, str | None]]
    """Nuisance parameter → its systematic uncertainty and the benchmarks where it is 1 and -1."""

    @classmethod
    def read(cls, path: Path) -> "Content":
        """Read a set-up or an event file."""
        workarounds.apply()
        from madminer.utils.interfaces import hdf5

        with layout.opened(path):
            names, points, are_nuisance, are_reference = hdf5._load_benchmarks(str(path))
            nuisance = hdf5._load_nuisance_params(str(path))
        return cls(
            path,
            tuple(names),
            np.asarray(points, dtype=float),
            len(names) - sum(are_nuisance),
            next((name for name, is_reference in zip(names, are_reference, strict=True) if is_reference), None),
            {
                name: (parameter.systematic, parameter.benchmark_pos, parameter.benchmark_neg)
                for name, parameter in nuisance.items()
            },
        )

    @property
    def physical(self) -> tuple[str, ...]:
        """The benchmarks that are points of parameter space."""
        return self.benchmarks[: self.n_physical]

    def columns(self, benchmarks: Sequence[str]) -> list[int]:
        """The weight columns of the given benchmarks. A nuisance benchmark that the file lacks gets the reference
        column: the file does not have that uncertainty."""
        fallback = self.benchmarks.index(self.reference) if self.reference is not None else 0
        return [self.benchmarks.index(name) if name in self.benchmarks else fallback for name in benchmarks]

    def parameters_of(self) -> dict[str, dict[str, tuple[str, str, str | None]]]:
        """The nuisance parameters by systematic uncertainty."""
        found: dict[str, dict[str, tuple[str, str, str | None]]] = {}
        for name, definition in self.nuisance.items():
            found.setdefault(definition[0], {})[name] = definition
        return found


def read_agreeing(setup: Path, paths: Sequence[Path]) -> list[Content]:
    """Read the declarations of event files.

    :raises StepError: unless all files have the set-up's parameter space and the same observables, and files with the
        same systematic uncertainty have the same nuisance parameters for it
    """
    expected = _read(setup, _SETUP) | _read(paths[0], _OBSERVABLES)
    benchmarks = Content.read(setup)
    contents = [Content.read(path) for path in paths]
    known: dict[str, Content] = {}
    for content in contents:
        found = _read(content.path, (*_SETUP, *_OBSERVABLES))
        different = next((key for key, value in found.items() if not np.array_equal(value, expected[key])), None)
        if content.physical != benchmarks.benchmarks:
            different = "benchmarks/names"
        elif not np.array_equal(content.points[: content.n_physical], benchmarks.points):
            different = "benchmarks/values"
        if different is not None:
            raise StepError(f"{content.path} was made with another set-up: its {different} differ")
        for systematic, parameters in content.parameters_of().items():
            other = known.setdefault(systematic, content)
            theirs = other.parameters_of()[systematic]
            if parameters != theirs:
                raise StepError(
                    f"{content.path} has {len(parameters)} nuisance parameters for {systematic}, {other.path} has "
                    f"{len(theirs)}: generate both with the same weights"
                    if len(parameters) != len(theirs)
                    else f"{content.path} and {other.path} have different nuisance parameters for {systematic}"
                )
    return contents


def _read(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    with layout.opened(path) as file:
        return {key: file[key][()] if key in file else None for key in keys}
