"""Existing events get weights at the benchmarks from a UFO model, or one line says why not."""

import gzip
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.jobs.formats import les_houches, les_houches_table
from mmc.jobs.formats.events import Event, Particle
from mmc.jobs.matrix_elements import MatrixElement, Model

from tests.jobs.madgraph import BENCHMARKS as TWO
from tests.jobs.madgraph import PARAMETERS as WILSON
from tests.jobs.madgraph import setup as setup_of_wilson
from tests.jobs.matrix_elements import ufo_models
from tests.jobs.matrix_elements.test_element import with_higgs
from tests.jobs.physics import Folder
from tests.support import SHARED_DATA

pytest.importorskip("ufoamp", reason="needs mmc[ufo]")

PARAMETERS = {
    "even": {"lha_block": "NEW", "lha_id": 1, "transform": "theta"},
    "odd": {"lha_block": "NEW", "lha_id": 2, "transform": "2*theta"},
}
POINTS = {"sm": (1, 0), "odd": (1, 1), "both": (2, -1), "more": (0.5, 2), "less": (-1, 0.5), "last": (3, 0)}
BENCHMARKS = {name: {"even": even, "odd": odd} for name, (even, odd) in POINTS.items()}
POWERS = {"max_powers": {"even": 2, "odd": 2}, "max_overall_power": 2, "basis": 6}
REWEIGHT: dict[str, Any] = {
    "model": {"name": None, "file": "file_model", "restriction": None},
    "param_card": {"new 3": 0.0},
    "param_card_file": None,
    "orders": {"NP": 2},
    "without": [],
    "undecayed": [],
}
MASS = 125.0


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ufo")
    with tarfile.open(folder / "small.tar.gz", "w:gz") as packed:
        packed.add(ufo_models.write(folder / "small"), "small")
    return folder / "small.tar.gz"


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {
        "parameters": {name: {**entry, "range": [-5.0, 5.0], "max_power": 2} for name, entry in PARAMETERS.items()},
        "benchmarks": BENCHMARKS,
        "morphing": {"max_overall_power": 2, "n_trials": 20, "n_test_thetas": 20, "complete": True},
    }
    return Folder(tmp_path_factory.mktemp("configured")).run("configure", "configure", settings, seed=42)


def events(folder: Path, pdgs: tuple[int, ...] = (1, 2, 25, 1, 2), mass: float = MASS, **weights: float) -> Path:
    """Twelve events q k > h q k, in which h decays to two others; one weight is that of all events but the last."""
    header = les_houches.Header(12, (2212, 2212), 6500.0, (2.0, 0.1), ["sm", *weights], [])
    made = []
    for momenta in with_higgs(12, mass):
        higgs = momenta[2]
        legs = [(pdgs[2], 2, 1, higgs), *((pdg, 1, 1, p) for pdg, p in zip(pdgs[3:], momenta[3:], strict=True))]
        legs = [*((pdg, -1, 0, p) for pdg, p in zip(pdgs[:2], momenta[:2], strict=True)), *legs]
        legs += [(22, 1, 3, higgs / 2), (22, 1, 3, higgs / 2)]
        lines = [Particle(pdg, status, (mother, 0), (0, 0), *p[1:], p[0], 0.0) for pdg, status, mother, p in legs]
        made.append(Event(tuple(lines), 1.0, 91.2, 0.0078, 0.118))
    columns = np.array([[2.0, *weights.values()]] * 12)
    with les_houches.writing(folder / "events.lhe.gz", header) as text:
        les_houches.write_events(text, made, ["sm", *weights], "sm", columns)
    return folder / "events.lhe.gz"


def changed(source: Path, pattern: str, replacement: str) -> Path:
    text = re.sub(pattern, replacement, gzip.decompress(source.read_bytes()).decode(), count=1)
    source.write_bytes(gzip.compress(text.encode()))
    return source


def words(setup: Path, model: Path, lhe: Path, **changes: Any) -> tuple[dict[str, Any], dict[str, Path]]:
    """The settings and the inputs of the step."""
    reweight = {**REWEIGHT, "undecayed": ["h"], **changes.pop("reweight", {})}
    settings = {
        **{"sample": "signal", "benchmark": "sm", "background": False, "systematics": {}, "parameters": PARAMETERS},
        **{
            "lhe": "file_lhe",
            "hepmc": None,
            "delphes": None,
            "trust": ["file_model"],
            "compared": ["last"],
            "powers": POWERS,
            **changes,
        },
    }
    return {**settings, "reweight": reweight}, {"setup": setup, "file_lhe": lhe, "file_model": model}


