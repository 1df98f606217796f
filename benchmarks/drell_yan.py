"""The cross section of the Drell-Yan study after its cuts and resolution, by quadrature.

It uses neither event weights of mmc nor matrix elements of Pythia, only Pythia's densities of partons. Its formulas:

- The amplitude of a quark and a muon of chiralities i and j is e² [Q_q Q_μ / s + g_i^q g_j^μ / (s - m_Z² + i m_Z Γ_Z)]
  + c_ij, with g_L = (T₃ - Q sin²θ) / (sin θ cos θ) and g_R = -Q sin²θ / (sin θ cos θ): Ellis, Stirling and Webber,
  QCD and Collider Physics; Particle Data Group, review of the electroweak model. The contact term is that of Eichten,
  Lane and Peskin, Phys. Rev. Lett. 50 (1983) 811: c = 4π η / Λ².
- dσ/dcos θ = s / (384 π) [(1 + cos θ)² (|LL|² + |RR|²) + (1 - cos θ)² (|LR|² + |RL|²)], averaged over spins and
  colours; θ is the angle between muon and quark. The photon alone gives a total of 4π α² Q_q² / (9 s).
- dσ/(dm dy) = 2 m / S Σ_q f_q(x₁) f_q̄(x₂) σ, with x₁ and x₂ = m exp(±y) / √S.
- The electromagnetic coupling at the scale m, with one loop, and the weak mixing angles are those of Pythia's manual,
  "Standard-Model Parameters". The scale of the densities is m.
- The measured mass is m √(a b), with the factors a and b of the resolution on the transverse momenta of the two muons.

Left out are the resolutions of η and φ, which change the mass by less than 0.1 %, and what the factors a and b do to
the rapidity of the pair, which changes the results by less than 3e-4. The cut on transverse momenta has no effect:
muons with |η| < 2.5 and m > 470 GeV have more than 38 GeV.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pythia8mc
from mmc.compiler.study.model import Study
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

Floats = NDArray[np.float64]

M_LOW, M_HIGH, ETA_MAX = 500.0, 2000.0, 2.5
"""The cuts on the measured mass in GeV and on |η| of both muons."""
CUTS = ("m_ll > 500", "m_ll < 2000", "mu[1].pt > 30", "abs(mu[0].eta) < 2.5", "abs(mu[1].eta) < 2.5")

GEV2_PB = 0.3893793721e9
"""(ħc)² in GeV² pb."""
PER_TEV2 = 1e-6
"""One TeV^-2 in GeV^-2."""
M_Z, GAMMA_Z = 91.1876, 2.4952
"""In GeV (Particle Data Group)."""
ALPHA, M_ALPHA, BETA = 0.00781751, 91.188, 0.725
"""1/α(m) = 1/ALPHA - 2 BETA ln(m / M_ALPHA), masses in GeV."""
SIN2, SIN2_EFFECTIVE = 0.2312, 0.2315
"""sin²θ in the denominator and in the numerator of the Z's couplings."""

QUARKS = ((2 / 3, 1 / 2, (2, 4)), (-1 / 3, -1 / 2, (1, 3, 5)))
"""Charge, isospin and flavours of the quarks that couple alike."""
SIGMAS = 5.0
"""How many standard deviations of the resolution are integrated."""


@dataclass(frozen=True)
class Experiment:
    """What the cross section takes from the study; energies in GeV."""

    collision_energy: float
    pdf_set: int
    """Pythia's number."""
    m_min: float
    """The smallest generated mass."""
    pt_resolution: float
    """The relative resolution of the muons' transverse momenta."""

    @classmethod
    def of(cls, study: Study) -> "Experiment":
        """The experiment of the Drell-Yan study.

        :raises ValueError: when the study has another process, other parameters or other cuts
        """
        source: Any = study.source
        (sample,), (smearing,) = source.samples, study.reading.smearing
        cuts = tuple(cut.definition for cut in study.reading.cuts)
        coefficients = [parameter.coefficient for parameter in study.parameters]
        if (sample.process, coefficients, cuts) != ("dimuon", ["LL", "LR"], CUTS):
            raise ValueError(f"{study.name}: the process, the coefficients or the cuts are not those of this benchmark")
        beams = source.beams
        return cls(2.0 * beams.energy_gev, beams.pdf_set, sample.run_card.m_min_gev, smearing.pt_resolution_rel)


