"""The variants of a study: how many there are, that they differ, and where their values stand."""

from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmc.cli.study_file import read
from mmc.compiler.checks.variants import check_variants
from mmc.compiler.language.diagnostics import Code, Diagnostic
from mmc.compiler.language.document import Document, load
from mmc.compiler.study.variants import TableError, Variants, read_table, variants_of

words = st.text("abcdefg", min_size=1, max_size=4)
lists = st.dictionaries(
    st.lists(words, min_size=1, max_size=3).map(".".join),
    st.lists(st.integers(-99, 99), min_size=1, max_size=4, unique=True),
    min_size=1,
    max_size=4,
).filter(lambda over: not any(a != b and a.startswith(f"{b}.") for a in over for b in over))


def variants(section: dict[str, Any], seed: int = 1) -> Variants:
    """The variants of a study that has nothing else."""
    text = f'{{mmc: "1.0", variants: {section}}}'
    document = load(text.replace("'", '"'), "study.yaml")
    data = {"seed": seed, "variants": {"combine": "grid", **section}}
    return variants_of(document, data, None)


@given(lists)
def test_a_grid_has_every_combination_once_in_the_order_of_the_lists(over: dict[str, list[int]]) -> None:
    found = variants({"over": over}).variants
    assert len(found) == prod(map(len, over.values()))
    assert [tuple(variant.values.values()) for variant in found] == list(product(*over.values()))
    assert len({tuple(variant.values.items()) for variant in found}) == len(found)
    assert [variant.name for variant in found] == [f"v{k}" for k in range(1, len(found) + 1)]


@given(lists, st.integers(1, 4))
def test_zip_takes_the_first_values_together(over: dict[str, list[int]], n: int) -> None:
    same = {path: (values * n)[:n] for path, values in over.items()}
    found = variants({"over": same, "combine": "zip"}).variants
    assert [list(variant.values.values()) for variant in found] == [
        list(row) for row in zip(*same.values(), strict=True)
    ]


@given(lists)
def test_the_study_of_a_variant_has_its_values_in_their_places(over: dict[str, list[int]]) -> None:
    found = variants({"over": over})
    for variant in found.variants:
        document = found.document(variant)
        for path, value in variant.values.items():
            place: Any = document.data
            for key in path.split("."):
                place = place[key]
            assert place == value
        assert "variants" not in (document.data or {})


def test_random_variants_are_distinct_in_their_ranges_and_do_not_depend_on_their_number() -> None:
    over: dict[str, Any] = {
        "a": {"range": [0.001, 10.0], "scale": "log"},
        "sampling.test_split": {"range": [0.1, 0.4], "scale": "linear"},
        "c": [1, 2],
    }
    few, many = (variants({"over": over, "combine": "random", "n": n}).variants for n in (5, 400))
    assert [v.values for v in few] == [v.values for v in many[:5]]
    assert all(0.001 <= v.values["a"] <= 10 and 0.1 <= v.values["sampling.test_split"] <= 0.4 for v in many)
    assert {v.values["c"] for v in many} == {1, 2}
    below = sum(v.values["a"] < 0.1 for v in many)  # half of the logarithm
    assert abs(below - 200) < 5 * 10, "five standard deviations of a binomial distribution"
    other = variants({"over": over, "combine": "random", "n": 5, "seed": 8}).variants
    assert [v.values for v in other] != [v.values for v in few]


def test_whole_numbers_are_drawn_where_the_study_has_them() -> None:
    over = {"seed": {"range": [1, 9], "scale": "linear"}, "sampling.test_split": {"range": [1, 9], "scale": "linear"}}
    found = variants({"over": over, "combine": "random", "n": 20}).variants
    assert {type(v.values["seed"]) for v in found} == {int}
    assert any(v.values["sampling.test_split"] % 1 for v in found)


@pytest.mark.parametrize("drawn", ["{range: [1.5, 2.5]}", "{range: [0.5, 10], scale: log}", "{range: [2, 9.5]}"])
def test_a_range_of_whole_numbers_has_whole_ends(tmp_path: Path, drawn: str) -> None:
    """Others have no number to draw, or too few of them, or numbers that are not in the range."""
    section = f"variants: {{combine: random, n: 2, over: {{{BINS}: {drawn}}}}}\n"
    (problem,) = said(tmp_path, section)
    assert problem.startswith(f"MMC231 study.yaml:11:{section.index('[') + 1} the study has a whole number here, and")
    whole = section.replace("1.5, 2.5", "1, 2").replace("0.5", "1.0").replace("9.5", "9e0")
    assert said(tmp_path, whole) == []
    assert said(tmp_path, section.replace(BINS, "parameters.a.range.1").replace("[0.5", "[1.5")) == []


