"""Rules about what reaches other programs: what is known to be harmless, and what the study trusts."""

from collections.abc import Iterator
from typing import NamedTuple

from mmc.compiler.catalogue.generators import MADGRAPH, UFO
from mmc.compiler.checks import cards
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.madgraph_models import travelling
from mmc.compiler.checks.reweighting import models
from mmc.compiler.inputs import delphes_card, madgraph_settings, pythia_settings
from mmc.compiler.inputs.refusals import Refusal, is_trusted
from mmc.compiler.language.diagnostics import Code, Diagnostic, show
from mmc.compiler.language.document import Path

_MOST_OF_A_CARD = 5
"""At most this many lines of a card are reported."""
_SHOWER: Path = ("generation", "shower", "card")
_DELPHES: Path = ("detector", "card")
_SETUP: Path = ("execution", "setup")


class _Found(NamedTuple):
    """A setting, or a line of a card, that is not known to be harmless."""

    path: Path
    card: str | None
    """The path of the card; None for a setting of the study."""
    refusal: Refusal


MMC336 = Code(
    "MMC336",
    "A setting could run code or read files",
    "Settings and cards of a study reach Pythia, MadGraph and Delphes. Some of their settings load libraries, compile "
    "code, run Tcl or Python, or read and write files, so whoever runs the study of someone else would run that code. "
    "mmc passes on the settings that it knows, with values of their type: numbers, switches, and plain words. For any "
    "other, the list `trust` names the setting or the card; each entry gives a warning, which a reviewer sees. A UFO "
    "model is Python code: jobs run it, so `trust` names its archive. `mmc validate` reads it without running it.",
)
MMC337 = Code(
    "MMC337",
    "The study trusts a setting or a card",
    "The setting or the card may run code, or read and write files, with the rights of whoever runs the study. Read it "
    "first, and run it only if you trust its author.",
    "warning",
)
MMC338 = Code(
    "MMC338",
    "Nothing needs this trust",
    "The study does not have this setting or card, or mmc passes it on in any case. A list of what a study trusts is "
    "read by people who decide whether to run it, so it contains nothing else.",
)


@rule(MMC336, MMC337, MMC338)
def what_reaches_programs(ctx: Context) -> Iterator[Diagnostic]:
    """Every setting and card that reaches another program is harmless, or the study trusts it."""
    trust = ctx.get("trust") or []
    needed: dict[str, str] = {}
    shown: dict[Path, int] = {}
    for path, card, refusal in _found(ctx):
        by = next((entry for entry in trust if is_trusted(refusal, [entry], card)), None)
        if by is not None:
            needed.setdefault(by, refusal.reason)
            continue
        shown[path] = shown.get(path, 0) + 1
        if shown[path] <= _MOST_OF_A_CARD:
            place = f"line {refusal.line} of {card[:100]}: " if card is not None and refusal.line else ""
            name = refusal.key if card is None else card
            help_text = f"remove it, or add {show(name)} to `trust` if you know what it does"
            yield ctx.problem(MMC336, path, f"{place}{refusal.reason}", help_text, key=card is None)
    for index, entry in enumerate(trust):
        if entry in needed:
            message = f"the study trusts {show(entry)}: {needed[entry]}"
            yield ctx.problem(MMC337, ("trust", index), message, "read it before you run the study of someone else")
        else:
            message = f"nothing in the study needs trust in {show(entry)}"
            yield ctx.problem(MMC338, ("trust", index), message, "remove it, or write the name as it is used")


def _found(ctx: Context) -> Iterator[_Found]:
    """Everything of a study that is not known to be harmless, trusted or not."""
    yield from _settings(ctx)
    for path, model in models(ctx):
        if isinstance(model, dict):
            file = model["file"]
            yield _Found((*path, "file"), file, Refusal(0, "", f"{file[:100]} is Python code, which jobs run"))
    for path, model, _ in travelling(ctx):
        file = model["ufo"]
        yield _Found((*path, "ufo"), file, Refusal(0, "", f"{file[:100]} is Python code, which jobs run"))
    if ctx.get(*_SETUP) is not None:
        reason = "the set-up command runs on the machines of a batch system with your rights"
        yield _Found(_SETUP, None, Refusal(0, "setup", reason))
    for path, card, text in _card_texts(ctx):
        yield from (_Found(path, card, refusal) for refusal in _refusals(path, text))


def _settings(ctx: Context) -> Iterator[_Found]:
    for name, entry in ctx.entries("observables").items():
        if "function" in entry and "definition" not in entry:  # with both, the study is refused for another reason
            file, _, function = entry["function"].rpartition(":")
            reason = f"jobs run the function {show(function)} of {show(file)}, which may do anything"
            yield _Found(("observables", name, "function"), None, Refusal(0, file, reason))
    path: Path = ("generation", "shower", "settings")
    for name, value in ctx.entries(*path).items() if ctx.origin in (MADGRAPH, UFO) else ():
        refusal = pythia_settings.refusal(name, pythia_settings.word(value))
        if refusal is not None and cards.place_of_pythia(name) is None:
            yield _Found((*path, name), None, refusal)
    for path, _ in cards.run_card_places(ctx):
        for name, value in (ctx.get(*path) or {}).items():
            refusal = None if name == "file" else madgraph_settings.run_card_refusal(name, str(value))
            if refusal is not None and name.lower() not in cards.RUN_CARD:
                yield _Found((*path, name), None, refusal)


def _card_texts(ctx: Context) -> Iterator[tuple[Path, str, str]]:
    """The cards of the study: where the study names them, their paths, and their texts."""
    named = [(card.path, card.file) for card in (*cards.run_cards(ctx), *cards.param_cards_of(ctx))]
    restrictions = ((path, model.get("restrict", "")) for path, model, _ in travelling(ctx))
    named += [((*path, "restrict"), card) for path, card in restrictions if card.endswith(".dat")]
    named += [(path, ctx.get(*path)) for path in (_SHOWER, _DELPHES) if ctx.get(*path) is not None]
    for path, card in dict(named).items():  # samples may share a card
        text = cards.card_text(ctx, card)
        if text is not None:
            yield path, card, text


def _refusals(path: Path, text: str) -> Iterator[Refusal]:
    if path == _DELPHES:
        return delphes_card.card_refusals(text)
    if path == _SHOWER:
        found = pythia_settings.card_refusals(text)
        return (refusal for refusal in found if cards.place_of_pythia(refusal.key) is None)
    if "param_card" in path or path[-1] == "restrict":
        return madgraph_settings.param_card_refusals(text)
    return madgraph_settings.run_card_refusals(text)
