"""Code that comes with a model runs where the user says so, and nowhere else, whatever a file says."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import transformers.dynamic_module_utils
from fastapi.testclient import TestClient
from own_code import save_marked

import liftune
from liftune.cli.main import main
from liftune.errors import ArtifactError, LiftuneError
from liftune.exports.run import export
from liftune.models.adapter_io import describe, open_adapter, save_adapter
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.frozen import save_head
from liftune.models.methods.registry import METHODS, parse_options
from liftune.records.contender import ContenderCard
from liftune.records.reading import write_sealed
from liftune.run_folder import CONTENDER_CARD, RunFolder
from liftune.seals import with_seal
from liftune.server.app import make_app
from liftune.server.auth import Credentials
from liftune.server.registry import ModelRegistry
from liftune.server.server import ServeOptions, model_opener
from liftune.spec import ModelSpec, RunSpec
from liftune.tasks import TaskKind
from liftune.workflows.asked import Request
from liftune.workflows.tune import again

LABELS = ("anger", "joy")


@dataclass(frozen=True)
class Place:
    """Models that need code, made where it was allowed; the trace that the code leaves."""

    base: Path
    lora: Path
    full: Path
    kept: Path
    known: Path
    data: Path
    trace: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("own_code")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(root / "modules"))
        trace = root / "trace"
        base = save_marked(root / "marked", trace)
        known = save_marked(root / "known", trace, known_type=True)
        spec = ModelSpec(name=str(base), trust_remote_code=True)
        for method in ("lora", "full"):
            backbone = load_backbone(spec, task=TaskKind.SINGLE_LABEL, labels=LABELS, seed=0)
            found = METHODS[method]
            raw = {"target_modules": "q_lin"} if method == "lora" else {}
            save_adapter(attach(backbone, found, parse_options(found, raw)), root / method)
        plain = attach(load_backbone(spec, task=TaskKind.SINGLE_LABEL, labels=LABELS, seed=0), None)
        kept = root / "kept"
        kept.mkdir()
        save_head(plain, kept)
        card = ContenderCard(
            liftune="0",
            name="base",
            task=TaskKind.SINGLE_LABEL,
            labels=LABELS,
            base=describe(plain, "base", pairs=False),
        )
        write_sealed(kept / CONTENDER_CARD, card)
        data = root / "data.csv"
        lines = [f"{'sunny' if i % 2 else 'GRRR'} {i},{LABELS[i % 2]}" for i in range(40)]
        data.write_text("\n".join(("text,label", *lines)) + "\n")
        assert trace.exists(), "the models of this test run their code where they may"
        yield Place(base, root / "lora", root / "full", kept, known, data, trace)


@pytest.fixture
def place(made: Place) -> Place:
    made.trace.unlink(missing_ok=True)
    return made


def called(*argv: str) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(argv))
    return code, err.getvalue()


def refused(place: Place, door: Callable[[], object]) -> LiftuneError:
    """What the door says; no line of the model's code has run."""
    with pytest.raises(LiftuneError) as error:
        door()
    assert not place.trace.exists()
    assert "code of its own" in error.value.message
    assert error.value.hint is not None
    assert re.search(r"--trust-remote-code|trust_remote_code=True", error.value.hint)
    return error.value


@pytest.mark.parametrize("model", ["lora", "full", "kept"])
def test_a_card_that_says_it_needs_code_does_not_allow_it(model: str, place: Place, tmp_path: Path) -> None:
    """Whoever wrote the code wrote the card too."""
    folder: Path = getattr(place, model)
    card = str(folder / ("contender.json" if model == "kept" else "liftune.json"))
    doors: list[Callable[[], object]] = [
        lambda: liftune.load(folder),
        lambda: liftune.load(folder, with_base=True),
        lambda: liftune.evaluate(str(place.data), model=folder),
        lambda: export(str(folder), tmp_path / "out", format="merged", rows=str(place.data)),
        lambda: model_opener(ServeOptions((str(folder),), trust_remote_code=True), 512)(folder),
    ]
    for door in doors:
        assert card in (refused(place, door).where or "")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("model", ["lora", "full", "kept"])
