"""The page: one file, every section, nothing that a text could smuggle in, small and quick also for many rows."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_evaluations import evaluation
from made_runs import made_run, unseal

from liftune.cli.main import main
from liftune.evaluation.error_analysis import with_calibration_undone
from liftune.records.calibration import Calibration
from liftune.reports.base import CHAPTERS, FIRST_SCREEN, SECTIONS, ReportTable
from liftune.reports.document import named_sections
from liftune.reports.glossary import TERMS, mentions, named
from liftune.reports.render import html
from liftune.reports.render.html import _is_wide, _of_sentences, to_html
from liftune.reports.render.svg import COLOURS
from liftune.reports.render.terms import Terms
from liftune.reports.render.text import to_markdown
from liftune.reports.sections.predictions import MOST_CHARACTERS, MOST_FLIPS
from liftune.run_folder import RunFolder
from liftune.tasks import TaskKind
from liftune.workflows.report import read_run, to_json, write_report

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)> \"'&"
CHROMIUM = shutil.which("chromium")
TASKS = list(TaskKind)


class Page(HTMLParser):
    """Tags with attributes, and the content of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data

    def every(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def without_questions(text: str) -> str:
    """The page's text as it is read: without the "?" behind terms."""
    return re.sub(r'<span class="kept">(.*?)<button type="button" class="q".*?</button></span>', r"\1", text)


def page_of(folder: RunFolder) -> str:
    return to_html(*read_run(folder))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[TaskKind], RunFolder]:
    """A run of each task, made once, that tests read and leave as it is."""
    root = tmp_path_factory.mktemp("made")
    return cache(lambda task: made_run(root / task.value, task))


@pytest.fixture(scope="module")
def pages(made: Callable[[TaskKind], RunFolder]) -> Callable[[TaskKind], str]:
    """The page of each of these, drawn once."""
    return cache(lambda task: page_of(made(task)))


@pytest.mark.parametrize("task", TASKS)
def test_every_section_is_told_in_every_format(
    task: TaskKind, made: Callable[[TaskKind], RunFolder], pages: Callable[[TaskKind], str]
) -> None:
    """A section is one function; no format may forget one."""
    record, details = read_run(made(task))
    titles = [each.section.title for each in named_sections(record, details)]
    assert {"Summary", "Flips", "Length", "Cost", "The command"} <= set(titles)
    page, text = pages(task), to_markdown(record, details)
    for each in named_sections(record, details):
        assert each.chapter in CHAPTERS
        assert f"## {each.section.title}\n" in text
        assert f">{each.section.title}</h" in page
        for chart in each.section.charts:
            assert chart.alt
            assert chart.caption
    assert json.loads(to_json(record, details))["details"]["against"] == "probe"


def test_every_registered_section_speaks_for_some_run(made: Callable[[TaskKind], RunFolder]) -> None:
    """Those that no made-up run has a say for are named here, and tested on a record by themselves (test_report.py)."""
    spoken = {each.name for task in TASKS for each in named_sections(*read_run(made(task)))}
    assert set(SECTIONS) - spoken == {
        "clean",
        "outside",
        "seeds",
        "harm",
        "start",
        "slices",
        "calibration",
        "curve",
        "decisions",
        "suspects",
        "shift",
        "proof",
        "speed",
        "notes",
    }


@pytest.mark.parametrize("task", TASKS)
def test_the_page_needs_nothing_else(task: TaskKind, pages: Callable[[TaskKind], str]) -> None:
    text = pages(task)
    page = Page(text)
    assert not [tag for tag, _ in page.tags if tag in ("link", "img", "iframe", "object", "base")]
    assert not [each for _, each in page.tags if "src" in each or "onclick" in each]
    assert all((each.get("href") or "").startswith("#") for _, each in page.tags if "href" in each)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    (policy,) = [each for each in page.every("meta") if each.get("http-equiv")]
    assert (policy["content"] or "").startswith("default-src 'none'")


