"""Write the ntuples of the study: `python make_ntuple.py`.

A toy of W H → l ν b b and its background W + b b, as an ntuple of an analysis: jets in lists of any length, weights at
benchmarks in a list, corrections and their variations in branches. The weight at (c_w, c_b) is that of the amplitude
1 + 4e-6 c_w pT² + c_b sin φ / 2, squared, so it is a polynomial of second order.
"""

from pathlib import Path

import awkward as ak
import numpy as np
import uproot

POINTS = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [1, 1]])
"""The benchmarks sm, w_p, w_m, b_p, b_m, both: c_w, c_b."""
N_SIGNAL, N_BACKGROUND = 3_000, 2_000


def main() -> None:
    """Write the signal and the background."""
    random, here = np.random.default_rng(2024), Path(__file__).parent
    for name, size, mean, is_signal in (("signal", N_SIGNAL, 90.0, True), ("background", N_BACKGROUND, 50.0, False)):
        pt, phi = 20.0 + random.exponential(mean, size), random.uniform(-np.pi, np.pi, size)
        interference = POINTS[:, :1] * 4e-6 * pt**2 + POINTS[:, 1:] * 0.5 * np.sin(phi)
        at_points = np.square(1.0 + interference).T
        measured = pt * random.normal(1.0, 0.1, size)
        share, n_jets = random.uniform(0.5, 0.8, size), 1 + random.poisson(1.5, size)
        jets = [
            np.sort(np.append(p * s * np.array([1.0, (1 - s) / s])[: min(n, 2)], 20 * random.random(max(n - 2, 0))))[
                ::-1
            ]
            for p, s, n in zip(measured, share, n_jets, strict=True)
        ]
        scale_factor = random.normal(1.0, 0.05, size)
        slope = 0.1 * np.tanh((measured - 100.0) / 100.0)
        tree = {
            "Jet_pt": ak.Array([j.astype(np.float32) for j in jets]),
            "W_pt": (pt * random.normal(1.0, 0.15, size)).astype(np.float32),
            "plane_phi": ((phi + random.normal(0.0, 0.3, size) + np.pi) % (2 * np.pi) - np.pi).astype(np.float32),
            "weight": scale_factor.astype(np.float32),
            "weight_jes_up": (scale_factor * (1.0 + slope)).astype(np.float32),
            "weight_jes_down": (scale_factor * (1.0 - slope)).astype(np.float32),
        }
        if is_signal:
            tree["rwgt"] = ak.Array(list(at_points.astype(np.float32)))
        with uproot.recreate(here / f"{name}.root") as file:
            file["Events"] = tree


if __name__ == "__main__":
    main()
