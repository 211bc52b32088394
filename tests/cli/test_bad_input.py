"""Every kind of bad input, as the command line refuses it: exit code 2, what and hint, nothing left behind."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_models import save_tiny

from liftune import files, new_run
from liftune.cli.main import main
from liftune.workflows.context import RunContext

GOOD = "text,label\n" + "".join(f"{mood} number {i},{mood}\n" for i in range(12) for mood in ("glad", "sad"))
Write = Callable[[Path], Any]


def put(name: str, content: str | bytes) -> Write:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def parquet_cut_short(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["a"], "label": ["b"]}), folder / "rows.parquet")
    (folder / "rows.parquet").write_bytes((folder / "rows.parquet").read_bytes()[:40])


def finished_run(folder: Path) -> None:
    (folder / "run").mkdir()
    (folder / "run" / "record.json").write_text("{}")


def folder_of_notes(folder: Path) -> None:
    (folder / "notes").mkdir()
    (folder / "notes" / "read.me").write_text("nothing")


def broken(change: Callable[[Path], Any]) -> Write:
    """The tiny model in a folder `broken`, then changed."""

    def make(folder: Path) -> None:
        shutil.copytree(MODEL["path"], folder / "broken")
        change(folder / "broken")

    return make


def pickled(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")


def without_classifier(model: Path) -> None:
    config = {**json.loads((model / "config.json").read_text()), "model_type": "clap", "architectures": ["ClapModel"]}
    (model / "config.json").write_text(json.dumps(config))


MODEL: dict[str, Path] = {}
GOOD_ROWS = put("rows.csv", GOOD)
#: For runs that are not about cross-validation, which so few rows would have by default.
ONE_SPLIT = ("--folds", "none")
LINES = "".join(json.dumps({"text": f"row {i}", "label": "ab"[i % 2]}) + "\n" for i in range(8))
SCORES = "text,score\n" + "".join(f"row {i},{i}.5\n" for i in range(8))

#: What is wrong -> how it comes about, the arguments after `tune`, and what the message must say.
DATA: dict[str, tuple[Write, list[str], list[str]]] = {
    "missing file": (GOOD_ROWS, ["row.csv"], ["no such file", "did you mean rows.csv?", "where: row.csv"]),
    "wrong column": (GOOD_ROWS, ["rows.csv", "--text", "txet"], ["'txet'", "did you mean text?", "text, label"]),
    "wrong label column": (GOOD_ROWS, ["rows.csv", "--label", "lable"], ["did you mean label?", "--label"]),
    "wrong second text": (GOOD_ROWS, ["rows.csv", "--text-pair", "other"], ["unknown column 'other'", "--text-pair"]),
    "empty file": (put("rows.csv", ""), ["rows.csv"], ["empty", "where: rows.csv"]),
    "empty lines file": (put("rows.jsonl", ""), ["rows.jsonl"], ["rows.jsonl"]),
    "header only": (put("rows.csv", "text,label\n"), ["rows.csv"], ["no rows", "where: rows.csv"]),
    "folder without data": (folder_of_notes, ["notes"], ["no data files", "where: notes"]),
    "row without text": (put("rows.csv", GOOD + " ,sad\n"), ["rows.csv"], ["row 25", "--skip-bad-rows"]),
    "row without label": (put("rows.csv", GOOD + "no idea,\n"), ["rows.csv"], ["row 25", "--skip-bad-rows"]),
    "one class": (
        put("rows.csv", "text,label\n" + "".join(f"t{i},a\n" for i in range(9))),
        ["rows.csv"],
        ["one class"],
    ),
    "ragged line": (put("rows.csv", GOOD + "a,b,c\n"), ["rows.csv"], ["line 26", "--skip-bad-rows"]),
    "neither UTF-8 nor Western": (
        put("rows.csv", GOOD.encode() + "Очень хорошо,sad\n".encode("cp1251")),
        ["rows.csv"],
        ["0xce", "line 26", "--encoding"],
    ),
    "a broken byte in UTF-8": (
        put("rows.csv", GOOD.encode() + "café,sad\n".encode() + b"caf\xe9,sad\n"),
        ["rows.csv"],
        ["0xe9", "row 26"],
    ),
    "NUL bytes": (put("rows.csv", GOOD.encode() + b"a\0b,sad\n"), ["rows.csv"], ["NUL", "rows.csv"]),
    "binary bytes": (put("rows.csv", bytes(range(256))), ["rows.csv"], ["rows.csv"]),
    "not Parquet": (put("rows.parquet", GOOD), ["rows.parquet"], ["not a Parquet file", "where: rows.parquet"]),
    "Parquet cut short": (parquet_cut_short, ["rows.parquet"], ["not a Parquet file"]),
    "malformed JSON line": (put("rows.jsonl", LINES + '{"text": \n'), ["rows.jsonl"], ["line 9 is not JSON"]),
    "JSON line that is no object": (put("rows.jsonl", LINES + "[1]\n"), ["rows.jsonl"], ["line 9 is a list"]),
    "target that is no number": (
        put("rows.csv", SCORES + "bad,much\n"),
        ["rows.csv", "--task", "regression"],
        ["'much'", "row 9"],
    ),
    "missing test file": (GOOD_ROWS, ["rows.csv", "--test", "tset.csv"], ["no such file", "tset.csv"]),
    "missing validation file": (GOOD_ROWS, ["rows.csv", "--validation", "v.csv"], ["no such file", "v.csv"]),
    "unknown kind of file": (put("rows.xlsx", b"PK"), ["rows.xlsx"], [".xls", "hint:"]),
    "unknown sample": (GOOD_ROWS, ["sample:emotion"], ["did you mean emotions?"]),
    "hub set without network": (GOOD_ROWS, ["someone/somewhere"], ["someone/somewhere", "network"]),
}

OPTIONS: dict[str, tuple[list[str], list[str]]] = {
    "rank below one": (["--set", "rank=-3"], ["rank", "greater than 0", "-3"]),
    "rank that is no number": (["--set", "rank=many"], ["rank", "many"]),
    "no epochs": (["--epochs", "0"], ["--epochs", "greater than 0", "'0'"]),
    "epochs in words": (["--epochs", "two"], ["--epochs", "a whole number", "'two'"]),
    "learning rate in words": (["--lr", "abc"], ["--lr", "number", "'abc'"]),
    "learning rate nan": (["--lr", "nan"], ["--lr"]),
    "weight decay nan": (["--weight-decay", "nan"], ["--weight-decay"]),
    "endless clipping": (["--max-grad-norm", "inf"], ["--max-grad-norm"]),
    "seed in words": (["--seeds", "x"], ["--seeds", "'x'"]),
    "one seed of several in words": (["--seeds", "0,x"], ["--seeds", "'x'"]),
    "seed twice": (["--seeds", "0,0"], ["--seeds", "twice"]),
    "batch of none": (["--batch-size", "-2"], ["--batch-size"]),
    "no tokens": (["--max-length", "0"], ["--max-length"]),
    "no rows": (["--train-rows", "0"], ["--train-rows"]),
    "unknown task": (["--task", "regresion"], ["--task", "regression"]),
    "unknown method": (["--method", "lroa"], ["did you mean lora?"]),
    "unknown option of the method": (["--set", "rnak=3"], ["did you mean rank?"]),
    "option of the method without a value": (["--set", "rank"], ["--set", "KEY=VALUE"]),
    "unknown metric": (["--metric", "acuracy"], ["did you mean accuracy?"]),
    "metric of another task": (["--metric", "pearson"], ["pearson", "single_label"]),
    "margin as a share": (["--margin", "0.01"], ["0.01 points", "--margin 1"]),
    "margin of nothing": (["--margin", "0"], ["margin of 0", "above 0"]),
    "margin of everything": (["--metric", "macro_f1", "--margin", "1"], ["macro_f1", "--margin 0.01"]),
    "unknown option": (["--modle", "x"], ["unknown option '--modle'", "did you mean --model?"]),
    "option without a value": (["--epochs"], ["--epochs"]),
    "one argument too many": (["more.csv"], ["more.csv"]),
    "split without a name": (["--split", "train"], ["--split"]),
    "label map of unknown labels": (["--label-map", "happy=LABEL_0"], ["happy", "--label-map"]),
    "unknown device": (["--device", "abacus"], ["abacus", "--device"]),
    "device without a number": (["--device", "cpu:x"], ["--device"]),
    "second device that is not here": (["--device", "cpu:7"], ["--device"]),
    "unknown model folder": (["--model", "./nowhere"], ["./nowhere"]),
    "model that is a file": (["--model", "rows.csv"], ["rows.csv is a file"]),
    "hub model without network": (["--model", "someone/something"], ["someone/something", "hub"]),
    "layers that the model lacks": (["--set", "target_modules=q_proj"], ["q_proj"]),
}

MODELS: dict[str, tuple[Write, list[str]]] = {
    "pickle-only weights": (broken(pickled), ["pickled", "convert"]),
    "no classifier class": (broken(without_classifier), ["clap"]),
    "no weights": (broken(lambda model: (model / "model.safetensors").unlink()), ["no weights"]),
    "cut weights": (broken(lambda model: (model / "model.safetensors").write_bytes(b"\0" * 64)), ["broken"]),
    "no config": (broken(lambda model: (model / "config.json").unlink()), ["config.json"]),
    "broken config": (broken(lambda model: (model / "config.json").write_text("{")), ["broken"]),
    "no tokenizer": (
        broken(lambda model: [each.unlink() for each in model.glob("tokenizer*")]),
        ["tokenizer"],
    ),
}


@pytest.fixture(autouse=True)
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    if not MODEL:
        MODEL["path"] = save_tiny("distilbert", tmp_path_factory.mktemp("model"))
    return str(MODEL["path"])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The message of a refusal, which must leave the folder as it was."""
    before = sorted(Path().rglob("*"))
    code = main(argv)
    shown = capsys.readouterr()
    assert code == 2, shown.err
    assert shown.out == ""
    doing, message = shown.err.partition("liftune: ")[::2]
    assert all(line.startswith(("reading ", "loading torch and ")) for line in doing.splitlines())
    assert "  hint:  " in message
    assert "Traceback" not in message
    assert sorted(Path().rglob("*")) == before
    return message


