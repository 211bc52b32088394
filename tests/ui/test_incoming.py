"""Files that are meant to harm: bombs, names with paths, what is no table. Nothing is left of one that is refused."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient
from tuning_page import CSV, page, sent

from liftune.errors import DataError
from liftune.ui.check_file import check
from liftune.ui.limits import UiLimits
from liftune.ui.row_count import least_rows
from liftune.ui.store import Store

LIMITS = UiLimits(upload_bytes=200_000, unpacked_bytes=2_000_000, rows=1_000, columns=20)
AS_JSON = {"rows": 1_000, "columns": 20, "unpacked_bytes": 2_000_000}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with page(tmp_path_factory.mktemp("ui"), limits=LIMITS) as opened:
        yield opened


def folder_of(client: TestClient) -> Path:
    return Path(client.get("/api/state").json()["folder"])


def zipped(name: str, content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return made.getvalue()


def test_a_file_is_kept_under_a_name_of_the_servers_own(client: TestClient) -> None:
    found = sent(client, name="..%2F..%2Fetc%2F%3Cb%3Emine.csv")
    assert found.status_code == 201, found.text
    values = found.json()
    assert (values["name"], values["rows"], values["columns"]) == ("<b>mine.csv", 20, ["text", "label"])
    assert values["first"][0] == ["day 0", "glad"]
    place = folder_of(client) / "uploads" / values["id"]
    assert sorted(each.name for each in place.iterdir()) == ["rows.csv", "upload.json"]
    assert (place / "rows.csv").read_bytes() == CSV


def test_files_are_still_there_after_a_restart(tmp_path: Path) -> None:
    with page(tmp_path) as client:
        first = sent(client).json()
    with page(tmp_path) as client:
        assert client.get("/api/state").json()["uploads"] == [first]


@pytest.mark.parametrize("name", ["evil.html", "x.py", "model.pkl", "..", "", "rows.csv%00.exe", "rows.csv/"])
def test_what_is_no_table_by_its_name_is_refused_before_it_is_read(client: TestClient, name: str) -> None:
    response = sent(client, name=name)
    assert response.status_code == 415
    assert ".csv" in response.json()["hint"]


def test_a_file_that_is_too_large_is_refused_by_what_arrives(client: TestClient) -> None:
    assert sent(client, b"a,b\n" + b"x,y\n" * 60_000).status_code == 413

    def parts() -> Iterator[bytes]:
        yield from (b"text,label\n", *(b"x,y\n" * 10_000 for _ in range(9)))

    response = client.post("/api/uploads", content=parts(), headers={"X-File-Name": "rows.csv"})
    assert response.status_code == 413
    assert "upload_bytes" in response.json()["hint"]


HOSTILE = {
    "bomb.csv.gz": gzip.compress(b"text,label\n" + b"0" * 30_000_000),
    "bomb.zip": zipped("rows.csv", b"text,label\n" + b"0" * 30_000_000),
    "bomb.xlsx": zipped("xl/worksheets/sheet1.xml", b"0" * 30_000_000),
    "rows.csv": b"text,label\n" + b"x,y\n" * 5_000,
    "wide.csv": b",".join(b"c%d" % i for i in range(50)) + b"\n" + b"x," * 49 + b"x\n",
    "binary.csv": bytes(range(256)) * 50,
    "binary.parquet": b"PAR1" + bytes(range(256)) * 50 + b"PAR1",
    "cut.csv.gz": gzip.compress(CSV)[:40],
    "two.zip": zipped("a.csv", CSV)[:-22],
    "deep.json": b"[" * 60_000,
    "html.csv": b"<!doctype html><html><body>log in</body></html>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_a_reason_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    """As the process that reads uploads is asked; through the page is the next test."""
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    with pytest.raises(DataError) as caught:
        check(path, AS_JSON)
    assert caught.value.hint


MANY = b"".join(b"t%d,x\n" % i for i in range(1_500))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", b"text,label\n" + MANY),
        ("rows.tsv", b"text\tlabel\n" + MANY.replace(b",", b"\t")),
        ("rows.csv.gz", gzip.compress(b"text,label\n" + MANY)),
        ("rows.zip", zipped("rows.csv", b"text,label\n" + MANY)),
        ("rows.jsonl", b'{"text": "t", "label": "x"}\n' * 1_500),
        ("rows.parquet", None),
    ],
)
def test_too_many_rows_are_counted_before_they_are_parsed(
    name: str, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Millions of short rows fit into a small file, and parsing them takes minutes."""

    def parse(*given: object, **options: object) -> None:
        raise AssertionError("the file is parsed")

    monkeypatch.setattr("liftune.ui.check_file.open_stream", parse)
    path = tmp_path / name
    if content is None:
        pq.write_table(pa.table({"text": ["t"] * 1_500, "label": ["x"] * 1_500}), path)
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"more than 1,000 rows") as caught:
        check(path, AS_JSON)
    assert "--limit rows=N" in str(caught.value.hint)


