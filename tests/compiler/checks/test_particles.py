"""Columns of particles: which lists a study needs, and which its jobs read."""

from typing import Any

import pytest
from mmc.compiler.checks import check
from mmc.compiler.language.document import load

from tests.compiler.plan.plans import jobs, plan_of

STUDY = """
mmc: "1.0"
name: example
parameters: {c: {range: [-1, 1]}}
benchmarks: {sm: {c: 0}, w: {c: 1}}
morphing: none
events:
  tables:
    wh:
      files: [{paths: [wh.root], benchmark: sm, cross_section: 40 fb}]
      particles: {%s}
      weights: sampled
%s
observables: {x: {definition: "%s", required: true}}
methods: {}
evaluation: {luminosity: 1 fb^-1, baselines: {rate: true}, grid: {c: {range: [0, 1], points: 2}}}
"""
Z = "objects: {z: {pair_of: mu, %s}}"
MU = "mu: {pt: Muon_pt, eta: Muon_eta, phi: Muon_phi, charge: Muon_charge}"


def problems(*parts: str) -> list[tuple[str, str]]:
    found = check(load(STUDY % parts, "study.yaml"), lambda _path: "file").diagnostics
    return [(item.code, item.message) for item in found]


def read_lists(*parts: str) -> list[str]:
    """The lists of particles that the job reads."""
    data: Any = load(STUDY % parts, "study.yaml").data
    (job,) = jobs(plan_of(data, "wh.root"), "analyse").values()
    return sorted(job.settings["particles"])


@pytest.mark.parametrize(
    ("particles", "names", "expression", "needed"),
    [
        (MU, Z % "where: b.deltaR(a) > 0.4", "z.m", "mu"),
        (f"{MU}, met: {{pt: pt, phi: phi}}", Z % "min: 'transverse_mass(a, met)'", "z.a.pt", "met mu"),
        ("like: nanoaod", "", "len(a) + sum(it.e for it in j)", "a j"),
        ("like: nanoaod", "definitions: {y: 'l[0].tau'}", "y * y", "e mu"),
    ],
)
def test_lists_that_expressions_use(particles: str, names: str, expression: str, needed: str) -> None:
    assert problems(particles, names, expression) == []
    assert read_lists(particles, names, expression) == needed.split()


def test_a_list_that_is_not_there() -> None:
    message = "expressions use `j`, of which 'wh' names no columns"
    assert problems(MU, Z % "where: 'a.deltaR(j[0]) > 0.4'", "z.m") == [("MMC367", message)]


@pytest.mark.parametrize(
    ("jets", "expected"),
    [
        ("e: Jet_e", []),
        ("e: Jet_e, mass: Jet_m", [("MMC367", "'j' has columns of mass and of energy")]),
    ],
)
def test_energy_in_place_of_the_mass_of_nanoaod(jets: str, expected: list[tuple[str, str]]) -> None:
    assert problems(f"like: nanoaod, j: {{{jets}}}", "", "len(j)") == expected


@pytest.mark.parametrize(("name", "key"), [("j", "charge"), ("a", "charge"), ("e", "b_tag"), ("mu", "tau_tag")])
def test_columns_without_a_meaning(name: str, key: str) -> None:
    message = f"unknown key '{key}' in `events.tables.wh.particles.{name}`"
    assert problems(f"like: nanoaod, {name}: {{{key}: x}}", "", "len(j)") == [("MMC101", message)]
