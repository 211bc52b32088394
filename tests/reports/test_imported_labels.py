"""What is said of labels that were imported: beside which rows they lie, and how the next run is compared."""

from __future__ import annotations

import pytest

from liftune.records.labelling import ImportRecord
from liftune.reports.sections.labelling import imported_sections


@pytest.mark.parametrize(
    ("cross_validated", "said", "harm"),
    [
        (False, "With the 40 train rows of r, whose test rows stay the same.", False),
        (True, "With all 40 rows of r, which was cross-validated: none is kept for test.", True),
    ],
)
def test_rows_of_a_cross_validated_run_have_no_test_rows_that_stay(
    cross_validated: bool, said: str, harm: bool
) -> None:
    record = ImportRecord(
        source="in.csv",
        run="r",
        path="more",
        rows=8,
        old_rows=40,
        cross_validated=cross_validated,
        next_command="liftune tune more",
    )
    section = imported_sections(record)[0]
    assert said in section.sentences
    assert section.commands[1].endswith("--max-harm 1") == harm