@pytest.mark.parametrize(
    "content",
    [
        b'text,label\n"' + b"a line\n" * 1_500 + b'",x\n' + b"b,y\n" * 9,
        b"text,label\n" + b"\n \n" * 1_500 + b"a,x\nb,y\n" * 5,
        "text,label\n".encode("utf-16") + "\u0a0a,x\u0a0b,y".encode("utf-16-le") * 1_500 + "\n".encode("utf-16-le"),
    ],
)
def test_line_ends_that_end_no_row_are_not_counted(content: bytes, tmp_path: Path) -> None:
    """Within quotes, of blank lines, as half a character."""
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    assert least_rows(path, 1_000, "rows.csv") <= 10


def test_through_the_page_nothing_is_left_and_the_reason_names_the_users_file(client: TestClient) -> None:
    place = folder_of(client) / "uploads"
    before = sorted(each.name for each in place.iterdir())
    response = sent(client, HOSTILE["bomb.csv.gz"], "my%20bomb.csv.gz")
    assert response.status_code == 422
    assert response.json()["where"] == "my bomb.csv.gz"
    assert "--limit unpacked_bytes=N" in response.json()["hint"]
    assert str(place) not in response.text
    assert sorted(each.name for each in place.iterdir()) == before


def test_a_parquet_file_of_a_few_kilobytes_that_holds_gigabytes_is_refused(tmp_path: Path) -> None:
    """One long value, and a million rows that name it: no size in the file says what it unpacks to."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 900, pa.int32()), pa.array(["x" * 100_000]))
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"text": column, "label": column}), path, compression="zstd")
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="bytes"):
        check(path, AS_JSON)


def test_a_request_of_the_page_that_is_no_json_or_too_long_is_refused(client: TestClient) -> None:
    assert client.post("/api/jobs", content=b"{}").status_code == 415
    headers = {"Content-Type": "application/json"}
    assert client.post("/api/jobs", content=b"{", headers=headers).status_code == 400
    assert client.post("/api/jobs", content=b" " * 5_000_000, headers=headers).status_code == 413
    assert client.post("/api/jobs", content=b"[" * 100_000, headers=headers).status_code == 400


@pytest.mark.parametrize(
    "form",
    [
        {"data": "/etc/passwd"},
        {"out": "/tmp/x"},
        {"trust_remote_code": True},
        {"model": "/srv/model"},
        {"model": "org/with-code"},
        {"model": "https://evil.example/model"},
        {"method": "none"},
        {"upload": "../../etc"},
        {"upload": "upload-999"},
        {"text": "not a column"},
        {"epochs": 0},
        {"seeds": 1_000_000},
    ],
)
def test_the_page_can_name_no_path_no_address_and_no_code(client: TestClient, form: dict[str, object]) -> None:
    response = client.post("/api/jobs", json=form)
    assert response.status_code in (404, 422)
    assert client.get("/api/state").json()["jobs"] == []


def test_the_oldest_files_that_no_run_has_used_make_room(tmp_path: Path) -> None:
    with page(tmp_path, limits=UiLimits(uploads=2)) as client:
        sent(client)
        client.post("/api/jobs", json={"upload": "upload-1"})
        for _ in range(2):
            assert sent(client).status_code == 201
        assert [each["id"] for each in client.get("/api/state").json()["uploads"]] == ["upload-3", "upload-1"]


def test_a_damaged_entry_is_left_out_and_named(tmp_path: Path) -> None:
    with page(tmp_path) as client:
        sent(client)
    (tmp_path / "uploads" / "upload-1" / "upload.json").write_text(json.dumps({"id": 5}), encoding="utf-8")
    store = Store(tmp_path)
    assert store.uploads == {}
    assert "upload-1" in store.unreadable[0]
