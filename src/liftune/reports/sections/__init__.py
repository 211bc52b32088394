"""The sections of a report: each module registers its own in SECTIONS.

Within a chapter, sections stand in the order of this list.
"""

from liftune.reports.sections import (  # noqa: F401, I001 - they register, in this order
    summary,
    harm,
    start,
    results,
    verdict,
    slices,
    outside,
    predictions,
    calibration,
    cost,
    data_quality,
    learning_curve,
    training,
    run,
    use,
)
