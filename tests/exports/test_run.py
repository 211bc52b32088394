"""What is exported answers as the run does, or is refused; bundles need no torch."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from safetensors import SafetensorError
from tiny_models import FAMILIES, save_tiny

import liftune
from liftune.cli.main import main
from liftune.data.batching import length_batches
from liftune.errors import ArtifactError, LiftuneError, MethodError, ModelError, SpecError
from liftune.exports import bundle as bundle_files
from liftune.exports.formats import EXPORT_FORMATS, ExportFormat, ExportJob
from liftune.exports.parity import BatchParity, Parity, Reference, SameProbabilities, compare
from liftune.exports.run import export
from liftune.hardware.plan import Plan
from liftune.inference.onnx_bundle import Bundle
from liftune.inference.opening import load_predictor
from liftune.models.adapter_io import open_adapter, save_adapter
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.methods.registry import METHODS
from liftune.models.tokens.encoder import RowEncoder
from liftune.records.base import SCHEMA
from liftune.records.training import AdapterCard
from liftune.run_folder import RunFolder
from liftune.seals import with_seal
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind, task_of

LABELS = ("anger", "joy", "love")
ODD = [
    "I could not stop smiling.", "", " ", "a", "é" * 70, "x" * 500, "[SEP] [CLS] </s> <|endoftext|>", "line\nbreak\r\n",
    "\u2028 and \x00 and \U0001f600", "Hold me. " * 9,
]  # fmt: skip
ODD_PAIRS = [(a, b) for a in ("", "short", "long " * 60) for b in ("", "kurz", "lang " * 60, "</s> <|im_end|>")]
EXPORTED = [family for family in FAMILIES if family != "xlnet"]
TASKS = {
    "single": (TaskKind.SINGLE_LABEL, LABELS, ["joy", "anger", "love", "joy", "new"]),
    "multi": (TaskKind.MULTI_LABEL, LABELS, [("joy",), (), ("anger", "love"), LABELS, ("new",)]),
    "number": (TaskKind.REGRESSION, (), [1.0, 2.0, -1.0, 0.5, 3.0]),
}


def make_run(folder: Path, family: str, *, task: str = "single", pairs: bool = False, method: str = "lora") -> Path:
    """A run folder as far as export reads it: an adapter with weights that matter, and validation rows."""
    base = save_tiny(family, folder / "base")
    kind, labels, targets = TASKS[task]
    backbone = load_backbone(ModelSpec(name=str(base), max_length=40), task=kind, labels=labels, seed=0)
    classifier = attach(backbone, METHODS[method], seed=0, total_steps=1)
    generator = np.random.default_rng(0)
    for _, parameter in classifier.trainable():
        noise = generator.normal(0, 0.1, tuple(parameter.shape)).astype(np.float32)
        parameter.data.add_(parameter.data.new_tensor(noise))
    run = folder / "run"
    save_adapter(classifier, run / "adapter", pairs=pairs)
    (run / "rows").mkdir()
    rows: list[Any] = ODD_PAIRS if pairs else ODD
    with (run / "rows" / "validation.jsonl").open("w", encoding="utf-8") as file:
        for i, row in enumerate(rows):
            texts = {"text": row[0], "text_pair": row[1]} if pairs else {"text": row}
            file.write(json.dumps({"id": f"validation:{i}", **texts, "target": targets[i % 5]}) + "\n")
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("plain"), "distilbert")


@pytest.fixture(scope="module")
def bundle(run: Path) -> Path:
    export(run, run.parent / "bundle")
    return run.parent / "bundle"


def original(run: Path, rows: list[Any]) -> Any:
    return open_adapter(run / "adapter", plan=Plan()).logits(rows)


def check_bundle(run: Path, rows: list[Any], to: Path) -> None:
    result = export(run, to, format="onnx")
    assert [each.rows_at_once for each in result.batches] == [32, 1]
    assert max(each.largest_gap for each in result.batches) <= 1e-4
    assert {each.name for each in to.iterdir()} == {
        "model.onnx", "tokenizer.json", "bundle.json", "parity.json", "README.md",
    }  # fmt: skip
    opened = load_predictor(to)
    assert isinstance(opened, Bundle)
    classifier = open_adapter(run / "adapter", plan=Plan())
    expected = RowEncoder(classifier.backbone.model, classifier.backbone.tokenizer, classifier.max_length).chunk(rows)
    ids, types, _ = opened.encode(rows)
    assert ids == [expected.row(i).ids.tolist() for i in range(len(rows))]
    if opened.card.tokens["reads_types"]:
        assert types == [expected.row(i).types.tolist() for i in range(len(rows))]
    np.testing.assert_allclose(opened.logits(rows), classifier.logits(rows), atol=1e-4)
    live = load_predictor(run).predict(rows)
    for one, other in zip(opened.predict(rows), live, strict=True):
        assert (one.label, one.labels) == (other.label, other.labels)
        assert one.row == other.row


@pytest.mark.parametrize("task", ["single", "multi", "number"])
def test_a_bundle_of_pairs_answers_as_the_run(task: str, tmp_path: Path) -> None:
    check_bundle(make_run(tmp_path, "bert", task=task, pairs=True), ODD_PAIRS, tmp_path / "to")


def test_a_bundle_of_a_model_that_reads_at_the_end_of_text_answers_as_the_run(tmp_path: Path) -> None:
    """T5 refuses a batch whose rows differ in such tokens, and a text may spell them out."""
    check_bundle(make_run(tmp_path, "t5"), ODD, tmp_path / "to")


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("family", EXPORTED)
def test_every_family_is_exported(family: str, pairs: bool, tmp_path: Path) -> None:
    check_bundle(make_run(tmp_path, family, pairs=pairs), ODD_PAIRS if pairs else ODD, tmp_path / "to")


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name in METHODS if METHODS[name].mergeable])
def test_every_method_that_claims_it_is_merged(method: str, tmp_path: Path) -> None:
    family = next(each for each in ("distilbert", "bert", "llama") if each in METHODS[method].families)
    result = export(make_run(tmp_path, family, method=method), tmp_path / "to", format="merged")
    assert result.batches[0].largest_gap <= 1e-4


FULL = "No space left on device (os error 28)"


def test_a_folder_that_none_can_take_the_place_of_is_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--to .` was a traceback; a disk that is mounted there failed when all was computed."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match="folder that you are in") as caught:
        export(run, ".", format="merged")
    assert caught.value.hint == "name a folder in it: --to export"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("saves", "error"),
    [
        (transformers.PreTrainedModel, OSError(28, "No space left on device")),
        (transformers.PreTrainedModel, SafetensorError(f"Error while serializing: I/O error: {FULL}")),
        (transformers.PreTrainedTokenizerFast, Exception(FULL)),  # as tokenizers raises it
    ],
)
def test_a_full_disk_is_named_and_leaves_nothing(
    saves: Any, error: Exception, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(saves, "save_pretrained", full)
    with pytest.raises(ArtifactError, match=r"cannot write: .*[nN]o space left on device"):
        export(run, tmp_path / "merged", format="merged")
    assert list(tmp_path.iterdir()) == []


def test_merged_weights_are_a_plain_transformers_folder(run: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    result = export(run, tmp_path / "merged", format="merged")
    assert (result.rows, result.source, result.excesses) == (len(ODD), "validation", ())
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged").eval()
    assert model.config.id2label == dict(enumerate(LABELS))
    assert model.config.problem_type == "single_label_classification"
    read = AutoTokenizer.from_pretrained(tmp_path / "merged")(ODD[0], return_tensors="pt")
    np.testing.assert_allclose(model(**read).logits.detach().numpy(), original(run, ODD[:1]), atol=1e-4)
    np.testing.assert_allclose(liftune.load(tmp_path / "merged").logits(ODD), original(run, ODD), atol=1e-4)


@pytest.mark.parametrize(
    ("family", "task", "pairs"),
    [("bert", "single", False), ("bert", "single", True), ("llama", "multi", False), ("xlnet", "number", False)],
)
def test_a_merged_folder_is_what_pipelines_and_servers_expect(
    family: str, task: str, pairs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain `pipeline(model=FOLDER)`, as its README prints it; class, labels and task in config.json, for servers."""
    run = make_run(tmp_path, family, task=task, pairs=pairs)
    export(run, tmp_path / "merged", format="merged")
    config = json.loads((tmp_path / "merged" / "config.json").read_text())
    kind, labels, _ = TASKS[task]
    assert len(config["architectures"]) == 1
    assert config["architectures"][0].endswith("ForSequenceClassification")
    assert config["id2label"] == {str(i): label for i, label in enumerate(labels or ("value",))}
    assert config["problem_type"] == task_of(kind).problem_type
    tokenizer = json.loads((tmp_path / "merged" / "tokenizer.json").read_text())
    assert tokenizer["truncation"] is None, "else servers cut at the limit of whatever was read last"
    assert {oct(each.stat().st_mode & 0o777) for each in (tmp_path / "merged").iterdir()} == {"0o644"}
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)\n```", (tmp_path / "merged" / "README.md").read_text(), re.DOTALL)
    assert code is not None
    known: dict[str, Any] = {}
    exec(code[1], known)
    found = {each["label"]: each["score"] for each in known["answers"]}
    logits = original(run, [("some text", "another text") if pairs else "some text"])
    wanted = task_of(kind).probabilities(logits) if task_of(kind).has_probabilities else logits
    np.testing.assert_allclose([found[label] for label in labels or ("value",)], wanted[0], atol=1e-5)


def test_int8_is_refused_where_too_few_rows_could_show_it_and_nothing_is_left(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="points lower") as caught:
        export(run, tmp_path / "deep" / "small", format="onnx-int8")
    assert f"{EXPORT_FORMATS['onnx-int8'].tolerance.rows_needed():,} are needed" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []
    assert main(["export", str(run), "--to", str(tmp_path / "small"), "--format", "onnx-int8", "--quiet"]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_gap_can_be_accepted_and_is_written_down(
    run: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["export", str(run), "--to", str(tmp_path / "small"), "--format", "onnx-int8", "--accept-gap", "--json"]
    assert main(argv) == 0
    printed = json.loads(capsys.readouterr().out)
    kept = json.loads((tmp_path / "small" / "parity.json").read_text(encoding="utf-8"))
    assert with_seal(printed) == kept  # the file seals itself
    assert kept["excesses"]
    assert "accepted" in (tmp_path / "small" / "README.md").read_text(encoding="utf-8")
    whole, small = (len((each / "model.onnx").read_bytes()) for each in (bundle, tmp_path / "small"))
    assert small < whole
    assert Bundle.open(tmp_path / "small").card.format == "onnx-int8"


def test_int8_passes_on_rows_enough(run: Path, tmp_path: Path) -> None:
    """Rows with the run's own answers as labels: nothing is lost but by the flips themselves."""
    rows = [f"row {i} {'word ' * (i % 5)}" for i in range(600)]
    answers = load_predictor(run).predict(rows)
    lines = (json.dumps({"text": each.row, "label": each.label}) for each in answers)
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    result = export(run, tmp_path / "small", format="onnx-int8", rows=str(tmp_path / "rows.jsonl"))
    assert [each.rows_at_once for each in result.batches] == [32, 1]
    assert result.rows == 600
    assert all(each.flipped <= 12 and each.accuracy.low > -0.01 for each in result.batches)


def test_an_export_that_answers_otherwise_is_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate looks at what was written, not at what was meant."""
    plain = bundle_files.write_merged

    def broken(classifier: Any, card: Any, folder: Path) -> None:
        classifier.backbone.model.classifier.bias.data[0] += 0.01
        plain(classifier, card, folder)

    monkeypatch.setattr(bundle_files, "write_merged", broken)
    with pytest.raises(ArtifactError, match="largest gap") as caught:
        export(run, tmp_path / "merged", format="merged")
    assert any("flipped" in note for note in caught.value.__notes__)
    assert list(tmp_path.iterdir()) == []


def parity(before: Any, after: Any, *, format: str, task: TaskKind, targets: Any) -> Parity:
    """Of an export in a format whose logits are `after`, of a run whose logits are `before`."""
    card = AdapterCard(
        liftune="0", task=task, labels=LABELS[: before.shape[1]], method="lora", base="b", base_sha256="",
        family="bert", head="fresh", max_length=8, pad_token_id=0,
    )  # fmt: skip
    reference = Reference(("x",) * len(before), targets, before, "x", card)
    return compare(reference, {1: after}, format=format, tolerance=EXPORT_FORMATS[format].tolerance)


def test_parity_counts_flips_gaps_and_accuracy() -> None:
    before = np.array([[1.0, 0.0]] * 500, dtype=np.float32)
    after = before.copy()
    after[:11] = [[0.0, 1.0]]
    kind: dict[str, Any] = {"task": TaskKind.SINGLE_LABEL, "targets": np.zeros(500, dtype=np.int64)}
    flipped = parity(before, after, format="onnx-int8", **kind)
    assert flipped.batches[0].flipped == 11
    assert flipped.batches[0].accuracy.value == pytest.approx(-11 / 500)
    assert len(flipped.excesses) == 2
    assert parity(before, before, format="onnx-int8", **kind).excesses == ()
    assert parity(before, before * np.float32("nan"), format="onnx", **kind).excesses
    assert not parity(before, before + 5, format="merged", **kind).excesses, "the same probabilities"


def test_parity_of_regressions_is_in_units_of_their_spread() -> None:
    before = np.linspace(0, 1, 50, dtype=np.float32)[:, None]
    kind: dict[str, Any] = {"task": TaskKind.REGRESSION, "targets": before[:, 0]}
    near = parity(before, before + np.float32(0.01), format="onnx-int8", **kind)
    assert near.excesses == ()
    assert parity(before, before + np.float32(0.02), format="onnx-int8", **kind).excesses
    assert parity(before, before + np.float32(0.01), format="onnx", **kind).excesses
    assert isinstance(near.batches[0], BatchParity)


def test_one_entry_makes_a_format(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`export`, its tolerance, its README and `liftune list formats` know it."""

    def write(job: ExportJob) -> Parity:
        (job.folder / "labels.txt").write_text("\n".join(job.reference.card.labels), encoding="utf-8")
        return job.compare({7: job.reference.logits + np.float32(0.01)})

    made = ExportFormat(
        "mine", "Labels alone.", write, SameProbabilities(gap=0.1), "Keep {max_length} tokens of {name}."
    )
    monkeypatch.setitem(EXPORT_FORMATS._entries, "mine", made)
    assert export(run, tmp_path / "to", format="mine").batches[0].rows_at_once == 7
    assert (tmp_path / "to" / "labels.txt").read_text(encoding="utf-8").split() == list(LABELS)
    assert "Keep 40 tokens of to." in (tmp_path / "to" / "README.md").read_text(encoding="utf-8")
    assert main(["list", "formats", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in listed] == ["merged", "onnx", "onnx-int8", "mine"]
    monkeypatch.setitem(EXPORT_FORMATS._entries, "mine", replace(made, tolerance=SameProbabilities(gap=-1.0)))
    with pytest.raises(ArtifactError, match="largest gap"):
        export(run, tmp_path / "refused", format="mine")


@pytest.mark.parametrize("format", ["merged", "onnx"])
def test_prompt_tuning_is_refused_by_name(format: str, tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="method prompt") as caught:
        export(make_run(tmp_path / "made", "bert", method="prompt"), tmp_path / "to", format=format)
    assert "lora" in str(caught.value.hint)
    assert not (tmp_path / "to").exists()


def test_xlnet_is_refused_by_name_but_merged(tmp_path: Path) -> None:
    made = make_run(tmp_path / "made", "xlnet")
    with pytest.raises(ModelError, match="xlnet"):
        export(made, tmp_path / "to", format="onnx")
    assert export(made, tmp_path / "to", format="merged").excesses == ()


def test_bad_input_is_refused(run: Path, bundle: Path, tmp_path: Path) -> None:
    for wanted, arguments in (
        (SpecError, {"format": "onxx"}),
        (ArtifactError, {"to": bundle}),
        (ArtifactError, {"run": tmp_path / "nowhere"}),
        (ArtifactError, {"run": bundle}),
        (LiftuneError, {"rows": str(tmp_path / "none.csv")}),
    ):
        with pytest.raises(wanted):
            export(**{"run": run, "to": tmp_path / "to", **arguments})
    shutil.copytree(run / "adapter", tmp_path / "alone")
    with pytest.raises(ArtifactError, match="validation rows"):
        export(tmp_path / "alone", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_damaged_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    for name, change in (
        ("model.onnx", lambda data: data[:-9] + b"123456789"),
        ("tokenizer.json", lambda data: data + b" "),
        ("bundle.json", lambda data: data.replace(b'"task"', b'"tusk"')),
        ("bundle.json", lambda data: data.replace(f'"schema": {SCHEMA}'.encode(), b'"schema": 99')),
    ):
        copy = tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(bundle, copy)
        (copy / name).write_bytes(change((copy / name).read_bytes()))
        with pytest.raises(ArtifactError):
            Bundle.open(copy)
    (copy / "model.onnx").unlink()
    shutil.copy(bundle / "bundle.json", copy)
    with pytest.raises(ArtifactError, match="missing"):
        Bundle.open(copy)


def test_what_a_bundle_cannot_do_is_refused(bundle: Path) -> None:
    for options in ({"with_base": True}, {"device": "cuda"}, {"precision": "bfloat16"}):
        with pytest.raises(SpecError):
            load_predictor(bundle, **options)
    with pytest.raises(LiftuneError, match="a pair"):
        Bundle.open(bundle).predict([("a", "b")])


def test_threads_and_batches_do_not_change_a_bundles_answers(bundle: Path) -> None:
    rows = [f"{'word ' * (i % 9)}{i}" for i in range(150)]
    one, two = Bundle.open(bundle, threads=1), Bundle.open(bundle, threads=3)
    np.testing.assert_array_equal(one.logits(rows), two.logits(rows))
    np.testing.assert_allclose(one.logits(rows), one.logits_by(rows, 1), atol=1e-5)
    batches = [batch.tolist() for batch in length_batches([3, 600, 3, 9], rows=32, tokens=512)]
    assert batches == [[1], [3, 0, 2]]
    assert one.logits([]).shape == (0, 3)


def test_a_run_answers_in_the_precision_that_is_asked_for(run: Path) -> None:
    """Rounded only when asked; merged or not, float32 is what plain PEFT gives."""
    exact = original(run, ODD)
    np.testing.assert_allclose(load_predictor(run).logits(ODD), exact, atol=1e-5)
    rounded = load_predictor(run, precision="bfloat16").logits(ODD)
    assert 0 < np.abs(rounded - exact).max() < 0.1


BLOCKED = """
import sys
from importlib.machinery import PathFinder
LIBRARIES = {"torch", "transformers", "peft", "sklearn", "pandas", "accelerate", "datasets"}
found = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in LIBRARIES else found(name, *rest)
from liftune.cli.main import main
from liftune.data.batching import length_batches
sys.exit(main(sys.argv[1:]))
"""


def test_a_bundle_needs_no_torch(bundle: Path, tmp_path: Path) -> None:
    """Texts and files, by the command line, with every library of training out of reach."""
    (tmp_path / "in.csv").write_text("text\nglad\nsad\n", encoding="utf-8")
    for argv in (["glad day", "--json"], ["--in", str(tmp_path / "in.csv"), "--out", str(tmp_path / "out.csv")]):
        done = subprocess.run(
            [sys.executable, "-c", BLOCKED, "predict", str(bundle), *argv], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert "predicted" not in (tmp_path / "out.csv").read_text(encoding="utf-8")
    assert len((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()) == 3


def test_a_run_without_torch_is_told_what_is_missing(run: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, "predict", str(run), "x"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "liftune[tune]" in done.stderr


@pytest.mark.slow
def test_a_bundle_answers_in_an_environment_without_torch(bundle: Path, tmp_path: Path) -> None:
    """The core and [runtime] alone, installed as anybody would."""
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    shutil.copytree(
        root / "src", tmp_path / "project" / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tmp_path / "project")
    asked = [python, "-m", "pip", "install", "--quiet", f"{tmp_path / 'project'}[runtime]"]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    installed = subprocess.run(asked, capture_output=True, text=True, check=False, env=variables)
    if installed.returncode:
        pytest.skip(f"pip has no index here: {installed.stderr.splitlines()[-1:]}")
    program = "import importlib.util as u; print(any(u.find_spec(m) for m in ('torch', 'transformers', 'sklearn')))"
    assert subprocess.run([python, "-c", program], capture_output=True, text=True, env=variables).stdout == "False\n"
    argv = [python, "-m", "liftune", "predict", bundle, "a glad day", "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=variables, cwd=tmp_path)
    assert json.loads(done.stdout)["text"] == "a glad day"


def test_validation_rows_are_where_export_looks_for_them(run: Path) -> None:
    assert len(RunFolder(run).split("validation")) == len(ODD)
