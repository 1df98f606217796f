"""Quantities with a dimension: a number and a unit in the study, a plain number in a fixed unit in the compiler."""

import math
import re

UNITS: dict[str, dict[str, float]] = {
    "energy": {"MeV": 1e-3, "GeV": 1.0, "TeV": 1e3},
    "luminosity": {"pb^-1": 1.0, "fb^-1": 1e3, "ab^-1": 1e6},
    "cross section": {"nb": 1e3, "pb": 1.0, "fb": 1e-3, "ab": 1e-6},
    "memory": {"MiB": 1.0, "GiB": 1024.0, "MB": 1e6 / 2**20, "GB": 1e9 / 2**20},
    "time": {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0},
}
"""Factor from each accepted unit to the compiler's unit: GeV, pb^-1, pb, MiB and seconds (factor 1)."""

_QUANTITY = re.compile(r"\s*([+-]?(?:(?:\d{1,3}(?:_\d{3})+|\d+)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\s\d_]\S*)\s*")


def parse_quantity(text: str, dimension: str) -> float:
    """The value of ``text`` in the compiler's unit of the dimension.

    >>> parse_quantity("300 fb^-1", "luminosity")
    300000.0
    >>> parse_quantity("6.5 TeV", "energy")
    6500.0

    :raises ValueError: when the text is not a finite, non-negative number with a known unit; the message is for users
    """
    units = UNITS[dimension]
    known = ", ".join(units)
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a number with a unit ({known})")
    number, unit = match.groups()
    if unit not in units:
        raise ValueError(f"'{unit}' is not a unit of {dimension} ({known})")
    value = float(number) * units[unit]
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"'{text}' is not a finite, non-negative {dimension}")
    return value


def luminosity_name(value: float) -> str:
    """The name of an integrated luminosity in pb^-1, for jobs and figures.

    >>> luminosity_name(139e3), luminosity_name(3e6), luminosity_name(36.1)
    ('139fb', '3ab', '36.1pb')
    """
    unit = next((unit for unit in ("ab^-1", "fb^-1") if value >= UNITS["luminosity"][unit]), "pb^-1")
    return f"{value / UNITS['luminosity'][unit]:.9g}{unit.removesuffix('^-1')}"