@dataclass(frozen=True)
class Nodes:
    """Numbers of points of the quadratures."""

    mass: int = 32
    cosine: int = 24
    """For each sign."""
    rapidity: int = 24
    resolution: int = 16


@dataclass(frozen=True)
class Spectrum:
    """The cross section at the points of a quadrature; each of the five monomials of the parameters has its own."""

    mass: Floats
    """In GeV, shape (n,)."""
    weights: Floats
    """Of the quadrature of the mass, in GeV, shape (n,)."""
    cells: Floats
    """dσ/dm in pb/GeV in cells of y and cos θ*, to be summed; shape (5, n, cells)."""


def monomials(points: Floats) -> Floats:
    """1, c_LL, c_LL², c_LR and c_LR², whose coefficients the cross section is made of.

    :param points: c_LL and c_LR in TeV^-2, shape (k, 2)
    :returns: shape (k, 5)
    """
    left, right = points.T
    return np.stack([np.ones_like(left), left, left**2, right, right**2], axis=1)


def slopes(point: Floats) -> Floats:
    """The derivatives of the monomials with respect to c_LL and c_LR.

    :param point: in TeV^-2, shape (2,)
    :returns: shape (2, 5)
    """
    left, right = point
    return np.array([[0.0, 1.0, 2.0 * left, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 2.0 * right]])


def partonic(charge: float, isospin: float, mass: Floats) -> tuple[Floats, Floats]:
    """The coefficients of (1 + cos θ)² and (1 - cos θ)² in dσ/dcos θ of a quark and its antiquark.

    :param charge: of the quark, and its isospin
    :param mass: in GeV, shape (n,)
    :returns: for each monomial, in pb; shape (5, n) each
    """
    s = mass**2
    e2 = 4.0 * np.pi / (1.0 / ALPHA - 2.0 * BETA * np.log(mass / M_ALPHA))
    propagator = 1.0 / (SIN2 * (1.0 - SIN2)) / (s - M_Z**2 + 1j * M_Z * GAMMA_Z)
    quark = {"L": isospin - charge * SIN2_EFFECTIVE, "R": -charge * SIN2_EFFECTIVE}
    muon = {"L": -0.5 + SIN2_EFFECTIVE, "R": SIN2_EFFECTIVE}
    ll, lr, rl, rr = (e2 * (-charge / s + quark[i] * muon[j] * propagator) for i in "LR" for j in "LR")
    zero, square = np.zeros_like(s), np.full_like(s, PER_TEV2**2)
    plus = [np.abs(ll) ** 2 + np.abs(rr) ** 2, 2.0 * ll.real * PER_TEV2, square, zero, zero]
    minus = [np.abs(lr) ** 2 + np.abs(rl) ** 2, zero, zero, 2.0 * lr.real * PER_TEV2, square]
    factor = GEV2_PB * s / (384.0 * np.pi)
    return factor * np.stack(plus), factor * np.stack(minus)


def luminosities(experiment: Experiment) -> list[RectBivariateSpline]:
    """2 m / S Σ_q f_q(x₁) f_q̄(x₂) in GeV^-1 for each of :data:`QUARKS`, as a function of ln(m / GeV) and y."""
    pythia = pythia8mc.Pythia("", False)
    for line in ("Print:quiet = on", f"PDF:pSet = {experiment.pdf_set}"):
        pythia.readString(line)
    densities = pythia.getPDFPtr(2212)
    widest = SIGMAS * experiment.pt_resolution
    log_m = np.linspace(np.log(experiment.m_min) - 0.01, np.log(M_HIGH) + widest, 60)
    y = np.linspace(-ETA_MAX - widest, ETA_MAX + widest, 121)

    def density(flavour: int, mass: float) -> Floats:
        x = mass / experiment.collision_energy * np.exp(y)
        return np.array([densities.xf(flavour, value, mass**2) if value < 1.0 else 0.0 for value in x])

    def row(flavours: tuple[int, ...], mass: float) -> Floats:  # x₂ is x₁ at -y, and x₁ x₂ S = m²
        products = [density(flavour, mass) * density(-flavour, mass)[::-1] for flavour in flavours]
        return np.asarray(2.0 / mass * np.sum(products, axis=0))

    return [
        RectBivariateSpline(log_m, y, np.stack([row(flavours, mass) for mass in np.exp(log_m)]))
        for _, _, flavours in QUARKS
    ]