@pytest.mark.parametrize(
    ("over", "way_out"),
    [
        ("seed: {range: [1, 3]}", "write `n: 3` or less"),
        ("seed: [1, 2, 3]", "write `n: 3` or less, or `combine: grid` without `n`, which has all of them"),
    ],
)
def test_who_draws_too_many_variants_is_told_what_works(tmp_path: Path, over: str, way_out: str) -> None:
    section = f"variants: {{over: {{{over}}}, combine: random, n: 20}}\n"
    said(tmp_path, section)
    (problem,) = read(str(tmp_path / "study.yaml")).diagnostics
    assert problem.help == way_out
    assert said(tmp_path, section.replace("n: 20", "n: 3")) == []
    has_errors = said(tmp_path, section.replace("random, n: 20", "grid")) != []
    assert has_errors == ("grid" not in way_out)


def test_a_table_with_semicolons_or_tabs_is_told_once(tmp_path: Path) -> None:
    for mark in ";\t":
        (problem,) = said(tmp_path, "variants: {csv: points.csv}\n", f"seed{mark}{BINS}\n1{mark}2\n")
        assert problem.startswith("MMC232 ") and "line 1: its first line has no comma: separate its columns" in problem


def test_no_more_variants_are_offered_than_can_be_allowed(tmp_path: Path) -> None:
    for n, offered in ((20_000, "or add `allow_variants: 20000`"), (20_001, "at most 20,000 can be allowed")):
        said(tmp_path, f"variants: {{combine: random, n: {n}, over: {{seed: {{range: [1, 99999]}}}}}}\n")
        (problem,) = read(str(tmp_path / "study.yaml")).diagnostics
        assert problem.help.startswith("use fewer values") and problem.help.endswith(offered)


def test_resources_of_the_table_are_for_studies_with_variants(tmp_path: Path) -> None:
    resources = "execution: {resources: {variants: {cpus: 1}}}\n"
    assert said(tmp_path, f"{resources}variants: {{over: {{seed: [1, 2]}}}}\n") == []
    (problem,) = said(tmp_path, resources)
    assert problem.startswith("MMC605 ") and problem.endswith("the study has no stage variants")


def test_a_table_may_have_a_mark_of_byte_order_blanks_and_quotes() -> None:
    table = read_table('\ufeffevaluation.luminosity , seed\r\n"36 fb^-1", 1_000\r\n\r\n3 ab^-1,2e1\r\n', "points.csv")
    assert table.data == {"evaluation.luminosity": ["36 fb^-1", "3 ab^-1"], "seed": ["1_000", 20.0]}
    assert table.grouped == {("seed", 0): 1000}
    assert table.spans["seed", 1][0][:2] == (4, 1) and table.spans["seed", 1][0].file == "points.csv"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "its first line is empty"),
        ("seed\n", 1, "it has no line with values"),
        ("seed,\n1,2\n", 1, "its first line has no path for column 2"),
        ("seed,seed\n1,2\n", 1, "its first line has the path 'seed' twice"),
        ("seed,a\n1,2\n3\n", 3, "the number of values is 1, but the first line has 2 paths"),
        ("seed\n1,2\n", 2, "the number of values is 2, but the first line has 1 path"),
        ("seed,a\n1,\n", 2, "the value of a is missing"),
        (",".join(map(str, range(1001))), 1, "its first line has 1,001 paths, more than 1,000"),
        ("seed\n1e999\n", 2, "seed is not a finite number"),
        ('seed\n"1\n', 2, "it cannot be read: unexpected end of data"),
    ],
)
def test_a_table_that_is_none_says_where(text: str, line: int, message: str) -> None:
    with pytest.raises(TableError) as error:
        read_table(text, "points.csv")
    assert str(error.value) == message
    assert error.value.span.line == max(line, 1)


STUDY = """\
mmc: "1.0"
name: scan
parameters: {a: {range: [-1, 1]}}
benchmarks: {sm: {a: 0}, one: {a: 1}}
events: {file: events.h5}
observables: {x: {}}
evaluation:
  luminosity: 1 fb^-1
  grid: {a: {points: 3}}
  baselines: {rate: true, histogram: {observables: [x], bins: {x: {n: 4, range: [0, 1]}}}}
"""


