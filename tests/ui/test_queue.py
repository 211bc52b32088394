"""One job at a time, cancelled and resumed as on the command line, and all of it there after a restart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tuning_page import FakeStarter, asked, page, sent, until

from liftune.claims import claim_folder
from liftune.ui.limits import UiLimits
from liftune.ui.store import Store


def test_a_job_is_the_ordinary_command_with_its_options_in_a_file(tmp_path: Path) -> None:
    start = FakeStarter()
    with page(tmp_path, start, models=("minilm", "org/other")) as client:
        sent(client, b'text,"a,b"\n' + b"day,x\nnight,y\n" * 9)
        form = {"upload": "upload-1", "label": "a,b", "model": "org/other", "method": "ia3", "seeds": 2, "epochs": 3}
        job = asked(client, **form)
        child = start.next()
        assert child.arguments == (
            *("tune", "--config", "jobs/job-1/options.json", "--events", "jobs/job-1/events.jsonl"),
        )
        assert child.folder == tmp_path
        options = json.loads((tmp_path / "jobs" / "job-1" / "options.json").read_text(encoding="utf-8"))
        assert options["data"] == {"source": "uploads/upload-1/rows.csv", "label": "a,b"}
        assert options["model"] == {"name": "org/other"}
        assert (options["method"]["name"], options["train"]) == ("ia3", {"epochs": 3, "seeds": [0, 1]})
        assert options["out"] == "jobs/job-1/run"
        assert until(client, job["id"], "running")["command"].startswith("liftune tune uploads/upload-1/rows.csv")


def test_jobs_are_carried_out_one_after_the_other(tmp_path: Path) -> None:
    start = FakeStarter()
    with page(tmp_path, start) as client:
        names = [asked(client)["id"] for _ in range(3)]
        first = start.next()
        states = dict(zip(names, ("running", "queued", "queued"), strict=True))
        assert [until(client, each, state)["ahead"] for each, state in states.items()] == [0, 1, 2]
        assert len(start.children) == 1
        first.finish()
        until(client, names[0], "done")
        start.next().finish()
        until(client, names[1], "done")
        start.next()
        until(client, names[2], "running")


def test_a_job_that_runs_is_asked_to_save_and_can_go_on(tmp_path: Path) -> None:
    start = FakeStarter()
    with page(tmp_path, start) as client:
        name = asked(client)["id"]
        child = start.next()
        kept = child.run / "checkpoint"
        kept.mkdir(parents=True)
        (kept / "request.json").write_text("{}", encoding="utf-8")
        (kept / "outcome.npz").write_bytes(b"kept")
        assert client.post(f"/api/jobs/{name}/cancel").status_code == 200
        found = until(client, name, "stopped")
        assert child.stopped
        assert found["kept"] is True
        assert client.post(f"/api/jobs/{name}/cancel").status_code == 409
        assert client.post(f"/api/jobs/{name}/resume").status_code == 200
        again = start.next()
        assert again.arguments == child.arguments
        (kept / "outcome.npz").unlink()
        (kept / "request.json").unlink()
        again.finish()
        until(client, name, "done")
        assert client.post(f"/api/jobs/{name}/resume").status_code == 409


def test_a_job_that_waits_leaves_the_queue(tmp_path: Path) -> None:
    start = FakeStarter()
    with page(tmp_path, start) as client:
        first, second = asked(client)["id"], asked(client)["id"]
        child = start.next()
        assert client.post(f"/api/jobs/{second}/cancel").json()["state"] == "stopped"
        child.finish()
        until(client, first, "done")
        assert len(start.children) == 1


def test_a_fault_is_shown_with_where_and_hint_under_the_users_name_of_the_file(tmp_path: Path) -> None:
    start = FakeStarter()
    with page(tmp_path, start) as client:
        sent(client, name="mine.csv")
        name = asked(client, upload="upload-1")["id"]
        start.next().end(2, "reading\nliftune: no label\n  where: uploads/upload-1/rows.csv\n  hint:  name it\n")
        fault = until(client, name, "failed")["fault"]
        assert fault == {"message": "no label", "where": "mine.csv", "hint": "name it"}


def test_a_defect_of_the_command_is_a_failure_too(tmp_path: Path) -> None:
    start = FakeStarter()
    with page(tmp_path, start) as client:
        name = asked(client)["id"]
        start.next().end(1, "Traceback (most recent call last):\nZeroDivisionError: division by zero\n")
        assert "ZeroDivisionError" in until(client, name, "failed")["fault"]["message"]


def test_a_stop_of_the_server_stops_the_job_and_a_restart_shows_all(tmp_path: Path) -> None:
    start = FakeStarter()
    with page(tmp_path, start) as client:
        first, second = asked(client)["id"], asked(client)["id"]
        child = start.next()
        until(client, first, "running")
    assert child.stopped
    store = Store(tmp_path)
    assert (store.jobs[first].state, store.jobs[second].state) == ("stopped", "queued")
    again = FakeStarter()
    with page(tmp_path, again) as client:
        again.next()
        until(client, second, "running")
        assert client.get(f"/api/jobs/{first}").json()["state"] == "stopped"


@pytest.mark.parametrize(("record", "state"), [(True, "done"), (False, "stopped")])
def test_a_run_that_an_earlier_server_left_running_is_waited_for(tmp_path: Path, record: bool, state: str) -> None:
    """Killed, a server leaves its child: the next one starts nothing beside it."""
    with page(tmp_path, FakeStarter()) as client:
        first, second = asked(client)["id"], asked(client)["id"]
    store = Store(tmp_path)
    store.keep(store.jobs[first], state="running", pid=1)
    run = tmp_path / "jobs" / first / "run"
    start = FakeStarter()
    with claim_folder(run):
        held = page(tmp_path, start)
        client = held.__enter__()
        assert client.get(f"/api/jobs/{first}").json()["state"] == "running"
        assert start.children == []
        if record:
            (run / "record.json").write_text("{}", encoding="utf-8")
    until(client, first, state)
    start.next()
    until(client, second, "running")
    held.__exit__(None, None, None)


def test_a_bundle_waits_for_its_turn_and_is_made_once(tmp_path: Path) -> None:
    start = FakeStarter()
    with page(tmp_path, start) as client:
        first = asked(client)["id"]
        assert client.post(f"/api/jobs/{first}/bundle").status_code == 409
        start.next().finish()
        until(client, first, "done")
        second = asked(client)["id"]
        busy = start.next()
        assert client.post(f"/api/jobs/{first}/bundle").json()["bundle"]["state"] == "queued"
        assert client.post(f"/api/jobs/{first}/bundle").status_code == 409
        assert client.get(f"/jobs/{first}/bundle.zip").status_code == 404
        busy.finish()
        until(client, second, "done")
        child = start.next()
        assert child.arguments == (*("export", "jobs/job-1/run", "--to", "jobs/job-1/bundle", "--format", "onnx"),)
        (tmp_path / "jobs" / first / "bundle").mkdir()
        (tmp_path / "jobs" / first / "bundle" / "card.json").write_text("{}", encoding="utf-8")
        child.end(0)
        until(client, first, "done", "done")
        response = client.get(f"/jobs/{first}/bundle.zip")
        assert response.headers["content-disposition"] == 'attachment; filename="liftune-job-1-bundle.zip"'
        assert response.content.startswith(b"PK")


def test_a_bundle_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    start = FakeStarter()
    with page(tmp_path, start) as client:
        name = asked(client)["id"]
        start.next().finish()
        until(client, name, "done")
        client.post(f"/api/jobs/{name}/bundle")
        start.next().end(2, "liftune: no family\n  hint: another\n")
        assert until(client, name, "done", "failed")["bundle"]["fault"]["message"] == "no family"


def test_the_queue_has_an_end(tmp_path: Path) -> None:
    with page(tmp_path, FakeStarter(), UiLimits(waiting=2)) as client:
        name = asked(client)["id"]
        until(client, name, "running")
        asked(client)
        asked(client)
        response = client.post("/api/jobs", json={})
        assert response.status_code == 503
        assert response.json()["hint"]


def test_a_run_is_removed_only_when_it_is_over(tmp_path: Path) -> None:
    start = FakeStarter()
    with page(tmp_path, start) as client:
        name = asked(client)["id"]
        child = start.next()
        assert client.delete(f"/api/jobs/{name}").status_code == 409
        child.finish()
        until(client, name, "done")
        assert client.delete(f"/api/jobs/{name}").status_code == 204
        assert client.get(f"/api/jobs/{name}").status_code == 404
        assert not (tmp_path / "jobs" / name).exists()


@pytest.mark.parametrize("path", ["report", "adapter.zip", "bundle.zip"])
def test_nothing_is_taken_away_of_a_run_that_is_not_finished(tmp_path: Path, path: str) -> None:
    with page(tmp_path, FakeStarter()) as client:
        name = asked(client)["id"]
        assert client.get(f"/jobs/{name}/{path}").status_code == 409
        assert client.get(f"/jobs/..%2f..%2fetc/{path}").status_code == 404
        assert client.post(f"/api/jobs/{name}/predict", json={"texts": ["a"]}).status_code == 409


def test_a_report_calls_the_file_as_the_user_does(tmp_path: Path) -> None:
    start = FakeStarter()
    with page(tmp_path, start) as client:
        sent(client, name="my <b> rows.csv")
        name = asked(client, upload="upload-1")["id"]
        child = start.next()
        child.finish()
        report = (
            "<h1>minilm, lora on uploads/upload-1/rows.csv</h1><code>liftune tune uploads/upload-1/rows.csv --seeds 0"
        )
        (child.run / "report.html").write_text(report, encoding="utf-8")
        until(client, name, "done")
        said = client.get(f"/jobs/{name}/report").text
        assert "<h1>minilm, lora on my &lt;b&gt; rows.csv</h1>" in said
        assert "<code>liftune tune &#x27;my &lt;b&gt; rows.csv&#x27; --seeds 0" in said


def test_a_report_runs_in_a_sandbox(tmp_path: Path) -> None:
    """It is the run's own file, and must reach nothing of this server all the same."""
    start = FakeStarter()
    with page(tmp_path, start) as client:
        name = asked(client)["id"]
        child = start.next()
        child.finish()
        (child.run / "report.html").write_text("<p>found", encoding="utf-8")
        until(client, name, "done")
        response = client.get(f"/jobs/{name}/report")
        assert response.text == "<p>found"
        assert response.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")
