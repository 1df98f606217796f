"""The work of ``mmc validate`` grows with the size of the study, not with its square, whatever the text is."""

import gc
import time
from collections.abc import Callable

import pytest
from mmc.cli.rendering import to_text
from mmc.compiler.checks import MOST_SHOWN, check
from mmc.compiler.language.document import load

from tests.compiler.hostile_texts import HOSTILE, study

SIZE = 50_000
CARD = "Block dim6\n" + "".join(f"  {k} 0.0\n" for k in range(300)) + "DECAY 25 0.004\n"


def work(text: str) -> tuple[float, list[str]]:
    """CPU seconds to validate a study, without those to collect the objects of other tests, and the codes."""
    gc.collect()
    gc.disable()
    started = time.process_time()
    document = load(text.encode(), "study.yaml")
    found = check(document, lambda _: "file", lambda _: CARD).diagnostics
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
    if seconds > 0.4:
        large, small = (min(work(make(size))[0] for _ in range(3)) for size in (SIZE, SIZE // 4))
        assert large < 10 * small + 0.1, "work that grows with the square takes 16 times as long"


def test_an_ordinary_study_is_right() -> None:
    assert work(study())[1] == []
