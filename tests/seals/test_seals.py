"""What decides answers is sealed when it is written, and held against its seal when it is read."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from made_runs import made_run, unseal
from peft import PeftModel
from safetensors.numpy import load_file, save_file
from sealed_places import sealed_places
from tiny_adapters import save_tuned
from tiny_models import save_tiny
from transformers import AutoModelForSequenceClassification
from v0_1 import lay_out

import liftune
from liftune import seals
from liftune.cli.main import main
from liftune.data import load_data
from liftune.errors import ArtifactError, ModelError
from liftune.files import atomic_folder, read_json_object
from liftune.hardware.plan import Plan
from liftune.inference.prediction import predictions_of_logits
from liftune.models.adapter_io import open_adapter, read_card, save_adapter
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.methods.registry import METHODS, parse_options
from liftune.records.base import SCHEMA
from liftune.records.reading import read_record
from liftune.records.sweep import SweepRecord
from liftune.run_folder import RunFolder
from liftune.seals import checked, hash_files, seal_of, with_seal
from liftune.spec import DataSpec, ModelSpec
from liftune.sweeps.folder import SweepFolder, save_sweep
from liftune.sweeps.grid import SweepSpec
from liftune.tasks import TaskKind
from liftune.workflows.check import check_path, refuse_damaged

SCHEMA_3 = Path(__file__).parents[1] / "fixtures" / "schema_3" / "run"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("distilbert", tmp_path_factory.mktemp("base") / "base")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sealed_places(tmp_path_factory.mktemp("pristine"))


@pytest.fixture
def place(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(pristine, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"


def called(*argv: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(argv))
    return code, out.getvalue(), err.getvalue()


def test_a_seal_is_of_what_an_object_says_and_not_of_its_layout() -> None:
    values = {"b": [1.5, None], "a": "\u00e9"}
    sealed = with_seal(values)
    again = json.loads(json.dumps(sealed, indent=4))
    assert sealed["seal"] == seal_of(values) == seal_of({"a": "\u00e9", "b": [1.5, None]}) == seal_of(again)
    assert seal_of({**values, "b": [1.5, 0]}) != seal_of(values)


def test_an_error_of_the_block_gives_way_to_the_damage_that_explains_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("what was written")
    files = hash_files(tmp_path, ["a"])
    with pytest.raises(ZeroDivisionError), checked(tmp_path, files, card="c", hint="h"):
        raise ZeroDivisionError
    (tmp_path / "a").write_text("something else")
    with pytest.raises(ArtifactError, match="a is damaged"), checked(tmp_path, files, card="c", hint="h"):
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt), checked(tmp_path, files, card="c", hint="h"):
        raise KeyboardInterrupt


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_saved_model_seals_every_file_and_plain_libraries_open_it(method: str, base: Path, tmp_path: Path) -> None:
    folder = save_tuned(base, tmp_path / "adapter", method=method)
    kept = {each.name for each in folder.iterdir()} - {"liftune.json", "README.md"}
    assert set(read_card(folder).files) == kept
    model = AutoModelForSequenceClassification.from_pretrained(folder if method == "full" else base, num_labels=3)
    if method == "lora":
        PeftModel.from_pretrained(model, folder)


def test_files_have_the_modes_of_any_other_file(base: Path, tmp_path: Path) -> None:
    """safetensors writes by a temporary file that its owner alone may read."""
    for mask, mode in ((0o022, 0o644), (0o077, 0o600)):
        before = os.umask(mask)
        try:
            with atomic_folder(tmp_path / f"{mask}") as folder:
                save_file({"a": np.zeros(2, np.float32)}, folder / "a.safetensors")
                (folder / "below").mkdir()
                save_file({"a": np.zeros(2, np.float32)}, folder / "below" / "b.safetensors")
        finally:
            os.umask(before)
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / f"{mask}").rglob("*") if path.is_file()}
        assert modes == {mode}


@pytest.mark.parametrize("sealed", [True, False])
def test_a_file_that_cannot_be_read_is_not_called_damaged(
    sealed: bool, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_tuned(base, tmp_path / "adapter")
    weights = folder / "adapter_model.safetensors"
    if not sealed:
        unseal(folder / "liftune.json")

    def forbidden(path: Path, *args: object, **kwargs: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(seals, "sha256_of_files", forbidden)
    monkeypatch.setattr("liftune.models.adapter_io.check_finite", forbidden)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != weights)
    with pytest.raises(ArtifactError, match=r"cannot read adapter_\w+\.\w+: permission denied") as error:
        open_adapter(folder)
    assert f"mode {stat.S_IMODE(weights.stat().st_mode):04o}" in error.value.message
    assert weights.owner() in error.value.message
    assert "chmod a+r" in (error.value.hint or "")


def test_a_card_that_cannot_be_read_says_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "liftune.json"
    path.write_text("{}")

    def forbidden(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(ArtifactError, match=r"cannot read liftune.json: permission denied \(it is of \w+, mode 0"):
        read_json_object(path, hint="h")


def test_weights_that_are_no_numbers_are_neither_saved_nor_opened(base: Path, tmp_path: Path) -> None:
    backbone = load_backbone(ModelSpec(name=str(base)), task=TaskKind.SINGLE_LABEL, labels=("a", "b"), seed=0)
    classifier = attach(backbone, METHODS["lora"], parse_options(METHODS["lora"], {}))
    with torch.no_grad():
        next(iter(classifier.trainable()))[1].fill_(float("inf"))
    with pytest.raises(ModelError, match="not finite"):
        save_adapter(classifier, tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()

    folder = save_tuned(base, tmp_path / "old")
    weights = load_file(folder / "adapter_model.safetensors")
    next(iter(weights.values()))[0] = np.nan
    save_file(weights, folder / "adapter_model.safetensors", {"format": "pt"})
    unseal(folder / "liftune.json")
    with pytest.raises(ArtifactError, match="not finite"):
        open_adapter(folder, plan=Plan())


def test_an_answer_that_is_no_number_is_refused_by_its_row() -> None:
    """`nan` is no JSON, and a label that comes of it means nothing."""
    logits = np.array([[0.0, 1.0], [np.nan, 0.0]], dtype=np.float32)
    with pytest.raises(ModelError, match="row 2"):
        predictions_of_logits(["x", "y"], logits, labels=("a", "b"), task=TaskKind.SINGLE_LABEL)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"thresholds": [0.0, 1.0, -1.0]}, "thresholds"),
        ({"thresholds": [0.5, 0.5, 5.0]}, "thresholds"),
        ({"thresholds": [0.5, float("nan"), 0.5]}, "thresholds"),
        ({"thresholds": [0.5]}, "1 thresholds for 3 labels"),
        ({"base_thresholds": [0.5, 0.5]}, "2 thresholds for 3 labels"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"max_length": 0}, "max_length"),
    ],
)
def test_numbers_of_a_card_are_in_range(change: dict[str, object], said: str, base: Path, tmp_path: Path) -> None:
    """With a seal too: it says that nothing changed, not that it makes sense."""
    folder = save_tuned(base, tmp_path / "adapter")
    card = json.loads((folder / "liftune.json").read_text())
    (folder / "liftune.json").write_text(json.dumps(with_seal({**card, **change})))
    with pytest.raises(ArtifactError, match=r"liftune\.json is damaged") as error:
        read_card(folder)
    assert said in error.value.message


def test_what_has_no_seal_opens_says_so_once_and_can_be_sealed(place: Path) -> None:
    for card in ("record.json", "adapter/liftune.json"):
        unseal(place / "run" / card)
    code, answer, said = called("predict", "run", "sunny laugh", "--use", "tuned")
    assert code == 0
    assert said.count("unsealed") == 1
    assert "liftune check --seal" in said
    code, _, said = called("evaluate", "rows", "--model", "run")
    assert (code, said.count("unsealed")) == (0, 1)

    assert called("check", "run")[0] == 0
    code, shown, _ = called("check", "--seal", "run")
    assert code == 0
    assert "sealed as it was found" in shown
    assert liftune.check("run").sealed
    code, again, said = called("predict", "run", "sunny laugh", "--use", "tuned")
    assert (code, again, "unsealed" in said) == (0, answer, False)
    assert "nothing was changed" in called("check", "--seal", "run")[1]


def test_nothing_damaged_is_sealed(place: Path) -> None:
    unseal(place / "run" / "record.json")
    rows = place / "run" / "rows" / "test.jsonl"
    rows.write_text(rows.read_text().replace('"joy"', '"anger"', 1))
    code, _, said = called("check", "--seal", "run")
    assert (code, "rows/test.jsonl" in said) == (2, True)
    assert "seal" not in json.loads((place / "run" / "record.json").read_text())
    assert called("report", "run")[0] == 2


def test_the_adapter_of_another_run_is_refused_though_it_is_whole(place: Path) -> None:
    card = place / "adapter" / "liftune.json"
    card.write_text(json.dumps(with_seal({**json.loads(card.read_text()), "liftune": "another"})))
    assert called("predict", "adapter", "sunny laugh")[0] == 0
    shutil.rmtree(place / "run" / "adapter")
    shutil.copytree(place / "adapter", place / "run" / "adapter")
    for path in ("run", "run/adapter"):
        code, answer, said = called("predict", path, "sunny laugh", *(("--use", "tuned") if path == "run" else ()))
        assert (code, answer, "liftune.json" in said) == (2, "", True)


def test_logits_of_an_old_run_are_finite(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")
    bad = folder.logits("tuned")
    bad[3] = np.inf
    folder.save_logits("tuned", test=bad, validation=bad[:4])
    unseal(tmp_path / "run" / "record.json")
    with pytest.raises(ArtifactError, match=r"tuned\.npz is damaged: .*not all finite"):
        RunFolder(tmp_path / "run").evaluation("tuned")


def test_check_tells_what_is_no_place_of_liftune(tmp_path: Path) -> None:
    for name in ("", "gone"):
        code, _, said = called("check", str(tmp_path / name))
        assert (code, "hint:" in said) == (2, True)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "spec.json").write_text("{}")
    assert "unfinished" in called("check", str(tmp_path / "begun"))[2]


def test_a_file_that_somebody_put_there_is_said_and_not_taken_for_one_of_the_run(tmp_path: Path) -> None:
    """It was "for readers alone", as README.md is."""
    run = made_run(tmp_path / "run")
    assert liftune.check(run.path).sealed
    (run.path / "logits" / "other.npz").write_bytes(b"x")
    found = liftune.check(run.path)
    assert {each.name for each in found.files if each.state == "unsealed"} == {"logits/other.npz"}
    assert not found.sealed


def test_what_a_newer_liftune_wrote_is_said_to_be_that(tmp_path: Path) -> None:
    """It is not damaged, and neither is what it seals: nobody can say."""
    run = shutil.copytree(SCHEMA_3, tmp_path / "run")
    for card, named in (("adapter/liftune.json", "adapter/adapter_model.safetensors"), ("record.json", "spec.json")):
        values = json.loads((run / card).read_text(encoding="utf-8"))
        (run / card).write_text(json.dumps({**values, "schema": SCHEMA + 1, "seal": "of the newer"}), encoding="utf-8")
        states = {each.name: each.state for each in check_path(run).files}
        assert states[card] == "newer"
        assert states[named] == "not checked"
        with pytest.raises(ArtifactError, match="was written by a newer liftune") as caught:
            refuse_damaged(check_path(run))
        assert caught.value.hint == "pip install -U liftune"
        shutil.copy(SCHEMA_3 / card, run / card)


def test_what_a_damaged_card_seals_cannot_be_checked(tmp_path: Path) -> None:
    """To call it unsealed would be wrong, and a hint to seal it worse."""
    run = shutil.copytree(SCHEMA_3, tmp_path / "run")
    check_path(run, seal=True)
    (run / "adapter" / "liftune.json").write_text("{", encoding="utf-8")
    states = {each.name: each.state for each in check_path(run).files}
    assert states["adapter/liftune.json"] == "damaged"
    assert states["adapter/adapter_model.safetensors"] == "not checked"
    assert "unsealed" not in states.values()


def test_without_torch_weights_are_said_not_to_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`liftune report` with the extra [report] alone ended in a traceback over a run that is not sealed."""
    monkeypatch.setattr("liftune.workflows.check.find_spec", lambda name: None)
    monkeypatch.chdir(lay_out(tmp_path))
    (state,) = [each for each in check_path(Path("run")).files if each.name == "adapter/adapter_model.safetensors"]
    assert (state.state, state.reason) == ("not checked", "reading weights takes the extra [tune]")


