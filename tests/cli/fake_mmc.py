"""A program ``mmc`` that does nothing quickly, for runs whose jobs need not compute."""

import hashlib
import json
import shlex
from pathlib import Path

from tests.pending import quick_mmc

PENDING = '[ "$1" != pending ] || exec "${0%/*}/pending" "$@"\n'
STEP = (
    f"#!/bin/sh\n{PENDING}"
    + """\
# Stands in for `mmc step STAGE --config FILE --job JOB … --out DIR`: what it does is in the files of its own folder.
here=${0%/*} stage=$2 job=$6 unlucky=''
for out; do :; done
[ "$3 ${4##*/}" = "--config $stage.json" ] && [ -f "$4" ] || exit 8
echo "$stage $job" >>"$here/started"
if [ -e "$here/sleep" ]; then
  read -r seconds <"$here/sleep"
  sleep "$seconds"
fi
[ ! -e "$here/fail" ] || read -r unlucky <"$here/fail"
if [ "$unlucky" = "$stage $job" ]; then
  echo "mmc step $stage[$job]: no luck today (log: $out.log)" >&2
  exit 3
fi
[ ! -e "$out.part" ] || rm -rf "$out.part"
mkdir "$out.part"
printf '%s' RESULTS >"$out.part/results.json"
printf '{"stage": "%s", "job": "%s", "fingerprint": "%s", "seed": 1, "seconds": 0.0, "mmc": "0",
 "outputs": {"results.json": %s}}\\n' "$stage" "$job" "$MMC_FINGERPRINT" 'OUTPUT' >"$out.part/job.json"
[ "$stage" != track ] || cp "$here/tracking.json" "$out.part"
[ ! -e "$out" ] || rm -rf "$out"
mv "$out.part" "$out"
"""
)
TOYS = [
    {"theta": {"c_LL": at}, "level": level, "critical_value": q + at, "error": 0.05, "asymptotic": q, "coverage": level}
    for level, q in ((0.68, 2.28), (0.95, 5.99))
    for at in (0.0, 0.3)
]
RATE = {
    "name": "rate",
    "toys": {"per_point": 1000, "map": TOYS},
    "allowed_fraction": {"0.68": 0.3, "0.95": 0.6},
    "allowed_area": {"0.68": 0.3, "0.95": 0.5521},
    "allowed_area_error": {"0.68": 0.002, "0.95": 0.003},
    "verdict": "passed",
    "touches_edge": True,
}
SALLY = {
    "name": "sally",
    "allowed_fraction": {"0.68": 0.0, "0.95": 0.2},
    "allowed_area": {"0.68": 0.1, "0.95": 0.155},
    "allowed_area_error": {},
    "verdict": "failed",
    "touches_edge": False,
}
RESULTS = {"baselines": [RATE], "methods": [SALLY], "warnings": [f"warning {n}" for n in range(8)]}


def write_fake(folder: Path) -> Path:
    """Write the program into a folder; files beside it say what it does."""
    folder.mkdir()
    results = json.dumps(RESULTS)
    digest = hashlib.sha256(results.encode()).hexdigest()
    output = {"bytes": len(results.encode()), "sha256": digest, "modified_ns": 0}
    (folder / "mmc").write_text(STEP.replace("OUTPUT", json.dumps(output)).replace("RESULTS", shlex.quote(results)))
    (folder / "mmc").chmod(0o755)
    (folder / "pending").symlink_to(quick_mmc())
    return folder
