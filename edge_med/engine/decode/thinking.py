"""MedGemma's thought and its answer: token ids separate them, never visible text.

MedGemma opens a thought with `<unused94>` and closes it with `<unused95>` (Google's notebook
quick_start_with_hugging_face.ipynb). The 1.5 4B model rarely closes it: of 104 runs 22 opened a
thought, and one of these closed it. So a thought is closed for the model when its budget is used
up, when it runs in circles, and when the turn would end inside it; an answer always follows.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_med.config import ANSWER_SHARE, Options
from edge_med.engine.llama.llama_vocabulary import LlamaVocabulary
from edge_med.messages import Message, TextPart

OPEN, CLOSE = "<unused94>", "<unused95>"

LABEL = "thought\n"
"""What MedGemma writes first in a thought; the notebook takes it away as well."""

INSTRUCTION = "SYSTEM INSTRUCTION: think silently if needed."
"""Of the same notebook; the role's own text follows after a space."""


def instructed(messages: Sequence[Message], options: Options) -> tuple[Message, ...]:
    """A conversation with the instruction to think, if that is wanted."""
    if options.think != "on":
        return tuple(messages)
    if messages and messages[0].role == "system":
        system, *rest = messages
        return (Message("system", (TextPart(f"{INSTRUCTION} "), *system.parts)), *rest)
    return (Message("system", (TextPart(INSTRUCTION),)), *messages)


class Thought:
    """Where an answer stands: before, in or after its only thought.

    Attributes:
        count: tokens of the thought so far, without the marks at its ends.
        inside: whether the next token belongs to it.
        over: whether it has ended.
        forced: whether the model was made to end it.
    """

    def __init__(self, vocabulary: LlamaVocabulary, options: Options, context: int) -> None:
        """Before the first token.

        Args:
            vocabulary: the model's vocabulary; one without the marks has no thoughts.
            options: whether thoughts may be opened, and how long they may get.
            context: tokens that prompt, thought and answer may have together.
        """
        self._open, self.close = vocabulary.control(OPEN), vocabulary.control(CLOSE)
        self._banned = options.think == "off" or self.close is None
        self._budget = options.think_budget
        self._reserve = min(options.max_new_tokens, context // ANSWER_SHARE)
        self.count = 0
        self.inside = self.over = self.forced = self._circling = False

    def marks(self, token: int) -> bool:
        """Whether a token opens or closes thoughts; such a token is no text."""
        return token in (self._open, self.close)

    def opens(self, token: int) -> bool:
        """Whether a token opens the thought, which may be opened here."""
        return token == self._open and not self.inside and not self.refuses(token)

    def refuses(self, token: int) -> bool:
        """Whether a token can't come here: an answer has one thought, opened and then closed."""
        if token == self._open and not self.inside:
            return self._banned or self.over
        return token == self.close and not self.inside

    def take(self, token: int) -> None:
        """Move on by a token that isn't refused; a mark that opens inside a thought is nothing."""
        if token == self.close:
            self.inside, self.over = False, True
        elif self.inside:
            self.count += 1
        elif token == self._open:
            self.inside = True

    def must_close(self, room: int) -> bool:
        """Whether the thought has to end now, for its own length or for the answer's sake."""
        used_up = self.count >= self._budget or room <= self._reserve
        return self.inside and (used_up or self._circling)

    def end_loop(self) -> None:
        """The thought repeats itself."""
        self._circling = True

    def end(self) -> int:
        """The token that closes it instead of the model."""
        assert self.close is not None
        self.forced = True
        return self.close
