"""ufoamp's recursion, restricted to the diagrams that a process allows."""

from collections.abc import Mapping
from typing import Any

from ufoamp.recursion import Amplitude

from mmc.jobs.matrix_elements.allowed import Allowed
from mmc.jobs.matrix_elements.model import Model

_NO_LIMIT = 10**6


class RestrictedAmplitude(Amplitude):  # type: ignore[misc]
    """The amplitude of diagrams that a process allows.

    ufoamp computes a current for each set of external legs, which is an internal line of diagrams. So a line that is
    not allowed is a current that is left out, and the decays of a chain are the only currents of their legs. The legs
    come in the order 1, 2, …, 0: ufoamp makes currents of all but the last.

    :param counted: coupling orders whose sum over vertices has to be counted
    :param dropped: PDG ids, without sign, of particles whose vertices can be left out
    """

    def __init__(
        self,
        model: Model,
        couplings: Mapping[str, complex],
        parameters: Mapping[str, complex],
        allowed: Allowed,
        *,
        counted: frozenset[str],
        dropped: frozenset[int],
    ) -> None:
        parts = allowed.parts()
        loosest = {
            name: max(part.orders[name] for part in parts)
            for name in parts[0].orders
            if all(name in part.orders for part in parts)
        }
        super().__init__(
            model.ufo,
            couplings,
            parameters,
            gauge="unitary",
            max_orders=loosest,
            drop_vertex=lambda _, pdgs: not dropped.isdisjoint(map(abs, pdgs)),
        )
        self.zerowidth_tchannel = True
        self._allowed = allowed
        self._joined: dict[tuple[frozenset[int], int], list[Any]] = {}
        self.set_amp_orders({name: (0, allowed.core.orders.get(name, _NO_LIMIT)) for name in counted})

    def _build(self, fs: frozenset[int], J: Any, Pin: Any, propagate: bool, **root: Any) -> Any:  # noqa: N803
        legs = frozenset(leg + 1 for leg in fs)
        part = self._allowed.around(legs)
        if part is None:
            return {}
        self.max_orders = part.orders
        built = super()._build(fs, J, Pin, propagate, **root)
        if not propagate:
            return built
        decay = self._allowed.decay(legs)
        found = {label: tags for label, tags in built.items() if self._allowed.has(legs, label)}
        return found if decay is None else {label: self._ended(tags, part.orders) for label, tags in found.items()}

    def _partitions(self, fs: frozenset[int], k: int) -> list[Any]:
        if (fs, k) not in self._joined:
            legs = frozenset(leg + 1 for leg in fs)
            self._joined[fs, k] = [
                parts
                for parts in super()._partitions(fs, k)
                if self._allowed.joins(legs, [frozenset(leg + 1 for leg in part) for part in parts])
            ]
        return self._joined[fs, k]

    def _ended(self, tags: Mapping[Any, Any], orders: Mapping[str, int]) -> dict[Any, Any]:
        """The currents of a decay within its orders: those of the process around it are counted from zero."""
        found: dict[Any, Any] = {}
        for (closed, open_leg, powers), current in tags.items():
            if all(power <= orders.get(name, power) for name, power in zip(self._track, powers, strict=True)):
                tag = (closed, open_leg, (0,) * len(powers))
                found[tag] = found[tag].add(current) if tag in found else current
        return found
