"""The particles of the light table are those of the package."""

import particle
import pytest
from mmc.jobs.madminer import light_particle
from mmc.jobs.madminer.light_particle import Particle


def test_the_particles_are_those_of_the_package() -> None:
    """All but nuclei, in the same order; the package's own table is complete."""

    def told(one: particle.Particle) -> tuple[object, ...]:
        return int(one.pdgid), one.pdg_name, one.charge, one.mass

    whole = [told(one) for one in particle.Particle.all()]
    assert [told(one) for one in Particle.all() if abs(one.pdgid) < 10**9] == [
        entry for entry in whole if abs(int(str(entry[0]))) < 10**9
    ]
    assert any(int(str(entry[0])) > 10**9 for entry in whole)


def test_nuclei_are_read_where_there_is_one() -> None:
    assert Particle.from_pdgid(-11).charge == 1.0
    lead = Particle.from_pdgid(1000822080)
    assert lead.charge == particle.Particle.from_pdgid(1000822080).charge == 82.0
    with pytest.raises(RuntimeError):
        Particle.from_pdgid(1000009990)


def test_madminer_has_the_light_table_and_others_the_whole_one() -> None:
    with light_particle.standing_in():
        assert particle.Particle is Particle
    assert particle.Particle is not Particle
