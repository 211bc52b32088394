"""The routes of the page, each a few lines.

In: a store, a queue, what is offered.  Out: an ASGI app behind its guard.
Not here: who may send a request (guard.py), what the page looks like (static/), the server's process (serving.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from liftune import __version__
from liftune.data.readers.compression import ENDINGS
from liftune.data.readers.formats import OPENERS
from liftune.errors import LiftuneError
from liftune.server.errors import RequestError, problem_response
from liftune.server.pages import ICON, REPORT_HEADERS, icon
from liftune.spec import DEFAULT_DATA
from liftune.spec_text import command_line
from liftune.ui.children import Starter
from liftune.ui.choices import Choices, DataForm, TuneForm, form_of
from liftune.ui.following import Following, contenders_of
from liftune.ui.guard import LOCAL_NAMES, Guard
from liftune.ui.incoming import Incoming, json_of
from liftune.ui.inspecting import Inspecting
from liftune.ui.limits import UiLimits
from liftune.ui.pages import COMMON, FRONT, STATIC, static
from liftune.ui.queue import BUNDLE, Queue, tail_of
from liftune.ui.results import report_of, result_of, zipped
from liftune.ui.store import ACTIVE, EVENTS, LOG, OPEN, Job, Store, Upload
from liftune.ui.trying import TryForm, Trying


@dataclass(eq=False)
class Desk:
    """What the routes share."""

    store: Store
    queue: Queue
    choices: Choices
    limits: UiLimits
    incoming: Incoming
    inspecting: Inspecting
    trying: Trying
    following: dict[str, Following] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)


def make_app(
    store: Store,
    choices: Choices,
    start: Starter,
    *,
    token: str,
    limits: UiLimits | None = None,
    hosts: frozenset[str] = LOCAL_NAMES,
) -> Guard:
    """The app; its queue runs for as long as the app does.

    Args:
        start: starts a command of liftune.
        token: that every request must carry.
        hosts: names of this machine by which it may be asked for.
    """
    limits = limits or UiLimits()
    queue = Queue(store, start, limits)
    desk = Desk(store, queue, choices, limits, Incoming(store, limits), Inspecting(store, limits), Trying(limits))

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        running = asyncio.create_task(queue.run())
        yield
        await queue.close()
        await running

    app = Starlette(
        routes=_routes(desk),
        lifespan=lifespan,
        exception_handlers={LiftuneError: _of_liftune, HTTPException: _of_routing, Exception: _unexpected},
    )
    return Guard(app, token, hosts)


def _routes(desk: Desk) -> list[Route]:
    return [
        Route("/", lambda request: static(FRONT)),
        Route("/static/{name}", _static),
        Route(ICON, lambda request: icon()),
        Route("/api/state", _bound(_state, desk)),
        Route("/api/uploads", _bound(_upload, desk), methods=["POST"]),
        Route("/api/inspections", _bound(_inspect, desk), methods=["POST"]),
        Route("/api/jobs", _bound(_tune, desk), methods=["POST"]),
        Route("/api/jobs/{job}", _bound(_job, desk)),
        Route("/api/jobs/{job}", _bound(_remove, desk), methods=["DELETE"]),
        Route("/api/jobs/{job}/cancel", _bound(_cancel, desk), methods=["POST"]),
        Route("/api/jobs/{job}/resume", _bound(_resume, desk), methods=["POST"]),
        Route("/api/jobs/{job}/bundle", _bound(_bundle, desk), methods=["POST"]),
        Route("/api/jobs/{job}/predict", _bound(_predict, desk), methods=["POST"]),
        Route("/jobs/{job}/report", _bound(_report, desk)),
        Route("/jobs/{job}/adapter.zip", _bound(_adapter, desk)),
        Route("/jobs/{job}/bundle.zip", _bound(_bundle_file, desk)),
    ]


def _bound(function: Callable[[Desk, Request], Any], desk: Desk) -> Callable[[Request], Any]:
    async def route(request: Request) -> Response:
        response: Response = await function(desk, request)
        for name, value in COMMON.items():
            response.headers.setdefault(name, value)
        return response

    return route


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC or name == FRONT:
        raise RequestError(404, "there is no such file")
    return static(name)


async def _state(desk: Desk, request: Request) -> Response:
    jobs = sorted(desk.store.jobs.values(), key=lambda each: -each.number)
    uploads = sorted(desk.store.uploads.values(), key=lambda each: -each.number)
    return JSONResponse(
        {
            "version": __version__,
            "folder": str(desk.store.folder),
            "sample": DEFAULT_DATA,
            "models": desk.choices.models,
            "methods": desk.choices.methods(),
            "limits": asdict(desk.limits),
            "endings": [*OPENERS],
            "compressed": [*ENDINGS],
            "uploads": [_upload_json(each) for each in uploads],
            "jobs": [_job_json(each) for each in jobs],
        }
    )


async def _upload(desk: Desk, request: Request) -> Response:
    return JSONResponse(_upload_json(await desk.incoming.receive(request)), 201)


async def _inspect(desk: Desk, request: Request) -> Response:
    form = form_of(_InspectForm, await json_of(request))
    given, upload = desk.choices.data(form, desk.store)
    model = form.model if form.model in desk.choices.models else desk.choices.models[0]
    return JSONResponse(await desk.inspecting.look(given, upload, model))


class _InspectForm(DataForm):
    model: str | None = None


async def _tune(desk: Desk, request: Request) -> Response:
    spec, upload = desk.choices.tune(form_of(TuneForm, await json_of(request)), desk.store)
    desk.queue.check_room()
    title = upload.name if upload else DEFAULT_DATA
    job = desk.store.add_job(title=title, upload=upload.id if upload else None, spec=spec, asked=time.time())
    desk.queue.add(job)
    return JSONResponse(_job_json(job), 201)


async def _job(desk: Desk, request: Request) -> Response:
    job = desk.store.job(request.path_params["job"])
    return JSONResponse(await asyncio.to_thread(_whole_job, desk, job))


async def _cancel(desk: Desk, request: Request) -> Response:
    return JSONResponse(_job_json(desk.queue.cancel(desk.store.job(request.path_params["job"]))))


async def _resume(desk: Desk, request: Request) -> Response:
    return JSONResponse(_job_json(desk.queue.resume(desk.store.job(request.path_params["job"]))))


async def _bundle(desk: Desk, request: Request) -> Response:
    return JSONResponse(_job_json(desk.queue.bundle(desk.store.job(request.path_params["job"]))))


async def _remove(desk: Desk, request: Request) -> Response:
    job = desk.store.job(request.path_params["job"])
    if job.state in OPEN or (job.bundle and job.bundle.state in OPEN):
        raise RequestError(409, "this run is not over", hint="cancel it first")
    desk.trying.forget(desk.store.run(job).run)
    desk.following.pop(job.id, None)
    desk.results.pop(job.id, None)
    await asyncio.to_thread(desk.store.remove, job)
    return Response(status_code=204)


async def _predict(desk: Desk, request: Request) -> Response:
    job = _done(desk, request)
    form = form_of(TryForm, await json_of(request))  # type: ignore[arg-type]
    return JSONResponse(await desk.trying.predict(desk.store.run(job).run, form))


async def _report(desk: Desk, request: Request) -> Response:
    job = _done(desk, request)
    page = await asyncio.to_thread(report_of, desk.store.run(job).run, desk.store.names(job))
    return HTMLResponse(page, headers=REPORT_HEADERS)


async def _adapter(desk: Desk, request: Request) -> Response:
    job = _done(desk, request)
    path = await asyncio.to_thread(zipped, desk.store.run(job).run / "adapter")
    return FileResponse(path, media_type="application/zip", filename=f"liftune-{job.id}-adapter.zip")


async def _bundle_file(desk: Desk, request: Request) -> Response:
    job = _done(desk, request)
    if not job.bundle or job.bundle.state != "done":
        raise RequestError(404, "no bundle was made of this run", hint="reload the page")
    path = await asyncio.to_thread(zipped, desk.store.place(job) / BUNDLE)
    return FileResponse(path, media_type="application/zip", filename=f"liftune-{job.id}-bundle.zip")


def _done(desk: Desk, request: Request) -> Job:
    job = desk.store.job(request.path_params["job"])
    if job.state != "done":
        raise RequestError(409, "this run is not finished", hint="wait until it is")
    return job


def _upload_json(upload: Upload) -> dict[str, Any]:
    return upload.model_dump(mode="json", exclude={"file"})


def _job_json(job: Job) -> dict[str, Any]:
    """In the list of all."""
    spec = job.spec
    return {
        "id": job.id,
        "title": job.title,
        "upload": job.upload,
        "state": job.state,
        "asked": job.asked,
        "started": job.started,
        "ended": job.ended,
        "model": spec.model.name,
        "method": spec.method.name,
        "pairs": spec.data.text_pair is not None,
        "fault": job.fault and job.fault.model_dump(),
        "bundle": job.bundle and job.bundle.model_dump(mode="json"),
    }


def _whole_job(desk: Desk, job: Job) -> dict[str, Any]:
    """Of the one that is looked at."""
    place, run = desk.store.place(job), desk.store.run(job)
    following = desk.following.setdefault(job.id, Following(place / EVENTS))
    found = _job_json(job)
    found["progress"] = following.read().seen(time.time())
    scored = [each["name"] for each in found["progress"]["contenders"]]
    found["waiting"] = [name for name in contenders_of(job.spec) if name not in scored]
    found["command"] = command_line(job.spec)
    found["ahead"] = sum(
        each.state in ACTIVE or (each.state == "queued" and each.turn < job.turn)
        for each in desk.store.jobs.values()
        if each.id != job.id
    )
    found["kept"] = job.state in ("stopped", "failed") and run.can_go_on and run.has_outcomes
    found["log"] = tail_of(place / LOG).splitlines()[-200:]
    if job.state == "done":
        if job.id not in desk.results:
            desk.results[job.id] = result_of(run.run)
        found["result"] = desk.results[job.id]
    return found


async def _of_liftune(request: Request, error: Exception) -> Response:
    assert isinstance(error, LiftuneError)
    return _with_common(problem_response(error))


async def _of_routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _with_common(problem_response(RequestError(error.status_code, str(error.detail).lower())))


async def _unexpected(request: Request, error: Exception) -> Response:
    message = f"an error inside liftune: {type(error).__name__}"
    return _with_common(problem_response(RequestError(500, message, hint="see what `liftune ui` printed")))


def _with_common(response: Response) -> Response:
    response.headers.update(COMMON)
    return response
