"""Parton distributions and the strong coupling, from the grids that come with Pythia."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError

Floats = npt.NDArray[np.float64]

_LARGEST_FLAVOUR = 5


class Strong(NamedTuple):
    """The strong coupling of a set."""

    at_z: float
    """At the Z mass."""
    loops: int
    """Of its running; beyond two loops it is computed at two."""


_SETS: Mapping[str, Strong] = MappingProxyType(
    {
        "NNPDF23_lo_as_0119_qed": Strong(0.119, 1),
        "NNPDF23_lo_as_0130_qed": Strong(0.130, 1),
        "NNPDF31_lo_as_0118": Strong(0.118, 1),
        "NNPDF31_lo_as_0130": Strong(0.130, 1),
        "NNPDF31_nnlo_as_0118_luxqed": Strong(0.118, 2),
        "CT14qed_proton": Strong(0.118, 2),
    }
)
"""LHAPDF's names."""


class Partons:
    """The partons of a proton, from a grid of LHAPDF."""

    def __init__(self, grid_file: Path, strong: Strong, name: str) -> None:
        import madspace
        import pythia8mc

        self.name = name
        grid = madspace.PdfGrid(str(grid_file))
        self._context = madspace.Context(1)
        grid.initialize_globals(self._context)
        self._pdgs = [pdg for pdg in grid.pids if abs(pdg) <= _LARGEST_FLAVOUR or pdg in (21, 22)]
        function = madspace.PartonDensity(grid, self._pdgs).function()
        self._density = madspace.FunctionRuntime(function, self._context)
        self._ranges = (min(grid.x), max(grid.x)), (min(grid.q), max(grid.q))
        self._alpha_s = pythia8mc.AlphaStrong()
        self._alpha_s.init(strong.at_z, strong.loops, _LARGEST_FLAVOUR, False)

    @classmethod
    def of_pythia(cls, name: str) -> "Partons":
        """A set that Pythia brings, by LHAPDF's name.

        :raises StepError: Pythia's data lack the grid
        """
        return cls(_grid(f"{name}_0000.dat"), _SETS[name], name)

    def densities(self, x: Floats, scale: Floats) -> dict[int, Floats]:
        """f(x, Q) of every parton by its PDG id, each (points,); not multiplied by x. 0 where a fit is negative."""
        (x_low, x_high), (q_low, q_high) = self._ranges
        inside = np.clip(x, x_low, x_high)
        values = np.array(self._density(np.ascontiguousarray(inside), np.clip(scale, q_low, q_high)))
        return {pdg: np.maximum(values[:, at], 0.0) / inside for at, pdg in enumerate(self._pdgs)}

    def alpha_s(self, scale: Floats) -> Floats:
        """The strong coupling, (points,)."""
        return np.array([self._alpha_s.alphaS(q * q) for q in scale.tolist()])


def particle_in_beam(beam: str, pdg: int) -> int:
    """The parton of a proton whose density is that of a parton in this beam: an antiproton's are conjugate."""
    return -pdg if beam == "pbar" and pdg not in (21, 22) else pdg


def _grid(file: str) -> Path:
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    folder = Path(pythia.settings.word("xmlPath")).parent / "pdfdata"
    path = folder / file
    if not path.is_file():
        raise StepError(f"Pythia's data lack the parton distributions {file}: install pythia8mc again")
    return path


def names() -> Sequence[str]:
    """The names of all sets."""
    return tuple(_SETS)