def run(folder: Path, *files: Path, **changes: Any) -> Path:
    settings, inputs = words(*files, **changes)
    return Folder(folder).run("import_events", "x", settings, **inputs)


def refusal(folder: Path, *files: Path, **changes: Any) -> str:
    settings, inputs = words(*files, **changes)
    (folder / "refused").mkdir()
    return Folder(folder / "refused").refusal("import_events", "x", settings, **inputs)


def test_weights_follow_the_matrix_element(tmp_path: Path, configured: Path, archive: Path) -> None:
    out = run(tmp_path, configured, archive, events(tmp_path))
    model = Model.load(archive, values={"new 3": 0.0})
    element = MatrixElement(model, [1, 2], [25, 1, 2])
    momenta = with_higgs(12, MASS)
    squared = {
        name: element.squared(momenta, {"new 1": even, "new 2": 2.0 * odd}) for name, (even, odd) in POINTS.items()
    }
    table = les_houches_table.read(out / "events.lhe.gz")
    assert list(table.weights) == list(POINTS)
    for name, weights in table.weights.items():
        np.testing.assert_allclose(weights, 2.0 * squared[name] / squared["sm"], rtol=1e-7)
    assert np.ptp(table.weights["odd"]) > 0.01


def test_weights_of_the_file_are_replaced_if_they_agree(tmp_path: Path, configured: Path, archive: Path) -> None:
    """Twice the coupling has four times the weight; the file says so to a per mille."""
    points = {**BENCHMARKS, "last": {"even": 2.0, "odd": 0.0}}
    settings = {
        "parameters": {name: {**entry, "range": [-5.0, 5.0], "max_power": 2} for name, entry in PARAMETERS.items()},
        **{"benchmarks": points, "morphing": None},
    }
    setup = Folder(tmp_path).run("configure", "configure", settings, seed=42)
    out = run(tmp_path, setup, archive, events(tmp_path, last=8.008), powers=None)
    np.testing.assert_allclose(les_houches_table.read(out / "events.lhe.gz").weights["last"], 8.0)
    message = r"12 of 12 events of events.lhe.gz have another weight at 'last' .*file\) 1 \(0.9524\), 2 \(0.9524\)"
    assert re.search(message, refusal(tmp_path, setup, archive, events(tmp_path, last=8.4), powers=None))


def test_weights_follow_the_strong_coupling_of_the_event(tmp_path: Path, configured: Path) -> None:
    """Here the operator that violates CP has the strong coupling, and the other does not."""
    parameters = ufo_models.FILES["parameters"] + (
        '    aS = Parameter(name="aS", nature="external", type="real", value=0.2, lhablock="SMINPUTS", lhacode=[3])\n'
    )
    couplings = ufo_models.FILES["couplings"].replace("0.01*odd", "0.1*aS*odd")
    folder = ufo_models.write(tmp_path / "strong", parameters=parameters, couplings=couplings)
    with tarfile.open(tmp_path / "strong.tar.gz", "w:gz") as packed:
        packed.add(folder, "strong")
    lhe = changed(events(tmp_path), r" 1.18000000e-01\n", " 1.5e-01\n")
    out = run(tmp_path, configured, tmp_path / "strong.tar.gz", lhe)
    element = MatrixElement(Model.load(folder, values={"new 3": 0.0}), [1, 2], [25, 1, 2])
    for event, coupling in ((0, 0.15), (1, 0.118)):
        momenta = with_higgs(12, MASS)[[event]]
        both, sm = (
            element.squared(momenta, {"new 1": even, "new 2": 2.0 * odd, "sminputs 3": coupling})[0]
            for even, odd in (POINTS["both"], POINTS["sm"])
        )
        computed = les_houches_table.read(out / "events.lhe.gz").weights["both"][event]
        assert computed == pytest.approx(2.0 * both / sm, rel=1e-7)
    unknown = changed(lhe, r" 1.18000000e-01\n", " -1\n")
    line = refusal(tmp_path, configured, tmp_path / "strong.tar.gz", unknown)
    assert line.startswith("event 2 of events.lhe.gz: the weights of q k > q k h NP=2 depend on the strong coupling")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trust": []}, "the model is Python code that the study does not trust: add its archive to `trust`"),
        (
            {"reweight": {"model": {"name": "no_model", "file": None, "restriction": None}}},
            "there is no UFO model no_model: install the package, or put its folder into one of MMC_UFO_PATH",
        ),
        ({"reweight": {"undecayed": ["v"]}}, "`undecayed` names v, which has a spin"),
        ({"reweight": {"undecayed": []}}, "event 1 of events.lhe.gz: the model small does not have a particle 22"),
        ({"reweight": {"without": ["w"]}}, "the model small does not have a particle w"),
        (
            {"reweight": {"without": ["v"]}},
            "event 1 of events.lhe.gz: q k > q k h / v NP=2: the model small",
        ),
        ({"reweight": {"param_card": {}}}, "the model small needs values for new 3: give a param card with them"),
        (
            {"powers": {**POWERS, "max_powers": {"even": 1, "odd": 2}, "max_overall_power": 3}},
            "is not a polynomial",
        ),
    ],
)
def test_what_does_not_fit(
    changes: dict[str, Any], message: str, tmp_path: Path, configured: Path, archive: Path
) -> None:
    assert re.search(message, refusal(tmp_path, configured, archive, events(tmp_path), **changes))


