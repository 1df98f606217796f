import gzip
import json
import re
import tempfile
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mmc.compiler.settings.combine import AnalysedJob
from mmc.errors import StepError
from mmc.jobs.steps.combine import check_beams, check_cuts, integration_error_of_each, shares

from tests.jobs.physics import BENCHMARKS, READING, Folder, combine_settings, configure_settings

ALL = {**READING, "cuts": []}
NONE = {**READING, "cuts": [{"definition": "m_ll > 1e6", "required": False}]}

UNREAD = {"job": "x", "n_events": None, "k_factor": 1.0}


class Made:
    """A set-up, the integrals of Pythia's processes, events and their observables, each made once."""

    def __init__(self, path: Path) -> None:
        self.path, folder = path, Folder(path)
        self.setup = folder.setup()
        self.generate = cache(partial(folder.generate, self.setup))
        self.simulate = cache(lambda *job: self._place().simulate(self.setup, *job))
        self.analyse = cache(lambda events, reading: self._place().analyse(self.setup, events, json.loads(reading)))

    def _place(self) -> Folder:
        return Folder(Path(tempfile.mkdtemp(dir=self.path)))


class Chain:
    """A set-up and events of some samples."""

    def __init__(self, path: Path, made: Made) -> None:
        self.folder, self.setup, self.made = Folder(path), made.setup, made

    def simulated(self, benchmark: str, n_events: int, parts: int = 1, process: str = "dimuon") -> list[Path]:
        sample = "signal" if process == "dimuon" else process
        generated = self.made.generate(benchmark, sample, process)
        return [self.made.simulate(generated, n_events, part) for part in range(parts)]

    def parts(self, *sizes: int) -> list[Path]:
        """Parts of these sizes of a sample at the Standard Model."""
        generated = self.made.generate("sm", "signal", "dimuon")
        return [self.made.simulate(generated, n, part) for part, n in enumerate(sizes)]

    def analysed(self, events: list[Path], reading: dict[str, Any] = ALL) -> list[Path]:
        return [self.made.analyse(path, json.dumps(reading)) for path in events]

    def combined(self, analysed: list[Path], name: str = "combine", seed: int = 1, **changes: Any) -> dict[str, Any]:
        settings = combine_settings(analysed, **changes)
        out = self.folder.run("combine", name, settings, seed=seed, setup=self.setup, analysed=analysed)
        return {"path": out / "events.h5", **json.loads((out / "events.json").read_text())}

    def refusal(self, analysed: list[Path], settings: dict[str, Any] | None = None) -> str:
        settings = settings or combine_settings(analysed)
        return self.folder.refusal("combine", "refused", settings, setup=self.setup, analysed=analysed)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("made"))


@pytest.fixture
def chain(made: Made, tmp_path: Path) -> Chain:
    return Chain(tmp_path, made)


def _mean_weights(events: list[Path]) -> Any:
    """Of all files together, by benchmark."""
    records = [json.loads((path / "simulate.json").read_text()) for path in events]
    total = sum(record["n_events"] for record in records)
    sums = [record["n_events"] * np.array(list(record["mean_weights_pb"].values())) for record in records]
    return np.sum(sums, axis=0) / total


def _values(combined: dict[str, Any]) -> list[float]:
    return [value for value, _ in combined["cross_sections_pb"].values()]


def test_splitting_averages(chain: Chain) -> None:
    """Four jobs of 250 events have the cross sections of one job of 1,000."""
    parts = chain.simulated("sm", 250, parts=4)
    combined = chain.combined(chain.analysed(parts))
    np.testing.assert_allclose(_values(combined), _mean_weights(parts), rtol=1e-12)
    assert combined["n_events"] == 1000
    assert combined["per_benchmark"] == {"sm": 1000}
    assert combined["effective_sample_size"]["sm"] == pytest.approx(1000.0)

    whole = chain.simulated("sm", 1000)
    one = chain.combined(chain.analysed(whole))
    assert one["cross_sections_pb"]["sm"] == pytest.approx(combined["cross_sections_pb"]["sm"])
    for (value, error), (other, other_error) in zip(
        one["cross_sections_pb"].values(), combined["cross_sections_pb"].values(), strict=True
    ):
        assert error == pytest.approx(other_error, rel=0.2)
        assert abs(value - other) < 4.0 * np.hypot(error, other_error) + 1e-12


