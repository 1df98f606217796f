"""Rules about event files that a study brings, beyond their bad examples."""

import pytest

from tests.compiler.checks.test_real_chain import DELPHES, EVENT_FILES, codes, event_files


def brought(**extra: str) -> list[tuple[str, str]]:
    """Replacements that give every event file what was made of it."""
    return [
        (f"lhe: {name}.lhe", f"lhe: {name}.lhe, " + ", ".join(f"{key}: {name}.{end}" for key, end in extra.items()))
        for name in ("sm", "w", "top")
    ]


NO_CARD = ("observables:", "detector: {simulation: delphes}\nobservables:")


@pytest.mark.parametrize(
    ("replacements", "expected"),
    [
        ([("benchmark: w", "benchmark: x")], ["MMC201"]),
        ([("benchmark: w", "benchmark: w, weights: {w: 'a.b', sm: a}")], []),
        ([("benchmark: w", "benchmark: w, weights: {x: 'a.b'}")], ["MMC201"]),
        ([("benchmark: w", "benchmark: w, weights: {w: '<a>'}")], ["MMC105"]),
        ([("top.lhe, benchmark: sm", "top.lhe, benchmark: w")], ["MMC329"]),
        ([("lhe: w.lhe", "lhe: sm.lhe")], ["MMC331"]),
        ([("observables:", "    other: {files: [{lhe: x.lhe, benchmark: sm}]}\nobservables:")], ["MMC316", "MMC601"]),
        (brought(hepmc="hepmc"), ["MMC319"] * 3),
        ([*brought(hepmc="hepmc"), DELPHES], []),
        ([*brought(hepmc="hepmc"), NO_CARD], ["MMC327"]),
        ([*brought(delphes="root"), NO_CARD], []),
        ([*brought(delphes="root"), DELPHES], ["MMC319"]),
        ([*brought(delphes="root")[:2], DELPHES], ["MMC328"] * 3),
        ([*brought(hepmc="hepmc", delphes="root")[:2], *brought(hepmc="hepmc")[2:], DELPHES], ["MMC319"] * 2),
        ([("observables:", "execution: {resources: {detect: {}}}\nobservables:")], ["MMC605"]),
        ([("observables:", "execution: {resources: {import_events: {}}}\nobservables:")], []),
        ([("observables:", "cuts: [pt_j1 > 3]\nefficiencies: ['0.9']\nobservables:")], []),
        ([("definition", "label")], ["MMC312"]),
        ([("signal:", "signal: {background: true, files: [{lhe: sm.lhe, benchmark: sm}]}\n    s:")], ["MMC331"]),
    ],
)
def test_event_files(replacements: list[tuple[str, str]], expected: list[str]) -> None:
    assert event_files(*replacements) == expected


def test_event_files_have_weights_at_the_benchmarks_of_the_study_alone() -> None:
    """MadMiner's names of those that it adds can be in the files too, for other points."""
    assert event_files((", v: {c: -1}", "")) == ["MMC334"]
    assert event_files((", v: {c: -1}", ""), ("observables:", "morphing: none\nobservables:")) == []
    assert event_files(("c: -1}", "c: -1, in_basis: false}")) == ["MMC334"]
    text = EVENT_FILES[: EVENT_FILES.index("events:")] + "events: {file: events.h5}\nobservables: {pt: {}}\n"
    assert codes((", v: {c: -1}", ""), text=text, **{"events.h5": None}) == []


def test_a_madminer_file_holds_its_basis_uncertainties_and_samples() -> None:
    text = EVENT_FILES[: EVENT_FILES.index("events:")] + "events: {file: events.h5}\nobservables: {pt: {}}\n"
    files = {"events.h5": None}
    assert codes(text=text, **files) == []
    assert codes(("c: 1", "c: 1, in_basis: false"), text=text, **files) == ["MMC311"]
    more = "systematics: {lumi: {effect: norm}}\ngroups: {all: [signal]}\nobservables:"
    assert codes(("observables:", more), text=text, **files) == ["MMC311", "MMC311"]
    assert codes(("observables:", "morphing: {n_trials: 9}\nobservables:"), text=text, **files) == ["MMC311"]
    without = ("observables:", "morphing: none\nobservables:")
    assert codes(without, text=text, **files) == []
    sally = ("observables:", "methods: {sally: {theta: {benchmark: sm}, samples: 9}}\nobservables:")
    assert codes(without, sally, text=text, **files) == ["MMC512"]
