"""Estimated sizes of the outputs of jobs, in bytes.

Measured (gzipped files as gzipped) with events of Higgs production in weak-boson fusion with six weights and seven
particles (MadGraph 3.5.7, Pythia 8.317 with and without multi-parton interactions, Delphes 3.5.1 with its CMS card).
Sizes of HDF5 and numpy files are exact, except for events that cuts remove. The others are good to a factor of two
for most processes; a Delphes card without particles, tracks and towers gives a tenth. Models, limits and tables are
very small.
"""

from collections.abc import Iterable
from dataclasses import asdict

from mmc.compiler.catalogue import default_observables
from mmc.compiler.catalogue.methods import POLYNOMIAL, RATIO
from mmc.compiler.settings.generation import Shower
from mmc.compiler.settings.uncertainties import PdfUncertainty, ScaleUncertainty, Uncertainty
from mmc.compiler.study.model import Method, Study

PROCESS = 3_700_000
"""The code of a process of MadGraph."""
GRIDS = 30_000
"""The cross section of a process of a UFO model, with the grids of a few channels."""
_LHE_HEAD, _LHE_EVENT, _LHE_WEIGHT = 6_000, 220, 8
_HEPMC_EVENT = {True: 80_000, False: 22_000}
_DELPHES_EVENT = {True: 80_000, False: 30_000}
"""With and without multi-parton interactions."""
_HDF5_HEAD = 13_000
_NUMBER, _SAMPLE_NUMBER = 8, 4
_PDF_WEIGHTS = 50
"""LHAPDF sets with uncertainties have 30 to 100 members."""


def n_weights(study: Study, systematics: Iterable[str]) -> int:
    """The number of weights of an event with these systematic uncertainties."""
    return len(study.all_benchmarks) + n_variations(study, systematics)


def n_variations(study: Study, systematics: Iterable[str]) -> int:
    """The number of weights of an event, without the weights at the benchmarks."""
    return sum(_variations(study.systematics[name]) for name in systematics)


def n_observables(study: Study) -> int:
    """The number of observables of an event, MadMiner's default observables included."""
    return len(study.observables) + len(default_names(study))


def default_names(study: Study) -> tuple[str, ...]:
    """The names of MadMiner's default observables that the study uses."""
    asked = study.reading.default_observables
    return () if asked is None else default_observables.names(**asdict(asked))


def _variations(uncertainty: Uncertainty) -> int:
    if isinstance(uncertainty, ScaleUncertainty):
        return len(uncertainty.variations)
    return _PDF_WEIGHTS if isinstance(uncertainty, PdfUncertainty) else 1


def generated(n_events: int, weights: int, shower: Shower | None = None) -> int:
    """A Les Houches event file, and a HepMC file if events are showered."""
    event = _LHE_EVENT + _LHE_WEIGHT * weights
    if shower is not None:
        event += _HEPMC_EVENT[_interactions(shower)]
    return _LHE_HEAD + n_events * event


def detected(n_events: int, shower: Shower | None) -> int:
    """The output of Delphes; existing showered events are assumed to have multi-parton interactions."""
    return n_events * _DELPHES_EVENT[shower is None or _interactions(shower)]


def _interactions(shower: Shower) -> bool:
    """Whether the settings leave multi-parton interactions on."""
    return shower.settings.get("PartonLevel:MPI", True) not in (False, "off")


def analysed(n_events: int, weights: int, n_observables: int) -> int:
    """A MadMiner event file: observables, weights and the benchmark at which each event was generated."""
    return _HDF5_HEAD + n_events * _NUMBER * (n_observables + weights + 1)


def sampled(method: Method, n_observables: int, n_parameters: int) -> int:
    """Training and validation samples: observables, points and joint score; for ratio methods also ratio and label, for
    polynomials the coefficients of a quadratic one alone.

    MadMiner stores most of them in single precision by default.
    """
    numbers = n_observables + (3 * n_parameters + 2 if method.declared.family is RATIO else 2 * n_parameters)
    if method.estimator_type.varies_with_denominator and method.declared.score_term:
        numbers += n_parameters
    if method.declared.family is POLYNOMIAL:
        numbers = n_observables + (n_parameters + 1) * (n_parameters + 2) // 2
    size = _NUMBER if method.sampling.get("double_precision") else _SAMPLE_NUMBER
    return (method.samples + method.validation_samples) * size * numbers
