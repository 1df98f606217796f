"""Squared matrix elements of q q̄ → γ*/Z/contact → μ⁻ μ⁺, as in Pythia's ``ContactInteractions:QCffbar2mumubar``.

For a quark of chirality i and a muon of chirality j the amplitude is, in GeV^-2,

    M_ij = e² Q_q Q_μ / s + e² / (s_w² c_w²) g_i^q g_j^μ / (s - m_Z² + i m_Z Γ_Z) + c_ij
    |M|² ∝ u² (|M_LL|² + |M_RR|²) + t² (|M_LR|² + |M_RL|²)

with t = (p_q - p_μ⁻)² and u = (p_q - p_μ⁺)², where q is the incoming quark and not the antiquark. c_ij is
the coefficient of the term + c_ij (q̄ γ_μ P_i q)(μ̄ γ^μ P_j μ) of the Lagrangian, the same for all quark flavours;
Pythia writes c_ij = 4π η_ij / Λ². |M|² is a polynomial of degree two in c_ij, so morphing with that power is exact.
Source: ``Sigma2QCffbar2llbar`` of Pythia 8.317.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from mmc.errors import StepError

Floats = NDArray[np.float64]

COEFFICIENTS = ("LL", "LR", "RL", "RR")
"""The chiralities of the quark and the muon, in the order of every array here."""

SIN2_THETA_W = 0.2312
SIN2_THETA_W_EFFECTIVE = 0.2315
"""sin² of the weak mixing angle in the propagators and in the Z's vector couplings."""
M_Z = 91.1876
GAMMA_Z = 2.5041895850769285
"""Pythia's values of the Z's mass and width in GeV."""

_PER_TEV2 = 1e-6
"""One TeV^-2 in GeV^-2."""


@dataclass(frozen=True)
class Kinematics:
    """The variables of the matrix elements of n events; every array has shape (n,)."""

    s: Floats
    t: Floats
    u: Floats
    """Invariants of the partons in GeV²."""
    up_type: NDArray[np.bool_]
    """Whether the quark is a u or a c."""
    alpha_em: Floats
    """The electromagnetic coupling that the generator used for the event."""

    @classmethod
    def from_momenta(cls, pdg_ids: NDArray[np.int64], momenta: Floats, alpha_em: Floats) -> "Kinematics":
        """The kinematics of events (parton 1, parton 2, μ⁻, μ⁺).

        :param pdg_ids: shape (n, 4); ValueError unless they are a quark, its antiquark and the two muons
        :param momenta: (px, py, pz, E) in GeV, shape (n, 4, 4)
        """
        ordered = (pdg_ids[:, 2] == 13) & (pdg_ids[:, 3] == -13) & (pdg_ids[:, 0] == -pdg_ids[:, 1])
        if not ordered.all():
            raise ValueError("an event is not q qbar -> mu- mu+")
        flipped = pdg_ids[:, 0] < 0
        quark = np.where(flipped[:, np.newaxis], momenta[:, 1], momenta[:, 0])
        s = _square(momenta[:, 2] + momenta[:, 3])
        t = -2.0 * _product(quark, momenta[:, 2])
        return cls(s, t, -s - t, np.abs(pdg_ids[:, 0]) % 2 == 0, alpha_em)


def squared(events: Kinematics, coefficients: Floats) -> Floats:
    """|M|² of every event at every point, up to a factor that depends only on the event; shape (n, k).

    :param coefficients: in TeV^-2, in the order of :data:`COEFFICIENTS`, shape (k, 4)
    """
    standard_model = _standard_model(events)
    contact = coefficients * _PER_TEV2
    spin = np.stack([events.u**2, events.t**2, events.t**2, events.u**2], axis=1)
    constant: Floats = np.sum(spin * np.abs(standard_model) ** 2, axis=1)
    linear: Floats = (2.0 * spin * standard_model.real) @ contact.T
    quadratic: Floats = spin @ (contact**2).T
    return constant[:, np.newaxis] + linear + quadratic


def vector(point: Mapping[str, float], parameters: Mapping[str, str]) -> Floats:
    """The four coefficients at a point of a study's parameters.

    :param point: value of each parameter in TeV^-2
    :param parameters: parameter → coefficient (``LL`` ...)
    """
    values = np.zeros(len(COEFFICIENTS))
    for name, coefficient in parameters.items():
        values[COEFFICIENTS.index(coefficient)] += point[name]
    return values


def pythia_couplings(coefficients: Floats) -> tuple[float, tuple[int, ...]]:
    """Pythia's Λ in GeV and η_LL, η_LR, η_RL, η_RR (0, 1 or -1) at a point.

    :raises StepError: when the non-zero coefficients differ in absolute value: the etas share one Λ
    """
    sizes = np.abs(coefficients[coefficients != 0.0])
    if sizes.size == 0:
        return 1000.0, (0, 0, 0, 0)
    if not np.allclose(sizes, sizes[0], rtol=1e-9, atol=0.0):
        shown = ", ".join(f"{name} = {value:g}" for name, value in zip(COEFFICIENTS, coefficients, strict=True))
        raise StepError(
            f"Pythia cannot sample the point {shown}: its contact interactions share one scale, so all non-zero "
            "coefficients must have the same absolute value; sample another benchmark and reach this one by weights"
        )
    scale = sqrt(4.0 * pi / (float(sizes[0]) * _PER_TEV2))
    return scale, tuple(int(np.sign(value)) for value in coefficients)


def _standard_model(events: Kinematics) -> NDArray[np.complex128]:
    """The photon and Z terms of the four amplitudes in GeV^-2, shape (n, 4)."""
    e2 = 4.0 * pi * events.alpha_em
    charge = np.where(events.up_type, 2.0 / 3.0, -1.0 / 3.0)
    photon = -e2 * charge / events.s
    z_boson = e2 / (SIN2_THETA_W * (1.0 - SIN2_THETA_W)) / (events.s - M_Z**2 + 1j * M_Z * GAMMA_Z)
    muon = _z_couplings(np.float64(-1.0), np.float64(-0.5))
    quark = _z_couplings(charge, np.where(events.up_type, 0.5, -0.5))
    pairs = [(quark[0], muon[0]), (quark[0], muon[1]), (quark[1], muon[0]), (quark[1], muon[1])]
    return np.stack([photon + z_boson * of_quark * of_muon for of_quark, of_muon in pairs], axis=1)


def _z_couplings(charge: Floats | np.float64, isospin: Floats | np.float64) -> tuple[Floats, Floats]:
    """g_L and g_R of a fermion; Pythia's (v + a) / 4 and (v - a) / 4."""
    right = -charge * SIN2_THETA_W_EFFECTIVE
    return np.asarray(isospin + right), np.asarray(right)


def _product(left: Floats, right: Floats) -> Floats:
    product: Floats = left[:, 3] * right[:, 3] - np.sum(left[:, :3] * right[:, :3], axis=1)
    return product


def _square(momentum: Floats) -> Floats:
    return _product(momentum, momentum)