def test_the_page_can_be_read_without_eyes(pages: Callable[[TaskKind], str]) -> None:
    page = Page(pages(TaskKind.SINGLE_LABEL))
    assert page.every("html") == [{"lang": "en"}]
    assert page.every("svg")
    assert all(each["role"] == "img" and each["aria-label"] for each in page.every("svg"))
    assert page.every("th")
    assert all(each.get("scope") in ("col", "row") for each in page.every("th"))
    assert len(page.every("h1")) == 1
    ids = [each["id"] for _, each in page.tags if "id" in each]
    assert len(ids) == len(set(ids)), "charts share an id"
    links = {each["href"] for each in page.every("a")}
    assert {f"#{each}" for each in CHAPTERS} <= links
    assert {each["popovertarget"] for each in page.every("button") if "popovertarget" in each} <= set(ids)
    assert all(str(link)[1:] in ids for link in links)


def test_charts_take_their_colours_and_type_from_the_page(pages: Callable[[TaskKind], str]) -> None:
    """A colour of matplotlib's own would be unreadable in one of the two themes, and its paths of glyphs huge."""
    text = pages(TaskKind.SINGLE_LABEL)
    charts = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    assert "<text" in charts
    assert "DejaVu" not in charts
    assert not [stand_in for stand_in in COLOURS if stand_in in charts]
    assert set(re.findall(r"#[0-9a-f]{6}\b", charts)) == set()
    used = set(re.findall(r"var\((--\w+)\)", charts))
    looks = text.split("<style>")[1].split("</style>")[0]
    for theme in (looks, looks.split("prefers-color-scheme: dark")[1]):
        assert all(f"{name}:" in theme for name in used)


@pytest.mark.parametrize("task", TASKS)
def test_the_same_run_gives_the_same_bytes(
    task: TaskKind, made: Callable[[TaskKind], RunFolder], pages: Callable[[TaskKind], str]
) -> None:
    assert page_of(made(task)) == pages(task)


def test_the_first_screen_holds_verdict_chart_and_caveats(pages: Callable[[TaskKind], str]) -> None:
    text = pages(TaskKind.SINGLE_LABEL)
    first = without_questions(text).split('id="short"')[1].split('id="verdict"')[0]
    assert "Tuning helped: 86.7% of test texts right, against 57.5% for the strongest other model" in first
    assert "randomly initialised" in first
    assert "One seed" in first
    assert "<svg" in first
    assert "liftune predict" in first
    assert first.index("verdict-scores") < first.index("run-use")


# Chapters and terms ---------------------------------------------------------------------------------------------------


def test_the_first_screen_is_made_of_registered_sections() -> None:
    assert set(FIRST_SCREEN) <= set(SECTIONS)
    assert {each.chapter for each in SECTIONS.entries()} <= set(CHAPTERS)
    assert all(each.summary for each in SECTIONS.entries()), "a closed section has only its title and this line"


@pytest.mark.parametrize("task", TASKS)
def test_every_section_opens_and_closes_by_itself(
    task: TaskKind, made: Callable[[TaskKind], RunFolder], pages: Callable[[TaskKind], str]
) -> None:
    """By <details>, so without a script; the anchor is inside, so that a link to it opens the section."""
    text = pages(task)
    places = {
        place: bool(opened)
        for opened, place in re.findall(
            r'<details( open)?>\n<summary>.*?</summary>\n<div class="body" id="([\w-]+)"', text
        )
    }
    sections = named_sections(*read_run(made(task)))
    others = [each for each in sections if each.name not in FIRST_SCREEN]
    assert set(places) == {f"{each.chapter}-{each.name}" for each in others}
    assert text.count("<details") == text.count("</details>") == len(others)
    assert {name for name, opened in places.items() if opened} == {"answers-flips"}
    links = {each["href"] for each in Page(text).every("a")}
    assert {f"#{place}" for place in places} <= links
    assert all(f'aria-labelledby="{place}-title"' in text for place in places)


