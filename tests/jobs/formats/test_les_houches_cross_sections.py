"""Cross sections of event files: norms, events that a program left out, several processes and trials."""

import gzip
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.formats import les_houches_normalise, les_houches_table

from tests.jobs.formats.test_les_houches_normalise import HEADER, normalise, write_lhe


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("norm", "own", "w"), [("sum", "0.25", "1.0"), ("average", "+5.0e-01", "2.0")])
def test_mean_of_the_weights_is_the_cross_section(tmp_path: Path, norm: str, own: str, w: str, packed: bool) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{"1001": w, "w": w}] * 2, own, norm)
    if packed:
        source.write_bytes(gzip.compress(source.read_bytes()))  # whatever its name says
    content, text = normalise(source, "sm", ["sm", "w"])
    assert content.record() == {
        "cross_section_pb": 0.5,
        "cross_section_error_pb": 0.01,
        "mean_weights_pb": {"sm": 0.5, "w": 2.0},
        "effective_sample_size": {"sm": 2.0, "w": 2.0},
    }
    table = les_houches_table.read(tmp_path / "normal.lhe.gz")
    assert list(table.weights) == ["sm", "w", "1001"]
    np.testing.assert_allclose(table.factor * table.own_weights, 0.25)
    np.testing.assert_allclose(
        [table.factor * values for values in table.weights.values()], [[0.25] * 2] + [[1.0] * 2] * 2
    )
    assert re.findall(r"^\s*(\S+)\s*= (nevents|event_norm)", text, re.MULTILINE) == [
        ("2", "nevents"),
        ("average", "event_norm"),
    ]
    root = ElementTree.fromstring(text)
    assert (root.findtext("init") or "").split()[8] == "-4"
    assert "#" not in "".join(event.text or "" for event in root.findall("event"))


def test_events_that_are_lost_do_not_change_the_cross_section(tmp_path: Path) -> None:
    weights = [{"w": str(k)} for k in range(4)]
    source = write_lhe(tmp_path / "x.lhe", weights, own="0.125")
    content, text = normalise(source, "sm", ["sm", "w"], lost={2, 3})
    assert content.n_events == 4
    table = les_houches_table.read(tmp_path / "normal.lhe.gz")
    assert len(table.counts) == 2 and "\n 2 = nevents" in text
    assert sum(table.factor * table.weights["sm"]) == pytest.approx(0.5)
    np.testing.assert_allclose(table.factor * table.weights["w"], [0.0, 6.0])


INFO = "<MGGenerationInfo>\n#  Number of Events        :       4\n#  Integrated weight (pb)  : 0.5\n</MGGenerationInfo>"


@pytest.mark.parametrize(("norm", "own"), [("sum", "0.125"), ("average", "0.5")])
def test_filtered_events_keep_their_part_of_the_cross_section(tmp_path: Path, norm: str, own: str) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{}, {}], own, norm, header=HEADER + INFO)
    with pytest.raises(StepError, match=r"^the header of x.lhe says that 4 events were generated"):
        les_houches_normalise.inspect(source, "sm", ["sm"])
    content = les_houches_normalise.inspect(source, "sm", ["sm"], filtered=True)
    assert content.n_generated > content.n_events
    assert content.record()["mean_weights_pb"] == {"sm": 0.25}
    source = write_lhe(tmp_path / "y.lhe", [{}, {}], own, norm, header="")
    with pytest.raises(StepError, match=r"^the header of y.lhe does not say how many events there were"):
        les_houches_normalise.inspect(source, "sm", ["sm"], filtered=True)


@pytest.mark.parametrize(
    ("strategy", "own", "factor"), [("-4", "0.5", 1.0), ("-3", "0.25", 2.0), ("-3", "0.5", 1.0), ("3", "1.0", 0.5)]
)
def test_without_a_run_card_the_accord_counts(tmp_path: Path, strategy: str, own: str, factor: float) -> None:
    """Mean or sum of the weights, or weights of 1."""
    source = write_lhe(tmp_path / "x.lhe", [{}, {}], own, header="")
    source.write_text(source.read_text().replace(" -3 1\n", f" {strategy} 1\n"))
    content = les_houches_normalise.inspect(source, "sm", ["sm"])
    assert (content.factor, content.record()["mean_weights_pb"]["sm"]) == (factor, 0.5)


@pytest.mark.parametrize(
    ("norm", "own", "mean"),
    [("unity", ["1.0", "-1.0", "1.0", "1.0"], 0.25), ("bias", ["0.2", "0.8", "0.4", "0.6"], 0.5)],
)
def test_other_norms_of_run_cards(tmp_path: Path, norm: str, own: list[str], mean: float) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{"w": value} for value in own], "OWN", norm)
    text = source.read_text()
    for value in own:
        text = text.replace("OWN", value, 1)
    source.write_text(text)
    content = les_houches_normalise.inspect(source, "sm", ["sm", "w"])
    assert content.record()["mean_weights_pb"] == pytest.approx({"sm": 0.5, "w": 0.5})
    assert content.factor == pytest.approx(0.5 / np.mean([float(value) for value in own]))


