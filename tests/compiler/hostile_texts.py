"""Texts that ask for as much work as their size allows: each section of a study filled, each place for text long.

Every text is made for a size in characters, so that tests can compare the work at two sizes.
"""

from collections.abc import Callable

Entry = Callable[[int], str]

STUDY = {
    "parameters": "{c_LL: {coefficient: LL, range: [-1, 1]}, c_LR: {coefficient: LR, range: [-1, 1]}}",
    "benchmarks": "{sm: {c_LL: 0, c_LR: 0}, w: {c_LL: 0.5, c_LR: 0}}",
    "generation": "{generator: pythia8, samples: {signal: {process: dimuon, events: 10_000}}}",
    "observables": "{m_ll: {definition: '(mu[0] + mu[1]).m', required: true}}",
    "methods": "{alices: {theta0: {random: {n: 10}}, theta1: {benchmark: sm}, samples: 1000}}",
    "evaluation": "{luminosity: 300 fb^-1}",
}
MADGRAPH = STUDY | {
    "parameters": "{a: {lha_block: dim6, lha_id: 2, range: [-1, 1]}}",
    "benchmarks": "{sm: {a: 0}, w: {a: 1}}",
    "generation": "{generator: madgraph, model: x, samples: {signal: {process: p p > z, events: 10}}}",
}
EVENT_FILES = STUDY | {
    "generation": "",
    "events": "{samples: {signal: {files: [{lhe: a.lhe, benchmark: sm}]}}}",
}


def study(base: dict[str, str] = STUDY, **sections: str) -> str:
    """A study with these sections, each as YAML on one line; an empty section is left out."""
    lines = [f"{name}: {value}" for name, value in {**base, **sections}.items() if value]
    return "\n".join(['mmc: "1.0"', "name: example", *lines]) + "\n"


def filled(size: int, entry: Entry, opening: str = "{", closing: str = "}") -> str:
    """Entries up to a size, in brackets."""
    parts, length, k = [], 0, 0
    while length < size:
        parts.append(entry(k))
        length += len(parts[-1]) + 2
        k += 1
    return opening + ", ".join(parts) + closing


def listed(size: int, entry: Entry) -> str:
    return filled(size, entry, "[", "]")


