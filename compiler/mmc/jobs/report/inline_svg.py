"""Figures inside a page: SVG with a title for screen readers, and with colours from the page, light or dark."""

import re
from collections.abc import Iterable
from html import escape

from markupsafe import Markup

DARK = (0x16, 0x16, 0x16)
"""The background of the dark page."""
BRIGHT = 0xEC
"""The text of the dark page: the value of red, green and blue."""
CONTRAST = 4.5
"""The smallest contrast of text according to WCAG."""

_STYLE_COLOR = re.compile(r"((?:fill|stroke): )#([0-9a-fA-F]{6})")


def inline(svg: bytes, name: str, title: str) -> Markup:
    """An SVG of matplotlib for a page with several figures: with unique identifiers, and colours from the page.

    :param name: a name that no other figure of the page has
    """
    text = svg.decode()
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(
        r"\s*<style.*?</style>", "", text, flags=re.DOTALL
    )  # a style sheet here would apply to the whole page
    text = _STYLE_COLOR.sub(lambda found: f"{found[1]}var(--x{found[2].lower()},#{found[2].lower()})", text)
    prefix = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    text = re.sub(r'\b(id="|href="#)|url\(#', lambda found: f"{found[0]}{prefix}-", text)
    label = f'role="img" aria-label="{escape(title)}" focusable="false"'
    return Markup(text.replace("<svg ", f"<svg {label} ", 1))


def dark_colors(svgs: Iterable[str]) -> Markup:
    """CSS variables with the dark counterpart of every colour in the figures."""
    colors = sorted({color for svg in svgs for color in re.findall(r"var\(--x([0-9a-f]{6}),", svg)})
    return Markup(" ".join(f"--x{color}: {dark(color)};" for color in colors))


def dark(color: str) -> str:
    """The colour on the dark page for a colour on the white page.

    Greys are inverted: white becomes the dark background, black the bright text. Other colours are mixed with white
    until their contrast is large enough.

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
    """The contrast ratio of two colours (WCAG 2.1)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: tuple[int, ...]) -> float:
    parts = [value / 255 for value in color]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
