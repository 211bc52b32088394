"""From a path to a model: what is recognised, and why a path leads to none."""

from __future__ import annotations

from pathlib import Path

import pytest

from liftune.errors import ArtifactError, SpecError
from liftune.inference.locate import SavedModel, find_model, locate_model
from liftune.inference.opening import load_predictor


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}", encoding="utf-8")
    return folder


def test_a_run_its_adapter_a_merged_folder_and_a_bundle_are_models(tmp_path: Path) -> None:
    run = put(tmp_path / "run", "adapter/liftune.json", "record.json")
    merged = put(tmp_path / "merged", "liftune.json", "config.json")
    bundle = put(tmp_path / "bundle", "bundle.json")
    assert find_model(run) == find_model(str(run / "adapter")) == SavedModel("adapter", run / "adapter")
    assert find_model(merged) == SavedModel("adapter", merged)
    assert find_model(bundle) == SavedModel("bundle", bundle)
    assert [name for name, *_ in locate_model(merged).files] == ["config.json", "liftune.json"]


@pytest.mark.parametrize(
    ("names", "message", "hint"),
    [
        (("config.json",), "a pretrained model", "liftune tune"),
        (("spec.json",), "an unfinished run", "again"),
        (("other.txt",), "holds no run", "liftune tune"),
        ((), "there is no run folder", "liftune tune"),
    ],
)
def test_any_other_path_is_refused_with_what_it_is(
    names: tuple[str, ...], message: str, hint: str, tmp_path: Path
) -> None:
    """An adapter of plain PEFT is a model: see tests/models/foreign."""
    folder = put(tmp_path / "x", *names)
    assert find_model(folder) is None
    with pytest.raises(ArtifactError, match=message) as refused:
        load_predictor(folder)
    assert hint in str(refused.value.hint)
    with pytest.raises(ArtifactError) as refused:
        locate_model(folder, where="path")
    assert refused.value.where == "path"


def test_an_unknown_precision_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="did you mean bfloat16"):
        load_predictor(tmp_path, precision="bfloat")
