"""The page as a person meets it, in a real browser: type, classify, switch, upload, download, an error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import FakeExecutor, fake_app, serving
from starlette.testclient import TestClient

from liftune.server.auth import Credentials
from liftune.server.limits import Limits

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(not CHROMIUM.is_file(), reason="no Chromium here")
ADMIN = {"Authorization": "Bearer admin"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        yield found
        found.close()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Models `two` and `six`; texts of more than 100 characters are too long."""
    app = fake_app(
        tmp_path, executor=FakeExecutor(), credentials=Credentials(admin_token="admin"), limits=Limits(characters=100)
    )
    (tmp_path / "two" / "record.json").write_text("{}", encoding="utf-8")
    (tmp_path / "two" / "report.html").write_text("<p>found</p>", encoding="utf-8")
    with serving(app) as found:
        assert (
            TestClient(app).post("/v1/models", json={"path": str(tmp_path / "six")}, headers=ADMIN).status_code == 201
        )
        yield found


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """At the page; whatever the browser complains of fails the test."""
    context = browser.new_context(accept_downloads=True)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    opened.on(
        "request", lambda asked: complaints.append(asked.url) if not asked.url.startswith((address, "blob:")) else None
    )
    opened.goto(address)
    playwright.expect(opened.locator("#model option")).to_have_count(2)
    yield opened
    context.close()
    assert complaints == []


def test_texts_are_classified_beside_the_base_model(page: Any) -> None:
    page.get_by_label("Text to classify").fill("abc\n\n<b>ab</b>")
    page.get_by_role("button", name="Classify", exact=True).click()
    answers = page.locator("#predictions > li")
    playwright.expect(answers).to_have_count(2)
    playwright.expect(answers.nth(0)).to_contain_text("abc")
    playwright.expect(answers.nth(0).locator(".tuned .summary")).to_have_text("label1")
    playwright.expect(answers.nth(0).locator(".base .summary")).to_have_text("label1")
    playwright.expect(answers.nth(0).locator(".tuned .sure")).to_have_text("73.1%")
    playwright.expect(answers.nth(0).locator(".tuned .chosen .share")).to_have_text("73.1%")
    sizes = [
        answers.nth(0).locator(each).evaluate("(found) => parseFloat(getComputedStyle(found).fontSize)")
        for each in (".tuned .summary", ".base .summary", ".text", ".share >> nth=0")
    ]
    assert sizes[0] == max(sizes) > sizes[1], "the tuned model's label is the headline"
    playwright.expect(answers.nth(1).locator(".text")).to_have_text("<b>ab</b>")
    page.get_by_label("compare with the base model").uncheck()
    page.get_by_label("Text to classify").press("Control+Enter")
    playwright.expect(page.locator("#predictions .base")).to_have_count(0)


def test_a_base_that_only_guesses_is_not_shown(page: Any) -> None:
    """Its head is randomly initialised: bars of it would say nothing; why they are missing is said."""
    playwright.expect(page.get_by_label("Compare with the base model")).to_be_visible()
    page.get_by_label("Model", exact=True).select_option("six")
    playwright.expect(page.get_by_label("Compare with the base model")).to_be_hidden()
    playwright.expect(page.locator("#base-note")).to_contain_text("randomly initialised, so it would only guess")
    page.get_by_label("Text to classify").fill("abc")
    page.get_by_role("button", name="Classify", exact=True).click()
    playwright.expect(page.locator("#predictions .tuned .summary")).to_have_text("label3")
    playwright.expect(page.locator("#predictions .base")).to_have_count(0)


def test_an_example_is_one_click_away(page: Any) -> None:
    page.get_by_role("button", name="Try an example").click()
    playwright.expect(page.locator("#predictions > li")).to_have_count(1)
    first = page.get_by_label("Text to classify").input_value()
    assert len(first) > 20
    playwright.expect(page.locator("#predictions .text")).to_have_text(first)
    page.get_by_role("button", name="Try an example").click()
    playwright.expect(page.locator("#predictions .text")).not_to_have_text(first)


@pytest.mark.slow
def test_many_answers_keep_their_bars_folded(page: Any) -> None:
    page.get_by_label("Text to classify").fill("a\nab\nabc\nabcd")
    page.get_by_label("Text to classify").press("Control+Enter")
    playwright.expect(page.locator("#predictions .tuned .summary")).to_have_text(
        ["label1", "label0", "label1", "label0"]
    )
    playwright.expect(page.locator(".tuned .bars").first).to_be_hidden()
    page.locator(".tuned summary").first.click()
    playwright.expect(page.locator(".tuned .bars").first).to_be_visible()


