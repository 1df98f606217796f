"""Objects and definitions without events: the order in which they use each other, and cycles."""

from hypothesis import given
from hypothesis import strategies as st
from mmc.compiler.expressions.naming import expression, named, names_in
from mmc.compiler.expressions.scope import scope_of_reader


def test_bound_names_are_not_used() -> None:
    assert [*names_in({"pair_of": "l", "where": "a.pt > b.pt", "min": "(a + w).m"})] == ["l", "w"]
    assert [*names_in({"from": "j", "where": "it.deltaR(b[0]) > 0.4"})] == ["j", "b"]


def test_the_mass_of_a_neutrino_has_a_unit() -> None:
    entry = {"neutrino": {"lepton": "l[0]", "met": "met", "mass": "0.08 TeV", "choose": "largest"}}
    assert expression(entry) == "neutrino((l[0]), (met), 80.0, (-abs(it.pz)))"


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.sets(st.sampled_from("abcdefgh")), max_size=8))
def test_every_cycle_is_found(uses: dict[str, set[str]]) -> None:
    names = {name: f"d{name}" for name in uses}
    entries = {
        names[name]: " + ".join(["met.pt", *(names[other] for other in sorted(others) if other in names)])
        for name, others in uses.items()
    }
    found = named(entries, {}, scope_of_reader("lhe"))

    def reaches(start: str, name: str, seen: set[str]) -> bool:
        following = {other for other in uses[name] if other in uses}
        if start in following:
            return True
        return any(reaches(start, other, seen | {other}) for other in following - seen)

    in_cycles = {names[name] for name in uses if reaches(name, name, set())}
    assert {name for cycle in found.cycles for name in cycle} <= in_cycles
    assert bool(found.cycles) == bool(in_cycles)
    assert all(cycle[0] == cycle[-1] for cycle in found.cycles)
    assert found.problems == []
    free = {name for name, value in found.values.items() if value.kind == "number"}
    assert free.isdisjoint(in_cycles)