def quadrature(n: int, low: Floats | float, high: Floats | float) -> tuple[Floats, Floats]:
    """Points and weights of Gauss and Legendre from low to high; shape (n, \\*shape of the bounds)."""
    points, weights = np.polynomial.legendre.leggauss(n)
    half = np.asarray(np.subtract(high, low) / 2.0)
    shape = (n,) + (1,) * half.ndim
    return low + half * (points.reshape(shape) + 1.0), half * weights.reshape(shape)


def resolution(shift: Floats, width: float) -> Floats:
    """The density of κ = ln(a b) / 2 for Gaussian factors a and b with mean 1 and this width; shape of κ.

    It is the integral over v = ln(a / b) / 2 of the density of κ and v.
    """
    reach = SIGMAS * width / np.sqrt(2.0)
    ratio, d_ratio = quadrature(40, -reach, reach)
    first, second = np.exp(np.add.outer(shift, ratio)), np.exp(np.subtract.outer(shift, ratio))
    chi2 = ((first - 1.0) / width) ** 2 + ((second - 1.0) / width) ** 2
    return np.asarray((first * second / (np.pi * width**2) * np.exp(-chi2 / 2.0)) @ d_ratio)


def spectrum(experiment: Experiment, nodes: Nodes = Nodes()) -> Spectrum:
    """The cross section after resolution and cuts.

    cos θ* is measured along the boost of the pair, so y and -y are alike: the integral is over y > 0. The cut on η is
    |y| < 2.5 - artanh|cos θ*|.
    """
    log_m, d_log_m = quadrature(nodes.mass, np.log(M_LOW), np.log(M_HIGH))
    cosine, d_cosine = quadrature(nodes.cosine, 0.0, np.tanh(ETA_MAX))
    rapidity, d_rapidity = quadrature(nodes.rapidity, 0.0, ETA_MAX - np.arctanh(cosine))
    plus_c, minus_c = (1.0 + cosine) ** 2, (1.0 - cosine) ** 2
    reach = SIGMAS * experiment.pt_resolution / np.sqrt(2.0)
    of_quarks = list(zip(QUARKS, luminosities(experiment), strict=True))
    cells = np.zeros((len(log_m), 2, 5, *rapidity.shape))
    for cell, at in zip(cells, log_m, strict=True):
        shifts, d_shifts = quadrature(nodes.resolution, -reach, min(reach, at - np.log(experiment.m_min)))
        smearing = resolution(shifts, experiment.pt_resolution) * d_shifts * np.exp(-shifts)
        for (charge, isospin, _), luminosity in of_quarks:
            plus, minus = (terms * smearing for terms in partonic(charge, isospin, np.exp(at - shifts)))
            along, against = (  # the quark moves with the boost, or against it
                np.stack([np.maximum(luminosity.ev(at - shift, sign * rapidity), 0.0) for shift in shifts])
                for sign in (1.0, -1.0)
            )
            for sign, (same, opposite) in enumerate(((plus_c, minus_c), (minus_c, plus_c))):  # of cos θ*
                cell[sign] += np.tensordot(plus, along * same + against * opposite, axes=1)
                cell[sign] += np.tensordot(minus, along * opposite + against * same, axes=1)
    cells = np.moveaxis(2.0 * cells * d_rapidity * d_cosine, 2, 0)  # twice: y and -y
    return Spectrum(np.exp(log_m), d_log_m * np.exp(log_m), cells.reshape(5, len(log_m), -1))
