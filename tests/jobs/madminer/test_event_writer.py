import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from mmc.jobs.madminer import event_order, event_rows, event_writer
from mmc.jobs.madminer.declarations import Content
from mmc.jobs.madminer.event_combination import combine
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.madminer.event_order import copy_shuffled
from mmc.jobs.madminer.event_rows import DATASETS
from mmc.jobs.madminer.event_summary import event_record
from mmc.jobs.madminer.morphing_check import check_morphing

from tests.forked import Python


def _columns(path: Path) -> list[np.ndarray]:
    with h5py.File(path) as file:
        return [file[f"samples/{name}"][()] for name in DATASETS]


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for a few hundred events at a time."""
    monkeypatch.setattr(event_rows, "BLOCK", 20_000)
    monkeypatch.setattr(event_writer, "BUCKET", 100_000)


def test_one_bucket_is_shuffled_as_a_whole(toy_events: Path, tmp_path: Path) -> None:
    path = toy_events / "events.h5"
    np.random.seed(5)
    combine([Content.read(path)] * 2, [1.0, 0.5], tmp_path / "events.h5")
    np.random.seed(5)
    order = np.random.permutation(16_000)
    x, weights, ids = _columns(path)
    expected = np.concatenate([x, x]), np.concatenate([weights, 0.5 * weights]), np.concatenate([ids, ids])
    for found, values in zip(_columns(tmp_path / "events.h5"), expected, strict=True):
        assert np.array_equal(found, values[order])


@pytest.mark.parametrize("bucket", [1 << 28, 100_000])
def test_events_have_the_same_place_in_every_file(
    toy_events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: int
) -> None:
    """Alone and beside another sample, whatever the index of their sample: training events are never test events."""
    monkeypatch.setattr(event_rows, "BLOCK", 20_000)
    monkeypatch.setattr(event_writer, "BUCKET", bucket)
    content = Content.read(toy_events / "events.h5")
    alone, beside = tmp_path / "alone.h5", tmp_path / "beside.h5"
    combine([content], [1.0], alone, [0], [0], places=event_writer.places_of([77], 5))
    combine([content, content], [1.0, 1.0], beside, [0, 1], [0, 0], places=event_writer.places_of([-3, 77], 5))
    with h5py.File(beside) as file:
        labels, x = file["samples/mmc_samples"][()], file["samples/observations"][()]
    n = len(labels)
    order = _columns(alone)[0][:, 2].astype(int)  # the third observable is the number of the event
    assert sorted(order) == list(range(n // 2)) and x[labels == 1, 2].astype(int).tolist() == order.tolist()
    assert x[labels == 0, 2].astype(int).tolist() != order.tolist()
    trained, tested = order[: int(0.6 * len(order))], x[int(0.8 * n) :][labels[int(0.8 * n) :] == 1, 2]
    assert not set(trained) & set(tested.astype(int)) and len(tested) == pytest.approx(
        0.1 * n, abs=5 * (0.1 * n) ** 0.5
    )
    assert np.abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 5 / len(order) ** 0.5
    assert order.reshape(20, -1).mean(axis=1) == pytest.approx(np.full(20, 3999.5), abs=5 * 8000 / 12**0.5 / 20)


@pytest.mark.usefixtures("small_memory")
def test_many_buckets_hold_every_event_once_in_random_order(toy_events: Path, tmp_path: Path) -> None:
    path, out = toy_events / "events.h5", tmp_path / "events.h5"
    np.random.seed(5)
    combine([Content.read(path)], [1.0], out)
    before, after = _columns(path), _columns(out)
    order = after[0][:, 2].astype(int)  # the third observable is the number of the event
    assert sorted(order) == list(range(8000))
    for found, values in zip(after, before, strict=True):
        assert np.array_equal(found, values[order])
    blocks = order.reshape(20, 400)  # each part of the file has events of each part of the input
    assert blocks.mean(axis=1) == pytest.approx(np.full(20, 3999.5), abs=5 * 8000 / 12**0.5 / 20)
    assert np.abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 5 / 8000**0.5
    assert len(set(np.diff(order))) > 4000
    np.random.seed(5)
    combine([Content.read(path)], [1.0], tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == out.read_bytes()


@pytest.mark.parametrize("bucket", [100_000, 1 << 28])
def test_each_event_keeps_the_label_of_its_sample(
    toy_events: Path, tmp_path: Path, bucket: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_writer, "BUCKET", bucket)
    out, content = tmp_path / "events.h5", Content.read(toy_events / "events.h5")
    combine([content] * 3, [1.0, 2.0, 4.0], out, labels=[2, 0, 1])
    samples = [{"sample": name, "n_generated": None} for name in ("signal", "ttbar", "wjets")]
    (tmp_path / "events.json").write_text(json.dumps({"floating": ["ttbar", "wjets"], "samples": samples}))
    whole = EventFile(out, 0.2, 0.2)
    before = dict(zip(_columns(content.path)[0][:, 2], _columns(content.path)[1][:, 0], strict=True))
    x, weights, _ = _columns(out)
    factors = np.round(weights[:, 0] / [before[index] for index in x[:, 2]])
    for name, factor in {"ttbar": 4.0, "wjets": 1.0}.items():
        np.testing.assert_array_equal(whole.members("all")[name], factors == factor)
        blocks = [whole.members_of(block.labels())[name] for block in whole.blocks("validation")]
        np.testing.assert_array_equal(np.concatenate(blocks), whole.members("validation")[name])
        some = [
            block.events.weights[whole.members_of(block.labels())[name], 0]
            for block in whole.blocks("rest", balanced=False)
        ]
        last = whole.part("rest").weights[whole.members("rest")[name], 0]
        assert len(np.concatenate(some)) == len(last) == (factors == factor)[: len(whole.part("rest").x)].sum()


def test_checks_in_blocks_are_those_of_the_whole_file(
    uncertain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = uncertain / "events.h5"
    whole = event_record(path), check_morphing(path)
    monkeypatch.setattr(event_rows, "BLOCK", 20_000)
    record, morphing = event_record(path), check_morphing(path)
    assert morphing == whole[1]
    for name, (value, error) in whole[0].pop("cross_sections_pb").items():
        assert record["cross_sections_pb"][name] == pytest.approx([value, error], rel=1e-12)
    for name, size in whole[0].pop("effective_sample_size").items():
        assert record["effective_sample_size"][name] == pytest.approx(size, rel=1e-12)
    assert {key: record[key] for key in whole[0]} == whole[0]


@pytest.mark.usefixtures("small_memory")
def test_an_ordered_file_is_shuffled(toy_events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = tmp_path / "ordered.h5", tmp_path / "events.h5"
    path.write_bytes((toy_events / "events.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        order = np.argsort(file["samples/observations"][:, 0])
        for name in DATASETS:
            file[f"samples/{name}"][...] = file[f"samples/{name}"][()][order]
    monkeypatch.setattr(event_order, "LOOKED_AT", 200_000)
    assert copy_shuffled(path, out, 1).endswith("along the file")
    assert copy_shuffled(out, tmp_path / "again.h5", 1) == ""
    numbers = _columns(out)[0][:, 2]
    assert sorted(numbers) == list(range(8000)) and not np.array_equal(numbers, _columns(path)[0][:, 2])


@pytest.mark.usefixtures("small_memory")
def test_stock_madminer_reads_the_file(toy_events: Path, tmp_path: Path, stock_madminer: Python) -> None:
    combine([Content.read(toy_events / "events.h5")], [1.0], tmp_path / "events.h5")
    program = (
        "from madminer.sampling import SampleAugmenter\n"
        f"print(SampleAugmenter({str(tmp_path / 'events.h5')!r}).cross_sections(('benchmark', 'sm'))[1][0])"
    )
    assert float(stock_madminer(program).stdout.split()[-1]) == pytest.approx(0.01, rel=0.05)
