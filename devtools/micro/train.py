"""Train micro: first its eyes, then all of it.

python -m devtools.micro.train WORK [--minutes 40 20 120 90] [--threads 2]

The eyes learn, with heads that are thrown away, which structure each patch holds, which findings
there are and where; then the words learn to read what the eyes see, from single questions; then
the whole model learns to converse; then, more slowly, what is left to learn: small things and
their boxes. WORK keeps pictures, the state from which a training that was stopped goes on, a log,
and the checkpoint as it is; the [golden] extra has what is needed. The learning rate falls with the
share of a stage's time that has gone by.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from devtools.micro import files, network
from devtools.micro.dialogues import Dialogue, Writer
from devtools.micro.heads import Heads
from devtools.micro.pictures import Batch, Store, draw_in_background
from edge_med.demo.phantom import Phantom

SEED = 2026
BATCH = 16
"""Conversations at once; short ones while the words learn to read what the eyes see."""

STAGES = ("eyes", "words", "all", "boxes")
PEAK = {"eyes": 8e-4, "words": 1e-3, "all": 8e-4, "boxes": 6e-4}
WARM_UP = 0.02
"""Share of a stage in which the learning rate rises."""

HEADS = 0.5
"""Weight of what the eyes are off, while the whole model learns."""

BOXED = 0.6
"""Share of short conversations with a box, while boxes are learnt."""

KEPT_EVERY, TOLD_EVERY, EXAMINED_EVERY = 300.0, 20.0, 600.0  # seconds
POOL = 8
"""Batches that are sorted by length together, so that little is padded."""


class Training:
    """Model, heads and optimizer, as far as they have come."""

    def __init__(self, work: Path, minutes: dict[str, float]) -> None:
        self.work, self.minutes = work, minutes
        self.checkpoint = work / "micro"
        files.write_files(self.checkpoint)
        self.model = network.fresh(self.checkpoint, SEED)
        weight = self.model.model.multi_modal_projector.mm_input_projection_weight
        torch.nn.init.normal_(weight, std=weight.shape[0] ** -0.5)  # its own beginning is 0
        self.heads = Heads()
        self.writer = Writer(Tokenizer.from_file(str(self.checkpoint / "tokenizer.json")))
        self.soft = json.loads((self.checkpoint / "config.json").read_text())["image_token_index"]
        self.store = Store(work / "pictures")
        self.stage, self.step, self.gone = STAGES[0], 0, 0.0
        self.optimizer = self._optimizer()
        if (work / "state.pt").exists():
            self._resume()

    def run(self) -> None:
        """All stages, or what is left of them."""
        for stage in STAGES[STAGES.index(self.stage) :]:
            if stage != self.stage:
                self.stage, self.step, self.gone = stage, 0, 0.0
                self.optimizer = self._optimizer()
            self._run_stage()
            self.keep()

    def _run_stage(self) -> None:
        lot = np.random.default_rng([SEED, STAGES.index(self.stage), self.step])
        makers = {
            "eyes": self._eyes_losses,
            "words": self._words_losses,
            "all": self._all_losses,
            "boxes": self._boxes_losses,
        }
        losses = makers[self.stage](lot)
        limit = 60 * self.minutes[self.stage]
        last = told = kept = examined = time.monotonic()
        recent: list[float] = []
        for loss in losses:
            self._learn(loss, self.gone / limit)
            recent.append(loss.item())
            now = time.monotonic()
            self.gone += now - last
            last = now
            self.step += 1
            if now - told > TOLD_EVERY:
                self.log(loss=round(float(np.mean(recent)), 4))
                recent, told = [], now
            if now - kept > KEPT_EVERY:
                self.keep()
                kept = now
            if now - examined > EXAMINED_EVERY and self.stage != "eyes":
                self.log(exact=self.examine())
                examined = now
            if self.gone > limit:
                break

    def _eyes_losses(self, lot: np.random.Generator) -> Iterator[torch.Tensor]:
        while True:
            batch = self.store.batch(BATCH, lot)
            with torch.autocast("cpu", torch.bfloat16):
                seen, tokens = self._see(_pixels(batch, lot))
            yield self.heads.loss(seen, tokens, batch)

    def _words_losses(self, lot: np.random.Generator) -> Iterator[torch.Tensor]:
        while True:
            batch = self.store.batch(BATCH, lot)
            dialogues = [self.writer.short(drawn, lot) for drawn in batch.phantoms]
            seen, tokens = self._see(_pixels(batch, lot))
            yield self._said(dialogues, tokens) + HEADS * self.heads.loss(seen, tokens, batch)

    def _all_losses(self, lot: np.random.Generator) -> Iterator[torch.Tensor]:
        while True:
            pool = self.store.batch(BATCH * POOL, lot)
            dialogues = [self.writer.dialogue(drawn, lot) for drawn in pool.phantoms]
            yield from self._pool_losses(pool, dialogues, lot)

    def _boxes_losses(self, lot: np.random.Generator) -> Iterator[torch.Tensor]:
        while True:
            pool = self.store.batch(BATCH * POOL, lot, small=True)
            dialogues = [self._boxed(drawn, lot) for drawn in pool.phantoms]
            yield from self._pool_losses(pool, dialogues, lot)

    def _boxed(self, drawn: Phantom, lot: np.random.Generator) -> Dialogue:
        write = self.writer.short if lot.random() < BOXED else self.writer.dialogue
        return write(drawn, lot)

    def _pool_losses(
        self, pool: Batch, dialogues: list[Dialogue], lot: np.random.Generator
    ) -> Iterator[torch.Tensor]:
        order = np.argsort([len(dialogue.ids) for dialogue in dialogues], kind="stable")
        for rows in lot.permutation(order.reshape(POOL, BATCH)):
            batch = Batch([pool.phantoms[n] for n in rows], pool.pictures[rows], pool.masks[rows])
            with torch.autocast("cpu", torch.bfloat16):
                seen, tokens = self._see(_pixels(batch, lot))
                said = self._said([dialogues[n] for n in rows], tokens)
            yield said + HEADS * self.heads.loss(seen, tokens, batch)

    def _see(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the tower makes of patches, and the projector's tokens."""
        seen = self.model.model.vision_tower(pixel_values=pictures).last_hidden_state
        return seen, self.model.model.multi_modal_projector(seen)

    def _said(self, dialogues: list[Dialogue], tokens: torch.Tensor) -> torch.Tensor:
        logits, ids, learnt = self._logits(dialogues, tokens)
        return functional.cross_entropy(
            logits[:, :-1][learnt[:, 1:]].float(), ids[:, 1:][learnt[:, 1:]]
        )

    def _logits(
        self, dialogues: list[Dialogue], tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Next-token logits with the dialogues' ids and which of them are to be learnt."""
        length = max(len(dialogue.ids) for dialogue in dialogues)
        ids, learnt = (
            torch.zeros(len(dialogues), length, dtype=torch.long),
            torch.zeros(len(dialogues), length, dtype=torch.bool),
        )
        for n, dialogue in enumerate(dialogues):
            ids[n, : len(dialogue.ids)] = torch.from_numpy(dialogue.ids)
            learnt[n, : len(dialogue.ids)] = torch.from_numpy(dialogue.learnt)
        soft = ids == self.soft
        embedded = self.model.get_input_embeddings()(ids.masked_fill(soft, 0))
        shown = torch.tensor([dialogue.shown for dialogue in dialogues])
        embedded = embedded.masked_scatter(soft[..., None], tokens[shown].to(embedded.dtype))
        # Padding stands at the end and is never attended to by what comes before it.
        out = self.model(
            inputs_embeds=embedded,
            attention_mask=torch.ones_like(ids),
            token_type_ids=soft.long(),
        )
        return out.logits, ids, learnt

    def _learn(self, loss: torch.Tensor, share: float) -> None:
        rate = PEAK[self.stage] * min(1.0, share / WARM_UP + 0.01)
        rate *= 0.5 * (1 + math.cos(math.pi * min(share, 1.0))) * 0.98 + 0.02
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for group in self.optimizer.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], 1.0)
        self.optimizer.step()

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def examine(self, batches: int = 16) -> dict[str, float]:
        """The share of answers that are right to the last token, by kind; training's wording."""
        lot, right = np.random.default_rng(1), defaultdict(list)
        for _ in range(batches):
            batch = self.store.batch(BATCH, lot)
            dialogues = [self.writer.dialogue(drawn, lot) for drawn in batch.phantoms]
            _, tokens = self._see(_pixels(batch, lot))
            logits, ids, learnt = self._logits(dialogues, tokens)
            hits = (logits[:, :-1].argmax(-1) == ids[:, 1:]).numpy()
            for n, dialogue in enumerate(dialogues):
                spans = np.flatnonzero(np.diff(np.pad(learnt[n].numpy().astype(int), 1)))
                pairs = spans.reshape(-1, 2)
                for kind, (begin, end) in zip(dialogue.kinds[-len(pairs) :], pairs, strict=True):
                    right[kind].append(bool(hits[n, begin - 1 : end - 1].all()))
        return {kind: round(float(np.mean(values)), 3) for kind, values in sorted(right.items())}

    def _optimizer(self) -> torch.optim.Optimizer:
        eyes = [
            *self.model.model.vision_tower.parameters(),
            *self.model.model.multi_modal_projector.parameters(),
            *self.heads.parameters(),
        ]
        words = [*self.model.model.language_model.parameters()]
        learning = [eyes] if self.stage == "eyes" else [eyes, words]
        groups = [{"params": parameters} for parameters in learning]
        return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), weight_decay=0.01)

    def log(self, **values: Any) -> None:
        """A line for the curve."""
        line = {"stage": self.stage, "step": self.step, "seconds": round(self.gone), **values}
        print(json.dumps(line), flush=True)
        with (self.work / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def keep(self) -> None:
        """Write the state to go on from, and the checkpoint."""
        state = {
            "stage": self.stage,
            "step": self.step,
            "gone": self.gone,
            "model": self.model.state_dict(),
            "heads": self.heads.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        part = self.work / "state.part"
        torch.save(state, part)
        part.replace(self.work / "state.pt")
        network.save_weights(self.model, self.checkpoint)
        self.model.load_state_dict(state["model"])

    def _resume(self) -> None:
        state = torch.load(self.work / "state.pt", weights_only=True)
        self.stage, self.step, self.gone = state["stage"], state["step"], state["gone"]
        self.optimizer = self._optimizer()
        self.model.load_state_dict(state["model"])
        self.heads.load_state_dict(state["heads"])
        self.optimizer.load_state_dict(state["optimizer"])


def _pixels(batch: Batch, lot: np.random.Generator) -> torch.Tensor:
    """As the image processor gives them, a little brighter or darker and noisier by lot.

    Half of them are spread over the full range of greys first, as the recipe for X-rays does.
    """
    grey = torch.from_numpy(batch.pictures).float().div(255)
    count = len(grey)
    spread = torch.from_numpy(lot.random(count) < 0.5)
    low, high = grey.amin((1, 2), keepdim=True), grey.amax((1, 2), keepdim=True)
    grey = torch.where(spread[:, None, None], (grey - low) / (high - low), grey)
    gain = torch.from_numpy(lot.uniform(0.9, 1.1, (count, 1, 1)).astype(np.float32))
    gain[spread] = gain[spread].clamp(max=1.0)
    noise = torch.from_numpy(lot.uniform(0.0, 0.015, (count, 1, 1)).astype(np.float32))
    seen = (grey * gain + torch.randn_like(grey) * noise * (grey > 0)).clamp(0, 1)
    return seen.sub(0.5).div(0.5)[:, None].expand(-1, 3, -1, -1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--minutes", type=float, nargs=4, default=(40, 20, 120, 90))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    draw_in_background(options.work / "pictures")
    Training(options.work, dict(zip(STAGES, options.minutes, strict=True))).run()


if __name__ == "__main__":
    main()
