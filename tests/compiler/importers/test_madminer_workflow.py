"""``mmc import madminer-workflow``: every setting is kept or named, and mistakes are one line with a place."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from mmc.cli.main import main

from tests.support import ROOT

INPUTS = ROOT / "tests" / "golden" / "import"
CHECKOUTS = "MADMINER_WORKFLOWS"


def run(folder: Path, *more: str, physics: Path = INPUTS / "physics.yml", learning: Path | None = None) -> int:
    learning = INPUTS / "learning.yml" if learning is None else learning
    words = ["import", "madminer-workflow", "--physics", str(physics), "--learning", str(learning)]
    return main([*words, "--out", str(folder / "study.yaml"), *more])


@pytest.mark.parametrize("cards", [True, False], ids=["cards", "no-cards"])
def test_the_study_is_as_expected(tmp_path: Path, cards: bool, pytestconfig: pytest.Config) -> None:
    folder = tmp_path / "toy"
    assert run(folder, *(["--cards", str(INPUTS / "cards")] if cards else [])) == 0
    expected = INPUTS / ("expected" if cards else "expected-without-cards")
    if pytestconfig.getoption("--update-golden"):
        shutil.rmtree(expected, ignore_errors=True)
        shutil.copytree(folder, expected)
    found = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert found == {str(p.relative_to(expected)): p.read_text() for p in expected.rglob("*") if p.is_file()}


def test_digits_may_be_grouped_as_in_yaml_1_1(tmp_path: Path) -> None:
    for name in ("physics", "learning"):
        text = (INPUTS / f"{name}.yml").read_text()
        (tmp_path / f"{name}.yml").write_text(text.replace("n_trials: 30", "n_trials: 3_0").replace("500.0", "5_00.0"))
    assert run(tmp_path / "toy", physics=tmp_path / "physics.yml", learning=tmp_path / "learning.yml") == 0
    assert (tmp_path / "toy/study.yaml").read_text() == (INPUTS / "expected-without-cards/study.yaml").read_text()


def test_the_study_can_be_compiled(tmp_path: Path) -> None:
    assert run(tmp_path, "--cards", str(INPUTS / "cards")) == 0
    assert main(["compile", str(tmp_path / "study.yaml"), "--target", "yadage"]) == 0


def test_every_value_of_the_inputs_is_in_the_study(tmp_path: Path) -> None:
    run(tmp_path, "--cards", str(INPUTS / "cards"))
    study = (tmp_path / "study.yaml").read_text()
    numbers = [
        "3.5",
        "-0.5",
        "2.5*theta",
        "30",
        "40",
        "m_jj",
        "25.",
        "15",
        "10",
        "2500",
        "980",
        "NNPDF23_lo_as_0130_qed",
        "blue",
    ]
    assert [number for number in numbers if number not in study] == []


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.yaml").write_text("mine")
    assert run(tmp_path) == 2
    assert (tmp_path / "study.yaml").read_text() == "mine"
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("physics.yml", "lha_id: 3", "lha_id: three", "physics.yml:5: `lha_id` is a whole number, not 'three'"),
        ("physics.yml", "lha_block: 'dim6'\n    lha_id: 3", "lha_id: 3", "physics.yml:3: there is no `lha_block`"),
        ("physics.yml", "(-4.0,4.0)", "(4.0,-4.0)", "physics.yml:8: `parameter_range` is (smaller, larger)"),
        ("physics.yml", "parameter_name_2: c_two", "parameter_name_2: c_three", "'c_three' is not a parameter"),
        ("physics.yml", "set_morphing:", "set_morphin:", "is `set_morphin` meant?"),
        ("physics.yml", "colour: blue", "colour: [", "physics.yml:"),
        ("learning.yml", "methods: [", "methods: ['rolr', ", "there is no section for the method 'rolr'"),
        ("learning.yml", "theta_true: [0.0, 0.5]", "theta_true: [0.0]", "`theta_true` has a number for each parameter"),
        ("learning.yml", "resolutions: [15, 10]", "resolutions: [15]", "`resolutions` has a whole number for each"),
        ("learning.yml", "prior_shape: 'flat'", "prior_shape: 'triangle'", "a prior is flat or gaussian"),
        ("learning.yml", "sampling_arg: [1.0, 0.5]", "sampling_arg: [1.0]", "`sampling_arg` has a number for each"),
        ("learning.yml", "histogram_bins: [0.0, 100.0, 500.0]", "histogram_bins: few", "`histogram_bins` is a list of"),
    ],
)
def test_mistakes_are_one_line_with_a_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, words: str
) -> None:
    text = (INPUTS / file).read_text()
    assert old in text
    wrong = tmp_path / file
    wrong.write_text(text.replace(old, new))
    inputs = {"physics": wrong} if file == "physics.yml" else {"learning": wrong}
    assert run(tmp_path / "out", **inputs) == 2  # type: ignore[arg-type]
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_cards_that_are_missing_or_say_too_little(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "a", "--cards", str(tmp_path)) == 2
    assert "proc_card_signal.dat: there is no such card" in capsys.readouterr().err
    shutil.copytree(INPUTS / "cards", tmp_path / "cards")
    (tmp_path / "cards" / "run_card_signal.dat").write_text("10 = nevents\n")
    assert run(tmp_path / "b", "--cards", str(tmp_path / "cards")) == 2
    assert "run_card_signal.dat: the card has no good value of 'ebeam1'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "line", "code"), [("delphes_card.dat", "exec ls", 1), ("run_card_signal.dat", " cuts.f = custom_fcts", 0)]
)
def test_a_card_that_would_run_code_is_not_trusted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, line: str, code: int
) -> None:
    """A line of Delphes is an error of the study that is written; one of the run card is left out, and is named."""
    shutil.copytree(INPUTS / "cards", tmp_path / "cards")
    with (tmp_path / "cards" / name).open("a") as card:
        card.write(f"\n{line}\n")
    assert run(tmp_path / "out", "--cards", str(tmp_path / "cards")) == code
    study = (tmp_path / "out" / "study.yaml").read_text()
    assert ("error[MMC336]" in capsys.readouterr().err) == (code == 1)
    assert ("of the run card: the value of `custom_fcts` would make MadGraph run" in study) == (code == 0)
    assert "\ntrust:" not in study and "cuts.f" not in (tmp_path / "out" / "cards" / "run_card.dat").read_text()


@pytest.mark.parametrize("name", ["delphes_card.dat", "proc_card_signal.dat", "physics.yml", "learning.yml"])
def test_a_link_out_of_the_folder_is_neither_quoted_nor_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """In a cloned repository it may lead to a private key."""
    (tmp_path / "secret").write_text("c2VjcmV0")
    shutil.copytree(INPUTS, tmp_path / "clone")
    link = tmp_path / "clone" / ("cards" if name.endswith(".dat") else "") / name
    link.rename(link.with_name("card"))
    link.symlink_to(tmp_path / "secret")
    inputs = {key: tmp_path / "clone" / f"{key}.yml" for key in ("physics", "learning")}
    assert run(tmp_path / "out", "--cards", str(tmp_path / "clone" / "cards"), **inputs) == 2  # type: ignore[arg-type]
    out, error = capsys.readouterr()
    assert f"{name} is a link out of " in error and "c2VjcmV0" not in out + error
    assert not (tmp_path / "out").exists()
    link.unlink()
    link.symlink_to("card")
    assert run(tmp_path / "out", "--cards", str(tmp_path / "clone" / "cards"), **inputs) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "word"),
    [("param_card_template.dat", "MadGraph's own"), ("pythia8_card.dat", "Pythia's own"), ("delphes_card.dat", "CMS")],
)
def test_a_comment_says_what_is_taken_for_a_card_that_is_missing(tmp_path: Path, name: str, word: str) -> None:
    shutil.copytree(INPUTS / "cards", tmp_path / "cards")
    (tmp_path / "cards" / name).unlink()
    assert run(tmp_path / "out", "--cards", str(tmp_path / "cards")) == 0
    study = (tmp_path / "out" / "study.yaml").read_text()
    assert f"# there is no {name} in the folder of cards: " in study
    assert word in study


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[0.0, 100.0, 500.0]", "4", {"n": 4, "range": [0, 500]}),
        ("[0.0, 100.0, 500.0]\n  histogram_range: [0.0, 500.0]", "4", 4),
    ],
)
def test_bins_of_the_fisher_information(tmp_path: Path, old: str, new: str, expected: object) -> None:
    text = (INPUTS / "learning.yml").read_text()
    (tmp_path / "learning.yml").write_text(text.replace(f"histogram_bins: {old}", f"histogram_bins: {new}"))
    assert run(tmp_path / "out", learning=tmp_path / "learning.yml") == 0
    study = yaml.safe_load((tmp_path / "out" / "study.yaml").read_text())
    assert study["evaluation"]["fisher_information"]["bins"] == expected
    assert study["evaluation"]["include_xsec"] == "both"


def test_fisher_information_that_is_switched_off_needs_no_bins(tmp_path: Path) -> None:
    text = (INPUTS / "learning.yml").read_text().replace("bool: True", "bool: False")
    lines = [line for line in text.splitlines() if "histogram_bins" not in line]
    (tmp_path / "learning.yml").write_text("\n".join(lines))
    assert run(tmp_path / "out", learning=tmp_path / "learning.yml") == 0
    assert "# fisher_information of m_jj was switched off" in (tmp_path / "out" / "study.yaml").read_text()


@pytest.mark.skipif(CHECKOUTS not in os.environ, reason=f"{CHECKOUTS} names no folder with the two workflows")
def test_the_workflow_itself(tmp_path: Path) -> None:
    """The real pair: ``madminer-workflow-ph`` and ``-ml`` side by side in a folder."""
    checkouts = Path(os.environ[CHECKOUTS])
    physics, learning = (checkouts / f"madminer-workflow-{name}" for name in ("ph", "ml"))
    inputs = {"physics": physics / "workflow" / "input.yml", "learning": learning / "workflow" / "input.yml"}
    assert run(tmp_path, "--cards", str(physics / "code" / "cards"), **inputs) == 0  # type: ignore[arg-type]
    study = yaml.safe_load((tmp_path / "study.yaml").read_text())
    assert list(study["methods"]) == ["alice", "alices", "sally"]
    assert study["generation"]["samples"]["signal"]["events"] == 1000
