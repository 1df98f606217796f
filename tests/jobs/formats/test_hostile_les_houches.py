"""Event files that would take a reader's memory or time, or that have what only looks like a number."""

import bz2
import gzip
import lzma
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from mmc.errors import StepError
from mmc.jobs.formats import gzipped, les_houches_normalise, les_houches_table
from mmc.jobs.formats.declared_weights import weight_groups
from mmc.jobs.formats.les_houches_points import check_points
from mmc.jobs.formats.les_houches_text import UnusualFileError

HEAD = (
    '<LesHouchesEvents version="3.0">\n<header>\n<MGRunCard>\n 1 = nevents\n average = event_norm\n</MGRunCard>\n'
    "</header>\n<init>\n2212 2212 6.5e3 6.5e3 0 0 0 0 -4 1\n5.0e-01 1.0e-02 5.0e-01 1\n</init>\n"
)
OF_TWO = HEAD.replace(" 1 = nevents", " 2 = nevents")
PARTICLE = " 13 1 1 2 0 0 30. 4. 12. 32.56 0. 0. 9.\n"
EVENT = f"<event>\n 1 1 0.5 100. 0.0078 0.1\n{PARTICLE}<rwgt>\n<wgt id='sm'> 0.5 </wgt>\n</rwgt>\n</event>\n"
END = "</LesHouchesEvents>\n"
N = 100_000


def _head(text: str) -> str:
    return HEAD.replace("</header>", f"{text}</header>") + EVENT + END


def _event(old: str, new: str) -> str:
    return HEAD + EVENT.replace(old, new) + END


FLAWS = {
    "superscript": (_event(" 1 1 0.5", " ⁴ 1 0.5"), "it has '⁴' particles; mmc reads up to 10,000 (line 12)"),
    "another script": (_event(" 1 1 0.5", " ١ 1 0.5"), "it has '١' particles; mmc reads up to 10,000 (line 12)"),
    "many particles": (
        _event(f" 1 1 0.5 100. 0.0078 0.1\n{PARTICLE}", f" 10001 1 0.5 100. 0.0078 0.1\n{PARTICLE * 10_001}"),
        "it has '10001' particles; mmc reads up to 10,000 (line 12)",
    ),
    "300,000 particles": (
        _event(f" 1 1 0.5 100. 0.0078 0.1\n{PARTICLE}", f" 300000 1 0.5 100. 0.0078 0.1\n{PARTICLE * 300_000}"),
        "x.lhe.gz is damaged: the text up to line 12 or its event is too long",
    ),
    "nan": (_event("30.", "nan"), "an entry is too large or not a number (line 12)"),
    "infinity": (_event("30.", "1e999"), "an entry is too large or not a number (line 12)"),
    "infinite scale": (_event("100.", "inf"), "an entry is too large or not a number (line 12)"),
    "underscore": (_event("30.", "3_0."), "it has characters that are not those of numbers (line 12)"),
    "whole numbers": (_event(" 13 1 1 2", " 13 1.5 1 2"), "invalid literal for int() with base 10: '1.5' (line 12)"),
    "code": (_event(" 13 1 1 2", " 99999999999 1 1 2"), "an entry is too large (line 12)"),
    "nominal weight": (_event("1 0.5 100.", "1 nan 100."), "the nominal weight of event 1 of x.lhe.gz is nan"),
    "entries": (_event(" 9.\n", "\n"), "a particle has 12 entries instead of 13 (line 12)"),
    "word": (_event("30.", "x" * N), "could not convert string to float: 'xxxx"),
    "nan as weight": (_event("'sm'> 0.5", "'sm'> nan"), "the weight of event 1 of x.lhe.gz for 'sm' is nan"),
    "another weight": (
        _event("</rwgt>", "<wgt id='x'> 6.0.0 </wgt></rwgt>"),
        "the weight of event 1 of x.lhe.gz for 'x' is '6.0.0'",
    ),
    "large weight": (_event("'sm'> 0.5", "'sm'> 1e200"), "the weight of event 1 of x.lhe.gz for 'sm' is 1e200"),
    "weights": (_event("</rwgt>", "<wgt id='x'> 1 </wgt>" * 10_000 + "</rwgt>"), "it has more than 10,000 weights"),
    "error": (
        HEAD.replace("1.0e-02", "1e200") + EVENT + END,
        "the cross section of x.lhe.gz has an error of 1e+200",
    ),
    "no end of an event": (HEAD + EVENT.replace("</event>", "") + END, "it ends within an event or without </LesHou"),
    "no end": (HEAD + EVENT, "it ends within an event or without </LesHouchesEvents>, after line 18"),
    "long head": (HEAD + " " * 18_000_000 + EVENT + END, "the text up to line 12 or its event is too long"),
    "no events": (HEAD + " " * (1 << 25), "from line 1 on there is no whole event"),
    "not UTF-8": (_event("30.", "3\udcff."), "it has characters that are not those of numbers (line 12)"),
    "headers": ("<LesHouchesEvents>" + "<header>" * N, "it ends within an event"),
    "inits": ("<LesHouchesEvents>" + "<init>" * N + EVENT + END, "does not begin with <LesHouchesEvents> and <init>"),
}


