"""The driver: it reads for one task after the other, and asks each what to read next."""

from __future__ import annotations

from edge_med.engine.engine import Engine
from edge_med.engine.llama.context import Stop
from edge_med.engine.prefill import SILENT, Emit
from edge_med.engine.tasks.task import Task
from edge_med.errors import CancelledError


class Driver:
    """Drives the slots of an engine; to be used from one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        """For an opened model."""
        self._engine = engine

    def run(self, task: Task, stop: Stop, emit: Emit = SILENT) -> None:
        """Run a task to its end.

        Args:
            task: the task to run.
            stop: called before each step, and while several tokens are read; true cancels the task.
            emit: receives events of how far the prompt has been read.

        Raises:
            EdgeMedError: the task's own, or that the prompt can't be read.
        """
        slot = self._engine.slot
        try:
            self._steps(task, stop, emit)
        except CancelledError as error:
            task.cancelled(error)
        try:
            task.finish(slot.stats)
        finally:
            if task.end_checkpoint:
                slot.save_checkpoint(logits=False)

    def _steps(self, task: Task, stop: Stop, emit: Emit) -> None:
        slot, prompt = self._engine.slot, task.prompt
        slot.prefill(prompt.items, prompt.pictures, stop, emit, prompt.adapters)
        if task.prompt_checkpoint:
            slot.save_checkpoint(logits=True)
        task.prefilled()
        rows = iter((slot.logits(),))
        while not stop():
            step = task.step(rows, slot.tokens_left)
            if step.checkpoint:
                slot.save_checkpoint(logits=True)
            if not step.tokens:
                return
            rows = slot.decode(step.tokens, stop)
        raise CancelledError("Stopped before the end.", "Ask again.")
