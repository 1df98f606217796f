"""Files of the same events are told from files of other events, or of the same in another order, by their weights."""

from pathlib import Path

import numpy as np
import pytest
from mmc.jobs.formats import delphes_root, hepmc, les_houches_normalise, les_houches_table, same_events
from mmc.jobs.formats.hard_process import HardProcess
from mmc.jobs.formats.les_houches_table import EventTable, Floats

from tests.support import SHARED_DATA

N = 1000
RANDOM = np.random.default_rng(5)


def _events(own: Floats, **weights: Floats) -> EventTable:
    none = np.zeros(0)
    return EventTable("x", none.astype(int), none.astype(int), none, none, own, weights, 1.0)


OWN, W = np.full(N, 0.5), RANDOM.uniform(0.1, 3.0, N)
EVENTS = _events(OWN, sm=OWN, w=0.5 * W, v=0.5 * W**2)
FOUND = np.stack([np.ones(N), RANDOM.uniform(0.9, 1.1, N), W, W**2], axis=1).astype(np.float32).astype(float)


def _is_same(events: EventTable, found: Floats) -> bool | None:
    compared = same_events.compare(events, found)
    return None if compared is None else compared.is_same


def test_weights_in_another_unit_and_order() -> None:
    assert _is_same(EVENTS, FOUND) and _is_same(EVENTS, 7e9 * FOUND) and _is_same(EVENTS, FOUND[:, [0, 3, 2, 1]])
    assert _is_same(EVENTS, FOUND[:, :3])  # the file lacks a weight


def test_other_events() -> None:
    other = RANDOM.permutation(FOUND)
    compared = same_events.compare(EVENTS, other)
    assert compared is not None and not compared.is_same and compared.n_same < 10
    assert _is_same(EVENTS, FOUND[::-1]) is False
    many = np.concatenate([np.ones((N, 1)), RANDOM.uniform(0.1, 3.0, (N, 60))], axis=1)  # some are alike by chance
    assert _is_same(EVENTS, many) is False


@pytest.mark.parametrize("shift", [1, -1])
@pytest.mark.parametrize("first", [0, 500, N - 5])
def test_events_that_are_shifted_by_one(shift: int, first: int) -> None:
    """All of them, or those after an event that was lost; in the end only five are wrong."""
    found = FOUND.copy()
    found[first:] = np.roll(FOUND[first:], shift, axis=0)
    compared = same_events.compare(EVENTS, found)
    assert compared is not None and not compared.is_same
    assert compared.told.endswith("others have those of the event before or after")


def test_weights_that_hardly_vary() -> None:
    """Differences of less than a thousandth tell a shift too, and equal weights tell nothing."""
    small = 1.0 + 3e-4 * RANDOM.random(N)
    events, found = _events(OWN, sm=OWN, w=0.5 * small), np.stack([np.ones(N), small], axis=1).astype(np.float32)
    assert _is_same(events, found.astype(float))
    assert _is_same(events, np.roll(found, 1, axis=0).astype(float)) is False
    assert _is_same(_events(OWN, sm=OWN, w=3.0 * OWN), FOUND) is None
    assert _is_same(EVENTS, FOUND[:, :1]) is None


def test_the_nominal_weight_alone() -> None:
    """Where it varies, in size or in sign alone, as at next-to-leading order."""
    signs = RANDOM.choice([1.0, -1.0], N, p=[0.8, 0.2])
    for own, nominal in ((W, 3e8 * W), (signs, signs), (W * signs, signs), (2.0 * signs, signs)):
        assert _is_same(_events(own), nominal[:, np.newaxis])
        assert _is_same(_events(own), np.roll(nominal, 1)[:, np.newaxis]) is False
    assert _is_same(_events(W), np.ones((N, 1))) is None


def test_weights_that_are_zero_or_not_finite() -> None:
    own, w = OWN.copy(), W.copy()
    own[::7], w[3] = 0.0, np.inf
    found = FOUND.copy()
    found[::7] = 0.0
    assert _is_same(_events(own, sm=own, w=np.where(own == 0.0, 0.0, 0.5 * w)), found)
    assert _is_same(EVENTS, np.full_like(FOUND, np.nan)) in (None, False)


def _of_two_particles() -> tuple[EventTable, Floats]:
    """Events of two particles each, and the energies of the two incoming partons, (N, 2)."""
    momenta = RANDOM.normal(0.0, 50.0, (2 * N, 3))
    momenta = np.concatenate([momenta, np.linalg.norm(momenta, axis=1, keepdims=True)], axis=1)
    none = np.zeros(2 * N)
    events = EventTable("x", np.full(N, 2), none.astype(int), momenta, none, OWN, {}, 1.0)
    total = momenta.reshape(N, 2, 4).sum(axis=1)
    return events, np.stack([total[:, 3] + total[:, 2], total[:, 3] - total[:, 2]], axis=1) / 2


