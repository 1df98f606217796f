"""Stands in for MadGraph: understands the commands and reads the cards that mmc writes, and fails as MadGraph does.

What it is to fail at stands in the environment variable FAKE_MADGRAPH. It imports nothing of the project.
"""

import gzip
import os
import random
import re
import sys
import time
from pathlib import Path

PARAM_CARD = "Block dim6\n  1 1.0 # CW\n  2 1.0 # CWL2\n  5 1.0 # CPWL2\nBlock mass\n  25 125.0\nDECAY 25 0.00407\n"
RUN_CARD = (
    "# a comment = nevents\n 10000 = nevents ! Number of events\n 0 = iseed\n 1 = lpp1\n 1 = lpp2\n 6500.0 = ebeam1\n"
    " 6500.0 = ebeam2\n nn23lo1 = pdlabel\n 230000 = lhaid\n average = event_norm\n True = use_syst\n 20.0 = ptj\n"
    " 0 = ickkw\n"
)
BANNER = (
    "class RunCard(dict):\n    def __init__(self, path):\n        names = {line.split('!')[0].split('=')[-1].strip()"
    " for line in open(path) if '=' in line}\n        super().__init__(dict.fromkeys(names | {'MMJJ', 'XQCUT'}))\n"
)
FAILS = os.environ.get("FAKE_MADGRAPH", "")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def output(folder: Path, param_card: str = PARAM_CARD, run_card: str = RUN_CARD) -> None:
    for name, text in (
        ("Cards/param_card_default.dat", param_card),
        ("Cards/run_card_default.dat", run_card),
        ("Cards/me5_configuration.txt", f"mg5_path = {Path(__file__).parent}\n"),
        ("bin/internal/__init__.py", ""),
        ("bin/internal/banner.py", BANNER),
        ("SubProcesses/P1_qq/matrix.f", f"      DATA SEED/{os.environ.get('PYTHONHASHSEED')}/\n"),
        ("index.html", f"<b>{time.time()}</b>\n"),
        ("madevent.tar.gz", str(time.time())),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "SubProcesses" / "P1_qq" / "cuts.f").symlink_to("../cuts.f")


def settings(path: Path) -> dict[str, str]:
    found = re.findall(r"^\s*([^#\n=]*?)\s*=\s*(\w+)", path.read_text(), re.MULTILINE)
    return {name: value for value, name in found}


def launch(folder: Path) -> None:
    if (folder / "models_of_study").is_dir():
        say(f"models: {os.environ['PYTHONPATH']}")
    cards = folder / "Cards"
    card = settings(cards / "run_card.dat")
    points = {}
    if (cards / "reweight_card.dat").is_file() and FAILS != "reweighting":
        text = (cards / "reweight_card.dat").read_text()
        for name, body in re.findall(r"launch --rwgt_name=(\w+)\n((?:  set .*\n)*)", text):
            points[name] = sum(abs(float(line.split()[-1])) for line in body.splitlines() if "Auto" not in line)
    n_events = int(card["nevents"]) - {"short": 20, "few": 1}.get(FAILS, 0)
    numbers = random.Random(int(card["iseed"]))
    run = "run_01"
    if (cards / "madspin_card.dat").is_file():
        run = "run_01_decayed_1"
        say(f"madspin card: {'; '.join((cards / 'madspin_card.dat').read_text().splitlines())}")
        say(f"reweight card: {'; '.join((cards / 'reweight_card.dat').read_text().splitlines())}")
    out = folder / "Events" / run / "unweighted_events.lhe.gz"
    out.parent.mkdir(parents=True)
    with gzip.open(out, "wt") as lines:
        lines.write(
            f"<LesHouchesEvents version='3.0'>\n<header>\n<MG5ProcCard>\noutput {folder.absolute()}\n</MG5ProcCard>\n"
            f"<MGRunCard>\n<![CDATA[\n{(cards / 'run_card.dat').read_text()}]]>\n</MGRunCard>\n<slha>\n"
            f"{(cards / 'param_card.dat').read_text()}</slha>\n</header>\n<init>\n2212 2212 6.5e+03 6.5e+03 0 0 247000 "
            "247000 -4 1\n5.0e-01 1.0e-02 5.0e-01 1\n</init>\n"
        )
        for index in range(n_events):
            lines.write(event(numbers, points, FAILS == "one" and index == 3))
        lines.write("</LesHouchesEvents>\n")


def event(numbers: random.Random, points: dict[str, float], lacks_last: bool) -> str:
    """Of u u~ > mu- mu+, which a shower can go on from."""
    energy, x, y, z = numbers.uniform(100.0, 900.0), *(numbers.gauss(0.0, 1.0) for _ in range(3))
    length = (x * x + y * y + z * z) ** 0.5
    px, py, pz = (energy * component / length for component in (x, y, z))
    particles = [
        (2, -1, 0, 0, 501, 0, 0.0, 0.0, energy),
        (-2, -1, 0, 0, 0, 501, 0.0, 0.0, -energy),
        (13, 1, 1, 2, 0, 0, px, py, pz),
        (-13, 1, 1, 2, 0, 0, -px, -py, -pz),
    ]
    text = f"<event>\n 4 1 +5.0000000e-01 {2 * energy:.8e} 7.8e-03 1.1e-01\n"
    for *integers, a, b, c in particles:
        text += f" {' '.join(map(str, integers))} {a:+.10e} {b:+.10e} {c:+.10e} {energy:.10e} 0.0e+00 0.0e+00 9.0e+00\n"
    weights = [f"<wgt id='{name}'> {0.5 + 0.001 * size:+.7e} </wgt>\n" for name, size in points.items()]
    weights = weights[:-1] if lacks_last else weights
    return text + (f"<rwgt>\n{''.join(weights)}</rwgt>\n" if weights else "") + "</event>\n"


def main(commands: list[str]) -> None:
    if FAILS == "crash":
        sys.exit("Segmentation fault")
    if FAILS == "question":
        say(f"answer: {sys.stdin.read()!r}")
    for command in commands:
        word, _, rest = command.partition(" ")
        say(command)
        if "nosuch" in rest:
            say(f'\x1b[1;31mCommand "import commands.mg5" interrupted in sub-command:\n"{command}" with error:')
            say("InvalidCmd : No particle nosuch in model\x1b[0m")
            say("command not executed: output process")
            return
        if word == "output":
            output(Path(rest))
        elif word == "launch" and FAILS == "events":
            say('Command "generate_events run_01" interrupted with error:')
            say("ZeroResult : Survey return zero cross section.")
        elif word == "launch":
            launch(Path(rest.split()[0]))
            if FAILS == "reweighting":
                say("A compilation Error occurs: f2py failed\nINFO: Done")


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_text().splitlines())
