"""Scores are transformers' own, with images too; what was read for them is accounted for."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.tiny import PADDED_VOCABULARY, write_tiny
from devtools.checkpoints.tokenizer import tiny_tokenizer
from devtools.golden.conversations import CONVERSATIONS
from devtools.golden.numbers import CHECKPOINTS, entropy, pixels
from devtools.golden.scores import CASES, CHECKPOINT, rows, thoughts
from devtools.tie_rule import MAX_TIES, MEAN_KL, Agreement, compare
from edge_med import MedGemma
from edge_med.answers import Score
from edge_med.errors import CancelledError, ContextOverflowError, PromptError, UsageError

CLOSE = 0.03
"""Nats; seen 0.019, at a token that comes with a probability of e^-30."""

CELLS = 768
"""That the window layers have: the window of 32 and a batch of 512, rounded up to 256."""

golden = functools.cache(thoughts)
seen = functools.partial(rows, size=PADDED_VOCABULARY)

Scored = Callable[[str], Score]


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MedGemma]:
    folder = tmp_path_factory.mktemp("scores")
    source = write_tiny(CHECKPOINTS[CHECKPOINT], folder / "tiny")
    convert(ConversionRequest(source=source, folder=folder / "out", quants=("F32",), mmproj="F32"))
    with MedGemma.load(folder / "out", context=1024, threads=1) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def scored(gemma: MedGemma) -> Scored:
    """Our score of a case, with the whole vocabulary of each position."""

    @functools.cache
    def score(name: str) -> Score:
        return ask(gemma, name, top=PADDED_VOCABULARY)

    return score


def ask(gemma: MedGemma, name: str, **settings: Any) -> Score:
    case = CASES[name]
    messages = CONVERSATIONS[case.conversation].messages
    shown = [pixels(picture, 56) for picture in case.pictures]
    return gemma.score(messages, case.continuation, images=shown, fit=case.fit, **settings)


@pytest.mark.parametrize("name", CASES)
def test_positions_are_those_of_transformers_by_the_tie_rule(name: str, scored: Scored) -> None:
    agreement = compare(golden()[name].steps, seen(scored(name)))
    print(f"{name}: {agreement}")
    assert agreement.wrong == 0
    assert agreement.mean_kl <= MEAN_KL


@pytest.mark.parametrize("name", CASES)
def test_tokens_and_their_probabilities_are_those_of_transformers(
    name: str, scored: Scored
) -> None:
    thought, score = golden()[name], scored(name)
    assert tuple(token.id for token in score.tokens) == thought.ids
    off = np.abs(np.subtract([token.logprob for token in score.tokens], thought.logprobs))
    print(f"{name}: {off.max():.4f}")
    assert off.max() < CLOSE


def test_few_positions_are_ties(scored: Scored) -> None:
    """Over all cases: a case of ten positions can't have one per cent of them."""
    found: list[Agreement] = [compare(golden()[n].steps, seen(scored(n))) for n in CASES]
    assert sum(a.ties for a in found) <= MAX_TIES * sum(a.positions for a in found)


@pytest.mark.parametrize("name", CASES)
def test_the_reference_is_fairly_sure(name: str) -> None:
    half = math.log(PADDED_VOCABULARY) / 2
    assert max(entropy(step, PADDED_VOCABULARY) for step in golden()[name].steps) < half


def test_the_other_fit_is_noticed(gemma: MedGemma) -> None:
    case, top = CASES["stretched"], PADDED_VOCABULARY
    messages = CONVERSATIONS[case.conversation].messages
    padded = gemma.score(messages, case.continuation, images=[pixels("wide", 56)], top=top)
    assert compare(golden()["stretched"].steps, seen(padded)).mean_kl > 1e-2


def test_a_score_sums_up_its_tokens(scored: Scored) -> None:
    score = scored("text")
    logprobs = [token.logprob for token in score.tokens]
    assert score.logprob == pytest.approx(sum(logprobs))
    assert score.perplexity == pytest.approx(math.exp(-sum(logprobs) / len(logprobs)))


def test_candidates_are_told_only_if_wanted(gemma: MedGemma) -> None:
    plain, with_three = gemma.score("x", " the heart"), gemma.score("x", " the heart", top=3)
    assert {len(token.top) for token in plain.tokens} == {0}
    assert {len(token.top) for token in with_three.tokens} == {3}


def test_control_tokens_in_a_continuation_are_text(gemma: MedGemma) -> None:
    ids = {token.id for token in gemma.score("x", "a<end_of_turn>\n<eos>").tokens}
    assert not ids & {tiny_tokenizer().id(name) for name in ("<end_of_turn>", "<eos>")}


def test_a_score_is_the_same_whatever_was_read_before(gemma: MedGemma) -> None:
    fresh = ask(gemma, "image last")
    ask(gemma, "three images")
    gemma.ask("the heart")
    again = ask(gemma, "image last")
    assert again.logprob == pytest.approx(fresh.logprob, abs=CLOSE)


