"""What is said of an event file, and what is refused there."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.madminer.event_origins import OriginSums, significant
from mmc.jobs.madminer.event_summary import event_record
from scipy.stats import norm


def _changed(source: Path, folder: Path, benchmark: str, factor: float) -> Path:
    """A copy of a file with the weights of a benchmark multiplied by a factor."""
    path = Path(shutil.copytree(source, folder / "changed")) / "events.h5"
    with h5py.File(path, "r+") as file:
        column = [name.decode() for name in file["benchmarks/names"][()]].index(benchmark)
        weights = file["samples/weights"][()]
        weights[:, column] *= factor
        file["samples/weights"][...] = weights
    return path


@pytest.mark.parametrize("factor", [-1.0, 0.0])
def test_a_cross_section_that_is_not_positive_is_said(toy_events: Path, tmp_path: Path, factor: float) -> None:
    found = event_record(_changed(toy_events, tmp_path, "b1", factor))
    value = found["cross_sections_pb"]["b1"][0]
    assert found["warnings"] == [f"the cross section at benchmark 'b1' is not positive: {value:.3g} pb"]


@pytest.mark.parametrize("benchmarks", [["b1"], ["sm", "b1", "b2"]])
def test_one_event_that_makes_much_of_a_cross_section(toy_events: Path, tmp_path: Path, benchmarks: list[str]) -> None:
    path = Path(shutil.copytree(toy_events, tmp_path / "changed")) / "events.h5"
    with h5py.File(path, "r+") as file:
        names = [name.decode() for name in file["benchmarks/names"][()]]
        columns, weights = [names.index(name) for name in benchmarks], file["samples/weights"][()]
        origin = file["samples/sampling_benchmarks"][()]
        factors = np.bincount(origin)[origin] / len(origin)
        k = int(np.argmax(origin == names.index("sm")))
        total = (factors[:, np.newaxis] * weights).sum(axis=0)
        weights[k, columns] = total[columns] / factors[k]  # as much as all other events together
        file["samples/weights"][...] = weights
    more = "" if len(benchmarks) == 1 else ", and more than 10% at 2 other benchmarks"
    found = event_record(path)["warnings"]
    told = [text for text in found if text.startswith("one event of 8,000 makes 50% of the cross section at ")]
    assert len(told) == 1 and told[0].endswith(f"{more}: check its weights, or generate more events near there")


def test_weights_that_were_not_reweighted(toy_events: Path, tmp_path: Path) -> None:
    """A reweighting without an entry that it changes writes the nominal weights again."""
    path = Path(shutil.copytree(toy_events, tmp_path / "changed")) / "events.h5"
    with h5py.File(path, "r+") as file:
        weights, origin = file["samples/weights"][()], file["samples/sampling_benchmarks"][()]
        weights[:, 1] = weights[np.arange(len(weights)), origin] * (1.0 + 1e-7 * (np.arange(len(weights)) % 3))
        file["samples/weights"][...] = weights
    (warning,) = [text for text in event_record(path)["warnings"] if "benchmark 'b1' are" in text]
    assert warning.endswith("there, or the events were not reweighted to this benchmark")


@pytest.mark.parametrize("varies", [True, False])
def test_a_background_does_not_depend_on_the_parameters(toy_events: Path, tmp_path: Path, varies: bool) -> None:
    path = Path(shutil.copy(toy_events / "events.h5", tmp_path))
    with h5py.File(path, "r+") as file:
        origin, weights = file["samples/sampling_benchmarks"], file["samples/weights"]
        counts = file["sample_summary/signal_events"][()]
        counts -= np.bincount(origin[:40], minlength=len(counts))
        file["sample_summary/signal_events"][...], file["sample_summary/background_events"][()] = counts, 40
        origin[:40] = -1
        if not varies:
            weights[:40] = weights[:40, :1] * (1.0 + 1e-7 * np.arange(weights.shape[1]))  # rounded
    if varies:
        with pytest.raises(
            StepError, match=r"^40 background events \(sampling benchmark -1\) have other weights at other"
        ):
            event_record(path)
    else:
        assert event_record(path)["n_background"] == 40


def test_an_uncertainty_leaves_the_sign_of_the_cross_section(uncertain: Path, tmp_path: Path) -> None:
    assert event_record(uncertain / "events.h5")["warnings"] == []
    path = _changed(uncertain, tmp_path, "tilt_nuisance_param_0_benchmark_1", -0.5)
    with pytest.raises(StepError, match=r"^the uncertainty tilt makes the cross section -.* pb, from .*: its weights "):
        event_record(path)


def _warnings(
    factors: Sequence[Sequence[float]], lacking: float = np.inf, integration: Mapping[str, float] | None = None
) -> list[str]:
    """Of events of two benchmarks, with densities exp(-x) and x exp(-x) and cross sections of 1 and 2 pb.

    :param factors: on the weights of the events of each benchmark, at each benchmark
    :param lacking: the largest x of events of the first benchmark
    """
    random, n = np.random.default_rng(4), 4000
    sums = OriginSums(2)
    for source, (x, own) in enumerate([(random.exponential(size=n), 1.0), (random.gamma(2.0, size=n), 2.0)]):
        kept = x[x < lacking] if source == 0 else x
        ratios = [np.ones(len(kept)), 2.0 * kept] if source == 0 else [0.5 / kept, np.ones(len(kept))]
        weights = np.stack(ratios, axis=1) * own / n * np.array(factors[source])
        sums.add(weights, np.full(len(kept), source))
    return sums.check(["sm", "w"], integration)


def test_events_of_two_benchmarks_agree() -> None:
    assert _warnings([(1.0, 1.0), (1.0, 1.0)]) == []


@pytest.mark.parametrize(
    "factors",
    [
        [(1.0, 1.0), (2.0, 2.0)],  # another normalisation of one file
        [(0.5, 0.5), (1.0, 1.0)],
        [(1.0, 1.5), (1.0, 1.0)],  # weights at another point
        [(1.0, 1.0), (1.5, 1.0)],
    ],
)
def test_events_of_two_benchmarks_contradict_each_other(factors: Sequence[Sequence[float]]) -> None:
    with pytest.raises(StepError, match=r"^at benchmark '(sm|w)', the events that were sampled there give"):
        _warnings(factors)


def test_a_difference_that_the_integration_explains() -> None:
    """A normalisation that is wrong by 20 %, of a cross section that is integrated to 10 % at each benchmark."""
    with pytest.raises(StepError, match="another normalisation"):
        _warnings([(1.2, 1.2), (1.0, 1.0)])
    assert _warnings([(1.2, 1.2), (1.0, 1.0)], integration={"sm": 0.1, "w": 0.1}) == []
    with pytest.raises(StepError, match="another normalisation"):
        _warnings([(3.0, 3.0), (1.0, 1.0)], integration={"sm": 0.01})


def test_many_pairs_of_benchmarks_need_larger_differences() -> None:
    assert significant(1) == pytest.approx(5.0)
    assert 210.0 * norm.sf(significant(210)) == pytest.approx(norm.sf(5.0))


def test_events_that_lack_a_part_of_phase_space() -> None:
    (text,) = _warnings([(1.0, 1.0), (1.0, 1.0)], lacking=2.0)
    assert text.startswith("at benchmark 'w', ") and text.endswith(
        ": they hardly reach what makes the cross section there"
    )
