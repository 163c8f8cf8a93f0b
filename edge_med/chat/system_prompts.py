"""System texts by name, worded as in Google's notebooks for MedGemma."""

from __future__ import annotations

from collections.abc import Mapping

PRESETS: Mapping[str, str] = {
    "assistant": "You are a helpful medical assistant.",
    "radiologist": "You are an expert radiologist.",
    "dermatologist": "You are an expert dermatologist.",
    "ophthalmologist": "You are an expert ophthalmologist.",
    "pathologist": "You are an expert pathologist.",
}
"""`quick_start_with_hugging_face.ipynb` of google-health/medgemma has the first two and names the
specialities; the model card of MedGemma has the second."""
