"""Event files in the form that all later steps read."""

import gzip
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.formats import les_houches_normalise, les_houches_table
from mmc.jobs.formats.les_houches_cross_section import of_one_run
from mmc.jobs.formats.les_houches_head import read_head, without_settings
from mmc.jobs.formats.les_houches_normalise import events

from tests.support import SHARED_DATA

HEADER = (
    "<MGRunCard>\n<![CDATA[\n# nevents = what ! is asked\n {n} = nevents ! Number\n  {norm}\t= event_norm ! sum\n]]>\n"
    "</MGRunCard>\n"
)
EVENT = (
    "<event>\n 3   1 {own} 9.118e+01 7.8e-03 1.1e-01\n 21 -1 0 0 501 502 0. 0. 50. 50. 0. 0. 9.\n"
    "# a comment\n 21 -1 0 0 502 501 0. 0. -50. 50. 0. 0. 9.\n 25 1 1 2 0 0 0. 0. 0. 100. 100. 0. 9.\n"
    "<mgrwt>\n<rscale> 0 0.3</rscale>\n</mgrwt>\n<rwgt>\n{weights}</rwgt>\n</event>\n"
)


def write_lhe(
    path: Path,
    weights: list[dict[str, str]],
    own: str = "0.25",
    norm: str = "sum",
    header: str = HEADER,
    cross_section: float = 0.5,
) -> Path:
    """A file with these weights, whose own add up to a cross section of 0.5 pb if there are two."""
    text = "<LesHouchesEvents version='3.0'>\n<header>\n" + header.format(n=len(weights), norm=norm)
    text += "</header>\n<init>\n2212 2212 6.5e+03 6.5e+03 0 0 247000 247000 -3 1\n"
    text += f"{cross_section:.1e} 1.0e-02 2.0e-01 1\n</init>\n"
    for entry in weights:
        lines = "".join(f"<wgt id='{name}'> {value} </wgt>\n" for name, value in entry.items())
        text += EVENT.format(own=own, weights=lines)
    path.write_text(text + "</LesHouchesEvents>\n")
    return path


def normalise(
    source: Path, sampled: str, benchmarks: list[str], **options: Any
) -> tuple[les_houches_normalise.Content, str]:
    content = les_houches_normalise.inspect(source, sampled, benchmarks)
    out = source.with_name("normal.lhe.gz")
    les_houches_normalise.write(source, out, content, sampled, benchmarks, **options)
    return content, gzip.decompress(out.read_bytes()).decode()


def test_background_has_its_own_weight_alone(tmp_path: Path) -> None:
    _, text = normalise(write_lhe(tmp_path / "x.lhe", [{}, {}]), "sm", ["sm"])
    assert re.findall(r"<wgt id='(\w+)'> (\S+) <", text) == [("sm", "+5.00000000000000e-01")] * 2


def test_weight_of_the_sampled_benchmark_may_be_there(tmp_path: Path) -> None:
    content, _ = normalise(write_lhe(tmp_path / "x.lhe", [{"sm": "0.25", "w": "1"}] * 2), "sm", ["sm", "w"])
    assert content.sums == {"sm": 1.0, "w": 4.0}