def test_unequal_parts_weigh_by_their_events(chain: Chain) -> None:
    parts = chain.parts(300, 100)
    combined = chain.combined(chain.analysed(parts))
    np.testing.assert_allclose(_values(combined), _mean_weights(parts), rtol=1e-12)


def test_several_benchmarks_average_and_backgrounds_add(chain: Chain) -> None:
    at_sm, at_ll = chain.simulated("sm", 250, parts=2), chain.simulated("ll", 125)
    at_ww = chain.simulated("sm", 50, process="ww")
    combined = chain.combined(chain.analysed([*at_sm, *at_ll, *at_ww]))
    signal = 0.8 * _mean_weights(at_sm) + 0.2 * _mean_weights(at_ll)  # by their shares of the events
    np.testing.assert_allclose(_values(combined), signal + _mean_weights(at_ww), rtol=1e-12)
    assert combined["per_benchmark"] == {"sm": 500, "ll": 125}
    assert combined["n_background"] == 50

    from madminer.sampling import SampleAugmenter, benchmarks

    augmenter = SampleAugmenter(str(combined["path"]), include_nuisance_parameters=False)
    _, found, errors = augmenter.cross_sections(theta=benchmarks(list(combined["cross_sections_pb"])))
    own = [0.8 * _mean_weights(at_sm), 0.2 * _mean_weights(at_ll), _mean_weights(at_ww)]  # and errors of integrations
    for part, sample in zip(own, combined["samples"], strict=True):
        errors = np.hypot(errors, sample["integration_error"] * part)
        errors = np.sqrt(np.square(errors) - np.square(part) / sample["n_generated"])
    np.testing.assert_allclose(np.stack([found, errors], axis=1), list(combined["cross_sections_pb"].values()))


def test_file_is_that_of_madminer(chain: Chain, tmp_path: Path) -> None:
    at_sm, at_ll = chain.simulated("sm", 50, parts=2), chain.simulated("ll", 125)
    analysed = chain.analysed([*at_sm, *at_ll, *chain.simulated("sm", 50, process="ww")])
    ours = chain.combined(analysed, seed=6)["path"]

    from madminer.sampling import combine_and_shuffle

    np.random.seed(6)
    paths = [str(path / "events.h5") for path in analysed]
    combine_and_shuffle(paths, str(tmp_path / "theirs.h5"), k_factors=[0.5, 0.5, 1.0, 1.0])
    with h5py.File(ours) as our_file, h5py.File(tmp_path / "theirs.h5") as their_file:
        keys: list[str] = []
        their_file.visititems(lambda key, item: keys.append(key) if isinstance(item, h5py.Dataset) else None)
        assert {"samples/weights", "sample_summary/signal_events", "morphing/components"} < set(keys)
        for key in keys:
            np.testing.assert_array_equal(our_file[key][()], their_file[key][()])


def test_k_factor(chain: Chain) -> None:
    analysed = chain.analysed(chain.simulated("sm", 100))
    plain, scaled = chain.combined(analysed), chain.combined(analysed, k_factor=1.5)
    np.testing.assert_allclose(_values(scaled), 1.5 * np.array(_values(plain)))


def test_same_seed_same_bytes_and_another_order_with_another(chain: Chain) -> None:
    analysed = chain.analysed(chain.simulated("sm", 50, parts=2))
    first, again, other = (chain.combined(analysed, name=str(i), seed=s)["path"] for i, s in enumerate((1, 1, 2)))
    assert first.read_bytes() == again.read_bytes()
    in_order = np.concatenate([_column(path / "events.h5") for path in analysed])
    for left, right in ((_column(first), _column(other)), (_column(first), in_order)):
        assert not np.array_equal(left, right)
        np.testing.assert_array_equal(np.sort(left), np.sort(right))


