"""Results about the rows: the audit, labels that are likely wrong, whether test rows look like train rows.

Not here: how they are computed (data/audit.py, diagnostics/label_errors.py, diagnostics/shift.py).
"""

from __future__ import annotations

from pydantic import Field

from liftune.records.base import Interval, Record


class BadRow(Record):
    """A row that cannot be used."""

    split: str
    row: int
    """1-based position in its file, the header not counted."""
    reason: str


class Resemblance(Record):
    """Two rows that are nearly the same, by id."""

    row: str
    other: str
    similarity: float


class Coverage(Record):
    """What the rows cannot show, as counts. Parts are validation and test."""

    labels: dict[str, int] = Field(default_factory=dict)
    """Part -> labels that it or train has; empty for a regression."""
    few: dict[str, dict[str, int]] = Field(default_factory=dict)
    """Part -> label -> rows that carry it, of the labels with fewer than 10, fewest first."""
    only: dict[str, str | tuple[str, ...] | float] = Field(default_factory=dict)
    """Part -> the target of all its rows, where there is but one."""
    most_frequent: str = ""
    """Label of train."""
    share: float = 0.0
    """Share of train's rows that carry it."""
    rare: dict[str, int] = Field(default_factory=dict)
    """Label -> train rows, of the labels with less than a tenth of the rows of the most frequent one."""


class Fetched(Record):
    """What was brought from elsewhere."""

    address: str
    """Without its query, which may be a secret."""
    bytes: int
    sha256: str
    """Of the file; of a folder, over the names and hashes of its files."""
    version: str = ""
    """What the other side calls it: its ETag, generation or commit; empty where it has no name for it."""


class Audit(Record):
    """Checks of the rows, before any model sees them."""

    leaked_test_rows: int = 0
    """Test rows whose text (and pair) also occurs in train or in the validation rows split off from it."""
    leaked_validation_rows: int = 0
    duplicate_train_rows: int = 0
    """Train rows that repeat an earlier train row's text."""
    conflicting_rows: int = 0
    """Train rows whose text occurs with more than one target."""
    skipped_rows: int = 0
    unseen_labels: dict[str, int] = Field(default_factory=dict)
    """Label that no train row has -> rows of validation and test that carry it; those rows count as wrong."""
    leaked_ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    near_duplicates: float | None = None
    """Least similarity of a near duplicate, zero where liftune did not look for any; exact ones do not count."""
    near_leaked_test_rows: int = 0
    near_leaked_validation_rows: int = 0
    near_duplicate_train_rows: int = 0
    """Train rows that resemble an earlier train row."""
    near_conflicting_rows: int = 0
    """Train rows that resemble a train row with another target."""
    duplicate_test_rows: int = 0
    near_duplicate_test_rows: int = 0
    conflicting_test_rows: int = 0
    """Test rows whose text occurs in test with more than one target."""
    near_leaked_ids: tuple[str, ...] = ()
    conflicting_test_ids: tuple[str, ...] = ()
    near_examples: tuple[Resemblance, ...] = ()
    """A few of the near leaks, most similar first."""
    group: str | None = None
    """The column whose groups stay together and are resampled whole."""
    groups: dict[str, int] = Field(default_factory=dict)
    """Part -> groups in it."""
    shared_groups: int = 0
    """Groups that test shares with train, or with the validation rows split off from it."""
    group_leaked_ids: tuple[str, ...] = ()
    """Test rows of those groups."""
    coverage: Coverage | None = None
    """Null where it was not worked out."""
    validation_leaked_ids: tuple[str, ...] = ()
    """Other test rows whose text is also in a validation part that was given: it chose the model by them."""
    leaks_known: bool = True
    """False where a model is scored by itself, and nothing tells which rows it was tuned on."""
    fetched: tuple[Fetched, ...] = ()
    """The files that came from elsewhere."""

    @property
    def unclean(self) -> set[str]:
        """Ids of test rows that a verdict leaves out: their text is also in train or validation, or their group is in
        train. Near duplicates and rows with conflicting targets are not among them."""
        return {*self.leaked_ids, *self.validation_leaked_ids, *self.group_leaked_ids}


class LabelError(Record):
    """A train row whose label is likely wrong."""

    id: str
    text: str
    """Its beginning."""
    target: str | tuple[str, ...]
    rather: str | tuple[str, ...]
    """What models that never saw the row predict."""
    probability: float
    """That these models give the row's own label."""
    flagged: bool


class LabelErrorSummary(Record):
    """Train rows whose label is likely wrong; none is dropped. Null where liftune did not look for them."""

    rows: int
    """Train rows looked at."""
    flagged: int
    """Rows whose labels are likely wrong. Until schema 2: rows that the models confidently give another label."""
    listed: int
    """Rows of suspects.jsonl, worst first: the flagged ones, and the most suspect twentieth."""
    by: tuple[str, ...]
    """The models' inputs."""
    droppable: int = 0
    """Flagged rows that `--drop suspects` leaves out: a twentieth of all at most."""
    planted: int | None = None
    """Labels flipped on purpose, which told how many to flag; null in records before schema 3."""
    known: bool = True
    """False where the models know too little of the labels to flag any."""
    precision: float | None = None
    """Share of the flagged labels that are wrong, if wrong labels are random flips; null where none is flagged."""
    recall: float | None = None
    """Share of the wrong labels that are flagged, on the same condition."""
    top: tuple[LabelError, ...] = ()


class Telltale(Record):
    """A word that is more frequent on one side, with the share of each side's rows that have it."""

    word: str
    train: float
    test: float


class Shift(Record):
    """Whether test rows look like train rows: a linear model predicts which of the two a row is from."""

    rows: int
    """Rows of each side, half of them to fit on and half to predict."""
    auc: Interval
    """Probability that the model scores a test row as more test-like than a train row: 0.5 where they are alike."""
    p_value: float
    """Of the texts alone."""
    words: tuple[Telltale, ...] = ()
    lengths: dict[str, float] = Field(default_factory=dict)
    """Part -> median characters."""
    target_test: str = ""
    """What compared the targets: a G-test, G-tests of each label, or the test of Kolmogorov and Smirnov."""
    target_p_value: float | None = None
    """Of the targets alone."""
    adjusted_p_value: float | None = None
    adjusted_target_p_value: float | None = None
    """The two together, after Holm: with no shift at all one of them is below 0.05 in at most 5 of 100 data sets."""
    note: str | None = None
