"""The metadata of the GGUF files, key by key as llama.cpp's own tools write it.

Model-card heuristics and special-token rules come from the gguf package, which those tools use;
what we add ourselves stands under `edge_med.` and in `general.quantized_by`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import gguf

from converters.checkpoint import Checkpoint
from converters.generation_settings import FILE, configured_ends, more_ends
from converters.header import TypedValue
from converters.model_card import Card
from converters.small_files import chat_template, default
from converters.vocabulary import Vocabulary
from edge_med.artifacts import chat_template as turns
from edge_med.artifacts.file_names import SOURCE
from edge_med.artifacts.hparams import ModelParams, TextParams, VisionParams
from edge_med.artifacts.manifest import Finding
from edge_med.errors import CheckpointError

Values = Mapping[str, TypedValue]

QUANTIZATION_VERSION = 2  # GGML_QNT_VERSION, ggml.h


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
    _add_special_tokens(writer, checkpoint, vocabulary)
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
    found = _template(values)
    return None if found is None else hashlib.sha256(found.encode()).hexdigest()


def ends_written(values: Values) -> list[int]:
    """The ends among a text model's metadata that llama.cpp doesn't find by itself."""
    found = values.get(turns.ENDS)
    return [] if found is None else list(found.value)


def turn_warnings(values: Values) -> tuple[Finding, ...]:
    """What is to be known of a text model's turns, and how its checkpoint can say more of them."""
    template, declared = _template(values), values.get(turns.SAID)
    if template is not None:
        kind = turns.by_template(template)
    else:
        kind = "none" if declared is not None and declared.value == "none" else "assumed"
    if kind == "gemma":
        return ()
    code, words = turns.words_of(kind, template)
    return (Finding(code, f"{words} {_NEXT[kind]}"),)


_SUPPLY = (
    "copy chat_template.jinja, or the tokenizer_config.json that holds it, from the base model, or "
    "name its folder by --base."
)
_NEXT: dict[turns.Turns, str] = {
    "foreign": "If it was trained with Gemma's, " + _SUPPLY,
    "assumed": "If it has one, " + _SUPPLY,
    "none": "So says its generation_config.json; if it takes turns, " + _SUPPLY,
}


def _template(values: Values) -> str | None:
    found = values.get(gguf.Keys.Tokenizer.CHAT_TEMPLATE)
    return None if found is None else str(found.value)


def _start(architecture: str, kind: str, card: Card) -> gguf.GGUFWriter:
    """A writer that only collects values; it never opens a file."""
    writer = gguf.GGUFWriter(path=None, arch=architecture)
    writer.add_type(kind)
    card.metadata.set_gguf_meta_model(writer)
    return writer


def _finish(writer: gguf.GGUFWriter, card: Card, version: str) -> Values:
    writer.add_quantized_by(f"edge-med {version}")
    writer.add_string("edge_med.notice", card.notice(version))
    writer.add_string(SOURCE, card.source)
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


def _add_special_tokens(
    writer: gguf.GGUFWriter, checkpoint: Checkpoint, vocabulary: Vocabulary
) -> None:
    """Special token ids, flags and the chat template, from the tokenizer's JSON files."""
    try:
        found = _special_tokens(checkpoint, vocabulary)
        template = checkpoint.small.template or chat_template(checkpoint.small)
        if not isinstance(found.chat_template, list) or template != default(found.chat_template):
            found.chat_template = template
        found.add_to_gguf(writer, quiet=True)
    except _DAMAGED:
        raise _damaged() from None
    if ends := more_ends(checkpoint, vocabulary, found.special_token_ids.get("eos")):
        writer.add_array(turns.ENDS, ends)
    if found.chat_template is None and (
        declared := _turns_in_generation_config(checkpoint, vocabulary)
    ):
        writer.add_string(turns.SAID, declared)


_DAMAGED = (ValueError, TypeError, LookupError, AttributeError, OSError, RecursionError)


def _damaged() -> CheckpointError:
    return CheckpointError(
        "The tokenizer's JSON files or the chat template are damaged.", "Download them again."
    )


def special_ids(checkpoint: Checkpoint, vocabulary: Vocabulary) -> dict[str, int]:
    """The ids of `bos`, `eos`, `pad` and others, as far as the tokenizer's files name them.

    Raises:
        CheckpointError: they are damaged.
    """
    try:
        return dict(_special_tokens(checkpoint, vocabulary).special_token_ids)
    except _DAMAGED:
        raise _damaged() from None


def _special_tokens(checkpoint: Checkpoint, vocabulary: Vocabulary) -> gguf.SpecialVocab:
    with checkpoint.small.together() as folder:
        found = gguf.SpecialVocab(folder, load_merges=False, n_vocab=len(vocabulary))
    found.special_token_ids |= _named_tokens(checkpoint, vocabulary)
    return found


def _named_tokens(checkpoint: Checkpoint, vocabulary: Vocabulary) -> dict[str, int]:
    """Ids of the ends that tokenizer_config.json names, which gguf finds by tokenizer.json alone.

    A slow tokenizer of transformers 4 is saved without that file.
    """
    if checkpoint.small.path("tokenizer.json").is_file():
        return {}
    config = checkpoint.json("tokenizer_config.json")
    ids = {text: token_id for token_id, text in reversed(list(enumerate(vocabulary.tokens)))}
    found = {}
    for kind in ("bos", "eos", "pad"):
        entry = config.get(f"{kind}_token")
        text = entry.get("content") if isinstance(entry, dict) else entry
        if isinstance(text, str) and text in ids:
            found[kind] = ids[text]
    return found


def _turns_in_generation_config(checkpoint: Checkpoint, vocabulary: Vocabulary) -> str | None:
    """What generation_config.json says of turns: a model that takes them ends with their end."""
    if not checkpoint.small.path(FILE).is_file():
        return None
    texts = [vocabulary.tokens[n] for n in configured_ends(checkpoint) if n < len(vocabulary)]
    if not texts:
        return None
    return "gemma" if turns.END in texts else "none"
