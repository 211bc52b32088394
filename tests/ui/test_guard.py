"""Who may send a request: nobody but the page itself, on this machine, with the token of this start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tuning_page import HOST, ORIGIN, TOKEN, page

from liftune.cli.main import main
from liftune.errors import SpecError
from liftune.ui.pages import STATIC
from liftune.ui.serving import UiOptions, check


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with page(tmp_path) as opened:
        yield opened


def test_the_token_of_the_address_becomes_a_cookie_that_no_script_reads(client: TestClient) -> None:
    response = client.get("/", params={"token": TOKEN})
    cookie = response.headers["set-cookie"]
    assert TOKEN in cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {each.strip() for each in cookie.split(";")}
    assert "set-cookie" not in client.get("/").headers


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/api/state", "/api/jobs/job-1", "/jobs/job-1/report"])
def test_without_the_token_nothing_is_shown(client: TestClient, path: str) -> None:
    client.cookies.clear()
    response = client.get(path)
    assert response.status_code == 401
    assert "liftune ui" in response.json()["hint"]


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], TOKEN + "x", "é"])
def test_another_token_is_refused(client: TestClient, token: str) -> None:
    client.cookies.clear()
    assert client.get("/", params={"token": token}).status_code == 401
    cookie = f"liftune-ui-8010={token}".encode("latin-1")
    assert client.get("/", headers=[(b"cookie", cookie)]).status_code == 401


def test_a_browser_without_the_token_is_told_in_words(client: TestClient) -> None:
    client.cookies.clear()
    response = client.get("/", headers={"Accept": "text/html"})
    assert response.status_code == 401
    assert "needs the token" in response.text
    assert response.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_browser_finds_the_icon_that_it_asks_for_by_itself(client: TestClient) -> None:
    assert client.get("/favicon.ico").text.startswith("<svg")
    assert "img-src 'self'" in client.get("/").headers["content-security-policy"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8010", "127.0.0.1.evil.example", "10.0.0.9:8010", ""])
def test_a_name_that_was_rebound_to_this_machine_is_refused(client: TestClient, host: str) -> None:
    response = client.get("/api/state", headers={"Host": host, "Origin": f"http://{host}"})
    assert response.status_code == 421


@pytest.mark.parametrize("host", ["localhost:8010", "LOCALHOST:9000", "[::1]:8010", "127.0.0.1"])
def test_names_of_this_machine_are_taken(client: TestClient, host: str) -> None:
    """Also by another port, as through a tunnel."""
    assert client.get("/api/state", headers={"Host": host, "Origin": f"http://{host}"}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"https://{HOST}", "http://127.0.0.1:9999", ""])
def test_a_page_of_another_origin_can_send_nothing(client: TestClient, origin: str) -> None:
    headers = {"Origin": origin}
    assert client.post("/api/jobs", json={}, headers=headers).status_code == 403
    assert client.delete("/api/jobs/job-1", headers=headers).status_code == 403
    assert client.get("/api/state", headers=headers).status_code == 403
    assert client.get("/api/state").json()["jobs"] == []


def test_a_change_without_an_origin_is_refused(tmp_path: Path) -> None:
    with page(tmp_path) as client:
        del client.headers["Origin"]
        assert client.post("/api/jobs", json={}).status_code == 403
        assert client.get("/api/state").status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_can_load_nothing_with_the_cookie(client: TestClient, site: str) -> None:
    """Another server on this machine is of the same site, and not of the same origin."""
    for path in ("/static/page.js", "/api/state", "/jobs/job-1/report"):
        assert client.get(path, headers={"Sec-Fetch-Site": site}).status_code == 403
    visit = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=visit).status_code == 200
    assert client.get("/jobs/job-1/report", headers=visit).status_code == 403


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "PATCH", "TRACE"])
def test_other_methods_are_refused_and_no_other_origin_is_allowed(client: TestClient, method: str) -> None:
    response = client.request(method, "/api/state", headers={"Access-Control-Request-Method": "POST"})
    assert response.status_code == 405
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_every_answer_holds_the_browser_to_the_pages_own_files(client: TestClient) -> None:
    for path in ("/", *(f"/static/{name}" for name in STATIC if name != "page.html")):
        response = client.get(path)
        assert response.status_code == 200
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
    for path in ("/", "/api/state", "/api/jobs/none", "/nothing", "/static/none.js"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


def test_the_page_loads_nothing_from_outside_and_has_no_inline_handlers() -> None:
    from importlib.resources import files

    for name in STATIC:
        text = (files("liftune.ui") / "static" / name).read_text(encoding="utf-8")
        for mark in (
            "http://",
            "https://",
            " onclick=",
            " onload=",
            "style=",
            "innerHTML",
            "insertAdjacentHTML",
            "eval(",
        ):
            assert mark not in text, (name, mark)


@pytest.mark.parametrize("path", ["/static/../guard.py", "/static/%2e%2e/guard.py", "/static/page.html", "/static/"])
def test_no_other_file_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_an_address_that_others_reach_is_refused(host: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SpecError, match="other machines can reach"):
        check(UiOptions(host=host))


def test_the_command_refuses_it_with_exit_code_2(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["ui", "--host", "0.0.0.0", "--folder", str(tmp_path / "none")]) == 2
    said = capfd.readouterr().err
    assert "--host" in said
    assert "hint" in said
    assert not (tmp_path / "none").exists()


def test_the_origin_is_compared_with_the_host_that_was_asked_for(client: TestClient) -> None:
    headers = {"Host": "localhost:8010", "Origin": ORIGIN}
    assert client.post("/api/jobs", json={}, headers=headers).status_code == 403
