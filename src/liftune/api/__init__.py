"""The Python API: the commands of the command line as functions, with the same options by the same names.

In: options.  Out: records, predictors, inspections.  Not here: any work; each verb builds a spec and makes one call.
"""

from liftune.api.before import doctor, inspect
from liftune.api.explaining import explain
from liftune.api.folders import check, export, init, read, report, serve
from liftune.api.hub import push
from liftune.api.labelling import label
from liftune.api.lists import (
    list_accelerations,
    list_formats,
    list_methods,
    list_metrics,
    list_sources,
    list_strategies,
    list_trackers,
)
from liftune.api.models import compare, evaluate, load, predict
from liftune.api.tuning import sweep, tune

__all__ = [
    "check",
    "compare",
    "doctor",
    "evaluate",
    "explain",
    "export",
    "init",
    "inspect",
    "label",
    "list_accelerations",
    "list_formats",
    "list_methods",
    "list_metrics",
    "list_sources",
    "list_strategies",
    "list_trackers",
    "load",
    "predict",
    "push",
    "read",
    "report",
    "serve",
    "sweep",
    "tune",
]
