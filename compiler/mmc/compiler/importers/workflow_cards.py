"""The cards of the hand-written workflow, by the names that it gives them."""

from collections.abc import Callable
from pathlib import Path

from mmc.compiler.importers.cards import (
    Cards,
    add_delphes_card,
    add_param_card,
    add_pythia,
    add_run_card,
    card_text,
    read_process,
    run_card_settings,
    values_of,
)


def in_the_image() -> Cards:
    """The content of the cards in the hand-written workflow's image."""
    return Cards(
        model="EWdim6-full",
        process=["u d > u d h / a z QCD=0 QED=99 NP=2, h > a a QCD=0 QED=99 NP=0"],
        events=1000,
        beams={"energy": "6500 GeV", "particles": ["p", "p"], "pdf": "nn23lo1"},
        run_card={"ptj": 20, "pta": 10, "etaj": 5, "etaa": 2.5, "drjj": 0.4, "draa": 0.4, "draj": 0.4}
        | {"mmaa": 120, "mmaamax": 130, "cut_decays": False, "maxjetflavor": 4, "use_syst": False},
        param_card={"dim6 all": 0, "decay 25": 0.00407},
        pythia={"PartonLevel:MPI": "off"},
        shipped_card="delphes_card_CMS.tcl",
        notes=["without --cards, process, run card and detector are those of the workflow's own image"],
    )


def read_cards(folder: Path) -> Cards:
    """The cards of a folder, by the names that the workflow gives them.

    :raises UsageError: when the process card or the run card is missing or incomplete
    """
    cards = read_process(card_text(folder, "proc_card_signal.dat"), "proc_card_signal.dat")
    with values_of("run_card_signal.dat"):
        add_run_card(cards, card_text(folder, "run_card_signal.dat"), "run_card_signal.dat")
    for name, (add, instead) in _OPTIONAL.items():
        if (folder / name).exists():
            with values_of(name):
                add(cards, card_text(folder, name))
        elif instead:
            cards.notes.append(f"there is no {name} in the folder of cards: {instead}")
    background = folder / "proc_card_background.dat"
    if background.exists():
        lines = [line.strip() for line in card_text(folder, background.name).splitlines() if line.strip()]
        cards.notes.append(f"the workflow has a background but never runs it: {'; '.join(lines)}")
    return cards


def _add_configuration(cards: Cards, text: str) -> None:
    said = run_card_settings("\n".join(" = ".join(reversed(line.split("=", 1))) for line in text.splitlines()))
    for name in ("run_mode", "nb_core"):
        if name in said:
            cards.notes.append(f"{name} = {said[name]} of me5_configuration.txt: say `execution.resources` instead")


_OPTIONAL: dict[str, tuple[Callable[[Cards, str], None], str]] = {
    "param_card_template.dat": (
        add_param_card,
        "MadGraph's own is taken, in which coefficients of many models are not 0; say them in `param_card`",
    ),
    "pythia8_card.dat": (add_pythia, "Pythia's own settings are taken"),
    "delphes_card.dat": (add_delphes_card, "the card of CMS that Delphes ships is taken"),
    "me5_configuration.txt": (_add_configuration, ""),
}
"""Optional cards, and the replacement when a card is missing."""
