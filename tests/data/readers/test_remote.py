"""Files elsewhere: read as files here are, refused in words, and no secret of an address is shown or kept."""

from __future__ import annotations

import gc
import gzip
import io
import pickle
import socket
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_hub import Repository, fake_hub
from file_server import Bucket, FileServer, bucket, file_server
from workbooks import write_xlsx

from liftune.addresses import Address
from liftune.data import load_data
from liftune.data.readers import fetching, https
from liftune.data.readers.sources import SOURCES, find_parts
from liftune.errors import DataError, LiftuneError, MissingExtra
from liftune.spec import DataSpec

ROWS = "text,label\n" + "".join(
    f"text {i} says {'good' if i % 2 else 'bad'} {i * 7919},{'pos' if i % 2 else 'neg'}\n" for i in range(40)
)
SECRET = "X-Amz-Signature=a%2Fb-SECRET"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    with file_server(monkeypatch) as found:
        yield found


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with bucket(monkeypatch) as found:
        yield found


@pytest.fixture
def here(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS, encoding="utf-8")
    return path


def refused(source: str) -> DataError:
    with pytest.raises(DataError) as error:
        load_data(DataSpec(source=source))
    return error.value


def test_a_file_elsewhere_is_the_file_here(server: FileServer, here: Path) -> None:
    away = load_data(DataSpec(source=server.put("/data/rows.csv", ROWS, headers={"ETag": '"v1"'})))
    local = load_data(DataSpec(source=str(here)))
    assert (away.fingerprint, away.train, away.validation) == (local.fingerprint, local.train, local.validation)
    [fetched] = away.audit.fetched
    assert (fetched.address, fetched.bytes, fetched.version) == (f"{server.root}/data/rows.csv", len(ROWS), '"v1"')
    assert any(fetched.sha256 in note and fetched.address in note for note in away.audit.notes)
    assert local.audit.fetched == ()


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_file_of_a_store(scheme: str, store: Bucket, here: Path) -> None:
    store.pipe("/bucket/my rows.csv", ROWS.encode())
    away = load_data(DataSpec(source=f"{scheme}://bucket/my rows.csv"))
    assert away.fingerprint == load_data(DataSpec(source=str(here))).fingerprint
    assert away.audit.fetched[0].version.startswith("ETag ")


def zipped(name: str, content: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(name, content)
    return data.getvalue()


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/rows.csv.gz", gzip.compress(ROWS.encode()), {}),
        ("/rows.csv.gz", gzip.compress(ROWS.encode()), {"Content-Encoding": "gzip", "Content-Type": "text/csv"}),
        ("/rows.csv", gzip.compress(ROWS.encode()), {"Content-Encoding": "gzip"}),
        ("/rows.zip", zipped("rows.csv", ROWS), {}),
        ("/rows.csv?download=1", ROWS, {}),
        ("/rows.csv?x=/other.json", ROWS, {}),
        ("/export?format=csv", ROWS, {"Content-Type": "text/csv; charset=utf-8"}),
        ("/export", ROWS, {"Content-Disposition": "attachment; filename*=UTF-8''R%C3%B6ws%20a.csv"}),
        ("/export", ROWS, {"Content-Disposition": 'attachment; filename="../../../rows.csv"'}),
        ("/r%C3%B6ws%20%231.csv", ROWS, {}),
        ("/röws 1.csv", ROWS, {}),
    ],
)
def test_the_name_says_how_to_read_it(
    path: str, body: bytes | str, headers: dict[str, str], server: FileServer, here: Path
) -> None:
    """A query is no ending, a server's name for the file counts where the address has none, and nothing is unpacked
    twice."""
    server.put(https.quoted(path).partition("?")[0], body, headers=headers)
    away = load_data(DataSpec(source=server.root + path))
    assert away.fingerprint == load_data(DataSpec(source=str(here))).fingerprint


