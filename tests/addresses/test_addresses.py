"""What is an address, what of it is shown, and which are refused."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from liftune.addresses import Address, addressed, is_address, refuse_as_output, refuse_unread, short_name, shown
from liftune.data.readers.hub import _ID
from liftune.errors import ArtifactError, DataError
from liftune.files import same_file
from liftune.spec import DataSpec, RunSpec
from liftune.spec_text import command_line, explained


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("https://h/a.csv?X-Amz-Signature=abc", "https://h/a.csv?..."),
        ("https://h/a.xlsx?sig=abc#March", "https://h/a.xlsx?...#March"),
        ("https://h/a.csv#access_token=abc", "https://h/a.csv#..."),
        ("https://me:abc@h/a.csv", "https://...@h/a.csv"),
        ("https:/me:abc@h/a.csv", "https:/...@h/a.csv"),
        ("s3://KEY:abc@bucket/a.csv", "s3://...@bucket/a.csv"),
        ("zip://x.csv::https://me:abc@h/a.zip?sig=abc", "zip://x.csv::https://...@h/a.zip?..."),
        ("s3://bucket/a.csv?versionId=Zk.3_-", "s3://bucket/a.csv?versionId=Zk.3_-"),
        ("https://h/a.csv?versionId=abc", "https://h/a.csv?..."),
        ("hf://datasets/org/name@main/a.csv", "hf://datasets/org/name@main/a.csv"),
        ("https://h/a@b/c.csv", "https://h/a@b/c.csv"),
    ],
)
def test_what_may_be_a_secret_is_not_shown(given: str, said: str) -> None:
    assert str(Address(given)) == shown(given) == said
    assert Address(given).full == given
    assert f"{Address(given)!r}" == repr(said)
    assert Address(said) == said  # nothing more is taken away


def test_a_spec_writes_no_secret_and_hands_on_the_whole() -> None:
    address = "https://h/a.csv?sig=abc"
    spec = RunSpec.of(data=address, validation=address, test=address, model="https://me:abc@h/m")
    for written in (spec.model_dump_json(), repr(spec), str(spec), command_line(spec), explained(spec)):
        assert "abc" not in written
    assert isinstance(spec.data.test, Address)
    again = RunSpec.checked(spec.model_dump())
    assert isinstance(again.data.source, Address)
    assert again.data.source.full == address
    assert DataSpec(source="rows.csv?x=1").source == "rows.csv?x=1"


def test_a_file_that_is_here_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ab::c.csv", "file:x.csv", "zip::"):
        assert is_address(name)
        Path(name).write_text("text,label\n", encoding="utf-8")
        assert not is_address(name)
    for name in ("rows.csv", "C:\\rows.csv", "c:/rows.csv", "org/name:config@main", "sample:emotions", "", "a" * 5000):
        assert not is_address(name)
        assert addressed(name) is name


@pytest.mark.parametrize(
    "given",
    [
        *("http://h/a.csv", "ftp://h/a.csv", "az://c/a.csv", "abfss://c@h/a", "memory://a", "data://x", "s3a://b/a"),
        *("file:///etc/passwd", "FILE:/etc/passwd", "file:a.csv", "file://localhost/a.csv"),
        *("simplecache::s3://b/a.csv", "zip://a.csv::https://h/a.zip", "s3://b/a::https://h/x", "filecache::a"),
        *("https://me:pw@h/a.csv", "https://me@h/a.csv", "s3://K:S@b/a.csv"),
        *("https://", "https:///a.csv", "s3://", "s3:///a", "https://h:99999/a", "https://[::1/a", "https:/h/a"),
        *("s3://b/*.csv", "s3://b/a/../c.csv", "gs://b/a.csv?x=1", "s3://b/a.csv?x=1", "https://h/a\nb.csv"),
        *("hf://", "hf://datasets", "hf://datasets/org", "hf://org", "https://h/a.csv?...", "https://h/b.xlsx?...#M"),
        *("https://a..b/x.csv", "https://h /a.csv"),
    ],
)
def test_what_is_not_read_is_refused_with_what_to_do(given: str) -> None:
    with pytest.raises(DataError) as error:
        refuse_unread(Address(given))
    assert error.value.hint
    assert error.value.where == shown(given)


@pytest.mark.parametrize(
    "given",
    [
        *(
            "https://h/a.csv",
            "HTTPS://h:8443/a%20b.csv?x=a::https://b",
            "https://[::1]:8443/a.csv",
            "https://münchen.de/a",
        ),
        *(
            "s3://b/a b.csv",
            "s3://b/x=1/a.csv",
            "gs://b/folder/",
            "s3://b",
            "hf://datasets/o/n@refs%2Fconvert%2Fparquet/d/",
        ),
        *("hf://org/name/a.csv", "https://h/a::b.csv", "s3://b/a.csv?versionId=1"),
    ],
)
def test_what_is_read_is_not_refused(given: str) -> None:
    refuse_unread(Address(given))


@pytest.mark.parametrize(
    ("page", "instead"),
    [
        ("https://huggingface.co/datasets/org/name", "org/name"),
        (
            "https://huggingface.co/datasets/o/n/blob/main/a.csv",
            "https://huggingface.co/datasets/o/n/resolve/main/a.csv",
        ),
        ("https://github.com/o/n/blob/main/d/a.csv?raw=true", "https://github.com/o/n/raw/main/d/a.csv"),
        (
            "https://docs.google.com/spreadsheets/d/1aB-_/edit?usp=sharing#gid=0",
            "https://docs.google.com/spreadsheets/d/1aB-_/export?format=csv",
        ),
    ],
)
def test_a_page_that_shows_the_data_is_refused_with_their_address(page: str, instead: str) -> None:
    with pytest.raises(DataError, match="a page that shows the data") as error:
        refuse_unread(Address(page))
    given = shlex.split(str(error.value.hint).removeprefix("give "))[0]
    assert given == instead
    if is_address(given):
        refuse_unread(Address(given))
    else:
        assert re.fullmatch(_ID, given)


def test_nothing_is_written_to_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("s3://b/x", Path("s3://b/x"), Path("gs://b/x").absolute(), "file:///x", "https://me:abc@h/x?sig=abc"):
        with pytest.raises(ArtifactError) as error:
            refuse_as_output(path)
        assert "abc" not in str(error.value)
    for path in ("runs/s3", "a:b/c", "/x/https", tmp_path, "runs/as3:/x"):
        refuse_as_output(path)
    Path("s3:").mkdir()
    refuse_as_output("s3:/b/x")  # somebody has such a folder


def test_names_of_any_length_are_taken_for_a_name(tmp_path: Path) -> None:
    long = f"https://h/{'a' * 5000}.csv?sig={'b' * 5000}"
    assert short_name(addressed(long)) == "a" * 100
    assert not same_file(Path(addressed(long)), tmp_path)
    refuse_as_output(tmp_path / ("a" * 300))
