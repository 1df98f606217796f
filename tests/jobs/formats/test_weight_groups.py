"""Nuisance parameters and the weights that they stand for in files as MadGraph writes them."""

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.compiler.settings.uncertainties import NormUncertainty, PdfUncertainty, ScaleUncertainty, Uncertainty
from mmc.errors import StepError
from mmc.jobs.formats import les_houches_normalise
from mmc.jobs.formats.declared_weights import weight_groups
from mmc.jobs.formats.weight_groups import Nuisance, find_nuisance, settle

from tests.jobs.event_files import HEADER
from tests.jobs.formats.test_les_houches_normalise import HEADER as RUN_CARD
from tests.jobs.formats.test_les_houches_normalise import write_lhe
from tests.jobs.systematics_files import NOMINAL_PDF, PdfSet, declarations

MU = ScaleUncertainty(effect="scale", scale="mu", variations=(0.5, 1.0, 2.0))
CT10 = PdfSet("CT10", 10800, 53, "hessian", "a set & more; mem=0 .gt. central")  # no XML
SYMMETRIC = PdfSet("PDF4LHC15_nlo_30_pdfas", 90400, 33, "symmhessian+as")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    declared, _ = declarations(pdf_sets=(CT10, SYMMETRIC, PdfSet("NNPDF31_nlo", 303400, 101, "replicas")))
    path = tmp_path / "events.lhe.gz"
    _write(path, declared)
    return path


def _write(path: Path, declared: str) -> None:
    reweighting = "<weightgroup name='mg_reweighting' weight_name_strategy='includeIdInWeightName'>\n"
    reweighting += "<weight id='w'>set param_card dim6 2 165.2 # orig: 0.0\n</weight>\n</weightgroup>\n"
    head = HEADER.format(n=1, norm="average")
    text = head.replace("</header>", f"<initrwgt>\n{declared}{reweighting}</initrwgt>\n</header>")
    path.write_bytes(gzip.compress(f"{text}<event>\n".encode()))


def _id(mur: float, muf: float) -> str:
    pairs = [(a, b) for a in (0.5, 1.0, 2.0) for b in (0.5, 1.0, 2.0) if (a, b) != (1.0, 1.0)]
    return str(1 + pairs.index((mur, muf)))


def test_a_weight_that_is_declared_in_two_ways(tmp_path: Path) -> None:
    text = "<LesHouchesEvents><header><initrwgt><weightgroup name='a'><weight id='2' MUR='{}'>x</weight></weightgroup>"
    path = tmp_path / "x.lhe"
    path.write_text(f"{text.format('2.0')}<weight id='2' MUR='2.0'>y</weight></initrwgt></header><event>")
    assert [dict(weight) for group in weight_groups(path) for weight in group.weights] == [
        {"id": "2", "mur": "2.0"}
    ] * 2
    path.write_text(f"{text.format('2.0')}<weight id='2' MUR='0.5'>y</weight></initrwgt></header><event>")
    with pytest.raises(StepError, match=r"^x\.lhe declares the weight '2' twice, in different ways$"):
        weight_groups(path)


def test_weight_groups(file: Path) -> None:
    groups = weight_groups(file)
    assert [(g.name, len(g.weights)) for g in groups] == [
        ("Central scale variation", 8),
        ("CT10", 53),
        ("PDF4LHC15_nlo_30_pdfas", 33),
        ("NNPDF31_nlo", 101),
        ("mg_reweighting", 1),
    ]
    assert groups[0].weights[0] == {"id": "1", "mur": "0.5", "muf": "0.5", "pdf": str(NOMINAL_PDF)}
    assert groups[1].text.startswith("# 10800: a set & more")


def test_norm_needs_no_file() -> None:
    (found,) = find_nuisance({"lumi": NormUncertainty(effect="norm", variation=1.1)}, Path("nowhere.lhe"))
    assert found == Nuisance(
        "lumi_nuisance_param_0", "lumi", {"lumi_nuisance_param_0_benchmark_0": None}, factor=1.1, central=None
    )
    assert found.benchmarks == ("lumi_nuisance_param_0_benchmark_0", None)


@pytest.mark.parametrize(
    ("scale", "variations", "up", "down"),
    [
        ("mu", (0.5, 1.0, 2.0), (2.0, 2.0), (0.5, 0.5)),
        ("mur", (0.5, 1.0, 2.0), (2.0, 1.0), (0.5, 1.0)),
        ("muf", (0.5, 1.0, 2.0), (1.0, 2.0), (1.0, 0.5)),
        ("mu", (2.0, 0.5), (0.5, 0.5), (2.0, 2.0)),
        ("mu", (1.0, 2.0), (2.0, 2.0), None),
    ],
)
def test_scale(file: Path, scale: Any, variations: tuple[float, ...], up: Any, down: Any) -> None:
    uncertainty = ScaleUncertainty(effect="scale", scale=scale, variations=variations)
    (found,) = find_nuisance({"mu": uncertainty}, file)
    ids = [_id(*pair) for pair in (up, down) if pair is not None]
    assert found.weights == {f"mu_nuisance_param_0_benchmark_{k}": weight for k, weight in enumerate(ids)}
    assert found.benchmarks[1] == (None if down is None else "mu_nuisance_param_0_benchmark_1")