def test_asking_on_after_a_score_reuses_what_the_score_has_read(gemma: MedGemma) -> None:
    first = gemma.score("is the heart large", CASES["several turns"].continuation)
    turns = [
        {"role": "user", "content": "is the heart large"},
        {"role": "assistant", "content": CASES["several turns"].continuation},
        {"role": "user", "content": "and the lungs"},
    ]
    second = gemma.score(turns, "clear")
    assert second.usage.cached >= first.usage.prompt + first.usage.answer - 1


def test_the_question_is_read_once_for_all_options(gemma: MedGemma) -> None:
    choice = gemma.choose("what is it", ["heart", "lung", "x ray"], image=pixels("disc", 56))
    first, *others = (score.usage for score in choice.scores)
    assert all(usage.cached >= first.prompt - 1 for usage in others)
    assert all(usage.image == 4 for usage in others)


def test_a_long_question_is_read_once_although_the_window_moves_on(gemma: MedGemma) -> None:
    choice = gemma.choose("the heart " * 330, ["the lung " * 80, "x", "the fever " * 80])
    first, *others = (score.usage for score in choice.scores)
    assert first.prompt + first.answer > CELLS
    assert all(usage.cached >= first.prompt - 1 for usage in others)


def test_the_most_probable_option_is_chosen(gemma: MedGemma) -> None:
    options = ["the heart", "x", "no effusion and no pneumothorax"]
    choice = gemma.choose("what is it", options)
    sums = [gemma.score("what is it", option).logprob for option in options]
    assert choice.option == options[choice.index] == options[int(np.argmax(sums))]
    shares = np.exp(sums) / np.exp(sums).sum()
    assert choice.probabilities == pytest.approx(shares, abs=CLOSE)
    assert sum(choice.probabilities) == pytest.approx(1)


def test_by_length_the_most_probable_option_a_character_is_chosen(gemma: MedGemma) -> None:
    options = ["the heart", "x", "no effusion and no pneumothorax"]
    choice = gemma.choose("what is it", options, by_length=True)
    means = [s.logprob / len(o) for s, o in zip(choice.scores, options, strict=True)]
    assert choice.index == int(np.argmax(means))
    assert choice.index != gemma.choose("what is it", options).index


@pytest.mark.parametrize("options", [[], ["one"], ["one", ""]])
def test_a_choice_needs_two_texts(options: list[str], gemma: MedGemma) -> None:
    with pytest.raises(PromptError):
        gemma.choose("x", options)


def test_an_empty_continuation_is_refused(gemma: MedGemma) -> None:
    with pytest.raises(PromptError, match="empty"):
        gemma.score("x", "")


@pytest.mark.parametrize("top", [-1, 1001])
def test_a_number_of_candidates_that_cannot_be_is_refused(top: int, gemma: MedGemma) -> None:
    with pytest.raises(UsageError, match="top"):
        gemma.score("x", "y", top=top)


def test_what_does_not_fit_the_context_is_refused_with_the_numbers(gemma: MedGemma) -> None:
    prompt = gemma.count("x").prompt
    told = f"has {prompt} tokens and the continuation 1100, {prompt + 76} tokens too long .* 1024"
    with pytest.raises(ContextOverflowError, match=told):
        gemma.score("x", "x" * 1100)


def test_a_score_can_be_cancelled(gemma: MedGemma) -> None:
    def score_on() -> None:
        while True:
            gemma.score("the heart", "the lung " * 300, top=5)

    over = threading.Event()

    def cancel_on() -> None:  # one may fall between two scores, and then there is nothing to cancel
        while not over.wait(0.05):
            gemma.cancel()

    thread = threading.Thread(target=cancel_on, daemon=True)
    thread.start()
    with pytest.raises(CancelledError):
        score_on()
    over.set()
    thread.join()
    assert gemma.score("x", "the heart").usage.answer > 0


@pytest.mark.parametrize("options", [[1, 2], [None, "a"], [b"a", "b"]])
def test_only_texts_are_chosen_from(options: Any, gemma: MedGemma) -> None:
    with pytest.raises(PromptError, match="isn't a text"):
        gemma.choose("x", options)


@pytest.mark.parametrize("options", [None, 5, ["a"], "ab", iter(["a"])])
def test_two_texts_or_more_are_chosen_from(options: Any, gemma: MedGemma) -> None:
    with pytest.raises(PromptError, match="fewer than two options"):
        gemma.choose("x", options)


def test_options_may_come_from_a_generator(gemma: MedGemma) -> None:
    assert gemma.choose("x", (word for word in ("a", "b"))).option in ("a", "b")  # type: ignore[arg-type]


@pytest.mark.parametrize("continuation", [None, 5, b"a"])
def test_only_a_text_is_scored(continuation: Any, gemma: MedGemma) -> None:
    with pytest.raises(PromptError, match="isn't a text"):
        gemma.score("x", continuation)