def _column(path: Path) -> Any:
    with h5py.File(path) as file:
        return file["samples/observations"][:, 0]


def test_job_without_events_is_left_out(chain: Chain) -> None:
    signal, background = chain.simulated("sm", 100), chain.simulated("sm", 50, process="ww")
    combined = chain.combined([*chain.analysed(signal), *chain.analysed(background, NONE)])
    assert (combined["n_events"], combined["n_background"]) == (100, 0)
    np.testing.assert_allclose(_values(combined), _mean_weights(signal), rtol=1e-12)


def test_no_events_at_all(chain: Chain) -> None:
    signal, background = chain.simulated("sm", 50), chain.simulated("sm", 50, process="ww")
    assert chain.refusal(chain.analysed([*signal, *background], NONE)).startswith("no event passes the cuts in any job")
    only_background = [*chain.analysed(signal, NONE), *chain.analysed(background)]
    assert chain.refusal(only_background).startswith("no signal event passes")


def test_set_ups_must_agree(chain: Chain) -> None:
    analysed = chain.analysed(chain.simulated("sm", 50))
    chain.setup = chain.folder.run("configure", "other", configure_settings(), seed=99)
    assert chain.refusal(analysed).endswith("was made with another set-up: its benchmarks/values differ")


def test_observables_must_agree(chain: Chain) -> None:
    first, second = chain.simulated("sm", 50, parts=2)
    fewer = {**ALL, "observables": {"m_ll": READING["observables"]["m_ll"]}}
    analysed = [*chain.analysed([first]), *chain.analysed([second], fewer)]
    assert chain.refusal(analysed).endswith("was made with another set-up: its observables/names differ")


def test_unknown_numbers_of_events(chain: Chain) -> None:
    """Jobs weigh by the events that were read, also one of which no event passes."""
    parts = chain.parts(300, 100)
    analysed = [*chain.analysed(parts[:1]), *chain.analysed(parts[1:], NONE)]
    known, unknown = chain.combined(analysed, "known"), chain.combined(analysed, "unknown", n_events=None)
    assert known["path"].read_bytes() == unknown["path"].read_bytes()
    np.testing.assert_allclose(_values(unknown), 0.75 * _mean_weights(parts[:1]), rtol=1e-12)


def test_slices_add_and_their_parts_average(chain: Chain) -> None:
    events = chain.parts(200, 100, 100)
    analysed = chain.analysed(events)
    settings = combine_settings(analysed, n_events=None)
    for entry, name in zip(settings["jobs"], ("low", "low", "high"), strict=True):
        entry["slice"] = name
    out = chain.folder.run("combine", "combine", settings, setup=chain.setup, analysed=analysed)
    found = [value for value, _ in json.loads((out / "events.json").read_text())["cross_sections_pb"].values()]
    np.testing.assert_allclose(found, _mean_weights(events[:2]) + _mean_weights(events[2:]), rtol=1e-12)
    numbers = [
        (entry["slice"], entry["n_generated"]) for entry in json.loads((out / "events.json").read_text())["samples"]
    ]
    assert numbers == [("low", 300), ("high", 100)]
    with h5py.File(out / "events.h5") as file:
        labels = np.asarray(file["samples/mmc_samples"])
        per_event = np.asarray(file["samples/weights"])[:, 0]
    assert [per_event[labels == k].sum() for k in (0, 1)] == pytest.approx(
        [_mean_weights(events[:2])[0], _mean_weights(events[2:])[0]]
    )


def test_slices_must_be_generated_at_the_same_benchmarks(chain: Chain) -> None:
    jobs = [
        {**UNREAD, "sample": "signal", "slice": name, "benchmark": benchmark, "background": False}
        for name, benchmark in [("low", "sm"), ("low", "ll"), ("high", "sm")]
    ]
    reason = chain.refusal([chain.setup], {"jobs": jobs})
    assert reason == "all signal samples must be generated at the same benchmarks: signal, slice high, lacks ll"


