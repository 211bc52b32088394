"""The HTTP interface: routes, each a few lines over the registry and the batcher.

In: a registry of models, credentials, limits.  Out: an ASGI app.
Not here: who may send requests (auth.py), which rows share a batch (queue.py), the server's process (server.py).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from numpy.typing import NDArray
from starlette.responses import Response

from liftune import __version__
from liftune.errors import ArtifactError
from liftune.evaluation.selective import cutoff_for
from liftune.formatting import plain_name
from liftune.inference.explaining import explanations
from liftune.inference.prediction import predictions_of_logits
from liftune.server import errors, pages
from liftune.server.auth import AuthMiddleware, Credentials
from liftune.server.batcher import DynamicBatcher
from liftune.server.columns import texts_found
from liftune.server.engine import Engine, ServedModel
from liftune.server.errors import CLIENT_CLOSED_REQUEST, Problem, RequestError
from liftune.server.limits import Limits
from liftune.server.metrics import ServerMetrics
from liftune.server.preparing import Preparer
from liftune.server.registry import ModelRegistry
from liftune.server.run_info import report_of, run_info
from liftune.server.schemas import (
    ClassifyRequest,
    ClassifyResponse,
    ColumnsRequest,
    Health,
    LoadRequest,
    ModelList,
    ModelSummary,
    RunInfo,
    TextsFound,
)
from liftune.server.validation import cuts_of, first_of, rows_of
from liftune.server.whole import Alone, Wanted, Whole
from liftune.types import Row

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "A token is needed."},
    403: {"model": Problem, "description": "Not allowed from that host, or without an admin token."},
    422: {"model": Problem, "description": "The request cannot be used."},
    "4XX": {"model": Problem, "description": "The request cannot be used."},
    "5XX": {"model": Problem, "description": "Not now: the queue is full (503), or it took too long (504)."},
}


@dataclass(frozen=True, eq=False)
class Services:
    """What the routes share."""

    models: ModelRegistry
    limits: Limits
    metrics: ServerMetrics
    batcher: DynamicBatcher
    preparer: Preparer
    whole: Whole


def make_app(
    models: ModelRegistry,
    *,
    credentials: Credentials | None = None,
    limits: Limits | None = None,
    metrics: ServerMetrics | None = None,
    whole: Whole | None = None,
) -> FastAPI:
    """The app; its batcher runs for as long as the app does.

    Args:
        metrics: what counts; None is a new one.
        whole: all processes of the server; None is this one alone.
    """
    limits, metrics = limits or Limits(), metrics or ServerMetrics()
    batcher = DynamicBatcher(limits, on_batch=metrics.batch)
    services = Services(models, limits, metrics, batcher, Preparer(), whole or Alone(models, metrics))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services.batcher.start()
        yield
        await services.batcher.close()
        services.preparer.close()

    app = FastAPI(
        title="liftune",
        version=__version__,
        description="Text classification with tuned models.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses=_PROBLEMS,
    )
    errors.install(app)
    metrics.add_gauges(lambda: services.batcher.queue.rows, lambda: len(models))
    app.add_middleware(AuthMiddleware, credentials=credentials or Credentials(), limits=limits, count=metrics.request)
    _add_classify(app, services)
    _add_columns(app, services)
    _add_models(app, services)
    _add_health_and_pages(app, services)
    return app


def _add_classify(app: FastAPI, services: Services) -> None:
    limits = services.limits

    @app.post("/v1/classify", response_model=ClassifyResponse, response_model_exclude_none=True)
    async def classify(body: ClassifyRequest, request: Request) -> Response:
        """Classify texts with a model."""
        model = services.models.find(body.model)
        rows, info = rows_of(body, model, limits), model.info
        cuts = cuts_of(body, rows, info.labels, limits)
        above = None if body.min_precision is None else cutoff_for(info.cutoffs, body.min_precision).above
        predict = partial(predictions_of_logits, rows, labels=info.labels, task=info.task)

        def answer(every: NDArray[np.float32], base_logits: NDArray[np.float32] | None = None) -> bytes:
            logits = every[first_of(cuts)] if cuts else every
            found = predict(logits, thresholds=info.thresholds, above=above)
            if cuts:
                why = explanations(
                    cuts,
                    every,
                    labels=info.labels,
                    task=info.task,
                    thresholds=info.thresholds,
                    label=body.explain_label,
                    as_read=model.engine.as_read,
                )
                found = [replace(each, explanation=one) for each, one in zip(found, why, strict=True)]
            if base_logits is not None:
                bases = predict(base_logits, thresholds=info.base_thresholds)
                found = [replace(each, base=other) for each, other in zip(found, bases, strict=True)]
            results = [each.to_json() for each in found]
            told = {"model": model.name, "contender": info.contender, "results": results}
            return json.dumps(told, ensure_ascii=False).encode()

        async def answered() -> bytes:
            engines = [model.engine]
            if body.with_base:
                engines.append(await asyncio.to_thread(model.engine.base))
            asked = [[row for each in cuts for row in each.rows] if cuts else rows, rows]
            logits = await asyncio.gather(
                *(_logits(each, of, services) for each, of in zip(engines, asked, strict=False))
            )
            return await services.preparer.finish(len(asked[0]), partial(answer, *logits))

        content = await _in_time(answered(), request, limits.seconds)
        services.metrics.texts(model.name, len(rows))
        return Response(content, media_type="application/json")


def _add_columns(app: FastAPI, services: Services) -> None:
    @app.post("/v1/columns", response_model=TextsFound)
    async def columns(body: ColumnsRequest) -> TextsFound:
        """Find the column of a file that holds the texts: the model's own, else the one that `tune` would take."""
        return await asyncio.to_thread(texts_found, body, services.models.find(body.model).info)


