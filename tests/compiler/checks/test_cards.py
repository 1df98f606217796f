"""Rules about processes, run cards and the cards of Pythia, Delphes and models, beyond their bad examples."""

import pytest

from tests.compiler.checks.test_real_chain import DELPHES, SHOWERED, SIGNAL, TOP, UNCERTAINTIES, codes, diagnose

RUN_CARD = ("  samples:", "  run_card: {file: card}\n  samples:")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("10000 = nevents ! number", []),
        ("1e4 = nevents", []),
        ("500 = nevents", ["MMC321"]),
        ("# 500 = nevents", []),
        ("0 = iseed", []),
        ("17 = iseed", ["MMC321"]),
        ("6500 = ebeam1", []),
        ("6.5d3 = EBEAM2", []),
        ("7000 = ebeam2", ["MMC321"]),
        ("lots = ebeam2", ["MMC321"]),
        ("1 = lpp1", []),
        ("-1 = lpp2", ["MMC321"]),
        ("nn23lo1 = pdlabel", []),
        ("'nn23lo1' = pdlabel", []),
        ("lhapdf = pdlabel", ["MMC321"]),
        ("230000 = lhaid", []),
        ("True = use_syst", []),
        ("['--pdf=errorset'] = systematics_arguments", []),
        ("20 = ptj", []),
        ("tag_1 = run_tag", []),
        ("no setting at all", []),
    ],
)
def test_run_card_files(line: str, expected: list[str]) -> None:
    assert codes(RUN_CARD, card=f"# a card\n{line}\n") == expected


def test_a_run_card_is_compared_with_the_study() -> None:
    beams = "  beams: {energy: 7 TeV, particles: [p, pbar], pdf: 260000}\n  run_card: {file: card}\n  samples:"
    card = "7000 = ebeam1\n7000 = ebeam2\n-1 = lpp2\nlhapdf = pdlabel\n260000 = lhaid\n"
    assert codes(("  samples:", beams), card=card) == []
    (found,) = diagnose(("  samples:", beams), cards={"card": card.replace("260000", "13000")})
    assert found.message == "line 5 of card sets lhaid to 13000, which the study overrules"
    assert found.help == "change `generation.beams.pdf` if the card is right"


def test_a_run_card_of_a_gridpack() -> None:
    (found,) = diagnose(RUN_CARD, cards={"card": "True = gridpack\n"})
    assert found.message == "line 1 of card sets gridpack to True, which the study overrules"
    assert found.help == (
        "mmc makes no gridpacks and starts none: name the files that a gridpack wrote in `events.samples`"
    )


def test_variations_in_a_run_card_are_the_study_s_where_it_has_some() -> None:
    uses = (SIGNAL, SIGNAL.replace("}", ", systematics: [mu]}"))
    card = "False = use_syst\n['--pdf=errorset'] = systematics_arguments\n"
    found = codes(uses, RUN_CARD, UNCERTAINTIES, card=card)
    assert [code for code in found if code != "MMC326"] == ["MMC321", "MMC321"]
    assert "MMC321" not in codes(uses, RUN_CARD, UNCERTAINTIES, card="True = use_syst")


def test_every_run_card_is_read_once_where_the_study_names_it() -> None:
    own = (SIGNAL, SIGNAL.replace("}", ", run_card: {file: own}, slices: {a: {file: slice}, b: {ptj: 3}}}"))
    assert diagnose(own, RUN_CARD, cards={"card": "1 = iseed", "own": "", "slice": ""}) == [], "it is used by nobody"
    for name in ("own", "slice"):
        cards = {"card": "", "own": "", "slice": "", name: "1 = iseed"}
        (found,) = diagnose(own, RUN_CARD, cards=cards)
        assert found.message == f"line 1 of {name} sets iseed to 1, which the study overrules"


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        ("p p > e+ e-", []),
        ("'p p > e+ e- / z $ a $$ h QCD=0 @1'", []),
        ("[p p > e+ e-, p p > e+ e- j]", []),
        ("generate p p > e+ e-", ["MMC332"]),
        ("[p p > e+ e-, add process p p > e+ e- j]", ["MMC332"]),
        ("p p > e+ e-; launch", ["MMC332"]),
        ("'p p > e+ e- # all'", ["MMC332"]),
        ('"p p > e+ e-\\nlaunch"', ["MMC332"]),
        ("'!touch hacked'", ["MMC332"]),
        ("p p e+ e-", ["MMC332"]),
        ("' '", ["MMC332"]),
        ("'p p > e+ e- [QCD] --loop_filter=True'", ["MMC332", "MMC324"]),
    ],
)
def test_process_lines(process: str, expected: list[str]) -> None:
    assert sorted(codes(("process: u d > u d h", f"process: {process}"))) == sorted(expected)


