"""Three schemas that answers are asked for by: a report, a table of values, and boxes."""

from __future__ import annotations

from typing import Any

_FINDING = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "maxLength": 40},
        "finding": {"type": "string", "maxLength": 80},
        "severity": {"enum": ["none", "mild", "moderate", "severe"]},
    },
    "required": ["region", "finding", "severity"],
    "additionalProperties": False,
}

REPORT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "modality": {"enum": ["X-ray", "CT", "MR"]},
        "findings": {"type": "array", "items": _FINDING, "minItems": 1, "maxItems": 3},
        "impression": {"type": "string", "minLength": 1, "maxLength": 120},
        "follow_up": {"type": "boolean"},
    },
    "required": ["modality", "findings", "impression", "follow_up"],
    "additionalProperties": False,
}

_VALUE = {
    "type": "object",
    "properties": {
        "test": {"type": "string", "minLength": 1, "maxLength": 24},
        "value": {"type": "number", "minimum": 0, "maximum": 10_000},
        "unit": {"type": "string", "maxLength": 12},
        "reference": {"type": "string", "pattern": r"^\d{1,3}(\.\d)?-\d{1,3}(\.\d)?$"},
        "flag": {"enum": ["low", "normal", "high", None]},
    },
    "required": ["test", "value", "unit", "flag"],
    "additionalProperties": False,
}

LABORATORY: dict[str, Any] = {
    "$defs": {"value": _VALUE},
    "type": "object",
    "properties": {
        "taken": {"type": "string", "format": "date"},
        "values": {
            "type": "array",
            "items": {"$ref": "#/$defs/value"},
            "minItems": 1,
            "maxItems": 4,
        },
    },
    "required": ["values"],
    "additionalProperties": False,
}

BOXES: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "box_2d": {
                "type": "array",
                "items": {"type": "integer", "minimum": 0, "maximum": 1000},
                "minItems": 4,
                "maxItems": 4,
            },
            "label": {"type": "string", "minLength": 1, "maxLength": 30},
        },
        "required": ["box_2d", "label"],
        "additionalProperties": False,
    },
    "minItems": 1,
    "maxItems": 3,
}
"""The form in which MedGemma gives boxes: y0, x0, y1, x1 in thousandths of the square."""

SCHEMAS = {"report": REPORT, "laboratory": LABORATORY, "boxes": BOXES}
