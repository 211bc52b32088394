"""Large libraries are imported without looking for garbage meanwhile, and are left out of later searches for it.

In: names of modules.  Out: the same modules, imported.
Not here: which command needs them, and when.

The collector walks through all that there is whenever a quarter more has been made, and torch and transformers make a
million objects that stay until the end. Only for the command line: what is left out of searches (`gc.freeze`) includes
whatever garbage there was, which in a process of others may be much.
"""

from __future__ import annotations

import gc
from importlib import import_module

from liftune.events import Listener, StageEnded, StageStarted

#: What every run of `tune` computes with, the baselines and their scores included.
OF_TUNE = ("liftune.workflows.tune_stages", "sklearn.feature_extraction.text", "sklearn.metrics", "scipy.stats")


def import_at_once(*modules: str) -> None:
    """Import modules; nothing that they made is looked at again as possible garbage.

    Raises:
        ImportError: as `import` does.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        for module in modules:
            import_module(module)
    finally:
        gc.freeze()  # before any model is loaded: those of a run come and go
        if collects:
            gc.enable()


class ImportsAtOnce(Listener):
    """Imports what a run computes with when it is about to load the model: its rows and options are checked by then."""

    def on_stage(self, event: StageStarted | StageEnded) -> None:
        """Before the model is loaded."""
        if isinstance(event, StageStarted) and event.stage == "model":
            import_at_once(*OF_TUNE)
