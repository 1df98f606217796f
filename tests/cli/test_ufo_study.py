"""``mmc init --model``."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from mmc.cli.main import main

from tests.jobs.matrix_elements import ufo_models

pytestmark = pytest.mark.skipif(find_spec("ufo_sm") is None, reason="the model ufo_sm is not installed")

PROCESS = "e- e+ > t t~ h"


def test_a_study_of_a_model_validates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "tth"
    words = ["init", str(folder), "--model", "ufo_sm", "--process", PROCESS, "--parameter", "ymt", "--parameter", "ymb"]
    assert main(words) == 0
    assert main(["validate", str(folder / "study.yaml")]) == 0
    assert capsys.readouterr().out.endswith("fine\n")
    study = yaml.safe_load((folder / "study.yaml").read_text())
    assert study["generation"]["samples"]["signal"]["process"] == PROCESS
    assert study["generation"]["beams"] == {"energy": "125 GeV", "particles": ["e-", "e+"]}
    assert study["parameters"]["ymt"] == {"lha_block": "yukawa", "lha_id": 6, "range": [-1, 1]}
    assert len(study["benchmarks"]) == 6
    assert study["generation"]["model"] == "ufo_sm"


def test_a_process_without_orders_gets_one_operator(tmp_path: Path) -> None:
    """MadGraph's default orders, the smallest, would leave out all operators."""
    model = ufo_models.write(tmp_path / "small")
    for process, written in [
        ("q q~ > k k~ h, h > q q~", "q q~ > k k~ h NP=1, h > q q~"),
        ("q q~ > k k~ / v @1", "q q~ > k k~ / v NP=1 @1"),
        ("q q~ > k k~ SM=2", "q q~ > k k~ SM=2"),
    ]:
        folder = tmp_path / str(len(written))
        words = ["init", str(folder), "--model", str(model), "--process", process, "--parameter", "even"]
        assert main(words) == 0
        study = yaml.safe_load((folder / "study.yaml").read_text())
        assert study["generation"]["samples"]["signal"]["process"] == written


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "ufo_sm"], "--model and --process belong together"),
        (["--parameter", "ymt"], "--parameter needs both"),
        (["--model", "nowhere", "--process", PROCESS], "there is no UFO model 'nowhere'"),
        (["--model", "ufo_sm", "--process", "e- e+ > x h"], "the model does not have a particle 'x'"),
        (["--model", "ufo_sm", "--process", "e- e+ mu-"], "it has no `>`"),
        (["--model", "ufo_sm", "--process", PROCESS], "has no coefficients of operators to measure: |M|² is not"),
        (
            ["--model", "ufo_sm", "--process", PROCESS, "--parameter", "aEWM1"],
            "aEWM1 is not a coefficient of an operator",
        ),
        (["--model", "ufo_sm", "--process", PROCESS, "--parameter", "c"], "does not have an external parameter 'c'"),
    ],
)
def test_what_a_model_does_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["init", str(tmp_path / "new"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
