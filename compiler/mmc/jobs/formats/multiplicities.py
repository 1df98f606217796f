"""Events of several jet multiplicities, whose merging a shower completes.

MLM, FxFx and CKKW-L cover the same jets with several multiplicities. The shower vetoes what would count twice, so the
cross section of the events before it is too large.
"""

from pathlib import Path

import numpy as np

from mmc.compiler.inputs import cards
from mmc.errors import StepError
from mmc.jobs.formats import les_houches_table
from mmc.jobs.formats.les_houches_text import between


def check_merged(header: str, events: Path, name: str) -> None:
    """Refuse events of which the shower has not vetoed any.

    :param header: of the file, with MadGraph's run card
    :param events: the file in its normal form
    :param name: of the file, for messages
    :raises StepError: when the run card asks for merging, and the events have different numbers of particles
    """
    card = between(header, "<MGRunCard>", "</MGRunCard>") or ""
    scheme = next(filter(_is_merging, cards.run_card(card)), None)
    if scheme is None:
        return
    counts = np.unique(les_houches_table.read(events).counts)
    if len(counts) > 1:
        raise StepError(
            f"{name} has events of {counts[0]} to {counts[-1]} final particles, which its run card merges "
            f"({scheme.name} = {scheme.value}): jets count twice until a shower vetoes events, and the cross section "
            "is too large. Remove the events that the shower vetoes, and write `filtered: true` beside the file"
        )


def _is_merging(entry: cards.Entry) -> bool:
    return entry.name in cards.MERGING and cards.is_positive(entry.value)
