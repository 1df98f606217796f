"""Events of two energies in one study: the product of two likelihoods, each with its luminosity."""

from pathlib import Path

import numpy as np

from tests.jobs.stages import run_stages

STUDY = """
mmc: "1.0"
name: energies
parameters: {c: {range: [-1, 1]}}
benchmarks: {sm: {c: 0}, plus: {c: 1}, minus: {c: -1}}
events:
  tables:
    wh_8: {files: [{paths: [wh_8.npz], benchmark: sm, cross_section: 2 pb}]}
    wh_13: {files: [{paths: [wh_13.npz], benchmark: sm, cross_section: 5 pb}]}
observables: {x: {}}
regions:
  run_1: {samples: [wh_8], luminosity: 20 pb^-1}
  run_2: {samples: [wh_13], luminosity: 40 pb^-1}
evaluation: {luminosity: 40 pb^-1, grid: {c: {points: 21}}, baselines: {rate: true}}
combinations: {energies: {of: [run_1, run_2], independent: true}}
"""
SLOPES = {"wh_8": 0.3, "wh_13": 0.5}
EXPECTED = {"wh_8": 2.0 * 20.0, "wh_13": 5.0 * 40.0}
N_EVENTS = 4_000


def test_rates_at_two_energies_are_combined(tmp_path: Path) -> None:
    for name, slope in SLOPES.items():
        columns = {b: np.full(N_EVENTS, (1.0 + slope * c) ** 2) for b, c in (("sm", 0), ("plus", 1), ("minus", -1))}
        np.savez(tmp_path / f"{name}.npz", x=np.random.default_rng(1).normal(size=N_EVENTS) + slope, **columns)
    (tmp_path / "study.yaml").write_text(STUDY)
    made = run_stages(tmp_path / "study.yaml", "combinations")
    (found,) = [path for (stage, _), path in made.items() if stage == "combinations"]
    c, known = np.linspace(-1.0, 1.0, 21), np.zeros(21)
    for name, slope in SLOPES.items():
        n, mu = EXPECTED[name], EXPECTED[name] * (1.0 + slope * c) ** 2
        known += 2.0 * (mu - n - n * np.log(mu / n)) / (1.0 + n / N_EVENTS)
    with np.load(found / "limits.npz") as arrays:
        np.testing.assert_allclose(-2.0 * arrays["log_likelihood_ratio"], known, rtol=0.12, atol=0.02)