def test_bytes_depend_on_the_content_alone(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        header = f"<MG5ProcCard>\noutput {tmp_path / name}/process\n</MG5ProcCard>\n{HEADER}"
        normalise(write_lhe(tmp_path / name / "x.lhe", [{}, {}], header=header), "sm", ["sm"], forget=tmp_path / name)
    first, second = ((tmp_path / name / "normal.lhe.gz").read_bytes() for name in ("a", "b"))
    assert first == second and b"output ./process" in gzip.decompress(first)


def test_header_without_a_run_card_gets_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, text = normalise(write_lhe(tmp_path / "x.lhe", [{}, {}], header="<a>R&D &lt; &#38;</a>"), "sm", ["sm"])
    assert "<MGRunCard>\n 2 = nevents" in text and "<a>R&amp;D &lt; &#38;</a>" in text
    _, text = normalise(write_lhe(tmp_path / "x.lhe", [{}, {}], header="<a>"), "sm", ["sm"])
    assert "<a> in the header of the event file is left out, as it is not valid XML: it has no end" in caplog.text
    assert les_houches_table.read(tmp_path / "normal.lhe.gz").factor == 0.5


@pytest.mark.parametrize(
    ("weights", "own", "norm", "reason"),
    [
        ([{}, {}], "0.25", "sum", "event 1 of x.lhe has no weight for 'w', 'v'"),
        ([{"w": "1", "v": "1"}, {"w": "1"}], "0.25", "sum", "event 2 of x.lhe has no weight for 'v'"),
        (
            [{"w": "1", "v": "1", "9": "1"}, {"w": "1", "v": "1"}],
            "0.25",
            "sum",
            "event 2 of x.lhe has no weight for '9'",
        ),
        (
            [{"sm": "1", "v": "1"}],
            "0.25",
            "sum",
            r"event 1 of x.lhe has no weight for 'w': was it sampled at 'w', and not at 'sm'\?",
        ),
        ([{"w": "nan", "v": "1"}], "0.25", "sum", "the weight of event 1 of x.lhe for 'w' is nan"),
        ([{"w": "1e-3-5", "v": "1"}], "0.25", "sum", "the weight of event 1 of x.lhe for 'w' is 1e-3-5"),
        ([{"w": "1", "v": "1"}], "inf", "sum", "the weight of event 1 of x.lhe for 'sm' is inf"),
        (
            [{"w": "1", "v": "1"}],
            "1.0",
            "median",
            "the weights in x.lhe do not give a cross section: event_norm in its run card is median, and mmc knows",
        ),
        ([], "0.25", "sum", "x.lhe holds no events"),
    ],
)
def test_weights_that_are_missing(
    tmp_path: Path, weights: list[dict[str, str]], own: str, norm: str, reason: str
) -> None:
    source = write_lhe(tmp_path / "x.lhe", weights, own, norm)
    with pytest.raises(StepError, match=f"^{reason}"):
        les_houches_normalise.inspect(source, "sm", ["sm", "w", "v"])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("</LesHouchesEvents>", "", "x.lhe is damaged: it ends within an event"),
        (" 25 1 1 2", " # 25 1 1 2", "event 1 of x.lhe is damaged: its first line does not fit what follows"),
        ("<init>", "<start>", "x.lhe is not an event file: it does not begin with <LesHouchesEvents> and <init>"),
        ("5.0e-01 1.0e-02", "zero 1.0e-02", "x.lhe is damaged: its <init> has entries that are not numbers"),
        ("5.0e-01 1.0e-02", "0.0e-01 1.0e-02", "the cross section of x.lhe in its <init> is 0 pb"),
        ("# a comment", "<!-- a comment", r"mmc cannot read the event file x.lhe: a comment .* has no end .line 15."),
        ("<event>", "<!-- <event>", r"mmc cannot read the event file x.lhe: an event is within a comment .line 15."),
        ("</event>", "", r"mmc cannot read the event file x.lhe: an event is within an event .line 15."),
    ],
)
def test_damage(tmp_path: Path, old: str, new: str, reason: str) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{}, {}])
    assert old in source.read_text()
    source.write_text(source.read_text().replace(old, new, 1))
    with pytest.raises(StepError, match=f"^{reason}"):
        les_houches_normalise.inspect(source, "sm", ["sm"])


def test_comments_in_events_are_left_out(tmp_path: Path) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{"w": "1"}] * 2)
    _, expected = normalise(source, "sm", ["sm", "w"])
    source.write_text(source.read_text().replace(" 50. 50. 0. 0. 9.\n", " 50. 50. 0. 0. 9. # of the proton\n"))
    comment = "<!-- 21 -1 0\n<wgt id='w'> 9 </wgt> -- -->"
    text = source.read_text().replace("# a comment", comment).replace("<rwgt>", f"<rwgt>{comment}")
    source.write_text(text.replace("</event>\n", "</event>\n<!-- between events -->\n"))
    assert normalise(source, "sm", ["sm", "w"])[1] == expected


def test_bytes_that_are_not_utf8_are_latin1(tmp_path: Path) -> None:
    source = write_lhe(
        tmp_path / "x.lhe", [{"w": "1"}] * 2, header=HEADER + "<by>J\xfcrgen \N{GREEK SMALL LETTER MU}</by>\n"
    )
    source.write_bytes(source.read_bytes().replace("\xfc".encode(), b"\xfc"))
    assert "<by>J\xfcrgen \N{GREEK SMALL LETTER MU}</by>" in normalise(source, "sm", ["sm", "w"])[1]
    source.write_bytes(source.read_bytes().replace(b" 25 1 1 2", b" 2\xfc 1 1 2"))
    with pytest.raises(StepError, match=r"^event 1 of x.lhe is damaged: it has characters .* of numbers .line 16.$"):
        les_houches_normalise.inspect(source, "sm", ["sm"])