def test_energies_of_incoming_partons() -> None:
    """Two particles in each event, and in the other file the hard process among others, in another order."""
    events, energies = _of_two_particles()
    plus, minus = energies.T

    def hard(order: slice, some: float = 1.0) -> HardProcess:
        both = np.stack([RANDOM.uniform(0.0, 200.0, N), plus, minus], axis=1)[order]
        both[RANDOM.random(N) > some] = 1.0
        return HardProcess(both.astype(np.float32).ravel().astype(float), np.full(N, 3))

    found = same_events.compare_hard(events, hard(slice(None)))
    assert found is not None and found.is_same
    rolled = hard(slice(None))
    found = same_events.compare_hard(events, HardProcess(np.roll(rolled.energy, 3), rolled.counts))
    assert found is not None and not found.is_same and found.n_shifted > 990
    assert (
        same_events.compare_hard(events, hard(slice(None, None, -1))) is None
    )  # another process may be told otherwise
    assert same_events.compare_hard(events, HardProcess(np.zeros(0), np.zeros(N, dtype=int))) is None
    # Pythia 8 keeps the momenta, so other ones are other events
    found = same_events.compare_hard(events, hard(slice(None, None, -1))._replace(n_incoming=N))
    assert found is not None and not found.is_same
    assert found.told == f"the energies of the incoming partons of {found.n_same} of {N:,} events agree"


def test_energies_that_a_shower_changed() -> None:
    """Massless quarks get a mass: by less than 1 % in all events, or by more in some of them."""
    events, energies = _of_two_particles()

    def compared(found: Floats) -> same_events.Comparison:
        result = same_events.compare_hard(events, HardProcess(found.ravel(), np.full(N, 2), N))
        assert result is not None
        return result

    changed = energies * RANDOM.uniform(1.0005, 1.005, (N, 1))
    assert compared(changed).is_same
    some = np.where(RANDOM.random((N, 1)) < 0.2, 1.05 * energies, energies)
    assert compared(some).is_doubtful and not compared(some).is_same
    for wrong in (changed[::-1], np.roll(changed, 1, axis=0), np.roll(some, 1, axis=0), RANDOM.permutation(energies)):
        assert not compared(wrong).is_same and not compared(wrong).is_doubtful
    late = changed.copy()
    late[500:] = np.roll(changed, 1, axis=0)[500:]  # an event was lost
    assert not compared(late).is_same and not compared(late).is_doubtful
    signs = same_events.compare(_events(np.sign(W - 0.7)), np.sign(W[::-1, np.newaxis] - 0.7))
    assert signs is not None and not signs.is_same and not signs.is_doubtful  # weights agree by chance


def test_energies_of_lepton_beams_agree_by_chance() -> None:
    """The density of x is β (1-x)^(β-1): with β = 0.06, two in three events agree with any other to 1e-4."""
    random, n = np.random.default_rng(3), 4000

    def energies() -> Floats:
        return np.asarray(250.0 * (1.0 - random.random((n, 2)) ** (1.0 / 0.06)))

    own, none = energies(), np.zeros(n)
    momenta = np.stack([none, none, own[:, 0] - own[:, 1], own.sum(axis=1)], axis=1)
    events = EventTable("x", np.ones(n, dtype=int), none.astype(int), momenta, none, np.ones(n), {}, 1.0)
    for found, is_doubtful in (
        (energies(), False),
        (own[::-1], False),
        (np.where(random.random((n, 1)) < 0.4, 1.05 * own, own), True),
    ):
        compared = same_events.compare_hard(events, HardProcess(found.ravel(), np.full(n, 2), n))
        assert compared is not None and not compared.is_same and compared.n_same > 0.5 * n
        assert compared.is_doubtful is is_doubtful


BENCHMARKS = ["sm", "w", *(f"morphing_basis_vector_{k}" for k in range(2, 6))]


def _normal(source: Path, benchmark: str, folder: Path) -> EventTable:
    content = les_houches_normalise.inspect(source, benchmark, BENCHMARKS)
    les_houches_normalise.write(source, folder / "x.lhe.gz", content, benchmark, BENCHMARKS)
    return les_houches_table.read(folder / "x.lhe.gz")


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the event files beside the checkout")
def test_files_of_a_real_chain(tmp_path: Path) -> None:
    data = SHARED_DATA / "vbf-higgs"
    showered = hepmc.inspect(data / "hepmc" / "signal_sm_100ev.hepmc.gz")
    assert showered.n_events == len(set(showered.digests.tolist())) == 100
    assert showered.weights is not None and showered.weights.shape == (100, 6)
    detected = {
        name: delphes_root.inspect(data / "delphes" / f"signal_{name}_500ev_slim_seed1234.root").weights
        for name in ("sm", "w")
    }
    checked = [(data / "hepmc" / "signal_sm_100ev.lhe.gz", "sm", showered.weights, None)]
    checked += [
        (data / "lhe" / f"signal_{a}.lhe.gz", a, detected[a], detected[b]) for a, b in (("sm", "w"), ("w", "sm"))
    ]
    for source, benchmark, right, wrong in checked:
        events = _normal(source, benchmark, tmp_path)
        assert right is not None
        if source.parent.name == "hepmc":
            hard = hepmc.hard_process(source.with_name("signal_sm_100ev.hepmc.gz"))
            compared = same_events.compare_hard(events, hard)
            assert compared is not None and (compared.n_same, hard.n_incoming) == (100, 100)
        assert same_events.compare(events, right) == same_events.Comparison(len(right), len(right), 0)
        assert _is_same(events, np.roll(right, 1, axis=0)) is False
        if wrong is not None:
            assert _is_same(events, wrong) is False
