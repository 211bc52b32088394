"""The HTTP interface over a model that is no model: what is answered, refused and counted."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from serving import PATIENCE, FakeEngine, FakeExecutor, fake_app, info
from starlette.testclient import TestClient

from liftune.errors import SpecError
from liftune.records.base import Interval
from liftune.records.calibration import Cutoff
from liftune.server.app import make_app
from liftune.server.auth import Credentials
from liftune.server.engine import Engine, ModelInfo
from liftune.server.limits import Limits, limits_of
from liftune.server.registry import ModelRegistry
from liftune.server.server import ServeOptions, check
from liftune.tasks import TaskKind

ADMIN = {"Authorization": "Bearer admin"}
SMALL = Limits(texts=3, characters=20, body_bytes=500, queue_rows=4, wait_seconds=0.0)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(fake_app(tmp_path, credentials=Credentials(admin_token="admin"), limits=SMALL)) as found:
        yield found


def refused(response: Any, status: int) -> dict[str, str]:
    """The problem of RFC 9457 that a response holds."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert sorted(problem) == ["detail", "hint", "status", "title", "type", "where"]
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert problem["title"]
    assert problem["detail"]
    return problem


def classify(client: TestClient, **body: Any) -> Any:
    return client.post("/v1/classify", json=body)


@pytest.mark.parametrize("field", ["explain", "with_base"])
def test_a_switch_is_true_or_false_and_nothing_else(client: TestClient, field: str) -> None:
    for value in ("yes", "true", 1):
        assert field in str(refused(classify(client, model="two", texts=["a"], **{field: value}), 422))


def test_a_path_of_this_machine_does_not_leave_the_server(tmp_path: Path) -> None:
    bases = {"/srv/models/bert": "bert", "google-bert/bert-base-uncased": "google-bert/bert-base-uncased"}
    for i, (base, shown) in enumerate(bases.items()):
        (tmp_path / str(i)).mkdir()

        def open_model(path: Path, use: str | None = None, base: str = base) -> tuple[Engine, ModelInfo]:
            return FakeEngine(FakeExecutor(), 2), replace(info(2), base=base)

        models = ModelRegistry(open_model)
        models.load(str(tmp_path / str(i)))
        with TestClient(make_app(models)) as asked:
            [model] = asked.get("/v1/models").json()["models"]
        assert model["base"] == shown


def test_answers_are_the_objects_of_predict(client: TestClient) -> None:
    found = classify(client, model="two", texts=["a", "ab"]).json()
    assert found["model"] == "two"
    assert [list(each) for each in found["results"]] == [["text", "label", "probabilities"]] * 2
    assert [(each["text"], each["label"]) for each in found["results"]] == [("a", "label1"), ("ab", "label0")]
    assert sum(found["results"][0]["probabilities"].values()) == pytest.approx(1)


def test_the_base_answers_beside_the_tuned_model(client: TestClient) -> None:
    (found,) = classify(client, texts=["a"], with_base=True).json()["results"]
    assert list(found["base"]) == ["label", "probabilities"]


def test_pairs_are_for_models_of_pairs(client: TestClient, tmp_path: Path) -> None:
    assert client.post("/v1/models", json={"path": str(tmp_path / "pair")}, headers=ADMIN).status_code == 201
    (found,) = classify(client, model="pair", texts=["a"], pairs=["b"]).json()["results"]
    assert (found["text"], found["text_pair"]) == ("a", "b")
    assert "pairs" in refused(classify(client, model="pair", texts=["a"]), 422)["where"]
    assert "single texts" in refused(classify(client, model="two", texts=["a"], pairs=["b"]), 422)["detail"]
    assert "2 texts" in refused(classify(client, model="pair", texts=["a", "b"], pairs=["b"]), 422)["detail"]


@pytest.mark.parametrize("text", [None, 5, True, ["a"], {"a": "b"}, "half \ud83d", "byte \udcff"])
def test_a_row_that_is_no_text_is_refused_by_its_place(text: Any, client: TestClient) -> None:
    """By the rule of every predictor (inference/rows.py)."""

    def ask(**body: Any) -> Any:  # httpx cannot send half a character
        return client.post("/v1/classify", content=json.dumps(body), headers={"Content-Type": "application/json"})

    problem = refused(ask(texts=["a", text]), 422)
    assert problem["where"] == "texts.1"
    assert problem["hint"]
    problem = refused(ask(texts=["a"], pairs=[text]), 422)
    assert problem["where"] == "pairs.0"


