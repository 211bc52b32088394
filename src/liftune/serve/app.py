"""The HTTP interface: routes, each a few lines over the catalogue and the batcher.

In: a catalogue, keys, limits.  Out: an ASGI app.
Not here: who may come in (gate.py), which rows go together (waiting.py), the server's process (server.py).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from numpy.typing import NDArray
from starlette.responses import Response

from liftune import __version__
from liftune.errors import ArtifactError
from liftune.evaluation.selective import cutoff_for
from liftune.inference.prediction import Prediction, predictions_of_logits
from liftune.serve import errors as refusals
from liftune.serve import pages as page
from liftune.serve.auth import AuthMiddleware, Credentials
from liftune.serve.batcher import DynamicBatcher
from liftune.serve.engine import Engine, ServedModel
from liftune.serve.errors import Refused
from liftune.serve.limits import Limits
from liftune.serve.metrics import ServerMetrics
from liftune.serve.registry import ModelRegistry
from liftune.serve.run_info import report_of, run_info
from liftune.serve.schemas import ClassifyRequest, ClassifyResponse, Health, Load, ModelFacts, Models, Refusal, RunInfo
from liftune.serve.validation import rows_of
from liftune.types import Row

#: Characters of a request that are tokenised at once, while others wait; more go to a thread.
_AT_ONCE = 20_000
_WRONG: dict[int | str, dict[str, Any]] = {
    401: {"model": Refusal, "description": "A token is needed."},
    403: {"model": Refusal, "description": "Not from there, or not without an admin token."},
    422: {"model": Refusal, "description": "What was sent cannot be used."},
    "4XX": {"model": Refusal, "description": "What was sent cannot be used."},
    "5XX": {"model": Refusal, "description": "Not now: the queue is full (503), or it took too long (504)."},
}


def make_app(catalogue: ModelRegistry, *, keys: Credentials | None = None, limits: Limits | None = None) -> FastAPI:
    """The app; its batcher runs for as long as the app does."""
    limits, watch = limits or Limits(), ServerMetrics()
    batcher: list[DynamicBatcher] = []

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        batcher[:] = [DynamicBatcher(limits, seen=watch.batch)]
        batcher[0].start()
        yield
        await batcher[0].close()

    app = FastAPI(
        title="liftune",
        version=__version__,
        description="Texts classified by tuned models. Errors hold what went wrong, where, and how to fix it.",
        docs_url=None,
        redoc_url=None,
        lifespan=running,
        responses=_WRONG,
    )
    refusals.install(app)
    watch.depth(lambda: batcher[0].waiting.rows if batcher else 0, lambda: len(catalogue))
    app.add_middleware(AuthMiddleware, keys=keys or Credentials(), limits=limits, count=watch.request)
    _answering(app, catalogue, batcher, limits, watch)
    _models(app, catalogue, watch)
    _around(app, catalogue, batcher, watch)
    return app


def _answering(
    app: FastAPI, catalogue: ModelRegistry, batcher: list[DynamicBatcher], limits: Limits, watch: ServerMetrics
) -> None:
    @app.post("/v1/classify", response_model=ClassifyResponse, response_model_exclude_none=True)
    async def classify(question: ClassifyRequest, request: Request) -> Response:
        """Answer texts with a model."""
        loaded = catalogue.find(question.model)
        rows = rows_of(question, loaded, limits)
        asked, facts = question.min_precision, loaded.facts
        above = None if asked is None else cutoff_for(facts.cutoffs, asked).above

        def tuned_answers(logits: NDArray[np.float32]) -> list[Prediction]:
            return predictions_of_logits(
                rows, logits, labels=facts.labels, task=facts.task, thresholds=facts.thresholds, above=above
            )

        async def both() -> list[Prediction]:
            if not question.with_base:
                return tuned_answers(await _logits(loaded.engine, rows, batcher[0]))
            base = await asyncio.to_thread(loaded.engine.base)
            tuned, plain = await asyncio.gather(
                _logits(loaded.engine, rows, batcher[0]), _logits(base, rows, batcher[0])
            )
            bases = predictions_of_logits(
                rows, plain, labels=facts.labels, task=facts.task, thresholds=facts.base_thresholds
            )
            return [replace(each, base=other) for each, other in zip(tuned_answers(tuned), bases, strict=True)]

        answers = await _in_time(both(), request, limits.seconds)
        watch.texts(loaded.name, len(rows))
        return _json({"model": loaded.name, "results": [each.to_json() for each in answers]})


async def _logits(engine: Engine, rows: list[Row], batcher: DynamicBatcher) -> NDArray[np.float32]:
    """(N, C) of one engine; rows of the same lane, of whatever request, are computed together."""
    long = sum(map(len, rows)) > _AT_ONCE
    works = await asyncio.to_thread(engine.prepare, rows) if long else engine.prepare(rows)
    return np.stack(await batcher.ask(engine.lane, works))


async def _in_time(
    answering: Coroutine[Any, Any, list[Prediction]], request: Request, seconds: float
) -> list[Prediction]:
    """The answers, unless they take too long or nobody waits for them any more; then their rows leave the queue."""
    work, gone = asyncio.ensure_future(answering), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({work, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        if gone.done():
            raise Refused(499, "whoever asked has gone")
        raise Refused(
            504, f"no answer within {seconds:g} seconds", hint="send fewer texts at a time, or ask again later"
        )
    finally:
        work.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _models(app: FastAPI, catalogue: ModelRegistry, watch: ServerMetrics) -> None:
    @app.get("/v1/models", response_model=Models)
    async def models() -> Models:
        """All models that are served."""
        return Models(models=[_facts(each) for each in catalogue])

    @app.post("/v1/models", response_model=ModelFacts, status_code=201)
    async def load(asked: Load) -> ModelFacts:
        """Load a model while others go on answering; needs the admin token."""
        return _facts(await asyncio.to_thread(catalogue.load, asked.path, asked.name, replace=asked.replace))

    @app.delete("/v1/models", status_code=204)
    async def unload_named(name: str) -> None:
        """Unload a model; requests that it was asked before are still answered. Needs the admin token."""
        catalogue.unload(name)
        watch.forget(name)

    @app.delete("/v1/models/{name}", status_code=204)
    async def unload(name: str) -> None:
        """The same, by the model's path."""
        catalogue.unload(name)
        watch.forget(name)

    @app.get("/v1/models/{name}", response_model=RunInfo)
    async def found(name: str) -> RunInfo:
        """The verdict of the run that a model came from."""
        loaded = catalogue.find(name)
        return await asyncio.to_thread(run_info, loaded)

    @app.get("/v1/models/{name}/report", responses={200: {"content": {"text/html": {}}}})
    async def report(name: str) -> Response:
        """The report of the run that a model came from."""
        path = report_of(catalogue.find(name))
        if path is None:
            raise Refused(404, "no report was written for this model", where="name", hint="liftune report RUN --out")
        try:
            text = await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise ArtifactError(f"cannot read the report: {error.strerror}", where=path.name) from None
        return Response(text, media_type="text/html", headers=page.REPORT_HEADERS)


