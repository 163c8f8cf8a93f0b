"""The keys of conversations in the forms of other programs, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from edge_med.imaging.files.addresses import OFFLINE

Role = Literal["system", "user", "assistant"]
ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
}
"""`model` is what Gemma's template calls the assistant; `developer` is OpenAI's newer name for the
system."""

FORM = "Give messages as {'role': 'user', 'content': 'text' or [{'type': 'text', 'text': …}]}."

CONTENT = ("content", "parts")
"""Of a message; the second is Gemini's."""

IMAGE_KEYS = ("images", "image")
"""Where a message, or a dataset's row, has images outside of its content; the first is Ollama's."""

TEXT_TYPES = frozenset(["text", "input_text", "output_text"])
IMAGE_TYPES = frozenset(["image", "image_url", "input_image"])

SOURCES = frozenset(
    [
        *("image", "image_url", "url", "uri", "path", "bytes", "base64", "b64_json", "data"),
        *("source", "inline_data", "inlineData"),
    ]
)
"""Under which a part has its image, or a mapping in its place has it."""

SHOWING = SOURCES | IMAGE_TYPES | {*IMAGE_KEYS}
"""Under which an image may stand in a mapping."""

CITED = frozenset(["url", "uri", "source", "data"])
"""Those among them that metadata have for other things too: a text there is judged by itself."""

PAGES = frozenset(
    [
        *("url", "uri", "source", "link", "homepage", "website", "doi", "license", "licence"),
        *("citations", "annotations", "provenance", "id", "model"),
    ]
)
"""Under which metadata have the addresses of web pages."""

ENCODED = frozenset(["base64", "b64_json", "data"])
"""Sources whose texts are base64, whatever they look like."""

WITHOUT_CONTENT = frozenset(
    [
        *("id", "name", "type", "status", "index", "phase", "uuid", "metadata", "object"),
        *("refusal", "annotations", "citations", "logprobs", "cache_control"),
        *("finish_reason", "stop_reason", "stop_sequence", "usage", "model"),
        *("created", "created_at", "timestamp", "weight", "train", "provenance"),
        *("detail", "media_type", "mime_type", "mimeType", "format", "source_type"),
        *("min_pixels", "max_pixels", "resized_height", "resized_width"),
    ]
)
"""Keys that carry nothing for the model: who wrote it, when, and how it was to be handled."""

_TOOLS = "MedGemma knows no tools: write what they found into the text of a question."
_THOUGHTS = "Leave it out: a model's earlier thoughts aren't shown to it again."
_OTHERS = "MedGemma reads texts and sees images: give it as one of these."
_ELSEWHERE = f"It lies at its provider's, and {OFFLINE}. Give the image's bytes."

NEXT: Mapping[str, str] = {
    "text": "Make it a part of its own: {'type': 'text', 'text': …}.",
    **dict.fromkeys(["tool", "function", "tool_use", "tool_result", "tool_plan"], _TOOLS),
    **dict.fromkeys(["tool_calls", "function_call", "function_call_output"], _TOOLS),
    **dict.fromkeys(["tool_call_id", "tool_name", "functionCall", "functionResponse"], _TOOLS),
    **dict.fromkeys(["thinking", "reasoning", "reasoning_content", "thought"], _THOUGHTS),
    **dict.fromkeys(["redacted_thinking", "thoughts", "reasoning_details"], _THOUGHTS),
    **dict.fromkeys(["audio", "input_audio", "video", "videos", "video_url", "audios"], _OTHERS),
    **dict.fromkeys(["document", "documents", "file", "input_file", "files"], _OTHERS),
    **dict.fromkeys(["file_id", "file_data", "fileData", "file_uri", "fileUri"], _ELSEWHERE),
}
"""What to do instead of some of the keys, types and roles that aren't understood."""

IMAGE = (
    "Give {'type': 'image', 'image': …}: a path, bytes, an open file, base64, an image of Pillow's "
    "or an array; or {'type': 'image'} alone, and images=[…]."
)
"""What to do instead of another form of an image."""

LEAVE = f"Leave it out, if the model needn't see it. {FORM}"
"""What to do instead of a key that nothing is known of."""

WITHIN = f"There may be an image in it, which isn't looked for there. {LEAVE}"
"""What to do instead of a key without content that has some."""