def test_two_weights_of_the_same_name(tmp_path: Path) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{"w": "1"}] * 2)
    again = source.read_text().replace("</rwgt>", "<wgt id='w'> {} </wgt></rwgt>")
    source.write_text(again.format(1.0, 1.0))
    assert normalise(source, "sm", ["sm", "w"])[0].sums["w"] == 4.0
    source.write_text(again.format("1.0", "3e0"))
    with pytest.raises(StepError, match=r"^event 2 of x.lhe is damaged: it has two weights 'w', 1 and 3e0 .line 28.$"):
        les_houches_normalise.inspect(source, "sm", ["sm", "w"])


def test_names_of_weights_in_the_file(tmp_path: Path) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{"172.5_40": "1", "0.25 <": "3"}] * 2)
    names = {"m172": "172.5_40"}
    content = les_houches_normalise.inspect(source, "sm", ["sm", "m172"], names=names)
    les_houches_normalise.write(source, tmp_path / "n.lhe.gz", content, "sm", ["sm", "m172"], renamed=names)
    assert content.record()["mean_weights_pb"] == {"sm": 0.5, "m172": 2.0}
    assert list(les_houches_table.read(tmp_path / "n.lhe.gz").weights) == ["sm", "m172", "0.25 <"]


def test_the_nominal_weights_are_those_of_the_sampled_benchmark(tmp_path: Path) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{"sm": "0.25", "w": "1"}] * 2)
    les_houches_normalise.inspect(source, "sm", ["sm", "w"])
    reason = (
        r"^the weights at 'w' in x.lhe add up to 2, and the nominal weights to 0.5: the file was not sampled at 'w'$"
    )
    with pytest.raises(StepError, match=reason):
        les_houches_normalise.inspect(source, "w", ["sm", "w"])


@pytest.mark.parametrize(
    ("minus", "is_refused"), [(("0.45", "0.05"), True), (("0.26", "0.24"), True), (("0.25", "0.25"), False)]
)
def test_a_file_of_another_benchmark_with_the_same_cross_section(
    tmp_path: Path, minus: tuple[str, str], is_refused: bool
) -> None:
    """As of a CP-odd coefficient with the other sign: single events have other weights."""
    source = write_lhe(tmp_path / "x.lhe", [{"plus": "0.25", "minus": value} for value in minus])
    les_houches_normalise.inspect(source, "plus", ["plus", "minus"])
    if is_refused:
        reason = r"^the weights at 'plus' in x\.lhe are the nominal .*: was it sampled at 'plus', and not at 'minus'\?$"
        with pytest.raises(StepError, match=reason):
            les_houches_normalise.inspect(source, "minus", ["plus", "minus"])
    else:
        les_houches_normalise.inspect(source, "minus", ["plus", "minus"])


def test_weights_that_are_smeared_may_be_those_of_the_sampled_benchmark(tmp_path: Path) -> None:
    """They differ by 4 %, and those at other benchmarks from the nominal ones by more."""
    weights = [{"sm": "0.26", "w": "0.27"}, {"sm": "0.24", "w": "0.23"}]
    les_houches_normalise.inspect(write_lhe(tmp_path / "x.lhe", weights), "sm", ["sm", "w"])


DECLARED = "<initrwgt><weightgroup name='a'><weight id='w'> MUR=2.0 </weight></weightgroup></initrwgt>\n"


@pytest.mark.parametrize(
    ("header", "kept", "lost"),
    [
        ("<slha>\n a < b\n</slha>\n" + HEADER + DECLARED, ["<MGRunCard>", "# a = b"], "<slha>"),
        (
            DECLARED + HEADER + "<x><y></x>\n<z>1</z>",
            ["<MGRunCard>", "# a = b", "<z>1</z>", "MUR=2.0 </weight>"],
            "<x>",
        ),
        ("<x>\n" + HEADER + DECLARED + "<z>1</z>", ["<MGRunCard>", "# a = b", "<z>1</z>"], "<x>"),
        (HEADER + DECLARED.replace("</weightgroup>", ""), ["<MGRunCard>", "# a = b"], "<initrwgt>"),
        (HEADER.replace("# nev", "]]> < # nev") + DECLARED, ["<MGRunCard>"], "<MGRunCard>"),
        ("<!-- <x> -->\n<y>&b;</y>\n" + HEADER + DECLARED, ["<MGRunCard>", "# a = b"], "<y>"),
    ],
)
def test_damage_of_a_part_of_the_header_costs_that_part(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, header: str, kept: list[str], lost: str
) -> None:
    header = header.replace("]]>\n</MG", "# a = b\n]]>\n</MG")
    content, text = normalise(write_lhe(tmp_path / "x.lhe", [{"w": "1"}] * 2, header=header), "sm", ["sm", "w"])
    head = ElementTree.fromstring(text).find("header")
    assert head is not None and head.find("MGRunCard") is not None and content.head.norm == "sum"
    (weight,) = head.iterfind("initrwgt/weightgroup/weight")
    assert weight.get("id") == "w" and "2.0" in (weight.get("mur", "") + (weight.text or ""))
    assert [part for part in kept if part not in text] == []
    assert (
        f"{lost} in the header of the event file is left out" in caplog.text and caplog.text.count("is left out") == 1
    )


