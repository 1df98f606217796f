import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmc.cli.main import main
from mmc.cli.study_file import read
from mmc.compiler.catalogue.morphing import completed_names, component_count
from mmc.compiler.settings.configure import CoefficientParameter, ConfigureSettings, Morphing
from mmc.compiler.settings.encoding import from_json
from mmc.errors import StepError
from mmc.jobs.madminer import workarounds
from mmc.jobs.madminer.morphing_basis import find_basis, grid_points

from tests.jobs.physics import BENCHMARKS, Folder, configure_settings
from tests.support import STUDIES

workarounds.apply()
from madminer.core import MadMiner  # noqa: E402
from madminer.models import AnalysisParameter, Benchmark  # noqa: E402
from madminer.utils.morphing import PhysicsMorpher  # noqa: E402


@settings(deadline=None)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(1, 4), st.data())
def test_names_and_number_are_those_of_madminer(powers: list[int], overall: int, data: st.DataObject) -> None:
    parameters = {f"c{i}": AnalysisParameter(f"c{i}", "b", i, n, (-1.0, 1.0), "theta") for i, n in enumerate(powers)}
    morpher = PhysicsMorpher(parameters)
    n_components = len(morpher.find_components(overall))
    assert component_count(powers, overall) == n_components
    names = [f"b{i}" for i in range(data.draw(st.integers(0, min(n_components, 2))))]
    benchmarks = {name: Benchmark(name, dict.fromkeys(parameters, 0.5 * i)) for i, name in enumerate(names)}
    found = morpher.optimize_basis(benchmarks_from_madminer=benchmarks, n_trials=1, n_test_thetas=1)
    assert (*names, *completed_names(names, n_components)) == tuple(found)


def test_the_basis_is_that_of_madminer() -> None:
    chosen = from_json(ConfigureSettings, configure_settings())
    assert chosen.morphing is not None
    np.random.seed(12)
    after = np.random.get_state()[1].tolist()
    basis = find_basis(chosen, 12)
    assert basis is not None
    assert np.random.get_state()[1].tolist() == after
    miner = MadMiner()
    for name, entry in chosen.parameters.items():
        miner.add_parameter("b", 1, name, "theta", entry.max_power, entry.range)
    miner.set_benchmarks(dict(BENCHMARKS))
    miner.set_morphing(
        max_overall_power=chosen.morphing.max_overall_power,
        n_trials=chosen.morphing.n_trials,
        n_test_thetas=chosen.morphing.n_test_thetas,
    )
    # to rounding: mmc finds the basis in units of the parameters' ranges
    assert list(basis.points) == list(miner.benchmarks)
    for name, benchmark in miner.benchmarks.items():
        assert basis.points[name] == pytest.approx(dict(benchmark.values), rel=1e-12)
    np.testing.assert_allclose(basis.matrix, miner.morpher.morphing_matrix, rtol=1e-6, atol=1e-9)
    assert basis.components.tolist() == miner.morpher.components.tolist()