@pytest.mark.parametrize("task", TASKS)
def test_every_term_of_a_section_is_explained_once(
    task: TaskKind, made: Callable[[TaskKind], RunFolder], pages: Callable[[TaskKind], str]
) -> None:
    text = pages(task)
    explained = dict(re.findall(r'<p popover id="([\w-]+)"><dfn>[^<]+</dfn> (.+?)</p>', text))
    assert len(explained) == len(re.findall(r"<p popover", text))
    for each in named_sections(*read_run(made(task))):
        if each.name in FIRST_SCREEN:
            continue
        told = text.split(f'id="{each.chapter}-{each.name}" role')[1].split("</details>")[0]
        buttons = re.findall(r'class="q" popovertarget="([\w-]+)"', told)
        cells = {term.id for term in TERMS if named(term.name) and not term.words}
        mentioned = {term.id for sentence in each.section.sentences for _, term in mentions(sentence)}
        assert mentioned <= set(buttons)
        assert len([one for one in buttons if one not in cells]) >= len(mentioned)
        assert set(buttons) <= set(explained)


def test_the_terms_that_readers_stumble_over_have_an_explanation() -> None:
    for text, name in (
        ("probe", "probe"),
        ("an exact McNemar test at 0.05", "McNemar test"),
        ("calibrated", "calibration"),
        ("95% confidence intervals", "confidence interval"),
        ("by Holm's correction", "Holm's correction"),
        ("p < 0.0001", "p-value"),
        ("macro_f1", "macro-F1"),
    ):
        assert [term.name for _, term in mentions(text)] == [name]
    assert not [*mentions("flips.jsonl"), *mentions("--probe-x"), *mentions("unflipped")]


def test_a_command_in_a_sentence_is_code_that_is_not_explained_and_options_stay_whole() -> None:
    """A browser ends lines at hyphens: of `--folds 5` a reader would see `-` and `-folds 5`."""
    said = "counted: `liftune tune --metric macro_f1 <x>` or (--folds 5); 0.1 -> 0.2, macro_f1"
    found = str(Terms().explainer()(said))
    assert "<code>liftune tune --metric macro_f1 &lt;x&gt;</code>" in found
    assert '<span class="kept">(--folds</span> 5); 0.1 <span class="kept">-&gt;</span> 0.2' in found
    assert found.count("popovertarget") == 1
    assert found.endswith("?</button></span>")


def test_a_table_is_a_block_for_each_row_on_a_phone_where_that_is_too_narrow() -> None:
    numbers = ReportTable(("label", "majority", "tfidf", "tuned"), (("joy", "0.343", "0.089", "0.317"),))
    texts = ReportTable(("row", "label", "text"), (("rows:5", "fear", "a text of more than a few words, as most are"),))
    assert [_is_wide(each) for each in (numbers, texts)] == [False, True]
    assert _of_sentences(texts) == {2}


def test_terms_are_told_apart() -> None:
    words = [word.casefold() for term in TERMS for word in term.words]
    assert len(words) == len(set(words)), "a word has two meanings"
    assert len({term.id for term in TERMS}) == len(TERMS)
    for term in TERMS:
        assert "\n" not in term.meaning
        assert len(term.meaning) < 180
        assert not term.meaning.endswith(".")


def test_a_label_named_like_a_term_is_not_explained(tmp_path: Path) -> None:
    """What users wrote is shown as it is: in cells, only contenders are terms."""
    text = page_of(made_run(tmp_path / "run", labels=("recall", "probe", "love")))
    labels = text.split('id="answers-classes" role')[1].split("<tbody>")[1].split("</tbody>")[0]
    assert '<th scope="row">recall</th>' in labels
    assert 'class="q"' not in labels


@pytest.mark.parametrize(("head", "drawn"), [("fresh", ["tuned"]), ("trained", ["base", "tuned"])])
def test_no_matrix_is_drawn_of_a_head_that_only_guesses(head: str, drawn: list[str], tmp_path: Path) -> None:
    record, details = read_run(made_run(tmp_path / "run", head=head))
    section = next(each.section for each in named_sections(record, details) if each.name == "confusions")
    assert [chart.caption for chart in section.charts if chart.caption in ("base", "tuned")] == drawn
    assert any("its head is random" in each for each in section.sentences) == (head == "fresh")


