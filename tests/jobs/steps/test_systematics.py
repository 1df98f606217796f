"""A norm, a scale and a PDF uncertainty of the signal alone, from the set-up to limits."""

import gzip
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.learning.samples import load_samples
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.madminer.sampler import make_sampler
from mmc.jobs.readers import les_houches
from mmc.jobs.readers.reading import NotInColumnsError

from tests.jobs.learning_jobs import Learning
from tests.jobs.physics import BENCHMARKS, READING, Folder, combine_settings, configure_settings
from tests.jobs.systematics_files import PdfSet, with_systematics

SYSTEMATICS = {
    "lumi": {"effect": "norm", "variation": 1.1},
    "mu": {"effect": "scale", "scale": "mu", "variations": [0.5, 1.0, 2.0]},
    "pdf": {"effect": "pdf", "variation": "toy_set"},
}
PDF_SETS = (PdfSet("toy_set", 900000, 5, "hessian"),)
ALL = {**READING, "cuts": []}
NUISANCE = ["lumi_nuisance_param_0", "mu_nuisance_param_0", "pdf_nuisance_param_0", "pdf_nuisance_param_1"]
N_SIGNAL, N_BACKGROUND = 3000, 400


class Chain(Folder):
    """The physics stages of a study whose signal has systematic uncertainties."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True)
        super().__init__(path)
        settings = {**configure_settings(), "systematics": SYSTEMATICS}
        self.set_up = self.run("configure", "configure", settings, seed=3)

    def events(self, sample: str, n_events: int, part: int = 0, pdf_sets: tuple[PdfSet, ...] = PDF_SETS) -> Path:
        """Events with the weights that MadGraph would have added."""
        process = "dimuon" if sample == "signal" else sample
        name = f"{sample}.sm"
        generated = self.out("generate", name)
        if not generated.is_dir():
            generated = self.generate(self.set_up, "sm", sample, process)
        simulated = self.simulate(self.set_up, generated, n_events, part)
        path = simulated / "events.lhe.gz"
        text = gzip.decompress(path.read_bytes()).decode()
        path.write_bytes(gzip.compress(with_systematics(text, pdf_sets=pdf_sets, seed=part).encode()))
        return simulated

    def read(self, events: Path, systematics: list[str], reading: Mapping[str, Any] = ALL) -> Path:
        return self.analyse(self.set_up, events, {**reading, "systematics": systematics})

    def combined(self, analysed: list[Path]) -> Path:
        settings = combine_settings(analysed)
        return self.run("combine", "combine", settings, setup=self.set_up, analysed=analysed)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return Chain(tmp_path_factory.mktemp("systematics") / "run")


@pytest.fixture(scope="module")
def analysed(chain: Chain) -> list[Path]:
    """The signal with its uncertainties, a background without any, and one with a rate that is uncertain."""
    signal = [chain.read(chain.events("signal", N_SIGNAL // 2, part), list(SYSTEMATICS)) for part in range(2)]
    plain = chain.read(chain.events("ww", N_BACKGROUND), [])
    uncertain = chain.read(chain.events("ttbar", N_BACKGROUND), ["lumi"])
    return [*signal, plain, uncertain]


@pytest.fixture(scope="module")
def combined(chain: Chain, analysed: list[Path]) -> Path:
    return chain.combined(analysed)


def _file(path: Path) -> tuple[dict[str, Any], Any]:
    """The columns of the weights by benchmark, and the benchmark that each event was sampled at."""
    with h5py.File(path / "events.h5") as file:
        names = [name.decode() for name in file["benchmarks/names"][()]]
        return dict(zip(names, file["samples/weights"][()].T, strict=True)), file["samples/sampling_benchmarks"][()]


def test_combined_file(combined: Path) -> None:
    weights, ids = _file(combined)
    signal = ids >= 0
    assert signal.sum() == N_SIGNAL and len(ids) == N_SIGNAL + 2 * N_BACKGROUND
    nominal, rate = weights["sm"], weights["lumi_nuisance_param_0_benchmark_0"]
    np.testing.assert_allclose(rate[signal], 1.1 * nominal[signal])
    assert set(np.round(rate[~signal] / nominal[~signal], 9).tolist()) == {1.0, 1.1}
    assert np.isclose(rate[~signal], nominal[~signal]).sum() == N_BACKGROUND
    varied = [name for name in weights if name.startswith(("mu_", "pdf_"))]
    assert len(varied) == 2 + 4
    for name in varied:
        np.testing.assert_array_equal(weights[name][~signal], nominal[~signal])
        ratio = weights[name][signal] / nominal[signal]
        assert 0.6 < ratio.min() < ratio.max() < 1.6 and np.std(ratio) > 0.05
    record = json.loads((combined / "events.json").read_text())
    assert list(record["cross_sections_pb"])[:3] == list(BENCHMARKS)
    assert len(record["cross_sections_pb"]) == 6
    assert list(record["nuisance_parameters"]) == NUISANCE


def test_order_of_the_files_does_not_matter(chain: Chain, analysed: list[Path], combined: Path) -> None:
    turned = chain.run(
        "combine", "turned", combine_settings(analysed[::-1]), setup=chain.set_up, analysed=analysed[::-1]
    )
    (first, _), (second, _) = _file(combined), _file(turned)
    assert list(first) == list(second)
    for name, values in first.items():
        np.testing.assert_allclose(np.sort(second[name]), np.sort(values), rtol=1e-12)


def test_madminer_loads_it(combined: Path) -> None:
    from madminer.sampling import SampleAugmenter

    sampler = SampleAugmenter(str(combined / "events.h5"))
    assert list(sampler.nuisance_parameters) == NUISANCE
    assert {name: entry.value for name, entry in sampler.systematics.items()}["lumi"] == 1.1
    assert sampler.n_benchmarks == 6 + 1 + 2 + 4 and sampler.n_benchmarks_phys == 6
    weights, _ = _file(combined)
    up = np.eye(4)
    for row, column in ((0, "lumi_nuisance_param_0_benchmark_0"), (1, "mu_nuisance_param_0_benchmark_0")):
        (nominal, raised), _ = sampler.xsecs(["sm", "sm"], [np.zeros(4), up[row]])
        assert nominal == pytest.approx(weights["sm"].sum())
        assert raised == pytest.approx(weights[column].sum())


@pytest.mark.parametrize("closest", [True, False])
def test_samples_are_those_of_madminer(combined: Path, closest: bool) -> None:
    """At nominal nuisance parameters: ratios, scores, and the score with respect to the nuisance parameters."""
    from madminer.sampling import SampleAugmenter, benchmark, morphing_points

    path = combined / "events.h5"
    options = {"sample_only_from_closest_benchmark": closest, "test_split": 0.3, "validation_split": 0.1}
    drawn = []
    for sampler in (SampleAugmenter(str(path)), make_sampler(path, balanced=False)):
        np.random.seed(3)
        theta0 = morphing_points(np.array([[0.01, 0.02], [-0.03, 0.01]]))
        drawn.append(sampler.sample_train_local(theta=benchmark("sm"), n_samples=300, **options))
        drawn[-1] += sampler.sample_train_ratio(theta0=theta0, theta1=benchmark("sm"), n_samples=400, **options)
        drawn[-1] += sampler.sample_train_ratio(
            theta0=theta0, theta1=benchmark("sm"), n_samples=400, nuisance_score=False, **options
        )
    for stock, cached in zip(*drawn, strict=True):
        assert np.shape(stock) == np.shape(cached)
        assert cached == pytest.approx(stock, rel=2e-6, abs=2e-6)
    assert drawn[1][2].shape == (300, 2 + 4)


@pytest.fixture(scope="module")
def plain(chain: Chain, analysed: list[Path]) -> Path:
    """The same events, of a study without uncertainties."""
    bare = Chain(chain.path / "bare")
    bare.set_up = bare.run("configure", "plain", configure_settings(), seed=3)
    return bare.combined([bare.read(chain.out("simulate", path.name), []) for path in analysed])


def test_nominal_weights_and_scores_are_as_without_uncertainties(combined: Path, plain: Path) -> None:
    (with_them, ids), (without, other_ids) = _file(combined), _file(plain)
    np.testing.assert_array_equal(ids, other_ids)
    for name, values in without.items():
        np.testing.assert_array_equal(with_them[name], values)
    files = [EventFile(path / "events.h5", 0.2, 0.2) for path in (combined, plain)]
    point = np.array([0.01, -0.02])
    scores = [file.joint_scores(file.part("train"), point) for file in files]
    np.testing.assert_array_equal(*scores)
    assert [file.nuisance_parameters for file in files] == [NUISANCE, []]
    assert files[1].slopes("all").shape == (len(ids), 0)


def test_slopes(combined: Path) -> None:
    weights, ids = _file(combined)
    slopes = EventFile(combined / "events.h5", 0.2, 0.2).slopes("all")
    assert slopes.shape == (len(ids), 4)
    uncertain = slopes[:, 0] != 0.0
    assert slopes[uncertain, 0] == pytest.approx(np.log(1.1))
    up, down = (weights[f"mu_nuisance_param_0_benchmark_{k}"] for k in (0, 1))
    np.testing.assert_allclose(slopes[:, 1], 0.5 * np.log(up / down), atol=1e-12)
    assert np.all(slopes[ids < 0][:, 1:] == 0.0)


def _learning(folder: Path, events: Path) -> Learning:
    grid = {name: {"range": [-0.06, 0.06], "points": 7} for name in ("c_LL", "c_LR")}
    return Learning(folder, events, ["c_LL", "c_LR"], grid=grid, luminosity_pb=2_000.0)


@pytest.mark.parametrize("method", ["sally", "alices"])
def test_samples_and_limits_are_as_without_uncertainties(
    tmp_path: Path, combined: Path, plain: Path, method: str
) -> None:
    """But for rounding; the samples of score methods also have the score with respect to the nuisance parameters."""
    limits, samples = [], []
    for name, events in (("with", combined), ("without", plain)):
        learning = _learning(tmp_path / name, events)
        drawn = learning.sample(method)
        samples.append(load_samples(drawn / "train"))
        record = json.loads((drawn / "sample.json").read_text())
        assert record["parameters"] == ["c_LL", "c_LR"]
        assert record["nuisance_parameters"] == (NUISANCE if name == "with" else [])
        limits.append(np.load(learning.evaluate(method, learning.train(method, drawn)) / "limits.npz"))
    assert samples[0]["t_xz"].shape[1] == (6 if method == "sally" else 2)
    for key, values in samples[1].items():
        found = samples[0][key][:, :2] if key == "t_xz" else samples[0][key]
        assert found == pytest.approx(values, rel=1e-5, abs=1e-5)
    for key in ("p_values", "log_likelihood_ratio"):
        assert limits[0][key] == pytest.approx(limits[1][key], rel=1e-3, abs=1e-3)


def test_fisher_information_with_nuisance_parameters(tmp_path: Path, combined: Path) -> None:
    from madminer.fisherinformation import FisherInformation, profile_information

    learning = _learning(tmp_path, combined)
    out = learning.baseline("fisher", observable="m_ll", bins=[500, 700, 1000, 13000])
    record = json.loads((out / "baseline.json").read_text())
    assert record["nuisance_parameters"] == NUISANCE
    stock = FisherInformation(str(combined / "events.h5"))
    constraint = stock.nuisance_constraint_information()
    found = {"truth": stock.truth_information(np.zeros(2), 2_000.0)[0]}
    found["rate"] = stock.rate_information(np.zeros(2), 2_000.0)[0]  # with slopes of the sums, not sums of the slopes
    for name, information in found.items():
        entry = record["information"][name]
        assert np.array(entry["matrix"]) == pytest.approx(information[:2, :2])
        expected = profile_information(information + constraint, [0, 1])
        assert np.array(entry["profiled"]) == pytest.approx(expected, rel=1e-6 if name == "truth" else 0.03)
    arrays = np.load(out / "fisher.npz")
    for name in ("truth", "rate", "histogram"):
        lost = arrays[name] - arrays[f"{name}_profiled"]
        assert np.linalg.eigvalsh(lost).min() > -1e-9 * np.abs(arrays[name]).max()
        assert np.diag(lost).max() > 0.0


def test_workspaces_have_the_nuisance_parameters(tmp_path: Path, combined: Path) -> None:
    learning = _learning(tmp_path, combined)
    folder = learning.histogram(["m_ll"], [[500, 700, 1000, 13000]])
    columns, _ = _file(combined)
    found = EventFile(combined / "events.h5", 0.2, 0.2).variations("all")
    assert list(found) == NUISANCE
    for k, factor in enumerate(found["mu_nuisance_param_0"]):
        np.testing.assert_allclose(factor, columns[f"mu_nuisance_param_0_benchmark_{k}"] / columns["sm"])
    np.testing.assert_allclose(
        found["lumi_nuisance_param_0"][1], columns["sm"] / columns["lumi_nuisance_param_0_benchmark_0"]
    )
    workspace = json.loads(next(folder.glob("workspace_*.json")).read_text())
    for sample in workspace["channels"][0]["samples"]:
        assert [modifier["name"] for modifier in sample["modifiers"][1:]] == NUISANCE
        assert {modifier["type"] for modifier in sample["modifiers"][1:]} == {"histosys"}  # no uncertainty is of all


def test_a_file_that_lacks_what_another_has(tmp_path: Path, chain: Chain, analysed: list[Path]) -> None:
    fewer = (PdfSet("toy_set", 900000, 3, "hessian"),)
    other = chain.read(chain.events("signal", 50, 7, pdf_sets=fewer), ["pdf"])
    both = [analysed[0], other]
    reason = Folder(tmp_path).refusal("combine", "refused", combine_settings(both), setup=chain.set_up, analysed=both)
    assert "signal.sm.7/events.h5 has 1 nuisance parameters for pdf, " in reason
    assert reason.endswith("signal.sm.0/events.h5 has 2: generate both with the same weights")


def test_events_without_the_weights(tmp_path: Path, chain: Chain) -> None:
    events = chain.events("signal", 20, 8, pdf_sets=())
    settings = {**ALL, "systematics": ["pdf"], "sample": "signal", "benchmark": "sm", "background": False}
    reason = Folder(tmp_path).refusal("analyse", events.name, settings, setup=chain.set_up, events=events)
    assert reason.startswith("events.lhe.gz has no weights for the PDF uncertainty pdf (toy_set): MadGraph writes them")


def test_file_without_morphing_knows_its_benchmarks(chain: Chain, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    setup = folder.run("configure", "configure", {**configure_settings(), "morphing": None})
    record = json.loads((setup / "setup.json").read_text())
    assert list(record["benchmarks"]) == list(BENCHMARKS)
    assert record["morphing_matrix"] is None and record["condition_number"] is None
    events = folder.simulate(setup, folder.generate(setup), 2000)
    analysed = folder.analyse(setup, events, ALL)
    combined = folder.run("combine", "combine", combine_settings([analysed]), setup=setup, analysed=analysed)
    learning = Learning(
        tmp_path / "learning",
        combined,
        ["c_LL", "c_LR"],
        include_xsec=False,
        luminosity_pb=2_000.0,
        grid={name: {"range": [-0.06, 0.06], "points": 5} for name in ("c_LL", "c_LR")},
    )
    (learning.path / "refused").mkdir()
    at_benchmarks = {"theta0": {"benchmarks": ["ll", "lr"]}}
    result = learning.evaluate("carl", learning.train("carl", learning.sample("carl", **at_benchmarks)))
    evaluated = json.loads((result / "evaluate.json").read_text())
    assert evaluated["n_expected"] > 0.0 and "fisher_information" not in evaluated
    settings = {**learning.shared, **learning.method("alices", **at_benchmarks)}
    reason = Folder(tmp_path / "learning" / "refused").refusal("sample", "alices", settings, events=combined)
    assert reason == "alices learns from the joint score, which needs morphing: use carl, rolr, alice or nde"
    file = EventFile(combined / "events.h5", 0.2, 0.2)
    np.testing.assert_array_equal(file.coefficients(np.array([[0.05, 0.0]])), [[0.0, 1.0, 0.0]])
    with pytest.raises(StepError, match=r"weights are known only at the benchmarks, not at c_LL = 0\.01, c_LR = 0"):
        file.coefficients(np.array([[0.01, 0.0]]))
    with pytest.raises(
        StepError, match="without morphing the derivatives of the weights by the parameters are not known"
    ):
        file.gradients(np.zeros(2))


def test_uncertainties_of_a_signal_without_weight_at_the_first_benchmark(tmp_path: Path) -> None:
    """They had vanished with the weights, to which MadMiner refers them; a background keeps its own."""
    chain = Chain(tmp_path / "run")
    events = chain.simulate(chain.set_up, chain.generate(chain.set_up, "ll"), 300)
    path = events / "events.lhe.gz"
    text = re.sub(r"(<wgt id='sm'>)\s*\S+", r"\1 0.0", gzip.decompress(path.read_bytes()).decode())
    path.write_bytes(gzip.compress(with_systematics(text, pdf_sets=PDF_SETS).encode()))
    signal, background = chain.read(events, list(SYSTEMATICS)), chain.read(chain.events("ttbar", 100), ["lumi"])
    combined = chain.combined([signal, background])
    with h5py.File(combined / "events.h5") as file:
        is_reference = file["benchmarks/is_reference"][()].astype(bool)
        assert file["benchmarks/names"][()][is_reference].tolist() != [b"sm"]
        weights, names = file["samples/weights"][()], [name.decode() for name in file["benchmarks/names"][()]]
        is_signal = file["samples/sampling_benchmarks"][()] >= 0
    reference = weights[:, is_reference][:, 0]
    assert (weights[is_signal, 0] == 0.0).all()
    np.testing.assert_allclose(weights[:, names.index("lumi_nuisance_param_0_benchmark_0")], 1.1 * reference)
    variations = EventFile(combined / "events.h5", 0.2, 0.2).variations("all")
    up, down = variations["lumi_nuisance_param_0"]
    assert up == pytest.approx(1.1) and down == pytest.approx(1.0 / 1.1)
    up, down = variations["mu_nuisance_param_0"]
    assert np.std(up[is_signal]) > 0.05 and (up[~is_signal] == 1.0).all()


@pytest.mark.parametrize("one_by_one", [False, True])
def test_events_of_weight_zero_stay_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_by_one: bool) -> None:
    chain = Chain(tmp_path / "run")
    events = chain.events("signal", 60)
    path = events / "events.lhe.gz"
    head, *blocks = re.split(r"(?=<event>)", gzip.decompress(path.read_bytes()).decode())
    weight = r"(<wgt [^>]*>|<event>\s*\S+\s+\S+)\s+\S+"  # the nominal one is the third number of an event
    blocks[:5] = [re.sub(weight, r"\1 0.0", block) for block in blocks[:5]]
    path.write_bytes(gzip.compress("".join([head, *blocks]).encode()))
    if one_by_one:

        def refuse(*_arguments: Any) -> None:
            raise NotInColumnsError("a test")

        monkeypatch.setattr(les_houches, "analyse", refuse)
    analysed = chain.read(events, list(SYSTEMATICS))
    with h5py.File(analysed / "events.h5") as file:
        weights = file["samples/weights"][()]
    assert np.isfinite(weights).all() and (weights[:5] == 0.0).all() and (weights[5:] != 0.0).all()
