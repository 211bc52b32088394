"""What a run writes is known before it writes anything, and a disk that is too small for it is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_models import save_tiny

import liftune
from liftune.data import load_data
from liftune.errors import ArtifactError
from liftune.records.dry_run import DiskNeed
from liftune.spec import DataSpec, RunSpec
from liftune.workflows import preparing
from liftune.workflows.disk_needs import check_disk, disk_need, logit_bytes


def need_of(emotions: Path, *trained: int, **options: Any) -> DiskNeed:
    spec, splits = RunSpec.of(data=str(emotions), **options), load_data(DataSpec(source=str(emotions)))
    return disk_need(spec, splits, emotions / "run", width=16, trained=trained)


def test_the_need_grows_by_what_is_trained_and_by_seeds(emotions: Path) -> None:
    """An adapter, and two checkpoints of four numbers for each; a second seed's adapter lies beside the best so far."""
    small, trained = need_of(emotions, 0), need_of(emotions, 1000)
    assert trained.kept_bytes - small.kept_bytes == 4 * 1000
    assert trained.peak_bytes - small.peak_bytes == 4 * 1000 + 2 * 4 * 4 * 1000
    assert need_of(emotions, 1000, seeds=[0, 1]).peak_bytes >= trained.peak_bytes + 4 * 1000
    full = need_of(emotions, 1000, 10**8)
    assert full.kept_bytes >= trained.kept_bytes + 4 * 10**8
    assert full.peak_bytes >= full.kept_bytes + 2 * 16 * 10**8


def test_features_are_kept_once_for_each_fold_and_once_for_all_rows(emotions: Path) -> None:
    spec, splits = RunSpec.of(data=str(emotions)), load_data(DataSpec(source=str(emotions)))
    needs = [disk_need(spec, splits, emotions / "run", width=16, trained=(0,), passes=each) for each in (1, 6)]
    rows = sum(len(each) for each in (splits.train, splits.validation, splits.test))
    assert needs[1].peak_bytes - needs[0].peak_bytes == 5 * 4 * 4 * 16 * rows


def test_a_start_from_pairs_is_a_second_adapter(emotions: Path) -> None:
    """Kept with its logits; and until the run ends, the start of each seed with its own."""
    spec, splits = RunSpec.of(data=str(emotions), seeds=[0, 1]), load_data(DataSpec(source=str(emotions)))
    given: Any = {"path": emotions / "run", "width": 16, "trained": (1000,)}
    plain, pairs = (disk_need(spec, splits, **given, from_pairs=each) for each in (False, True))
    assert pairs.kept_bytes - plain.kept_bytes == 4 * 1000 + logit_bytes(splits)
    assert pairs.peak_bytes - plain.peak_bytes == 3 * (4 * 1000 + logit_bytes(splits))


def test_what_an_interrupted_run_has_left_counts_as_room(emotions: Path) -> None:
    """It is there already, or makes way."""
    before = need_of(emotions, 0).free_bytes
    (emotions / "run").mkdir()
    with (emotions / "run" / "left").open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk itself
    assert need_of(emotions, 0).free_bytes > before + 2**39


def test_a_disk_that_is_too_small_is_refused_with_the_sum() -> None:
    check_disk(DiskNeed(kept_bytes=1, peak_bytes=2**30, free_bytes=2**30), "runs/a")
    with pytest.raises(ArtifactError, match="needs about 2 GiB on the disk, 1 GiB are free: 1 GiB stay") as caught:
        check_disk(DiskNeed(kept_bytes=2**30, peak_bytes=2**31, free_bytes=2**30), "runs/a")
    assert caught.value.where == "runs/a"


def test_a_run_that_the_disk_is_too_small_for_leaves_nothing(
    emotions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found before anything is computed, and after the few bytes that any run needs."""
    model, free = save_tiny("distilbert", tmp_path / "model"), 70 * 2**20
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    monkeypatch.setattr(preparing, "check_rank", lambda *given: None)  # which would refuse so large a rank before
    with pytest.raises(ArtifactError, match=r"needs about [\d.,]+ GiB on the disk, 70 MiB are free") as caught:
        liftune.tune(emotions, model=model, out=tmp_path / "run", set={"rank": 50_000})
    assert "out=" in (caught.value.hint or "")
    assert not (tmp_path / "run").exists()
