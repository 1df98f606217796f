"""Studies, damaged in their bytes, words, lines and values: read, checked, built, planned and rendered."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import yaml
from mmc.cli.rendering import RENDERERS
from mmc.compiler.checks import check
from mmc.compiler.language.document import load
from mmc.compiler.plan.make import make_plan
from mmc.compiler.study.build import build_study

from benchmarks.fuzz.damage import HOSTILE, damaged_bytes, damaged_json, damaged_text

ROOT = Path(__file__).resolve().parents[2]
CARD = "Block dim6\n  2 0.0\n  5 0.0\nDECAY 25 0.004\n 20 = ptj\n"
SLOW_S = 5.0
"""On a busy machine; a study of 100 kB takes half a second."""
MOST_JOBS = 2000
"""Larger plans are not made."""
SCALARS = (
    *("*a", "&a x", "!!int x", "!!python/object:os.system", "<<", "? ", "- ", "|", ">", "%YAML 9", "---", "...", "~"),
    *("{<<: *a}", "[[[[[[", "{{{{{{", "9**9**9", "1_0", "6.5 TeV", "1e400 GeV", "[0, 0]", "{random: {n: 1e9}}"),
)


def corpus() -> list[bytes]:
    """The studies and bad examples of the repository, and the studies and cases beside it where they are."""
    shared = ROOT.parent / "shared"
    places = [*ROOT.glob("studies/*/*.yaml"), *ROOT.glob("tests/bad/*.yaml"), *ROOT.glob("tests/golden/import/*.yml")]
    places += [*shared.glob("studies/*/*.yaml"), *shared.glob("cases/*/*.yaml"), *shared.glob("cases/tools/*/*.yaml")]
    return [path.read_bytes() for path in sorted(places)]


def make_trial(_folder: Path) -> Callable[[Random], str]:
    """A trial on the corpus."""
    texts = corpus()
    values = [value for value in map(_value, texts) if isinstance(value, dict)]

    def trial(random: Random) -> str:
        return outcome(_input(texts, values, random))

    return trial


def outcome(source: bytes) -> str:
    """What ``mmc validate`` and ``mmc plan`` do."""
    document = load(source, "study.yaml")
    found = check(document, lambda text: "missing" if "x" in text else "file", lambda _: CARD)
    failed = [item for item in found.diagnostics if item.code == "MMC016"]
    if failed:
        raise AssertionError(failed[0].message)
    for render in RENDERERS.values():
        lines = render(found.diagnostics, {"study.yaml": document.text}).split("\n")
        if not all(line.isprintable() for line in lines):
            raise AssertionError("a line cannot be printed")
    if found.data is None:
        return "refused"
    study = build_study(found.data)
    if _jobs(found.data) <= MOST_JOBS:
        make_plan(study, dict.fromkeys(found.files, "0" * 64))
    return "accepted"


def _jobs(data: dict[str, Any]) -> float:
    """The largest number of jobs that generate events."""
    generation = data.get("generation", {})
    samples = generation.get("samples", {}).values()
    per_job = [sample.get("events_per_job", generation.get("events_per_job")) or 1 for sample in samples]
    most = [
        events for s in samples for events in ([s["events"]] if isinstance(s["events"], int) else s["events"].values())
    ]
    return (len(data["benchmarks"]) + 30) * len(per_job) * max(most, default=0) / min(per_job, default=1)


def _value(text: bytes) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return None


def _input(texts: list[bytes], values: list[Any], random: Random) -> bytes:
    text = random.choice(texts)
    match random.randrange(6):
        case 0:
            return damaged_bytes(text, random)
        case 1:
            return damaged_text(text.decode(errors="replace"), random).encode(errors="replace")
        case 2:
            return _spliced(text, random.choice(texts), random)
        case 3:
            return _with_scalars(text, random)
        case 4:
            return _with_lines(text, random)
        case _:
            damaged = damaged_json(random.choice(values), random)
            if random.random() < 0.3:
                damaged = _crossed(damaged, random.choice(values), random)
            return yaml.safe_dump(damaged, sort_keys=False, allow_unicode=True).encode(errors="replace")


def _spliced(first: bytes, second: bytes, random: Random) -> bytes:
    lines, others = first.split(b"\n"), second.split(b"\n")
    place, start = random.randrange(len(lines)), random.randrange(len(others))
    return b"\n".join([*lines[:place], *others[start : start + random.choice((1, 3, 50))], *lines[place:]])


def _with_scalars(text: bytes, random: Random) -> bytes:
    """Some values after a colon are others."""
    lines = text.decode(errors="replace").split("\n")
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(lines))
        key, colon, _ = lines[place].rpartition(":" if random.random() < 0.7 else ",")
        if colon:
            lines[place] = f"{key}{colon} {random.choice((*SCALARS, *HOSTILE))}" + random.choice(("", "}", "]"))
    return "\n".join(lines).encode(errors="replace")


def _with_lines(text: bytes, random: Random) -> bytes:
    """Some lines are repeated, moved or indented otherwise."""
    lines = text.split(b"\n")
    for _ in range(random.randint(1, 4)):
        line = random.choice(lines)
        line = b" " * random.randrange(3) + line if random.random() < 0.5 else line.lstrip()
        lines.insert(random.randrange(len(lines)), line)
    return b"\n".join(lines)


def _crossed(value: Any, other: Any, random: Random) -> Any:
    """A study with some sections of another."""
    if not isinstance(value, dict):
        return other
    return {**value, **{key: other[key] for key in other if random.random() < 0.3}}
