"""The expressions of a UFO model: values of internal parameters and of couplings."""

import cmath
import math
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any

from mmc.errors import StepError

if TYPE_CHECKING:
    from ufoamp.ufo_model import Model as UfoModel

_FUNCTIONS: dict[str, Any] = {
    "__builtins__": {},
    "cmath": cmath,
    "math": math,
    "complex": complex,
    "abs": abs,
    "pi": math.pi,
    "complexconjugate": lambda z: complex(z).conjugate(),
    "re": lambda z: complex(z).real,
    "im": lambda z: complex(z).imag,
    "sec": lambda z: 1 / cmath.cos(z),
    "csc": lambda z: 1 / cmath.sin(z),
    "cot": lambda z: 1 / cmath.tan(z),
    "asec": lambda z: cmath.acos(1 / z),
    "acsc": lambda z: cmath.asin(1 / z),
    **{name: getattr(cmath, name) for name in ("sqrt", "exp", "log", "sin", "cos", "tan", "asin", "acos", "atan")},
}
"""The words that expressions may use: UFO, arXiv:1108.2040, section 3.4."""


class Expressions:
    """A model's expressions, compiled once and evaluated for any values of its external parameters.

    ufoamp takes 0 for an expression that cannot be evaluated; here this is an error.
    """

    def __init__(self, ufo: "UfoModel") -> None:
        self._model = ufo.name
        self._defaults = {p.name: p.value for p in ufo.parameters if p.nature == "external"}
        self._internal = [(p.name, self._compile(p.name, p.value)) for p in ufo.parameters if p.nature == "internal"]
        self._couplings = [(coupling.name, self._compile(coupling.name, coupling.value)) for coupling in ufo.couplings]

    def parameters(self, values: Mapping[str, float]) -> dict[str, complex]:
        """All parameters, external and internal.

        :param values: of external parameters, in place of the model's default values
        :raises StepError: an expression cannot be computed
        """
        known = {name: complex(values.get(name, default)) for name, default in self._defaults.items()}
        return known | dict(self._evaluated(self._internal, known))

    def evaluate(self, values: Mapping[str, float]) -> tuple[dict[str, complex], dict[str, complex]]:
        """All parameters and all couplings.

        :param values: as for :meth:`parameters`
        :raises StepError: an expression cannot be computed
        """
        known = self.parameters(values)
        return known, dict(self._evaluated(self._couplings, known))

    def _evaluated(
        self, compiled: list[tuple[str, CodeType]], known: Mapping[str, complex]
    ) -> Iterator[tuple[str, complex]]:
        scope = {**_FUNCTIONS, **known}
        for name, code in compiled:
            try:
                scope[name] = complex(eval(code, scope))
            except (ArithmeticError, NameError, TypeError, ValueError) as error:
                raise StepError(
                    f"the model {self._model}: {name} cannot be computed with these parameters: {error}"
                ) from None
            yield name, scope[name]

    def _compile(self, name: str, expression: object) -> CodeType:
        try:
            return compile(str(expression).strip(), name, "eval")
        except (SyntaxError, ValueError) as error:
            raise StepError(f"the model {self._model}: {name} is not an expression: {expression}") from error