def said(folder: Path, section: str, table: str = "") -> list[str]:
    """What is wrong with a study with variants: code, position and message."""
    (folder / "events.h5").write_bytes(b"")
    (folder / "points.csv").write_text(table)
    (folder / "study.yaml").write_text(STUDY + section)
    found = read(str(folder / "study.yaml")).diagnostics
    return [f"{d.code} {Path(d.path).name}:{d.span.line}:{d.span.column} {d.message}" for d in found]


GENERATION = "generation: {generator: pythia8, samples: {s: {process: dimuon, events: 99}}}"
BINS = "evaluation.baselines.histogram.bins.x.n"


def test_a_problem_of_some_variants_names_the_first_and_the_place_of_the_value(tmp_path: Path) -> None:
    section = f"variants:\n  over:\n    evaluation.luminosity: [1 fb^-1, 2 fb^-1]\n    {BINS}: [2, 3, none]\n"
    (problem,) = said(tmp_path, section)
    assert problem.startswith("MMC103 study.yaml:14:") and "(variant v3: evaluation.luminosity = 1 fb^-1, " in problem
    assert problem.endswith(f"{BINS} = none, and another variant)")
    many = ", ".join(f"{k} fb^-1" for k in range(1, 21))
    (problem,) = said(tmp_path, f"variants: {{over: {{seed: [-1], evaluation.luminosity: [{many}]}}}}\n")
    assert problem.startswith("MMC106 study.yaml:11:26 ") and "variant" not in problem, "all have it"


def test_warnings_of_many_variants_are_counted_and_hide_no_error(tmp_path: Path) -> None:
    """Each value is in a line of its own, and so is its problem."""
    wrong = "".join(f"{seed},many\n" for seed in range(1, 120))
    found = said(tmp_path, "variants: {csv: points.csv}\n", f"seed,{BINS}\n{wrong}")
    assert [problem[:6] for problem in found] == ["MMC103"] * 50, "the others were not checked"

    many = variants({"over": {"seed": list(range(120))}})
    code = Code("MMC999", "A title", "An explanation.", "warning")

    def check(document: Document) -> tuple[list[Diagnostic], None, tuple[str, ...]]:
        seed = (document.data or {})["seed"]
        now = code if seed < 119 else code._replace(severity="error")
        return [now.at("study.yaml", document.value_span(("seed",)), "it is odd")], None, ()

    problems, files = check_variants(many, check)
    assert len(problems) == len(files) == 120 and problems[-1].severity == "error"
    assert problems[1].message == "it is odd (variant v2: seed = 1)"


def test_a_missing_table_is_told_once(tmp_path: Path) -> None:
    (problem,) = said(tmp_path, "variants: {csv: other.csv}\n")
    assert problem.startswith("MMC601 ")
    (problem,) = said(tmp_path, "variants: {}\n")
    assert problem.startswith("MMC231 ") and problem.endswith("`variants` needs either `over` or `csv`")


def test_a_path_that_the_language_does_not_have_is_an_unknown_key(tmp_path: Path) -> None:
    (problem,) = said(tmp_path, "variants:\n  over:\n    evaluation.luminosty: [1 fb^-1, 2 fb^-1]\n")
    assert problem.startswith("MMC101 study.yaml:13:5 ") and "luminosty" in problem
    (found,) = read(str(tmp_path / "study.yaml")).diagnostics
    assert found.help == "did you mean `luminosity`?"


def test_a_problem_of_a_table_is_shown_in_its_line(tmp_path: Path) -> None:
    (problem,) = said(tmp_path, "variants: {csv: points.csv}\n", f"seed,{BINS}\n1,2\n2,many\n")
    assert problem.startswith("MMC103 points.csv:3:1 ") and problem.endswith(f"(variant v2: seed = 2, {BINS} = many)")
    (problem,) = said(tmp_path, "variants: {csv: points.csv}\n", "seed,events.file\n1,events.h5\n\n2,points.csv\n")
    assert problem.startswith(
        "MMC230 points.csv:4:1 all variants must read the same event file, but it is 'points.csv' in v2 and "
    )
    assert said(tmp_path, "variants: {csv: points.csv}\n", "seed\n1\n1_000\n") == []
    assert read(str(tmp_path / "study.yaml")).plan().variants == {"v1": {"seed": 1}, "v2": {"seed": 1_000}}