@pytest.mark.parametrize("place", ["<header>", "</header>", "</init>"])
def test_declarations_of_weights_stay_wherever_they_are(tmp_path: Path, place: str) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{"w": "1"}] * 2)
    new = f"{DECLARED}{place}" if place == "<header>" else f"{place}\n{DECLARED}"
    source.write_text(source.read_text().replace(place, new))
    head = ElementTree.fromstring(normalise(source, "sm", ["sm", "w"])[1]).find("header")
    assert head is not None and len(list(head.iterfind("initrwgt/weightgroup/weight"))) == 1


def test_a_header_without_its_end(tmp_path: Path) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{"w": "1"}] * 2, header=HEADER + DECLARED)
    source.write_text(source.read_text().replace("</header>", ""))
    content, text = normalise(source, "sm", ["sm", "w"])
    assert content.head.norm == "sum" and "MUR=2.0" in text


@pytest.mark.parametrize(
    "line", ["{} = event_norm # hidden_parameter", "'{}'\t= EVENT_NORM! x", " {}=event_norm #x ! y"]
)
@pytest.mark.parametrize(("norm", "own"), [("sum", "0.25"), ("average", "0.5")])
def test_forms_of_run_cards(tmp_path: Path, line: str, norm: str, own: str) -> None:
    header = HEADER.replace(
        "  {norm}\t= event_norm ! sum\n", f"#  Additional hidden parameters\n {line.format(norm)}\n"
    )
    content, text = normalise(write_lhe(tmp_path / "x.lhe", [{}, {}], own, header=header), "sm", ["sm"])
    assert content.head.norm == norm and content.sums == {"sm": 1.0}
    assert text.lower().count("event_norm") == 1


@pytest.mark.parametrize("number", ["3", "3.0", "3d0", "0.003k", "'3'"])
def test_numbers_of_events_in_run_cards(tmp_path: Path, number: str) -> None:
    """As people write them, and as MadGraph takes them."""
    source = write_lhe(tmp_path / "x.lhe", [{}, {}], header=HEADER.replace("{n} =", f"{number} ="))
    with pytest.raises(
        StepError, match=r"^the header of x\.lhe says that 3 events were generated, and the file holds 2"
    ):
        les_houches_normalise.inspect(source, "sm", ["sm"])


@pytest.mark.parametrize(
    ("told", "entry", "written"),
    [("3,000 = nevents", "nevents", "10000 = nevents"), ("numevts 1.5", "numevts", "numevts 10000")],
)
def test_a_number_of_events_that_is_none(tmp_path: Path, told: str, entry: str, written: str) -> None:
    header = HEADER.replace("{n} = nevents", told) if entry == "nevents" else ""
    source = write_lhe(tmp_path / "x.lhe", [{}, {}], header=header)
    if not header:
        source.write_text(source.read_text().replace("<header>", f"<!--\n{told} ! events\n-->\n<header>"))
    reason = (
        rf"^x\.lhe does not say how many .*: '.*' \({entry}\) is not a number of events; write it as in `{written}`$"
    )
    with pytest.raises(StepError, match=reason):
        les_houches_normalise.inspect(source, "sm", ["sm"])
    source.write_text(source.read_text().replace("</header>", f"{INFO}</header>"))
    assert les_houches_normalise.inspect(source, "sm", ["sm"]).n_generated == 2, "the generator says it elsewhere"


POWHEG_NUMBER = "NUMEVTS 4\n"
INFO = "<MGGenerationInfo>\n# Number of Events : 2\n# Integrated weight (pb) : 0.5\n</MGGenerationInfo>\n"