async def _logits(engine: Engine, rows: list[Row], services: Services) -> NDArray[np.float32]:
    """(N, C) of one engine; rows of the same executor, of any request, are computed together."""
    services.batcher.check_room(len(rows))
    works = await services.preparer.prepare(engine, rows)
    return np.stack(await services.batcher.compute(engine.executor, works))


async def _in_time(answer: Coroutine[Any, Any, bytes], request: Request, seconds: float) -> bytes:
    """The answer, unless it takes too long or the client has gone; then its rows leave the queue."""
    work, gone = asyncio.ensure_future(answer), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({work, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        if gone.done():
            raise RequestError(CLIENT_CLOSED_REQUEST, "the client has closed the connection")
        raise RequestError(
            504, f"no result within {seconds:g} seconds", hint="send fewer texts at a time, or try again later"
        )
    finally:
        work.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_models(app: FastAPI, services: Services) -> None:
    models, whole = services.models, services.whole

    @app.get("/v1/models", response_model=ModelList)
    async def list_models() -> ModelList:
        """List all models that are served."""
        return ModelList(models=[_summary(each) for each in models])

    @app.post("/v1/models", response_model=ModelSummary, status_code=201)
    async def load(body: LoadRequest) -> ModelSummary:
        """Load a model while others serve; needs the admin token."""
        wanted = Wanted(body.path, body.name, body.use)
        return _summary(models.find(await whole.load(wanted, replace=body.replace)))

    @app.delete("/v1/models", status_code=204)
    async def unload_named(name: str) -> None:
        """Unload a model; requests that were accepted before are still served. Needs the admin token."""
        await whole.unload(name)

    @app.delete("/v1/models/{name}", status_code=204)
    async def unload(name: str) -> None:
        """Unload a model by its path; the same as DELETE /v1/models with its name."""
        await whole.unload(name)

    @app.get("/v1/models/{name}", response_model=RunInfo)
    async def model_run(name: str) -> RunInfo:
        """The verdict of the run that a model came from."""
        return await asyncio.to_thread(run_info, models.find(name))

    @app.get("/v1/models/{name}/report", responses={200: {"content": {"text/html": {}}}})
    async def report(name: str) -> Response:
        """The report of the run that a model came from."""
        path = report_of(models.find(name))
        if path is None:
            raise RequestError(404, "this model has no report", where="name", hint="liftune report RUN --out")
        try:
            text = await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise ArtifactError(f"cannot read the report: {error.strerror}", where=path.name) from None
        return Response(text, media_type="text/html", headers=pages.REPORT_HEADERS)


def _add_health_and_pages(app: FastAPI, services: Services) -> None:
    @app.get("/healthz", response_model=Health)
    async def healthz() -> Health:
        """Whether the process runs, and how many of its worker processes are ready."""
        return _health("ok", services)

    @app.get("/readyz", response_model=Health)
    async def readyz() -> Health:
        """Whether texts can be classified."""
        if not services.batcher.ready or not len(services.models):
            message = "not ready: no model is loaded, or the server is stopping"
            raise RequestError(503, message, headers={"Retry-After": "1"})
        return _health("ready", services)

    @app.get("/metrics", responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Metrics for Prometheus, of all worker processes together."""
        return Response(await services.whole.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/", include_in_schema=False)
    async def front() -> Response:
        return Response(pages.FRONT.text, media_type="text/html", headers=pages.FRONT.headers)

    @app.get(pages.ICON, include_in_schema=False)
    async def icon() -> Response:
        return pages.icon()

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(pages.docs_page(app.openapi()), media_type="text/html", headers=pages.DOCS_HEADERS)


def _health(status: str, services: Services) -> Health:
    ready, wanted = services.whole.processes
    return Health(status=status, workers=wanted, workers_ready=ready)


def _summary(model: ServedModel) -> ModelSummary:
    info = model.info
    return ModelSummary(
        name=model.name,
        task=info.task,
        labels=list(info.labels),
        base=plain_name(info.base) if info.base else "",
        method=info.method,
        pairs=info.pairs,
        columns=list(info.columns.texts) if info.columns else [],
        max_length=info.max_length,
        kind=info.kind,
        contender=info.contender,
        note=info.note,
        base_head=info.base_head,
        shared=info.shared,
    )
