"""What reaches other programs is known, or the study trusts it: in settings, in cards, in both."""

import json
from pathlib import Path

import pytest
from mmc.compiler.inputs.installations import find_delphes
from mmc.errors import InstallationError

from tests.compiler.checks.test_real_chain import DELPHES, SHOWERED, SIGNAL, codes, diagnose
from tests.compiler.plan.plans import changed, jobs, plan_of
from tests.support import study_data

PLUGIN = '"Init:plugins": "{lib.so::E}"'
CASES = {
    "shower.settings": (
        ("  samples:", f"  shower: {{program: pythia8, settings: {{{PLUGIN}}}}}\n  samples:"),
        "init:plugins",
    ),
    "run_card": (("  samples:", "  run_card: {custom_fcts: a.f}\n  samples:"), "custom_fcts"),
    "run_card of a sample": ((SIGNAL, SIGNAL.replace("}", ", run_card: {bias_module: a}}")), "bias_module"),
    "setup": (("name: example", "name: example\nexecution: {setup: make}"), "setup"),
    "slice": ((SIGNAL, SIGNAL.replace("}", ", slices: {a: {bias_module: ptj_bias}, b: {ptj: 1}}}")), "BIAS_MODULE"),
}
"""A setting in each place, and its name in ``trust``."""
CARDS = {
    "shower": ("  samples:", "  shower: {program: pythia8, card: card}\n  samples:", "a words\nInit:plugins = {x}\n"),
    "run card": ("  samples:", "  run_card: {file: card}\n  samples:", "1 = ptj\na.f = custom_fcts\n"),
    "param card": ("  samples:", "  param_card: {file: card}\n  samples:", "block dim6\n 2 0\n 3 scan:[1]\n"),
    "slice": (SIGNAL, SIGNAL.replace("}", ", slices: {a: {file: card}, b: {ptj: 1}}}"), "a.f = custom_fcts\n"),
}


@pytest.mark.parametrize("place", CASES)
def test_a_setting_is_refused_or_trusted(place: str) -> None:
    change, name = CASES[place]
    more = [DELPHES] if place == "shower.settings" else []
    assert codes(change, *more) == ["MMC336"]
    trust = ("name: example", f'name: example\ntrust: ["{name}"]')
    assert codes(change, *more, trust) == ["MMC337"]
    assert codes(trust) == ["MMC338"]


@pytest.mark.parametrize("place", CARDS)
def test_a_card_is_refused_or_trusted(place: str) -> None:
    old, new, text = CARDS[place]
    more = [DELPHES] if place == "shower" else []
    found = diagnose((old, new), *more, cards={"card": text})
    assert {item.code for item in found} == {"MMC336"} and all(" of card: " in item.message for item in found)
    trust = ("name: example", "name: example\ntrust: [./card]")
    assert codes((old, new), *more, trust, card=text) == ["MMC337"]
    assert codes((old, new), *more, trust, card="") == ["MMC338"]


def test_a_delphes_card_is_refused_or_trusted() -> None:
    delphes = ("observables:", "detector: {simulation: delphes, card: card}\nobservables:")
    shower = ("  samples:", "  shower: {program: pythia8}\n  samples:")
    assert codes(shower, delphes, card="set X 1\n") == []
    (found,) = diagnose(shower, delphes, cards={"card": "set X 1\nexec ls\n"})
    assert (found.code, found.message) == ("MMC336", "line 2 of card: the command `exec` is not allowed in a card")
    assert codes(shower, delphes, ("name: example", "name: example\ntrust: [card]"), card="exec ls\n") == ["MMC337"]


def test_many_lines_of_a_card_are_a_few_problems() -> None:
    text = "a.f = custom_fcts\n" * 1000
    assert codes(("  samples:", "  run_card: {file: card}\n  samples:"), card=text) == ["MMC336"] * 5


def test_what_the_study_sets_is_reported_once() -> None:
    shower = "  shower: {program: pythia8, settings: {'Beams:LHEF': x}}\n  run_card: {iseed: a b}\n  samples:"
    assert codes(("  samples:", shower), DELPHES) == ["MMC320", "MMC320"]


def test_a_folder_that_depends_on_the_job(tmp_path: Path) -> None:
    for folder in ("/proc/self/cwd/x", "/opt/../x", "/dev/shm/x"):
        installations = f"execution: {{installations: {{delphes: {folder}}}}}\nobservables:"
        assert codes(SHOWERED, DELPHES, ("observables:", installations)) == ["MMC607"]
        with pytest.raises(InstallationError, match="is another folder in every job"):
            find_delphes(folder)


def test_jobs_are_told_what_is_trusted() -> None:
    study = study_data("vbf-higgs/study.yaml")
    plain = plan_of(study)
    assert all("trust" not in job.settings for stage in plain.stages for job in stage.jobs)
    study["generation"]["run_card"] = {"custom_fcts": "a.f"}
    study["trust"] = ["custom_fcts"]
    plan = plan_of(study)
    assert all("custom_fcts" in json.dumps(job.settings["trust"]) for job in jobs(plan, "simulate").values())
    assert all("trust" not in job.settings for job in jobs(plan, "detect").values())
    assert set(changed(plain, plan)) >= {"simulate", "analyse"} and "generate" not in changed(plain, plan)