@pytest.mark.parametrize("case", DATA)
def test_data_that_cannot_be_used_are_refused(case: str, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    make, arguments, said = DATA[case]
    make(Path())
    message = refused(capsys, "tune", *arguments, "--model", model, "--epochs", "1", "--quiet")
    assert "  where: " in message
    for each in said:
        assert each in message


@pytest.mark.parametrize("case", OPTIONS)
def test_a_wrong_option_is_refused(case: str, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, said = OPTIONS[case]
    GOOD_ROWS(Path())
    message = refused(capsys, "tune", "rows.csv", "--model", model, "--quiet", *arguments)
    for each in said:
        assert each in message


@pytest.mark.parametrize("case", MODELS)
def test_a_model_that_cannot_be_used_is_refused(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    make, said = MODELS[case]
    GOOD_ROWS(Path())
    make(Path())
    message = refused(capsys, "tune", "rows.csv", "--model", "broken", "--quiet")
    for each in said:
        assert each in message


def test_all_wrong_values_are_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "tune", "--epochs", "0", "--lr", "fast", "--seeds", "0,x")
    assert [each for each in ("--epochs", "--lr", "--seeds") if each in message] == ["--epochs", "--lr", "--seeds"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["tnue"], "tune"),
        (["list", "metods"], "did you mean methods?"),
        (["predict"], "RUN"),
        (["predict", "nowhere"], "--in FILE"),
        (["predict", "nowhere", "text"], "nowhere"),
        (["predict", "nowhere", "text", "--pair", "a", "--pair", "b"], "1 texts but 2 --pair"),
        (["predict", "nowhere", "text", "--out", "answers.doc"], ".doc"),
        (["predict", "nowhere", "text", "--out", "answers"], "without an extension"),
        (["predict", "nowhere", "text", "--resume"], "--in FILE and --out FILE"),
        (["predict", "nowhere", "text", "--precision", "flaot32"], "did you mean float32?"),
        (["export", "nowhere"], "--to"),
        (["export", "nowhere", "--to", "bundle"], "no run folder nowhere"),
        (["export", "nowhere", "--to", "bundle", "--format", "onxx"], "did you mean onnx?"),
        (["evaluate", "rows.csv"], "--model"),
        (["evaluate", "rows.csv", "--model", "minilm", "--metric", "acuracy"], "did you mean accuracy?"),
        (["compare", "one"], "RUN_B"),
        (["compare", "one", "two"], "one"),
        (["report", "nowhere"], "nowhere"),
        (["inspect", "rows.csv", "--max-length", "0"], "--max-length"),
        (["inspect", "nowhere.csv"], "nowhere.csv"),
        (["--loud"], "--loud"),
        (["tune", "--json=yes"], "--json"),
    ],
)
def test_every_command_refuses_wrong_arguments(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    GOOD_ROWS(Path())
    assert said in refused(capsys, *argv)


def test_bad_rows_are_dropped_and_counted_when_asked(capsys: pytest.CaptureFixture[str], model: str) -> None:
    put("rows.csv", GOOD + " ,sad\nno idea,\na,b,c\n")(Path())
    argv = (
        "tune",
        "rows.csv",
        "--model",
        model,
        "--epochs",
        "1",
        "--skip-bad-rows",
        "--json",
        "--out",
        "run",
        *ONE_SPLIT,
    )
    assert main(argv) == 0
    assert json.loads(capsys.readouterr().out)["audit"]["skipped_rows"] == 3


@pytest.mark.parametrize("method", ["lora", "probe"])
def test_a_folder_that_holds_something_is_not_written_into(
    method: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    GOOD_ROWS(Path())
    finished_run(Path())
    argv = ("tune", "rows.csv", "--model", model, "--method", method)
    assert "run exists and holds a finished run" in refused(capsys, *argv, "--out", "run")
    (Path("run") / "record.json").rename(Path("run") / "spec.json")
    assert "an unfinished run" in refused(capsys, *argv, "--out", "run")
    assert "rows.csv is a file" in refused(capsys, *argv, "--out", "rows.csv")
    assert "cannot write: not a directory" in refused(capsys, *argv, "--out", "rows.csv/run")


def test_a_disk_that_cannot_be_written_is_refused_before_anything_is_computed(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    GOOD_ROWS(Path())

    def read_only(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", read_only)
    argv = ("tune", "rows.csv", "--model", model, "--out", "a/b/run")
    assert "read-only file system" in refused(capsys, *argv)


def test_a_disk_that_is_almost_full_is_refused_before_anything_is_computed(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    GOOD_ROWS(Path())
    monkeypatch.setattr(new_run.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 90, 10))  # type: ignore[attr-defined]
    assert "free" in refused(capsys, "tune", "rows.csv", "--model", model, "--out", "run")


class Full:
    """A disk that takes no more bytes once it is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, at: str) -> None:
        real = files.os.replace

        def replace(source: Any, target: Any) -> None:
            if Path(target).name == at:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(source, target)

        monkeypatch.setattr(files.os, "replace", replace)


def test_what_was_computed_before_the_disk_was_full_is_kept_and_named(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    GOOD_ROWS(Path())
    Full(monkeypatch, at="probe.npz")
    assert main(("tune", "rows.csv", "--model", model, "--out", "run", "--quiet", *ONE_SPLIT)) == 2
    message = capsys.readouterr().err
    assert "no space left on device" in message
    assert "kept: the logits of majority, tfidf, base, in run/logits" in message
    assert sorted(each.name for each in Path("run/logits").iterdir()) == ["base.npz", "majority.npz", "tfidf.npz"]
    assert not Path("run/record.json").exists()


def test_an_adapter_that_the_disk_has_no_room_for_is_a_message(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import safetensors.torch
    from peft import peft_model
    from safetensors import SafetensorError

    GOOD_ROWS(Path())

    save = safetensors.torch.save_file

    def full(tensors: Any, path: Any, *more: Any, **options: Any) -> None:
        if "adapter" in str(path):  # other contenders are on disk by then
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        save(tensors, path, *more, **options)

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    monkeypatch.setattr(peft_model, "safe_save_file", full)
    assert main(("tune", "rows.csv", "--model", model, "--out", "run", "--epochs", "1", "--quiet", *ONE_SPLIT)) == 2
    message = capsys.readouterr().err
    assert "No space left on device" in message
    assert "kept: the logits of majority, tfidf, base, probe" in message
    assert not list(Path("run").glob("adapter*"))


def test_a_run_that_fails_before_any_contender_has_answered_leaves_nothing(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    GOOD_ROWS(Path())
    Full(monkeypatch, at="majority.npz")
    argv = ("tune", "rows.csv", "--model", model, "--out", "a/b/run", "--quiet", *ONE_SPLIT)
    assert "no space left on device" in refused(capsys, *argv)


def test_a_stopped_run_ends_with_130_one_line_and_what_it_has(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    GOOD_ROWS(Path())
    save_logits = RunContext.save_logits

    def save_until_base(context: RunContext, name: str, logits: Any) -> None:
        if name == "base":
            raise KeyboardInterrupt
        save_logits(context, name, logits)

    monkeypatch.setattr(RunContext, "save_logits", save_until_base)
    assert main(("tune", "rows.csv", "--model", model, "--out", "run", "--quiet", *ONE_SPLIT)) == 130
    assert capsys.readouterr().err == (
        "liftune: stopped; kept: the logits of majority, tfidf, in run/logits; kept: what was worked out, in "
        "run/checkpoint; to go on: liftune tune --resume run\n"
    )