@pytest.mark.parametrize(
    ("settings", "expected"), [("{ickkw: 0}", []), ("{ickkw: 1}", ["MMC333"]), ("{xqcut: 30.}", ["MMC333"])]
)
def test_jets_are_not_matched_to_a_shower(settings: str, expected: list[str]) -> None:
    said = ("  samples:", f"  run_card: {settings}\n  samples:")
    assert codes(said) == [], "there is no shower"
    assert codes(said, SHOWERED, DELPHES) == expected
    (name, value) = settings.strip("{}").split(": ")
    assert codes(RUN_CARD, SHOWERED, DELPHES, card=f"{value} = {name}") == expected
    mended = (RUN_CARD[0], RUN_CARD[1].replace("card}", f"card, {name}: 0}}"))
    assert codes(mended, SHOWERED, DELPHES, card=f"{value} = {name}") == [], "the study overrides the card"


@pytest.mark.parametrize("rest", ["", ", order: NLO"])
def test_advice_for_a_loop_induced_signal(rest: str) -> None:
    sample = f"signal: {{process: 'g g > z z [QCD]', events: 10_000{rest}}}"
    found = diagnose((SIGNAL, f"    {sample}"), SHOWERED, DELPHES, cards={})
    assert [item.code for item in found] == ["MMC324"]
    assert "[noborn=QCD]" in found[0].help


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("{ptj: 20}", []),
        ("{nevents: 10_000}", ["MMC320"]),
        ("{iseed: 1}", ["MMC320"]),
        ("{EBEAM1: 6500}", ["MMC320"]),
        ("{use_syst: false}", []),
        ("{use_syst: true}", ["MMC320"]),
        ("{systematics_program: systematics}", ["MMC320"]),
    ],
)
def test_run_card_settings(settings: str, expected: list[str]) -> None:
    for sample in (f", run_card: {settings}}}", f", slices: {{a: {settings}}}}}"):
        assert codes((SIGNAL, SIGNAL.replace("}", sample))) == expected
    assert codes(("  samples:", f"  run_card: {settings}\n  samples:")) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("PartonLevel:MPI = off", []),
        ("! Beams:eCM = 8000", []),
        ("Beams:eCM = 8000", ["MMC321"]),
        ("beams:ecm 8000", ["MMC321"]),
        ("Random:setSeed = on", ["MMC321"]),
        ("Random:setSeed = off", []),
        ("Main:numberOfEvents = -1 ! all", []),
        ("Main:numberOfEvents = 10", ["MMC321"]),
        ("Main:timesAllowErrors = 10", []),
        ("HEPMCoutput:file = auto", []),
        ("HEPMCoutput:file = /dev/null", ["MMC321"]),
    ],
)
def test_pythia_cards(line: str, expected: list[str]) -> None:
    card = ("  samples:", "  shower: {program: pythia8, card: card}\n  samples:")
    assert codes(card, DELPHES, card=f"! settings\n{line}\n") == expected


def test_pythia_settings() -> None:
    settings = "{'PartonLevel:MPI': off, 'Random:seed': 1, 'beams:eCM': 3, 'HEPMCoutput:file': x}"
    shower = ("  samples:", f"  shower: {{program: pythia8, settings: {settings}}}\n  samples:")
    found = diagnose(shower, DELPHES, cards={})
    assert [item.code for item in found] == ["MMC320"] * 3
    assert found[0].help == "remove it; its place is `seed`"


@pytest.mark.parametrize(
    ("line", "expected"), [("set RandomSeed 1", ["MMC321"]), ("# set RandomSeed 1", []), ("set MaxEvents 10", [])]
)
def test_delphes_cards(line: str, expected: list[str]) -> None:
    detector = ("observables:", "detector: {simulation: delphes, card: card}\nobservables:")
    assert codes(SHOWERED, detector, card=f"{line}\n") == expected


def test_param_cards() -> None:
    shared = ("  samples:", "  param_card: {file: card}\n  samples:")
    own = (SIGNAL, SIGNAL.replace("}", ", param_card: {file: own}}"))
    right, wrong = "BLOCK DIM6 # a comment\n 2 0.0 # CWL2\n 3 0.0", "BLOCK dim7\n 2 0.0\n"
    assert codes(shared, card=right) == []
    assert codes(shared, card=wrong) == ["MMC322"]
    assert codes(shared, own, card=wrong, own=right) == []
    assert codes(shared, own, card=right, own=wrong) == ["MMC322"]
    background = (SIGNAL, f"{SIGNAL}\n    {TOP.replace('}', ', param_card: {file: own}}')}")
    assert codes(background, own=wrong) == [], "a background does not depend on the parameters"
    for settings, expected in (
        ("{dim6 all: 0}", []),
        ("{dim6 3: 1, DIM6 all: 0}", []),
        ("{decay 25: 0.004}", ["MMC322"]),
        ("{dim6 4: 1}", ["MMC322"]),
        ("{Dim6 2: 1}", ["MMC319"]),
        ("{dim6: 1}", ["MMC105"]),
    ):
        said = ("param_card: {file: card}", f"param_card: {settings.replace('{', '{file: card, ')}")
        assert codes(shared, said, card=right) == expected
        if expected != ["MMC322"]:
            assert codes(("  samples:", f"  param_card: {settings}\n  samples:")) == expected


def test_a_card_is_text_and_is_there() -> None:
    assert codes(RUN_CARD) == ["MMC601"]
    (found,) = diagnose(RUN_CARD, cards={"card": None})
    assert (found.code, found.message) == (
        "MMC380",
        "'card' is not a card: it is not UTF-8 text, or larger than 2 MB",
    )
