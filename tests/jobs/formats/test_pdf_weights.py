"""The members of a Hessian set, wherever an event file declares their weights."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from mmc.compiler.catalogue import parton_sets
from mmc.compiler.settings.uncertainties import PdfUncertainty
from mmc.errors import StepError
from mmc.jobs.formats.weight_groups import find_nuisance
from scipy.stats import norm

MEMBERS = [f"<weight id='p{k}' MUR='1.0' MUF='1.0' PDF='{13100 + k}'> </weight>\n" for k in range(57)]
PAIRS = [(f"p{k}", f"p{k + 1}") for k in range(1, 57, 2)]
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


IN_TEXT = [f"<weight id='p{k}'> {{}}{13100 + k} CT14nlo </weight>\n" for k in range(57)]


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
        group(MEMBERS) + group(["<weight id='9' PDF='13157'> </weight>\n"], name="couplings"),
        group(MEMBERS) + group(["<weight id='9' PDF='13157'> </weight>\n"], name="y", text="# 13157: another"),
        # of other choices than those of the events
        group([*MEMBERS, "<weight id='9'> lhapdf=13101 renscfact=1d0 facscfact=1d0 hdamp=300 </weight>\n"]),
        group([*MEMBERS, "<weight id='9'> dyn=   2 muR=1.0 muF=1.0 PDF=13101 </weight>\n"]),
        group([line.replace("> <", "> dyn=  -1 <") for line in MEMBERS]),
        # the central member is among the scales
        group(MEMBERS[:1], name="Central scale variation", combine="envelope") + group(MEMBERS[1:]),
        group(MEMBERS[:1], name="scale_variation", combine="envelope") + group(MEMBERS[1:], name="PDF_variation1"),
        # LHAPDF says how the members of this set combine
        *(group(MEMBERS, combine=word) for word in ("unknown", "Hessian", "gaussian", "")),
        group(MEMBERS, name="PDF_variation2", combine="replica"),
        "".join(MEMBERS),
    ],
)
def test_members_are_found_by_their_numbers(tmp_path: Path, declared: str, named: str) -> None:
    assert directions(write(tmp_path / "x.lhe", declared), named) == PAIRS


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (group(MEMBERS[1:]), r"x\.lhe has no weight of member 13100 for the PDF uncertainty pdf"),
        (group([*MEMBERS[:2], *MEMBERS[3:]]), r"x\.lhe has no weight of member 13102 for the PDF uncertainty pdf"),
        (group(MEMBERS[:55]), r"x\.lhe has no weight of member 13155 for the PDF uncertainty pdf"),
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
    assert directions(write(tmp_path / "x.lhe", declared, values.format(2.2))) == PAIRS
    for text in (values.format(2.3), ""):
        with pytest.raises(StepError, match=r"^x\.lhe has several weights for member 13101 .*: 'p1', 'again'\. Which"):
            directions(write(tmp_path / "x.lhe", declared, text))


def powheg(first: int, n_members: int) -> list[str]:
    return [f"<weight id='p{k}'> lhapdf={first + k} </weight>\n" for k in range(n_members)]


@pytest.mark.parametrize(("first", "named"), [(91200, "PDF4LHC15_nnlo_100_pdfas"), (306000, "306000")])
def test_the_groups_of_powheg_in_cms(tmp_path: Path, first: int, named: str) -> None:
    """One for many sets, with a word that is not about each of them; the last two members are those of α_s."""
    scales = [
        f"<weight id='{k}'> lhapdf={first} renscfact={mur} facscfact={muf} </weight>\n"
        for k, (mur, muf) in enumerate((a, b) for a in ("1d0", "2d0", "0.5d0") for b in ("1d0", "2d0", "0.5d0"))
    ]
    sets = [*powheg(first, 103), *(line.replace("'p", "'q") for line in powheg(first + 103, 57))]
    text = group(scales, "scale_variation", "envelope") + group(sets, "PDF_variation1")
    values = "".join(f"<wgt id='{name}'> 2.5 </wgt>\n" for name in ("0", "p0"))
    path = write(tmp_path / "x.lhe", text, values)
    found = find_nuisance({"pdf": PdfUncertainty(effect="pdf", variation=named)}, path)
    assert {parameter.central for parameter in found} <= {"0", "p0"}, "they are the same"
    expected = [*((f"p{k}",) for k in range(1, 101)), ("p102", "p101")]
    assert [tuple(parameter.weights.values()) for parameter in found] == expected
    for lacking in (101, 102):
        path = write(tmp_path / "x.lhe", text.replace(f"<weight id='p{lacking}'>", "<weight>"), values)
        with pytest.raises(StepError, match=f"has no weight of member {first + lacking} "):
            find_nuisance({"pdf": PdfUncertainty(effect="pdf", variation=named)}, path)


TOY = powheg(14390, 9)  # 14400 is that of another set


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (group(TOY[:5], "toy", "hessian"), [("p1", "p2"), ("p3", "p4")]),
        (group(TOY[:5], "toy", "Symmhessian+AS"), [("p1",), ("p2",), ("p4", "p3")]),
        (group([], "toy", "symmhessian", "# 14390: a toy") + "".join(TOY[:3]), [("p1",), ("p2",)]),
        (group([], "toy", "hessian", "# 14391: a toy") + "".join(powheg(14391, 12)), None),
        (
            group(TOY[:4], "toy", "hessian"),
            r"x\.lhe has 4 members of the PDF set toy, and a set of the type hessian has",
        ),
        (group([*TOY[:5], *TOY[7:]], "toy", "hessian"), r"x\.lhe has no weight of member 14395 "),
        (group(TOY[:3], "toy", "hessian") + "".join(TOY[5:]), r"x\.lhe has no weight of member 14393 "),
        (
            group(TOY, "toy", "replicas"),
            r"the PDF set toy has no eigenvectors .* x\.lhe: its type is replicas, and",
        ),
        (
            group(TOY, "toy", "unknown"),
            r"x\.lhe does not say how the members .* \(`combine='unknown'`\): write hessian or ",
        ),
        (group(TOY, "toy", "x") + group(TOY, "toy", "hessian"), r"x\.lhe does not say .* or `combine='x'`\): write"),
        (group(TOY, "toy", ""), r"x\.lhe does not say .* toy combine \(no group .*\): .*<weightgroup name='toy' com"),
    ],
)
def test_a_set_that_is_not_known(tmp_path: Path, declared: str, expected: list[tuple[str, ...]] | str | None) -> None:
    path = write(tmp_path / "x.lhe", declared)
    if isinstance(expected, str):
        with pytest.raises(StepError, match=f"^{expected}"):
            directions(path, "toy")
    else:
        assert directions(path, "toy") == (expected or [(f"p{k}", f"p{k + 1}") for k in range(1, 9, 2)])


def test_a_set_without_eigenvectors_is_refused_before_its_weights_are_made(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"^the PDF set 303600 has no eigenvectors .* x\.lhe: its type is replicas"):
        directions(write(tmp_path / "x.lhe", ""), "303600")


def test_a_known_set_under_another_name(tmp_path: Path) -> None:
    """Its number tells what it is."""
    path = write(tmp_path / "x.lhe", group(MEMBERS, "CT14nlo.LHgrid", "symmhessian", "# 13100: CT14"))
    assert directions(path, "CT14nlo.LHgrid") == PAIRS


def test_a_number_in_a_group_of_many_sets(tmp_path: Path) -> None:
    """The word of the group is not about each of them."""
    path = write(tmp_path / "x.lhe", group(TOY, "PDF_variation1"))
    with pytest.raises(
        StepError, match=r"^x\.lhe does not say how the members of the PDF set 14390 combine \(no group"
    ):
        directions(path, "14390")


def test_what_lhapdf_says_of_its_sets() -> None:
    """A known set has numbers of its own, and members that combine as its type says."""
    assert set(parton_sets.MEMBERS) <= set(parton_sets.NUMBERS)
    for name, members in parton_sets.MEMBERS.items():
        inside = range(parton_sets.NUMBERS[name] + 1, parton_sets.NUMBERS[name] + members.number)
        assert not set(inside) & set(parton_sets.NUMBERS.values()), name
        assert members.number % 2 == 1 or members.error_type == "symmhessian", name
        assert name.endswith("pdfas") == members.error_type.endswith("+as"), name


@pytest.mark.parametrize(
    ("declared", "named", "level"),
    [
        (group(MEMBERS), "CT14nlo", 0.9),
        (group(TOY[:5], "toy", "symmhessian", "# 14390: a toy"), "toy", None),
        (group(TOY[:5], "toy90cl", "symmhessian", "# 14390: a toy"), "toy90cl", 0.9),
        (group(TOY[:5], "toy90cl_nf3", "symmhessian", "# 14390: a toy"), "toy90cl_nf3", 0.9),
        (group(TOY[:5], "nCTEQ15_toy", "symmhessian", "# 14390: a toy"), "nCTEQ15_toy", 0.9),
        (group(powheg(14100, 59), "x", "unknown"), "CT18ZNNLO", 0.9),
        (group(TOY[:5], "my_CT18_toy", "symmhessian", "# 14390: a toy"), "my_CT18_toy", None),
    ],
)
def test_errors_at_another_confidence_level(tmp_path: Path, declared: str, named: str, level: float | None) -> None:
    found = find_nuisance({"pdf": PdfUncertainty(effect="pdf", variation=named)}, write(tmp_path / "x.lhe", declared))
    (sigmas,) = {parameter.sigmas for parameter in found}
    assert sigmas == (1.0 if level is None else pytest.approx(norm.interval(level)[1]))
    assert all(("taken for those at a confidence" in found[0].warning) == ("nCTEQ" in named) for found in [found])


def test_the_central_member_of_a_set_that_is_not_known(tmp_path: Path) -> None:
    """Members alone do not tell where the set begins; the group of the scales may have its central member."""
    scales, rest = group(TOY[:1], "scale_variation", "envelope"), group(TOY[1:5], "toy", "symmhessian")
    assert directions(write(tmp_path / "x.lhe", scales + rest), "toy") == [("p1",), ("p2",), ("p3",), ("p4",)]
    with pytest.raises(
        StepError, match=r"^the number of the central .* set toy is not known; .* x\.lhe is 14391: give"
    ):
        directions(write(tmp_path / "x.lhe", rest), "toy")


def test_a_name_that_is_not_known_and_numbers_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "x.lhe", group(TOY, "PDF_variation1"))
    with pytest.raises(
        StepError, match=r"mmc does not know the number of this set: give it as `variation: NUMBER`; it decl"
    ):
        directions(path, "toy")


def test_the_nominal_weight_is_that_of_the_central_member(tmp_path: Path) -> None:
    """Of the set with which the events were generated, POWHEG may write the other members alone."""
    path = write(tmp_path / "x.lhe", group(powheg(13100, 57)[1:], "PDF_variation"))
    text = path.read_text()
    for sets, is_told in (("13100 13100", True), ("13100 13000", False)):
        path.write_text(text.replace("<init>", f"<init>2212 2212 6.5e3 6.5e3 -1 -1 {sets} -4 1\n"))
        if is_told:
            found = find_nuisance({"pdf": PdfUncertainty(effect="pdf", variation="CT14nlo")}, path)
            assert [tuple(parameter.weights.values()) for parameter in found] == PAIRS
            assert {parameter.central for parameter in found} == {None}
        else:
            with pytest.raises(StepError, match="has no weight of member 13100 "):
                directions(path)
