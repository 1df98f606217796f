"""Small inputs that once went wrong, each with the right value from sums over the weights of its own events."""

import gzip
import json
import lzma
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT

pytest.importorskip("madminer", reason="needs mmc[steps]")

import h5py
from mmc.cli.main import main
from mmc.jobs.steps import runner

CASES = ROOT.parent / "shared" / "cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"{CASES} is not there")


def problems(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What ``mmc validate`` finds wrong."""
    assert main(["validate", str(CASES / name / "study.yaml")]) != 0
    return capsys.readouterr().out


plain = pytest.mark.usefixtures("plain_figures")


class Run:
    """All jobs of a case, in this process."""

    def __init__(self, name: str, folder: Path, *changes: tuple[str, str]) -> None:
        self.study = Path(shutil.copytree(CASES / name, folder / "case")) / "study.yaml"
        self.study.chmod(0o644)
        text = self.study.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        self.study.write_text(f"{text}\nplots: {{formats: [svg]}}\n")
        self.folder = folder

    def jobs(self) -> list[list[str]]:
        """The words of each job after ``mmc step``."""
        bundle = self.folder / "bundle"
        assert main(["compile", str(self.study), "--target", "script", "--out", str(bundle)]) == 0
        words = ["bash", str(bundle / "run.sh"), "-n", "-o", str(self.folder / "out")]
        listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        return [shlex.split(line)[2:] for line in listed.splitlines()]

    def finish(self, monkeypatch: pytest.MonkeyPatch) -> "Run":
        """Run all jobs, which must succeed."""
        jobs = self.jobs()
        monkeypatch.chdir(self.folder / "bundle")
        for words in jobs:
            assert runner.main(words) == 0, words
        return self

    def refusal(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
        """Run jobs until one fails, and return its message."""
        jobs = self.jobs()
        monkeypatch.chdir(self.folder / "bundle")
        for words in jobs:
            capsys.readouterr()
            if runner.main(words) != 0:
                return capsys.readouterr().err.splitlines()[-1]
        raise AssertionError("all jobs succeed")

    def baseline(self, name: str) -> dict[str, Any]:
        """The record of a baseline."""
        found: dict[str, Any] = json.loads((self.folder / "out" / "baselines" / name / "baseline.json").read_text())
        return found


def test_one_point_of_the_grid_without_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("histogram-lost-by-one-grid-point", tmp_path).finish(monkeypatch)
    found = run.baseline("histogram")
    ((low, high),) = found["intervals"]["a"]["0.95"]
    # between 161 points along each axis instead of 21; the highest points of the case's grid alone give 0.934 and 1.082
    assert (low, high) == (pytest.approx(0.897, abs=0.01), pytest.approx(1.105, abs=0.01))
    assert found["warnings"] == []


def test_true_point_outside_the_grid(capsys: pytest.CaptureFixture[str]) -> None:
    assert "at the true point, c = 1.5 is outside the grid [-1, 1]" in problems("true-point-outside-grid", capsys)


def mean_weight(file: Path) -> float:
    """The mean of the event weights of a Les Houches file, in pb."""
    with gzip.open(file, "rt") as lines:
        weights = [float(next(lines).split()[2]) for line in lines if line == "<event>\n"]
    return sum(weights) / len(weights)


def test_events_of_weight_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("zero-weight-events", tmp_path).finish(monkeypatch)
    files = (CASES / "zero-weight-events" / name for name in ("sm.lhe.gz", "bkg.lhe.gz"))
    expected = 300.0 * sum(mean_weight(file) for file in files)
    for name in ("rate", "histogram"):
        found = run.baseline(name)
        assert found["n_expected"] == pytest.approx(expected, rel=0.05)  # the test events are a part of all events
    rate = run.baseline("rate")
    ((low, high),), ((lowest, highest),) = (
        entry["intervals"]["c"]["0.95"] for entry in (rate, rate["with_systematics"])
    )
    # an uncertainty of 10 % adds 0.01 N^2 to the variance N, and the interval grows by about the root of the ratio
    assert (highest - lowest) / (high - low) == pytest.approx((1.0 + 0.01 * rate["n_expected"]) ** 0.5, rel=0.05)


def test_parameters_in_small_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = (
        ("samples: 10000", "samples: 2000"),
        ("n: 200", "n: 50"),
        ("epochs: 8", "epochs: 3"),
        ("epochs: 10", "epochs: 3"),
    )
    run = Run("small-units", tmp_path, *fewer).finish(monkeypatch)
    record = json.loads((run.folder / "out" / "configure" / "configure" / "setup.json").read_text())
    assert record["condition_number"] < 10.0  # 4 in units of the benchmarks, whose range is twice as wide
    assert run.baseline("rate")["n_expected"] == pytest.approx(500.0, rel=0.01)  # 1 pb and 0.5 fb^-1


@plain
def test_events_that_are_not_shuffled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("unshuffled-event-file", tmp_path).finish(monkeypatch)
    assert run.baseline("rate")["n_expected"] == pytest.approx(27.0, rel=0.1)


@pytest.mark.parametrize(
    ("cut", "told"),
    [("pt > 50.", "pt > 50."), ("mu[0].pt > 50. and len(mu) > 0", "pt > 50.0")],
    ids=["pt", "its definition"],
)
def test_observed_events_that_fail_a_cut(
    cut: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = Run("observed-events-not-cut", tmp_path, ("- pt > 50.", f"- {cut}")).refusal(monkeypatch, capsys)
    assert f"300 of the 500 observed events of obs.csv fail the cut {told}," in message


def test_observed_events_that_pass_the_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("observed-events-not-cut", tmp_path)
    file = run.study.parent / "obs.csv"
    head, *rows = file.read_text().splitlines()
    file.chmod(0o644)
    file.write_text(
        "\n".join([head, *(row for row in rows if float(row.split(",")[head.split(",").index("pt")]) > 50.0)])
    )
    found = run.finish(monkeypatch).baseline("histogram")["observed"]
    assert found["best_fit"]["c"] == pytest.approx(0.05, abs=0.026)
    ((low, high),) = found["intervals"]["c"]["0.95"]
    assert (low, high) == (pytest.approx(-0.013, abs=0.01), pytest.approx(0.132, abs=0.01))


@plain
def test_weights_that_average_to_the_cross_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("lhe-without-run-card", tmp_path).finish(monkeypatch)
    assert run.baseline("rate")["n_expected"] == pytest.approx(1700.0, rel=0.03)


@plain
def test_a_file_that_lacks_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = Run("filtered-lhe", tmp_path / "as it stands").refusal(monkeypatch, capsys)
    assert "says that 6,000 events were generated" in message and "write `filtered: true`" in message
    run = Run("filtered-lhe", tmp_path / "said", ("lhe: sm.lhe.gz", "lhe: sm.lhe.gz\n        filtered: true"))
    assert run.finish(monkeypatch).baseline("rate")["n_expected"] == pytest.approx(356.3, rel=0.03)


@plain
def test_slices_of_phase_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = Run("samples-files-averaged", tmp_path / "as it stands").refusal(monkeypatch, capsys)
    assert "cross section of 10 pb" in message and "give each file a `slice`" in message
    slices = (
        ("lhe: low.lhe.gz", "lhe: low.lhe.gz\n        slice: low"),
        ("lhe: high", "slice: high\n        lhe: high"),
    )
    run = Run("samples-files-averaged", tmp_path / "said", *slices).finish(monkeypatch)
    assert run.baseline("rate")["n_expected"] == pytest.approx(1110.0, rel=0.03)


@plain
def test_scale_weights_outside_their_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("scale-weights-outside-group", tmp_path).finish(monkeypatch)
    with h5py.File(run.folder / "out" / "combine" / "combine" / "events.h5") as file:
        names = [name.decode() for name in file["benchmarks/names"][()]]
        sums = dict(zip(names, file["samples/weights"][()].sum(axis=0), strict=True))
    for k, factor in enumerate((1.2, 0.85)):  # MUR = MUF = 2 and 0.5 of every event
        assert sums[f"scale_nuisance_param_0_benchmark_{k}"] / sums["sm"] == pytest.approx(factor)


@plain
def test_negative_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("nlo-negative-weights", tmp_path).finish(monkeypatch)
    assert run.baseline("rate")["n_expected"] == pytest.approx(1000.0, rel=0.05)


EVALUATED = """evaluation:
  luminosity: 3 fb^-1
  grid: {mt: {range: [168, 176], points: 5}}
  theta_true: {benchmark: m172}
  baselines:
    rate: true
    histogram: {observables: [pt], bins: {pt: 5}}
methods:
"""


def test_masses_without_morphing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ALICE learns r at benchmarks, and limits at the benchmarks follow from their own weights."""
    points = (
        "    theta0: {benchmarks: [m168, m170, m172, m174, m176]}\n    theta1: {benchmark: m172}\n    samples: 1000\n"
    )
    quick, longer = (f"    training: {{n_epochs: {n}, initial_lr: {rate}}}\n" for n, rate in ((15, 0.005), (20, 0.01)))
    others = f"  carl:\n{points}{quick}  rolr:\n{points}{longer}"
    others += "  nde:\n    theta: {benchmarks: [m168, m170, m172, m174, m176]}\n    samples: 1000\n"
    changes = ("methods:\n", EVALUATED + others), ("    samples: 2000\n", f"    samples: 1000\n{quick}")
    run = Run("benchmarks-alone", tmp_path, *changes).finish(monkeypatch)
    rate = run.baseline("rate")
    assert rate["n_expected"] == pytest.approx(3000.0, rel=0.05)
    for name in ("carl", "rolr", "nde", "alice"):
        record = json.loads((run.folder / "out" / "evaluate" / name / "evaluate.json").read_text())
        assert record["n_expected"] == pytest.approx(3000.0, rel=0.05), name
        assert record["p_true"] > 0.05, name


def test_what_needs_a_score_is_refused_without_morphing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = Run(
        "benchmarks-alone", tmp_path, ("methods:\n", "methods:\n  sally: {theta: {benchmark: m172}, samples: 9}\n")
    ).study
    assert main(["validate", str(study)]) != 0
    assert "sally learns from the joint score, which needs morphing" in capsys.readouterr().out


@plain
def test_leptons_of_two_flavours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("delphes-leptons-mixed", tmp_path).finish(monkeypatch)
    with h5py.File(run.folder / "out" / "combine" / "combine" / "events.h5") as file:
        names = [name.decode() for name in file["observables/names"][()]]
        means = dict(zip(names, file["samples/observations"][()].mean(axis=0), strict=True))
    record = json.loads((run.folder / "out" / "combine" / "combine" / "events.json").read_text())
    assert any(
        text.startswith("mmc cannot check that sm.root has the events of sm.lhe.gz") for text in record["warnings"]
    )
    assert (means["lq"], means["lid"], means["eid"], means["muid"], means["l1q"]) == (1.0, -11.0, -11.0, 13.0, -1.0)


@plain
def test_delphes_files_of_other_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = Run("delphes-files-swapped", tmp_path / "swapped").refusal(monkeypatch, capsys)
    assert "holds other events than" in message and "the weights of 0 of 500 events agree" in message
    run = Run("delphes-files-swapped", tmp_path / "right")
    here = run.study.parent
    for name, other in (("sm.root", "x"), ("w.root", "sm.root"), ("x", "w.root")):
        (here / name).rename(here / other)
    run.finish(monkeypatch)
    with h5py.File(run.folder / "out" / "combine" / "combine" / "events.h5") as file:
        names = [name.decode() for name in file["observables/names"][()]]
        pt, weight = file["samples/observations"][:, names.index("pt_j1")], file["samples/weights"][:, 0]
        from_sm = file["samples/sampling_benchmarks"][()] == 0
    assert (pt[from_sm] @ weight[from_sm]) / weight[from_sm].sum() == pytest.approx(103.0, rel=0.05)


SECOND_FILE = "        lhe: sm.lhe.gz\n      - benchmark: sm\n        filtered: true\n        lhe: {}\n"
SECOND_SAMPLE = (
    "        lhe: sm.lhe.gz\n    other:\n      background: true\n      files:\n      - benchmark: sm\n"
    "        filtered: true\n        lhe: {}\n"
)


@pytest.mark.parametrize(("of_file", "text"), [("copy.lhe", SECOND_FILE), ("part.lhe.xz", SECOND_SAMPLE)])
def test_copies_of_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], of_file: str, text: str
) -> None:
    """The whole file under another name, without its weights' declarations; a tenth of it as another sample."""
    run = Run("nlo-negative-weights", tmp_path, ("        lhe: sm.lhe.gz\n", text.format(of_file)))
    head, *events = gzip.decompress((run.study.parent / "sm.lhe.gz").read_bytes()).decode().split("<event>")
    kept = events if of_file == "copy.lhe" else [event.partition("<rwgt>")[0] + "</event>\n" for event in events[:600]]
    whole = "<event>\n# another comment".join([head.replace("3.5.7", "3.5.8"), *kept]).removesuffix(
        "</LesHouchesEvents>\n"
    )
    pack = lzma.compress if of_file.endswith("xz") else bytes
    (run.study.parent / of_file).write_bytes(pack((whole + "</LesHouchesEvents>\n").encode()))
    message = run.refusal(monkeypatch, capsys)
    number, job = ("6,000 of 6,000", "signal.sm.1") if of_file == "copy.lhe" else ("600 of 600", "other.sm.0")
    assert (
        f"{of_file} ({job}) has events of sm.lhe.gz (signal.sm.0): {number} that mmc compares are the same." in message
    )
