"""Objects and definitions in a study: what is right, and what is wrong where."""

import pytest
from mmc.compiler.checks import check
from mmc.compiler.language.document import load

STUDY = """
mmc: "1.0"
name: example
parameters: {c_LL: {coefficient: LL, range: [-1, 1]}}
benchmarks: {sm: {c_LL: 0}, w: {c_LL: 0.5}}
generation: {generator: pythia8, samples: {signal: {process: dimuon, events: 1000}}}
observables: {m_ll: {definition: "(mu[0] + mu[1]).m", required: true}, %s}
%s
"""


def problems(observables: str = "", rest: str = "") -> list[tuple[str, str]]:
    """The codes of the problems, each with the text that it points at."""
    document = load(STUDY % (observables, rest), "study.yaml")
    lines = document.text.splitlines()
    found = check(document, lambda _path: "missing").diagnostics
    return [(item.code, lines[item.span.line - 1][item.span.column - 1 : item.span.end_column - 1]) for item in found]


Z = 'objects: {z: {pair_of: l, where: "a.pdgid == -b.pdgid", min: "abs((a + b).m - 91.19)"}}'


@pytest.mark.parametrize(
    ("observables", "rest"),
    [
        ("m: {definition: z.m, required: true}", Z),
        ("m: {definition: z.a.pt + z.b.pt, default: 0}", Z),
        ("m: {definition: 'z.m + j[0].m', required: true}", Z),
        ("n: {definition: len(b)}", 'objects: {b: {from: j, where: "it.b_tag and it.deltaR(mu[0]) > 0.4"}}'),
        ("n: {definition: ratio}", "definitions: {ratio: m_ll / scale_, scale_: 91.2 + 0 * met.pt}"),
        ("n: {definition: float(hard)}", "definitions: {hard: met.pt > 100}\ncuts: [hard]"),
        ("met: {definition: met.pt}, all: {definition: all.pt}, sum: {definition: len(j)}", "cuts: [met.pt > 1]"),
        ("n: {definition: 'sum(x.pt for x in j)'}", "definitions: {x: met.pt}"),
        ("p1: {definition: 'b[0].pt'}", "objects: {b: {from: j, where: 'it.b_tag'}}\ncuts: [len(b) > 0]"),
        ("p1: {definition: 'j[1].pt'}", "objects: {b: {from: j, where: 'it.b_tag'}}\ncuts: [len(b) > 1]"),
        ("p1: {definition: nu.pz, required: true}, p2: {definition: 'l[0].pt'}",
         "objects: {nu: {neutrino: {lepton: 'l[0]', met: met, mass: 80.4 GeV, min: abs(it.eta)}}}"),
        ("x: {definition: 'sum(x.pt for x in j)'}, y: {definition: 'x + sum(it.pt for it in j)'}", ""),
        ("k: {definition: 'sum(y.pt for y in j)'}, y: {definition: k + 1}", ""),
        ("k: {definition: z.m, required: true}, p2: {definition: 'l[1].pt'}", Z),
    ],
)  # fmt: skip
def test_what_is_right(observables: str, rest: str) -> None:
    assert problems(observables, rest) == []