def _write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode("utf-8", errors="surrogateescape"), 9))
    return path


@pytest.mark.parametrize("name", FLAWS)
def test_flaws_are_one_line(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzipped, "FREE", 1 << 30)  # so that the reader finds the flaw, not the size
    text, reason = FLAWS[name]
    path = _write(tmp_path / "x.lhe.gz", text)
    with pytest.raises(StepError) as raised:
        les_houches_normalise.inspect(path, "sm", ["sm"])
    assert reason in str(raised.value)
    assert len(str(raised.value)) < 300 and "\n" not in str(raised.value)
    for read in (les_houches_table.read, weight_groups):
        try:
            read(path)
        except (StepError, UnusualFileError) as error:
            assert len(str(error)) < 300


SLOW = {
    "blanks in a run card": HEAD.replace(" 1 = nevents", " " * N + "x" + " " * N) + EVENT + END,
    "empty lines in a run card": HEAD.replace(" 1 = nevents", " \n" * N) + EVENT + END,
    "run cards": HEAD.replace("<header>", "<header>" + "<MGRunCard>" * N) + EVENT + END,
    "run cards without end": HEAD.replace("</MGRunCard>", "<MGRunCard>" * N) + EVENT + END,
    "param cards": _head("<slha>" * N),
    "weights without end": _head("<weight id='a'>" * N),
    "weights with blanks": _head("<weight" + " " * N + "<weight id='" * N),
    "a long attribute": _head("<initrwgt><weightgroup " + "a" * N + "></initrwgt>"),
    "weights of events without end": _event("</rwgt>", '<wgt id="' * N + "</rwgt>"),
    "a weight of an event with many names": _event("</rwgt>", "<wgt" + " id='a'" * N + "</rwgt>"),
    "a weight with many names": _head("<weight" + " id='a'" * N + "</weight>"),
    "blanks in weights of events": _event("</rwgt>", "<wgt" + " " * N + "</rwgt>"),
    "deep": _head("<a>" * N),
    "parts without end": _head("".join(f"<a{number}>" for number in range(N))),
    "damaged parts": _head("".join(f"<a>{number}<</a>" for number in range(N // 10))),
    "comments": _event("</rwgt>", "</rwgt>" + "<!-- -->" * N),
    "ampersands": _head("&" * N + "&a" * N),
    "entities": '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">]>' + _head("&b;" * N),
}


@pytest.mark.parametrize("name", SLOW)
def test_time_is_linear(tmp_path: Path, name: str) -> None:
    """A hundred thousand of anything takes a part of a second; work that grows with the square would take minutes."""
    path = _write(tmp_path / "x.lhe.gz", SLOW[name])
    started = time.process_time()
    content = les_houches_normalise.inspect(path, "sm", ["sm"])
    les_houches_normalise.write(path, tmp_path / "out.lhe.gz", content, "sm", ["sm"])
    check_points(content.head.header, "sm", {"sm": {"dim6 2": 0.0}}, path.name)
    weight_groups(path)
    assert time.process_time() - started < 5.0
    assert list(les_houches_table.read(tmp_path / "out.lhe.gz").weights) == ["sm"]


def test_declared_weights_are_bounded_in_a_damaged_header(tmp_path: Path) -> None:
    many = "<initrwgt><weightgroup>" + "<weight id='a'>x</weight>" * 10_001 + "</initrwgt>"
    path = _write(tmp_path / "x.lhe.gz", _head(f"{many}<a>"))
    content = les_houches_normalise.inspect(path, "sm", ["sm"])
    with pytest.raises(StepError, match=r"^the event file declares more than 10,000 weights$"):
        les_houches_normalise.write(path, tmp_path / "out.lhe.gz", content, "sm", ["sm"])
    path = _write(tmp_path / "x.lhe.gz", HEAD.replace("<header>", f"{many}<header>") + EVENT + END)
    with pytest.raises(StepError, match=r"^x\.lhe\.gz declares more than 10,000 weights$"):
        les_houches_normalise.inspect(path, "sm", ["sm"])


def test_declared_weights_are_bounded(tmp_path: Path) -> None:
    many = "<initrwgt><weightgroup>" + "<weight id='a'>x</weight>" * 10_001 + "</initrwgt>"
    with pytest.raises(StepError, match=r"^x\.lhe\.gz declares more than 10,000 weights$"):
        weight_groups(_write(tmp_path / "x.lhe.gz", _head(many)))


MEASURED = """
import resource, sys
from pathlib import Path
from mmc.errors import StepError
from mmc.jobs.formats import gzipped, les_houches_normalise, les_houches_table, weight_groups
gzipped.FREE = int(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
path = Path(sys.argv[1])
for read in (lambda: les_houches_normalise.inspect(path, "sm", ["sm"]), lambda: les_houches_table.read(path)):
    try:
        read()
    except StepError as error:
        print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(
    ("make", "free", "reason"),
    [
        (lambda: HEAD + " " * 200_000_000, gzipped.FREE, "from line 1 on there is no whole event"),
        (lambda: HEAD + EVENT * 80_000 + END, gzipped.FREE // 4, "unpacks to more than 50 times its size"),
    ],
)
def test_memory_is_bounded(tmp_path: Path, make: Callable[[], str], free: int, reason: str) -> None:
    """A file is read until it has unpacked to 50 times its size and ``free`` bytes more."""
    path = _write(tmp_path / "x.lhe.gz", make())
    assert path.stat().st_size < 1 << 20
    words = [sys.executable, "-c", MEASURED, str(path), str(free)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    first, *_, megabytes = done.stdout.splitlines()
    assert reason in first
    assert int(megabytes) < 200 * free / gzipped.FREE


PACKERS: dict[str, Callable[[bytes], bytes]] = {"bzip2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("program", PACKERS)
def test_other_ways_of_packing(tmp_path: Path, program: str) -> None:
    """One stream, several, and zeros between them; damaged and short files."""
    pack, path = PACKERS[program], tmp_path / "x.lhe"
    text = (HEAD + EVENT + END).encode()
    zeros = b"\0" * 8 if program == "xz" else b""
    for packed in (pack(text), pack(text[:100]) + zeros + pack(text[100:200]) + pack(text[200:]) + zeros):
        path.write_bytes(packed)
        assert les_houches_normalise.inspect(path, "sm", ["sm"]).n_events == 1
    for damaged in (pack(text)[:-20], pack(text)[:50] + bytes(200), pack(text) + b"more"):
        path.write_bytes(damaged)
        with pytest.raises(StepError, match=r"^x\.lhe is damaged: "):
            les_houches_normalise.inspect(path, "sm", ["sm"])
    path.write_bytes(pack(HEAD.encode() + b" " * (1 << 25)))
    with pytest.raises(StepError, match=r"^x\.lhe unpacks to more than 50 times its size"):
        les_houches_normalise.inspect(path, "sm", ["sm"])


def test_unpacking_takes_little_memory(tmp_path: Path) -> None:
    """A file that asks for a dictionary of two gigabytes: of the header of a block, the size and its checksum."""
    packed = bytearray(lzma.compress(HEAD.encode()))
    assert packed[12:16] == b"\x02\x00\x21\x01"
    packed[16] = 38
    packed[20:24] = zlib.crc32(packed[12:20]).to_bytes(4, "little")
    (tmp_path / "x.lhe").write_bytes(packed)
    with pytest.raises(StepError, match=r"^x\.lhe is damaged: Memory usage limit exceeded"):
        les_houches_normalise.inspect(tmp_path / "x.lhe", "sm", ["sm"])


@pytest.mark.parametrize(("magic", "program"), [(b"\x28\xb5\x2f\xfd", "zstd"), (b"PK\x03\x04", "zip")])
def test_ways_of_packing_that_are_not_read_are_named(tmp_path: Path, magic: bytes, program: str) -> None:
    (tmp_path / "x.lhe").write_bytes(magic + HEAD.encode())
    with pytest.raises(StepError, match=rf"^x\.lhe is packed with {program}: unpack it, or pack it with gzip$"):
        les_houches_normalise.inspect(tmp_path / "x.lhe", "sm", ["sm"])


def test_a_comment_of_the_run_card_does_not_change_the_normalisation(tmp_path: Path) -> None:
    """MadMiner takes ``# sum = event_norm`` for a setting."""
    text = (
        OF_TWO.replace(" average = event_norm\n", " average = event_norm\n# sum = event_norm\n") + EVENT + EVENT + END
    )
    source, out = _write(tmp_path / "x.lhe.gz", text), tmp_path / "out.lhe.gz"
    content = les_houches_normalise.inspect(source, "sm", ["sm"])
    les_houches_normalise.write(source, out, content, "sm", ["sm"])
    assert content.head.norm == "average"
    assert les_houches_table.read(out).factor == 0.5


def test_a_run_card_in_a_comment_is_none(tmp_path: Path) -> None:
    """The normal form has its number of events in the other one."""
    card = "<MGRunCard>\n 7 = nevents\n sum = event_norm\n</MGRunCard>"
    text = OF_TWO.replace("<header>", f"<header>\n<!-- {card} -->") + EVENT + EVENT + END
    source, out = _write(tmp_path / "x.lhe.gz", text), tmp_path / "out.lhe.gz"
    content = les_houches_normalise.inspect(source, "sm", ["sm"])
    les_houches_normalise.write(source, out, content, "sm", ["sm"])
    again = les_houches_normalise.inspect(out, "sm", ["sm"])
    assert (content.head.norm, again.head.norm, again.sums) == ("average", "average", content.sums)


def test_all_events_have_the_weights_of_the_first(tmp_path: Path) -> None:
    more = EVENT.replace("</rwgt>", "<wgt id='x'> 1 </wgt>\n</rwgt>")
    path = _write(tmp_path / "x.lhe.gz", OF_TWO + EVENT + more + END)
    with pytest.raises(StepError, match=r"^event 2 of x\.lhe\.gz has other weights than the first event$"):
        les_houches_normalise.inspect(path, "sm", ["sm"])
    turned = more.replace("<wgt id='sm'> 0.5 </wgt>\n", "").replace("</rwgt>", "<wgt id='sm'> 0.5 </wgt>\n</rwgt>")
    path = _write(tmp_path / "x.lhe.gz", OF_TWO + more + turned + END)
    content = les_houches_normalise.inspect(path, "sm", ["sm"])
    les_houches_normalise.write(path, tmp_path / "out.lhe.gz", content, "sm", ["sm"])
    assert list(les_houches_table.read(tmp_path / "out.lhe.gz").weights) == ["sm", "x"]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_lines_of_windows_are_lines(tmp_path: Path, ending: str) -> None:
    text = OF_TWO + EVENT + EVENT + END
    content = les_houches_normalise.inspect(_write(tmp_path / "x.lhe.gz", text.replace("\n", ending)), "sm", ["sm"])
    assert content.n_events == 2 and content.head.norm == "average"


def test_what_is_not_a_file_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "x.lhe")
    with pytest.raises(StepError, match=r"^x\.lhe cannot be read: not a regular file$"):
        les_houches_normalise.inspect(tmp_path / "x.lhe", "sm", ["sm"])
