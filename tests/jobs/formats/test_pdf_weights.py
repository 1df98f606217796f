"""The members of a Hessian set, wherever an event file declares their weights."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from mmc.compiler.settings.uncertainties import PdfUncertainty
from mmc.errors import StepError
from mmc.jobs.formats.weight_groups import find_nuisance

MEMBERS = [f"<weight id='p{k}' MUR='1.0' MUF='1.0' PDF='{13100 + k}'> </weight>\n" for k in range(5)]
OPEN, CLOSE = "<weightgroup name='{}' combine='{}'>{}\n", "</weightgroup>\n"


def group(weights: Sequence[str], name: str = "CT14nlo", combine: str = "hessian", text: str = "") -> str:
    return OPEN.format(name, combine, text) + "".join(weights) + CLOSE


def write(path: Path, declared: str, values: str = "") -> Path:
    text = f"<LesHouchesEvents><header><initrwgt>\n{declared}</initrwgt></header><init></init>\n<event>\n"
    text += f" 1 1 2.0 91. .008 .1\n 25 1 0 0 0 0 0. 0. 0. 125. 125. 0. 9.\n<rwgt>\n{values}</rwgt>\n</event>\n"
    path.write_text(f"{text}</LesHouchesEvents>\n")
    return path


def directions(path: Path, named: str = "CT14nlo") -> list[tuple[str | None, ...]]:
    """The weights of each eigenvector, all relative to the central member."""
    found = find_nuisance({"pdf": PdfUncertainty(effect="pdf", variation=named)}, path)
    assert {parameter.central for parameter in found} == {"p0"}
    return [tuple(parameter.weights.values()) for parameter in found]


IN_TEXT = [f"<weight id='p{k}'> {{}}{13100 + k} CT14nlo </weight>\n" for k in range(5)]


@pytest.mark.parametrize("named", ["CT14nlo", "13100"])
@pytest.mark.parametrize(
    "declared",
    [
        group(MEMBERS),
        group(MEMBERS, name="x", text="# 13100: CT14 at NLO"),
        group(MEMBERS[:3]) + "".join(MEMBERS[3:]),
        group([]) + "".join(MEMBERS),
        group(MEMBERS[:1]) + group(MEMBERS[1:]),
        *(
            group([line.format(told) for line in IN_TEXT], name="PDF_variation")
            for told in ("PDF=  ", "PDF set = ", "lhapdf=")
        ),
        # of other scales, and another set: they are no members
        group([*MEMBERS, "<weight id='9' MUR='2.0' MUF='2.0' PDF='13101'> </weight>\n"]),
        group(MEMBERS) + group(["<weight id='9' PDF='13105'> </weight>\n"], name="couplings"),
        group(MEMBERS) + group(["<weight id='9' PDF='13105'> </weight>\n"], name="y", text="# 13105: another"),
    ],
)
def test_members_are_found_by_their_numbers(tmp_path: Path, declared: str, named: str) -> None:
    assert directions(write(tmp_path / "x.lhe", declared), named) == [("p1", "p2"), ("p3", "p4")]


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (
            group(MEMBERS[1:], combine="symmhessian"),
            r"x\.lhe has no weight of member 13100 for the PDF uncertainty pdf",
        ),
        (group([*MEMBERS[:2], *MEMBERS[3:]]), r"x\.lhe has no weight of member 13102 for the PDF uncertainty pdf"),
        (group(MEMBERS[:4]), r"the PDF set CT14nlo .* \(4 members, hessian\) has no eigenvectors"),
        ("".join(MEMBERS), r"the PDF set CT14nlo .* \(5 members, with no group that says how they combine\) has no"),
        (
            group(MEMBERS, name="MMHT2014nlo68cl"),
            r"x\.lhe has no weights for .*; it declares the groups 'MMHT2014nlo68cl'",
        ),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, declared: str, reason: str) -> None:
    with pytest.raises(StepError, match=f"^{reason}"):
        directions(write(tmp_path / "x.lhe", declared))


def test_a_member_with_two_weights(tmp_path: Path) -> None:
    """They are one if they are the same in the events."""
    declared = group([*MEMBERS, "<weight id='again' PDF='13101'> </weight>\n"])
    values = "<wgt id='p1'> 2.2 </wgt>\n<wgt id='again'> {} </wgt>\n"
    assert directions(write(tmp_path / "x.lhe", declared, values.format(2.2))) == [("p1", "p2"), ("p3", "p4")]
    for text in (values.format(2.3), ""):
        with pytest.raises(StepError, match=r"^x\.lhe has several weights for member 13101 .*: 'p1', 'again'\. Which"):
            directions(write(tmp_path / "x.lhe", declared, text))
