"""The metadata of the GGUF files, key by key as llama.cpp's own tools write it.

Model-card heuristics and special-token rules come from the gguf package, which those tools use;
what we add ourselves stands under `edge_med.` and in `general.quantized_by`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import gguf
import yaml

from converters.checkpoint import Checkpoint
from converters.header import TypedValue
from converters.licence import Licence, find_licence, notice
from converters.vocabulary import Vocabulary
from edge_med.artifacts.hparams import ModelParams, TextParams, VisionParams
from edge_med.errors import CheckpointError

# The gguf package warns of what it leaves out of a file; we check the result instead.
for _name in ("gguf", "metadata"):
    logging.getLogger(_name).addHandler(logging.NullHandler())

Values = Mapping[str, TypedValue]

MAX_MODEL_CARD = 4 << 20
QUANTIZATION_VERSION = 2  # GGML_QNT_VERSION, ggml.h


@dataclass(frozen=True, slots=True)
class Card:
    """What the checkpoint says of itself, for one file with so many parameters."""

    metadata: gguf.Metadata
    licence: Licence

    def notice(self, version: str) -> str:
        """What every file made from the checkpoint says of its origin and terms."""
        return notice(self.licence, version)


def read_card(checkpoint: Checkpoint, parameters: int, called: tuple[str, ...]) -> Card:
    """Read model card, generation config and folder name into `general.*` values.

    Args:
        checkpoint: an opened checkpoint.
        parameters: numbers in all tensors of the file, for its size label.
        called: what the user calls the model and its source, such as `google/medgemma-4b-it`.

    Raises:
        CheckpointError: the model card's header is damaged.
    """
    readme = checkpoint.folder / "README.md"
    if readme.is_file() and readme.stat().st_size > MAX_MODEL_CARD:
        raise CheckpointError("README.md is far too large.", "Remove it from the checkpoint.")
    try:
        found = gguf.Metadata.load(None, checkpoint.folder, None, parameters)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, OSError, RecursionError):
        raise CheckpointError(
            "The header of README.md or generation_config.json can't be read.",
            "Download it again, or remove it from the checkpoint.",
        ) from None
    # gguf 0.19 doesn't know this name yet; llama.cpp's own copy does.
    repetition = checkpoint.json("generation_config.json").get("repetition_penalty")
    found.sampling_penalty_repeat = found.sampling_penalty_repeat or repetition
    found.name = found.name or checkpoint.folder.name
    found.size_label = found.size_label or gguf.size_label(parameters, parameters, 0, 0)
    bases = [str(value) for base in found.base_models or [] for value in base.values()]
    said = [found.license, found.license_name, found.name, checkpoint.folder.name, *bases, *called]
    return Card(found, find_licence([str(text) for text in said if text]))


def text_values(
    checkpoint: Checkpoint, params: TextParams, vocabulary: Vocabulary, card: Card, version: str
) -> Values:
    """The metadata of a text model, all but its file type."""
    writer = _start("gemma3", "model", card)
    _add_text_params(writer, params)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_scores(vocabulary.scores)
    writer.add_token_types(vocabulary.types)
    _add_special_tokens(writer, checkpoint, len(vocabulary))
    writer.add_add_space_prefix(False)
    return _finish(writer, card, version)


def projector_values(params: ModelParams, vision: VisionParams, card: Card, version: str) -> Values:
    """The metadata of a projector, all but its file type."""
    writer = _start("clip", "mmproj", card)
    writer.add_clip_has_vision_encoder(True)
    writer.add_vision_projection_dim(params.text.hidden)
    writer.add_vision_image_size(vision.image_size)
    writer.add_vision_patch_size(vision.patch_size)
    writer.add_vision_embedding_length(vision.hidden)
    writer.add_vision_feed_forward_length(vision.feed_forward)
    writer.add_vision_block_count(vision.layers)
    writer.add_vision_head_count(vision.heads)
    writer.add_vision_image_mean(list(vision.mean))
    writer.add_vision_image_std(list(vision.deviation))
    writer.add_clip_projector_type(gguf.VisionProjectorType.GEMMA3)
    writer.add_vision_attention_layernorm_eps(vision.epsilon)
    writer.add_vision_use_gelu(True)
    if vision.pool != 4:  # what llama.cpp takes when the key is missing (clip.cpp)
        writer.add_vision_projector_scale_factor(vision.pool)
    return _finish(writer, card, version)


def with_file_type(values: Values, file_type: int) -> Values:
    """The metadata of one file of the set: the same, and its `general.file_type`."""
    writer = gguf.GGUFWriter(path=None, arch="")
    writer.add_file_type(file_type)
    key = gguf.Keys.General.FILE_TYPE
    return {**values, key: writer.kv_data[0][key]}


def template_sha256(values: Values) -> str | None:
    """The hash of the chat template among a text model's metadata; None if it has none."""
    found = values.get(gguf.Keys.Tokenizer.CHAT_TEMPLATE)
    return None if found is None else hashlib.sha256(found.value.encode()).hexdigest()


def _start(architecture: str, kind: str, card: Card) -> gguf.GGUFWriter:
    """A writer that only collects values; it never opens a file."""
    writer = gguf.GGUFWriter(path=None, arch=architecture)
    writer.add_type(kind)
    card.metadata.set_gguf_meta_model(writer)
    return writer


def _finish(writer: gguf.GGUFWriter, card: Card, version: str) -> Values:
    writer.add_quantized_by(f"edge-med {version}")
    writer.add_string("edge_med.notice", card.notice(version))
    writer.add_quantization_version(QUANTIZATION_VERSION)
    values: Values = writer.kv_data[0]
    return values


def _add_text_params(writer: gguf.GGUFWriter, params: TextParams) -> None:
    writer.add_block_count(params.layers)
    writer.add_context_length(params.context)
    writer.add_embedding_length(params.hidden)
    writer.add_feed_forward_length(params.feed_forward)
    writer.add_head_count(params.heads)
    writer.add_head_count_kv(params.key_value_heads)
    if params.rope_factor is not None:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(params.rope_factor)
    writer.add_rope_freq_base(params.rope_theta)
    writer.add_rope_freq_base_swa(params.rope_theta_window)
    writer.add_layer_norm_rms_eps(params.epsilon)
    writer.add_key_length(params.head_size)
    writer.add_value_length(params.head_size)
    if params.softcap is not None:
        writer.add_final_logit_softcapping(params.softcap)
    writer.add_sliding_window(params.window)


def _add_special_tokens(writer: gguf.GGUFWriter, checkpoint: Checkpoint, size: int) -> None:
    """Special token ids, flags and the chat template, from the tokenizer's JSON files."""
    try:
        found = gguf.SpecialVocab(checkpoint.folder, load_merges=False, n_vocab=size)
        found.add_to_gguf(writer, quiet=True)
    except (ValueError, TypeError, LookupError, AttributeError, OSError, RecursionError):
        raise CheckpointError(
            "The tokenizer's JSON files or the chat template are damaged.", "Download them again."
        ) from None
