"""Events as Sherpa, POWHEG and other programs write them are reweighted, or one line says why not."""

import gzip
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmc.jobs.formats import les_houches_table
from mmc.jobs.matrix_elements import MatrixElement, Model

from tests.jobs.generators import test_reweighting as madgraph
from tests.jobs.matrix_elements.test_element import with_higgs

archive, configured = madgraph.archive, madgraph.configured

SHERPA_INIT = (
    "  2212   2212        6500        6500   0   0     -1     -1    3    1\n"
    "                 1                  1                  1    1"
)
"""Sherpa's head does not tell the cross section: it is the sum of the weights over that of the trials."""
OWN_INIT = "2212 2212 6.5e+03 6.5e+03 -1 -1 -1 -1 4 1\n2.0e+00 1.0e-01 2.0e+00 1"
POWHEG_INIT = (
    "     2212     2212  6.50000E+03  6.50000E+03     -1     -1     -1     -1     3      1\n"
    "  2.00000E+00  1.00000E-01  1.00000E+00   10001"
)


def _events(text: str) -> str:
    """The events of a file of mmc, without weights at benchmarks."""
    return re.sub(r"<rwgt>\n(?s:.*?)</rwgt>\n", "", text[text.index("<event>") :])


def sherpa(text: str) -> str:
    """A comment and a run card of its own, weights in pb per trial, flat events without the particles that decay."""
    trials = itertools.cycle((1, 3))
    body = re.sub(r"<event>\n +7 1", lambda _: f"<event trials='{next(trials)}' mur2='8.3e+03'>\n5 1", _events(text))
    body = re.sub(r"\n +25  2(.*\n.*\n.*\n)(?:.* 22 .*\n){2}", r"\n25 1\1", body)
    body = re.sub(r"(\n +[12] 1) +\d+ +\d+", r"\1 1 2", body)
    head = "<header>\n<!-- \n# created by SHERPA 3.0.1\n--> \n<SHRunCard> \nBEAMS: 2212\n</SHRunCard> \n</header>"
    return f'<LesHouchesEvents version="1.0">\n{head}\n<init>\n{SHERPA_INIT}\n</init>\n{body}'


def powheg(text: str) -> str:
    """No header, unit weights, the settings in a comment, Fortran's exponents, and a line for its own reweighting."""
    body = re.sub(r"(<event>\n +\d+) 1 \S+ (\S+) \S+", r"\1   10001  1.00000E+00  \2 -1.00000E+00", _events(text))
    body = re.sub(r"([+-]?)(\d)\.(\d{10})e([+-]\d\d)", _fortran, body)
    body = body.replace("</event>", "#rwgt            1           5  123.4  77  1  0\n</event>")
    card = "<!--\nfile generated with POWHEG-BOX-V2\nInput file powheg.input contained:\nnumevts 12 ! <events>\n-->"
    return f'<LesHouchesEvents version="3.0">\n{card}\n<init>\n{POWHEG_INIT}\n</init>\n{body}'


def _fortran(match: re.Match[str]) -> str:
    """The same number as ``0.123E+04``."""
    return f"{match[1]}0.{match[2]}{match[3]}E{int(match[4]) + 1:+03d}"


def one_s_own(text: str) -> str:
    """Beams with status -9 and documentation with status 3, as Whizard and others may write; the version is missing."""
    beams = "".join(f"2212 -9 0 0 0 0 0. 0. {sign}6500. 6500. 0. 0. 9.\n" for sign in ("", "-"))
    body = re.sub(
        r"(<event>\n) +7 (.*\n)", rf"\g<1>10 \g<2>{beams}25 3 0 0 0 0 0. 0. 0. 125. 125. 0. 9.\n", _events(text)
    )
    body = re.sub(r"(\n +\d+ +[12]) +(\d+) +0 ", lambda match: f"{match[1]} {int(match[2]) + 3} 0 ", body)
    return f"<LesHouchesEvents>\n<init>\n{OWN_INIT}\n</init>\n{body}"


def _written(folder: Path, program: Callable[[str], str]) -> Path:
    path = folder / f"{program.__name__}.lhe"
    path.write_text(program(gzip.decompress(madgraph.events(folder).read_bytes()).decode()))
    return path


