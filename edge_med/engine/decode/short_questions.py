"""Whole questions that are asked about what is looked at, and about nothing else: "What is this?".

They say nothing of what they are about, so that without an image, a report or an earlier turn
there is nothing. A word more, as in "Findings of sarcoidosis?", and they are about that.
"""

from __future__ import annotations

import re

_THIS = "(?:this|that|these|those|here)"
_STUDY = "(?:study|studies|exam|exams|examination|examinations|case)"
_DO = (
    "(?:describe|interpret|explain|analy[sz]e|read|review|assess|evaluate|summari[sz]e|diagnose|"
    "compare|look at|report|report on)"
)
_KIND = "(?:modality|view|plane|projection|organ|sequence|body part|(?:kind|type) of [a-z-]+)"
_STATE = (
    "(?:normal|abnormal|malignant|benign|cancer|serious|dangerous|ap|pa|lateral|a fracture|"
    "a tumou?r)"
)
_FINDING = (
    "(?:fractures?|effusions?|pneumothorax|nodules?|mass|masses|lesions?|tumou?rs?|consolidation|"
    "opacity|opacities|o?edema|bleed|bleeding|ha?emorrhage|infarct|pneumonia|atelectasis|"
    "cardiomegaly|metastas[ie]s|aneurysm|dissection|midline shift|free air|hydrocephalus)"
)
_WHERE = "(?: here| (?:on|in) the (?:left|right)(?: side| lung)?)?"
_WRONG = "(?:abnormal|abnormality|abnormalities|wrong|unusual|suspicious)"
_NOTED = (
    "(?:findings?|impressions?|abnormality|abnormalities|diagnos[ie]s|differential|"
    "differential diagnosis)"
)
_AGAINST = "(?:with|to|against) (?:the )?(?:previous|prior|last|old|older|earlier)"
_SENT = "(?:attached|enclosed|uploaded)"
_REPORT = "(?: structured| brief| short| full| radiology| imaging| medical){0,2} report"
_ASK = "(?:give|list|describe|report|summari[sz]e|provide|what is|what are)(?: me)?(?: all)?"

_WHOLE = (
    rf"(?:(?:can|could|would) you )?(?:please )?{_DO} {_THIS}(?: {_STUDY})?(?: for me)?",
    rf"{_DO} (?:the |this |it |my )?{_SENT} (?:files?|documents?|{_STUDY})",
    rf"compare(?: it| this| these)? {_AGAINST} (?:{_STUDY}|one|film|scan|image)s?",
    rf"what(?: is| are|'?s) {_THIS}",
    rf"(?:what|which) {_KIND} (?:is|are) {_THIS}",
    rf"is (?:this|that) {_STATE}(?: or [a-z-]+)?",
    rf"what (?:do|can|else do) you see(?: here| there| in (?:it|this|these|the {_STUDY}))?",
    "what(?: is| are|'?s) (?:shown|visible|seen|depicted|to be seen|wrong)(?: here| with this)?",
    "what does this show",
    rf"(?:(?:is|are) there |(?:do|can) you see )?any(?:thing)? {_WRONG}(?: here)?",
    rf"(?:(?:is|are) there|(?:do|can) you see)(?: an?| any)? {_FINDING}{_WHERE}",
    rf"where (?:is|are) the {_FINDING}",
    "(?:is the heart|are the lungs) (?:enlarged|large|normal|clear)",
    rf"(?:(?:any|your|the|main|key) )?{_NOTED}(?:(?:,| and| &) {_NOTED})?",
    rf"{_ASK}(?: the| your| an?| any)?(?: main| key)? {_NOTED}(?: and {_NOTED})?",
    rf"(?:write|generate|give|create|provide|make|draft)(?: me)?(?: the| an?)?{_REPORT}",
    r"(?:dein )?befund|beurteilung|was ist (?:das|dies)(?: hier)?",
    r"was (?:siehst du|sehen sie|sieht man)(?: hier)?",
    r"(?:beschreib|befunde|beurteil)\w*(?: sie)? (?:das|dies)",
    r"(?:que vois[- ]tu|que voyez[- ]vous|que voit[- ]on)(?: ici)?|r[ée]sultats?",
    r"qu'est[- ]ce que c'est|d[ée]cri\w+ (?:ceci|cela|[çc]a)",
    r"qu[ée] (?:ves|ve|se ve)(?: aqu[íi])?|hallazgos|qu[ée] es est[oae]|describ\w+ esto",
    r"(?:che )?cosa (?:vedi|si vede)(?: qui)?|reperti|referto|cos(?:'|a )[èe] quest[oa]",
    r"o que (?:voc[êe] )?v[êe](?: aqui)?|achados|o que [ée] ist[oe]",
    r"что (?:ты |вы )?вид\w+(?: здесь)?|заключение|что это(?: такое)?",
    r"[这這]是什[么麼]|[请請]?描述一下[这這]?[个個]?|これは何(?:ですか)?|이게? ?뭐\w*",
)
"""In small letters, with one blank between words; every one is matched whole."""

_ALONE = re.compile(
    rf"\W*(?:please )?(?:{'|'.join(_WHOLE)})(?:,? (?:please|bitte|briefly|in detail))?\W*"
)

_LONGEST = 200
"""Characters of such a question, with all that may stand around it."""


def looks_at_something(question: str) -> bool:
    """Whether a question is about what is shown, as `Findings?`, without a word on what it is.

    Below a report it may be about that.
    """
    if len(question) > _LONGEST:
        return False
    words = " ".join(question.lower().replace("\u2019", "'").split())
    return _ALONE.fullmatch(words) is not None
