import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from mmc.jobs.job import write_json
from mmc.jobs.report.coverage_map import coverage_figure
from mmc.jobs.report.figures import Curve, axis_label, contour_figure, loss_figure, p_value_figure, plain, render
from mmc.jobs.report.pictures import _region_text
from scipy.stats import chi2

from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import write_events

SCHEMA = json.loads(files("mmc.schema").joinpath("1.0", "results.json").read_text(encoding="utf-8"))
EVERYTHING = ("events", "model", "limits", "baseline")
LIMITS = ("contours_c1_c2", "profile_c1", "profile_c2")
FISHER = ("fisher_c1_c2",)
NASTY = [r"$\frac{c$ <b>&\" {x} %", "$", "$$", r"$c_{LL}\ [\mathrm{TeV}^{-2}]$", "Kopplung κ ²", "\\", "日本"]


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def results(folder: Path) -> dict[str, Any]:
    """The results, which follow their schema and name files that exist."""
    content: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(content, SCHEMA)
    grids = [entry["grid"] for entry in content["methods"] + content["baselines"]]
    for name in [*grids, *chain(*content["figures"].values())]:
        assert (folder / name).stat().st_size > 500, name
    return content


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, toy_events: Path) -> dict[str, Any]:
    """A good and a bad method, and all baselines; the bad one excludes its true point."""
    learning = Learning(tmp_path_factory.mktemp("run"), toy_events)
    learning.events = toy_events
    models, limits = [], []
    for method, training in (("sally", {"n_epochs": 10}), ("carl", {"initial_lr": 1.0, "final_lr": 1.0})):
        models.append(learning.train(method, learning.sample(method, samples=5000), **training))
        limits.append(learning.evaluate(method, models[-1]))
    baselines = [
        learning.baseline("rate"),
        learning.histogram(["x1", "x2"], [6, 6]),
        learning.baseline("fisher", observable="x1", bins=5),
    ]
    return {"learning": learning, "model": models, "limits": limits, "baseline": baselines, "events": [toy_events]}


def report(run: dict[str, Any], *inputs: str) -> Path:
    learning: Learning = run["learning"]
    return learning.report(**{name: run[name] for name in inputs})