@pytest.mark.parametrize("task", [TaskKind.SINGLE_LABEL, TaskKind.MULTI_LABEL])
def test_markup_in_texts_labels_and_names_stays_text(task: TaskKind, tmp_path: Path) -> None:
    """Texts come from strangers: in the table, in the data block, in a chart's labels, in an attribute."""
    folder = made_run(
        tmp_path / "run", task, labels=(EVIL, "joy", "$x$"), texts=(EVIL, "plain"), notes=(EVIL,), base_model=EVIL
    )
    text = page_of(folder)
    page = Page(text)
    assert "<script>alert" not in text
    assert "<img" not in text
    scripts = page.every("script")
    assert len(scripts) == 1 + sum(each.get("type") == "application/json" for each in scripts)
    rows = [json.loads(found) for found in page.scripts if found.startswith("[[")]
    assert rows
    assert any(EVIL in row[1] for table in rows for row in table), "the text itself must be whole"
    assert not [name for _, each in page.tags for name in each if name.startswith("on")]
    assert "<script>" not in to_markdown(*read_run(folder))


def test_flips_are_cut_in_the_page_and_whole_in_their_file(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run", rows=9_000, texts=("long " * 200,), labels=("a", "b"))
    text = write_report(folder, "html").read_text(encoding="utf-8")
    tables = [json.loads(found) for found in Page(text).scripts if found.startswith("[[")]
    _, details = read_run(folder)
    assert len(details.flips.fixed) > MOST_FLIPS
    assert max(len(table) for table in tables) == MOST_FLIPS
    assert all(len(row[1]) <= MOST_CHARACTERS for table in tables for row in table)
    lines = [json.loads(line) for line in (folder.path / "flips.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == len(details.flips.fixed) + len(details.flips.broken)
    assert all(len(line["text"]) > 900 for line in lines)
    assert {line["flip"] for line in lines} == {"fixed", "broken"}
    fixed = [line["confidence"] for line in lines if line["flip"] == "fixed"]
    assert fixed == sorted(fixed, reverse=True)


@pytest.mark.slow
def test_many_rows_and_labels_give_a_page_under_ten_megabytes(tmp_path: Path) -> None:
    labels = tuple(f"a label with a longish name, number {i}" for i in range(150))
    folder = made_run(tmp_path / "run", rows=100_000, labels=labels, texts=("x" * 3_000, "<b>&" * 300))
    text = write_report(folder, "html").read_text(encoding="utf-8")
    assert len(text.encode()) < 10_000_000
    assert len(Page(text).tags) < 20_000, "a browser would take its time"
    assert "confusion matrix" not in text


def test_a_base_with_a_trained_head_is_what_tuning_is_set_against(tmp_path: Path) -> None:
    record, details = read_run(made_run(tmp_path / "run", head="trained"))
    assert details.against == "base"
    assert "by construction" not in to_markdown(record, details)


@pytest.mark.parametrize("vector", [False, True])
def test_a_calibrated_run_shows_probabilities_from_before_and_after(tmp_path: Path, vector: bool) -> None:
    """What is folded into the stored logits is undone: these are those from before."""
    record = made_run(tmp_path / "run").record()
    scale, shift = ((2.0,) * 6, (0.5,) * 6) if vector else (None, None)
    found = Calibration(
        kind="vector" if vector else "temperature", kept=True, reason="", temperature=2.0, scale=scale, shift=shift
    )
    contenders = tuple(
        each.model_copy(update={"calibration": found}) if each.name == "tuned" else each for each in record.contenders
    )
    raw = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    logits = {"probe": raw, "tuned": (raw / 2.0 * 2.0 + 0.5 if vector else raw / 2.0).astype(np.float32)}
    both = {name: evaluation(name, each, np.zeros(4, dtype=int)) for name, each in logits.items()}
    shown = with_calibration_undone(record.model_copy(update={"contenders": contenders}), both)
    assert list(shown) == ["tuned, before calibration", "tuned, calibrated"]
    np.testing.assert_allclose(shown["tuned, before calibration"].logits, raw, rtol=1e-5, atol=1e-6)
    assert with_calibration_undone(record, both) == both


# The command ----------------------------------------------------------------------------------------------------------


def test_the_format_is_that_of_the_ending_or_as_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(made_run(tmp_path / "run").path)
    starts = {"html": "<!doctype html>", "md": "# liftune report", "json": "{"}
    for form, start in starts.items():
        assert main(["report", run, "--out", str(tmp_path / f"named.{form}")]) == 0
        assert (tmp_path / f"named.{form}").read_text(encoding="utf-8").startswith(start)
        assert main(["report", run, "--out", str(tmp_path / "any"), "--format", form]) == 0
        assert (tmp_path / "any").read_text(encoding="utf-8").startswith(start)
    capsys.readouterr()
    assert main(["report", run, "--format", "md"]) == 0
    assert capsys.readouterr().out.startswith("# liftune report")
    assert main(["report", run, "--format", "html"]) == 0
    assert (tmp_path / "run" / "report.html").is_file()
    assert (tmp_path / "run" / "flips.jsonl").is_file()
    assert main(["report", run]) == 0
    assert "Flips" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "pdf"], ["no format 'pdf'", "--format", "html, md, json"]),
        (["--out", "report.pdf"], ["names no format", "--out", ".html"]),
        (["--out", "report"], ["a file without ending", "--format"]),
    ],
)
def test_a_format_that_there_is_not_is_refused(
    arguments: list[str], said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(made_run(tmp_path / "run").path), *arguments]) == 2
    error = capsys.readouterr().err
    assert all(each in error for each in said)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _newer(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))