@pytest.mark.parametrize(
    ("observables", "rest", "expected"),
    [
        ("", "objects: {b: {from: met}}", [("MMC405", "met")]),
        ("", "objects: {b: {from: j, where: it.bb_tag}}", [("MMC404", "it.bb_tag")]),
        ("", "objects: {b: {from: j, where: it.pt}}", [("MMC406", "it.pt")]),
        ("", "objects: {b: {from: j, by: it}}", [("MMC406", "it")]),
        ("", "objects: {b: {where: it.b_tag}}", [("MMC412", "b")]),
        ("", "objects: {b: {from: j, min: it.pt}}", [("MMC412", "min")]),
        ("", "objects: {z: {pair_of: l, where: c.pt > 1}}", [("MMC403", "c")]),
        ("", "objects: {z: {pair_of: met}}", [("MMC405", "met")]),
        ("", "objects: {nu: {neutrino: {lepton: l, met: met, mass: 80 GeV}}}", [("MMC405", "l")]),
        ("", "objects: {nu: {neutrino: {lepton: 'l[0]', met: met, mass: 80}}}", [("MMC110", "80")]),
        ("", "objects: {nu: {neutrino: {lepton: 'l[0]', met: met, mass: 80 GeV, choose: largest, min: it.pt}}}",
         [("MMC412", "choose")]),
        ("", "objects: {nu: {neutrino: {met: met, mass: 80 GeV}}}", [("MMC102", "neutrino")]),
        ("", "definitions: {j: met}", [("MMC222", "j")]),
        ("", "definitions: {m_ll: met}", [("MMC222", "m_ll")]),
        ("", "definitions: {a b: met}", [("MMC222", "a b")]),
        ("", "definitions: {if: met}", [("MMC222", "if")]),
        ("", "definitions: {w: met}\nobjects: {w: {from: j}}", [("MMC222", "w")]),
        ("", "definitions: {w: 'l[0] + nu'}", [("MMC403", "nu")]),
        ("", "definitions: {w: w}", [("MMC411", "w")]),
        ("k: {definition: w}", "definitions: {w: k}", [("MMC411", "k")]),
        ("k: {definition: w.pt}", "definitions: {w: k.pt + foo}", [("MMC411", "k")]),
        ("k: {definition: j.pt + foo + met.charge}", "",
         [("MMC405", "j.pt"), ("MMC403", "foo"), ("MMC404", "met.charge")]),
        ("k: {definition: w.m}", "definitions: {w: 'j[0]'}", [("MMC313", "k")]),
        ("k: {definition: z.m}", Z, [("MMC313", "k")]),
        ("k: {definition: 'argmin(j, it.pt).pt'}", "", [("MMC313", "k")]),
        ("k: {definition: w}", "definitions: {w: 2 * pi}", [("MMC409", "w")]),
        ("sum: {definition: len(j)}", "cuts: [sum > 3]", [("MMC410", "sum")]),
        ("pi: {definition: len(j)}", "cuts: [pi > 3]", [("MMC410", "pi")]),
    ],
)  # fmt: skip
def test_what_is_wrong(observables: str, rest: str, expected: list[tuple[str, str]]) -> None:
    found = problems(observables, rest)
    assert sorted(found) == sorted(expected)


def test_a_long_chain_is_refused() -> None:
    chain = "".join(f"  d{index}: d{index + 1} + 1\n" for index in range(60))
    assert problems("", f"definitions:\n{chain}  d60: met.pt") == [("MMC407", "d10")]


CODE = "def mt2(event):\n    return 1.0\n\nopen('ran', 'w')\n"


@pytest.mark.parametrize(
    ("observable", "rest", "expected"),
    [
        ("f: {function: observables.py:mt2}", "trust: [observables.py]", ["MMC337"]),
        ("f: {function: observables.py:mt2}", "", ["MMC336"]),
        ("f: {function: observables.py:mt3}", "trust: [observables.py]", ["MMC413", "MMC337"]),
        ("met: {function: observables.py:mt2}", "trust: [observables.py]", ["MMC413", "MMC337"]),
        ("f: {function: other.py:mt2}", "trust: [other.py]", ["MMC601", "MMC337"]),
        ("f: {function: ../observables.py:mt2}", "trust: [../observables.py]", ["MMC602", "MMC337"]),
        ("f: {function: mt2}", "", ["MMC105"]),
        ("f: {function: observables.py:mt2}, g: {definition: f + 1}", "trust: [observables.py]", ["MMC337"]),
    ],
)
def test_functions(observable: str, rest: str, expected: list[str]) -> None:
    def look_up(path: str) -> str:
        return "file" if path == "observables.py" else "missing"

    found = check(load(STUDY % (observable, rest), "study.yaml"), look_up, lambda _path: CODE)
    assert [item.code for item in found.diagnostics] == expected
    assert found.files == (("observables.py",) if "function: observables" in observable else ())
