"""Questions that point at an image, in some languages: "this X-ray", "la imagen"."""

from __future__ import annotations

import re

_BEFORE = {
    "en": r"this|these|the|attached|enclosed|following|provided|given|uploaded|shown|above|my",
    "de": r"dies\w*|das|dem|dies|de[rn]|die|beigefügte\w*|angehängte\w*|folgende\w*|mein\w*",
    "fr": r"cette|ces?|cet|l[ae]|l['\u2019]|ci-joint\w*|suivante?|ma|mon",
    "es": r"esta|estas?|este|l[ao]s?|el|adjunt\w+|siguientes?|mi",
    "it": r"quest[aoei]|la|le|il|l['\u2019]|quest['\u2019]|allegat\w+|seguente|mia",
    "pt": r"est[ae]s?|ess[ae]s?|[nd]?[ao]s?|nest[ae]|anex\w+|seguinte|minha",
}
"""What stands before the word."""

_SHOWN = {
    "en": r"images?|pictures?|photo(?:graph)?s?|x[- ]?rays?|radiographs?|cxr|mammogra(?:m|phy)|"
    r"(?:ct|mri|pet)[- ]?scans?|slides?",
    "de": r"bild(?:er|es)?|fotos?|röntgen\w*|(?:ct|mrt)-?(?:bild|aufnahme)\w*",
    "fr": r"images?|photos?|clichés?|radiographies?|radios?",
    "es": r"im[aá]gen(?:es)?|fotos?|fotograf[ií]as?|radiograf[ií]as?|tomograf[ií]as?",
    "it": r"immagin[ei]|foto|radiografi[ae]|lastr[ae]",
    "pt": r"image(?:m|ns)|fotos?|radiografias?|raio-?x|tomografias?",
}
"""What an image is called."""

_UNSPACED = (
    r"[这此该這該本]\s*[张張幅副个個]?\s*(?:[胸部医學学醫XCTMRI线線光]*)[图圖影像片照]|[图圖]中|片中|"
    r"この(?:画像|写真|レントゲン|X線)|画像[をにの]|이\s*(?:사진|영상|이미지|엑스레이)"
)
"""Chinese, Japanese and Korean."""

_COMMAND = (
    r"\b(?:describe|interpret|analy[sz]e|read|report|review|assess|evaluate)\s+(?:\w+\s+)?(?:%s)\b"
)
"""A command without anything before the word, in English: "describe chest X-ray"."""

_POINTS = re.compile(
    "|".join(
        [
            *(rf"\b(?:{_BEFORE[of]})\s*(?:[\w-]+\s+){{0,2}}?(?:{_SHOWN[of]})\b" for of in _BEFORE),
            _COMMAND % _SHOWN["en"],
            _UNSPACED,
        ]
    ),
    re.IGNORECASE,
)


def points_at_an_image(question: str) -> bool:
    """Whether a question speaks of an image as one that is there."""
    return _POINTS.search(question) is not None