def test_a_sheet_of_a_workbook_elsewhere(server: FileServer, store: Bucket, tmp_path: Path) -> None:
    rows = [["text", "label"], *([f"text {i} {i * 31}", "ab"[i % 2]] for i in range(30))]
    write_xlsx(tmp_path / "book.xlsx", {"March": rows, "Notes": [["x", "y"], ["1", "2"]]})
    data = (tmp_path / "book.xlsx").read_bytes()
    store.pipe("/bucket/book.xlsx", data)
    places = (server.put("/book.xlsx", data), server.root + "/book.xlsx?sig=1", "s3://bucket/book.xlsx")
    for place in places:
        table = find_parts(f"{place}#March")["rows"]()
        assert table.rows == 30
        assert table.where == f"{Address(place)}, sheet March"
    with pytest.raises(DataError, match="sheet") as error:
        find_parts(places[0])["rows"]()
    assert f"{places[0]}#March" in str(error.value)
    with pytest.raises(DataError, match="names a sheet of a workbook"):
        find_parts(server.put("/rows.csv", ROWS) + "#March")


def test_options_are_for_a_file_elsewhere_too(server: FileServer) -> None:
    address = server.put("/rows.csv", ROWS.partition("\n")[2].replace("good", "gut\xe4").encode("cp1252"))
    loaded = load_data(DataSpec(source=address, encoding="cp1252", columns=("text", "label")))
    assert any("gut\xe4" in str(row) for row in loaded.train.rows)


def test_files_for_validation_and_test(server: FileServer, store: Bucket) -> None:
    store.pipe("/b/set/validation.csv", ROWS.encode())
    store.pipe("/b/set/other.csv", ROWS.encode())
    spec = DataSpec(
        source=server.put("/a.csv", ROWS), test=server.put("/t.csv", ROWS) + "?" + SECRET, validation="s3://b/set/"
    )
    found = load_data(spec)
    assert len(found.test) == 40
    assert [each.address for each in found.audit.fetched] == [spec.source, "s3://b/set/", f"{server.root}/t.csv?..."]


def test_a_folder_of_a_store(store: Bucket) -> None:
    for name in ("train", "test"):
        store.pipe(f"/bucket/sets/mine/{name}.csv", ROWS.encode())
    store.pipe("/bucket/sets/mine/README.md", b"about")
    for address in ("s3://bucket/sets/mine/", "gs://bucket/sets/mine"):
        found = load_data(DataSpec(source=address))
        assert len(found.test) == 40
        assert found.audit.fetched[0].bytes == 2 * len(ROWS) + 5
    store.pipe("/bucket/sets/mine/test.csv", b"text,label\na,pos\nb,\n")
    with pytest.raises(DataError) as error:
        load_data(DataSpec(source="s3://bucket/sets/mine/"))
    assert "s3://bucket/sets/mine/test.csv" in str(error.value)
    assert "liftune-" not in str(error.value)


