"""The workflow of `liftune tune`: rows in, contenders scored on the same test rows, a verdict, a run folder.

In: a RunSpec, and rows where they are in memory already.  Out: a TuneRecord, and the files that it names.
Not here: any step's own work: each stage is a call into another module (tune_stages.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from liftune.data.splits import BecomesSplits
from liftune.errors import EXTRAS, need
from liftune.events import Events, Listener
from liftune.records.run import TuneRecord
from liftune.spec import RunSpec
from liftune.workflows.claiming import claimed
from liftune.workflows.request import TuneRequest, check_request


def tune(spec: RunSpec, rows: BecomesSplits | None = None, *, listeners: Sequence[Listener] = ()) -> TuneRecord:
    """Evaluate a model as it is, tune it, evaluate again on the same rows, compare, save.

    Args:
        rows: those to work on, as `load_data` returns them; None reads what `spec.data` names.
        listeners: are sent what happens, as it happens: see events.py.

    Returns:
        the record, which is also in record.json of the run folder.

    Raises:
        LiftuneError: anything that the user can fix. Before the first contender is scored nothing is left on disk;
            after it, what was computed stays.
    """
    need(*EXTRAS["tune"])
    started, events = time.time(), Events(listeners)
    with events.stage("data", "" if rows else f"reading {spec.data.source}"):
        request = check_request(spec, rows)
    for note in request.notes:
        events.note(f"  {note}")
    with claimed(request) as ours:
        return _tuned(ours, started, events)


def _tuned(request: TuneRequest, started: float, events: Events) -> TuneRecord:
    """All that follows the rows."""
    with events.stage("model", f"loading torch and {request.spec.model.name}"):
        # Torch takes seconds to import: what can be checked without it has been checked by now.
        from liftune.workflows.context import prepare
        from liftune.workflows.tune_stages import RunState, stages_of

        state = RunState.begin(request.spec, started, *prepare(request, events))
    *computed, report = stages_of(state.context)
    with state.context.folder.cleanup_on_error():
        for stage in computed:
            with events.stage(stage.name):
                state = stage.run(state)
    with events.stage(report.name):
        state = report.run(state)
    assert state.record is not None
    return state.record
