"""A pushed model opens again by its id and answers alike; nothing of the data goes with it; faults are in words."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from fake_hub import FakeHub, fake_hub
from huggingface_hub import ModelCard, constants
from made_runs import made_run
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.errors import ArtifactError, LiftuneError, SpecError
from liftune.exports.licenses import terms_of
from liftune.exports.push import push
from liftune.models import hub as reading
from liftune.models.adapter_io import save_adapter
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.methods.registry import METHODS
from liftune.run_folder import RunFolder
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

ROWS = ["some text", "another one", ""]
SECRET = "zanzibar"
BASE, MINE = "someone/base", "someone/mine"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    monkeypatch.setattr(reading, "_FETCHED", {})
    monkeypatch.chdir(tmp_path)
    with fake_hub(monkeypatch, tmp_path / "cache") as server:
        yield server


def run_of(hub: FakeHub | None, folder: Path, *, licence: str | None = "apache-2.0", method: str = "lora") -> Path:
    """A run whose texts are marked, on a base that the hub has; without a hub on a local one."""
    base = save_tiny("bert", folder / "base")
    name = str(base)
    if hub is not None:
        hub.add(BASE, base)
        name = BASE
    labels = ("anger", "joy", "love")
    backbone = load_backbone(ModelSpec(name=name), task=TaskKind.SINGLE_LABEL, labels=labels, seed=0)
    classifier = attach(backbone, METHODS[method], seed=0, total_steps=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, parameter in classifier.trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    save_adapter(classifier, folder / "run" / "adapter")
    texts = (f"{SECRET} one", f"{SECRET} two and more", f"{SECRET} three")
    made_run(
        folder / "run", labels=labels, texts=texts, base_license=licence, base_model=name if hub is not None else ""
    )
    return folder / "run"


def contents(hub: FakeHub, name: str = MINE) -> dict[str, bytes]:
    return hub.repositories[name].files


def test_an_adapter_that_was_pushed_opens_by_its_id(hub: FakeHub, tmp_path: Path) -> None:
    run = run_of(hub, tmp_path)
    pushed = liftune.push(run, MINE)
    assert hub.repositories[MINE].private
    assert len(hub.repositories[MINE].commits) == 2, "the making of it, and one commit"
    assert (pushed.commit, pushed.url) == (hub.repositories[MINE].head, f"{hub.endpoint}/{MINE}")
    assert {"adapter_model.safetensors", "liftune.json", "tokenizer.json", "README.md"} <= set(contents(hub))
    expected = liftune.load(run).logits(ROWS)
    np.testing.assert_array_equal(liftune.load(MINE).logits(ROWS), expected)
    np.testing.assert_array_equal(liftune.load(f"{MINE}@{pushed.commit}").logits(ROWS), expected)


@pytest.mark.parametrize("format", ["merged", pytest.param("bundle", marks=pytest.mark.slow)])
def test_a_whole_model_that_was_pushed_opens_by_its_id(format: str, hub: FakeHub, tmp_path: Path) -> None:
    """Its base is a folder that nobody else has, and its path is not told."""
    run = run_of(None, tmp_path)
    liftune.push(run, MINE, format=format)
    assert str(tmp_path).encode() not in b"".join(contents(hub).values())
    np.testing.assert_allclose(liftune.load(MINE).logits(ROWS), liftune.load(run).logits(ROWS), atol=1e-3)
    assert ModelCard(contents(hub)["README.md"].decode()).data.library_name == (
        "transformers" if format == "merged" else "onnx"
    )


def test_a_fully_tuned_model_is_pushed_without_its_bases_path(hub: FakeHub, tmp_path: Path) -> None:
    run = run_of(None, tmp_path, method="full")
    liftune.push(run, MINE)
    assert str(tmp_path).encode() not in b"".join(contents(hub).values())
    np.testing.assert_array_equal(liftune.load(MINE).logits(ROWS), liftune.load(run).logits(ROWS))


def test_what_was_pushed_is_used_from_the_command_line(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(hub, tmp_path)
    assert main(["push", str(run), MINE, "--quiet"]) == 0
    assert f'liftune predict {MINE} "some text"' in capsys.readouterr().out
    answers = []
    for name in (str(run), MINE):
        assert main(["predict", name, "some text", "--json"]) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1]
    with pytest.raises(LiftuneError, match=f"{MINE} is a tuned model by itself, not a pretrained model"):
        load_backbone(ModelSpec(name=MINE), task=TaskKind.SINGLE_LABEL, labels=("a", "b"), seed=0)
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\n" + "".join(f"a text {i},{each}\n" for i, each in enumerate(["joy", "love"] * 5)))
    assert main(["evaluate", str(rows), "--model", MINE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["contenders"][0]["name"] == "mine"
    assert main(["export", MINE, "--to", "merged", "--format", "merged", "--rows", str(rows)]) == 0
    np.testing.assert_allclose(liftune.load("merged").logits(ROWS), liftune.load(run).logits(ROWS), atol=1e-4)


@pytest.mark.parametrize("format", ["adapter", "merged"])
def test_nothing_of_the_data_or_of_this_machine_is_sent(format: str, hub: FakeHub, tmp_path: Path) -> None:
    run = run_of(hub, tmp_path)
    (run / "adapter" / "notes.txt").write_text(SECRET)  # by hand, and sealed by nobody
    (run / "report.html").write_text(SECRET)
    push(run, MINE, format=format)
    sent = b"".join([*hub.sent, *contents(hub).values()])
    sent += b"".join(base64.b64decode(each) for each in re.findall(rb'"content":"([A-Za-z0-9+/=]+)"', sent))
    assert SECRET.encode() not in sent
    assert str(tmp_path).encode() not in sent
    assert b"joy" in sent, "labels stay"


def test_a_dry_run_lists_the_files_and_sends_nothing(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(hub, tmp_path, licence=None)
    hub.requests.clear()
    assert main(["push", str(run), MINE, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert [each for each in hub.requests if not each.startswith("GET /api/models/someone/base")] == []
    assert "nothing was sent" in shown
    assert "adapter_model.safetensors  " in shown
    assert "licence is unknown" in shown
    assert "library_name" in shown


def test_the_card_has_scores_with_their_intervals(hub: FakeHub, tmp_path: Path) -> None:
    run = run_of(hub, tmp_path)
    push(run, MINE)
    card = contents(hub)["README.md"].decode()
    front = yaml.safe_load(re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)[1])  # type: ignore[index]
    assert (front["base_model"], front["license"], front["library_name"]) == (BASE, "apache-2.0", "peft")
    (metric,) = front["model-index"][0]["results"][0]["metrics"]
    score = RunFolder(run).record().contenders[-1].metrics["accuracy"]
    assert metric["args"]["low"] == pytest.approx(score.low, abs=1e-6)
    assert metric["args"]["high"] == pytest.approx(score.high, abs=1e-6)
    assert ModelCard(card).data.eval_results[0].metric_value == pytest.approx(score.value, abs=1e-6)
    assert f"liftune predict {MINE}" in card
    assert f'model="{MINE}"' in card


def test_a_later_push_replaces_all_of_the_earlier(hub: FakeHub, tmp_path: Path) -> None:
    run = run_of(hub, tmp_path)
    push(run, MINE)
    push(run, MINE, format="merged")
    assert len(hub.repositories[MINE].commits) == 3
    assert "adapter_config.json" not in contents(hub)
    assert {"config.json", "model.safetensors", ".gitattributes"} <= set(contents(hub))
    np.testing.assert_allclose(liftune.load(MINE).logits(ROWS), liftune.load(run).logits(ROWS), atol=1e-4)


def test_a_repository_of_other_things_is_left_alone(hub: FakeHub, tmp_path: Path) -> None:
    run = run_of(hub, tmp_path)
    before = dict(hub.repositories[BASE].files)
    with pytest.raises(ArtifactError, match="holds something that liftune did not push"):
        push(run, BASE, public=True)
    assert hub.repositories[BASE].files == before


def test_who_sees_a_repository_is_never_changed(hub: FakeHub, tmp_path: Path) -> None:
    run = run_of(hub, tmp_path)
    push(run, MINE, public=True)
    assert not hub.repositories[MINE].private
    with pytest.raises(ArtifactError, match="is public, and a push is private") as caught:
        push(run, MINE)
    assert "--public" in str(caught.value.hint)
    push(run, "someone/other")
    with pytest.raises(ArtifactError, match="is private, and stays so"):
        push(run, "someone/other", public=True)
    assert len(hub.repositories["someone/other"].commits) == 2


@pytest.mark.parametrize(
    ("licence", "said"),
    [(None, "unknown"), ("cc-by-nd-4.0", "forbids"), ("llama3", "terms of its own")],
)
def test_a_licence_in_the_way_is_said_and_the_user_goes_on(
    licence: str | None, said: str, hub: FakeHub, tmp_path: Path
) -> None:
    run = run_of(hub, tmp_path, licence=licence)
    with pytest.raises(ArtifactError, match=said) as caught:
        push(run, MINE)
    assert "--accept-license" in str(caught.value.hint)
    assert MINE not in hub.repositories
    assert said in push(run, MINE, accept_license=True).terms


def test_the_licence_is_read_off_the_bases_card_on_the_hub(hub: FakeHub, tmp_path: Path) -> None:
    """Tuning loads no card of a model."""
    run = run_of(hub, tmp_path, licence=None)
    repository = hub.repositories[BASE]
    repository.commit({**repository.files, "README.md": b"---\nlicense: mit\n---\n# Base\n"})
    assert push(run, MINE).license == "mit"
    assert ModelCard(contents(hub)["README.md"].decode()).data.license == "mit"


def test_licences_are_known_by_their_names() -> None:
    for name in ("apache-2.0", "mit", "cc-by-4.0", "cc-by-sa-4.0", "gpl-3.0", "openrail", "cc-by-nc-4.0", "MIT"):
        assert terms_of(name).allowed, name
    assert "commercial" in terms_of("cc-by-nc-4.0").said
    for name in ("cc-by-nc-nd-4.0", "other", "gemma", "", None):
        assert not terms_of(name).allowed, name


def _no_token(hub: FakeHub, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("HF_TOKEN")
    patch.setattr(constants, "HF_TOKEN_PATH", "nowhere")


def _wrong_token(hub: FakeHub, patch: pytest.MonkeyPatch) -> None:
    hub.token = "another"


def _reads_only(hub: FakeHub, patch: pytest.MonkeyPatch) -> None:
    hub.read_only = True


def _failing(path: str, status: int) -> Callable[[FakeHub, pytest.MonkeyPatch], None]:
    def fail(hub: FakeHub, patch: pytest.MonkeyPatch) -> None:
        hub.failing[path] = status

    return fail


def _gone(hub: FakeHub, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


def _offline(hub: FakeHub, patch: pytest.MonkeyPatch) -> None:
    patch.setattr("liftune.exports.push.hub_is_reachable", lambda: False)


@pytest.mark.parametrize(
    ("what", "said", "hint"),
    [
        (_no_token, "no token", "hf auth login"),
        (_wrong_token, "does not take the token", "hf auth login"),
        (_reads_only, "may not write to someone", "write access"),
        (_failing("/commit/", 409), "changed by somebody else", "again"),
        (_failing("/commit/", 412), "changed by somebody else", "again"),
        (_failing("/commit/", 400), "status 400", "again"),
        (_failing("whoami", 429), "no more requests", "wait"),
        (_gone, "cannot be reached", "network"),
        (_offline, "cannot be reached", "HF_HUB_OFFLINE"),
    ],
)
def test_what_the_hub_refuses_is_said_with_what_to_do(
    what: Callable[[FakeHub, pytest.MonkeyPatch], None],
    said: str,
    hint: str,
    hub: FakeHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = run_of(hub, tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 1)
    what(hub, monkeypatch)
    with pytest.raises(ArtifactError, match=said) as caught:
        push(run, MINE)
    assert hint in str(caught.value.hint)
    made = hub.repositories.get(MINE)
    assert made is None or set(made.files) == {".gitattributes"}, "nothing half"


@pytest.mark.parametrize("name", ["name", "a/b/c", "someone/..", "some one/x", "/x", "someone/x.git", ""])
def test_a_name_that_no_repository_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no name of a repository"):
        push(tmp_path, name)


def test_an_adapter_whose_base_nobody_else_has_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    run = run_of(None, tmp_path)
    with pytest.raises(ArtifactError, match="which nobody else has") as caught:
        push(run, MINE)
    assert "--format merged" in str(caught.value.hint)
    assert hub.repositories == {}


def test_bad_input_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    run = run_of(hub, tmp_path)
    with pytest.raises(SpecError, match="unknown format 'adaptor', did you mean adapter"):
        push(run, MINE, format="adaptor")
    with pytest.raises(ArtifactError, match="no run folder"):
        push(tmp_path / "nowhere", MINE)
    (run / "adapter" / "tokenizer.json").write_text("{}")
    with pytest.raises(ArtifactError, match="not the file that was written"):
        push(run, MINE)
    assert MINE not in hub.repositories


def test_what_came_from_the_hub_is_held_against_its_seals(hub: FakeHub, tmp_path: Path) -> None:
    run = run_of(hub, tmp_path)
    push(run, MINE)
    repository = hub.repositories[MINE]
    name = "adapter_model.safetensors"
    repository.commit({**repository.files, name: repository.files[name][:-1] + b"\x7f"})
    with pytest.raises(LiftuneError, match="not the file that was written"):
        liftune.load(MINE)


def test_code_is_never_fetched(hub: FakeHub, tmp_path: Path) -> None:
    run = run_of(hub, tmp_path)
    push(run, MINE)
    repository = hub.repositories[MINE]
    repository.commit({**repository.files, "evil.py": b"1", "pytorch_model.bin": b"1", "training_args.bin": b"1"})
    hub.requests.clear()
    liftune.load(MINE)
    assert not [each for each in hub.requests if each.endswith((".py", ".bin"))]


def test_a_folder_here_comes_first_and_a_plain_model_stays_one(hub: FakeHub, tmp_path: Path) -> None:
    run = run_of(hub, tmp_path)
    with pytest.raises(LiftuneError, match="is a pretrained model, not a run"):
        liftune.load(BASE)
    for name, said in (("someone/nothing", "no repository of that name"), (f"{BASE}@v9", "no such revision")):
        with pytest.raises(LiftuneError, match=said):
            liftune.load(name)
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\n" + "".join(f"a text {i},{each}\n" for i, each in enumerate(["joy", "love"] * 5)))
    assert liftune.evaluate(rows, model=BASE).contenders[0].head == "fresh"
    (tmp_path / "someone").mkdir()
    run.rename(tmp_path / "someone" / "mine")
    hub.requests.clear()
    assert reading.repository_of(MINE) is None
    assert len(liftune.load(MINE).logits(ROWS)) == 3
    assert not [each for each in hub.requests if MINE in each]


def test_without_a_network_what_was_fetched_before_opens(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(hub, tmp_path)
    push(run, MINE)
    expected = liftune.load(MINE).logits(ROWS)
    reading._FETCHED.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for place in ("liftune.models.hub.hub_is_reachable", "liftune.models.checkpoint.hub_is_reachable"):
        monkeypatch.setattr(place, lambda: False)
    np.testing.assert_array_equal(liftune.load(MINE).logits(ROWS), expected)
    with pytest.raises(LiftuneError, match="and the hub cannot be reached"):
        liftune.load("someone/else")


def test_a_hub_that_fails_is_no_reason_not_to_use_what_was_fetched(hub: FakeHub, tmp_path: Path) -> None:
    push(run_of(hub, tmp_path), MINE)
    expected = liftune.load(MINE).logits(ROWS)
    reading._FETCHED.clear()
    hub.failing["/api/models/"] = 503
    np.testing.assert_array_equal(liftune.load(MINE).logits(ROWS), expected)


def test_an_adapter_of_plain_peft_on_the_hub_opens(hub: FakeHub, tmp_path: Path) -> None:
    run = run_of(hub, tmp_path)
    (run / "adapter" / "liftune.json").unlink()
    (run / "adapter" / "README.md").write_text('---\nlibrary_name: "peft"\ntags: ["liftune", "lora"]\n---\n')
    with pytest.raises(LiftuneError, match=r"liftune\.json is missing"):
        liftune.load(shutil.copytree(run / "adapter", tmp_path / "alone"))
    (run / "adapter" / "README.md").unlink()
    hub.add("someone/plain", run / "adapter")
    assert reading.find_on_hub("someone/plain").folder is not None


def test_the_server_takes_ids_on_its_command_line_alone(hub: FakeHub, tmp_path: Path) -> None:
    from liftune.server.registry import ModelRegistry

    run = run_of(hub, tmp_path)
    push(run, MINE)
    hub.requests.clear()

    def opener(*_: Any, **__: Any) -> Any:
        raise AssertionError("nothing is opened")

    with pytest.raises(LiftuneError, match="no run folder"):
        ModelRegistry(opener).load(MINE)
    assert hub.requests == []