def test_plan_shows_the_basis_that_the_job_makes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "study.yaml"
    lines = (STUDIES / "drell-yan" / "tiny.yaml").read_text().splitlines(keepends=True)
    study.write_text("".join(line for line in lines if not line.startswith(("  lr_minus:", "  both:"))))
    stage = read(str(study)).plan().stage("configure")
    out = Folder(tmp_path).run("configure", "configure", stage.settings, seed=stage.jobs[0].seed)
    record = json.loads((out / "setup.json").read_text())
    assert main(["plan", str(study), "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)["morphing_basis"]
    assert shown["points"] == record["benchmarks"]
    assert "morphing_basis_vector_5" in shown["points"]
    for figure in ("condition_number", "largest_squared_weight"):
        assert shown[figure] == record[figure]


def test_plan_says_what_is_wrong_with_a_basis(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rules of a study see most of it, but not how large numbers are to a computer."""
    text = (STUDIES / "drell-yan" / "tiny.yaml").read_text()
    study = tmp_path / "study.yaml"
    study.write_text(text.replace("lr_plus: {c_LL: 0, c_LR: 0.05}", "lr_plus: {c_LL: 0, c_LR: 1e-20}"))
    assert main(["plan", str(study)]) == 0
    assert "\nmorphing basis: the morphing basis is" in capsys.readouterr().out


@pytest.mark.parametrize("scale", [1e308, 1e-320])
@pytest.mark.parametrize("given", [1.0, 1e-308])
def test_numbers_that_are_too_large_or_small_for_a_computer(scale: float, given: float) -> None:
    """Ranges of any size are valid in a study; benchmarks in their units or not."""
    chosen = ConfigureSettings(
        parameters={"c": CoefficientParameter(coefficient="LL", range=(-scale, scale), max_power=2)},
        benchmarks={"a": {"c": -given * scale}, "b": {"c": 0.0}, "c": {"c": given * scale}},
        morphing=Morphing(max_overall_power=4, n_trials=1, n_test_thetas=1, complete=False),
    )
    with pytest.raises(StepError, match=r"the morphing basis is|use another unit"):
        find_basis(chosen, 1)
    with pytest.raises(StepError, match=r"the morphing basis is|use another unit"):
        find_basis(replace(chosen, benchmarks={"a": {"c": 0.5}, "b": {"c": 0.0}, "c": {"c": 1.0}}), 1)


def test_squared_weights_are_summed_up_on_a_grid() -> None:
    """One parameter, benchmarks at -1, 0 and 1: the weights are (θ² - θ) / 2, 1 - θ² and (θ² + θ) / 2."""
    chosen = ConfigureSettings(
        parameters={"c": CoefficientParameter(coefficient="LL", range=(-1, 2), max_power=2)},
        benchmarks={"a": {"c": -1.0}, "b": {"c": 0.0}, "c": {"c": 1.0}, "probe": {"c": 5.0}},
        outside_basis=("probe",),
        morphing=Morphing(max_overall_power=4, n_trials=1, n_test_thetas=1, complete=False),
    )
    basis = find_basis(chosen, 1)
    assert basis is not None
    assert list(basis.points) == ["a", "b", "c"]
    assert basis.largest_squared_weight == pytest.approx(1.0**2 + 3.0**2 + 3.0**2)
    assert basis.summary()["points"] == {"a": {"c": -1.0}, "b": {"c": 0.0}, "c": {"c": 1.0}}
    assert find_basis(replace(chosen, morphing=None), 1) is None


@pytest.mark.parametrize(("n_parameters", "per_axis"), [(1, 101), (2, 101), (3, 27), (4, 11), (14, 2)])
def test_grid(n_parameters: int, per_axis: int) -> None:
    points = grid_points(np.array([[-1.0, 3.0]] * n_parameters))
    assert points.shape == (per_axis**n_parameters, n_parameters)
    assert len(points) <= 20_000
    assert points[0].tolist() == [-1.0] * n_parameters
    assert points[-1].tolist() == [3.0] * n_parameters


def test_many_parameters_are_tried_at_corners() -> None:
    points = grid_points(np.array([[-1.0, 3.0]] * 20))
    assert points.shape == (20_000, 20)
    assert np.unique(points).tolist() == [-1.0, 3.0]


def test_a_name_that_madminer_takes() -> None:
    chosen = configure_settings({**BENCHMARKS, "morphing_basis_vector_5": {"c_LL": 0.01, "c_LR": 0.01}})
    with pytest.raises(StepError, match="MadMiner gives the name morphing_basis_vector_5"):
        find_basis(from_json(ConfigureSettings, chosen), 1)


def test_too_few_benchmarks_for_a_basis_of_their_own() -> None:
    chosen = configure_settings()
    chosen["morphing"]["complete"] = False
    with pytest.raises(StepError, match="3 benchmarks for a morphing basis of 6: add benchmarks, or let MadMiner"):
        find_basis(from_json(ConfigureSettings, chosen), 1)


def test_components_are_fitted_to_more_benchmarks() -> None:
    """The weights of any polynomial follow exactly; errors of the weights are smaller than with a basis alone."""
    chosen = from_json(ConfigureSettings, configure_settings())
    assert chosen.morphing is not None
    points = np.random.default_rng(3).uniform(-0.06, 0.06, (12, 2))
    benchmarks = {f"b{k}": {"c_LL": x, "c_LR": y} for k, (x, y) in enumerate(points.tolist())}
    some = replace(chosen, benchmarks=dict(list(benchmarks.items())[:6]))
    many = replace(chosen, benchmarks=benchmarks, morphing=replace(chosen.morphing, fit="least-squares"))
    exact, fitted = find_basis(some, 1), find_basis(many, 1)
    assert exact is not None and fitted is not None
    assert list(fitted.points) == list(benchmarks)
    x, y = points.T
    at = np.prod(np.array([0.01, -0.05]) ** fitted.components, axis=1)
    assert at @ fitted.matrix @ (1.0 + 30.0 * x + 900.0 * x * y) == pytest.approx(1.0 + 0.3 - 0.45)
    assert fitted.largest_squared_weight < exact.largest_squared_weight / 2.0
    with pytest.raises(StepError, match="write fit: least-squares"):
        find_basis(replace(many, morphing=chosen.morphing), 1)
