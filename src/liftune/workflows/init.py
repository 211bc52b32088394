"""What can be checked of a file of options before any run: its method, and that files of this machine are there.

In: a RunSpec.  Out: nothing, or an error.
Not here: writing the file (spec_text.py), what takes the rows or the model to check (dry_run.py).
"""

from __future__ import annotations

from liftune.addresses import is_address
from liftune.data.readers.formats import missing, path_of
from liftune.data.readers.sources import SAMPLE, SOURCES
from liftune.hardware.accelerations import check_accelerations
from liftune.metrics.registry import METRICS
from liftune.models.methods.registry import find_method, parse_options
from liftune.spec import RunSpec


def check_settings(spec: RunSpec) -> None:
    """Check the names in a spec, and the files of this machine. Nothing is read, and nothing fetched.

    Raises:
        MethodError: there is no such method, or option of it.
        SpecError: there is no such metric or acceleration.
        DataError: there is no such file or sample.
    """
    parse_options(find_method(spec.method.name), spec.method.options)
    check_accelerations(spec.train.accelerations or ())
    if spec.evaluation.metric is not None:
        METRICS[spec.evaluation.metric]
    for source in (spec.data.source, spec.data.validation, spec.data.test):
        if source is not None and str(source).startswith(SAMPLE):
            SOURCES["sample"].build(str(source))
        elif source is None or is_address(source) or SOURCES["hub"].takes(str(source)):
            continue
        elif not (path := path_of(str(source))).exists():
            raise missing(path)
