"""Stands in for Delphes: counts the events on its standard input and writes so many into a tree.

What it is to fail at stands in the environment variable FAKE_DELPHES. It imports nothing of the project.
"""

import os
import re
import sys
from pathlib import Path


def main(card: str, out: str) -> None:
    import numpy as np
    import uproot

    text = Path(card).read_text()
    for name in re.findall(r"^source (\S+)", text, re.MULTILINE):
        (Path(card).parent / name).read_text()
    seeds = re.findall(r"^set RandomSeed (\d+)", text, re.MULTILINE)
    fails = os.environ.get("FAKE_DELPHES", "")
    sys.stdout.write("** [####] (50.00%)\r** [########] (100.00%)\n")
    if fails == "error":
        sys.exit("** ERROR: unknown module Teleporter")
    if fails == "silent":
        return
    n_events = sum(line.startswith(b"E ") for line in sys.stdin.buffer) - (fails == "short")
    with uproot.recreate(out) as file:
        file.mktree("Delphes", {"Event": np.int32}).extend({"Event": np.full(n_events, int(seeds[0]))})
    sys.stdout.write(f"** program {Path(sys.argv[0]).name}\n** Exiting...\n")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(sys.stdout.write(" Usage: DelphesHepMC2 config_file output_file [input_file(s)]\n") and 1)
    main(*sys.argv[1:])