def test_a_wrong_expression_in_a_long_table_has_a_place(tmp_path: Path) -> None:
    """Its line is one that the study itself does not have."""
    text = STUDY.replace("events: {file: events.h5}", GENERATION)
    text = text.replace("{x: {}}", '{x: {definition: "mu[0].pt"}}\ncuts: [x > 1]').replace(
        "{range: [-1, 1]}", "{coefficient: LL, range: [-1, 1]}"
    )
    rows = "".join(f"x > {k}\n" for k in range(2, 60))
    (tmp_path / "points.csv").write_text(f"cuts.0\n{rows}x > mu[0].mas\n")
    (tmp_path / "study.yaml").write_text(text + "variants: {csv: points.csv}\n")
    (problem,) = [item for item in read(str(tmp_path / "study.yaml")).diagnostics if item.severity == "error"]
    assert problem.code[:4] == "MMC4" and problem.path.endswith("points.csv") and problem.span.line == 60
    assert "mas" in problem.message and problem.message.endswith("(variant v59: cuts.0 = x > mu[0].mas)")


def test_the_study_itself_is_checked_first_and_is_no_variant(tmp_path: Path) -> None:
    section = f"variants: {{over: {{{BINS}: [2, 3]}}}}\n"
    assert said(tmp_path, section.replace("2, 3", "2, none") + "  ")[0].startswith("MMC103 study.yaml:11:")
    (tmp_path / "study.yaml").write_text(STUDY.replace("n: 4", "n: none") + section)
    (problem,) = read(str(tmp_path / "study.yaml")).diagnostics
    assert problem.span.line == 10, "once, not in every variant"


OBSERVED = "{luminosity: 1 fb^-1, grid: {a: {points: 3}}, baselines: {rate: true}, observed: {file: a.csv}}"
EVALUATION = OBSERVED.replace(", observed: {file: a.csv}", "")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ("events.file: [events.h5, b.h5]", "event file, but it is 'b.h5' in v2 and 'events.h5' in v1 "),
        ("evaluation.observed.file: [a.csv, b.csv]", "observed events, but it is 'b.csv' in v2 and 'a.csv' in v1 "),
        (
            f"seed: [1, 2], evaluation: [{EVALUATION}, {OBSERVED}]",
            "observed events, but it is 'a.csv' in v2 and none in v1 ",
        ),
        (f"evaluation: [{OBSERVED}, {EVALUATION}]", "observed events, but it is none in v2 and 'a.csv' in v1 "),
    ],
)
def test_variants_read_the_same_existing_events(tmp_path: Path, values: str, problem: str) -> None:
    """A job has the files of all variants: one without observed events would read those of another."""
    for name in ("a.csv", "b.csv", "b.h5"):
        (tmp_path / name).write_text("x\n0.1\n")
    (found,) = said(tmp_path, f"variants: {{over: {{{values}}}}}\n")
    assert f" all variants must read the same {problem}" in found and "(variant v2: " in found
    row, column = (int(number) for number in found.split()[1].split(":")[1:])
    lists = (tmp_path / "study.yaml").read_text().splitlines()
    second = {"events.file": "b.h5", "evaluation.observed.file": "b.csv"}.get(values.partition(":")[0])
    assert lists[row - 1][column - 1 :].startswith(second or "{luminosity")
    same = values.replace("b.h5", "./events.h5").replace("b.csv", "./a.csv")
    if second:
        assert said(tmp_path, f"variants: {{over: {{{same}}}}}\n") == []


def test_variants_have_the_same_stages(tmp_path: Path) -> None:
    values = "[{}, {sally: {theta: {benchmark: sm}, samples: 300}}], seed: [1, 2]"
    (problem,) = said(tmp_path, f"variants: {{over: {{methods: {values}}}}}\n")
    assert problem.startswith(
        "MMC230 study.yaml:11:33 the variant has the stage sample, which v1 does not have (variant v3: "
    )
    assert problem.endswith(", and another variant)")


def test_a_definition_may_vary_that_is_written_short(tmp_path: Path) -> None:
    """Variants are made of the study in its long form, which was checked."""
    (tmp_path / "events.h5").write_bytes(b"")
    text = STUDY.replace("events: {file: events.h5}", GENERATION).replace("{x: {}}", '{x: "mu[0].pt"}')
    text = text.replace("{range: [-1, 1]}", "{coefficient: LL, range: [-1, 1]}")
    section = "variants: {over: {observables.x.definition: [mu[0].pt, mu[1].pt]}}\n"
    (tmp_path / "study.yaml").write_text(text + section.replace("[mu[0].pt, mu[1].pt]", '["mu[0].pt", "mu[1].pt"]'))
    study = read(str(tmp_path / "study.yaml"))
    assert not study.is_wrong, study.diagnostics
    assert list(study.plan().variants) == ["v1", "v2"]