def test_an_answer_is_explained_word_by_word(page: Any) -> None:
    """The label follows from a text's length: without `ab` it is another; an emoji counts as one character."""
    page.get_by_label("Text to classify").fill("🙂 ab <b>")
    page.get_by_role("button", name="Classify", exact=True).click()
    page.get_by_role("button", name="Why?").click()
    why = page.locator("#predictions .why")
    playwright.expect(why).to_contain_text("Why label0 73.1%")
    playwright.expect(why.locator(".text")).to_have_text("🙂 ab <b>")
    assert why.locator(".text span").all_inner_texts() == ["🙂", "ab", "<b>"]
    assert why.locator(".for").all_inner_texts() == ["ab"]
    playwright.expect(why.locator(".words li")).to_have_text("ab: 26.9% without it, and then label1")
    playwright.expect(why).to_contain_text("One word at a time is left out")


def test_another_model_is_picked(page: Any) -> None:
    page.get_by_label("Model", exact=True).select_option("six")
    playwright.expect(page.locator("#facts")).to_contain_text("6 labels")
    page.get_by_label("Text to classify").fill("abcde")
    page.get_by_role("button", name="Classify", exact=True).click()
    playwright.expect(page.locator("#predictions .tuned .bars li")).to_have_count(6)
    playwright.expect(page.locator("#predictions .tuned .summary")).to_have_text("label5")


def test_the_runs_verdict_and_report_are_at_hand(page: Any, address: str) -> None:
    playwright.expect(page.locator("#verdict")).to_contain_text("cannot be read")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open the run's report").click()
    playwright.expect(opened.value.locator("p")).to_have_text("found")
    page.get_by_label("Model", exact=True).select_option("six")
    playwright.expect(page.locator("#about")).to_be_hidden()


