"""What a chat template writes is found without running it, and shows whose it is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_med.artifacts.template_text import literals
from edge_med.artifacts.turns import by_template, words_of
from tests.checkpoints.tokenizer import TEMPLATE

WORDY = """{%- if messages[0]['role'] == 'system' -%}
{%- set before = messages[0]['content'] + '\n\n' -%}{%- set turns = messages[1:] -%}
{%- else -%}{%- set before = "" -%}{%- set turns = messages -%}{%- endif -%}
{%- for turn in turns -%}
{%- if turn['role'] not in ['user', 'assistant'] -%}
{{ raise_exception("No role " + turn['role'] + " ('user' is one)") }}{%- endif -%}
{{ '<start_of_turn>' + ('model' if turn['role'] == 'assistant' else 'user') + '\n' }}{{ before }}
{%- for part in turn['content'] | selectattr('type', 'equalto', 'image') -%}<start_of_image>
{%- endfor -%}{{ turn.get('text', '') | trim }}{{ '<end_of_turn>\\n' }}{%- endfor -%}
"""
GEMMAS = {
    "the tests' own": TEMPLATE,
    "one with errors, choices, filters and comparisons": WORDY,
    "roles in a table": TEMPLATE.replace("message['role']", "{'assistant': 'model'}[role]"),
    "a comment": "{# You are <|im_start|> #}" + TEMPLATE,
}
FOREIGN = {
    "Gemma's marks in a comment alone": (
        "{# <start_of_turn>model <end_of_turn> #}{{ '<|im_start|>' + m.role }}",
        "no <start_of_turn>",
    ),
    "Gemma's marks in a comparison alone": (
        "{% if x == '<start_of_turn>' %}{% endif %}[INST]",
        "no <start_of_turn>",
    ),
    "no end of turns": (TEMPLATE.replace("<end_of_turn>", "</s>"), "no <end_of_turn>"),
    "no role of a model": (TEMPLATE.replace("model", "bot"), "no model"),
    "roles of its own": (TEMPLATE.replace("_turn>'", "_turn>human: '"), "writes 'human:'"),
    "a system text in a setting": (
        "{% set system = 'You are DrBot.' %}" + TEMPLATE,
        "writes 'You are DrBot.'",
    ),
    "a text between the tags": (TEMPLATE + "Think first.", "writes 'Think first.'"),
}


@pytest.mark.parametrize("case", GEMMAS)
def test_a_template_that_writes_gemmas_turns_alone_is_gemmas(case: str) -> None:
    assert by_template(GEMMAS[case]) == "gemma"


@pytest.mark.parametrize("case", FOREIGN)
def test_a_template_that_writes_anything_else_is_told_with_it(case: str) -> None:
    template, shows = FOREIGN[case]
    assert by_template(template) == "foreign"
    code, text = words_of("foreign", template)
    assert (code, "isn't applied" in text) == ("template", True)
    assert shows in text


WAYS = ("%s", "{{ '%s' }}", "{%% set a = '%s' %%}", '{{ x or ["%s"] }}', "{{ f('%s') }}")


@given(st.text("abcdef .,!", min_size=1).filter(str.strip), st.integers(0, 4))
def test_any_text_that_is_added_is_found(text: str, place: int) -> None:
    ways = [
        "{}",
        "{{{{ '{}' }}}}",
        "{{% set a = '{}' %}}",
        '{{{{ x or ["{}"] }}}}',
        "{{{{ f('{}') }}}}",
    ]
    assert by_template(ways[place].format(text) + TEMPLATE) == "foreign"


@given(st.text("{}%#'\"\\ab(["))
def test_no_text_is_too_odd_to_be_scanned(template: str) -> None:
    assert isinstance(list(literals(template)), list)


@pytest.mark.parametrize("odd", ["{{", "{{'", "{%", "{{'\\'", "{{" + "("])
def test_a_long_odd_text_costs_no_more_than_its_length(odd: str) -> None:
    began = time.monotonic()
    list(literals(odd[:2] + odd[2:] * 100_000 + odd * 50_000))
    assert time.monotonic() - began < 10
