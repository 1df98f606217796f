"""From a process to its subprocesses."""

import pytest
from mmc.errors import StepError
from mmc.jobs.matrix_elements import Model
from mmc.jobs.scattering.collision import Differential

from tests.jobs.scattering.processes import differentials, found, hadron_collider, lepton_collider


@pytest.fixture(scope="module")
def sm() -> Model:
    return Model.load("ufo_sm", restriction="no_b_mass")


def test_equal_matrix_elements_are_computed_once(sm: Model) -> None:
    groups = found(sm, "p p > mu+ mu-", hadron_collider({}))
    assert {tuple(sorted(incoming for incoming, _ in group.members)) for group in groups} == {
        ((2, -2), (4, -4)),
        ((1, -1), (3, -3)),
        ((-4, 4), (-2, 2)),
        ((-3, 3), (-1, 1)),
    }


def test_labels_orders_and_identical_particles(sm: Model) -> None:
    groups = found(sm, "e- e+ > v v", lepton_collider(200.0), v="a z")
    assert {g.outgoing: g.symmetry for g in groups} == {(22, 22): 0.5, (22, 23): 1.0, (23, 23): 0.5}
    assert groups[0].allowed.core.orders == {"QCD": 0, "QED": 2}
    assert found(sm, "e- e+ > v v QED=2", lepton_collider(200.0), v="a z")[0].allowed.core.orders == {
        "QED": 2,
        "QCD": 0,
    }
    assert found(sm, "u u~ > d d~ QED=0", hadron_collider({}))[0].allowed.core.orders == {"QED": 0}


@pytest.mark.parametrize(
    ("process", "words"),
    [
        ("e- e+ > mu- mu+ QED=1", "does not have a tree diagram for `e- e\\+ > mu- mu\\+ QED=1`"),
        ("e- e+ > mu- mu-", "does not have a tree diagram"),
        ("e- e+ > mu- muon", "does not have a particle muon"),
        ("e- e+ > mu- mu+ NP=1", "does not have the order NP; it has QCD, QED"),
        ("mu- e+ > mu- e+", "the beam does not have mu-"),
        ("e- e+ > t t~", "the beams do not have the energy"),
        ("e- e+ > x x", "label `x` is defined by itself"),
    ],
)
def test_what_a_model_does_not_have(sm: Model, process: str, words: str) -> None:
    with pytest.raises(StepError, match=words):
        found(sm, process, lepton_collider(200.0), x="x mu-")


def test_an_incoming_particle_with_a_mass() -> None:
    with pytest.raises(StepError, match=r"b~ comes in with a mass of 4\.7 GeV in the model ufo_sm"):
        found(Model.load("ufo_sm"), "b b~ > h z", hadron_collider({}))


def test_the_strong_coupling_follows_the_event_if_it_can(sm: Model) -> None:
    (differential,) = differentials(sm, "u u~ > z g", hadron_collider({"ptj": 20.0}))
    assert differential.strong_power == 2.0 - 1.0
    with pytest.raises(StepError, match="different powers of the strong coupling"):
        differentials(sm, "u u~ > d d~ QED=2", hadron_collider({"ptj": 20.0}))
    fixed = differentials(sm, "u u~ > d d~ QED=2", hadron_collider({"ptj": 20.0}, scale=91.0))
    assert [isinstance(one, Differential) for one in fixed] == [True]
