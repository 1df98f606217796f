"""The input files and cards of the hand-written workflow, damaged: a line, or a study that can be read."""

from collections.abc import Callable
from pathlib import Path
from random import Random

from mmc.compiler.importers.madminer_workflow import import_study
from mmc.compiler.importers.source import Source
from mmc.compiler.importers.workflow_cards import in_the_image, read_cards
from mmc.compiler.language.document import load
from mmc.errors import MmcError

from benchmarks.fuzz.damage import damaged_bytes, damaged_text, refusal

INPUTS = Path(__file__).resolve().parents[2] / "tests" / "golden" / "import"
UNREADABLE = ("MMC001", "MMC004", "MMC005", "MMC006", "MMC007", "MMC009", "MMC010")


def make_trial(folder: Path) -> Callable[[Random], str]:
    """A trial that writes cards into a folder."""
    inputs = {name: (INPUTS / f"{name}.yml").read_bytes() for name in ("physics", "learning")}
    cards = {path.name: path.read_bytes() for path in sorted((INPUTS / "cards").iterdir())}

    def trial(random: Random) -> str:
        files, own = dict(inputs), dict(cards)
        chosen = random.choice((files, files, own))
        name = random.choice(sorted(chosen))
        chosen[name] = _damaged(chosen[name], random)
        try:
            if chosen is own:
                for card, content in own.items():
                    (folder / card).write_bytes(content)
            found = read_cards(folder) if chosen is own else in_the_image()
            physics, learning = (Source.read(content, name) for name, content in files.items())
            text = import_study(physics, learning, found, "study")
        except MmcError as error:
            return refusal(error)
        document = load(text.encode(), "study.yaml")
        unreadable = [item for item in document.diagnostics if item.code in UNREADABLE]
        if unreadable:
            line = document.lines[unreadable[0].span.line - 1] if document.text else ""
            raise AssertionError(f"{unreadable[0].message}: {line[:100]!r}")
        return "accepted"

    return trial


def _damaged(content: bytes, random: Random) -> bytes:
    if random.random() < 0.5:
        return damaged_bytes(content, random)
    return damaged_text(content.decode(), random).encode(errors="replace")