def both(size: int, first: tuple[str, Entry], second: tuple[str, Entry], base: dict[str, str] = STUDY) -> str:
    """Two sections that share the size."""
    sections = {name: filled(size // 2, entry) for name, entry in (first, second)}
    return study(base, **sections)


def _aliases(size: int) -> str:
    """A value that is meant many times more often than it is written."""
    return study(**{"x-a": "&a [" + "0, " * 100 + "0]", "x-b": listed(size, lambda _: "*a")})


def _alias_bomb(size: int) -> str:
    lines = ["x-0: &a0 [" + "0, " * (size // 3) + "0]"]
    lines += [f"x-{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 9)]
    return study() + "\n".join(lines) + "\n"


def _merges(size: int) -> str:
    half = filled(size // 2, lambda k: f"k{k}: 1", "&a {")
    return study(**{"x-a": half, "x-b": listed(size // 2, lambda _: "{<<: *a}")})


def _merge_chain(size: int) -> str:
    count = min(size // 20, 4000)
    return study() + "".join(f"x-{k}: &m{k} {{<<: [{f'*m{k - 1}, *m{k - 1}' if k else ''}]}}\n" for k in range(count))


def _histogram(size: int, observables: str, bins: str) -> str:
    return study(evaluation=f"{{baselines: {{histogram: {{observables: {observables}, bins: {bins}}}}}}}")


def _reused(size: int) -> str:
    """One long text in many places of the wrong type, shown in a message each."""
    return study(**{"x-a": f"&a '{'y' * (size // 2)}'", "cuts": listed(size // 2, lambda _: "[*a]")})


_BLANKS = str.maketrans("01", " -")

SECTIONS: dict[str, Callable[[int], str]] = {
    "parameters": lambda n: study(parameters=filled(n, lambda k: f"p{k}: {{coefficient: LL, range: [-1, 1]}}")),
    "parameters of MadGraph": lambda n: study(
        MADGRAPH, parameters=filled(n, lambda k: f"p{k}: {{lha_block: x, lha_id: {k}, range: [-1, 1]}}")
    ),
    "transforms": lambda n: study(
        MADGRAPH,
        parameters=f"{{a: {{lha_block: x, lha_id: 1, range: [-1, 1], transform: {'+'.join(['theta'] * 42)}}}}}",
        benchmarks=filled(n, lambda k: f"b{k}: {{a: 0.{k}}}"),
    ),
    "benchmarks": lambda n: study(benchmarks=filled(n, lambda k: f"b{k}: {{c_LL: 0.{k}, c_LR: 0}}")),
    "benchmarks at one point": lambda n: study(benchmarks=filled(n, lambda k: f"b{k}: {{c_LL: 0, c_LR: 0}}")),
    "empty benchmarks": lambda n: both(
        n, ("parameters", lambda k: f"p{k}: {{range: [-1, 1]}}"), ("benchmarks", lambda k: f"b{k}: {{}}")
    ),
    "observables": lambda n: study(observables=filled(n, lambda k: f"o{k}: {{}}")),
    "observables with definitions": lambda n: study(observables=filled(n, lambda k: f"o{k}: {{definition: met.pt}}")),
    "default observables": lambda n: study(
        default_observables="{}", observables=filled(n, lambda k: f"o{k}: {{definition: met.pt}}")
    ),
    "samples": lambda n: study(
        generation="{generator: pythia8, samples: " + filled(n, lambda k: f"s{k}: {{process: dimuon, events: 1}}") + "}"
    ),
    "samples and benchmarks": lambda n: study(
        benchmarks=filled(n // 2, lambda k: f"b{k}: {{c_LL: 0.{k}, c_LR: 0}}"),
        generation="{generator: pythia8, samples: "
        + filled(n // 2, lambda k: f"s{k}: {{process: dimuon, events: {{default: {k + 1}}}}}")
        + "}",
    ),
    "samples of MadGraph": lambda n: study(
        MADGRAPH,
        generation="{generator: madgraph, model: x, samples: "
        + filled(n, lambda k: f"s{k}: {{process: p p > z, events: 1, systematics: [u{k}]}}")
        + "}",
        systematics=filled(n // 2, lambda k: f"u{k}: {{effect: norm, variation: 1.1}}"),
    ),
    "slices": lambda n: study(
        MADGRAPH,
        generation="{generator: madgraph, model: x, samples: {s: {process: p p > z, events: 1, slices: "
        + filled(n, lambda k: f"s{k}: {{ptj: {k}}}")
        + "}}}",
    ),
    "run cards and slices": lambda n: study(
        MADGRAPH,
        generation="{generator: madgraph, model: x, run_card: "
        + filled(n // 2, lambda k: f"r{k}: 1")
        + ", samples: {s: {process: p p > z, events: 1, slices: "
        + filled(n // 2, lambda k: f"s{k}: {{ptj: {k}}}")
        + "}}}",
    ),
    "process lines": lambda n: study(
        MADGRAPH,
        generation="{generator: madgraph, model: x, samples: {s: {events: 1, process: "
        + listed(n, lambda k: f"p p > z j{k}")
        + "}}}",
    ),
    "brackets of a process": lambda n: study(
        MADGRAPH,
        generation=f"{{generator: madgraph, model: x, samples: {{s: {{events: 1, process: 'p > {'[' * n}'}}}}}}",
    ),
    "events per benchmark": lambda n: study(
        generation="{generator: pythia8, samples: {signal: {process: dimuon, events: "
        + filled(n, lambda k: f"b{k}: 1")
        + "}}}"
    ),
    "files": lambda n: study(
        EVENT_FILES,
        events="{samples: {s: {files: " + listed(n, lambda k: f"{{lhe: f{k}.lhe, benchmark: sm}}") + "}}}",
    ),
    "a file given twice": lambda n: study(
        EVENT_FILES, events="{samples: {s: {files: " + listed(n, lambda k: "{lhe: f.lhe, benchmark: sm}") + "}}}"
    ),
    "smearing": lambda n: study(detector="{smearing: " + listed(n, lambda k: "{pdgids: [13]}") + "}"),
    "codes of particles": lambda n: study(detector="{smearing: [{pdgids: " + listed(n, str) + "}]}"),
    "cuts": lambda n: study(cuts=listed(n, lambda k: f"m_ll > {k}")),
    "efficiencies": lambda n: study(efficiencies=listed(n, lambda k: f"'0.{k}'")),
    "systematics": lambda n: study(systematics=filled(n, lambda k: f"u{k}: {{effect: norm, variation: 1.1}}")),
    "groups": lambda n: study(groups=filled(n, lambda k: f"g{k}: [signal]")),
    "groups of samples": lambda n: study(groups="{g: " + listed(n, lambda k: f"s{k}") + "}"),
    "methods": lambda n: study(
        methods=filled(n, lambda k: f"m{k}: {{method: sally, theta: {{benchmark: sm}}, samples: 9}}")
    ),
    "methods and groups": lambda n: both(
        n,
        ("methods", lambda k: f"m{k}: {{method: sally, nuisance_mode: profile, theta: {{benchmark: sm}}, samples: 9}}"),
        ("groups", lambda k: f"g{k}: all"),
    ),
    "unknown methods": lambda n: study(methods=filled(n, lambda k: f"alicez{k}: {{}}")),
    "training points": lambda n: study(
        methods="{alices: {theta0: {points: "
        + listed(n, lambda k: f"{{c_LL: 0.{k}, c_LR: 0}}")
        + "}, theta1: {benchmark: sm}, samples: 9}}"
    ),
    "benchmarks to train at": lambda n: study(
        methods="{alices: {theta0: {benchmarks: "
        + listed(n, lambda k: f"b{k}")
        + "}, theta1: {benchmark: sm}, samples: 9}}"
    ),
    "priors": lambda n: study(
        methods="{alices: {theta0: {random: {n: 10, priors: "
        + filled(n, lambda k: f"p{k}: {{flat: [-1, 1]}}")
        + "}}, theta1: {benchmark: sm}, samples: 9}}"
    ),
    "scans": lambda n: study(
        methods="{sally: {theta: {benchmark: sm}, samples: 9, scan: "
        + filled(n, lambda k: f"training.alph{'a' * (k % 50)}: [1]")
        + "}}"
    ),
    "values of a scan": lambda n: study(
        methods="{sally: {theta: {benchmark: sm}, samples: 9, scan: {training.initial_lr: "
        + listed(n, lambda k: f"0.{k + 1}")
        + "}}}"
    ),
    "features": lambda n: study(
        methods="{sally: {theta: {benchmark: sm}, samples: 9, features: " + listed(n, lambda k: f"f{k}") + "}}"
    ),
    "grid": lambda n: study(evaluation="{grid: " + filled(n, lambda k: f"p{k}: {{points: 5}}") + "}"),
    "confidence levels": lambda n: study(evaluation="{confidence_levels: " + listed(n, lambda k: f"0.{k + 1}") + "}"),
    "histogram": lambda n: _histogram(n, listed(n, lambda k: f"o{k}"), "{}"),
    "bins": lambda n: _histogram(n, "[m_ll]", filled(n, lambda k: f"o{k}: 5")),
    "histogram and bins": lambda n: _histogram(
        n, listed(n // 2, lambda k: f"o{k}"), filled(n // 2, lambda k: f"o{k}: 5")
    ),
    "edges": lambda n: _histogram(n, "[m_ll]", "{m_ll: " + listed(n, str) + "}"),
    "histograms": lambda n: study(
        evaluation="{baselines: {histograms: " + filled(n, lambda k: f"h{k}: {{observables: [m_ll]}}") + "}}"
    ),
    "colours": lambda n: study(plots="{colors: " + filled(n, lambda k: f"m{k}: '#000000'") + "}"),
    "resources": lambda n: study(
        execution="{resources: {train: {memory: " + "1" * n + " GiB}}}",
    ),
    "definitions of MadGraph": lambda n: study(
        MADGRAPH,
        generation="{generator: madgraph, model: x, definitions: "
        + filled(n, lambda k: f"l{k}: e+")
        + ", samples: {s: {events: 1, process: p p > z}}}",
    ),
    "param card": lambda n: study(
        MADGRAPH,
        generation="{generator: madgraph, model: x, param_card: "
        + filled(n, lambda k: f"dim6 {k}: 1")
        + ", samples: {s: {events: 1, process: p p > z}}}",
    ),
    "param card of a file": lambda n: study(
        MADGRAPH,
        generation="{generator: madgraph, model: x, param_card: "
        + filled(n, lambda k: f"dim6 {k}: 1")[:-1]
        + ", file: card.dat}, samples: {s: {events: 1, process: p p > z}}}",
    ),
    "samples with cards": lambda n: study(
        MADGRAPH,
        generation="{generator: madgraph, model: x, samples: "
        + filled(
            n,
            lambda k: (
                f"s{k}: {{process: p p > z, events: 1, run_card: {{file: r.dat}}, param_card: {{file: card.dat}}}}"
            ),
        )
        + "}",
    ),
    "trust": lambda n: study(
        MADGRAPH,
        trust=listed(n // 2, lambda k: f"'A:b{k}'"),
        generation="{generator: madgraph, model: x, shower: {program: pythia8, settings: "
        + filled(n // 2, lambda k: f'"A:b{k}": 1')
        + "}, samples: {s: {events: 1, process: p p > z}}}",
    ),
    "trust in one card": lambda n: study(
        MADGRAPH,
        trust=listed(n, lambda k: f"card{k}.dat"),
        generation="{generator: madgraph, model: x, run_card: {file: card.dat}, "
        "samples: {s: {events: 1, process: p p > z}}}",
    ),
    "values of a run card": lambda n: study(
        MADGRAPH,
        generation="{generator: madgraph, model: x, run_card: {systematics_arguments: "
        f"'--pdf=a{' ' * 480}x', sys_pdf: '{'a' * n}'}}, samples: {{s: {{events: 1, process: p p > z}}}}}}",
    ),
    "shower settings": lambda n: study(
        MADGRAPH,
        generation="{generator: madgraph, model: x, shower: {program: pythia8, settings: "
        + filled(n, lambda k: f'"A:b{k}": 1')
        + "}, samples: {s: {events: 1, process: p p > z}}}",
    ),
}
"""A section with as many entries as fit."""

REFERENCES: dict[str, Callable[[int], str]] = {
    "to observables": lambda n: study(
        observables=filled(n // 2, lambda k: f"observable_{k}_x: {{definition: met.pt}}"),
        methods="{sally: {theta: {benchmark: sm}, samples: 9, features: "
        + listed(n // 2, lambda k: f"observable_{k}_y")
        + "}}",
    ),
    "to observables in cuts": lambda n: study(
        observables=filled(n // 2, lambda k: f"observable_{k}_x: {{definition: met.pt}}"),
        cuts=listed(n // 2, lambda k: f"observable_{k}_y > 1"),
    ),
    "to observables in one cut": lambda n: study(
        observables=filled(n // 2, lambda k: f"observable_{k}_x: {{definition: met.pt}}"),
        cuts=listed(n // 2, lambda k: "+".join(f"o{j}" for j in range(300)) + " > 1"),
    ),
    "to parameters": lambda n: both(
        n,
        ("parameters", lambda k: f"parameter_{k}_x: {{coefficient: LL, range: [-1, 1]}}"),
        ("benchmarks", lambda k: f"b{k}: {{parameter_{k}_y: 1}}"),
    ),
    "to benchmarks": lambda n: study(
        benchmarks=filled(n // 2, lambda k: f"benchmark_{k}_x: {{c_LL: 0.{k}, c_LR: 0}}"),
        methods="{alices: {theta0: {benchmarks: "
        + listed(n // 2, lambda k: f"benchmark_{k}_y")
        + "}, theta1: {benchmark: sm}, samples: 9}}",
    ),
    "to systematics": lambda n: study(
        MADGRAPH,
        systematics=filled(n // 2, lambda k: f"uncertainty_{k}_x: {{effect: norm, variation: 1.1}}"),
        generation="{generator: madgraph, model: x, samples: {s: {process: p p > z, events: 1, systematics: "
        + listed(n // 2, lambda k: f"uncertainty_{k}_y")
        + "}}}",
    ),
    "to groups": lambda n: both(
        n,
        ("groups", lambda k: f"group_{k}_x: all"),
        ("methods", lambda k: f"m{k}: {{method: sally, group: group_{k}_y, theta: {{benchmark: sm}}, samples: 9}}"),
    ),
    "to samples": lambda n: study(
        generation="{generator: pythia8, samples: "
        + filled(n // 2, lambda k: f"sample_{k}_x: {{process: dimuon, events: 1}}")
        + "}",
        groups="{g: " + listed(n // 2, lambda k: f"sample_{k}_y") + "}",
    ),
    "to methods": lambda n: study(
        methods=filled(n // 2, lambda k: f"method_{k}_x: {{method: sally, theta: {{benchmark: sm}}, samples: 9}}"),
        plots="{colors: " + filled(n // 2, lambda k: f"method_{k}_y: '#000000'") + "}",
    ),
    "with long names": lambda n: study(
        observables=filled(n // 2, lambda k: f"{'ab' * 49}{k % 10}: {{}}" if k < 10 else f"{'ab' * 47}{k}: {{}}"),
        evaluation="{baselines: {histogram: {observables: " + listed(n // 2, lambda k: f"{'ba' * 47}{k}") + "}}}",
    ),
}
"""Misspelt names, each beside as many names that it could mean."""

TEXTS: dict[str, Callable[[int], str]] = {
    "unknown keys": lambda n: study() + "".join(f"benchmark{k}: 1\n" for k in range(n // 15)),
    "unknown keys of an entry": lambda n: study(
        observables=filled(n, lambda k: f"o{k}: {{definitio{'n' * (k % 40)}: 1}}")
    ),
    "equal keys": lambda n: study() + "x-a: 1\n" * (n // 7),
    "names that become the same": lambda n: study(
        observables=filled(n, lambda k: f"a{format(k, 'b').translate(_BLANKS)}b: {{definition: met.pt}}")
    ),
    "numbers": lambda n: study(**{"x-a": listed(n, lambda _: "1")}),
    "grouped numbers": lambda n: study(detector="{smearing: [{pdgids: " + listed(n, lambda _: "1_000") + "}]}"),
    "badly grouped numbers": lambda n: study(detector="{smearing: [{pdgids: " + listed(n, lambda _: "10_00") + "}]}"),
    "wrong types": lambda n: study(cuts=listed(n, lambda _: "0")),
    "empty mappings": lambda n: study(**{"x-a": listed(n, lambda _: "{}")}),
    "nested lists": lambda n: study(**{"x-a": listed(n, lambda _: "[" * 80 + "]" * 80)}),
    "deep nesting": lambda n: study(**{"x-a": "[" * (n // 2) + "]" * (n // 2)}),
    "deep blocks": lambda n: study() + "x-a:\n" + "".join(f"{' ' * (k + 1)}a:\n" for k in range(min(int(n**0.5), 90))),
    "dashes": lambda n: study() + "x-a:\n" + "- " * (n // 2) + "\n",
    "question marks": lambda n: study() + "x-a:\n" + "? " * (n // 2) + "\n",
    "colons": lambda n: study() + "x-a: " + ":" * n + "\n",
    "open brackets": lambda n: study() + "x-a: " + "[" * n + "\n",
    "open braces": lambda n: study() + "x-a: " + "{" * n + "\n",
    "an open quote": lambda n: study() + "x-a: '" + "a\n" * (n // 2),
    "a long line": lambda n: study(title="x" * n),
    "a long comment": lambda n: study() + "#" * n + "\n",
    "many comments": lambda n: study() + "# a\n" * (n // 4),
    "many blanks": lambda n: study() + " " * n + "\n",
    "many line breaks": lambda n: study() + "\n" * n,
    "labels": lambda n: study(
        observables=filled(n, lambda k: f"o{k}: {{definition: met.pt, label: '$\\frac{{a}}{{b_{{{k}}}}}$'}}")
    ),
    "a label of brackets": lambda n: study(
        observables=f"{{a: {{definition: met.pt, label: '${'{' * 40}$'}}, "
        f"b: {{definition: met.pt, label: '{'$' * n}'}}}}"
    ),
    "a long text": lambda n: study(title="'" + "a b " * (n // 4) + "'"),
    "a folded text": lambda n: study() + "description: >\n" + "  a\n" * (n // 4),
    "many quotes": lambda n: study(title="'" + "''" * (n // 2) + "'"),
    "many escapes": lambda n: study(title='"' + "\\x41" * (n // 4) + '"'),
    "a long key": lambda n: study() + f"{'k' * n}: 1\n",
    "a long quoted key": lambda n: study() + f"'{'k' * n}': 1\n",
    "a long explicit key": lambda n: study() + f"? {'k' * n}\n: 1\n",
    "a long name": lambda n: study(observables=f"{{? {'k' * n} : {{definition: met.pt}}}}"),
    "a long name of the study": lambda n: study().replace("example", "n" * n),
    "a long number": lambda n: study(**{"x-a": "1" * n}),
    "a long grouped number": lambda n: study(seed="1_" * (n // 2) + "1"),
    "a long fraction": lambda n: study(seed="1." + "1" * n),
    "a long exponent": lambda n: study(seed="1e" + "1" * n),
    "a long quantity": lambda n: study(evaluation=f"{{luminosity: {'1' * n} fb^-1}}"),
    "a quantity of groups": lambda n: study(evaluation=f"{{luminosity: {'1_000' * (n // 5)}}}"),
    "a quantity of blanks": lambda n: study(evaluation=f"{{luminosity: '1{' ' * n}x y'}}"),
    "a quantity of dots": lambda n: study(evaluation=f"{{luminosity: '{'.' * n}'}}"),
    "many quantities": lambda n: study(
        execution="{resources: {train: {memory: 4 XB}}}",
        detector="{smearing: " + listed(n, lambda _: "{pdgids: [13], pt_resolution_abs: 11111111111111 x}") + "}",
    ),
    "amounts of REANA": lambda n: study(
        execution=f"{{reana: {{jobs: {{kubernetes_memory_limit: '{'1' * n}', kubernetes_cpu_request: '0{'0' * n}'}}}}}}"
    ),
    "an address": lambda n: study(tracking=f"{{mlflow: {{uri: 'https://{'a:' * (n // 2)}'}}}}"),
    "an image": lambda n: study(execution=f"{{images: {{physics: '{'a/' * (n // 2)}'}}}}"),
    "a path": lambda n: study(EVENT_FILES, events=f"{{file: '{'a/../' * (n // 5)}x'}}"),
    "patterns of files": lambda n: study(
        execution="{reana: {retention_days: " + filled(n, lambda k: f"'{'*' * 50}{k}': 1") + "}}"
    ),
    "long expressions": lambda n: study(cuts=listed(n, lambda k: "+".join(["met.pt"] * 280) + f" > {k}")),
    "expressions with many mistakes": lambda n: study(cuts=listed(n, lambda k: "+".join(["x"] * 990) + f" > {k}")),
    "unknown attributes": lambda n: study(cuts=listed(n, lambda k: "+".join([f"met.pf{k}"] * 180) + " > 1")),
    "nested brackets": lambda n: study(cuts=listed(n, lambda k: "(" * 199 + "1" + ")" * 199 + f" > {k}")),
    "nested loops": lambda n: study(
        cuts=listed(n, lambda k: "'" + "sum(" * 12 + "1" + "".join(f" for x{j} in j)" for j in range(12)) + f" > {k}'")
    ),
    "powers": lambda n: study(cuts=listed(n, lambda k: "**".join(["9"] * 500) + f" > {k}")),
    "aliases": _aliases,
    "an alias bomb": _alias_bomb,
    "aliases of a long text": _reused,
    "merges": _merges,
    "a chain of merges": _merge_chain,
    "anchors": lambda n: study(**{"x-a": listed(n, lambda k: f"&a{k} 1")}),
    "tags": lambda n: study(**{"x-a": listed(n, lambda _: "!!str 1")}),
    "unknown tags": lambda n: study(**{"x-a": listed(n, lambda k: f"!t{k} 1")}),
    "a long tag": lambda n: study(**{"x-a": "!" + "t" * n + " 1"}),
    "tag shorthands": lambda n: "".join(f"%TAG !e{k}! tag:e.org,{k}:\n" for k in range(n // 22)) + "---\n" + study(),
    "documents": lambda n: study() + "---\n" * (n // 4),
    "wide characters": lambda n: study(title="\u65e5" * (n // 3)),
    "marks without width": lambda n: study(title="'" + "e\u0301" * (n // 3) + "', x"),
    "other line breaks": lambda n: study(title="'" + "\u2028" * (n // 3) + "'") + ": :\n",
    "byte order marks": lambda n: "\ufeff" * (n // 3) + study(),
    "not a number": lambda n: study(cuts=listed(n, lambda _: ".nan")),
    "huge numbers": lambda n: study(cuts=listed(n, lambda _: "1e999")),
    "control characters": lambda n: study(cuts=listed(n, lambda _: '"\\0"')),
    "keys that are no text": lambda n: study(**{"x-a": filled(n, lambda k: f"{k}: 1")}),
}
"""What a reader of YAML and the rules about single values have to get through."""

HOSTILE = {
    **{f"section of {name}": make for name, make in SECTIONS.items()},
    **{f"misspelt names {name}": make for name, make in REFERENCES.items()},
    **TEXTS,
}
"""All of them, by what they hold."""
