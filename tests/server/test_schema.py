"""Requests made up from the OpenAPI description: whatever comes, no answer is a server's error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from serving import fake_app, serving

from liftune.server.auth import Credentials
from liftune.server.limits import Limits

schemathesis = pytest.importorskip("schemathesis")
from schemathesis.checks import not_a_server_error  # noqa: E402 - only where schemathesis is
from schemathesis.generation import GenerationMode  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ADMIN = {"Authorization": "Bearer admin"}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_that_the_description_allows_or_forbids_breaks_the_server(mode, tmp_path: Path) -> None:
    app = fake_app(tmp_path, credentials=Credentials(admin_token="admin"), limits=Limits(wait_seconds=0))
    (tmp_path / "two" / "record.json").write_text("{}", encoding="utf-8")
    (tmp_path / "two" / "report.html").write_text("<p>found</p>", encoding="utf-8")
    asked = set()
    with serving(app) as address:
        schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
        for found in schema.get_all_operations():
            operation = found.ok()
            if mode is GenerationMode.NEGATIVE and not operation.body:
                continue  # any path is a name that may be asked for

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=25,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def ask(case) -> None:
                response = case.call_and_validate(headers=ADMIN, checks=CHECKS)
                asked.add((case.method, case.path, response.status_code // 100))

            ask()
    assert {("POST", "/v1/classify"), ("POST", "/v1/models")} <= {each[:2] for each in asked}
    if mode is GenerationMode.NEGATIVE:
        assert ("POST", "/v1/classify", 4) in asked
