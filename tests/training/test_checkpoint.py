"""Training that was stopped goes on, in another process, to the very bits that it would have come to."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny_models import FAMILIES, save_tiny
from trainings import (
    ALONE,
    EPOCHS,
    FAST,
    PLAIN,
    STEPS,
    Work,
    after,
    assert_same,
    with_dropout,
)

from liftune.errors import ArtifactError, Stopped
from liftune.events import Events
from liftune.hardware.plan import Plan
from liftune.models.methods.registry import METHODS
from liftune.models.packed import dropout
from liftune.models.packed.install import PACKED
from liftune.tasks import TaskKind
from liftune.training import checkpoint
from liftune.training.checkpoint import PASSES, Checkpoints, Keeper
from liftune.training.nested import read_nested, write_nested


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    pool, seconds = dropout.POOL_SIZE, checkpoint.EPOCH_SECONDS
    torch.set_num_threads(1)
    checkpoint.EPOCH_SECONDS = 1e9  # however busy the machine is
    dropout.POOL_SIZE = 2**15  # drawing as much as a real model needs would take most of the time
    yield
    torch.set_num_threads(threads)
    dropout.POOL_SIZE, checkpoint.EPOCH_SECONDS = pool, seconds


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def of(family: str) -> Path:
        if family not in made:
            made[family] = save_tiny(family, tmp_path_factory.mktemp("model"), change=with_dropout)
        return made[family]

    return of


def family_of(method: str) -> str:
    return next(family for family in ("distilbert", "bert", *FAMILIES) if family in METHODS[method].families)


DROPOUTS = {name: (("dropout", 0.2),) for name in METHODS if "dropout" in METHODS[name].options.model_fields}


#: The fast path of every method; the model's own encoder too, of most on request.
OFTEN = ("adalora", "full")
CASES = [pytest.param(method, FAST, id=f"{method}-fast") for method in METHODS]
CASES += [
    pytest.param(method, PLAIN, id=f"{method}-plain", marks=() if method in OFTEN else pytest.mark.slow)
    for method in METHODS
]


@pytest.mark.parametrize(("method", "plan"), CASES)
def test_every_method_that_was_stopped_ends_in_the_same_bits(
    method: str, plan: Plan, model: Callable[[str], Path], tmp_path: Path
) -> None:
    """With moments in the optimizer; dropout of model and method draws on."""
    work = Work(model(family_of(method)), method, plan, DROPOUTS.get(method, ()), head="random", epochs=1)
    assert_same(work.run(), work.stopped(tmp_path / "seed-3", 2))


def test_no_generator_that_an_earlier_stage_left_counts(model: Callable[[str], Path]) -> None:
    """`run` scrambles them all before training begins."""
    work = Work(model("distilbert"), plan=FAST)
    assert_same(work.run(), work.run())


def test_saving_changes_nothing(model: Callable[[str], Path], tmp_path: Path) -> None:
    work = Work(model("distilbert"), "adalora", FAST)
    assert_same(work.run(), work.run(Checkpoints(tmp_path / "each", minutes=0)))


@pytest.mark.parametrize(
    ("step", "plan"),
    [(1, FAST), (STEPS, FAST), (STEPS + 1, FAST), (EPOCHS * (STEPS + 1) - 1, FAST), (STEPS + 2, ALONE), (2, PLAIN)],
)
def test_training_may_stop_after_any_step(step: int, plan: Plan, model: Callable[[str], Path], tmp_path: Path) -> None:
    """The first, an epoch's last, between two epochs, the last of all; by one worker and by two."""
    work = Work(model("distilbert"), plan=plan, options=(("dropout", 0.1),))
    assert_same(work.run(), work.stopped(tmp_path / "seed-3", step))


def test_adalora_goes_on_across_its_allocations(model: Callable[[str], Path], tmp_path: Path) -> None:
    """In its warm-up, while ranks are pruned, and after: the importance summed up decides what is pruned next."""
    work = Work(model("distilbert"), "adalora", FAST, (("initial_rank", 4), ("rank", 2)), epochs=8)
    whole = work.run()
    assert any(not all(alive) for alive in whole.pattern.values())
    assert_same(whole, work.stopped(tmp_path / "seed-3", 2, 9, 9, 8))


