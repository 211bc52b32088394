"""Which rows share a batch, how long they wait for each other, and that every asker gets its own answers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import numpy as np
import pytest
from serving import PATIENCE, FakeEngine, FakeExecutor

from liftune.server.batcher import DynamicBatcher
from liftune.server.engine import BatchExecutor, Work
from liftune.server.errors import RequestError
from liftune.server.limits import Limits
from liftune.server.queue import Batch, QueueFullError, RequestQueue, Ticket, deliver

LIMITS = Limits(queue_rows=10, batch_rows=4, batch_tokens=100, wait_seconds=1.0)


def ticket(executor: BatchExecutor, *tokens: int, at: float = 0.0, done: list[Ticket] | None = None) -> Ticket:
    works = [Work(each, None, position) for position, each in enumerate(tokens)]
    return Ticket(executor, works, at, (lambda _: None) if done is None else done.append)


def taken(found: Batch | float | None) -> list[int]:
    assert isinstance(found, Batch)
    return [entry.work.tokens for entry in found.entries]


def test_rows_wait_for_company_but_not_for_long() -> None:
    queue, executor = RequestQueue(LIMITS), FakeExecutor()
    assert queue.next(0.0) is None
    queue.add(ticket(executor, 10, at=5.0))
    assert queue.next(5.25) == pytest.approx(0.75)
    queue.add(ticket(executor, 20, at=5.5))
    assert taken(queue.next(6.0)) == [10, 20]
    assert (queue.rows, queue.tokens, queue.next(9.0)) == (0, 0, None)


@pytest.mark.parametrize(("tokens", "batch"), [((60, 40), [60, 40]), ((1, 1, 1, 1, 1), [1, 1, 1, 1]), ((300,), [300])])
def test_a_full_batch_waits_no_longer(tokens: Sequence[int], batch: list[int]) -> None:
    """Full of tokens, full of rows, or of one row that is longer than the budget."""
    queue = RequestQueue(LIMITS)
    queue.add(ticket(FakeExecutor(), *tokens, at=5.0))
    assert taken(queue.next(5.0)) == batch


def test_a_batch_stays_within_its_tokens_and_in_order() -> None:
    queue = RequestQueue(LIMITS)
    queue.add(ticket(FakeExecutor(), 50, 40, 30, 5))
    assert taken(queue.next(0.0)) == [50, 40]
    assert taken(queue.next(1.0)) == [30, 5]


def test_executors_have_batches_of_their_own_and_the_oldest_row_goes_first() -> None:
    queue, one, other = RequestQueue(LIMITS), FakeExecutor(), FakeExecutor()
    queue.add(ticket(one, 1, at=1.0))
    queue.add(ticket(other, 2, at=0.5))
    queue.add(ticket(one, 3, at=2.0))
    assert taken(queue.next(3.0)) == [2]
    assert taken(queue.next(3.0)) == [1, 3]


def test_a_full_executor_does_not_wait_for_an_older_row_of_another() -> None:
    queue, one, other = RequestQueue(LIMITS), FakeExecutor(), FakeExecutor()
    queue.add(ticket(one, 1, at=0.0))
    queue.add(ticket(other, 100, at=0.1))
    assert taken(queue.next(0.2)) == [100]
    assert queue.next(0.2) == pytest.approx(0.8)


def test_the_queue_takes_all_rows_of_a_request_or_none() -> None:
    queue, executor = RequestQueue(LIMITS), FakeExecutor()
    queue.add(ticket(executor, *[1] * 8))
    with pytest.raises(QueueFullError):
        queue.add(ticket(executor, 1, 1, 1))
    assert (queue.rows, queue.tokens) == (8, 8)
    queue.add(ticket(executor, 1, 1))


def test_a_client_that_has_gone_leaves_the_queue() -> None:
    queue, executor, done = RequestQueue(LIMITS), FakeExecutor(), []
    gone, stays = ticket(executor, *[30] * 6, done=done), ticket(executor, 7, done=done)
    queue.add(gone)
    queue.add(stays)
    batch = queue.next(0.0)  # begun before its asker went
    assert taken(batch) == [30, 7]
    queue.drop(gone)
    assert (queue.rows, queue.tokens) == (0, 0)
    assert isinstance(batch, Batch)
    deliver(batch, [np.zeros(1)] * len(batch.entries))
    assert done == [stays]
    queue.drop(stays)


def test_answers_go_to_their_rows_and_a_ticket_is_done_with_its_last() -> None:
    queue, executor, done = RequestQueue(LIMITS), FakeExecutor(), []
    long, other = ticket(executor, 60, 45, 20, done=done), ticket(executor, 50, 5, done=done)
    queue.add(long)
    queue.add(other)
    for now, tokens, logits in ((0.0, [60], "a"), (1.0, [50, 45, 5], "bcd"), (2.0, [20], "e")):
        batch = queue.next(now)
        assert taken(batch) == tokens
        assert isinstance(batch, Batch)
        deliver(batch, list(logits))
    assert done == [other, long]
    assert (long.logits, other.logits) == (["a", "c", "e"], ["b", "d"])


def test_a_small_request_takes_its_turn_beside_a_giant_one() -> None:
    """It waits for one batch, which the giant one may not fill while small ones come."""
    queue, executor, done = RequestQueue(Limits(batch_tokens=800)), FakeExecutor(), []
    giant = ticket(executor, *[50] * 1000, done=done)
    queue.add(giant)
    assert len(taken(queue.next(10.0))) == 16
    small = ticket(executor, 10, 20, at=11.0, done=done)
    queue.add(small)
    batch = queue.next(11.0)
    assert taken(batch) == [50, 50, 10, 20]
    assert isinstance(batch, Batch)
    deliver(batch, [0] * 4)
    assert done == [small]
    assert taken(queue.next(11.5)) == [50, 50]
    assert len(taken(queue.next(12.0))) == 16


def test_rows_of_several_requests_are_taken_in_turn() -> None:
    queue, executor = RequestQueue(Limits(batch_tokens=400)), FakeExecutor()
    queue.add(ticket(executor, *[101] * 9))
    queue.add(ticket(executor, *[102] * 9))
    assert taken(queue.next(1.0)) == [101, 102, 101]
    assert taken(queue.next(1.0)) == [102, 101, 102]


@pytest.mark.parametrize("limits", [Limits(batch_rows=1), Limits(batch_tokens=40)], ids=["rows", "tokens"])
def test_neither_small_nor_giant_requests_starve_where_a_batch_has_room_for_one(limits: Limits) -> None:
    queue, executor = RequestQueue(limits), FakeExecutor()
    queue.add(ticket(executor, *[900] * 9))
    found = []
    for now in range(6):
        queue.add(ticket(executor, 10, at=now))
        found += taken(queue.next(now + 0.5))
    assert found.count(900) == 3
    assert found.count(10) >= 3


def test_a_model_with_a_giant_request_does_not_hold_up_another_model() -> None:
    queue, one, other = RequestQueue(Limits(batch_tokens=800)), FakeExecutor(), FakeExecutor()
    queue.add(ticket(one, *[50] * 1000))
    assert taken(queue.next(0.0))
    for now in (0.5, 0.6, 0.7):
        queue.add(ticket(other, 7, at=now))
        assert taken(queue.next(now + 0.01)) == [7]
        assert taken(queue.next(now + 0.02)) == [50, 50]


def test_a_batch_that_fails_fails_its_own_tickets_once() -> None:
    queue, executor, done = RequestQueue(LIMITS), FakeExecutor(), []
    queue.add(ticket(executor, 60, 30, 20, done=done))
    for now in (0.0, 1.0):
        batch = queue.next(now)
        assert isinstance(batch, Batch)
        deliver(batch, ValueError("no"))
    assert [str(each.error) for each in done] == ["no"]


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, PATIENCE))


def test_requests_share_a_batch_and_get_their_own_answers() -> None:
    async def scenario() -> None:
        executor = FakeExecutor()
        batcher = DynamicBatcher(Limits(batch_rows=3, wait_seconds=1e6))
        batcher.start()
        two, five = FakeEngine(executor, 2), FakeEngine(executor, 5)
        found = await asyncio.gather(
            batcher.compute(executor, two.prepare(["a", "ab"])), batcher.compute(executor, five.prepare(["abcd"]))
        )
        assert executor.batches == [["a", "abcd", "ab"]]
        assert [[each.tolist() for each in rows] for rows in found] == [[[0, 1], [1, 0]], [[0, 0, 0, 0, 1]]]
        await batcher.close()

    run(scenario())


def test_closing_finishes_accepted_rows_and_accepts_no_more() -> None:
    async def scenario() -> None:
        executor = FakeExecutor(hold=True)
        engine = FakeEngine(executor, 2)
        batcher = DynamicBatcher(Limits(batch_rows=1, wait_seconds=1e6))
        batcher.start()
        asked = [asyncio.create_task(batcher.compute(executor, engine.prepare([text]))) for text in ("a", "ab")]
        await asyncio.to_thread(executor.started.wait)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)
        with pytest.raises(RequestError, match="stopping"):
            await batcher.compute(executor, engine.prepare(["late"]))
        executor.go.set()
        assert [[each.tolist() for each in rows] for rows in await asyncio.gather(*asked)] == [[[0, 1]], [[1, 0]]]
        await closing

    run(scenario())


def test_who_is_cancelled_is_not_computed_and_harms_no_other() -> None:
    async def scenario() -> None:
        executor = FakeExecutor(hold=True)
        engine = FakeEngine(executor, 2)
        batcher = DynamicBatcher(Limits(batch_rows=2, wait_seconds=0))
        batcher.start()
        first = asyncio.create_task(batcher.compute(executor, engine.prepare(["first", "row"])))
        await asyncio.to_thread(executor.started.wait)
        gone = asyncio.create_task(batcher.compute(executor, engine.prepare(["gone"])))
        stays = asyncio.create_task(batcher.compute(executor, engine.prepare(["stays"])))
        await asyncio.sleep(0)
        gone.cancel()
        executor.go.set()
        await asyncio.gather(first, stays)
        assert gone.cancelled()
        assert executor.batches == [["first", "row"], ["stays"]]
        await batcher.close()

    run(scenario())


def test_a_full_queue_says_when_to_come_again() -> None:
    async def scenario() -> None:
        executor = FakeExecutor(hold=True)
        engine = FakeEngine(executor, 2)
        batcher = DynamicBatcher(Limits(batch_rows=1, queue_rows=2, wait_seconds=0))
        batcher.start()
        computed = asyncio.create_task(batcher.compute(executor, engine.prepare(["a"])))
        await asyncio.to_thread(executor.started.wait)
        waits = asyncio.create_task(batcher.compute(executor, engine.prepare(["b", "c"])))
        await asyncio.sleep(0)
        with pytest.raises(RequestError) as refused:
            await batcher.compute(executor, engine.prepare(["d"]))
        assert refused.value.status == 503
        assert int(refused.value.headers["Retry-After"]) >= 1
        executor.go.set()
        await asyncio.gather(computed, waits)
        await batcher.close()

    run(scenario())


def test_an_executor_that_fails_does_not_stop_the_server() -> None:
    async def scenario() -> None:
        executor = FakeExecutor()
        engine = FakeEngine(executor, 2)
        batcher = DynamicBatcher(Limits(wait_seconds=0))
        batcher.start()
        with pytest.raises(ZeroDivisionError):
            await batcher.compute(executor, engine.prepare(["a defect"]))
        assert len(await batcher.compute(executor, engine.prepare(["fine"]))) == 1
        await batcher.close()

    run(scenario())


def test_more_rows_than_can_be_computed_in_time_are_refused_at_once() -> None:
    """Requests take turns: all of those in a queue that is too long would be late."""

    async def scenario() -> None:
        batcher = DynamicBatcher(Limits(seconds=10, wait_seconds=1e6))
        batcher.start()
        batcher._tokens_per_second = 100.0
        executor = FakeExecutor()
        giant = asyncio.create_task(batcher.compute(executor, [Work(501, 2, "a")]))
        await asyncio.sleep(0)
        with pytest.raises(RequestError) as refused:
            batcher.check_room(1)
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "6")
        giant.cancel()
        await asyncio.sleep(0)
        batcher.check_room(1)
        await batcher.close()

    run(scenario())


def test_a_giant_that_waits_keeps_no_small_request_out() -> None:
    """Eight small clients beside one of 200 texts got 2,985 refusals for 815 answers, though rows take turns."""

    async def scenario() -> None:
        batcher = DynamicBatcher(Limits(seconds=10, wait_seconds=1e6))
        batcher.start()
        batcher._tokens_per_second = 100.0
        giant = asyncio.create_task(batcher.compute(FakeExecutor(), [Work(10, 2, "a")] * 100))
        await asyncio.sleep(0)
        batcher.check_room(1)
        with pytest.raises(RequestError) as refused:
            batcher.check_room(60)
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "6")
        giant.cancel()
        await asyncio.sleep(0)
        await batcher.close()

    run(scenario())
