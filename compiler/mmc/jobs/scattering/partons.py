"""Parton distributions and the strong coupling, from the grids that come with Pythia."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError

Floats = npt.NDArray[np.float64]

_LARGEST_FLAVOUR = 5


@dataclass(frozen=True)
class _Set:
    file: str
    alpha_s: float
    """At the Z mass."""
    loops: int
    """Of the running of alpha_s."""


_SETS: Mapping[str, _Set] = MappingProxyType(
    {
        "NNPDF23_lo_as_0119_qed": _Set("NNPDF23_lo_as_0119_qed_0000.dat", 0.119, 1),
        "NNPDF23_lo_as_0130_qed": _Set("NNPDF23_lo_as_0130_qed_0000.dat", 0.130, 1),
        "NNPDF31_lo_as_0118": _Set("NNPDF31_lo_as_0118_0000.dat", 0.118, 1),
        "NNPDF31_lo_as_0130": _Set("NNPDF31_lo_as_0130_0000.dat", 0.130, 1),
        "NNPDF31_nnlo_as_0118_luxqed": _Set("NNPDF31_nnlo_as_0118_luxqed_0000.dat", 0.118, 2),
        "CT14qed_proton": _Set("CT14qed_proton_0000.dat", 0.118, 2),
    }
)
"""LHAPDF's names. The running of a set beyond two loops is computed at two."""


class Partons:
    """The partons of a proton.

    :raises StepError: Pythia's data lack the grid
    """

    def __init__(self, name: str) -> None:
        import madspace
        import pythia8mc

        chosen = _SETS[name]
        path = _grid(chosen.file)
        grid = madspace.PdfGrid(str(path))
        self._context = madspace.Context(1)
        grid.initialize_globals(self._context)
        self._pdgs = [pdg for pdg in grid.pids if abs(pdg) <= _LARGEST_FLAVOUR or pdg in (21, 22)]
        function = madspace.PartonDensity(grid, self._pdgs).function()
        self._density = madspace.FunctionRuntime(function, self._context)
        self._ranges = (min(grid.x), max(grid.x)), (min(grid.q), max(grid.q))
        self._alpha_s = pythia8mc.AlphaStrong()
        self._alpha_s.init(chosen.alpha_s, chosen.loops, _LARGEST_FLAVOUR, False)

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