@pytest.fixture(scope="module")
def whole(run: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of everything."""
    return report(run, *EVERYTHING).rename(tmp_path_factory.mktemp("whole") / "report")


def test_critical_values_from_toys(run: dict[str, Any], monkeypatch: pytest.MonkeyPatch, plain_figures: None) -> None:
    """All likelihoods; the closure tests of coverage are those of the published regions."""
    monkeypatch.setattr("mmc.jobs.statistics.neyman.TOYS", 2000)
    learning: Learning = run["learning"]
    limits = [
        learning.evaluate(model.name, model, job=f"{model.name}_toys", confidence="toys") for model in run["model"]
    ]
    baselines = [
        learning.baseline("rate", "rate_toys", confidence="toys"),
        learning.baseline("truth", "truth_toys", confidence="toys"),
        learning.baseline("histogram", "histogram_toys", confidence="toys", observables=["x1"], bins=[6]),
    ]
    folder = learning.report(model=run["model"], limits=limits, baseline=baselines, events=run["events"])
    content, page = results(folder), (folder / "index.html").read_text()
    for entry in content["methods"] + content["baselines"]:
        assert entry["toys"]["per_point"] >= 40 and f"coverage_{entry['name']}" in content["figures"]
        values: dict[float, Any] = {level: {} for level in entry["confidence_levels"]}
        for item in entry["toys"]["map"]:
            values[item["level"]][tuple(item["theta"].values())] = item
        if "coverage" in entry["closure"]:
            for item in entry["closure"]["coverage"]:
                own = values[item["level"]].get(tuple(item["theta"].values()))
                if own is not None:
                    chi_square = chi2.ppf(item["level"], entry["degrees_of_freedom"])
                    assert item["widening"] == pytest.approx(own["critical_value"] / chi_square)
        points = len(entry["toys"]["map"]) // len(values)
        assert f"{points * entry['toys']['per_point']:,} toys at {points} points" in page
    assert "Critical values from toys" in page
    assert content["methods"][0]["verdict"] == "passed"


@pytest.mark.parametrize("names", [["c1"], ["c1", "c2"], ["c1", "c2", "c3"]])
def test_a_coverage_map_is_drawn_without_images(names: list[str]) -> None:
    """The content security policy of a page forbids them."""
    entries = [
        {"theta": dict.fromkeys(names, at), "level": level, "coverage": level - 0.1 * at}
        for at in (-0.5, 0.0, 0.5)
        for level in (0.68, 0.95)
    ]
    record = {"name": "rate", "best_fit": dict.fromkeys(names, 0.0), "toys": {"per_point": 100, "map": entries}}
    one, other = (coverage_figure(record, {name: name for name in names}, dict.fromkeys(names, 0.0)) for _ in range(2))
    svg = render(one, "svg")
    assert b"<image" not in svg and svg == render(other, "svg")
    assert len(one.axes) == (2 if len(names) == 1 else 4)


def test_everything(whole: Path) -> None:
    folder = whole
    content = results(folder)
    assert [entry["verdict"] for entry in content["methods"]] == ["passed", "failed"]
    assert {entry["name"] for entry in content["baselines"]} == {"rate", "histogram"}
    assert set(content["fisher_information"]["information"]) == {"truth", "rate", "histogram"}
    assert content["warnings"][0].startswith("carl: closure failed: ")
    assert content["events"]["per_benchmark"]["sm"] == 4000
    assert set(content["figures"]) == {*LIMITS, "closure_sally", "closure_carl", "closure_histogram", "losses", *FISHER}
    assert all(content["versions"][package] for package in ("madminer", "torch"))
    assert np.load(folder / "limits_sally.npz")["p_values"].shape == (9, 9)
    page = Page((folder / "index.html").read_text(encoding="utf-8"))
    assert "✗ failed" in page.text and "✓ passed" in page.text
    assert page.text.index("carl: closure failed") < page.text.index("Confidence regions")
    assert "A toy" in page.text and "prefers-color-scheme" in page.text


def test_the_page_needs_nothing_outside_itself(whole: Path) -> None:
    text = (whole / "index.html").read_text(encoding="utf-8")
    for tag, attributes in Page(text).tags:
        assert tag != "script" or not attributes
        assert tag not in ("link", "img", "iframe", "object")
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("href", "xlink:href", "src"):
                assert (value or "").startswith("#")
    assert not re.search(r"url\((?!#)|@import", text)


def test_the_same_results_give_the_same_bytes(run: dict[str, Any], whole: Path) -> None:
    first, again = (
        {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "job.json"}
        for folder in (whole, report(run, *EVERYTHING))
    )
    assert first == again


def test_only_baselines(run: dict[str, Any], plain_figures: None) -> None:
    content = results(report(run, "events", "baseline"))
    assert content["methods"] == [] and set(content["figures"]) == {*LIMITS, "closure_histogram", *FISHER}


def test_limits_at_a_further_luminosity_have_figures_of_their_own(run: dict[str, Any]) -> None:
    learning: Learning = run["learning"]
    at = {"luminosity_pb": 4 * learning.evaluation["luminosity_pb"], "luminosity": "36.1fb"}
    more = learning.baseline("rate", job="rate.36_1fb", region=at)
    first = run["baseline"][0]
    found = [json.loads((path / "baseline.json").read_text()) for path in (first, more)]
    assert found[1]["n_expected"] == pytest.approx(4 * found[0]["n_expected"])
    assert (
        found[1]["infinite_simulation"]["allowed_area"]["0.95"]
        < found[0]["infinite_simulation"]["allowed_area"]["0.95"]
    )
    content = results(
        learning.report(formats=["svg"], events=run["events"], baseline=[first, more, run["baseline"][2]])
    )
    assert set(content["figures"]) == {*LIMITS, *(f"{name}_36_1fb" for name in LIMITS), *FISHER}
    assert [entry.get("luminosity") for entry in content["baselines"]] == [None, "36.1fb"]
    assert content["evaluation"]["luminosity_pb"] == learning.evaluation["luminosity_pb"]


def test_edges_of_the_score_are_edges(run: dict[str, Any]) -> None:
    learning: Learning = run["learning"]
    bins: dict[str, Any] = {"edges": [-4.0, 0.0, 4.0], "equal": {"n": 2, "range": [-4.0, 4.0], "scale": "linear"}}
    folders = [learning.evaluate("sally", run["model"][0], job=job, binning=item) for job, item in bins.items()]
    first, second, adaptive = (np.load(path / "limits.npz") for path in (*folders, run["limits"][0]))
    assert (first["log_likelihood_ratio"] == second["log_likelihood_ratio"]).all()
    assert (first["log_likelihood_ratio"] != adaptive["log_likelihood_ratio"]).any()


def test_only_methods(run: dict[str, Any], plain_figures: None) -> None:
    content = results(report(run, "model", "limits"))
    assert content["baselines"] == [] and content["fisher_information"] is None and content["events"] is None


def test_limits_without_their_models(run: dict[str, Any], plain_figures: None) -> None:
    content = results(report(run, "limits"))
    assert [entry["training"] for entry in content["methods"]] == [None, None]
    assert set(content["figures"]) == {*LIMITS, "closure_sally", "closure_carl"}


def test_only_fisher_information(run: dict[str, Any], plain_figures: None) -> None:
    content = results(run["learning"].report(events=run["events"], baseline=run["baseline"][2:]))
    assert set(content["figures"]) == set(FISHER) and content["evaluation"]["n_expected"] > 0


def test_groups_of_samples(tmp_path: Path, toy_events: Path) -> None:
    """Methods and baselines of two groups; each group has its own events, expectation and information."""
    groups = ["signal_only", "both"]
    for group in groups:
        shutil.copytree(toy_events, tmp_path / group)
        write_json(tmp_path / group / "job.json", {"job": group})
    learning = Learning(tmp_path / "learning", toy_events)
    learning.events = [tmp_path / group for group in groups]
    models, limits = [], []
    for method, group in zip(("sally", "carl"), groups, strict=True):
        models.append(learning.train(method, learning.sample(method, group=group)))
        limits.append(learning.evaluate(method, models[-1], group=group))
    baselines = [
        learning.baseline(kind, job=f"{kind}.{group}", group=group, **own)
        for group in groups
        for kind, own in (("rate", {}), ("fisher", {"observable": None, "bins": 5}))
    ]
    inputs = {"events": learning.events, "model": models, "limits": limits, "baseline": baselines}
    folder = learning.report(groups=groups, formats=["svg"], **inputs)
    content = results(folder)
    assert content["events"] is content["evaluation"] is content["fisher_information"] is None
    assert list(content["groups"]) == groups
    for group, part in content["groups"].items():
        assert part["events"]["n_events"] > 0 and part["evaluation"]["n_expected"] > 0
        assert (folder / part["fisher_information"]["matrices"]).name == f"fisher_fisher.{group}.npz"
        assert (folder / part["fisher_information"]["matrices"]).is_file()
    assert {entry["name"]: entry["group"] for entry in content["methods"] + content["baselines"]} == {
        "sally": "signal_only",
        "carl": "both",
        "rate.signal_only": "signal_only",
        "rate.both": "both",
    }
    page = Page((folder / "index.html").read_text(encoding="utf-8"))
    assert "Benchmarks: both" in page.text and "information matrices at the true point: signal_only" in page.text


@pytest.mark.parametrize(("parameters", "n_contours"), [(1, 0), (3, 3)])
def test_other_numbers_of_parameters(tmp_path: Path, parameters: int, n_contours: int) -> None:
    learning = Learning(tmp_path, write_events(tmp_path / "events", parameters, 4000), parameters)
    learning.evaluation["grid"] = {f"c{k + 1}": {"range": [-1.0, 1.0], "points": 6 + k} for k in range(parameters)}
    model = learning.train("sally", learning.sample("sally"))
    inputs = {"model": [model], "limits": [learning.evaluate("sally", model)], "baseline": [learning.baseline("rate")]}
    content = results(learning.report(formats=["svg"], events=[learning.events], **inputs))
    assert sum(name.startswith("contours") for name in content["figures"]) == n_contours
    assert ("p_values_c1" in content["figures"]) is (parameters == 1)


@pytest.mark.parametrize(("first", "second"), [*zip(NASTY, [*NASTY[1:], NASTY[0]], strict=True)])
def test_any_label_means_itself(run: dict[str, Any], first: str, second: str) -> None:
    """In the figures that show parameters, on either axis, with their curves and with information."""
    rate, _, fisher = run["baseline"]
    results(run["learning"].report({"c1": first, "c2": second}, baseline=[rate, fisher]))
    for label in (first, second):
        assert axis_label(label) in (label, plain(label))


def test_text_of_the_study_is_escaped(run: dict[str, Any], tmp_path: Path, plain_figures: None) -> None:
    learning: Learning = run["learning"]
    spoilt = tmp_path / "rate"
    spoilt.mkdir()
    for source in run["baseline"][0].iterdir():
        (spoilt / source.name).write_bytes(source.read_bytes())
    record = json.loads((spoilt / "baseline.json").read_text())
    write_json(spoilt / "baseline.json", {**record, "warnings": ["<script>alert(1)</script> {{ 7 * 7 }}"]})
    page = Page((learning.report(baseline=[spoilt]) / "index.html").read_text(encoding="utf-8"))
    assert [tag for tag, _ in page.tags].count("script") == 1  # ours
    assert "<script>alert(1)</script> {{ 7 * 7 }}" in page.text


def curves(*names: str, dimensions: int = 2) -> Iterator[Curve]:
    axes = {f"c{k + 1}": np.linspace(-1, 1, 7) for k in range(dimensions)}
    square = sum(np.square(x) for x in np.meshgrid(*axes.values(), indexing="ij"))
    for k, name in enumerate(names):
        verdict = next((word for word in ("failed", "doubtful") if word in name), "passed")
        yield Curve(name, "#0072B2", False, verdict, axes, -(8.0 + k) * square, dict.fromkeys(axes, 0.0), dimensions)


def test_a_contour_that_fails_its_closure_is_dashed_and_says_so() -> None:
    figure = contour_figure(
        list(curves("good", "failed $")), ("c1", "c2"), {"c1": "a", "c2": "b"}, 0.95, {"c1": 0, "c2": 0}
    )
    (axes,) = figure.axes
    solid, dashed = (contour.get_linestyles()[0][1] for contour in axes.collections)
    assert solid is None and dashed is not None
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["good", r"failed \$ (closure failed)", "true point", "best fit"]


def test_a_contour_is_where_the_likelihood_crosses_the_threshold() -> None:
    figure = contour_figure(list(curves("good")), ("c2", "c1"), {"c1": "a", "c2": "b"}, 0.95, {"c1": 0, "c2": 0})
    (path,) = figure.axes[0].collections[0].get_paths()
    radius = np.hypot(*path.vertices.T)
    assert radius == pytest.approx((5.991 / 16.0) ** 0.5, rel=0.05)


def test_a_contour_of_a_rate_has_one_degree_of_freedom_and_an_ensemble_a_band() -> None:
    (curve,) = curves("rate")
    curve = replace(curve, degrees_of_freedom=1, training_error=-0.2 * curve.log_likelihood_ratio)
    figure = contour_figure([curve], ("c1", "c2"), {"c1": "a", "c2": "b"}, 0.95, {"c1": 0, "c2": 0})
    band, line = (np.hypot(*drawn.get_paths()[0].vertices.T) for drawn in figure.axes[0].collections)
    # -2 ln λ = 16 r², times 0.8 and 1.2 at the ends of the band
    expected = [(3.841 / 16.0 / factor) ** 0.5 for factor in (1.2, 0.8, 1.0)]
    assert [band[band > 0.0].min(), band.max(), line.mean()] == pytest.approx(expected, rel=0.05)
    at_95 = {"allowed_fraction": 0.25, "allowed_area": 0.241, "allowed_area_error": 0.003}
    record = {key: {"0.95": value} for key, value in at_95.items()}
    text = _region_text({"rate": record}, {"rate": ""}, [curve])
    assert text.endswith("rate 24.1 ± 0.3 %. Bands: ln λ of rate larger or smaller by the error of the training.")


def test_curves_of_one_parameter() -> None:
    figure = p_value_figure(list(curves("good", "failed", dimensions=1)), {"c1": "a"}, [0.68, 0.95], {"c1": 0.0})
    assert [line.get_linestyle() for line in figure.axes[0].lines[:2]] == ["-", "--"]
    assert render(figure, "svg").startswith(b"<?xml")


def test_losses_of_many_trainings() -> None:
    record = {"loss_train": [2.0, 1.0], "loss_validation": [2.0, 1.5], "kept_epoch": 2}
    figure = loss_figure({f"m{k}": record for k in range(5)})
    assert [axes.get_visible() for axes in figure.axes] == [True] * 5 + [False]
    assert render(figure, "png").startswith(b"\x89PNG")
