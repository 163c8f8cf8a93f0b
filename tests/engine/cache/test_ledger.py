"""The ledger: what is in the cache, and what a prompt may take over from it."""

from __future__ import annotations

import numpy as np

from edge_med.engine.cache.ledger import ImageBlock, Ledger, Reuse, length

IMAGE, OTHER = ImageBlock("a" * 64, 4), ImageBlock("b" * 64, 4)
WINDOW = 8
NOTHING = bytearray(10)


def ledger(*items: int | ImageBlock, budget: int = 1000) -> Ledger:
    made = Ledger(WINDOW, budget)
    made.append(items)
    return made


def test_an_image_takes_as_many_positions_as_it_has_tokens() -> None:
    assert length([1, 2, IMAGE, 3]) == 7
    assert ledger(1, 2, IMAGE, 3).position == 7


def test_what_a_prompt_shares_from_its_start_is_taken_over() -> None:
    assert ledger(1, 2, IMAGE, 3, 4).reuse([1, 2, IMAGE, 3, 9, 9], 0) == Reuse(4, 7)


def test_another_image_ends_what_is_shared() -> None:
    assert ledger(1, IMAGE, 3).reuse([1, OTHER, 3], 0) == Reuse(1, 1)


def test_ledger_reuse_leaves_one_token_for_logits() -> None:
    assert ledger(1, 2, 3).reuse([1, 2, 3], 0) == Reuse(2, 2)
    assert ledger(1, 2, 3, 4, 5).reuse([1, 2, 3], 0) == Reuse(2, 2)


def test_a_checkpoint_with_logits_leaves_nothing_to_read() -> None:
    held = ledger(1, 2, 3)
    held.keep(NOTHING, np.zeros(5, np.float32))
    held.append([4, 5])
    reuse = held.reuse([1, 2, 3], 0)
    assert (reuse.items, reuse.position, reuse.checkpoint) == (3, 3, held.checkpoints[0])


def test_a_prefix_whose_window_has_moved_on_is_not_taken_over() -> None:
    held = ledger(*range(100))
    wanted = [*range(50), -1]
    assert held.reuse(wanted, oldest=43) == Reuse(50, 50)  # 43 to 50 are the 8 that 50 sees
    assert held.reuse(wanted, oldest=44) == Reuse(0, 0)


def test_a_model_without_a_window_forgets_nothing() -> None:
    held = Ledger(None, 0)
    held.append(range(100))
    assert held.reuse([*range(50), -1], oldest=0) == Reuse(50, 50)


def test_behind_the_window_the_last_checkpoint_before_it_counts() -> None:
    held = ledger(*range(10))
    held.keep(NOTHING)
    held.append(range(10, 20))
    held.keep(NOTHING)
    held.append(range(20, 100))
    for shared, place in ((15, 10), (20, 20), (60, 20)):
        reuse = held.reuse([*range(shared), -1], oldest=92)
        assert (reuse.position, reuse.checkpoint) == (place, held.checkpoints[place // 10 - 1])


def test_what_is_cut_off_takes_its_checkpoints_along() -> None:
    held = ledger(*range(10))
    held.keep(NOTHING)
    held.append(range(10, 20))
    held.keep(NOTHING)
    held.truncate(15)
    assert [kept.position for kept in held.checkpoints] == [10]
    assert held.items == list(range(15))


def test_the_oldest_checkpoints_go_when_the_budget_is_used_up() -> None:
    held = ledger(budget=25)
    for token in range(4):
        held.append([token])
        held.keep(NOTHING)
    assert [kept.position for kept in held.checkpoints] == [3, 4]


def test_logits_count_towards_the_budget() -> None:
    held = ledger(1, budget=25)
    held.keep(NOTHING, np.zeros(4, np.float32))
    assert held.checkpoints == []


def test_a_checkpoint_over_the_whole_budget_drives_nothing_out() -> None:
    held = ledger(1, budget=25)
    held.keep(NOTHING)
    held.append([2])
    held.keep(bytearray(26))
    assert [kept.position for kept in held.checkpoints] == [1]


def test_the_ends_of_prompts_outlive_those_of_answers() -> None:
    """An answer can be written anew only from the end of its prompt."""
    held = ledger(budget=60)
    for token in range(6):
        held.append([token])
        held.keep(NOTHING, None if token % 2 else np.zeros(2, np.float32))
    assert [kept.position for kept in held.checkpoints] == [1, 3, 5]


def test_other_adapters_empty_it_and_the_same_do_not() -> None:
    held = ledger(1, 2, 3)
    held.keep(NOTHING)
    assert not held.adapt(())
    assert held.adapt((("chest", 1.0),))
    assert (held.items, held.position, held.checkpoints) == ([], 0, [])
    held.append([1, 2])
    assert not held.adapt((("chest", 1.0),))
    assert held.adapt((("chest", 0.5),))
    assert held.items == []
