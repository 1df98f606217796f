"""Colour flows of diagrams."""

import pytest
from mmc.errors import StepError
from mmc.jobs.matrix_elements import Allowed, Model
from mmc.jobs.scattering.colour import tags
from mmc.jobs.scattering.diagrams import Vertices, diagrams


@pytest.fixture(scope="module")
def sm() -> Model:
    return Model.load("ufo_sm")


@pytest.mark.parametrize(
    ("incoming", "outgoing"),
    [
        ((2, -2), (13, -13)),
        ((2, -2), (21, 23)),
        ((21, 2), (2, 22)),
        ((21, 21), (6, -6)),
        ((21, 21), (21, 21)),
        ((2, 1), (2, 1, 25)),
        ((-1, 2), (24, 21, 21)),
    ],
)
def test_each_colour_goes_somewhere(sm: Model, incoming: tuple[int, ...], outgoing: tuple[int, ...]) -> None:
    """A colour that comes in goes out, or is annihilated with an incoming anticolour; and as each particle has it."""
    found = diagrams(Vertices(sm, [{}]), incoming, outgoing, Allowed())
    assert found
    for diagram in found:
        drawn = tags(diagram, sm)
        legs = [drawn[frozenset({leg})] for leg in range(2 + len(outgoing))]
        for pdg, (colour, anticolour) in zip((*incoming, *outgoing), legs, strict=True):
            rep = sm.particle(pdg).color
            assert (colour > 0, anticolour > 0) == (rep in (3, 8), rep in (-3, 8))
        sources = [legs[0][0], legs[1][0], *(anticolour for _, anticolour in legs[2:])]
        ends = [legs[0][1], legs[1][1], *(colour for colour, _ in legs[2:])]
        assert sorted(filter(None, sources)) == sorted(filter(None, ends))
        assert len(set(filter(None, sources))) == len(list(filter(None, sources)))


def test_the_flow_of_a_gluon_and_a_quark(sm: Model) -> None:
    """The gluon's colours go on: g u > u γ by the s-channel."""
    found = [d for d in diagrams(Vertices(sm, [{}]), (21, 2), (2, 22), Allowed()) if {2, 3} in map(set, _lines(d))]
    (diagram,) = found
    drawn = tags(diagram, sm)
    gluon, quark, out = (drawn[frozenset({leg})] for leg in (0, 1, 2))
    assert gluon[1] == quark[0]
    assert gluon[0] == out[0]
    assert quark[1] == out[1] == 0


def _lines(diagram: object) -> list[frozenset[int]]:
    return [line.legs for line in diagram.propagators()]  # type: ignore[attr-defined]


def test_colours_that_are_not_supported(sm: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    (diagram, *_) = diagrams(Vertices(sm, [{}]), (2, -2), (13, -13), Allowed())
    monkeypatch.setattr(sm.particle(13), "color", 6)
    with pytest.raises(StepError, match="colour of this process is not supported"):
        tags(diagram, sm)