@pytest.mark.parametrize(
    ("line", "strategy", "own", "expected"),
    [
        ("", "-4", "0.5", 0.25),
        ("", "-3", "0.5", 0.25),
        ("", "-3", "0.125", 0.25),  # a sum over four events
        ("", "3", "1.0", 0.25),
        ("average = event_norm", "3", "0.5", 0.25),
        ("unity = event_norm", "-4", "1.0", 0.25),
        ("sum = event_norm", "3", "0.125", 0.25),
        ("", "-3", "0.02", None),
        ("", "-3", "30.0", None),
        ("average = event_norm", "3", "0.125", None),
    ],
)
def test_how_filtered_events_are_normalised(
    tmp_path: Path, line: str, strategy: str, own: str, expected: float | None
) -> None:
    """Two of four events of a cross section of 0.5 pb."""
    header = f"<MGRunCard>\n 4 = nevents\n {line}\n</MGRunCard>\n"
    source = write_lhe(tmp_path / "x.lhe", [{}, {}], own, header=header)
    source.write_text(source.read_text().replace(" -3 1\n", f" {strategy} 1\n"))
    if expected is None:
        with pytest.raises(StepError, match=r"x\.lhe and the cross section of 0.5 pb in its <init> do not show how"):
            les_houches_normalise.inspect(source, "sm", ["sm"], filtered=True)
        return
    content = les_houches_normalise.inspect(source, "sm", ["sm"], filtered=True)
    assert content.record()["mean_weights_pb"]["sm"] == pytest.approx(expected)


@pytest.mark.parametrize(("first", "second"), [(100, 300), (200, 200)])
def test_events_of_each_process_have_its_cross_section(tmp_path: Path, first: int, second: int) -> None:
    """A merged file has as many events of 1 pb as of 3 pb."""
    source = write_lhe(tmp_path / "x.lhe", [{}] * (first + second), "1.0", header="")
    text = source.read_text().replace(" -3 1\n5.0e-01 1.0e-02 2.0e-01 1", " -3 2\n1. .001 1. 1\n3. .001 3. 2")
    source.write_text(text.replace(" 3   1 1.0", " 3   2 1.0", second))
    if first == 100:
        assert les_houches_normalise.inspect(source, "sm", ["sm"]).factor == 4.0
        return
    with pytest.raises(StepError, match=r"^the events of process 1 in x\.lhe have a cross section of 2 pb, and <init>"):
        les_houches_normalise.inspect(source, "sm", ["sm"])


def test_the_error_of_a_process_explains_a_quarter(tmp_path: Path) -> None:
    """Programs write any number for it: 200 of 400 events where 100 are expected, and then 120."""
    source = write_lhe(tmp_path / "x.lhe", [{}] * 4000, "1.0", header="")
    plain = source.read_text().replace(" -3 1\n5.0e-01 1.0e-02 2.0e-01 1", " -3 2\n1. 9. 1. 1\n3. 9. 3. 2")
    source.write_text(plain.replace(" 3   1 1.0", " 3   2 1.0", 2800))
    assert les_houches_normalise.inspect(source, "sm", ["sm"]).factor == 4.0
    source.write_text(plain.replace(" 3   1 1.0", " 3   2 1.0", 2000))
    with pytest.raises(StepError, match=r"^the events of process 1 in x\.lhe have a cross section of 2 pb, and <init>"):
        les_houches_normalise.inspect(source, "sm", ["sm"])


def test_a_rare_process_may_have_no_events(tmp_path: Path) -> None:
    """0.01 % of 0.5 pb: 0.04 events are expected among 400."""
    source = write_lhe(tmp_path / "x.lhe", [{}] * 400, "0.5", header="")
    rare = " -4 2\n0.49995 1e-4 1. 1\n5e-5 1e-8 1. 2"
    source.write_text(source.read_text().replace(" -3 1\n5.0e-01 1.0e-02 2.0e-01 1", rare))
    assert les_houches_normalise.inspect(source, "sm", ["sm"]).factor == 1.0
    source.write_text(source.read_text().replace("0.49995 1e-4 1. 1\n5e-5 1e-8", "0.45 1e-4 1. 1\n0.05 1e-4"))
    with pytest.raises(StepError, match=r"^the events of process 2 in x\.lhe have a cross section of 0 pb"):
        les_houches_normalise.inspect(source, "sm", ["sm"])