TOLD = INFO.replace(": 2", ": 4")
ASKED = "<MGRunCard>\n 4 = nevents\n average = event_norm\n</MGRunCard>\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<header>", f"<header>\n{TOLD}"),
        ("<header>", f"<header>\n{TOLD.replace('</MGGenerationInfo>', '')}"),
        ("<header>", f"<header>\n{TOLD.replace('<MGGenerationInfo>', '<MGGeneration')}"),
        ("<header>", f"{TOLD}<header>"),
        ("<header>\n</header>", TOLD),
        ("<header>\n</header>", ASKED),
        ("<header>", f"<header>\n{ASKED.replace('<MG', '<mg')}"),
        ("<header>", f"<header>\n{ASKED.replace('Card>', 'Card name=1>', 1)}"),
        ("<header>", f"<header>\n{ASKED.replace('</MGRunCard>', '')}<slha>\n 2 = nevents\n</slha>"),
        ("<init>", f"<!--\n{POWHEG_NUMBER}-->\n<init>"),
    ],
)
def test_numbers_of_events_in_damaged_headers(tmp_path: Path, old: str, new: str) -> None:
    """Two of four events are left: where a tag is missing, the numbers beside it still count."""
    source = write_lhe(tmp_path / "x.lhe", [{}, {}], "0.5", header="")
    text = source.read_text().replace(" -3 1\n", " -4 1\n")
    assert old in text
    source.write_text(text.replace(old, new))
    with pytest.raises(
        StepError, match=r"^the header of x\.lhe says that 4 events were generated, and the file holds 2"
    ):
        les_houches_normalise.inspect(source, "sm", ["sm"])
    content = les_houches_normalise.inspect(source, "sm", ["sm"], filtered=True)
    assert content.record()["mean_weights_pb"] == {"sm": 0.25}
    les_houches_normalise.write(source, tmp_path / "n.lhe.gz", content, "sm", ["sm"])
    assert les_houches_table.read(tmp_path / "n.lhe.gz").factor == 0.5


def test_a_head_with_two_numbers_of_events(tmp_path: Path) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{}, {}], header=HEADER + INFO + TOLD)
    with pytest.raises(StepError, match=r"how many events were generated: its header has the numbers 2 and 4 \(<MGGen"):
        les_houches_normalise.inspect(source, "sm", ["sm"])


def test_cross_sections_that_a_file_tells_of_its_weights(tmp_path: Path) -> None:
    """12 pb with an error of 1 pb, and 1.5 pb without any; that of `<init>` has one of 2 %."""
    weights = [{"a&b": f"{k % 3 / 8}", "w": "0.015625"} for k in range(96)]
    plain = write_lhe(tmp_path / "x.lhe", weights, own="0.0052083333").read_text().replace("'a&b'", "'a&amp;b'")
    told = "<xsecinfo weightname=\"a&amp;b\" totxsec='{}'/>\n<xsecinfo weightname='w' totxsec='{}'/>\n</init>"
    for first, second, wrong in ((16.0, 1.51, None), (21.0, 1.5, "'v' in x.lhe give a cross section of 12 pb, and")):
        (tmp_path / "x.lhe").write_text(plain.replace("</init>", told.format(first, second)))
        arguments = tmp_path / "x.lhe", "sm", ["sm", "v", "w"]
        if wrong is None:
            found = les_houches_normalise.inspect(*arguments, names={"v": "a&b"}).record()
            assert found["mean_weights_pb"]["v"] == pytest.approx(12.0)
        else:
            with pytest.raises(StepError, match=f"^the weights at {wrong} <xsecinfo> of this weight says 21 pb: were "):
                les_houches_normalise.inspect(*arguments, names={"v": "a&b"})
            ones = {"v": np.ones(96)}  # computed weights replace those of the file
            assert les_houches_normalise.inspect(*arguments, ratios=ones).n_events == 96
    (tmp_path / "x.lhe").write_text(plain.replace("</init>", told.format(0, 1.5)))  # 0 is a placeholder
    assert les_houches_normalise.inspect(*arguments, names={"v": "a&b"}).n_events == 96


def test_weights_of_mmc_itself_are_not_taken_for_factors(tmp_path: Path) -> None:
    """Twelve events with a negative weight of 1e-3 pb and others, and 1 pb at another benchmark."""
    source = write_lhe(tmp_path / "x.lhe", [{"w": str(1.0 + k / 50)} for k in range(40)], own="1.0e-03", header="")
    text = source.read_text().replace("5.0e-01 1.0e-02", "4.0e-04 1.0e-05").replace(" -3 1\n", " -4 1\n")
    source.write_text(text.replace(" 1.0e-03 ", " -1.0e-03 ", 12))
    with pytest.raises(StepError, match=r"^the weights at 'w' in x\.lhe are positive in 12 of the 12 events with"):
        les_houches_normalise.inspect(source, "sm", ["sm", "w"])
    content = les_houches_normalise.inspect(source, "sm", ["sm", "w"], may_lack_events=True)
    assert content.warnings == ()