@pytest.mark.parametrize(
    ("program", "cross_section", "warned"),
    [(sherpa, 12 * 2.0 / 24, ["<init> of sherpa.lhe has no cross s"]), (powheg, 2.0, []), (one_s_own, 2.0, [])],
)
def test_weights_follow_the_matrix_element(
    program: Callable[[str], str],
    cross_section: float,
    warned: list[str],
    tmp_path: Path,
    configured: Path,
    archive: Path,
) -> None:
    out = madgraph.run(tmp_path, configured, archive, _written(tmp_path, program))
    element = MatrixElement(Model.load(archive, values={"new 3": 0.0}), [1, 2], [25, 1, 2])
    momenta = with_higgs(12, madgraph.MASS)
    both, sm = (element.squared(momenta, {"new 1": even, "new 2": odd}) for even, odd in ((2, -2), (1, 0)))
    weights = les_houches_table.read(out / "events.lhe.gz").weights
    np.testing.assert_allclose(weights["sm"], cross_section)
    np.testing.assert_allclose(weights["both"], cross_section * both / sm, rtol=1e-6)
    record = json.loads((out / "simulate.json").read_text())
    assert record["cross_section_pb"] == pytest.approx(cross_section)
    assert [text[: len(start)] for text, start in zip(record["warnings"], warned, strict=True)] == warned


def test_weighted_events_of_powheg(tmp_path: Path, configured: Path, archive: Path) -> None:
    """With a suppression factor, POWHEG writes a cross section of -1: it is the mean of the weights."""
    path = _written(tmp_path, powheg)
    weights = np.random.default_rng(2).exponential(3.0, size=12)
    text = path.read_text().replace("2.00000E+00  1.00000E-01  1", "-1.00000E+00 -1.00000E+00  1", 1)
    text = text.replace("     3      1\n", "     -4      1\n", 1)
    for weight in weights:
        text = text.replace("10001  1.00000E+00", f"10001  {weight:.5E}", 1)
    path.write_text(text)
    out = madgraph.run(tmp_path, configured, archive, path)
    record = json.loads((out / "simulate.json").read_text())
    assert record["cross_section_pb"] == pytest.approx(weights.mean(), rel=1e-4)
    assert record["cross_section_error_pb"] == 0.0, "that of the weights counts with the events"
    np.testing.assert_allclose(les_houches_table.read(out / "events.lhe.gz").weights["sm"], weights, rtol=1e-4)
    (warning,) = record["warnings"]
    told = f"{weights.mean():.4g} ± {weights.std() / np.sqrt(12):.2g} pb"
    assert warning == f"<init> of powheg.lhe has no cross section: that of the weights is {told}"


def test_negative_weights(tmp_path: Path, configured: Path, archive: Path) -> None:
    """Those of POWHEG are 1 and -1."""
    path = _written(tmp_path, powheg)
    path.write_text(path.read_text().replace("10001  1.0", "10001 -1.0", 2))
    out = madgraph.run(tmp_path, configured, archive, path)
    (warning,) = json.loads((out / "simulate.json").read_text())["warnings"]
    assert warning.startswith("2 of 12 events of powheg.lhe have negative weights: at next-to-leading order")
    weights = les_houches_table.read(out / "events.lhe.gz").weights["sm"]
    np.testing.assert_allclose(weights.mean(), 2.0)
    assert (weights < 0).sum() == 2


@pytest.mark.parametrize(
    ("program", "pattern", "replacement", "message"),
    [
        (powheg, r"3      1\n", "1      1\n", "give a cross section of 1 pb .* its <init> says 2 pb"),
        (sherpa, "2.00000000000000e", "0.00000000000000e", "has no cross section, and .* give 0 pb"),
        (
            sherpa,
            r"<event trials='1' mur2='8.3e\+03'>",
            "<event>",
            "1 of 12 events of sherpa.lhe have no number of trials",
        ),
        (sherpa, "1 +1 +1 +1\\n", "3 0.01 3 1\\n", r"1 pb \(their sum over the trials\), and its <init> says 3 pb"),
        (sherpa, r"\n +1  1 .*", "\n 21 1 1 2 501 502 1. 1. 1. 2. 0. 0. 9.", "does not have a particle 21"),
        (one_s_own, r"\n +[12] -1 .*\n.*", "", "is damaged|does not have incoming"),
        (one_s_own, r"\n +1  1 +\d+ +\d+ +\d+ +\d+ \S+", "\n 1 1 4 0 0 0 GeV", "event 1 of one_s_own.lhe is damaged"),
    ],
)
def test_what_is_refused(
    program: Callable[[str], str],
    pattern: str,
    replacement: str,
    message: str,
    tmp_path: Path,
    configured: Path,
    archive: Path,
) -> None:
    path = _written(tmp_path, program)
    path.write_text(re.sub(pattern, replacement, path.read_text(), count=12 if "0.000" in replacement else 1))
    assert re.search(message, madgraph.refusal(tmp_path, configured, archive, path))
