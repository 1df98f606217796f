"""Files of observed events that cannot be data."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest
from mmc.cli.main import main
from mmc.compiler.checks import combinations
from mmc.compiler.inputs.observed_events import ObservedError, n_shared, parse_observed

from tests.support import ROOT

STUDY = (ROOT / "tests" / "bad" / "MMC530_observed_event_without_a_value.yaml").read_text()
OBSERVED = "  observed: {file: observed.csv}\n"


def rows(n: int, times: int = 1) -> str:
    return "m_ll\n" + "".join(f"{600.5 + k}\n" for k in range(n)) * times


def test_the_same_events_several_times() -> None:
    assert len(parse_observed(rows(30), ["m_ll"])) == 30
    with pytest.raises(ObservedError, match=r"^it holds each event 3 times: give each event once$"):
        parse_observed(rows(30, 3), ["m_ll"])
    assert len(parse_observed("n\n" + "2\n2\n3\n3\n", ["n"])) == 4  # by chance
    half = rows(60) + rows(30).removeprefix("m_ll\n")
    with pytest.raises(ObservedError, match=r"^it holds 30 of its 90 events twice: give each event once$"):
        parse_observed(half, ["m_ll"])
    assert (
        len(parse_observed(half + "600.5\n", ["m_ll"])) == 91
    )  # numbers that are alike by chance are there more often


@pytest.mark.parametrize(("n_events", "n_bins"), [(30, 60), (100, 400), (1000, 4000)])
def test_rounded_data_are_no_copies(n_events: int, n_bins: int) -> None:
    """Independent events, of which more than a tenth are alike by chance; many such sets have no triple."""
    random = Random(1)
    n_without_triples = 0
    for _ in range(200):
        values = [random.randrange(n_bins) for _ in range(n_events)]
        n_without_triples += max(Counter(values).values()) == 2
        assert len(parse_observed("m_yy\n" + "".join(f"{value}\n" for value in values), ["m_yy"])) == n_events
    assert n_without_triples > 20 or n_events == 1000


def test_rounded_data_of_two_files_share_nothing() -> None:
    """Values of independent events that are alike by chance, and files of which one has events of the other."""
    random = Random(2)
    for n_bins in (50, 400, 3000, 10**6):
        one, other = ([[float(random.randrange(n_bins))] for _ in range(100)] for _ in range(2))
        assert n_shared(one, other) == 0
    assert n_shared(one, other[:70] + one[:30]) == 30
    assert n_shared(one[:9], one) == 0  # too few
    assert n_shared(one[:10], one) == 10


def test_small_regions_with_one_coarse_observable() -> None:
    """They have some events in common by chance, also where no two events of one file are alike."""
    random = Random(3)
    for _ in range(4000):
        n_bins = random.choice((15, 30, 60, 120, 250))
        one, other = ([[random.randrange(n_bins)] for _ in range(random.randint(5, 20))] for _ in range(2))
        assert n_shared(one, other) == 0


def _combined(folder: Path, observed: Mapping[str, str]) -> Path:
    """A study that combines regions with these observed events."""
    for name, text in observed.items():
        (folder / f"{name}.csv").write_text(text)
    regions = "".join(
        f"  {name}: {{cuts: [len(j) == {k}], observed: {{file: {name}.csv}}}}\n" for k, name in enumerate(observed)
    )
    study = folder / "study.yaml"
    study.write_text(
        f"{STUDY.replace(OBSERVED, '')}regions:\n{regions}combinations: {{all: {{of: [{', '.join(observed)}]}}}}\n"
    )
    return study


@pytest.mark.parametrize(("first", "refused"), [(-12, True), (-6, False)])
def test_events_in_two_regions(first: int, refused: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    low = rows(30)
    high = "m_ll\n" + "\n".join(low.split()[first:]) + "\n" + "".join(f"{k}.25\n" for k in range(12 + first))
    main(["validate", str(_combined(tmp_path, {"low": low, "high": high}))])
    assert ("error[MMC564]: 12 observed events are in both low and high" in capsys.readouterr().out) is refused


def test_each_file_is_parsed_once_for_all_pairs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    parsed = []
    monkeypatch.setattr(combinations, "parse_observed", lambda *a: parsed.append(a) or parse_observed(*a))
    main(["validate", str(_combined(tmp_path, {f"r{k}": rows(5) for k in range(6)}))])
    assert len(parsed) == 6


def test_a_list_of_observables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = _combined(tmp_path, {"low": rows(30), "high": rows(30)})
    text = re.sub(r"^observables:\n(  .*\n)+", "observables: [m_ll]\n", study.read_text(), flags=re.MULTILINE)
    study.write_text(text)
    main(["validate", str(study)])
    out = capsys.readouterr().out
    assert "observables: [m_ll]" in text and "error[" in out and "MMC016" not in out


@pytest.mark.parametrize("name", ["observed.parquet", "data/observed.npz", "o.H5", "o.root"])
def test_other_tables(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"PAR1\0")
    study = tmp_path / "study.yaml"
    study.write_text(STUDY.replace("file: observed.csv", f"file: {name}"))
    main(["validate", str(study)])
    assert "observed events are comma-separated text, and" in capsys.readouterr().out
    with pytest.raises(ObservedError, match=r"^it is not UTF-8 text: write a CSV file$"):
        parse_observed("PAR1\0", ["m_ll"])


def test_events_with_weights() -> None:
    text = "m_ll,weight\n600.5,1.0\n700.5,{}\n"
    assert parse_observed(text.format(1), ["m_ll"]) == [[600.5], [700.5]]
    with pytest.raises(ObservedError, match=r"^line 3 has the weight 0\.3 in the column weight, which is not one of"):
        parse_observed(text.format(0.3), ["m_ll"])
    assert parse_observed(text.format(0.3), ["weight"]) == [[1.0], [0.3]]


@pytest.mark.parametrize("name", ["w", "Wgt_1", "eventWeight", "genweight", "weights_sm"])
def test_names_of_weights(name: str) -> None:
    with pytest.raises(ObservedError, match=f"^line 2 has the weight 0.5 in the column {name}, which is not one of"):
        parse_observed(f"m_ll,{name}\n600.5,0.5\n", ["m_ll"])


def test_the_mass_of_hadrons_is_no_weight() -> None:
    assert parse_observed("Q2,W\n10.5,80.1\n", ["Q2"]) == [[10.5]]


UNNAMED = "its first row does not name the observable m_ll, between commas"


def test_the_first_row_of_numpy() -> None:
    assert parse_observed("# m_ll,eta\n600.5,1\n", ["eta", "m_ll"]) == [[1.0, 600.5]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("m_ll;eta\n600.5;1\n", f"{UNNAMED}; it begins with 'm_ll;eta'"),
        ("", UNNAMED),
        ("m_ll\n1_0.5\n", "line 2 has '1_0.5' for m_ll, which is not a finite number"),
    ],
)
def test_other_texts(text: str, reason: str) -> None:
    with pytest.raises(ObservedError) as error:
        parse_observed(text, ["m_ll"])
    assert str(error.value) == reason


@pytest.mark.parametrize(("n", "refused"), [(29, True), (30, False), (50, False)])
def test_more_events_than_there_are(n: int, refused: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "observed.csv").write_text(rows(30))
    study = tmp_path / "study.yaml"
    study.write_text(STUDY.replace("file: observed.csv", f"file: observed.csv, n_observed: {n}"))
    main(["validate", str(study)])
    text = "'observed.csv' holds 30 observed events, more than `n_observed: 29`"
    assert (text in capsys.readouterr().out) is refused