def test_tags_of_init_may_have_attributes(tmp_path: Path) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{}, {}])
    source.write_text(source.read_text().replace("<init>", "<init version='3'>"))
    content, text = normalise(source, "sm", ["sm"])
    assert content.head.cross_section_pb == (0.5, 0.01) and "<init>\n2212" in text


POWHEG = (
    "<!--\nfile generated with POWHEG-BOX-V2\nInput file powheg.input contained:\n! numevts 7\nnumevts {} ! of a run\n"
    "x 5d0\nEnd of powheg.input content\n-->\n<header>"
)
XSEC_INFO = '<xsecinfo neve="{}" totxsec="5.0E-01" />\n</init>'


@pytest.mark.parametrize(("tag", "told"), [("<header>", POWHEG), ("</init>", XSEC_INFO)])
def test_numbers_of_events_of_other_programs(tmp_path: Path, tag: str, told: str) -> None:
    """POWHEG's settings, and what WHIZARD writes into ``<init>``: a file of which events were cut is noticed."""
    source = write_lhe(tmp_path / "x.lhe", [{}, {}], "0.5", header="")
    plain = source.read_text().replace(" -3 1\n", " -4 1\n")
    for number, filtered in (("2", False), ("4", True)):
        source.write_text(plain.replace(tag, told.format(number)))
        content = les_houches_normalise.inspect(source, "sm", ["sm"], filtered=filtered)
        assert content.record()["mean_weights_pb"] == {"sm": 1.0 / float(number)}
        les_houches_normalise.write(source, tmp_path / "n.lhe.gz", content, "sm", ["sm"])
        assert "xsecinfo" not in gzip.decompress((tmp_path / "n.lhe.gz").read_bytes()).decode()
    with pytest.raises(
        StepError, match=r"^the header of x\.lhe says that 4 events were generated, and the file holds 2"
    ):
        les_houches_normalise.inspect(source, "sm", ["sm"])


@pytest.mark.parametrize(("tag", "told"), [("<header>", POWHEG), ("</init>", XSEC_INFO)])
def test_runs_that_were_merged_under_the_head_of_the_first(tmp_path: Path, tag: str, told: str) -> None:
    """They have more events than the program counted, and the weights still show the cross section."""
    source = write_lhe(tmp_path / "x.lhe", [{}] * 6, "0.5", header="")
    plain = source.read_text().replace(" -3 1\n", " -4 1\n")
    source.write_text(plain.replace(tag, told.format(3)))
    content = les_houches_normalise.inspect(source, "sm", ["sm"])
    assert content.n_generated == 6 and content.record()["mean_weights_pb"] == {"sm": 0.5}
    with pytest.raises(
        StepError, match=r"^the header of x\.lhe does not say how many events there were before some we"
    ):
        les_houches_normalise.inspect(source, "sm", ["sm"], filtered=True)
    source.write_text(source.read_text().replace("<header>", "<header><MGRunCard> 12 = nevents </MGRunCard>"))
    content = les_houches_normalise.inspect(source, "sm", ["sm"], filtered=True)
    assert content.record()["mean_weights_pb"] == {"sm": 0.25}, "half of the events"
    assert not of_one_run(content.head, "x.lhe"), "somebody has written the number of all runs"
    source.write_text(plain.replace(tag, told.format(12)))
    entry = "numevts" if told == POWHEG else "neve"
    with pytest.raises(StepError, match=rf"one part of a run, write the number of its events into {entry}$"):
        les_houches_normalise.inspect(source, "sm", ["sm"])
    source.write_text(plain.replace("<header>", f"<header><MGRunCard>\n 3 = nevents\n{CARD_END}"))
    with pytest.raises(
        StepError, match=r"3 events were generated, and the file holds 6: .*; if files were merged, name"
    ):
        les_houches_normalise.inspect(source, "sm", ["sm"])
    source.write_text(plain.replace(tag, told.format(10)))
    content = les_houches_normalise.inspect(source, "sm", ["sm"], filtered=True)
    (line,) = of_one_run(content.head, "x.lhe")
    assert line.startswith(f"10 is the number of events of one run in x.lhe ({entry}): if runs were merged before")
    assert line.endswith("into its <header>, as in `<MGRunCard> 10000 = nevents </MGRunCard>`")


