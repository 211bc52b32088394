"""The page in a real browser: by keyboard alone, with hostile names and labels, over a reload and a restart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from serving import serving
from tuning_page import TOKEN, FakeStarter

from liftune.event_lines import EventLines
from liftune.events import RunStarted, StageStarted
from liftune.spec import RunSpec
from liftune.ui.app import make_app
from liftune.ui.choices import Choices
from liftune.ui.store import Store

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(not CHROMIUM.is_file(), reason="no Chromium here")
#: A step of a real run, in milliseconds, before it counts as a hang.
LONG = 600_000
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright.expect.set_options(timeout=60_000)  # children of the page import much
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        yield found
        found.close()


@contextmanager
def visited(browser: Any, address: str) -> Iterator[Any]:
    """At an address; whatever the browser complains of, and every request elsewhere, fails the test."""
    context = browser.new_context(accept_downloads=True)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(dialog.message))
    opened.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    own = address.partition("/?")[0]
    opened.on("request", lambda asked: None if asked.url.startswith(own) else complaints.append(asked.url))
    opened.goto(address)
    yield opened
    context.close()
    assert complaints == []


def tab_to(page: Any, wanted: str) -> None:
    """Press Tab until an element has the focus, and see that it shows it."""
    for _ in range(120):
        if page.evaluate("document.activeElement && document.activeElement.id") == wanted:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"#{wanted} cannot be reached by Tab")


def files(page: Any, path: Path) -> None:
    """Choose a file by the keyboard."""
    tab_to(page, "file")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(path)


def test_jobs_of_hostile_names_are_shown_cancelled_and_there_after_reload_and_restart(
    browser: Any, tmp_path: Path
) -> None:
    start, choices, store = FakeStarter(), Choices(("minilm",)), Store(tmp_path / "ui")
    store.keep(store.add_job(title=f"{MARKUP}.csv", upload=None, spec=RunSpec(), asked=0.0))
    with (
        serving(make_app(store, choices, start, token=TOKEN)) as address,  # type: ignore[arg-type]
        visited(browser, f"{address}/?token={TOKEN}") as page,
    ):
        expect = playwright.expect
        expect(page.locator("#jobs b")).to_have_text(f"{MARKUP}.csv")
        assert "token" not in page.url
        page.locator("#jobs a").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#job-title")).to_have_text(f"{MARKUP}.csv")
        expect(page.locator("#job-title")).to_be_focused()
        child = start.next()
        lines = EventLines(child.run.parent / "events.jsonl")
        lines.on_run(RunStarted("run", {}))
        lines.on_stage(StageStarted("baselines", MARKUP))
        expect(page.locator("#doing")).to_have_text(f"baselines: {MARKUP}")
        page.reload()
        expect(page.locator("#job-state")).to_have_text("running")
        tab_to(page, "cancel")
        page.keyboard.press("Enter")
        expect(page.locator("#job-state")).to_have_text("stopped")
        expect(page.locator("#job-title")).to_be_focused()
        assert child.stopped
        tab_to(page, "resume")
        page.keyboard.press("Enter")
        again = start.next()
        again.end(2, f"liftune: {MARKUP}\n")
        expect(page.locator("#job-fault")).to_contain_text(MARKUP)
    with serving(make_app(Store(tmp_path / "ui"), choices, start, token="another")) as address:  # type: ignore[arg-type]
        with visited(browser, f"{address}/?token={TOKEN}") as page:
            expect(page.locator("h1")).to_have_text("This page needs the token of its start")
        with visited(browser, f"{address}/?token=another") as page:
            expect(page.locator("#jobs .failed")).to_have_text("failed")


@pytest.mark.slow
def test_from_a_csv_to_a_downloaded_bundle_by_keyboard_alone(browser: Any, tmp_path: Path) -> None:
    """With the real command line below the page, on a tiny model that is tuned in seconds."""
    from tiny_models import save_tiny

    save_tiny("distilbert", tmp_path / "model")
    rows = [f"the {mood} day number {i},{mood}" for i in range(60) for mood in ("glad", MARKUP)]
    (tmp_path / f"{MARKUP}.csv").write_text("\n".join(["text,mood", *rows]), encoding="utf-8")
    with ui_process(tmp_path) as address, visited(browser, address) as page:
        expect = playwright.expect
        expect(page.locator("#file-hint")).to_contain_text("rows")
        files(page, tmp_path / f"{MARKUP}.csv")
        expect(page.locator("#first td").nth(3)).to_have_text(MARKUP)
        expect(page.locator("#seen")).to_be_visible(timeout=LONG)
        expect(page.locator("#label")).to_have_value("mood")
        tab_to(page, "model")
        page.keyboard.type(str(tmp_path / "model"))
        expect(page.locator("#model")).to_have_value(str(tmp_path / "model"))
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        tab_to(page, "epochs")
        page.keyboard.type("1")
        tab_to(page, "folds")
        page.keyboard.press("Space")
        tab_to(page, "start")
        page.keyboard.press("Enter")
        expect(page.locator("#job-state")).to_have_text("done", timeout=LONG)
        expect(page.locator("#contenders tbody tr")).to_have_count(5)
        tab_to(page, "texts")
        page.keyboard.type("a glad day")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#answers .name").filter(has_text=MARKUP)).to_have_count(1, timeout=LONG)
        tab_to(page, "report")
        with page.context.expect_page() as report:
            page.keyboard.press("Enter")
        expect(report.value.locator("h1")).to_be_visible()
        page.bring_to_front()
        assert "adapter_model.safetensors" in names_in(page, "adapter")
        tab_to(page, "make-bundle")
        page.keyboard.press("Enter")
        expect(page.locator("#bundle")).to_be_visible(timeout=LONG)
        assert {"model.onnx", "parity.json"} <= names_in(page, "bundle")


def names_in(page: Any, link: str) -> set[str]:
    """The files of a zip that a link downloads."""
    tab_to(page, link)
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    with zipfile.ZipFile(download.value.path()) as archive:
        return {Path(each).name for each in archive.namelist()}


@contextmanager
def ui_process(folder: Path) -> Iterator[str]:
    """`liftune ui` as it is started in a terminal; its address."""
    command = ("ui", "--port", "0", "--folder", str(folder / "ui"), "--model", str(folder / "model"))
    with subprocess.Popen(
        [sys.executable, "-m", "liftune", *command], stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stderr is not None
        try:
            line = next(each for each in process.stderr if "token=" in each)
            yield line.split()[-1]
        finally:
            process.terminate()
            process.communicate(timeout=60)


def test_the_options_of_a_run_are_kept_as_the_command_line_reads_them(tmp_path: Path) -> None:
    """`tune --config` is what carries a job out: it must take what the page writes."""
    from liftune.settings_file import spec_under
    from liftune.spec import OPTIONS

    store = Store(tmp_path)
    spec = RunSpec.of(data="uploads/upload-1/rows.csv", text="a,b", seeds=(0, 1), folds="none", skip_bad_rows=True)
    job = store.add_job(title="rows.csv", upload=None, spec=spec, asked=0.0)
    assert spec_under(store.place(job) / "options.json", {}, OPTIONS) == job.spec
    assert json.loads((store.place(job) / "options.json").read_text())["out"] == "jobs/job-1/run"
    store.keep(job)
    assert Store(tmp_path).jobs["job-1"] == job
