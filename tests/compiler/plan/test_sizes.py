"""Estimates of disk against real files."""

import gzip
from pathlib import Path

import pytest
from mmc.compiler.language.schema import fill_defaults
from mmc.compiler.plan import sizes
from mmc.compiler.settings.generation import Shower
from mmc.compiler.study.build import build_study

from tests.compiler.plan.plans import plan_of
from tests.support import SHARED_DATA, study_data

DATA = SHARED_DATA / "vbf-higgs"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="shared/data/vbf-higgs is not beside the checkout")
WITHOUT_INTERACTIONS = Shower(card=None, settings={"PartonLevel:MPI": "off"})


def is_about(estimate: int, path: Path, factor: float) -> bool:
    size = path.stat().st_size
    return size / factor < estimate < size * factor


@needs_data
def test_generated_events() -> None:
    for path in (DATA / "lhe").glob("*.lhe.gz"):
        with gzip.open(path, "rt") as file:
            n_events = file.read().count("<event>")
        assert is_about(sizes.generated(n_events, 6), path, 1.1)
    hepmc = DATA / "hepmc" / "signal_sm_100ev.hepmc.gz"
    assert is_about(sizes.generated(100, 6, WITHOUT_INTERACTIONS), hepmc, 1.2)
    assert sizes.generated(100, 6, Shower(card="card.dat", settings={})) > 3 * sizes.generated(
        100, 6, WITHOUT_INTERACTIONS
    )


@needs_data
def test_combined_events() -> None:
    assert is_about(sizes.analysed(1490, 6, 2), DATA / "h5" / "parton_combined.h5", 1.2)
    assert is_about(sizes.analysed(5821, 6, 2), SHARED_DATA / "vbf-higgs-delphes" / "events.h5", 1.2)


def test_uncertainties_add_weights_and_default_observables_columns() -> None:
    data = study_data("vbf-higgs/study.yaml")
    data["systematics"] = {"mu": {"effect": "scale"}, "pdf": {"effect": "pdf"}, "lumi": {"effect": "norm"}}
    data["default_observables"] = {"n_leptons_max": 0, "n_photons_max": 2, "n_jets_max": 0}
    study = build_study(fill_defaults(data))
    assert sizes.n_weights(study, ()) == 6
    assert sizes.n_weights(study, ("mu", "lumi")) == 6 + 3 + 1
    assert sizes.n_weights(study, ("pdf",)) > 30
    assert sizes.n_observables(study) == 2 + 2 + 2 + 3 + 2 * 4
    assert plan_of(data).stage("sample").settings["default_observables"] == list(sizes.default_names(study))


def test_a_background_of_madgraph_is_not_reweighted() -> None:
    data = study_data("vbf-higgs/study.yaml")
    signal = data["generation"]["samples"]["signal"]
    data["generation"]["samples"]["rest"] = {**signal, "background": True}
    found = {job.name: job.size for job in plan_of(data).stage("simulate").jobs}
    assert found["signal.sm.0"] - found["rest.sm.0"] == 1000 * 6 * 8