def test_a_folder_of_many_files_and_an_empty_one(store: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MOST_FILES", 3)
    for i in range(4):
        store.pipe(f"/bucket/many/{i}/a.csv", ROWS.encode())
    assert "more than 3 files" in refused("s3://bucket/many/").message
    store.makedirs("/bucket/none")
    assert "no file in the folder" in refused("s3://bucket/none/").message
    assert "no such file" in refused("s3://bucket/nowhere/").message


def test_a_name_that_leads_out_of_the_folder_is_refused(store: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store takes any text as a key."""
    for name in ("/bucket/set/../../evil.csv", "/bucket/set/a\\b.csv", "/elsewhere/x.csv"):
        entry = {"name": name, "size": 1, "type": "file"}
        store.pipe("/bucket/set/train.csv", ROWS.encode())
        monkeypatch.setattr(Bucket, "ls", lambda *_, entry=entry, **__: [entry])
        assert "a name that is no path" in refused("s3://bucket/set/").message


def test_what_changes_while_it_is_brought_is_refused(store: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    store.pipe("/bucket/rows.csv", ROWS.encode())
    get = Bucket.get_file

    def get_file(self: Bucket, *args: object, **named: object) -> None:
        get(self, *args, **named)
        self.pipe("/bucket/rows.csv", ROWS.replace("good", "fine").encode())

    monkeypatch.setattr(Bucket, "get_file", get_file)
    assert "changed while it was brought" in refused("s3://bucket/rows.csv").message


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"status": 401}, "does not let you read it (status 401)"),
        ({"status": 403}, "does not let you read it (status 403)"),
        ({"status": 404}, "no such file (status 404)"),
        ({"status": 410}, "no such file (status 410)"),
        ({"status": 429, "headers": {"Retry-After": "7"}}, "too many requests"),
        ({"status": 503}, "the server failed (status 503)"),
        ({"status": 418}, "status 418"),
        ({"status": 204, "body": ""}, "status 204, which is no file"),
        ({"status": 206}, "status 206, which is no file"),
        ({"status": 304, "body": ""}, "status 304, which is no file"),
        ({"status": 302}, "status 302, which is no file"),
        ({"raw": b"220 ftp ready\r\n"}, "no HTTP"),
        ({"length": 10**6}, "the connection was cut after"),
        ({"says_length": False, "cut": True}, "the connection was cut after"),
    ],
)
def test_what_a_server_answers_is_said(facts: dict[str, Any], said: str, server: FileServer) -> None:
    error = refused(server.put("/rows.csv", **{"body": ROWS, **facts}) + "?" + SECRET)
    assert said in error.message
    assert error.hint
    assert error.where == f"{server.root}/rows.csv?..."
    assert "SECRET" not in f"{error}{error.__cause__}"
    assert "seconds" in error.hint or facts.get("status") != 429


def test_hosts_that_are_not_there_or_not_trusted(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no host of that name" in refused("https://host.invalid/rows.csv").message
    assert "cannot be reached" in refused("https://localhost:1/rows.csv").message
    address = server.put("/rows.csv", ROWS)
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "certificate is not trusted" in refused(address).message
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=lambda: other.accept()[0].sendall(b"220 ftp ready\r\n" * 9), daemon=True).start()
        assert "does not speak https" in refused(f"https://localhost:{other.getsockname()[1]}/a.csv").message


def test_a_silent_server_is_not_waited_for(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "SILENT_SECONDS", 0.05)
    server.put("/rows.csv", ROWS, silent=True)
    assert "nothing arrived" in refused(f"{server.root}/rows.csv").message


def test_redirects_are_followed_up_to_a_number(server: FileServer, here: Path) -> None:
    last = server.put("/rows.csv", ROWS)
    for i in range(9):
        last = server.lead(
            f"/{i}", last if i % 2 else last.removeprefix(server.root), status=(301, 302, 307, 308)[i % 4]
        )
    assert load_data(DataSpec(source=last)).fingerprint == load_data(DataSpec(source=str(here))).fingerprint
    assert "10 times or more" in refused(server.lead("/loop", "/loop")).message


@pytest.mark.parametrize(
    "to", ["http://localhost/rows.csv", "file:///etc/passwd", "ftp://localhost/a", "HTTP://a/b.csv"]
)
def test_a_redirect_never_leaves_https(to: str, server: FileServer) -> None:
    error = refused(server.lead("/away.csv", to))
    assert "redirects from https to" in error.message
    assert server.requests == ["/away.csv"]


@pytest.mark.parametrize(
    "to", ["https://127.0.0.2:{port}/rows.csv", "https://[::ffff:169.254.169.254]/", "//10.0.0.1/a"]
)
def test_a_public_host_does_not_lead_to_a_private_one(
    to: str, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever keeps a file could have the user ask hosts that only he reaches."""
    monkeypatch.setattr(
        https, "_ip", lambda text, found=https._ip: None if text in ("127.0.0.1", "::1") else found(text)
    )
    server.put("/rows.csv", ROWS)
    error = refused(server.lead("/away.csv", to.format(port=server.root.rpartition(":")[2])))
    assert "is on a private network" in error.message
    assert server.requests == ["/away.csv"]


def test_names_are_seen_when_they_are_looked_up() -> None:
    visit = https.Visit("https://public.example/a.csv", "https://public.example/a.csv")
    visit.meets("public.example", ["93.184.216.34"])
    visit.meets("cdn.example", ["93.184.216.35"])
    for found in (
        ["192.168.1.1"],
        ["93.184.216.35", "127.0.0.1"],
        ["fe80::1%eth0"],
        ["64:ff9b::a00:1"],
        ["2002:a00:1::"],
        ["0.0.0.0"],
    ):
        with pytest.raises(DataError, match="private network"):
            visit.meets("inner.example", found)
    with pytest.raises(DataError, match="private network"):  # the name means another host now
        visit.meets("public.example", ["10.0.0.1"])
    half = https.Visit("https://half.example/a.csv", "")
    half.meets("half.example", ["93.184.216.34", "10.0.0.1"])  # one private address makes no private host
    with pytest.raises(DataError, match="private network"):
        half.meets("inner.example", ["10.0.0.2"])
    own = https.Visit("https://intranet/a.csv", "https://intranet/a.csv")
    own.meets("intranet", ["10.0.0.5"])
    own.meets("files.intranet", ["10.0.0.6"])  # whoever names a private host is led on by it


def test_the_proxy_may_be_on_a_private_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.corp:3128")
    https.Visit("https://public.example/a.csv", "").meets("proxy.corp", ["10.0.0.1"])


@pytest.mark.parametrize("says_length", [True, False])
def test_what_is_too_large_is_refused_as_soon_as_it_shows(
    says_length: bool, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what arrives, whatever the server says."""
    monkeypatch.setenv(fetching.VARIABLE, "1000")
    address = server.put("/rows.csv", ROWS, says_length=says_length)
    error = refused(address)
    assert "over the limit of 1,000" in error.message
    value = str(error.hint).partition(f"{fetching.VARIABLE}=")[2].partition(";")[0]
    monkeypatch.setenv(fetching.VARIABLE, value)
    load_data(DataSpec(source=address))
    monkeypatch.setenv(fetching.VARIABLE, "a lot")
    assert "no number of bytes" in refused(address).message


def test_a_folder_that_is_too_large_is_not_brought(store: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fetching.VARIABLE, str(len(ROWS) + 100))
    for name in ("train", "test"):
        store.pipe(f"/bucket/mine/{name}.csv", ROWS.encode())
    monkeypatch.setattr(Bucket, "get_file", None)
    assert "over the limit" in refused("s3://bucket/mine/").message


def test_what_is_unpacked_has_its_own_limit(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFTUNE_MAX_UNPACKED", "1000")
    error = refused(server.put("/rows.csv.gz", gzip.compress(ROWS.encode())))
    assert "unpack" in error.message
    assert error.where == f"{server.root}/rows.csv.gz"


def test_a_file_is_brought_once_and_goes(server: FileServer) -> None:
    address = server.put("/rows.csv", ROWS)
    spec = DataSpec(source=address)
    load_data(spec), load_data(spec), load_data(spec.model_copy(update={"seed": 1}))
    assert server.requests == ["/rows.csv"]
    assert isinstance(spec.source, Address)
    assert spec.source.copy is not None
    path = spec.source.copy.path
    assert path.is_file()
    worker = pickle.loads(pickle.dumps(spec.source))
    assert (worker.full, worker.copy) == (address, spec.source.copy)
    del spec
    gc.collect()
    assert not path.exists()
    load_data(DataSpec(source=address))
    assert server.requests == ["/rows.csv"] * 2  # another command sees what is there then


def test_a_signed_address_arrives_as_it_was_written(server: FileServer) -> None:
    """A signature covers every character."""
    load_data(DataSpec(source=server.put("/a%20b.csv", ROWS) + "?" + SECRET + "&t=1%3A2+3"))
    server.lead("/to", f"{server.root}/a%20b.csv?{SECRET}&t=%3a")
    load_data(DataSpec(source=server.root + "/to"))
    assert server.requests == [f"/a%20b.csv?{SECRET}&t=1%3A2+3", "/to", f"/a%20b.csv?{SECRET}&t=%3a"]


def test_a_login_is_read_from_netrc(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the hint says, where it is refused in the address."""
    (tmp_path / "netrc").write_text("machine localhost login me password word\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    load_data(DataSpec(source=server.put("/rows.csv", ROWS)))
    assert server.seen[0]["Authorization"] == "Basic bWU6d29yZA=="


def test_errors_in_the_rows_name_the_address(server: FileServer) -> None:
    error = refused(server.put("/rows.csv", ROWS + "no label,\n") + "?" + SECRET)
    assert f"{server.root}/rows.csv?..." in str(error)
    assert "liftune-" not in str(error)
    page = refused(server.put("/page.csv", "<!DOCTYPE html><title>Log in</title>"))
    assert "web page" in page.message
    assert page.where == f"{server.root}/page.csv"


def test_a_command_in_a_hint_is_for_the_file_once_it_is_here(server: FileServer) -> None:
    """unzip takes no address."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in ("a.csv", "b.csv"):
            archive.writestr(name, ROWS)
    hint = str(refused(server.put("/two.zip", data.getvalue())).hint)
    assert hint.startswith("bring it here first; then: unpack it (unzip two.zip -d two)")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for address in ("s3://b/a.csv", "gs://b/a.csv", "https://host/a.csv"):
        with pytest.raises(MissingExtra, match=r"pip install 'liftune\[remote\]'"):
            find_parts(address)


def test_a_third_party_may_read_other_schemes() -> None:
    SOURCES.entry("test-az", summary="", takes=lambda source: source.startswith("az://"))(
        lambda source: {"rows": source}
    )
    try:
        assert find_parts("az://c/a.csv") == {"rows": "az://c/a.csv"}
    finally:
        del SOURCES._entries["test-az"]


def test_nothing_is_imported_before_it_is_needed() -> None:
    import subprocess

    code = "import sys, liftune, liftune.spec, liftune.data.readers.sources as s; s.find_parts('sample:emotions'); "
    code += "print([m for m in ('fsspec', 'aiohttp', 's3fs', 'gcsfs', 'huggingface_hub') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_error_on_the_way_is_in_words(store: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    store.pipe("/b/a.csv", ROWS.encode())

    def fail(error: Exception) -> DataError:
        def get_file(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(Bucket, "get_file", get_file)
        return refused("s3://b/a.csv")

    import errno

    assert "temporary files is full" in fail(OSError(errno.ENOSPC, "x")).message
    assert "does not let you" in fail(PermissionError("Forbidden")).message
    assert "does not let you" in fail(OSError("Forbidden: b/bucket/o")).message
    assert "nothing arrived" in fail(TimeoutError()).message
    odd = fail(RuntimeError("at https://host/a?token=SECRET now\nmore"))
    assert odd.message == "it cannot be brought: RuntimeError: at ADDRESS now"
    with pytest.raises(MemoryError):
        fail(MemoryError())
    assert issubclass(DataError, LiftuneError)


def test_a_file_of_the_hub_is_that_of_one_commit(tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_hub(monkeypatch, tmp_path / "cache") as hub:
        files = {"data/train.csv": ROWS.encode(), "data/test.csv": ROWS.encode(), "README.md": b"about"}
        hub.repositories["datasets/org/name"] = repository = Repository(private=True)
        first = repository.commit(files)
        last = repository.commit({**files, "data/train.csv": ROWS.replace("good", "fine").encode()})
        local = load_data(DataSpec(source=str(here)))
        found = load_data(DataSpec(source="hf://datasets/org/name/data/train.csv"))
        assert found.audit.fetched[0].version == f"commit {last}"
        assert found.fingerprint != local.fingerprint
        found = load_data(DataSpec(source=f"hf://datasets/org/name@{first}/data/train.csv"))
        assert found.audit.fetched[0].version == f"commit {first}"
        assert found.fingerprint == local.fingerprint
        found = load_data(DataSpec(source="hf://datasets/org/name/data/"))
        assert len(found.test) == 40
        assert found.audit.fetched[0].version == f"commit {last}"
        assert "no such file" in refused("hf://datasets/org/name/data/none.csv").message
        assert "no such revision" in refused("hf://datasets/org/name@nowhere/data/train.csv").message
        assert refused("hf://datasets/org/unknown/a.csv").message.startswith("there is no such file")
        assert "names no repository of the hub" in refused("hf://datasets").message
        hub.token = "hf_another"
        error = refused("hf://datasets/org/name/data/train.csv")
        assert "does not let you read it" in error.message or "no such file" in error.message
        assert hub.token not in str(error)


def test_a_file_that_is_begun_again_counts_once(store: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """gcsfs tries again after a failure, from the first byte on."""
    store.pipe("/bucket/rows.csv", ROWS.encode())
    get = Bucket.get_file

    def get_file(self: Bucket, *args: object, callback: Any) -> None:
        callback.set_size(len(ROWS))
        callback.relative_update(len(ROWS) - 1)
        get(self, *args, callback=callback)

    monkeypatch.setattr(Bucket, "get_file", get_file)
    monkeypatch.setenv(fetching.VARIABLE, str(len(ROWS) + 1))
    assert load_data(DataSpec(source="gs://bucket/rows.csv")).audit.fetched[0].bytes == len(ROWS)