def _around(app: FastAPI, catalogue: ModelRegistry, batcher: list[DynamicBatcher], watch: ServerMetrics) -> None:
    @app.get("/healthz", response_model=Health)
    async def healthz() -> Health:
        """That the process runs."""
        return Health(status="ok")

    @app.get("/readyz", response_model=Health)
    async def readyz() -> Health:
        """That texts are answered."""
        if not batcher or not batcher[0].ready or not len(catalogue):
            raise Refused(503, "not ready: no model is loaded, or the server is stopping", headers={"Retry-After": "1"})
        return Health(status="ready")

    @app.get("/metrics", responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(watch.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/", include_in_schema=False)
    async def front() -> Response:
        return Response(page.FRONT.text, media_type="text/html", headers=page.FRONT.headers)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(page.docs_of(app.openapi()), media_type="text/html", headers=page.DOCS_HEADERS)


def _facts(loaded: ServedModel) -> ModelFacts:
    facts = loaded.facts
    return ModelFacts(
        name=loaded.name,
        task=facts.task,
        labels=list(facts.labels),
        base=facts.base,
        method=facts.method,
        pairs=facts.pairs,
        max_length=facts.max_length,
        kind=facts.kind,
        base_head=facts.base_head,
        shared=facts.shared,
    )


def _json(found: dict[str, Any]) -> Response:
    return Response(json.dumps(found, ensure_ascii=False), media_type="application/json")
