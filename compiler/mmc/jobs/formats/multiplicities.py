"""Events of several jet multiplicities, whose merging a shower completes.

MLM, FxFx and CKKW-L cover the same jets with several multiplicities. The shower vetoes what would count twice, so the
cross section of the events before it is too large.
"""

from mmc.compiler.inputs import cards
from mmc.errors import StepError
from mmc.jobs.formats.les_houches_text import part


def check_merged(text: str, n_final: tuple[int, int], name: str) -> None:
    """Refuse events of which the shower has not vetoed any.

    :param text: the head of the file, with MadGraph's run card
    :param n_final: the smallest and the largest number of final particles of an event
    :param name: of the file, for messages
    :raises StepError: when the run card asks for merging, and the events have different numbers of particles
    """
    card = part(text, "MGRunCard") or ""
    scheme = next(filter(_is_merging, cards.run_card(card)), None)
    least, most = n_final
    if scheme is not None and least != most:
        raise StepError(
            f"{name} has events of {least} to {most} final particles, which its run card merges "
            f"({scheme.name} = {scheme.value}): jets count twice until a shower vetoes events, and the cross section "
            "is too large. Remove the events that the shower vetoes, and write `filtered: true` beside the file"
        )


def _is_merging(entry: cards.Entry) -> bool:
    return entry.name in cards.MERGING and cards.is_positive(entry.value)
