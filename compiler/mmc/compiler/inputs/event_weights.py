"""The names of the weights in a Les Houches event file, from its start."""

import re
from html import unescape

_EVENT = re.compile(r"<event(?:\s[^<>]*)?>")
BLOCK = re.compile(r"<rwgt(?:\s[^<>]*)?>")
WEIGHT = r"""(?><wgt\b[^<>]*?\sid\s*=\s*(?:'([^']*)'|"([^"]*)"))"""
"""The beginning of a weight: its name in single or double quotes, perhaps after other attributes. Its first name alone,
or a text with many would take time that is quadratic."""


def weight_names(start: str) -> tuple[str, ...] | None:
    """The names of the weights of the first event; None if it does not end in ``start``.

    >>> weight_names("<event> 1 <rwgt><wgt id='sm'> 1e-3 </wgt></rwgt></event>")
    ('sm',)
    >>> weight_names("<LesHouchesEvents>")
    """
    before, end, _ = start.partition("</event>")
    opening = _EVENT.search(before)
    if opening is None or not end:
        return None
    block = BLOCK.search(before, opening.end())
    text = before[block.end() :] if block else ""
    return tuple(unescape(one or two) for one, two in re.findall(WEIGHT, text))