def test_a_part_of_a_run_of_madgraph(tmp_path: Path) -> None:
    """The message tells all that must change."""
    source = write_lhe(tmp_path / "x.lhe", [{}] * 2, "0.5", "average", header=HEADER.replace("{n} =", "10 =") + INFO)
    text = source.read_text().replace("Events : 2", "Events : 10")
    source.write_text(text)
    with pytest.raises(StepError, match=r"into <MGGenerationInfo> and, as `2 = nevents`, into the run card$"):
        les_houches_normalise.inspect(source, "sm", ["sm"])
    source.write_text(text.replace("Events : 10", "Events : 2").replace("10 = nevents", "2 = nevents"))
    assert les_houches_normalise.inspect(source, "sm", ["sm"]).n_generated == 2


CARD_END = " average = event_norm\n</MGRunCard>\n"


@pytest.mark.parametrize(("opening", "closing"), [("", ""), ("<![CDATA[\n", "]]>")])
def test_entries_leave_the_run_card(opening: str, closing: str) -> None:
    text = f"<LesHouchesEvents><header>a<MGRunCard>\n{opening} 1 = ickkw ! MLM\n 2 = nevents\n{closing}</MGRunCard>b"
    head = read_head(f"{text}</header><init>\n1 1 1 1 0 0 0 0 -4 1\n1. 0.1 1. 1\n</init>", Path("x.lhe"))
    kept = without_settings(head, ["ickkw"]).header
    assert "".join(kept.split()) == "".join(head.header.replace(" 1 = ickkw ! MLM\n", "").split())


def test_the_numbers_of_final_particles(tmp_path: Path) -> None:
    """Intermediate and incoming particles do not count, nor the number of the process in the first line."""
    source = write_lhe(tmp_path / "x.lhe", [{}, {}])
    statuses = [[row.split()[1] for row in body.splitlines()[1:]] for _, body, *_ in events(source, {})]
    expected = [row.count("1") for row in statuses]
    assert les_houches_normalise.inspect(source, "sm", ["sm"]).n_final == (min(expected), max(expected))
    assert 0 < expected[0] < len(statuses[0])


def test_the_cross_section_of_other_weights_is_not_that_of_the_events(tmp_path: Path) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{}, {}])
    plain, other = source.read_text(), "<xsecinfo weightname='w' neve='9' totxsec='9'></xsecinfo>\n</init>"
    source.write_text(plain.replace("</init>", other))
    assert les_houches_normalise.inspect(source, "sm", ["sm"]).n_events == 2
    source.write_text(plain.replace("</init>", other.replace(" weightname='w'", "").replace("neve='9'", "neve='2'")))
    reason = r"the cross section is 9 pb in <xsecinfo>, and 0\.5 pb in the rows of <init>"
    with pytest.raises(StepError, match=f"^the header of x.lhe contradicts itself: {reason}$"):
        les_houches_normalise.inspect(source, "sm", ["sm"])


def test_files_one_after_the_other(tmp_path: Path) -> None:
    """Weights of 1 tell nothing of the cross section, and that of the second file would be lost."""
    source = write_lhe(tmp_path / "x.lhe", [{}, {}], "1.0", header="")
    second = source.read_text().replace("5.0e-01", "5.0e-04")
    for first in (source.read_text(), source.read_text().replace("</LesHouchesEvents>\n", "")):
        source.write_text(first + second)
        with pytest.raises(StepError, match=r"^x\.lhe has a second <init> .*; name each file by itself$"):
            les_houches_normalise.inspect(source, "sm", ["sm"])
    source.write_text("\n")
    with pytest.raises(StepError, match=r"^x\.lhe is empty$"):
        les_houches_normalise.inspect(source, "sm", ["sm"])


def test_weights_with_more_attributes(tmp_path: Path) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{"w": "1.0", "v": "2.0"}] * 2)
    text = (
        source.read_text().replace("<rwgt>", "<rwgt kind='x'>").replace("<wgt id='w'>", "<wgt name='v' id='w' n=\"1\">")
    )
    source.write_text(text)
    assert les_houches_normalise.inspect(source, "sm", ["sm", "w", "v"]).sums == {"sm": 1.0, "w": 4.0, "v": 8.0}