@pytest.mark.parametrize(("score", "taught"), [(0.3, 1), (2.0, EPOCHS)])
def test_soft_labels_are_listened_to_as_long_as_without_a_stop(
    score: float, taught: int, model: Callable[[str], Path], tmp_path: Path
) -> None:
    """Stopped before and after the epoch in which the classifier became as good as its teacher."""
    work = Work(model("distilbert"), soft=score, head="random")
    whole = work.run()
    assert whole.log.taught_epochs == taught
    assert_same(whole, work.stopped(tmp_path / "seed-3", 2, STEPS))


def test_a_regression_keeps_its_scale(model: Callable[[str], Path], tmp_path: Path) -> None:
    work = Work(model("distilbert"), task=TaskKind.REGRESSION)
    assert_same(work.run(), work.stopped(tmp_path / "seed-3", STEPS + 2))


def test_bfloat16_ends_in_the_same_bits(model: Callable[[str], Path], tmp_path: Path) -> None:
    plan = Plan(dtype="bfloat16", accelerations=frozenset({*PACKED, "bfloat16"}))
    work = Work(model("distilbert"), plan=plan)
    assert_same(work.run(), work.stopped(tmp_path / "seed-3", STEPS + 2))


def test_a_norm_of_batches_goes_on_from_its_means(model: Callable[[str], Path], tmp_path: Path) -> None:
    """What training changes besides parameters, in a buffer or in a frozen tensor."""
    work = Work(model("distilbert"), "full", PLAIN, batch_norm=True, head="random")
    whole = work.run()
    assert any("running_mean" in name and each.abs().max() > 0 for name, each in whole.weights.items())
    assert_same(whole, work.stopped(tmp_path / "seed-3", STEPS + 2))


def test_patience_counts_on(model: Callable[[str], Path], tmp_path: Path) -> None:
    work = Work(model("distilbert"), epochs=12, patience=1, lr=5e-2)
    whole = work.run()
    assert "did not improve" in whole.log.stopped
    assert_same(whole, work.stopped(tmp_path / "seed-3", STEPS + 2))


def test_the_end_is_kept_so_that_nothing_is_trained_again(model: Callable[[str], Path], tmp_path: Path) -> None:
    work = Work(model("distilbert"), "adalora", FAST)
    whole, again = work.run(Checkpoints(tmp_path)), work.run(Checkpoints(tmp_path))
    assert_same(whole, again)
    assert again.log == whole.log, "the seconds too are those of the training"
    assert "trained before" in again.notes[0]


def test_a_stop_after_the_last_epoch_is_a_stop_all_the_same(model: Callable[[str], Path], tmp_path: Path) -> None:
    """What follows training in a run, such as predicting, is not begun."""
    work = Work(model("distilbert"))
    with pytest.raises(Stopped, match="over"):
        work.run(Checkpoints(tmp_path, stop_wanted=after(EPOCHS * (STEPS + 1))))
    assert "trained before" in work.run(Checkpoints(tmp_path)).notes[0]


def saved(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != PASSES)  # which is no checkpoint


def test_the_newest_two_are_kept(model: Callable[[str], Path], tmp_path: Path) -> None:
    work = Work(model("distilbert"))
    with pytest.raises(Stopped, match="after step 4"):
        work.run(Checkpoints(tmp_path, minutes=0, stop_wanted=after(STEPS + 2)))
    assert saved(tmp_path) == ["000004.safetensors", "000005.safetensors"]
    work.run(Checkpoints(tmp_path, minutes=0))
    assert saved(tmp_path)[-1] == "done.safetensors"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"0"),
    "empty": lambda path: path.write_bytes(b""),
    "no tensors": lambda path: path.write_text("not a checkpoint", encoding="utf-8"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    damage: str, model: Callable[[str], Path], tmp_path: Path
) -> None:
    work = Work(model("distilbert"), head="random")
    with pytest.raises(Stopped):
        work.run(Checkpoints(tmp_path, minutes=0, stop_wanted=after(3)))
    DAMAGES[damage](tmp_path / "000003.safetensors")
    (tmp_path / "000004.safetensors.new").write_bytes(b"half")
    again = work.run(Checkpoints(tmp_path))
    assert "000003.safetensors is damaged" in again.notes[0]
    assert "after step 2" in again.notes[1]
    assert saved(tmp_path) == ["000002.safetensors", "done.safetensors"]
    assert_same(work.run(), again)


