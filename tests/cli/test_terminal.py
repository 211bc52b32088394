"""What data hold cannot command the terminal that it is shown on, nor a spreadsheet that opens it."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import sys
from pathlib import Path

import pytest
from rich.console import Console
from tiny_adapters import save_tuned
from tiny_models import save_tiny

import liftune.cli.main as command
from liftune.cli.main import main
from liftune.cli.printing import print_predictions, say
from liftune.data import load_data
from liftune.errors import SpecError
from liftune.formatting import visible, visible_json
from liftune.inference.prediction import Prediction
from liftune.inference.writers import writer_for
from liftune.progress import Progress
from liftune.reports.base import ReportTable, Section
from liftune.reports.render.text import print_sections
from liftune.spec import RunSpec

EVIL = "\x1b]0;title\x07\x1b[31mred\x9b2J\u202eback\x7f\r"
OBEYED = set("\x1b\x07\x9b\u202e\x7f\r")


def test_what_is_shown_is_still_the_same_json() -> None:
    assert not OBEYED & set(visible(EVIL))
    assert f"'{visible(EVIL)}'" == repr(EVIL), "messages quote values by repr: one way of showing what a terminal obeys"
    assert json.loads(visible_json(json.dumps(EVIL, ensure_ascii=False))) == EVIL
    usual = "a\tb\nc é ☕ שלום \U0001f468\u200d\U0001f469"
    assert visible(usual) == visible_json(usual) == usual


def test_no_door_to_the_terminal_lets_it_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "\x1b[31m"
    folder.mkdir()
    rows = "".join(f"text {i} {EVIL[:-1]},{EVIL[:-1]}{i % 2}\n" for i in range(12))
    (folder / "a.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    for arguments in (["inspect", str(folder / "a.csv"), "--model", "none"], ["inspect", str(folder / "none.csv")]):
        assert main(arguments) in (0, 2)
        assert main([*arguments, "--json"]) in (0, 2)
    main(["predict", str(folder), EVIL])
    main([f"--{EVIL}"])
    say(EVIL)
    row = Prediction(row=EVIL, label=EVIL, probabilities={EVIL: 1.0})
    print_predictions([row], as_json=False)
    print_predictions([row], as_json=True)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    Progress().log(EVIL)
    shown = io.StringIO()
    table = ReportTable((EVIL,), ((EVIL,),), caption=EVIL)
    print_sections([Section(EVIL, (EVIL,), (table,), caveats=(EVIL,), commands=(EVIL,))], Console(file=shown))
    out = capsys.readouterr()
    text = out.out + out.err + shown.getvalue()
    assert r"\x1b]0;title" in text
    assert r"\u001b]0;title" in out.out, "in JSON, as JSON has it"
    assert not OBEYED & set(text)


def test_formulas_are_written_as_they_are_or_made_safe(tmp_path: Path) -> None:
    cells = ["=1+1", "+a", "-a", "@a", "\ta", "\ra", "-1.5", "+2", "a=b", "", "-1+2", "=", "-"]
    for safe in (False, True):
        writer = writer_for("x.csv", lambda: ["=x", "n"], lambda: None, csv_safe=safe)
        data = writer.start() + writer.block([{"=x": cell, "n": -1.5} for cell in cells])
        found = list(csv.reader(io.StringIO(data.decode(), newline="")))
        mark = "'" if safe else ""
        plain = ("-1.5", "+2", "a=b", "")
        assert found[0] == [f"{mark}=x", "n"]
        assert [row[0] for row in found[1:]] == [cell if cell in plain else mark + cell for cell in cells]
        assert {row[1] for row in found[1:]} == {"-1.5"}


def test_csv_safe_is_an_option_of_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_tuned(save_tiny("distilbert", tmp_path / "base"), tmp_path / "run" / "adapter")
    run, source = str(tmp_path / "run"), tmp_path / "in.csv"
    source.write_text('text\n"=HYPERLINK(""x"")"\n')
    for arguments in (["--out", str(tmp_path / "a.jsonl")], []):
        assert main(["predict", run, "--in", str(source), "--csv-safe", *arguments]) == 2
        assert "--csv-safe" in capsys.readouterr().err
    for out, mark in (("a.csv", []), ("b.tsv", ["--csv-safe"])):
        assert main(["predict", run, "--in", str(source), "--out", str(tmp_path / out), *mark]) == 0
    assert '\n"=HYPERLINK' in (tmp_path / "a.csv").read_text()
    assert "\n\"'=HYPERLINK" in (tmp_path / "b.tsv").read_text()


@pytest.mark.parametrize("code", [errno.ENAMETOOLONG, errno.EACCES, errno.EIO])
def test_what_the_system_refuses_is_no_traceback(
    code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code), "some/path")

    monkeypatch.setattr(command, "choose", refuse)
    assert main(["list"]) == 2
    assert "some/path" in capsys.readouterr().err


def test_paths_that_nothing_can_be_at_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long, home = "x" * 300, "~nobody-of-this-name/x.csv"
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"row {i},{i % 2}\n" for i in range(12)))
    source = str(tmp_path / "a.csv")
    for arguments in (
        ["inspect", f"{tmp_path}/{long}.csv"],
        ["inspect", home],
        ["inspect", source, "--model", "none", "--out", f"{tmp_path}/{long}"],
        ["inspect", source, "--model", "none", "--out", f"{tmp_path}/{long}.jsonl"],
        ["tune", source, "--out", f"{tmp_path}/{long}"],
        ["tune", f"{tmp_path}/{long}"],
        ["predict", f"{tmp_path}/{long}", "text"],
        ["predict", str(tmp_path), "--in", source, "--out", f"{tmp_path}/{long}.csv"],
        ["report", f"{tmp_path}/{long}"],
        ["compare", long, long],
        ["inspect", f"{tmp_path}/\udcff.csv"],
    ):
        assert main(arguments) == 2, arguments
        assert "liftune: " in capsys.readouterr().err


def test_a_name_that_is_not_utf8_is_refused_before_a_run_must_keep_it(tmp_path: Path) -> None:
    (tmp_path / "\udcff.csv").write_text("text,label\n" + "".join(f"row {i},{i % 2}\n" for i in range(12)))
    with pytest.raises(SpecError, match="not UTF-8"):
        load_data(RunSpec.of(data=f"{tmp_path}/\udcff.csv").data)
