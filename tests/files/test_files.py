"""Files and folders are whole or not there, and what was there stays until then."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from liftune.errors import ArtifactError
from liftune.files import (
    atomic_folder,
    atomic_write,
    check_writable,
    disk_errors,
    read_json_object,
    sha256_of_files,
    write_text,
)


def interrupt(_: object) -> None:
    raise KeyboardInterrupt


def test_a_file_that_is_cut_short_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file.txt"
    write_text(path, "before")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        interrupt(file.write(b"half"))
    assert path.read_text() == "before"
    assert [each.name for each in path.parent.iterdir()] == ["file.txt"]


def test_a_folder_replaces_what_was_there_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    for content in ("first", "second"):
        with atomic_folder(path) as fresh:
            assert fresh.is_dir()
            assert not any(fresh.iterdir())
            (fresh / content).write_text(content)
            assert not (path / content).exists()
        assert [each.name for each in path.iterdir()] == [content]
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_is_cut_short_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "before").touch()
    with pytest.raises(KeyboardInterrupt), atomic_folder(path) as fresh:
        interrupt((fresh / "half").touch())
    assert [each.name for each in tmp_path.rglob("*")] == ["folder", "before"]


def test_a_folder_that_is_cut_short_leaves_no_folder_made_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a relative path: the folders above it are then those of the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    with pytest.raises(ZeroDivisionError), atomic_folder(Path("a/b/folder")):
        raise ZeroDivisionError
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]


def test_atomic_folders_nest(tmp_path: Path) -> None:
    """A run's adapter is written into a folder that is not in place yet, and checked there."""
    with atomic_folder(tmp_path / "run") as outer:
        with atomic_folder(outer) as inner:
            (inner / "file").touch()
        assert (outer / "file").is_file()
    assert [str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*")] == ["run", "run/file"]


def test_a_full_disk_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot write: no space left on device"), atomic_folder(tmp_path / "new"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_the_nearest_existing_folder_is_tried(tmp_path: Path) -> None:
    assert check_writable(tmp_path / "a" / "b") == tmp_path
    assert not any(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot write: not a directory"):
        check_writable(tmp_path / "file" / "b")


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "is missing"), (b"\xff", "is damaged"), (b"{", "is damaged"), (b"[]", "holds a list, not an object")],
)
def test_a_json_object_is_read_or_a_message_says_why_not(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "values.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match=says) as error:
        read_json_object(path, hint="restore it")
    assert (error.value.where, error.value.hint) == (str(path), "restore it")


def test_the_hash_of_several_files_is_that_of_their_bytes(tmp_path: Path) -> None:
    for name, content in (("a", b"one"), ("b", b"two" * 500_000)):
        (tmp_path / name).write_bytes(content)
    assert sha256_of_files(tmp_path / "a") == hashlib.sha256(b"one").hexdigest()
    both = sha256_of_files(tmp_path / "a", tmp_path / "b")
    assert both == hashlib.sha256(b"one" + b"two" * 500_000).hexdigest()


def test_a_pipe_or_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """Of `--out /dev/null` a superuser's process would make a file."""
    os.mkfifo(tmp_path / "pipe")
    end = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        write_text(tmp_path / "pipe", "told")
        assert os.read(end, 10) == b"told"
    finally:
        os.close(end)
    assert (tmp_path / "pipe").is_fifo()
    assert [each.name for each in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.ENAMETOOLONG, "shorter name"),
        (errno.ENOTDIR, "not a folder"),
        (errno.EACCES, "may not write there"),
        (errno.EROFS, "nothing can be written there"),
        (errno.EIO, "check the disk"),
    ],
)
def test_a_hint_fits_what_the_disk_says(number: int, said: str, tmp_path: Path) -> None:
    """To free some space helps nobody whose name is too long."""
    with pytest.raises(ArtifactError) as caught, disk_errors(tmp_path):
        raise OSError(number, os.strerror(number))
    assert said in (caught.value.hint or "")
    assert ("space" in (caught.value.hint or "")) == (number == errno.ENOSPC)


def test_a_place_below_a_file_or_with_a_long_name_gets_that_hint(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError) as below:
        check_writable(tmp_path / "file" / "x")
    assert "not a folder" in (below.value.hint or "")
    with pytest.raises(ArtifactError) as long:
        check_writable(tmp_path / ("x" * 300))
    assert "shorter name" in (long.value.hint or "")