def test_groups(chain: Chain) -> None:
    """A job reads the outputs of its own group alone."""
    signal, background = chain.simulated("sm", 100), chain.simulated("sm", 50, process="ww")
    analysed = chain.analysed([*signal, *background])
    both = chain.folder.run("combine", "all", combine_settings(analysed), setup=chain.setup, analysed=analysed)
    own = combine_settings(analysed[:1])
    alone = chain.folder.run("combine", "signal_only", own, setup=chain.setup, analysed=analysed)
    counts = [json.loads((out / "events.json").read_text())["n_events"] for out in (both, alone)]
    assert counts == [150, 100]


def test_systematics_of_the_set_ups_must_agree(chain: Chain) -> None:
    analysed = chain.analysed(chain.simulated("sm", 50))
    settings = {**configure_settings(), "systematics": {"lumi": {"effect": "norm", "variation": 1.1}}}
    chain.setup = chain.folder.run("configure", "other", settings, seed=3)
    assert chain.refusal(analysed).endswith("was made with another set-up: its systematics/names differ")


def test_jobs_must_have_the_events_that_the_plan_counts_on(chain: Chain) -> None:
    analysed = chain.analysed(chain.simulated("sm", 50))
    settings = combine_settings(analysed, n_events=60)
    assert chain.refusal(analysed, settings) == "signal.sm.0 has 50 events where 60 are expected"


def test_signal_samples_must_be_generated_at_the_same_benchmarks(chain: Chain) -> None:
    jobs = [
        {**UNREAD, "sample": sample, "benchmark": benchmark, "background": sample == "ww"}
        for sample, benchmark in [("low", "sm"), ("low", "ll"), ("high", "sm"), ("ww", "lr")]
    ]
    reason = chain.refusal([chain.setup], {"jobs": jobs})
    assert reason == "all signal samples must be generated at the same benchmarks: high lacks ll"


@pytest.mark.parametrize("factor", [1.0, 1.05])
def test_morphed_weights_are_those_of_a_benchmark_outside_the_basis(tmp_path: Path, factor: float) -> None:
    """Of the embedded generator they are exact; weights of another point are refused."""
    folder = Folder(tmp_path)
    benchmarks = {**BENCHMARKS, "out": {"c_LL": -0.03, "c_LR": 0.04}}
    settings = {**configure_settings(benchmarks), "outside_basis": ["out"]}
    setup = folder.run("configure", "configure", settings, seed=3)
    events = folder.simulate(setup, folder.generate(setup), 200)
    text = gzip.decompress((events / "events.lhe.gz").read_bytes()).decode()
    scaled = re.sub(r"(<wgt id='out'>)\s*(\S+)", lambda found: f"{found[1]} {factor * float(found[2])!r}", text)
    (events / "events.lhe.gz").write_bytes(gzip.compress(scaled.encode()))
    analysed = [folder.analyse(setup, events, ALL)]
    inputs = {"setup": setup, "analysed": analysed}
    if factor == 1.0:
        out = folder.run("combine", "combine", combine_settings(analysed), **inputs)
        assert json.loads((out / "events.json").read_text())["morphing_deviations"] == {
            "out": pytest.approx(0, abs=1e-6)
        }
    else:
        reason = folder.refusal("combine", "combine", combine_settings(analysed), **inputs)
        assert "at benchmark 'out', which is not in the morphing basis, morphed weights differ" in reason
        assert "by 4.76%" in reason


def _entries(records: list[dict[str, Any]]) -> list[AnalysedJob]:
    entry = {"n_events": None, "k_factor": 1.0, "background": False, "sample": "signal", "benchmark": "sm"}
    return [AnalysedJob(job=f"signal.sm.{k}", **entry) for k in range(len(records))]


