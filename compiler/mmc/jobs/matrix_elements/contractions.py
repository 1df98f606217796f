"""Contractions of ufoamp's currents with constants such as γ matrices, most of whose elements are zero."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_BATCH = "Z"
"""ufoamp's letter for the axis of events and helicities."""
_FEW = 128
"""Below so many events numpy is as fast."""


class _Letters(NamedTuple):
    """The axes of a contraction."""

    values: str
    factors: str
    output: str

    @property
    def shared(self) -> list[str]:
        return [letter for letter in self.values if letter in self.factors]

    @property
    def others(self) -> list[str]:
        return [letter for letter in self.output if letter not in self.factors]


def einsum(expression: str, *operands: Array) -> Array:
    """What numpy makes of it, bit for bit, without the terms that are zero.

    :param operands: finite
    """
    inputs, _, output = expression.partition("->")
    names = inputs.split(",")
    constants = [at for at, name in enumerate(names) if _BATCH not in name]
    if len(names) == 2 and len(constants) == 1:
        (at,) = constants
        letters, values, factors = _Letters(names[1 - at], names[at], output), operands[1 - at], operands[at]
        if values.shape[letters.values.index(_BATCH)] >= _FEW and _is_exact(expression, letters, values, factors):
            return _without_zeros(letters, values, factors)
    result: Array = np.einsum(expression, *operands)
    return result


def _is_exact(expression: str, letters: _Letters, values: Array, factors: Array) -> bool:
    """Whether the terms are rounded and added as numpy does it."""
    if sorted(letters.shared + letters.others) != sorted(letters.values) or values.dtype != factors.dtype:
        return False
    if ((factors.real != 0.0) & (factors.imag != 0.0)).any():  # how products are rounded depends on the machine
        return False
    if len(set(letters.shared) - set(letters.output)) < 2:
        return True
    plain = values.flags.c_contiguous and factors.flags.c_contiguous
    sizes = tuple(_FEW if letter == _BATCH else n for letter, n in zip(letters.values, values.shape, strict=True))
    return plain and _adds_alike(expression, letters, sizes, factors.shape, factors.tobytes())


@lru_cache(maxsize=1024)
def _adds_alike(
    expression: str, letters: _Letters, sizes: tuple[int, ...], shape: tuple[int, ...], factors: bytes
) -> bool:
    """Whether numpy adds the terms of a sum over several axes in their order: it does for random numbers, or never."""
    random = np.random.default_rng(1)
    values = random.normal(size=sizes) + 1j * random.normal(size=sizes)
    known = np.frombuffer(factors, dtype=complex).reshape(shape)
    first, _ = expression.partition("->")[0].split(",")
    operands = (values, known) if first == letters.values else (known, values)
    return np.array_equal(_without_zeros(letters, values, known), np.einsum(expression, *operands))


def _without_zeros(letters: _Letters, values: Array, factors: Array) -> Array:
    sizes = dict(zip(letters.values + letters.factors, values.shape + factors.shape, strict=True))
    result = np.zeros([sizes[letter] for letter in letters.output], factors.dtype)
    kept = [letter for letter in letters.output if letter in letters.factors]
    terms = values.transpose([letters.values.index(letter) for letter in letters.shared + letters.others])
    sums = result.transpose([letters.output.index(letter) for letter in kept + letters.others])
    for place in np.argwhere(factors).tolist():
        index = dict(zip(letters.factors, place, strict=True))
        factor, total = factors[tuple(place)], sums[tuple(index[letter] for letter in kept)]
        term = terms[tuple(index[letter] for letter in letters.shared)]
        if factor == 1.0:
            total += term
        elif factor == -1.0:
            total -= term
        else:
            total += term * factor
    return result
