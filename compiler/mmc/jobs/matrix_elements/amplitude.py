"""ufoamp's recursion, restricted to the diagrams that a process allows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from ufoamp.recursion import Amplitude, Leg
from ufoamp.vertex_eval import Cur

from mmc.jobs.matrix_elements.allowed import Allowed
from mmc.jobs.matrix_elements.helicities import Helicities
from mmc.jobs.matrix_elements.model import Model

_NO_LIMIT = 10**6


class RestrictedAmplitude(Amplitude):  # type: ignore[misc]
    """The amplitude of diagrams that a process allows.

    ufoamp computes a current for each set of external legs, which is an internal line of diagrams. So a line that is
    not allowed is a current that is left out, and the decays of a chain are the only currents of their legs. The legs
    come in the order 1, 2, …, 0: ufoamp makes currents of all but the last.

    A current knows the helicities of its own legs only, so it is computed once for all configurations that have these.
    Its first axis is that of events, each with its different helicities. To ufoamp they are a batch of events.

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
        self._helicities = Helicities(np.zeros((0, 0), dtype=int))
        self._joined: dict[tuple[frozenset[int], int], list[Any]] = {}
        self.set_amp_orders({name: (0, allowed.core.orders.get(name, _NO_LIMIT)) for name in counted})

    def amplitude_flows(self, legs: Sequence[Leg]) -> Any:
        """The amplitudes by connection of fermion lines, of events times configurations.

        :param legs: with momenta of the events, (events, 4), and helicities of the configurations, (configurations,)
        """
        table = np.stack([leg.hel for leg in legs], axis=1)
        if not np.array_equal(table, self._helicities.table):
            self._helicities = Helicities(table)
        return super().amplitude_flows(legs)

    def external_wf(self, leg: Leg, leg_index: int) -> Any:
        (helicities,) = self._helicities.of(frozenset((leg_index,))).T
        momenta = np.repeat(leg.p, len(helicities), axis=0)
        return super().external_wf(replace(leg, p=momenta, hel=np.tile(helicities, len(leg.p))), leg_index)

    def _build(self, fs: frozenset[int], J: Any, Pin: Any, propagate: bool, **root: Any) -> Any:  # noqa: N803
        legs = frozenset(leg + 1 for leg in fs)
        part = self._allowed.around(legs)
        if part is None:
            return {}
        self.max_orders = part.orders
        built = self._joining(fs, J, Pin, propagate, **root)
        if not propagate:
            return built
        decay = self._allowed.decay(legs)
        found = {label: tags for label, tags in built.items() if self._allowed.has(legs, label)}
        return found if decay is None else {label: self._ended(tags, part.orders) for label, tags in found.items()}

    def _joining(self, fs: frozenset[int], currents: Any, momenta: Any, propagate: bool, **root: Any) -> Any:
        """What ufoamp makes of currents and momenta, which are repeated for all helicities of the legs that join."""
        joined = fs if propagate else fs | {root["root_i"]}
        different = len(self._helicities.of(joined))

        def repeated(current: Cur, part: frozenset[int]) -> Cur:
            array = self._helicities.repeated(current.arr, part, joined)
            return Cur(array, current.kind, current.own, current.ext, current.ext_self)

        def currents_of(part: frozenset[int]) -> Any:
            return {
                label: {tag: repeated(current, part) for tag, current in tags.items()}
                for label, tags in currents[part].items()
            }

        if not propagate:
            root["root_wf"] = repeated(root["root_wf"], frozenset((root["root_i"],)))
        each = _Lazy(lambda part: np.repeat(momenta[part], different, axis=0))
        return super()._build(fs, _Lazy(currents_of), each, propagate, **root)

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


class _Lazy(dict[frozenset[int], Any]):
    """What a function makes of sets of legs, once somebody looks for it."""

    def __init__(self, make: Callable[[frozenset[int]], Any]) -> None:
        self._make = make

    def __missing__(self, legs: frozenset[int]) -> Any:
        made = self[legs] = self._make(legs)
        return made