def test_filtered_parts_weigh_by_their_generated_events() -> None:
    """Many small parts: a weight by the events that remain would prefer parts of which many happen to remain."""
    remaining = np.random.default_rng(3).binomial(50, 0.1, 2000)
    records = [{"size": 50, "n_read": int(n)} for n in remaining]
    found = np.array(shares(_entries(records), records))
    assert found @ (remaining / 50.0) == pytest.approx(remaining.sum() / (50.0 * len(records)))
    assert found.sum() == pytest.approx(1.0)
    assert (remaining / remaining.sum()) @ (remaining / 50.0) > 0.11  # where 0.1 is right


def test_relative_errors_of_integrations() -> None:
    records: list[dict[str, Any]] = [{"integrated_pb": pair} for pair in ([2.0, 0.1], [-4.0, 0.4], [0.0, 1.0])]
    assert integration_error_of_each(_entries(records), records) == pytest.approx(
        {"signal.sm.0": 0.05, "signal.sm.1": 0.1, "signal.sm.2": 0.0}
    )


def test_events_of_a_sample_have_the_same_cuts() -> None:
    """Also if their cross sections happen to be the same; a cut that a file does not contain says nothing of it."""
    low, high = {"cuts": {"ptl": "20", "ptlmax": "50"}}, {"cuts": {"ptl": "50"}}
    check_cuts(_entries([{}] * 4), [{}, low, {"cuts": {}}, low])
    with pytest.raises(
        StepError,
        match=r"^the events of signal\.sm\.1 were generated with ptl = 20, and those of signal\.sm\.2 with ptl = 50: "
        r"they are not parts of one .* give each file a `slice`$",
    ):
        check_cuts(_entries([{}] * 3), [{}, low, high])
    check_cuts(_entries([{}] * 2), [low, {"cuts": {"ptl": "20", "ptj": "0"}}])
    without = {"cuts": {"ptl": "20", "ptlmax": "0"}}
    with pytest.raises(StepError, match=r"ptlmax = 50, and those of signal\.sm\.1 with ptlmax = 0: "):
        check_cuts(_entries([{}] * 2), [low, without])
    with pytest.raises(StepError, match=r"^the events of signal\.sm\.1 .* pt_min_pdg = 6: 100, and .* = 6: 50: "):
        heavy = [{"cuts": {"pt_min_pdg": f"6: {value}"}} for value in (100, 50)]
        check_cuts(_entries([{}] * 3), [low, *heavy])  # the first card does not tell this cut
    slices = [replace(entry, slice=name) for entry, name in zip(_entries([{}] * 2), "ab", strict=True)]
    check_cuts(slices, [low, high])


def test_events_are_of_one_collider() -> None:
    records = [{"beams": beams} for beams in ([2212, 2212, 6500.0, 6500.0], [], [2212, 2212, 6500.1, 6500.0])]
    check_beams(_entries(records), records)
    check_beams(_entries(records), [records[0], {}, records[2]])
    for other in ([2212, 2212, 7000.0, 7000.0], [2212, -2212, 6500.0, 6500.0], [0, 0, 7000.0, 0.0]):
        with pytest.raises(StepError, match=r"^the events of signal\.sm\.0 have beams of 6500 and 6500 GeV.*`regions`"):
            check_beams(_entries(records), [*records[:2], {"beams": other}])
    for other in ([0, 0, 0.0, 0.0], [0, 0, 6500.0, 6500.0]):
        check_beams(_entries(records), [{"beams": other}, *records[:2]])
    other_energies = [{"beams": [2212, 2212, energy, energy]} for energy in (0.0, 6500.0, 7000.0)]
    with pytest.raises(StepError, match=r"beams of 6500 and 6500 GeV.*beams of 7000 and 7000 GeV"):
        check_beams(_entries(other_energies), other_energies)
    positrons = [{"beams": beams} for beams in ([11, -11, 125.0, 125.0], [-11, 11, 125.0, 125.0])]
    with pytest.raises(StepError, match=r"codes 11 and -11.*codes -11 and 11\): the beams are exchanged"):
        check_beams(_entries(records)[:2], positrons)