def test_the_model_may_be_left_out_where_there_is_one(client: TestClient, tmp_path: Path) -> None:
    assert classify(client, texts=["a"]).json()["model"] == "two"
    client.post("/v1/models", json={"path": str(tmp_path / "six")}, headers=ADMIN)
    assert "two, six" in refused(classify(client, texts=["a"]), 422)["hint"]


def test_an_unknown_model_gets_the_nearest_name(client: TestClient) -> None:
    assert "did you mean two?" in refused(classify(client, model="twoo", texts=["a"]), 404)["detail"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "texts"),
        ({"texts": []}, "texts"),
        ({"texts": "a"}, "texts"),
        ({"texts": ["a", 1]}, "texts.1"),
        ({"texts": ["a"], "txt": 1}, "txt"),
        ({"texts": ["a"], "pairs": [None]}, "pairs.0"),
        ([], "body"),
    ],
)
def test_a_question_of_another_shape_is_refused_by_its_place(body: Any, where: str, client: TestClient) -> None:
    assert refused(client.post("/v1/classify", json=body), 422)["where"] == where


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"texts": ["\\ud800"]}', b"[" * 400, b"NaN"])
def test_what_is_no_json_is_refused(body: bytes, client: TestClient) -> None:
    response = client.post("/v1/classify", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)
    assert refused(response, response.status_code)["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"abc", "application/json", "the body is not JSON: expecting value, at character 1"),
        (b'{"texts": [}', "application/json", "the body is not JSON: expecting value, at character 12"),
        (b"[1]", "application/json", "the body is not a JSON object"),
        (b'"abc"', "application/json", "the body is not a JSON object"),
        (b'{"texts": ["a"]}', "text/plain", "the body is not a JSON object"),
        (b"", "application/json", "the request has no body"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/classify"])
def test_a_body_that_is_no_object_is_said_to_be_none(
    path: str, body: bytes, kind: str, said: str, client: TestClient
) -> None:
    problem = refused(client.post(path, content=body, headers={"Content-Type": kind, **ADMIN}), 422)
    assert (problem["detail"], problem["where"]) == (said, "body")
    assert "Content-Type: application/json" in problem["hint"]
    broken = b'{"texts": ["\xff"]}'
    problem = refused(client.post(path, content=broken, headers={"Content-Type": "application/json", **ADMIN}), 400)
    assert (problem["detail"], problem["where"]) == ("the body cannot be read as JSON in UTF-8", "body")


def test_a_request_beyond_a_limit_gets_the_limit(client: TestClient) -> None:
    assert "at most 3" in refused(classify(client, texts=["a"] * 4), 413)["hint"]
    assert refused(classify(client, texts=["a", "b" * 21]), 413)["where"] == "texts.1"
    assert "body" in refused(classify(client, texts=["a" * 600]), 413)["where"]

    def parts() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 50

    assert "body" in refused(client.post("/v1/classify", content=parts()), 413)["where"]


def test_a_full_queue_is_503_and_a_slow_answer_504(tmp_path: Path) -> None:
    executor = FakeExecutor(hold=True)
    limits = Limits(queue_rows=1, batch_rows=1, wait_seconds=0, seconds=0.3)
    with TestClient(fake_app(tmp_path, executor=executor, limits=limits)) as client:
        found: list[Any] = []
        ask = [threading.Thread(target=lambda: found.append(classify(client, texts=["a"]))) for _ in range(1)]
        ask[0].start()
        assert executor.started.wait(PATIENCE)
        full = classify(client, texts=["a", "b"])
        assert int(full.headers["Retry-After"]) >= 1
        assert "queue is full" in refused(full, 503)["detail"]
        ask[0].join(PATIENCE)
        assert "within" in refused(found[0], 504)["detail"]
        executor.go.set()
        assert classify(client, texts=["a"]).status_code == 200


def test_an_unexpected_error_is_a_500(tmp_path: Path) -> None:
    with TestClient(fake_app(tmp_path), raise_server_exceptions=False) as client:
        assert "ZeroDivisionError" in refused(classify(client, texts=["defect"]), 500)["detail"]
        assert classify(client, texts=["a"]).status_code == 200


def test_models_come_and_go_behind_the_admin_token(client: TestClient, tmp_path: Path) -> None:
    path = str(tmp_path / "six")
    assert client.get("/v1/models").json()["models"][0]["name"] == "two"
    refused(client.post("/v1/models", json={"path": path}), 401)
    refused(client.post("/v1/models", json={"path": path}, headers={"Authorization": "Bearer other"}), 401)
    made = client.post("/v1/models", json={"path": path, "name": "mine"}, headers=ADMIN)
    assert (made.status_code, made.json()["name"], len(made.json()["labels"])) == (201, "mine", 6)
    assert len(classify(client, model="mine", texts=["a"]).json()["results"][0]["probabilities"]) == 6
    assert (
        "loaded already"
        in refused(client.post("/v1/models", json={"path": path, "name": "mine"}, headers=ADMIN), 409)["detail"]
    )
    again = client.post("/v1/models", json={"path": path, "name": "mine", "replace": True}, headers=ADMIN)
    assert again.status_code == 201
    assert client.delete("/v1/models", params={"name": "mine"}, headers=ADMIN).status_code == 204
    refused(classify(client, model="mine", texts=["a"]), 404)
    assert client.delete("/v1/models/two", headers=ADMIN).status_code == 204
    refused(client.delete("/v1/models/two", headers=ADMIN), 404)
    refused(client.get("/readyz"), 503)


@pytest.mark.parametrize(
    ("path", "name"),
    [("nowhere", None), ("empty", None), ("six", "a/b"), ("six", ""), ("a\0b", None), ("~nobody/x", None)],
)
def test_what_cannot_be_loaded_is_refused(path: str, name: str | None, client: TestClient, tmp_path: Path) -> None:
    folder = path if path.startswith("~") else f"{tmp_path}/{path}"
    refused(client.post("/v1/models", json={"path": folder, "name": name}, headers=ADMIN), 422)


def test_without_an_admin_token_nobody_changes_the_models(tmp_path: Path) -> None:
    with TestClient(fake_app(tmp_path)) as client:
        refused(client.post("/v1/models", json={"path": "x"}, headers=ADMIN), 403)


def test_a_token_is_asked_for_but_by_the_open_pages(tmp_path: Path) -> None:
    with TestClient(fake_app(tmp_path, credentials=Credentials("secret", "admin"))) as client:
        for path in ("/", "/docs", "/openapi.json", "/healthz", "/readyz"):
            assert client.get(path).status_code == 200
        for path in ("/v1/models", "/metrics", "/v1/models/two", "/v1/models/two/report"):
            response = client.get(path)
            refused(response, 401)
            assert response.headers["WWW-Authenticate"] == "Bearer"
        refused(classify(client, texts=["a"]), 401)
        for given in ("secret", "admin"):
            client.headers["Authorization"] = f"Bearer {given}"
            assert classify(client, texts=["a"]).status_code == 200
        client.headers["Authorization"] = "Bearer secret"
        refused(client.delete("/v1/models/two"), 401)


def test_a_local_server_answers_to_its_own_name_alone(tmp_path: Path) -> None:
    """Else a web page could reach it under a name that resolves to this machine."""
    credentials = Credentials(hosts=frozenset({"127.0.0.1", "localhost", "[::1]"}))
    with TestClient(fake_app(tmp_path, credentials=credentials)) as client:
        for host, status in (("localhost:8000", 200), ("[::1]:8000", 200), ("evil.example", 403), ("", 403)):
            assert client.get("/healthz", headers={"Host": host}).status_code == status, host


def test_tokens_are_in_no_repr() -> None:
    assert "secret" not in repr(Credentials("secret", "secret")) + repr(
        ServeOptions(["x"], token="secret", admin_token="secret")
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org"])
def test_the_network_is_served_with_a_token_or_on_purpose(host: str) -> None:
    with pytest.raises(SpecError, match="no token"):
        check(ServeOptions(["x"], host=host))
    with pytest.raises(SpecError, match="empty"):
        check(ServeOptions(["x"], host=host, token=" "))
    check(ServeOptions(["x"], host=host, token="secret"))
    check(ServeOptions(["x"], host=host, insecure=True))


def test_limits_are_set_by_name() -> None:
    assert limits_of(["texts=5", "wait_seconds=0.5"]) == Limits(texts=5, wait_seconds=0.5)
    with pytest.raises(SpecError, match="did you mean texts"):
        limits_of(["text=5"])
    for wrong in ("texts=0", "texts=1.5", "seconds=nan", "seconds=inf", "texts"):
        with pytest.raises(SpecError, match="above zero"):
            limits_of([wrong])


def test_an_unknown_page_or_method_is_a_problem_too(client: TestClient) -> None:
    assert refused(client.get("/nothing"), 404)["where"] == "GET /nothing"
    refused(client.put("/v1/classify", json={}), 405)
    refused(client.get("/v1/models/nobody"), 404)
    assert "no report" in refused(client.get("/v1/models/two/report"), 404)["detail"]


def test_metrics_count_requests_texts_and_batches(client: TestClient) -> None:
    classify(client, texts=["abc", "de"])
    classify(client, texts=[])
    client.get("/anything/at/all")
    found = client.get("/metrics").text
    for line in (
        'liftune_requests_total{route="/v1/classify",status="200"} 1.0',
        'liftune_requests_total{route="/v1/classify",status="422"} 1.0',
        'liftune_requests_total{route="other",status="404"} 1.0',
        'liftune_texts_total{model="two"} 2.0',
        "liftune_tokens_total 5.0",
        "liftune_batch_rows_sum 2.0",
        "liftune_queue_rows 0.0",
        "liftune_models 1.0",
    ):
        assert line in found.splitlines()
    assert 'liftune_request_seconds_count{route="/v1/classify"} 2.0' in found


def test_a_run_shows_its_verdict_and_report(client: TestClient, tmp_path: Path) -> None:
    assert client.get("/v1/models/two").json() == {"name": "two", "verdict": [], "report": None}
    (tmp_path / "two" / "record.json").write_text("{}", encoding="utf-8")
    (tmp_path / "two" / "report.html").write_text("<p>found</p>", encoding="utf-8")
    found = client.get("/v1/models/two").json()
    assert "cannot be read" in found["verdict"][0]
    report = client.get(found["report"])
    assert (report.text, report.headers["content-security-policy"][:7]) == ("<p>found</p>", "sandbox")


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_nothing_from_elsewhere(path: str, client: TestClient) -> None:
    response = client.get(path)
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert re.findall(r"""(?:src|href)=["']?(https?:)?//""", response.text) == []
    assert "http://" not in response.text
    assert "https://" not in response.text
    assert ".innerHTML" not in response.text


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_browser_finds_the_icon_that_it_asks_for_by_itself(path: str, client: TestClient) -> None:
    response = client.get("/favicon.ico")
    assert (response.status_code, response.headers["content-type"]) == (200, "image/svg+xml")
    assert response.text.startswith("<svg")
    assert "img-src 'self'" in client.get(path).headers["content-security-policy"]


def test_the_docs_show_every_route(client: TestClient) -> None:
    told = client.get("/docs").text
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in told


def test_the_description_gives_every_error_as_a_problem(client: TestClient) -> None:
    description = client.get("/openapi.json").json()
    assert {"title", "status", "detail", "where", "hint"} <= set(
        description["components"]["schemas"]["Problem"]["properties"]
    )
    errors = [
        response
        for methods in description["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if not status.startswith("2")
    ]
    assert len(errors) > 20
    assert {tuple(each["content"]) for each in errors} == {("application/problem+json",)}


@pytest.fixture
def deciding(tmp_path: Path) -> Iterator[TestClient]:
    """A model with a table to abstain by, and one with thresholds: each label's own."""
    sure = Cutoff(above=0.8, rows=50, share=0.5, accuracy=Interval(value=0.98, low=0.91, high=1.0))

    def open_model(path: Path) -> tuple[Engine, ModelInfo]:
        if path.name == "sure":
            return FakeEngine(FakeExecutor(), 2), replace(info(2), cutoffs=(sure,))
        many = info(2, task=TaskKind.MULTI_LABEL)
        return FakeEngine(FakeExecutor(), 2), replace(many, thresholds=(0.9, 0.4))

    models = ModelRegistry(open_model)
    for name in ("sure", "many"):
        (tmp_path / name).mkdir()
        models.load(str(tmp_path / name))
    with TestClient(make_app(models)) as found:
        yield found


def test_a_row_of_which_the_model_is_too_unsure_gets_no_label(deciding: TestClient) -> None:
    """As `predict --min-precision`: the fake's best label has 0.73."""
    (found,) = classify(deciding, model="sure", texts=["a"], min_precision=0.9).json()["results"]
    assert found["abstained"] is True
    assert found.get("label") is None
    (found,) = classify(deciding, model="sure", texts=["a"]).json()["results"]
    assert "abstained" not in found
    assert found["label"] == "label1"
    assert "0.95" in refused(classify(deciding, model="sure", texts=["a"], min_precision=0.95), 422)["detail"]
    assert refused(classify(deciding, model="sure", texts=["a"], min_precision=1.5), 422)["where"] == "min_precision"


def test_labels_are_decided_by_the_models_own_thresholds(deciding: TestClient) -> None:
    found = classify(deciding, model="many", texts=["a", "ab"]).json()["results"]
    assert [each["labels"] for each in found] == [["label1"], ["label1"]]


# Explanations ---------------------------------------------------------------------------------------------------------


def test_each_word_is_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    """The fake's label follows from a text's length, so that what each word does is known."""
    with TestClient(fake_app(tmp_path)) as client:
        found = classify(client, model="two", texts=["ab c", "d"], explain=True).json()["results"]
        plain = classify(client, model="two", texts=["ab c", "d"]).json()["results"]
    assert [{**each, "explanation": None} for each in found] == [{**each, "explanation": None} for each in plain]
    first, second = (each["explanation"] for each in found)
    assert first["unit"] == "word"
    (answer,) = first["answers"]
    assert (answer["label"], answer["probability"]) == ("label0", found[0]["probabilities"]["label0"])
    assert [(part["text"], part["start"], part["end"]) for part in answer["parts"]] == [("ab", 0, 2), ("c", 3, 4)]
    assert answer["parts"][0]["becomes"] == "label1", "'c' has an odd number of characters"
    assert answer["parts"][0]["change"] > 0
    assert answer["parts"][1]["change"] == 0
    assert [part["text"] for part in second["answers"][0]["parts"]] == ["d"]


def test_explanations_beside_the_base_model_for_pairs_and_for_another_label(tmp_path: Path) -> None:
    with TestClient(fake_app(tmp_path, credentials=Credentials(admin_token="admin"))) as client:
        client.post("/v1/models", json={"path": str(tmp_path / "pair")}, headers=ADMIN)
        (found,) = classify(
            client, model="pair", texts=["a b"], pairs=["c"], explain=True, explain_label="label2", with_base=True
        ).json()["results"]
        assert "base" in found
        (answer,) = found["explanation"]["answers"]
        assert answer["label"] == "label2"
        assert [(part["text"], part.get("of")) for part in answer["parts"]] == [
            ("a", None),
            ("b", None),
            ("c", "text_pair"),
        ]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"texts": ["a b c"], "explain": True}, 413, "takes 4 texts: each, and each without one of its words"),
        ({"texts": ["a"], "explain": True, "explain_label": "lable1"}, 422, "did you mean label1"),
        ({"texts": ["a"], "explain_label": "label1"}, 422, "nothing is to be explained"),
    ],
)
def test_what_cannot_be_explained_is_refused(client: TestClient, body: dict[str, Any], status: int, says: str) -> None:
    problem = refused(classify(client, model="two", **body), status)
    assert says in problem["detail"]
    assert problem["hint"]
