from service.core.batch_limit import BatchLimit


def test_a_batch_that_did_not_fit_is_not_tried_again_at_once() -> None:
    limit = BatchLimit(16)
    limit.out_of_memory(16)
    assert limit.rows == 8
    limit.out_of_memory(8)
    limit.out_of_memory(4)
    limit.out_of_memory(2)
    assert limit.rows == 1
    limit.out_of_memory(1)
    assert limit.rows == 1


def test_a_smaller_batch_that_did_not_fit_says_the_most() -> None:
    limit = BatchLimit(64)
    limit.out_of_memory(10)
    assert limit.rows == 5


def test_after_a_quiet_while_larger_batches_are_tried_up_to_the_largest() -> None:
    limit = BatchLimit(6)
    limit.out_of_memory(6)
    seen = []
    for _ in range(2000):
        limit.succeeded()
        seen.append(limit.rows)
    assert seen[:100] == [3] * 100
    assert seen[-1] == 6
    assert sorted(set(seen)) == [3, 6]
