"""Les Houches event files: import, normal form, reading as arrays, declared weights and points."""

import gzip
from collections.abc import Callable
from pathlib import Path
from random import Random

from mmc.errors import MmcError
from mmc.jobs.formats import hepmc, les_houches_normalise, les_houches_table
from mmc.jobs.formats.declared_weights import weight_groups
from mmc.jobs.formats.les_houches_points import check_points
from mmc.jobs.formats.les_houches_text import UnusualFileError

from benchmarks.fuzz.damage import damaged_bytes, damaged_text, refusal

HEAD = """<LesHouchesEvents version="3.0">
<header>
<MGRunCard>
<![CDATA[
 3 = nevents ! Number of events
 average = event_norm
# 6500 = ebeam1
]]>
</MGRunCard>
<slha>
BLOCK DIM6
 2 16.5 # CWL2
DECAY 25 4e-3
</slha>
<initrwgt>
<weightgroup name="Central scale variation" combine="envelope">
<weight id="1" MUR="0.5"  MUF="0.5"  PDF="247000" > MUR=0.5 MUF=0.5 </weight>
<weight id="2" MUR="2.0"  MUF="2.0"  PDF="247000" > MUR=2.0 MUF=2.0 </weight>
</weightgroup> # scale
<weightgroup name='mg_reweighting' weight_name_strategy='includeIdInWeightName'>
<weight id='w'>set param_card dim6 2 1.0 # orig: 16.5
</weight>
</weightgroup>
</initrwgt>
</header>
<init>
2212 2212 6.5e3 6.5e3 0 0 0 0 -4 1
5.0e-01 1.0e-02 5.0e-01 1
</init>
"""
EVENT = """<event>
 4 1 5.0e-01 100. 0.0078 0.118
 1 -1 0 0 501 0 0. 0. 50. 50. 0. 0. 9.
 -1 -1 0 0 0 501 0. 0. -50. 50. 0. 0. 9.
 13 1 1 2 0 0 30. 4. 12. 32.56 0. 0. 1.
 -13 1 1 2 0 0 -30. -4. -12. 32.56 0. 0. -1.
<rwgt>
<wgt id='1'> +4.0e-01 </wgt>
<wgt id='2'> +6.0e-01 </wgt>
<wgt id='sm'> +5.0e-01 </wgt>
<wgt id='w'> +2.5e-01 </wgt>
</rwgt>
</event>
"""
TEXT = f"{HEAD}{EVENT * 3}</LesHouchesEvents>\n"
HEPMC = (
    "HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\nE 0 1 3\nU GEV MM\nHepMC::Asciiv3-END_EVENT_LISTING\n"
)
_PACKED = gzip.compress(TEXT.encode(), 1, mtime=0)


def make_trial(folder: Path) -> Callable[[Random], str]:
    """A trial that writes into a folder."""
    path, out = folder / "x.lhe.gz", folder / "out.lhe.gz"

    def trial(random: Random) -> str:
        path.write_bytes(_input(random))
        outcome = "refused"
        for read in (weight_groups, les_houches_table.read, hepmc.count, hepmc.inspect, hepmc.hard_process):
            try:
                read(path)
            except MmcError as error:
                refusal(error)
            except UnusualFileError:
                pass
        try:
            content = les_houches_normalise.inspect(path, "sm", ["sm", "w"])
            check_points(content.head.header, "sm", {"sm": {"dim6 2": 16.5}, "w": {"dim6 2": 1.0}}, path.name)
            les_houches_normalise.write(path, out, content, "sm", ["sm", "w"])
            outcome = "accepted"
        except MmcError as error:
            return refusal(error)
        content.record()
        table = les_houches_table.read(out)  # what is accepted is written in a form that all later steps read
        assert len(table.counts) == content.n_events
        assert abs(table.weights["w"].sum() * table.factor - content.record()["mean_weights_pb"]["w"]) < 1e-6
        return outcome

    return trial


def _input(random: Random) -> bytes:
    kind = random.randrange(10)
    if kind == 0:
        return damaged_bytes(_PACKED, random)
    if kind == 1:
        return damaged_bytes(HEPMC.encode(), random)
    if kind == 2:
        return damaged_bytes(TEXT.encode(), random)
    text = damaged_text(TEXT, random).encode("utf-8", errors="surrogatepass")
    return gzip.compress(text, 1, mtime=0) if kind == 3 else text