def _other_rows(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def _other_label(path: Path) -> None:
    path.write_text(path.read_text().replace('"target": "joy"', '"target": "envy"'))


DAMAGES = {
    "no rows": ("rows/test.jsonl", Path.unlink, "test.jsonl is missing"),
    "cut rows": ("rows/test.jsonl", _cut, "test.jsonl is damaged"),
    "rows of another kind": ("rows/test.jsonl", lambda path: path.write_text("[1]\n"), "test.jsonl is damaged"),
    "a row less": ("rows/test.jsonl", _other_rows, "test.jsonl 119 rows"),
    "another label": ("rows/test.jsonl", _other_label, "test.jsonl holds labels that record.json does not know"),
    "no logits": ("logits/tuned.npz", Path.unlink, "tuned.npz is missing"),
    "cut logits": ("logits/probe.npz", _cut, "probe.npz is damaged"),
    "logits that are none": ("logits/base.npz", lambda path: path.write_text("no"), "base.npz is damaged"),
    "no spec": ("spec.json", Path.unlink, "spec.json"),
    "cut record": ("record.json", _cut, "record.json is damaged"),
    "newer record": ("record.json", _newer, "schema 99"),
}


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_folder_says_which_file(
    damage: str, sealed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its seal; what has none, as far as what it holds can tell."""
    folder = made_run(tmp_path / "run")
    name, change, said = DAMAGES[damage]
    change(folder.path / name)
    if sealed and name.startswith(("rows", "logits")) and "missing" not in said:
        said = f"{Path(name).name} is damaged: it is not the file that was written"
    if not sealed and "record" not in damage:
        unseal(folder.path / "record.json")
    for form in ("html", "md"):
        assert main(["report", str(folder.path), "--format", form]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert "hint:" in error
    assert not (folder.path / "report.html").exists()


def test_a_page_without_its_extra_names_the_pip_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = html.need.__globals__["importlib"].util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "jinja2" else found(name))
    run = str(made_run(tmp_path / "run").path)
    assert main(["report", run, "--format", "html"]) == 2
    assert "pip install 'liftune[report]'" in capsys.readouterr().err
    assert main(["report", run, "--format", "md"]) == 0


def test_a_run_folder_that_cannot_be_written_is_read_all_the_same(tmp_path: Path) -> None:
    """Flips that are there already need not be written again for a page elsewhere."""
    folder = made_run(tmp_path / "run")
    write_report(folder, "html")
    (folder.path / "flips.jsonl").write_text("kept")
    write_report(folder, "html", str(tmp_path / "elsewhere.html"))
    assert (folder.path / "flips.jsonl").read_text() == "kept"


# In a browser ---------------------------------------------------------------------------------------------------------

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_flips_are_searched_and_sorted_in_the_page(tmp_path: Path) -> None:
    api = pytest.importorskip("playwright.sync_api")
    texts = (f"needle {EVIL}", "hay", "more hay")
    folder = made_run(tmp_path / "run", texts=texts, rows=300)
    path = write_report(folder, "html")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 390, "height": 800})
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.goto(path.as_uri())
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        box = page.locator(".long").first
        everything = box.get_by_role("status").inner_text()
        box.get_by_role("searchbox").fill("NEEDLE")
        found = box.locator("tbody tr td:nth-child(2)").all_inner_texts()
        fewer = box.get_by_role("status").inner_text()
        box.get_by_role("searchbox").fill("")
        box.get_by_role("button", name="confidence").click()
        falling = [float(each) for each in box.locator("tbody tr td:first-child").all_text_contents()]
        box.get_by_role("button", name="confidence").click()
        rising = [float(each) for each in box.locator("tbody tr td:first-child").all_text_contents()]
        order = box.locator("thead th").first.get_attribute("aria-sort")
        before = box.locator("tbody tr").count()
        box.locator("button.more").click()
        after = box.locator("tbody tr").count()
        browser.close()
    assert faults == []
    assert wide == 0, "a phone would have to scroll sideways"
    assert found
    assert all("needle </script>" in each for each in found)
    assert fewer != everything
    assert falling == sorted(falling, reverse=True)
    assert rising == sorted(rising)
    assert rising[0] < falling[-1]
    assert order == "ascending"
    assert after > before


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
@pytest.mark.parametrize("script", [True, False])
def test_sections_open_by_link_and_for_print_and_terms_by_keyboard(script: bool, tmp_path: Path) -> None:
    """Also without a script; and no section, opened on a phone, is wider than it."""
    api = pytest.importorskip("playwright.sync_api")
    path = write_report(made_run(tmp_path / "run"), "html")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=script)
        page = context.new_page()
        page.goto(path.as_uri())
        flips, labels = page.locator("#answers-flips"), page.locator("#answers-classes")
        api.expect(flips).to_be_visible()
        api.expect(labels).to_be_hidden()
        page.goto(f"{path.as_uri()}#answers-classes")
        api.expect(labels).to_be_visible()
        page.locator("summary", has_text="Confusions").click()
        api.expect(page.locator("#answers-confusions")).to_be_visible()
        page.locator(".q").first.focus()
        page.keyboard.press("Enter")
        explained = page.locator(".terms p:popover-open")
        api.expect(explained).to_have_count(1)
        assert len(explained.inner_text()) > 30
        page.keyboard.press("Escape")
        api.expect(explained).to_have_count(0)
        places = page.locator("main .body")
        closed = [each for each in places.all() if not each.is_visible()]
        assert closed
        page.emulate_media(media="print")
        assert all(each.is_visible() for each in places.all()), "print shows all"
        page.emulate_media(media="screen")
        assert [each for each in places.all() if not each.is_visible()]
        if script:
            page.get_by_role("button", name="Open all").click()
            assert all(each.is_visible() for each in places.all())
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide == 0, "a phone would have to scroll sideways"
            page.get_by_role("button", name="Close all").click()
            assert not any(each.is_visible() for each in places.all())
        browser.close()