def _of_sherpa(path: Path, weights: list[float], trials: int, n_generated: int) -> Path:
    """Two processes in turns, whose cross sections the head does not tell."""
    write_lhe(path, [{}] * len(weights), "OWN", header=f"<MGRunCard>\n {n_generated} = nevents\n</MGRunCard>\n")
    text = path.read_text().replace(" -3 1\n5.0e-01 1.0e-02 2.0e-01 1", " 3 2\n.5 .6 1. 1\n.5 .8 1. 2")
    for k, weight in enumerate(weights):
        text = text.replace("<event>\n 3   1 OWN", f"<event trials='{trials}'>\n 3   {k % 2 + 1} {weight}", 1)
    path.write_text(text)
    return path


@pytest.mark.parametrize("n_generated", [100, 1000])
def test_trials_of_removed_events_are_not_lost(tmp_path: Path, n_generated: int) -> None:
    """All events of 50 pb in 10 trials each: 5 pb, of which a tenth remains with a tenth of the events."""
    source = _of_sherpa(tmp_path / "x.lhe", [50.0] * 100, 10, n_generated)
    content = les_houches_normalise.inspect(source, "sm", ["sm"], filtered=n_generated > 100)
    assert content.record()["mean_weights_pb"]["sm"] == pytest.approx(5.0 * 100 / n_generated)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1.0e+00 9.0e-01", "give a cross section of 0.5 pb (their mean), and its <init> says 1 pb"),
        ("5.5e-01 5.5e-01", None),  # programs repeat the cross section as its error
        ("", "x.lhe is damaged: its <init> has no row with the cross section of a process"),
        ("-5.0e-01 1.0e-02", "in its <init> is -0.5 pb, and its weights add up to a positive one"),
    ],
)
def test_what_init_says_of_the_weights(tmp_path: Path, row: str, reason: str | None) -> None:
    source = write_lhe(tmp_path / "x.lhe", [{}] * 4, "0.5", header="")
    source.write_text(source.read_text().replace(" -3 1\n5.0e-01 1.0e-02", f" -4 1\n{row}"))
    if reason is None:
        assert les_houches_normalise.inspect(source, "sm", ["sm"]).record()["mean_weights_pb"] == {"sm": 0.5}
    else:
        with pytest.raises(StepError, match=re.escape(reason)):
            les_houches_normalise.inspect(source, "sm", ["sm"])


def test_errors_of_cross_sections_from_weights(tmp_path: Path) -> None:
    """The error of Σw / (number of trials), of which the part of the trials alone is that of the integration."""
    random, n_events, tries = np.random.default_rng(1), 40, 4
    toys = random.exponential(size=(40_000, n_events)).sum(axis=1) / random.geometric(
        1.0 / tries, size=(40_000, n_events)
    ).sum(axis=1)
    weights = -np.log((np.arange(n_events) + 0.5) / n_events)
    source = _of_sherpa(tmp_path / "x.lhe", weights.tolist(), tries, n_events)
    content = les_houches_normalise.inspect(source, "sm", ["sm"])
    record, total = content.record(), content.sums["sm"] / n_events
    assert content.found_error_pb == pytest.approx(toys.std(), rel=0.1)
    assert record["cross_section_pb"] == pytest.approx(total)
    error = total * np.sqrt(1.0 / n_events - 1.0 / (n_events * tries))
    assert record["cross_section_error_pb"] == pytest.approx(error)
    # as mmc.jobs.madminer.cross_sections adds them up
    variance = content.sums_of_squares["sm"] / n_events**2 + error**2 - total**2 / n_events
    assert np.sqrt(variance) == pytest.approx(content.found_error_pb)


@pytest.mark.parametrize(
    ("info", "card", "reason"),
    [
        (INFO.replace("4", "2"), "", None),
        (
            INFO.replace("4", "2").replace("0.5", "0.8"),
            "",
            "the cross section is 0.8 pb in <MGGenerationInfo>, and 0.5 pb in",
        ),
        (INFO.replace("4", "2").replace("0.5", "0.8") + "<MadSpin>x</MadSpin>", "", None),  # decays
        (INFO.replace("4", "2"), "3", "3 events were asked for .nevents., and 2 generated .<MGGenerationInfo>."),
        (INFO.replace("4", "2"), "1", "1 events were asked for .nevents., and 2 generated .<MGGenerationInfo>."),
    ],
)
def test_generation_info(tmp_path: Path, info: str, card: str, reason: str | None) -> None:
    header = (HEADER.replace("{n}", card) if card else HEADER) + info
    source = write_lhe(tmp_path / "x.lhe", [{}, {}], header=header)
    if reason is None:
        assert les_houches_normalise.inspect(source, "sm", ["sm"]).sums == {"sm": 1.0}
        return
    with pytest.raises(StepError, match=f"^the header of x.lhe contradicts itself: {reason}"):
        les_houches_normalise.inspect(source, "sm", ["sm"])