def test_scales_chosen_in_another_way_do_not_count(tmp_path: Path) -> None:
    text = '<weightgroup name="Central scale variation" combine="envelope">\n'
    text += '<weight id="1" MUR="2.0"  MUF="2.0"  DYN_SCALE="1"  PDF="247000" > </weight>\n'
    text += '<weight id="2" MUR="2.0"  MUF="2.0"  ALPSFACT="2.0"  PDF="247000" > </weight>\n'
    text += '<weight id="3" MUR="2.0"  MUF="2.0"  PDF="247000" > </weight>\n'
    text += '<weight id="4" MUR="0.5"  MUF="0.5"  PDF="247000" > </weight>\n</weightgroup> # scale\n'
    _write(tmp_path / "events.lhe.gz", text)
    (found,) = find_nuisance({"mu": MU}, tmp_path / "events.lhe.gz")
    assert list(found.weights.values()) == ["3", "4"]


def test_scales_as_powheg_declares_them(tmp_path: Path) -> None:
    path = tmp_path / "events.lhe.gz"
    weights = {"1": "1d0", "up": "2d0", "down": "0.5d0"}
    lines = (f"<weight id='{k}'> lhapdf=260000 renscfact={s} facscfact={s} </weight>" for k, s in weights.items())
    _write(path, "<weightgroup name='scales'>\n{}\n</weightgroup>\n".format("\n".join(lines)))
    assert list(find_nuisance({"s": MU}, path)[0].weights.values()) == ["up", "down"]


def test_scales_of_another_set_do_not_count(tmp_path: Path) -> None:
    """A file with scales varied for several sets: those of the set that the nominal scales have, if there is one."""
    path = tmp_path / "events.lhe.gz"
    several = [("a", 2.0, 303400), ("b", 0.5, 303400), ("up", 2.0, 325500), ("down", 0.5, 325500)]

    def write(*nominal: int) -> None:
        weights = [*several, *((f"n{number}", 1.0, number) for number in nominal)]
        lines = (f"<weight id='{k}' MUR='{s}' MUF='{s}' PDF='{number}'> </weight>" for k, s, number in weights)
        _write(path, "\n".join(lines))

    write(325500)
    assert list(find_nuisance({"s": MU}, path)[0].weights.values()) == ["up", "down"]
    for unclear in ((), (303400, 325500)):
        write(*unclear)
        with pytest.raises(StepError, match=r"several weights for .* \(MUR=2, MUF=2\): .*303400'; .*325500'\. Which"):
            find_nuisance({"s": MU}, path)


def test_hessian_set(file: Path) -> None:
    """26 eigenvectors, each with two directions; member n of CT10 is weight 9 + n."""
    found = find_nuisance({"pdf": PdfUncertainty(effect="pdf", variation="CT10")}, file)
    assert [p.name for p in found] == [f"pdf_nuisance_param_{k}" for k in range(26)]
    assert [list(p.weights.values()) for p in found] == [[str(10 + 2 * k), str(11 + 2 * k)] for k in range(26)]
    assert {p.central for p in found} == {"9"}
    assert found[3].columns == {
        "pdf_nuisance_param_3_benchmark_0": "16",
        "pdf_nuisance_param_3_benchmark_1": "17",
        "pdf_central": "9",
    }


@pytest.mark.parametrize("named", ["PDF4LHC15_nlo_30_pdfas", "90400"])
def test_symmetric_set_with_the_coupling(file: Path, named: str) -> None:
    """30 eigenvectors with one direction each, then the strong coupling: member 31 is smaller, 32 larger."""
    found = find_nuisance({"pdf": PdfUncertainty(effect="pdf", variation=named)}, file)
    first = 9 + 53
    assert [list(p.weights.values()) for p in found[:30]] == [[str(first + k)] for k in range(1, 31)]
    assert [list(p.weights.values()) for p in found[30:]] == [[str(first + 32), str(first + 31)]]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (
            replace(MU, variations=(0.25, 4.0)),
            r"no weight for the scale uncertainty x \(MUR=4, MUF=4\): MadGraph writes it",
        ),
        (
            PdfUncertainty(effect="pdf", variation="MSTW"),
            r"no weights for the PDF uncertainty x \(MSTW\): MadGraph writes them",
        ),
        (
            PdfUncertainty(effect="pdf", variation="NNPDF31_nlo"),
            r"NNPDF31_nlo has no eigenvectors for the uncertainties of .*: its type is replicas, and",
        ),
    ],
)
def test_missing(file: Path, entry: Uncertainty, reason: str) -> None:
    with pytest.raises(StepError, match=reason):
        find_nuisance({"x": entry}, file)


def test_central_weights_of_zero() -> None:
    """Of events with a nominal weight: there is no ratio, and leaving out such events would look like an effect."""
    parameter = Nuisance("p", "pdf", {"b": "1"}, central="0")
    weights = {"sm": np.array([1.0, 1.0, 0.0]), "pdf_central": np.array([1.0, 0.0, 0.0]), "b": np.ones(3)}
    with pytest.raises(StepError, match=r"^the weight '0' of the uncertainty pdf, .* is 0 in 50\.0% of the"):
        settle(weights, [parameter], "sm")


