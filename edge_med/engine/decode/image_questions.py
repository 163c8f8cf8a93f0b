"""Questions that point at an image, in some languages: "this X-ray", "la imagen", "report the CT".

The name of an image is enough behind a word that points. The name of an examination is one of a
machine and of a method as well ("How does the MRI work?"): with an article it points if somebody is
to look at it, and the sentence says no more of what it is.
"""

from __future__ import annotations

import re

from edge_med.imaging.files.image_names import ENDINGS

_BEFORE = {
    "en": r"this|these|the|attached|enclosed|following|provided|given|uploaded|shown|above|my|both",
    "de": r"dies\w*|beide|das|dem|dies|de[rn]|die|beigefügte\w*|angehängte\w*|folgende\w*|mein\w*",
    "fr": r"cette|ces?|cet|l[ae]|l['\u2019]|ci-joint\w*|suivante?|ma|mon",
    "es": r"esta|estas?|este|l[ao]s?|el|adjunt\w+|siguientes?|mi",
    "it": r"quest[aoei]|la|le|il|l['\u2019]|quest['\u2019]|allegat\w+|seguente|mia",
    "pt": r"est[ae]s?|ess[ae]s?|[nd]?[ao]s?|nest[ae]|anex\w+|seguinte|minha",
    "ru": r"эт\w+|данн\w+|мо[ейёяию]\w*|приложенн\w+|прикрепл[её]нн\w+|следующ\w+|на|опиш\w+|"
    r"описать|оцени\w*|сравни\w*|расшифру\w+|проанализир\w+|показыва\w+",
}
"""What stands before the word. Russian has no article: what is done with an image stands for it."""

_SHOWN = {
    "en": r"(?:images?|pictures?|photo(?:graph)?s?|x[- ]?rays?|radiographs?|cxr|mammogra(?:m|phy)|"
    r"(?:ct|mri|pet)[- ]?scans?|slides?)(?![- ](?:of\s+choice|machine|tube|beam|generator|detector|"
    r"scanner|dos(?:e|es|age)|radiation|department|room|unit|suite|tech\w*|equipment|guideline)s?\b)",
    "de": r"bild(?:er|es)?|fotos?|röntgen(?:-?(?:bild|aufnahme|thorax|foto)\w*)?|"
    r"(?:ct|mrt)-?(?:bild|aufnahme)\w*",
    "fr": r"(?:images?|photos?|clichés?|radiographies?|radios?)(?!\s+de\s+choix\b)",
    "es": r"im[aá]gen(?:es)?|fotos?|fotograf[ií]as?|radiograf[ií]as?|tomograf[ií]as?",
    "it": r"immagin[ei]|foto|radiografi[ae]|lastr[ae]",
    "pt": r"image(?:m|ns)|fotos?|radiografias?|raio-?x|tomografias?",
    "ru": r"снимок|снимк\w+|изображени\w+|рентгенограмм\w+|томограмм\w+|фото\w*",
}
"""What an image is called."""

_THESE = {
    "en": r"this|these|those|attached|enclosed|uploaded|both",
    "de": r"dies\w+|beide|beigefügte\w*|angehängte\w*",
    "fr": r"cette|cet|ce|ces",
    "es": r"est[ae]s?",
    "it": r"quest[aoei]|quest['\u2019]",
    "pt": r"n?est[ae]s?|n?ess[ae]s?",
}
"""What points without anything else."""

_LOOK = {
    "en": r"describe|interpret|analy[sz]e|read|report|review|assess|evaluate|summari[sz]e|compare|"
    r"explain|look at|on|in|from",
    "de": r"beschreib\w*|befunde\w*|beurteil\w*|interpretier\w*|analysier\w*|vergleich\w*|zeig\w*|"
    r"auf|in",
    "fr": r"d[ée]cri\w*|interpr[èée]t\w*|analyse\w*|compare\w*|montre\w*|sur|dans",
    "es": r"describ\w*|interpret\w*|analiz\w*|compar\w*|muestran?|en",
    "it": r"descriv\w*|interpret\w*|analizz\w*|confront\w*|mostra\w*|nella?|sulla?",
    "pt": r"descrev\w*|interpret\w*|analis\w*|compar\w*|mostra\w*",
}
"""What somebody does to look at it, or what it does: it stands before the article."""

