"""The package ``particle`` with its table of particles, and that of 5,900 nuclei once an event has one.

Reading and searching the nuclei takes as long as reading a few hundred events. The tables of the package itself stay as
they are: code of a study may use them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, SupportsInt

import particle
from particle import data

_NUCLEUS = 1_000_000_000
"""The smallest number of a nucleus."""


class Particle(particle.Particle):
    """A particle of the tables of this module."""

    _table = None
    _hash_table = None
    _table_names = None

    @classmethod
    def load_table(cls, filename: Any = None, append: bool = False, _name: str | None = None) -> None:
        """Read the particles; with a file as of the package."""
        if filename is not None:
            super().load_table(filename, append, _name)
            return
        _read(cls, "particle", append=False)

    @classmethod
    def from_pdgid(cls, value: SupportsInt) -> Any:
        """The particle or nucleus of a number.

        :raises RuntimeError: when there is none
        """
        if abs(int(value)) >= _NUCLEUS and len(cls.table_names()) < 2:
            _read(cls, "nuclei", append=True)
        return super().from_pdgid(value)


def _read(cls: type[Particle], kind: str, *, append: bool) -> None:
    """Read the package's newest table of a kind."""
    newest = max((file.name, file) for file in data.basepath.iterdir() if file.name.startswith(kind))[1]
    with newest.open() as file:
        cls.load_table(file, append=append, _name=newest.name)


@contextmanager
def standing_in() -> Iterator[None]:
    """In this block, what imports the particles of the package gets those of this module."""
    whole = particle.Particle
    particle.Particle = Particle  # type: ignore[misc]
    try:
        yield
    finally:
        particle.Particle = whole  # type: ignore[misc]
