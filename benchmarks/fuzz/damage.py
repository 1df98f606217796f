"""Damage to bytes, texts and JSON values."""

from copy import deepcopy
from random import Random
from typing import Any

from mmc.errors import MmcError

HOSTILE = (
    *("", "0", "-1", "1e999", "-1e999", "nan", "inf", "1e-999", "99999999999999999999", "1_0", "⁴", "١", "0x10"),
    *("9" * 5000, "\0", "\x1b[31m", "\n", "\r\n", "\u2028", "é", "'", '"', "<", ">", "&", "]]>", "<!--", "../../x"),
    *("/etc/passwd", "=", "#", "!", " " * 1000, "a" * 1000, "<event>", "</event>", "<init>", "<header>", "</header>"),
    *("<MGRunCard>", "<wgt id='", "<weight id=", "</rwgt>", "{{7*7}}", "${x}", "$(x)", "%s", "\\frac{", "𝒳", "\ufeff"),
)
"""Words that readers take for something else."""
VALUES = (
    *(None, True, False, 0, -1, 1, 2**62, -(2**62), 1e308, -1e308, 5e-324, "", "x", "../../x", "a/b", "\x00"),
    *("\x1b[31m", "x\ny", "<script>", "$\\frac{", "{" * 40, "a" * 5000, "nan", [], [[]], {}, {"x": {}}, [None]),
    *([1, 2], ["x"], {"": 1}),
)
"""Values that no record has at most places."""


def refusal(error: MmcError) -> str:
    """``refused``, for an exception whose message is one short line."""
    text = str(error)
    if len(text) > 1500 or "\n" in text:
        raise AssertionError(f"not one short line: {text[:100]!r}")
    return "refused"


def damaged_bytes(content: bytes, random: Random) -> bytes:
    """Flip bits, cut, insert, repeat, swap or blank some bytes, one to four times."""
    data = bytearray(content)
    for _ in range(random.randint(1, 4)):
        place, length = random.randrange(len(data) + 1), random.choice((1, 2, 4, 8, 64, 1000))
        match random.randrange(7):
            case 0 if data:
                data[random.randrange(len(data))] ^= 1 << random.randrange(8)
            case 1:
                del data[place:]
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = random.randbytes(length)
            case 4:
                data[place:place] = data[place : place + length]
            case 5:
                other = random.randrange(len(data) + 1)
                data[place : place + length], data[other : other + length] = (
                    data[other : other + length],
                    data[place : place + length],
                )
            case _:
                filler = random.choice((b"\0", b"\xff", b"\x7f", b"\x80"))
                data[place : place + length] = filler * len(data[place : place + length])
    return bytes(data)


def damaged_text(text: str, random: Random) -> str:
    """Replace, remove, repeat or move words and lines, one to four times."""
    for _ in range(random.randint(1, 4)):
        separator = random.choice(("\n", " ", ">", "<", "="))
        parts = text.split(separator)
        place, other = random.randrange(len(parts)), random.randrange(len(parts))
        match random.randrange(6):
            case 0 | 1:
                parts[place] = random.choice(HOSTILE)
            case 2:
                del parts[place]
            case 3:
                parts[place] = separator.join([parts[place]] * random.choice((2, 3, 100)))
            case 4:
                parts[place], parts[other] = parts[other], parts[place]
            case _:
                parts[place] += random.choice(HOSTILE)
        text = separator.join(parts)
    return text


def damaged_json(value: Any, random: Random) -> Any:
    """A copy of a value with one to three entries replaced, removed, added or moved."""
    value = deepcopy(value)
    for _ in range(random.randint(1, 3)):
        places = list(_places(value))
        if not places:
            return deepcopy(random.choice(VALUES))
        parent, key = random.choice(places)
        match random.randrange(6):
            case 0 | 1 | 2:
                parent[key] = deepcopy(random.choice(VALUES))
            case 3:
                del parent[key]
            case 4:
                other_parent, other = random.choice(places)
                if other_parent is not parent:
                    parent[key] = deepcopy(other_parent[other])
            case _:
                if isinstance(parent, dict):
                    parent[random.choice([text for text in HOSTILE if text < "\ud800"])] = parent.pop(key)
    return value


def _places(value: Any) -> Any:
    """All entries of a value, as pairs of the mapping or list that holds it and its key."""
    waiting = [value]
    while waiting:
        parent = waiting.pop()
        keys = list(parent) if isinstance(parent, dict) else range(len(parent)) if isinstance(parent, list) else ()
        for key in keys:
            yield parent, key
            waiting.append(parent[key])
