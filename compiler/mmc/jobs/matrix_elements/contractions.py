"""Contractions of ufoamp's currents with constants such as γ matrices, most of whose elements are zero."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_BATCH = "Z"
"""ufoamp's letter for the axis of events and helicities."""
_FEW = 128
"""Below so many events numpy is as fast."""


def einsum(expression: str, *operands: Array) -> Array:
    """What numpy makes of it, bit for bit: the same terms in the same order, without those that are zero.

    :param operands: finite
    """
    inputs, _, output = expression.partition("->")
    names = inputs.split(",")
    constants = [at for at, name in enumerate(names) if _BATCH not in name]
    if len(names) == 2 and len(constants) == 1:
        (at,) = constants
        made = _contracted((names[1 - at], operands[1 - at]), (names[at], operands[at]), output)
        if made is not None:
            return made
    result: Array = np.einsum(expression, *operands)
    return result


def _contracted(batch: tuple[str, Array], constant: tuple[str, Array], output: str) -> Array | None:
    """None if this is not faster, or if a product would be rounded twice."""
    (name, values), (indices, factors) = batch, constant
    shared = [letter for letter in name if letter in indices]
    others = [letter for letter in output if letter not in indices]
    if values.shape[name.index(_BATCH)] < _FEW or sorted(shared + others) != sorted(name) or _complex(factors):
        return None
    sizes = dict(zip(name + indices, values.shape + factors.shape, strict=True))
    result = np.zeros([sizes[letter] for letter in output], np.result_type(values, factors))
    kept = [letter for letter in output if letter in indices]
    terms = values.transpose([name.index(letter) for letter in shared + others])
    sums = result.transpose([output.index(letter) for letter in kept + others])
    for place in np.argwhere(factors).tolist():
        index = dict(zip(indices, place, strict=True))
        factor, total = factors[tuple(place)], sums[tuple(index[letter] for letter in kept)]
        term = terms[tuple(index[letter] for letter in shared)]
        if factor == 1.0:
            total += term
        elif factor == -1.0:
            total -= term
        else:
            total += term * factor
    return result


def _complex(factors: Array) -> bool:
    """Whether some have a real and an imaginary part: the way in which products are rounded depends on the machine."""
    return bool(((factors.real != 0.0) & (factors.imag != 0.0)).any())
