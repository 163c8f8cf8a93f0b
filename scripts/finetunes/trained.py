"""Adapters as PEFT saves them, and what PEFT and transformers make of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
import transformers
from tokenizers import Tokenizer

from devtools.checkpoints.safetensors import write_safetensors
from edge_med.artifacts.safetensors import read_shard
from scripts.finetunes.kinds import Kind

MICRO = Path(__file__).parents[2] / "models/micro"
CLASSES = {
    "Gemma3ForConditionalGeneration": transformers.Gemma3ForConditionalGeneration,
    "Gemma3ForCausalLM": transformers.Gemma3ForCausalLM,
}
PREFIX = "language_model."
"""What stands before the text model's names in micro."""


def version_of(package: Any) -> tuple[int, int]:
    """Major and minor."""
    major, minor = package.__version__.split(".")[:2]
    return int(major), int(minor)


def write_text_model(folder: Path) -> Path:
    """Micro without eyes, as a Gemma3ForCausalLM has it."""
    folder.mkdir(parents=True)
    shard = read_shard(MICRO / "model.safetensors")
    raw = shard.path.read_bytes()
    weights: dict[str, tuple[str, Any]] = {}
    for tensor in shard.tensors:
        if tensor.name.startswith(PREFIX):
            words = np.frombuffer(raw[tensor.offset : tensor.offset + tensor.size], np.uint16)
            weights[tensor.name.removeprefix(PREFIX)] = ("BF16", words.reshape(tensor.shape))
    write_safetensors(folder / "model.safetensors", weights)
    config = json.loads((MICRO / "config.json").read_text("utf-8"))["text_config"]
    config |= {"architectures": ["Gemma3ForCausalLM"], "torch_dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config))
    for path in MICRO.glob("*"):
        if path.name.startswith(("tokenizer", "chat_template", "generation_config", "README")):
            shutil.copy(path, folder)
    return folder


def load(folder: Path, dtype: Any, *, parted: bool = False, rows: int | None = None) -> Any:
    """A model as transformers reads it, with a head of its own if it is to be `parted`."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    model, told = CLASSES[config["architectures"][0]].from_pretrained(
        folder, torch_dtype=dtype, attn_implementation="eager", output_loading_info=True
    )
    assert not any(told.values()), told
    if rows:
        torch.manual_seed(0)
        model.resize_token_embeddings(rows)
    if parted:
        model.config.tie_word_embeddings = False
        model.config.get_text_config().tie_word_embeddings = False
        embedding = model.get_input_embeddings().weight.detach()
        model.get_output_embeddings().weight = torch.nn.Parameter(embedding.clone())
    return model.eval()


def make(kind: Kind, settings: Mapping[str, Any], base: Path, folder: Path, seed: int) -> Path:
    """Make an adapter with numbers as after some training, and save it."""
    model = load(base, torch.bfloat16, rows=kind.rows)
    names = {module.rpartition(".")[2] for module, _ in model.named_modules()}
    given = {"r": 8, "lora_alpha": 12, **settings}
    if isinstance(saved := given.get("modules_to_save"), list):
        given["modules_to_save"] = [name for name in saved if name in names]
    torch.manual_seed(seed)
    wrapped = peft.get_peft_model(model, peft.LoraConfig(**given))
    saving: dict[str, Any] = {"save_embedding_layers": True} if kind.stored else {}
    if kind.converted:
        config, first = wrapped.peft_config["default"], str(folder.parent / "first")
        start, config.init_lora_weights = config.init_lora_weights, True
        wrapped.save_pretrained(first)
        config.init_lora_weights = start
        saving["path_initial_model_for_weight_conversion"] = first
    for name, values in wrapped.named_parameters():
        if values.requires_grad:
            values.data.copy_(_trained(kind, name, values.data))  # in its place: some are shared
            if kind.dtype != "float32":
                values.data = values.data.to(getattr(torch, kind.dtype))
    if kind.tied:  # PEFT parts the two where it widens their numbers
        head, table = wrapped.get_output_embeddings(), wrapped.get_input_embeddings()
        head.lora_A["default"].weight.data = table.lora_embedding_B["default"].data.T.clone()
        head.lora_B["default"].weight.data = table.lora_embedding_A["default"].data.T.clone()
    wrapped.save_pretrained(folder, **saving)
    return folder


SIZES = (
    (("lora_B.bias", ".bias"), 0.05),
    (("lora_embedding_A",), 0.1),
    (("lora_A",), None),
    (("lora_B", "lora_embedding_B"), 0.12),
)
"""How much parameters are moved by, by what stands in their names; None: by 1/√width."""


def _trained(kind: Kind, name: str, values: Any) -> Any:
    """New numbers in place of a parameter's first ones."""
    noise = torch.randn(values.shape, dtype=torch.float32)
    if kind.whole:
        return torch.randint(-1, 2, values.shape)
    if kind.converted or kind.refused:  # such a start has the size of the weights already
        return values + 0.01 * noise
    for parts, size in SIZES:
        if any(part in name for part in parts):
            known = values if "bias" in name else 0.0
            return known + (size or values.shape[-1] ** -0.5) * noise
    spread = values.float().std() if values.dim() > 1 else values.float().abs().mean()
    return values + 0.1 * spread * noise


def merges(kind: Kind) -> bool:
    """Whether what PEFT merges is what was trained."""
    return version_of(peft) >= kind.merges


def merged(kind: Kind, base: Path, folders: list[Path]) -> Any:
    """The model with its adapters merged by PEFT, as by default: in BF16, one rounding each."""
    parted = kind.parted or kind.tied
    model = load(base, torch.bfloat16, parted=parted, rows=kind.rows)
    for folder in folders:
        model = peft.PeftModel.from_pretrained(model, _scaled(kind, folder)).merge_and_unload()
    if kind.tied:
        model.get_output_embeddings().weight = model.get_input_embeddings().weight
    return model


def trained(kind: Kind, base: Path, folders: list[Path]) -> Any:
    """The model in float32 with its adapters as in training, or merged where that is the same."""
    if unmerged(kind):
        (folder,) = folders
        model = load(base, torch.float32, rows=kind.rows)
        return peft.PeftModel.from_pretrained(model, folder).eval()
    model = load(base, torch.float32, parted=True, rows=kind.rows)
    model.load_state_dict(merged(kind, base, folders).state_dict())
    return model


def unmerged(kind: Kind) -> bool:
    """Whether answers are held against the model with its adapter beside it."""
    return not merges(kind) or ((kind.parted or kind.tied) and kind.rows is None)


def _scaled(kind: Kind, folder: Path) -> Path:
    """The adapter with its alpha multiplied, which is what a strength is."""
    if kind.strength == 1:
        return folder
    scaled = folder.with_name(f"{folder.name}-scaled")
    if not scaled.exists():
        shutil.copytree(folder, scaled)
        path = scaled / "adapter_config.json"
        config = json.loads(path.read_text())
        path.write_text(json.dumps(config | {"lora_alpha": config["lora_alpha"] * kind.strength}))
    return scaled


SOFT = 1018
"""The token of an image's rows."""

IMAGE = f"\n\n<start_of_image>{'<image_soft_token>' * 16}<end_of_image>\n\n"

Asked = tuple[str, int | None]
"""A question to micro, and the phantom whose picture goes with it."""

TEXTS: tuple[Asked, ...] = (
    ("What does the heart do?", None),
    ("What is a pleural effusion?", None),
)
SHOWN: tuple[Asked, ...] = (
    ("Describe the picture.", 100),
    ("Is there an effusion?", 300),
    ("Where is the heart?", 700),
)


def ids_of(text: str, *, shown: bool) -> list[int]:
    """A question's tokens."""
    tokenizer = Tokenizer.from_file(str(MICRO / "tokenizer.json"))
    turn = f"<bos><start_of_turn>user\n{IMAGE if shown else ''}{text}<end_of_turn>\n"
    whole = f"{turn}<start_of_turn>model\n"
    return list(tokenizer.encode(whole, add_special_tokens=False).ids)


def values_of(pixels: Any) -> Any:
    """A square grey picture as Gemma 3's processor hands it over: from -1 to 1."""
    grey = torch.from_numpy(pixels.astype(np.float32) / 255)
    return ((grey - 0.5) / 0.5).expand(1, 3, *grey.shape).contiguous()


@torch.no_grad()  # type: ignore[untyped-decorator]
def logits(model: Any, ids: list[int], values: Any) -> Any:
    """Of every position."""
    given = torch.tensor([ids])
    more = {"attention_mask": torch.ones_like(given), "use_cache": False}
    if values is not None:
        more |= {"pixel_values": values, "token_type_ids": (given == SOFT).long()}
    return model(input_ids=given, **more).logits[0].float().numpy()
