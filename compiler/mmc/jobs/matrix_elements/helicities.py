"""Configurations of helicities, of which some legs see fewer than all legs."""

from functools import cache

import numpy as np
import numpy.typing as npt

Legs = frozenset[int]
Places = npt.NDArray[np.int_]


class Helicities:
    """Configurations of the helicities of all legs, and the different ones of some of the legs.

    :param table: (configurations, legs)
    """

    def __init__(self, table: npt.NDArray[np.int_]) -> None:
        self.table = table
        self._places, self._first = cache(self._places_of), cache(self._first_of)

    def of(self, legs: Legs) -> npt.NDArray[np.int_]:
        """The different helicities of some legs, as the table comes to them, (different, these legs by number)."""
        return self.table[self._first(legs)][:, sorted(legs)]

    def repeated(self, values: npt.NDArray[np.generic], part: Legs, whole: Legs) -> npt.NDArray[np.generic]:
        """Values for the different helicities of a part of some legs, for those of all these legs.

        :param values: (events times helicities of the part, …)
        :returns: (events times helicities of the whole, …)
        """
        places = self._places(part)[self._first(whole)]
        different = int(places.max()) + 1
        if len(places) == different:
            return values
        by_event = values.reshape(-1, different, *values.shape[1:])
        return by_event[:, places].reshape(-1, *values.shape[1:])

    def _first_of(self, legs: Legs) -> Places:
        """The first configuration with each of their helicities."""
        return np.unique(self._places(legs), return_index=True)[1]

    def _places_of(self, legs: Legs) -> Places:
        """The number of their helicities in each configuration, (configurations,)."""
        known: dict[tuple[int, ...], int] = {}
        mine = map(tuple, self.table[:, sorted(legs)].tolist())
        return np.array([known.setdefault(helicities, len(known)) for helicities in mine])
