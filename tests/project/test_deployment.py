"""What the guide gives to those who deploy: Kubernetes takes the manifest, which asks for what liftune has."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from jsonschema import Draft202012Validator

from liftune.cli.main import app
from liftune.server.auth import OPEN
from liftune.server.limits import Limits

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "examples" / "kubernetes.yaml"
#: Kubernetes' own definitions, strict: a field that there is not is an error.
DEFINITIONS = json.loads((ROOT / "tests/fixtures/kubernetes/definitions.json").read_text(encoding="utf-8"))
KINDS = {"Deployment": "io.k8s.api.apps.v1.Deployment", "Service": "io.k8s.api.core.v1.Service"}


def documents() -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8"))}


def faults(document: dict[str, Any]) -> list[str]:
    schema = {**DEFINITIONS, "$ref": f"#/$defs/{KINDS[document['kind']]}"}
    return [f"{each.json_path}: {each.message}" for each in Draft202012Validator(schema).iter_errors(document)]


def pod() -> dict[str, Any]:
    found: dict[str, Any] = documents()["Deployment"]["spec"]["template"]["spec"]
    return found


def test_the_manifest_is_one_that_kubernetes_takes() -> None:
    assert set(documents()) == set(KINDS)
    assert [faults(each) for each in documents().values()] == [[], []]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda pod: pod["containers"][0].update(readynessProbe={}),
        lambda pod: pod["containers"][0]["readinessProbe"].update(periodSeconds="often"),
        lambda pod: pod["containers"][0]["resources"].update(limit={"cpu": "1"}),
        lambda pod: pod["containers"][0].pop("name"),
    ],
)
def test_the_check_finds_what_is_wrong(spoil: Any) -> None:
    spoilt = copy.deepcopy(documents()["Deployment"])
    spoil(spoilt["spec"]["template"]["spec"])
    assert faults(spoilt)


def test_the_manifest_asks_for_what_liftune_has() -> None:
    (container,) = pod()["containers"]
    options = {name: each for each in typer.main.get_command(app).commands["serve"].params for name in each.opts}
    assert {each for each in container["args"] if each.startswith("--")} <= set(options)
    assert {"LIFTUNE_TOKEN", "OMP_NUM_THREADS"} == {each["name"] for each in container["env"]}
    probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    assert {each["path"] for each in probes} <= OPEN, "they send no token"
    (port,) = container["ports"]
    assert f"EXPOSE {port['containerPort']}\n" in (ROOT / "Containerfile").read_text(encoding="utf-8")
    assert {each["port"] for each in probes} == {port["name"]}
    (service,) = documents()["Service"]["spec"]["ports"]
    assert service["targetPort"] == port["name"]


def test_a_pod_has_the_time_to_answer_what_it_took() -> None:
    pause = pod()["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod()["terminationGracePeriodSeconds"] >= pause + Limits().seconds + 15


def test_labels_volumes_and_threads_fit_together() -> None:
    deployment, (container,) = documents()["Deployment"], pod()["containers"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels == documents()["Service"]["spec"]["selector"]
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod()["volumes"]}
    threads = {each["name"]: each.get("value") for each in container["env"]}["OMP_NUM_THREADS"]
    assert threads == container["resources"]["limits"]["cpu"]


def test_times_and_sizes_of_the_nginx_example_are_those_of_the_limits() -> None:
    page = (ROOT / "docs/guide/serving.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```nginx\n(.*?)^```$", page, re.M | re.S)
    (body,), (seconds,) = re.findall(r"client_max_body_size (\d+)m;", block), re.findall(r"read_timeout (\d+)s;", block)
    assert int(body) * 2**20 == Limits().body_bytes
    assert int(seconds) > Limits().seconds
    assert f"after {Limits().idle_seconds:g} (idle_seconds)" in block
    assert block.count("{") == block.count("}")
