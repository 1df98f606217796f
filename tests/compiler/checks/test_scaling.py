"""The work of ``mmc validate`` grows with the size of the study, not with its square, whatever the text is."""

import gc
import time
from collections.abc import Callable

import pytest
from mmc.cli.rendering import to_text
from mmc.compiler.checks import MOST_SHOWN, check
from mmc.compiler.language.document import load

from tests.compiler.hostile_texts import HOSTILE, MADGRAPH, study

SIZE = 50_000
CARD = "Block dim6\n" + "".join(f"  {k} 0.0\n" for k in range(300)) + "DECAY 25 0.004\n"


def work(text: str, card: str = CARD) -> tuple[float, list[str]]:
    """CPU seconds to validate a study, without those to collect the objects of other tests, and the codes."""
    gc.disable()
    started = time.process_time()
    document = load(text.encode(), "study.yaml")
    found = check(document, lambda _: "file", lambda _: card).diagnostics
    to_text(found, {"study.yaml": document.text})
    seconds = time.process_time() - started
    gc.enable()
    return seconds, [item.code for item in found]


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in HOSTILE.items()])
def test_the_work_grows_with_the_size(make: Callable[[int], str]) -> None:
    seconds, codes = work(make(SIZE))
    assert "MMC016" not in codes
    assert len(codes) <= MOST_SHOWN + 1
    assert seconds < 3, "0.5 at most on a quiet machine"
    if seconds > 0.4 and seconds > 6 * work(make(SIZE // 4))[0]:  # else it is clear at once: 4 times as long
        large, small = (min(work(make(size))[0] for _ in range(3)) for size in (SIZE, SIZE // 4))
        assert large < 10 * small + 0.1, "work that grows with the square takes 16 times as long"


CARDS = {
    "brackets": "[" * SIZE,
    "blanks": "block a" + " " * SIZE + "!",
    "lines of blanks": (" " * 100 + "\n") * (SIZE // 100),
    "equal signs": "=" * SIZE,
    "settings": "".join(f"{k} = nevents\n" for k in range(SIZE // 14)),
    "unknown settings": "".join(f"1 = n{k}\n" for k in range(SIZE // 12)),
    "arguments": "--pdf=a  ,  " * 40 + "x = systematics_arguments\n",
    "entries": "block dim6\n" + "".join(f" {k} 1\n" for k in range(SIZE // 8)),
    "long numbers": f"block dim6\n {'1' * SIZE} 1\n",
    "Tcl": "module A B {\n" + "  set C { " * (SIZE // 10),
    "formulas": "module A B {\n  set EfficiencyFormula {" + "(" * SIZE + "}\n}\n",
    "Pythia's lines": "".join(f"A:b{k} = {{1,2}}\n" for k in range(SIZE // 16)),
    "rows": "pt,m_ll\n" + "1,2\n" * (SIZE // 4),
    "columns": ",".join(f"c{k}" for k in range(SIZE // 6)) + "\n",
    "columns of one name": "m_ll," * (SIZE // 5) + "\n",
    "quotes": '"' * SIZE,
}
"""Files beside a study."""
OF_CARDS = (
    study(
        MADGRAPH,
        generation="{generator: madgraph, model: x, run_card: {file: c}, param_card: {file: c}, "
        "shower: {program: pythia8, card: c}, samples: {s: {process: p p > z, events: 10}}}",
        detector="{simulation: delphes, card: c}",
    ),
    study(evaluation="{luminosity: 3 fb^-1, observed: {file: c}}"),
)


@pytest.mark.parametrize("card", CARDS.values(), ids=list(CARDS))
def test_cards_are_read_once(card: str) -> None:
    for text in OF_CARDS:
        seconds, codes = work(text, card)
        assert "MMC016" not in codes
        assert seconds < 3


def test_an_ordinary_study_is_right() -> None:
    assert work(study())[1] == []
