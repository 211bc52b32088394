"""A cleaned copy is whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from liftune.errors import SpecError
from liftune.spec import DataSpec
from liftune.workflows import inspect as workflow
from liftune.workflows.inspect import inspect_data


@pytest.mark.parametrize("file", [0, 1, 2, 3])
def test_an_interrupted_cleaned_folder_is_not_there(
    file: int, emotions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had some of the parts, which read as a data set; and the same command refused what was there."""
    write, written = workflow._write, list[Path]()

    def stop(path: Path, lines: object) -> None:
        if len(written) == file:
            raise KeyboardInterrupt
        written.append(path)
        write(path, lines)  # type: ignore[arg-type]

    spec = DataSpec(source=str(emotions))
    with monkeypatch.context() as patched:
        patched.setattr(workflow, "_write", stop)
        with pytest.raises(KeyboardInterrupt):
            inspect_data(spec, out=str(tmp_path / "cleaned"))
    assert not (tmp_path / "cleaned").exists()
    cleaned = inspect_data(spec, out=str(tmp_path / "cleaned")).cleaned
    assert cleaned is not None
    assert sorted(map(str, (tmp_path / "cleaned").iterdir())) == sorted(cleaned.files.values())


def test_a_folder_that_somebody_stands_in_is_written_to(
    emotions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another in its place would leave the shell in a folder that is gone."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    inode = here.stat().st_ino
    inspect_data(DataSpec(source=str(emotions)), out=".")
    assert (here.stat().st_ino, (here / "train.jsonl").is_file()) == (inode, True)
    with pytest.raises(SpecError, match="not an empty folder"):
        inspect_data(DataSpec(source=str(emotions)), out=".")


def test_a_cleaned_file_comes_after_its_list(emotions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, order = workflow._write, list[str]()
    monkeypatch.setattr(workflow, "_write", lambda path, lines: (order.append(path.name), write(path, lines)))
    inspect_data(DataSpec(source=str(emotions)), out=str(tmp_path / "cleaned.jsonl"))
    assert order == ["cleaned.dropped.jsonl", "cleaned.jsonl"]