def test_the_norm_is_that_nearest_to_the_cross_section(tmp_path: Path) -> None:
    """0.5 pb with an error of 0.2 pb: the sum of weights of 0.17, not their mean."""
    source = write_lhe(tmp_path / "x.lhe", [{}] * 3, "0.17", header="")
    source.write_text(source.read_text().replace("5.0e-01 1.0e-02", "5.0e-01 2.0e-01"))
    assert les_houches_normalise.inspect(source, "sm", ["sm"]).record()["mean_weights_pb"]["sm"] == pytest.approx(0.51)


def test_groups_of_events_are_refused(tmp_path: Path) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{}] * 2)
    source.write_text(source.read_text().replace("<event>", "<eventgroup>\n<event>", 1))
    with pytest.raises(StepError, match=r"^x\.lhe has groups of correlated events .*: write an event file without"):
        les_houches_normalise.inspect(source, "sm", ["sm"])


def test_several_blocks_of_weights(tmp_path: Path) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{"w": "1.0", "1001": "2.0"}] * 2)
    source.write_text(source.read_text().replace("<wgt id='1001'>", "</rwgt>\n<rwgt>\n<wgt id = '1001' >"))
    content = les_houches_normalise.inspect(source, "sm", ["sm", "w", "1001"])
    assert content.sums == {"sm": 1.0, "w": 4.0, "1001": 8.0}


def test_half_a_gzipped_file(tmp_path: Path) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{}] * 500)
    packed = tmp_path / "x.lhe.gz"
    packed.write_bytes(gzip.compress(source.read_bytes())[:-400])
    with pytest.raises(StepError, match=r"^x\.lhe\.gz is damaged: "):
        les_houches_normalise.inspect(packed, "sm", ["sm"])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "0.25",
            "0.125",
            "the weights in x.lhe give a cross section of 0.25 pb .their sum., and its <init> says 0.5 pb",
        ),
        ("2 = nevents", "3 = nevents", "the header of x.lhe says that 3 events were generated, and the file holds 2"),
        (
            "]]>",
            "]]>\n#  Number of Events        :       3\n",
            "the header of x.lhe says that 3 events were generated, and the file holds 2",
        ),
        (
            "]]>",
            "average = event_norm # hidden_parameter\n]]>",
            "the run card in x.lhe sets event_norm twice: sum and average",
        ),
    ],
)
def test_contradictions(tmp_path: Path, old: str, new: str, reason: str | None) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{}, {}])
    source.write_text(source.read_text().replace(old, new))
    if reason is None:  # only <MGGenerationInfo> counts
        assert les_houches_normalise.inspect(source, "sm", ["sm"]).sums == {"sm": 1.0}
        return
    with pytest.raises(StepError, match=f"^{reason}"):
        les_houches_normalise.inspect(source, "sm", ["sm"])


def test_comments_in_init(tmp_path: Path) -> None:
    """Beside a cross section that the events tell, which is written into it."""
    source = write_lhe(tmp_path / "x.lhe", [{}] * 2, "0.5", header="")
    text = source.read_text().replace(" -3 1\n5.0e-01 1.0e-02", " -4 1\n # made by me\n# of four words\n-1. 0.0")
    source.write_text(text)
    assert " # made by me\n# of four words\n" in normalise(source, "sm", ["sm"])[1]


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the event files beside the checkout")
@pytest.mark.parametrize("name", ["sm", "w", "morphing_basis_vector_2"])
def test_files_of_madgraph_keep_what_they_say(tmp_path: Path, name: str) -> None:
    source = SHARED_DATA / "vbf-higgs" / "lhe" / f"signal_{name}.lhe.gz"
    benchmarks = ["sm", "w", *(f"morphing_basis_vector_{k}" for k in range(2, 6))]
    content = les_houches_normalise.inspect(source, name, benchmarks)
    les_houches_normalise.write(source, tmp_path / "x.lhe.gz", content, name, benchmarks)
    theirs, ours = les_houches_table.read(source), les_houches_table.read(tmp_path / "x.lhe.gz")
    assert content.n_events == 500 and list(ours.weights) == benchmarks
    np.testing.assert_array_equal(ours.momenta, theirs.momenta)
    np.testing.assert_array_equal(ours.pdgids, theirs.pdgids)
    for benchmark in benchmarks:
        expected = theirs.factor * (theirs.own_weights if benchmark == name else theirs.weights[benchmark])
        np.testing.assert_allclose(ours.factor * ours.weights[benchmark], expected, rtol=1e-12)
    np.testing.assert_allclose(content.sums[name] / 500, content.head.cross_section_pb[0], rtol=1e-4)