@pytest.mark.parametrize("central", [None, "0"])
def test_members_at_more_than_one_standard_deviation(central: str | None) -> None:
    """A change of 50 % at two standard deviations is one of 25 % at one, and nothing in an event without weight."""
    parameter = Nuisance("p", "pdf", {"up": "1", "down": "2"}, central=central, sigmas=2.0)
    nominal = np.array([2.0, -4.0, 0.0])
    scale = 1.0 if central is None else 3.0
    weights = {"sm": nominal, "up": 1.5 * scale * nominal, "down": 0.5 * scale * nominal}
    weights |= {} if central is None else {"pdf_central": scale * nominal}
    settle(weights, [parameter], "sm")
    assert {name: values.tolist() for name, values in weights.items()} == {
        "sm": [2.0, -4.0, 0.0],
        "up": [2.5, -5.0, 0.0],
        "down": [1.5, -3.0, 0.0],
    }


def test_declarations_in_comments_and_in_two_blocks(tmp_path: Path) -> None:
    lines = [f"<weight id='{k}' MUR='{k}' MUF='{k}'> </weight>" for k in (2.0, 0.5)]
    text = f"<initrwgt><!-- {lines[0].replace('2.0', 'old', 1)} -->{lines[0]}</initrwgt><initrwgt>{lines[1]}</initrwgt>"
    path = tmp_path / "x.lhe"
    path.write_text(f"<LesHouchesEvents><header>{text}</header><event>")
    (parameter,) = find_nuisance({"mu": MU}, path)
    assert list(parameter.weights.values()) == ["2.0", "0.5"]


def test_declarations_in_the_settings_that_powheg_copies(tmp_path: Path) -> None:
    """A comment before the header counts only where nothing else declares weights."""
    lines = [f"<weight id='{k}' MUR='{k}' MUF='{k}'> </weight>" for k in (2.0, 0.5)]
    comment = "<!--\nrwl_file '-'\n<initrwgt>" + "".join(lines).replace("MUF", "hdamp='9' MUF") + "</initrwgt>\n-->"
    own, path = f"<initrwgt>{''.join(lines)}</initrwgt>", tmp_path / "x.lhe"
    for before, declared in ((comment, own), (comment.replace("hdamp='9' ", ""), "")):
        path.write_text(f"<LesHouchesEvents>{before}<header>{declared}</header><event>")
        (parameter,) = find_nuisance({"mu": MU}, path)
        assert list(parameter.weights.values()) == ["2.0", "0.5"]
    path.write_text(f"<LesHouchesEvents><header>{own}{own.replace('MUF', 'x=')}</header><event>")
    with pytest.raises(StepError, match=r"declares the weight '2\.0' twice, in different ways"):
        find_nuisance({"mu": MU}, path)


def test_declarations_in_a_comment_of_the_header_and_after_it(tmp_path: Path) -> None:
    """The normal form has those after the header too, which count, and not the comment."""
    weights = {"a": ("2.0", "0.5"), "b": ("0.5", "2.0")}  # in the comment, and after the header
    comment, own = (
        "".join(f"<weight id='{name}' MUR='{both[k]}' MUF='{both[k]}'> </weight>" for name, both in weights.items())
        for k in (0, 1)
    )
    header = f"{RUN_CARD}<!-- <initrwgt>{comment}</initrwgt> -->\n"
    source, out = write_lhe(tmp_path / "x.lhe", [dict.fromkeys(weights, "0.25")] * 2, header=header), tmp_path / "y.lhe"
    source.write_text(source.read_text().replace("</header>", f"</header>\n<initrwgt>{own}</initrwgt>"))
    content = les_houches_normalise.inspect(source, "sm", ["sm"])
    les_houches_normalise.write(source, out, content, "sm", ["sm"])
    for path in (source, out):
        (parameter,) = find_nuisance({"mu": MU}, path)
        assert list(parameter.weights.values()) == ["b", "a"]


def test_a_file_without_declarations(tmp_path: Path) -> None:
    (tmp_path / "events.lhe").write_text(HEADER.format(n=1, norm="average") + "<event>\n")
    with pytest.raises(StepError, match=r"events\.lhe has no weight for the scale uncertainty mu"):
        find_nuisance({"mu": MU}, tmp_path / "events.lhe")


def test_members_are_relative_to_the_central_one() -> None:
    parameters = [Nuisance(f"p{k}", "pdf", {f"b{k}": str(k)}, central="0") for k in (1, 2)]
    weights = {"sm": np.array([2.0, 3.0]), "pdf_central": np.array([4.0, 2.0])}
    weights |= {"b1": np.array([4.0, 4.0]), "b2": np.array([1.0, 2.0])}
    settle(weights, parameters, "sm")
    assert {name: values.tolist() for name, values in weights.items()} == {
        "sm": [2.0, 3.0],
        "b1": [2.0, 6.0],
        "b2": [0.5, 3.0],
    }
