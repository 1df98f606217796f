"""Which events files have in common, by digests."""

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.formats import event_sketch
from mmc.jobs.formats.event_sketch import KEPT, Digests


def _digests(start: int, end: int) -> Digests:
    return np.array([event_sketch.of_text(f"{number}".encode()) for number in range(start, end)], dtype=np.uint64)


def _kept(digests: Digests) -> Digests:
    return event_sketch.read(event_sketch.write(digests))


LINES = " 2 1 0.5 9. 0. 0.\n {} -1 0 0 0 0 1. 2. 3. 4. 0. 0. 9.\n {} 1 1 2 0 0 {} 5. 0. 0. 9.\n"


def test_the_same_numbers_are_the_same_event_however_they_are_written() -> None:
    written = LINES.format(21, 13, "+1.0000000000e+00 2.0 -0.0")
    assert event_sketch.of_particles(written) == event_sketch.of_particles(LINES.format("+21", "13", "1. 2e0\t 0"))
    for other in (LINES.format(21, -13, "1. 2. 0."), LINES.format(21, 13, "1.0001 2. 0.")):
        assert event_sketch.of_particles(written) != event_sketch.of_particles(other)


def test_the_order_of_the_particles_does_not_matter() -> None:
    first, *particles = LINES.format(11, -11, "4. 5. 6.").replace(" -1 0", "  1 0").splitlines()
    there, back = ("\n".join([first, *lines]) for lines in (particles, particles[::-1]))
    assert event_sketch.of_particles(there) == event_sketch.of_particles(back)
    assert event_sketch.of_particles(there) != event_sketch.of_particles("\n".join([first, *particles[:1]]))


def test_the_digest_of_values_is_that_of_the_event_alone() -> None:
    pt, counts = np.array([1.0, 2.0, 3.0, 1.0, 2.0, 2.0, 1.0], dtype=np.float32), np.array([2, 1, 0, 2, 2])
    met, ones = np.array([5.0, 5.0, 5.0, 5.0, 5.0], dtype=np.float32), np.ones(5, dtype=int)
    first, *others, turned = event_sketch.of_values([(pt, counts), (met, ones)], 5).tolist()
    assert first == others[2] and turned != first and len({first, *others, turned}) == 4
    swapped = event_sketch.of_values([(met, ones), (pt, counts)], 5)
    assert first != swapped[0]


def test_files_with_the_same_events() -> None:
    one, other = _kept(_digests(0, 1000)), _kept(_digests(1000, 1500))
    event_sketch.check_different({"a": one, "b": other})
    event_sketch.check_different({"a": one, "b": _kept(_digests(998, 1500))})  # two by chance
    event_sketch.check_different({})
    reason = r"^c has events of a: 1,000 of 1,000 that mmc compares are the same\."
    with pytest.raises(StepError, match=reason):
        event_sketch.check_different({"a": one, "b": other, "c": one})
    with pytest.raises(StepError, match=r"^b has events of a: 20 of 520 that mmc compares are the same"):
        event_sketch.check_different({"a": one, "b": _kept(_digests(980, 1500))})


@pytest.mark.parametrize("n_common", [0, 100, 2_000, 20_000])
def test_a_part_of_the_digests_tells_how_many_events_are_common(n_common: int) -> None:
    """Of 60,000 and 20,000 events."""
    random = np.random.default_rng(1)
    one = random.integers(0, 2**64 - 1, 60_000, dtype=np.uint64)
    other = np.concatenate([one[:n_common], random.integers(0, 2**64 - 1, 20_000 - n_common, dtype=np.uint64)])
    kept = {"a": _kept(one), "b": _kept(other)}
    assert [len(digests) for digests in kept.values()] == [KEPT, KEPT]
    if n_common <= 100:  # half a per cent
        event_sketch.check_different(kept)
        return
    with pytest.raises(StepError, match=r"^b has events of a: ") as raised:
        event_sketch.check_different(kept)
    words = str(raised.value).replace(",", "").split()
    assert int(words[5]) / int(words[7]) == pytest.approx(n_common / 20_000, abs=0.02)


def test_events_that_a_file_has_twice() -> None:
    event_sketch.check_once(_digests(0, 100), "a")
    event_sketch.check_once(np.concatenate([_digests(0, 500), _digests(0, 2)]), "a")  # by chance
    event_sketch.check_once(_digests(0, 1).repeat(50), "a")  # not events of a generator
    with pytest.raises(StepError, match=r"^a holds 150 events, and 50 of them are copies of others in the file: "):
        event_sketch.check_once(np.concatenate([_digests(0, 100), _digests(0, 50)]), "a")
    assert len(_kept(np.concatenate([_digests(0, 100), _digests(0, 50)]))) == 50


def test_rows_that_a_file_has_twice() -> None:
    random = np.random.default_rng(3)
    weights, x = random.random((1000, 2)), random.random((1000, 1))
    digests = event_sketch.of_rows(weights, x)
    assert len(set(digests.tolist())) == 1000
    assert not set(digests.tolist()) & set(event_sketch.of_rows(weights[:, ::-1], x).tolist())
    n_jets = random.poisson(40.0, 1000)[:, np.newaxis].astype(float)
    honest = [digests, event_sketch.of_rows(np.ones((1000, 2)), n_jets), digests[:1].repeat(1000)]
    for alike in [*honest, np.concatenate([digests, digests[:50]])]:
        event_sketch.check_rows_once([alike], "a")
    for copies in (digests.repeat(2), digests.repeat(3), np.concatenate([digests, digests[:300]])):
        reason = f"^a holds {len(copies):,} events, and {len(copies) - 1000:,} of them are copies of others in the file"
        with pytest.raises(StepError, match=reason):
            event_sketch.check_rows_once([random.permutation(copies)], "a")


@pytest.mark.parametrize("text", ["x", "AAAA", "ä", "****"])
def test_digests_of_another_form(text: str) -> None:
    with pytest.raises(StepError, match=r"^the digests of a job's events are damaged: "):
        event_sketch.read(text)