def test_a_file_is_classified_and_its_predictions_downloaded(page: Any, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text('\ufeffid,review,label\n1,"a, ""b""",x\n2,"two\nlines",y\n3,abc,z\n', encoding="utf-8")
    page.get_by_label("Choose a CSV file").set_input_files(rows)
    playwright.expect(page.locator("#column")).to_have_value("1")
    page.get_by_role("button", name="Classify every row").click()
    playwright.expect(page.locator("#table tbody tr")).to_have_count(3)
    with page.expect_download() as downloaded:
        page.get_by_role("link", name="Download the predictions").click()
    assert downloaded.value.suggested_filename == "rows.predictions.csv"
    lines = Path(downloaded.value.path()).read_bytes().decode().split("\r\n")
    assert lines[0] == "id,review,label,predicted_label,probabilities.label0,probabilities.label1"
    assert lines[1].startswith('1,"a, ""b""",x,label0,0.73')
    assert lines[2].startswith('2,"two\nlines",y,label1,0.26')
    assert len(lines) == 5


FORM = (
    "How satisfied are you?",
    "What could we have done better for you, and who should have done it, and when and where? " * 2,
)


def form(path: Path) -> Path:
    """A form's answers as forms are exported: what they were asked is above the column, when they answered is first."""
    rows = [
        f"2024/03/{i:02d} 10:0{i % 10}:33,{i % 5},You should have told us on day {i} how long it takes"
        for i in range(1, 20)
    ]
    path.write_text("\n".join([f'Timestamp,"{FORM[0]}","{FORM[1]}"', *rows]), encoding="utf-8")
    return path


def test_the_text_column_is_the_one_that_tune_would_take(page: Any, tmp_path: Path) -> None:
    """By what is in it: a form's first column is a time, and no name says text. The server looks, by its own rule."""
    page.get_by_label("Choose a CSV file").set_input_files(form(tmp_path / "form.csv"))
    playwright.expect(page.locator("#column")).to_have_value("2")
    playwright.expect(page.locator("#column-note")).to_contain_text("guessed")
    playwright.expect(page.get_by_role("button", name="Classify every row")).to_be_enabled()


@pytest.mark.slow
def test_an_unclear_text_column_is_left_to_choose(page: Any, tmp_path: Path) -> None:
    (tmp_path / "two.csv").write_text("a,b\nsome words here,other words here\nmore of them,and more of those\n")
    page.get_by_label("Choose a CSV file").set_input_files(tmp_path / "two.csv")
    playwright.expect(page.locator("#column-note")).to_have_text(
        "Which column holds the text is unclear. Choose the text column."
    )
    run = page.get_by_role("button", name="Classify every row")
    playwright.expect(run).to_be_disabled()
    page.get_by_label("Text column").select_option("b")
    run.click()
    playwright.expect(page.locator("#table tbody tr").nth(1)).to_contain_text("and more of those")


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_a_long_column_name_does_not_widen_the_page(width: int, page: Any, tmp_path: Path) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.get_by_label("Choose a CSV file").set_input_files(form(tmp_path / "form.csv"))
    page.get_by_role("button", name="Classify every row").click()
    playwright.expect(page.locator("#table-place")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_file_is_dropped(page: Any) -> None:
    data = page.evaluate_handle(
        "() => { const each = new DataTransfer();"
        " each.items.add(new File(['text;n\\nabc;1\\nab;2\\n'], 'a.csv')); return each; }"
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})
    page.get_by_role("button", name="Classify every row").click()
    playwright.expect(page.locator("#table tbody tr").nth(1)).to_contain_text("label0")


def test_errors_are_shown_and_go_away(page: Any, tmp_path: Path) -> None:
    alert, of_file = page.locator("#text-alert"), page.locator("#file-alert")
    page.get_by_role("button", name="Classify", exact=True).click()
    playwright.expect(alert).to_contain_text("There is no text yet")
    gap = "([a, b]) => b.getBoundingClientRect().top - a.getBoundingClientRect().bottom"
    beside = page.evaluate(gap, [page.locator("#classify").element_handle(), alert.element_handle()])
    assert 0 <= beside < 40, "the message is beside the button that was pressed"
    page.get_by_label("Text to classify").fill("a" * 101)
    page.get_by_role("button", name="Classify", exact=True).click()
    playwright.expect(alert).to_contain_text("Hint: send at most 100 characters")
    page.get_by_label("Text to classify").fill("abc")
    page.get_by_role("button", name="Classify", exact=True).click()
    playwright.expect(page.locator("#predictions > li")).to_have_count(1)
    playwright.expect(alert).to_be_hidden()
    for name, content, told in (
        ("ragged.csv", b"text,label\na,b,c\n", "row 1 has 3 cells"),
        ("empty.csv", b"text\n", "no rows"),
        ("latin.csv", b"text\ncaf\xe9\n", "UTF-8"),
        ("long.csv", b"text\nabc\n" + b"a" * 101 + b"\n", "rows from 1"),
    ):
        (tmp_path / name).write_bytes(content)
        page.get_by_label("Choose a CSV file").set_input_files(tmp_path / name)
        if name == "long.csv":
            page.get_by_role("button", name="Classify every row").click()
        playwright.expect(of_file).to_contain_text(told, ignore_case=True)


def test_a_server_with_a_token_asks_for_it(browser: Any, tmp_path: Path) -> None:
    with serving(fake_app(tmp_path, credentials=Credentials("secret"))) as address:
        opened = browser.new_page()
        opened.goto(address)
        opened.get_by_role("textbox", name="Token").fill("wrong")
        opened.get_by_role("button", name="Enter").click()
        playwright.expect(opened.locator("#token-alert")).to_contain_text("a wrong one")
        opened.get_by_role("textbox", name="Token").fill("secret")
        opened.get_by_role("button", name="Enter").click()
        playwright.expect(opened.locator("#model option")).to_have_count(1)
        playwright.expect(opened.locator("#keys")).to_be_hidden()
        opened.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(width: int, page: Any) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.get_by_label("Text to classify").fill("a" * 100)
    page.get_by_role("button", name="Classify", exact=True).click()
    playwright.expect(page.locator("#predictions > li")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_control_has_a_name_and_is_reached_by_keyboard(page: Any) -> None:
    unnamed = page.evaluate(
        "() => [...document.querySelectorAll('input, select, textarea, button, a')].filter((each) =>"
        " !each.textContent.trim() && !(each.labels || []).length && !each.getAttribute('aria-label'))"
        ".map((each) => each.outerHTML)"
    )
    assert unnamed == []
    labels = page.locator("#texts").evaluate("(box) => [...box.labels].map((each) => each.textContent)")
    assert labels == ["Text to classify"], "one label for one box"
    assert "Ctrl+Enter" in page.locator("#texts-hint").inner_text()
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"model", "texts", "classify", "example", "with-base", "file"} <= reached