def test_with_the_option_every_door_opens(model: str, place: Place, tmp_path: Path) -> None:
    folder: Path = getattr(place, model)
    assert liftune.load(folder, trust_remote_code=True).predict("some text")
    assert place.trace.exists()
    assert liftune.evaluate(str(place.data), model=folder, trust_remote_code=True).contenders
    export(str(folder), tmp_path / "out", format="merged", rows=str(place.data), trust_remote_code=True)
    place.trace.unlink()
    refused(place, lambda: liftune.load(tmp_path / "out"))


@pytest.mark.parametrize("model", ["base", "known"])
def test_a_pretrained_folder_runs_no_code_unless_it_is_allowed(model: str, place: Place, tmp_path: Path) -> None:
    """A folder whose type transformers knows is loaded by its class there; the other is refused by name."""
    folder = str(getattr(place, model))
    out = str(tmp_path / "run")
    for argv in (
        ("evaluate", str(place.data), "--model", folder),
        ("doctor", str(place.data), "--model", folder),
        ("inspect", str(place.data), "--model", folder),
        ("tune", str(place.data), "--model", folder, "--epochs", "1", "--out", out),
        ("sweep", str(place.data), "--models", folder, "--methods", "lora", "--out", out),
    ):
        if model == "known" and argv[0] in ("tune", "sweep"):
            continue  # they would tune it, by transformers' own class
        code, said = called(*argv)
        assert not place.trace.exists(), argv
        if model == "base" and argv[0] != "inspect":  # which reads tokenizer.json alone
            assert (code, "config.json: auto_map" in said, "--trust-remote-code" in said) == (2, True, True), said


def test_the_server_runs_code_of_what_it_was_started_with_and_never_of_what_it_is_sent(place: Place) -> None:
    opener = model_opener(ServeOptions((), trust_remote_code=True), 512)
    models = ModelRegistry(opener)
    with TestClient(make_app(models, credentials=Credentials(None, None, None))) as client:
        for extra in ({}, {"trust_remote_code": True}):
            answer = client.post("/v1/models", json={"path": str(place.full), **extra})
            assert answer.status_code >= 400
            assert not place.trace.exists()
    named = models.load(
        str(place.lora), "mine", open_model=lambda path, use=None: opener(path, use, trust_remote_code=True)
    )
    assert place.trace.exists()
    assert named.engine.base(), "its base may run the code too"


def test_the_option_adds_no_code_to_a_model_that_was_tuned_without(place: Place, tmp_path: Path) -> None:
    """A config that came to ask for code later is no reason to run it."""
    folder = tmp_path / "full"
    shutil.copytree(place.full, folder)
    card = json.loads((folder / "liftune.json").read_text())
    card["trust_remote_code"] = False
    (folder / "liftune.json").write_text(json.dumps(with_seal(card)))
    with pytest.raises(LiftuneError):
        open_adapter(folder, trust_remote_code=True)
    assert not place.trace.exists()


def test_a_damaged_folder_that_may_run_code_is_still_called_damaged(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    shutil.copytree(place.full, folder)
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(ArtifactError, match="damaged"):
        open_adapter(folder, trust_remote_code=True)


def test_an_unfinished_run_does_not_allow_code_to_whoever_goes_on_with_it(place: Place, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    asked = RunSpec.of(data=str(place.data), model=str(place.base), trust_remote_code=True)
    folder.unfinished.folder.mkdir(parents=True)
    Request.of(asked, "rows").save(folder.unfinished)
    error = refused(place, lambda: again(str(folder.path)))
    assert "request.json: trust_remote_code" in (error.where or "")
    assert called("tune", "--resume", str(folder.path))[0] == 2
    assert not place.trace.exists()
    assert again(str(folder.path), RunSpec.of(trust_remote_code=True)).model.trust_remote_code
