"""Figures as part of a page: SVG that takes its colours from the page, light or dark, and says what it shows."""

import re
from collections.abc import Iterable
from html import escape

from markupsafe import Markup

DARK = (0x16, 0x16, 0x16)
"""The page in the dark."""
BRIGHT = 0xEC
"""Of the text in the dark, each of red, green and blue."""
CONTRAST = 4.5
"""WCAG's smallest ratio of luminances for text."""

_STYLE_COLOR = re.compile(r"((?:fill|stroke): )#([0-9a-fA-F]{6})")


def inline(svg: bytes, name: str, title: str) -> Markup:
    """An SVG of matplotlib for a page that holds others too: identifiers of its own, colours from the page.

    :param name: unlike those of the page's other figures
    """
    text = svg.decode()
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"\s*<style.*?</style>", "", text, flags=re.DOTALL)  # it would be for the whole page
    text = _STYLE_COLOR.sub(lambda found: f"{found[1]}var(--x{found[2].lower()},#{found[2].lower()})", text)
    prefix = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    text = re.sub(r'\b(id="|href="#)|url\(#', lambda found: f"{found[0]}{prefix}-", text)
    label = f'role="img" aria-label="{escape(title)}" focusable="false"'
    return Markup(text.replace("<svg ", f"<svg {label} ", 1))


def dark_colors(svgs: Iterable[str]) -> Markup:
    """A rule of CSS that gives every colour of the figures its dark counterpart."""
    colors = sorted({color for svg in svgs for color in re.findall(r"var\(--x([0-9a-f]{6}),", svg)})
    return Markup(" ".join(f"--x{color}: {dark(color)};" for color in colors))


def dark(color: str) -> str:
    """The counterpart on the dark page of a colour that stands on white.

    Greys change places, white with the page, black with the text; others are mixed with white until they can be read.

    >>> dark("ffffff"), dark("000000"), dark("0072b2")
    ('#161616', '#ececec', '#2687be')
    """
    red, green, blue = (int(color[k : k + 2], 16) for k in (0, 2, 4))
    if red == green == blue:
        grey = round(DARK[0] + (255 - red) / 255 * (BRIGHT - DARK[0]))
        return f"#{grey:02x}{grey:02x}{grey:02x}"
    for share in range(0, 100, 5):
        mixed = tuple(round(value + (255 - value) * share / 100) for value in (red, green, blue))
        if contrast(mixed, DARK) >= CONTRAST:
            break
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """The ratio of the luminances of two colours (WCAG 2.1)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: tuple[int, ...]) -> float:
    parts = [value / 255 for value in color]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
