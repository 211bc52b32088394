"""The report says what the record holds: a golden text, and no markup that a text could smuggle in."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_runs import made_run
from rich.console import Console

from liftune.records.base import Choice, Comparison, Interval, RowCounts, Seconds
from liftune.records.calibration import Calibration, CalibrationScores, Decisions
from liftune.records.data import Audit, LabelErrorSummary, Shift
from liftune.records.learning_curve import Curve
from liftune.records.outside import Outside
from liftune.records.run import Contender, Recommendation, SeedResult, TuneRecord
from liftune.records.slices import SliceColumn, Slices, SliceScore
from liftune.records.training import Epoch, RoundTripCheck, Speed, TrainLog
from liftune.reports import sections as registering
from liftune.reports.base import SECTIONS
from liftune.reports.document import sections
from liftune.reports.model_card import to_card
from liftune.reports.render.text import print_sections, to_markdown
from liftune.reports.run_readme import to_readme
from liftune.reports.sections.comparisons import sentence
from liftune.reports.sections.data_quality import audit_sentences, suspects_section
from liftune.reports.sections.headline import headline, overall
from liftune.reports.sections.summary import caveats
from liftune.tasks import TaskKind
from liftune.workflows.report import read_run

PLAN = (Choice(choice="bfloat16", value="off", reason="measured <faster> | better"),)
DOUBTS = {
    "suspects": LabelErrorSummary(rows=1000, flagged=0, listed=50, by=("tf-idf",)),
    "shift": Shift(rows=400, auc=Interval(value=0.51, low=0.47, high=0.55), p_value=0.3),
}
GOLDEN = Path(__file__).parent / "golden" / "report.md"
WHOLE = GOLDEN.with_name("whole.md")


def contender(name: str, value: float, head: str | None = None, **more: object) -> Contender:
    interval = Interval(value=value, low=value - 0.05, high=value + 0.05)
    return Contender.model_validate(
        {
            "name": name,
            "head": head,
            "trainable_parameters": 340_230 if name == "tuned" else 0,
            "seconds": Seconds(train=12.34, evaluate=0.5),
            "metrics": {"accuracy": interval, "log_loss": Interval(value=1.5, note="no spread")},
            "validation": {"accuracy": value},
            **more,
        }
    )


def scores(value: float) -> CalibrationScores:
    each = Interval(value=value, low=value - 0.02, high=value + 0.02)
    return CalibrationScores(
        log_loss=each, brier=each, rms_calibration_error=each, expected_calibration_error=Interval(value=value + 0.01)
    )


CALIBRATION = Calibration(
    kind="temperature",
    kept=True,
    reason="out of fold it lowers the log-loss of validation",
    temperature=1.5,
    fitted=1.5,
    validation_before=1.2,
    validation_after=1.1,
    p_value=0.01,
    test_before=scores(0.3),
    test_after=scores(0.2),
    test_change=Comparison(
        a="as trained",
        b="calibrated",
        metric="log_loss",
        gain=0.1,
        low=0.05,
        high=0.15,
        p_value=0.001,
        verdict="better",
    ),
)


@pytest.fixture
def record() -> TuneRecord:
    gain = {"metric": "accuracy", "test": "exact McNemar test at 0.05", "b": "tuned"}
    epoch = Epoch(epoch=1, train_loss=1.25, validation={"accuracy": 0.7}, seconds=12.34, rows_per_second=87.5)
    return TuneRecord(
        run="runs/x",
        task=TaskKind.SINGLE_LABEL,
        labels=("joy", "anger"),
        partial=True,
        rows=RowCounts(train=1000, validation=100, test=400),
        audit=Audit(leaked_test_rows=3, unseen_labels={"fear": 2}, notes=("no validation part: split off",)),
        contenders=(
            contender("majority", 0.5),
            contender("base", 0.5, "fresh"),
            contender("probe", 0.7, notes=("mean pooling",), validation={"accuracy": 0.71}),
            contender("tuned", 0.72, "fresh", calibration=CALIBRATION, validation={"accuracy": 0.69}),
        ),
        comparisons=(
            Comparison(a="base", gain=0.22, low=0.17, high=0.27, p_value=1e-9, verdict="better", **gain),
            Comparison(
                a="probe",
                gain=0.02,
                low=-0.03,
                high=0.07,
                p_value=0.4,
                verdict="undecided",
                rows_needed=6400,
                smallest_detectable_gain=0.071,
                **gain,
            ),
        ),
        metric="accuracy",
        strongest="probe",
        recommended="probe",
        data_fingerprint="abc",
        max_length=512,
        model="minilm",
        method="lora",
        plan=PLAN,
        speed=Speed(
            rows_per_second=87.5,
            tokens_per_second=1925.0,
            gemm_fraction=0.617,
            gemm_rate=731e9,
            peak_mib=1234.5,
            plan=PLAN,
        ),
        logs=(
            TrainLog(
                seed=0,
                learning_rate=1e-3,
                batch_size=16,
                steps=63,
                best_epoch=1,
                epochs=(epoch,),
                seconds=12.34,
                stopped="all epochs ran",
            ),
        ),
        integrity=RoundTripCheck(rows=64, largest_gap=1e-7, tolerance=1e-5),
        versions={"liftune": "0.1.0"},
    )


def test_the_markdown_is_the_golden_one(record: TuneRecord) -> None:
    """To renew after an intended change: write `to_markdown(record)` to golden/report.md and read the difference."""
    assert to_markdown(record) == GOLDEN.read_text(encoding="utf-8")


def test_every_section_has_a_say_in_the_whole_report(record: TuneRecord) -> None:
    decisions = Decisions(kind="shared", thresholds=(0.3, 0.3), reason="they help")
    again = [each.model_copy(update={"clean": each.metrics, "decisions": decisions}) for each in record.contenders]
    outside = Outside(
        kind="answers",
        source="gpt.csv",
        way="found by text",
        answered=1,
        validation_answered=0,
        chosen_on_validation=False,
        probabilities=False,
        cost_per_row=0.5,
    )
    again.append(again[0].model_copy(update={"name": "gpt", "outside": outside}))
    curve = Curve(metric="accuracy", points=(), next_step="undecided")
    column = SliceColumn(column="lang", slices=(SliceScore(value="de", rows=1, units=1, score=Interval(value=1.0)),))
    found = Slices(metric="accuracy", contender="tuned", rows=1, unit="row", tests=0, least=20, columns=(column,))
    more = {"contenders": tuple(again), "curve": curve, "slices": found}
    full = record.model_copy(update={"notes": ("a note",), **more, **DOUBTS})
    elsewhere = ("start", "seeds")  # of runs that go on from another, and of several seeds: tests of their own have one
    of_runs = [each for each in SECTIONS.entries() if issubclass(TuneRecord, each.of) and each.name not in elsewhere]
    assert len(sections(full)) == sum(not each.of_details for each in of_runs)


def test_the_text_of_a_whole_run_is_the_golden_one(tmp_path: Path) -> None:
    """With its rows and logits at hand. To renew: as above, from `read_run(made_run(...))`."""
    record, details = read_run(made_run(tmp_path / "run"))
    found = details.model_copy(update={"command": "liftune tune rows.csv"})
    record = record.model_copy(update={"run": "runs/x"})
    assert to_markdown(record, found) == WHOLE.read_text(encoding="utf-8")


def test_a_verdict_of_several_is_the_least_good_of_those_that_tell_something(record: TuneRecord) -> None:
    """A base with a random head is beaten by anything: that alone must not read as success."""
    assert overall(record) == "undecided"
    assert headline(record)[0].startswith("The test cannot tell whether tuning helped: 72.0% of test texts right")
    assert "against 70.0% for the strongest other model on validation (probe)." in headline(record)[0]
    assert "base" not in " ".join(headline(record))
    trained = tuple(each.model_copy(update={"head": "trained"}) for each in record.contenders)
    worse = record.comparisons[0].model_copy(update={"verdict": "worse"})
    found = record.model_copy(update={"contenders": trained, "comparisons": (worse, record.comparisons[1])})
    assert headline(found)[0].startswith("Tuning made the model worse: 72.0% of test texts right")
    assert "against 50.0% for the base model and 70.0% for the strongest" in headline(found)[0]


@pytest.mark.parametrize(
    ("verdict", "recommended", "expected"),
    [
        (
            "undecided",
            ("probe", "validation"),
            "Use probe: the test set does not decide, and on validation it leads by more than one standard error "
            "(0.710 against 0.690 for the tuned model, p = 0.1).",
        ),
        (
            "undecided",
            ("probe", "cost"),
            "Use probe: neither the test set nor validation of 100 examples tells the two apart (0.710 against 0.690 "
            "for the tuned model on validation), and it is the cheaper to run and to keep.",
        ),
        (
            "worse",
            ("probe", "test"),
            "Use probe: it is better than the tuned model on the test set. Its score there was used to choose it: "
            "expect a little less on new examples.",
        ),
        (
            "better",
            ("tuned", "test"),
            "Use the tuned model: it is better than probe on the test set. Its score there was used to choose it",
        ),
        ("worse", ("probe", "alone"), "Use probe: no other model that was compared was found to have learnt anything."),
        ("undecided", (None, "nothing learnt"), "No model can be recommended: on the test examples none is better"),
        ("better", None, None),
    ],
)
def test_the_report_says_which_model_to_use_and_why(
    verdict: str, recommended: tuple[str | None, str] | None, expected: str | None, record: TuneRecord
) -> None:
    """A tie without its reason read "0.800 against 0.800"; a winner on test was chosen by that very score."""
    last = record.comparisons[1].model_copy(update={"verdict": verdict})
    found = record.model_copy(
        update={"comparisons": (record.comparisons[0], last), "recommended": None, "recommendation": None}
    )
    if recommended:
        name, way = recommended
        chosen = Recommendation.model_validate(
            {
                "contender": name,
                "decided_by": way,
                "over": "probe" if name == "tuned" else "tuned",
                "validation_p_value": 0.1,
            }
        )
        found = found.model_copy(update={"recommended": name, "recommendation": chosen})
    told = to_markdown(found)
    assert expected in told if expected else "- Use " not in told


def test_a_run_of_an_earlier_liftune_says_what_its_record_can(record: TuneRecord) -> None:
    """Its record has the name alone."""
    old = record.model_copy(update={"recommended": "probe", "recommendation": None})
    assert "Use probe: the test set does not decide, and on validation" in to_markdown(old)


@pytest.mark.parametrize(
    ("recommended", "verdict", "command", "said"),
    [
        ("probe", "undecided", "liftune predict runs/demo --use probe", "take the tuned model"),
        ("probe", "worse", 'liftune predict runs/demo "some text"', "use probe for this run"),
        ("tuned", "better", 'liftune predict runs/demo "some text"', "Recommended: tuned."),
        (None, "undecided", 'liftune predict runs/demo "some text"', "Nothing is recommended"),
    ],
)
def test_a_run_ends_with_the_command_for_the_recommended_model(
    recommended: str | None, verdict: str, command: str, said: str, record: TuneRecord
) -> None:
    last = record.comparisons[1].model_copy(update={"verdict": verdict})
    kept = tuple(each.model_copy(update={"saved_bytes": 10}) for each in record.contenders)
    changed = {"run": "runs/demo", "recommended": recommended, "comparisons": (record.comparisons[0], last)}
    run = record.model_copy(update={**changed, "contenders": kept})
    found = to_markdown(run)
    assert command in found.rpartition("## Use")[2]
    assert said in found.rpartition("## Use")[2]
    assert command in to_readme(run)
    assert "| probe | contenders/probe/ | 10" in to_readme(run)
    in_card = "`liftune predict RUN --use probe" if recommended == "probe" and verdict == "undecided" else ""
    assert in_card in to_card(run)
    assert ("holds the tuned model" in to_card(run)) is (recommended == "probe")


def test_a_model_that_was_not_kept_has_no_command(record: TuneRecord) -> None:
    """A run of 0.1 recommended what it had thrown away."""
    last = record.comparisons[1].model_copy(update={"verdict": "worse"})
    found = to_markdown(record.model_copy(update={"comparisons": (record.comparisons[0], last)}))
    assert "probe, which this run did not keep" in found
    assert "--use" not in found


def test_caveats_name_what_a_sceptic_asks_first(record: TuneRecord) -> None:
    told = " ".join(caveats(record))
    for word in ("Partial", "One seed", "3 test examples is also in train", "'fear' is not in train"):
        assert word in told


def test_cost_is_told_of_probe_tuned_and_full(record: TuneRecord) -> None:
    measured = {"saved_bytes": 1_371_232, "peak_mib": 812.4}
    tuned = record.contenders[-1].model_copy(update=measured)
    full = contender("full", 0.7, trainable_parameters=22_000_000)
    found = to_markdown(record.model_copy(update={"contenders": (*record.contenders[:-1], tuned, full)}))
    assert "| tuned | 340,230 | 1.31 MiB | 12.3 | 0.5 | 812 |" in found
    assert "| full | 22,000,000 | ~ 83.9 MiB |" in found
    assert "Full fine-tuning was not run" in to_markdown(record)
    assert "Full fine-tuning was not run" not in found


def test_the_score_of_a_random_head_is_always_called_guessing(record: TuneRecord) -> None:
    assert "just guessing" in sentence(record.comparisons[0], record)
    trained = tuple(each.model_copy(update={"head": "trained"}) for each in record.contenders)
    assert "guessing" not in to_markdown(record.model_copy(update={"contenders": trained}))


def test_brier_has_a_column_of_the_ladder_only_where_it_decides(record: TuneRecord) -> None:
    """Three metrics fill a terminal of 80 columns; Brier scores are under Calibration."""
    again = [
        each.model_copy(update={"metrics": {**each.metrics, "brier": Interval(value=0.4, low=0.3, high=0.5)}})
        for each in record.contenders
    ]
    found = record.model_copy(update={"contenders": tuple(again)})

    def columns(of: TuneRecord) -> tuple[str, ...]:
        return next(each.tables[0].headings for each in sections(of) if each.title == "Scores on the test examples")

    assert "brier" not in columns(found)
    assert "brier" in columns(found.model_copy(update={"metric": "brier"}))
    assert "| probe | unchanged | - | 1.500 | 0.400 [0.300, 0.500] |" in to_markdown(found)


def test_thresholds_are_told_label_by_label(record: TuneRecord) -> None:
    decisions = Decisions(kind="per label", thresholds=(0.3, 0.25), reason="they help", p_value=0.02,
                          validation_before=0.5, validation_after=0.6)  # fmt: skip
    again = [
        each.model_copy(update={"decisions": decisions if each.name == "tuned" else None}) for each in record.contenders
    ]
    said = to_markdown(record.model_copy(update={"contenders": tuple(again)}))
    assert "tuned: a threshold for each label: they help (0.500 -> 0.600, p = 0.02)." in said
    assert "| anger | 0.250 |" in said


def test_an_undecided_verdict_names_the_rows_that_would_decide(record: TuneRecord) -> None:
    said = sentence(record.comparisons[1], record)
    assert "undecided" in said
    assert "6,400 test examples" in said
    assert "probe (the strongest other model on validation)" in said


def test_a_number_without_an_interval_says_why(record: TuneRecord) -> None:
    assert "majority, log_loss: no spread" in to_markdown(record)


def test_a_speed_without_a_share_says_why(record: TuneRecord) -> None:
    assert record.speed is not None
    unknown = {"gemm_fraction": None, "gemm_rate": None, "peak_mib": None, "note": "its layers share their weights"}
    found = record.model_copy(update={"speed": record.speed.model_copy(update=unknown)})
    assert "matrix-product rate is unknown: its layers share their weights" in to_markdown(found)
    assert "Peak memory of the whole run is not reported" in to_markdown(found)


def test_the_plan_is_listed_once_with_and_without_a_speed(record: TuneRecord) -> None:
    """A model that was only scored has a plan and no speed."""
    for found in (record, record.model_copy(update={"speed": None})):
        assert to_markdown(found).count("| choice | value | reason |") == 1
    assert "## Hardware plan" in to_markdown(record.model_copy(update={"speed": None}))


def test_seeds_are_listed_one_by_one(record: TuneRecord) -> None:
    each = tuple(SeedResult(seed=seed, metrics=record.contenders[0].metrics, seconds=Seconds()) for seed in (0, 1))
    several = record.model_copy(update={"contenders": (*record.contenders[:3], contender("tuned", 0.7, seeds=each))})
    assert "means over seeds" in to_markdown(several)
    assert "unknown" in to_markdown(record)


def test_the_ladder_fits_a_terminal_of_eighty_columns(record: TuneRecord) -> None:
    console = Console(width=80, record=True, highlight=False)
    print_sections(sections(record), console)
    text = console.export_text()
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "[0.670, 0.770]" in text  # whole, not folded


def test_markup_in_what_is_printed_stays_text(record: TuneRecord) -> None:
    loud = record.model_copy(update={"notes": ("[red]not markup[/red] <script>",)})
    console = Console(width=100, record=True)
    print_sections(sections(loud), console)
    assert "[red]not markup[/red]" in console.export_text()
    assert "<script>" not in to_markdown(loud)


def verdict_of(record: TuneRecord) -> str:
    return " ".join(next(section for section in sections(record) if section.title == "Verdict").sentences)


def test_what_the_rows_could_have_shown_is_told(record: TuneRecord) -> None:
    said = (
        "With 400 test examples on which tuned and probe differ as they do here, a real gain of 7.1 points of accuracy"
    )
    assert said in verdict_of(record)
    unknown = record.comparisons[1].model_copy(update={"smallest_detectable_gain": None})
    assert "a real gain of" not in verdict_of(record.model_copy(update={"comparisons": (unknown,)}))


def test_a_verdict_says_whether_it_is_on_two_models_a_method_or_a_procedure(record: TuneRecord) -> None:
    over_seeds = record.comparisons[1].model_copy(update={"seeds": 3, "verdict": "better"})
    several = {"logs": record.logs * 3, "method_comparisons": (over_seeds,)}
    one, three = verdict_of(record), verdict_of(record.model_copy(update=several))
    assert "these models" in one
    assert "--seeds 0,1,2" in one
    assert "tuned over 3 seeds is better than probe" in three
    assert "these models" not in three
    assert "procedure" in verdict_of(record.model_copy(update={"folds": 5}))
    assert "these models" not in verdict_of(record.model_copy(update={"logs": ()}))


def test_few_test_rows_hint_at_folds(record: TuneRecord) -> None:
    few = record.model_copy(update={"rows": RowCounts(train=400, validation=50, test=50), "folds_fit": True})
    assert "--folds 5 would test on all 500 examples" in verdict_of(few)
    assert "--folds" not in verdict_of(record)
    assert "would test" not in verdict_of(few.model_copy(update={"folds": 5}))
    assert "--folds" not in verdict_of(few.model_copy(update={"rows": RowCounts(train=30, validation=10, test=50)}))
    assert "--folds" not in verdict_of(few.model_copy(update={"folds_fit": False})), "it would be refused"


def test_sections_stand_in_the_order_of_one_list() -> None:
    """A module that is not in the list of reports/sections/__init__.py would silently drop out of every report."""
    modules = {path.stem for path in Path(registering.__file__).parent.glob("*.py")}
    registered = {each.build.__module__.rpartition(".")[2] for each in SECTIONS.entries()}
    words_only = {
        "__init__",
        "checking",
        "claims",
        "comparisons",
        "coverage",
        "flip_words",
        "folder",
        "headline",
        "inspection",
        "labelling",
        "long_texts",
        "power",
        "saved_model",
    }
    assert modules - words_only == registered
    first = next(iter(SECTIONS.entries()))
    assert first.name == "short"


def test_suspects_are_spoken_of_only_where_there_are_any() -> None:
    """ "0 of 628 (0.0%) look mislabelled. Not all of them are wrong" helps nobody."""

    def said(**values: object) -> str:
        found = LabelErrorSummary.model_validate({"rows": 628, "flagged": 0, "listed": 0, "by": ("tf-idf",), **values})
        return " ".join(suspects_section(found).said)

    few_known = said(planted=124, known=False)
    assert "know too little of these labels" in few_known
    assert "None of 628 train examples looks mislabelled" in said(planted=124)
    for nothing in (few_known, said(planted=124)):
        assert "Not all of them" not in nothing
        assert "probability:" not in nothing
    assert "7 of 628 train examples (1.1%) look mislabelled" in said(planted=124, flagged=7)


def test_counts_of_the_audit_agree_with_their_words() -> None:
    found = Audit(leaked_test_rows=1, near_duplicate_train_rows=1, duplicate_train_rows=2, skipped_rows=1)
    assert audit_sentences(found)[:4] == (
        "1 test example whose text is also in train",
        "2 train examples that repeat another's text",
        "1 train example that is a near duplicate of an earlier one",
        "1 row dropped, as liftune cannot use it",
    )