def test_a_sweep_does_not_seal_what_was_damaged_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rerun with nothing left to do hashed every file as it lay there."""
    folder = tmp_path / "sweep"
    (folder / "base").mkdir(parents=True)
    for name in ("spec.json", "rows.json"):
        (folder / name).write_text("{}")
    for name in ("baselines.json", "lora-0.json", "teacher.json"):
        (folder / "base" / name).write_text("{}")
    sealed: list[str] = []
    monkeypatch.setattr("liftune.sweeps.folder.hash_matching", lambda path, *names: sealed.extend(names) or {})
    record = read_record(lay_out(tmp_path) / "sweep" / "sweep.json", SweepRecord, "sweep")
    save_sweep(folder, record)
    matched = {each.name for name in sealed for each in folder.glob(name)}
    assert matched == {"spec.json", "rows.json", "baselines.json", "lora-0.json"}


def test_a_sweep_that_does_not_say_its_rows_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object of nothing differs from no rows, and was sealed as it was."""
    monkeypatch.chdir(lay_out(tmp_path))
    spec = SweepSpec.checked(json.loads(Path("sweep/spec.json").read_bytes()))
    folder = SweepFolder(Path("sweep"), {})
    splits = load_data(DataSpec(source="rows"))
    Path("sweep/rows.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"rows\.json is damaged"):
        folder.begin(spec, splits)