_EXAMINED = {
    "en": r"(?:ct|mri?|pet|ultrasound|sonogram|echo|mammogram|angiogram|dicom|scan|film)s?",
    "de": r"aufnahmen?|ct|mrt|scans?|sono\w*|ultraschall\w*|szintigra\w+|mammogra\w+",
    "fr": r"scanners?|irm|tdm|[ée]chographies?|mammographies?|examen",
    "es": r"tac|tc|resonancias?|ecograf[ií]as?|mamograf[ií]as?|esc[aá]ner",
    "it": r"tac|tc|risonanz[ae]|ecografi[ae]|mammografi[ae]",
    "pt": r"tc|resson[âa]ncias?|ultrassom|ecografias?|mamografias?",
}
"""What an examination is called."""

_GAP = r"(?:\s+|(?<=['\u2019])\s*)"
"""Behind a word that points: without it `the` would be seen in "thermal image"."""

_BETWEEN = (
    r"(?:(?!(?:of|in|on|for|by|with|from|about|between|von|des|im|bei|zu|de|du|del|di|dos?|das?|при|для|"
    r"clinical\s+pictures?|klinisch\w*\s+bild(?:es)?)\b)"
    r"[\w-]+\s+){0,2}?"
)
"""Words between the two; with one of these the first belongs to another noun.

A clinical picture is a disease's."""

_END = r"(?=\W*(?:$|[.,;:!?)\n]|and\b|und\b|et\b|e\b|y\b|briefly\b|in detail\b))"

_SHOWS = (
    r"\b(?:the|my)\s+%s(?:%s)\s+(?:shows?|showing|demonstrates?|reveals?|suggests?|indicates?)\b"
    r"(?![^.?!\n]{0,200}\b(?:in|of|with|for|when|if)\s+(?!the\b|this\b))|"
    r"\b(?:is|are|was|were)\s+(?:the|my)\s+%s(?:%s)\s+(?:ab)?(?:normal|ok|okay|fine|clear)\b"
)
"""What an image does in English: "What does the CT show?"."""

_UNSPACED = (
    r"[这此该這該本]\s*[张張幅副个個]?\s*(?:[胸部医學学醫XCTMRI线線光]*)[图圖影像片照]|[图圖]中|片中|"
    r"この(?:画像|写真|レントゲン|X線)|画像[をにの]|이\s*(?:사진|영상|이미지|엑스레이)"
)
"""Chinese, Japanese and Korean."""

_COMMAND = (
    r"\b(?:describe|interpret|analy[sz]e|read|report|review|assess|evaluate|summari[sz]e)"
    r"\s+(?:(?!of\b|how\b)\w+\s+)?(?:%s)\b"
)
"""A command without anything before the word, in English: "describe chest X-ray"."""

_FILE = (
    rf"[\w-](?:{'|'.join(sorted(map(re.escape, ENDINGS)))})\b|<image>(?!.*</image>)|"
    r"<start_of_image>|(?<!\S)(?:~|\.{1,2})?/[\w.-]+/[\w./-]+|(?<!\S)[A-Za-z]:\\\S"
)
"""A file, a mark of an image, or a path, as of a folder with a CT, that was meant to be opened."""

_NAMED = re.compile(
    "|".join(
        [
            *(rf"\b(?:{names})\b" for table in (_SHOWN, _EXAMINED) for names in table.values()),
            _UNSPACED,
            _FILE,
        ]
    ),
    re.IGNORECASE,
)
"""What no question is without that points: long texts without it are searched once."""

_POINTS = re.compile(
    "|".join(
        [
            *(rf"\b(?:{_BEFORE[of]}){_GAP}{_BETWEEN}(?:{_SHOWN[of]})\b" for of in _BEFORE),
            *(rf"\b(?:{_THESE[of]}){_GAP}{_BETWEEN}(?:{_EXAMINED[of]})\b" for of in _THESE),
            *(
                rf"\b(?:{_LOOK[of]})\s+(?:\w+\s+)?(?:{_BEFORE[of]}){_GAP}{_BETWEEN}"
                rf"(?:{_EXAMINED[of]})\b{_END}"
                for of in _LOOK
            ),
            _SHOWS % (_BETWEEN, _EXAMINED["en"], _BETWEEN, _EXAMINED["en"]),
            _COMMAND % _SHOWN["en"],
            _UNSPACED,
            _FILE,
        ]
    ),
    re.IGNORECASE,
)


def points_at_an_image(question: str) -> bool:
    """Whether a question speaks of an image as one that is there."""
    return bool(_NAMED.search(question) and _POINTS.search(question))