SEALED = {
    "no fields": "[1, 2]",
    "numbers for fields": '{"request": 5, "state": 3}',
    "a tensor that is not there": '{"request": {}, "state": {"$": "tensor", "name": "nowhere"}}',
    "too deep": "[" * 100_000,
    "a huge number": f'{{"request": {{"seed": {"9" * 5000}}}, "state": {{}}}}',
}


@pytest.mark.parametrize("kind", SEALED)
def test_a_file_that_means_nothing_is_as_good_as_none_whatever_its_seal_says(
    kind: str, model: Callable[[str], Path], tmp_path: Path
) -> None:
    text = SEALED[kind]
    seal = {"liftune": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    save_file({}, tmp_path / "000001.safetensors", seal)
    save_file({}, tmp_path / "done.safetensors", seal)
    notes = Work(model("distilbert"), head="random", epochs=1).run(Checkpoints(tmp_path)).notes
    assert [" is damaged " in note for note in notes] == [True, True]


def test_a_step_is_not_taken_for_the_end(model: Callable[[str], Path], tmp_path: Path) -> None:
    work = Work(model("distilbert"))
    with pytest.raises(Stopped):
        work.run(Checkpoints(tmp_path, stop_wanted=after(2)))
    shutil.copy(tmp_path / "000001.safetensors", tmp_path / "done.safetensors")
    with pytest.raises(ArtifactError, match="does not fit"):
        work.run(Checkpoints(tmp_path))


def test_with_no_checkpoint_whole_training_begins_anew(model: Callable[[str], Path], tmp_path: Path) -> None:
    work = Work(model("distilbert"), head="random")
    whole = work.run(Checkpoints(tmp_path, minutes=0))
    for path in tmp_path.iterdir():
        flip(path)
    again = work.run(Checkpoints(tmp_path))
    assert len(again.notes) == 2
    assert_same(whole, again)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"lr": 1e-4}, "options, schedule"),
        ({"seed": 4}, "seed, model"),
        ({"method": "rslora"}, "method, schedule"),
        ({"plan": ALONE}, "plan"),
        ({"soft": 0.5}, "soft labels"),
        ({"options": (("rank", 4),)}, "method, model"),
        ({"task": TaskKind.REGRESSION}, "metric, rows, model"),
    ],
)
def test_a_checkpoint_of_another_request_is_not_used(
    changed: dict[str, Any], named: str, model: Callable[[str], Path], tmp_path: Path
) -> None:
    work = Work(model("distilbert"), head="random")
    with pytest.raises(Stopped):
        work.run(Checkpoints(tmp_path, stop_wanted=after(2)))
    other = replace(work, **changed)
    again = other.run(Checkpoints(tmp_path))
    assert f"({named} differ)" in again.notes[0]
    assert saved(tmp_path) == ["done.safetensors"]
    assert_same(other.run(), again)


def test_other_threads_are_said_and_no_reason_to_begin_anew(model: Callable[[str], Path], tmp_path: Path) -> None:
    work = Work(model("distilbert"))
    with pytest.raises(Stopped):
        work.run(Checkpoints(tmp_path, stop_wanted=after(2)))
    torch.set_num_threads(2)
    try:
        notes = work.run(Checkpoints(tmp_path)).notes
    finally:
        torch.set_num_threads(1)
    assert "last digits may differ" in notes[0]
    assert "after step 2" in notes[1]