def test_particles_of_another_mass(tmp_path: Path, configured: Path, archive: Path) -> None:
    """Decayed ones have the mass of the event, light ones any."""
    lhe, heavier = events(tmp_path), {"param_card": {"new 3": 0.0, "mass 25": 126.0}}
    run(tmp_path, configured, archive, lhe, reweight=heavier)
    stable = changed(lhe, r"25  2(.*\n.*\n.*\n)(.* 22 .*\n){2}", r"25  1\1")
    changed(stable, r"<event>\n  7", "<event>\n  5")
    line = refusal(tmp_path, configured, archive, stable, reweight={**heavier, "undecayed": []})
    assert line.startswith(
        "event 1 of events.lhe.gz: h has a mass of 125 GeV, and 126 GeV in the model small: set `mass"
    )


def test_a_reference_where_the_process_vanishes(tmp_path: Path, archive: Path) -> None:
    points = {"zero": {"even": 0.0, "odd": 0.0}, "sm": {"even": 1.0, "odd": 0.0}}
    settings = {
        "parameters": {name: {**entry, "range": [-5.0, 5.0], "max_power": 2} for name, entry in PARAMETERS.items()},
        **{"benchmarks": points, "morphing": None},
    }
    setup = Folder(tmp_path).run("configure", "configure", settings, seed=42)
    line = refusal(tmp_path, setup, archive, events(tmp_path), benchmark="zero", powers=None)
    assert re.search(r"event 1 of events.lhe.gz: \|M\|² of q k > q k h .* vanishes at 'zero'", line)


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"\n +1  1 .*", r"", "is damaged: its first line does not fit what follows"),
        (
            r"(\n +1  1    1    0    0    0) \S+",
            r"\1 +9.0000000000e+01",
            "momenta of q k > q k h NP=2 are not conserved",
        ),
        (r"\n +1  1    1", "\n        1  1    4", "event 1 of events.lhe.gz is damaged: a particle is its own mother"),
        (r"\n +1 -1 ", "\n        2 -1 ", "k k > q k h NP=2: the model small does not have a diagram"),
    ],
)
def test_events_that_are_wrong(
    pattern: str, replacement: str, message: str, tmp_path: Path, configured: Path, archive: Path
) -> None:
    assert re.search(message, refusal(tmp_path, configured, archive, changed(events(tmp_path), pattern, replacement)))


def test_weak_boson_fusion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights of MadGraph's own reweighting, of which the study gives the points to three digits."""
    lhe = SHARED_DATA / "vbf-higgs" / "lhe" / "signal_w.lhe.gz"
    if not lhe.is_file():
        pytest.skip("needs the events beside the checkout")
    monkeypatch.setenv("MMC_UFO_PATH", str(ufo_models.installed("EWdim6").parent))
    others = [(-1.773, -5.133), (-7.416, 7.148), (1.166, 7.227), (6.623, -4.359)]
    points = {
        f"morphing_basis_vector_{at}": dict(zip(WILSON, point, strict=True)) for at, point in enumerate(others, 2)
    }
    setup = setup_of_wilson(Folder(tmp_path), {**TWO, **points})
    reweight = {
        "model": {"name": "EWdim6", "file": None, "restriction": None},
        "param_card": {"dim6 all": 0.0, "mass 6": 173.0},
        **{"orders": {"QCD": 0, "NP": 2}, "without": ["a", "z"]},
    }
    powers = {"max_powers": dict.fromkeys(WILSON, 2), "max_overall_power": 2, "basis": 6}
    out = run(tmp_path, setup, lhe, lhe, parameters=WILSON, benchmark="w", reweight=reweight, powers=powers)
    written = les_houches_table.read(lhe)
    computed = les_houches_table.read(out / "events.lhe.gz")
    np.testing.assert_allclose(computed.weights["sm"], written.weights["sm"] * 500, rtol=1e-5)
    for name in points:
        differing = np.abs(computed.weights[name] / written.weights[name] / 500 - 1) > 1e-3
        assert differing.mean() < 0.03