def lacks_optimizer(state: dict[str, Any]) -> None:
    del state["optimizer"]


def other_device(state: dict[str, Any]) -> None:
    state["plan"]["device"] = "cuda"


def best_of_another(state: dict[str, Any]) -> None:
    state["best"]["state"].popitem()


def endless_masks(state: dict[str, Any]) -> None:
    state["masks"][0][3]["size"] = 10**15


def after_the_last_epoch(state: dict[str, Any]) -> None:
    state["place"]["epoch"] = 99


@pytest.mark.parametrize(
    "change", [lacks_optimizer, other_device, best_of_another, endless_masks, after_the_last_epoch]
)
def test_a_sealed_checkpoint_that_does_not_fit_is_refused_and_deleting_it_helps(
    change: Callable[[dict[str, Any]], None], model: Callable[[str], Path], tmp_path: Path
) -> None:
    """As somebody might make one; what it asks for is not done."""
    work = Work(model("distilbert"), plan=FAST)
    with pytest.raises(Stopped):
        work.run(Checkpoints(tmp_path, stop_wanted=after(2)))
    path = tmp_path / "000001.safetensors"
    content = read_nested(path)
    change(content["state"])
    write_nested(path, content)
    with pytest.raises(ArtifactError, match="does not fit") as caught:
        work.run(Checkpoints(tmp_path))
    assert "delete" in (caught.value.hint or "")
    shutil.rmtree(tmp_path)
    work.run(Checkpoints(tmp_path))


def test_a_state_that_no_file_can_hold_trains_on_without_checkpoints(
    model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a plug-in's method may have."""
    work = Work(model("distilbert"))
    monkeypatch.setattr("liftune.training.state.random_states", lambda device: object())
    trained = work.run(Checkpoints(tmp_path, minutes=0))
    assert [note for note in trained.notes if "cannot be saved" in note] == trained.notes
    assert len(trained.notes) == 1
    with pytest.raises(Stopped, match="cannot be saved"):
        work.run(Checkpoints(tmp_path / "other", stop_wanted=after(2)))


def test_when_it_is_time_to_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No epoch's end right after a save, no save while the last one's cost is above its share."""
    now = 0.0
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
    monkeypatch.setattr(checkpoint, "EPOCH_SECONDS", 10.0)
    keeper = Keeper(Checkpoints(tmp_path, minutes=1), {}, Events())
    large = Keeper(Checkpoints(tmp_path, minutes=1), {}, Events(), size=1_000_000_000)
    written: list[int] = []

    def at(seconds: float, *, epoch_ended: bool = False, cost: float = 0.0) -> bool:
        def read() -> dict[str, Any]:
            nonlocal now
            now += cost
            return {}

        nonlocal now
        now = seconds
        before = saved(tmp_path) if tmp_path.exists() else []
        keeper.offer(read, step=len(written), epoch_ended=epoch_ended)
        return saved(tmp_path) != before

    assert not at(9, epoch_ended=True)
    assert at(11, epoch_ended=True)
    large.offer(lambda: pytest.fail("a gigabyte after 11 seconds"), step=1, epoch_ended=True)
    assert not at(70)
    assert at(72)
    assert not at(81, epoch_ended=True)
    assert at(83, epoch_ended=True, cost=2)
    assert not at(184)
    assert not at(184, epoch_ended=True)
    assert at(186)


def test_a_full_disk_ends_training_and_leaves_what_was_saved(
    model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour later it could not be saved either."""
    work = Work(model("distilbert"))
    with pytest.raises(Stopped):
        work.run(Checkpoints(tmp_path, minutes=0, stop_wanted=after(3)))
    before = saved(tmp_path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("liftune.training.nested.os.fsync", full)
        with pytest.raises(ArtifactError, match="no space left"):
            work.run(Checkpoints(tmp_path, minutes=0))
    assert set(saved(tmp_path)) <= set(before)
    assert_same(work.run(), work.run(Checkpoints(tmp_path)))
