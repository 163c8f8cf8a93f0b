"""What a chat template writes is found without running it, and shows whose it is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devtools.checkpoints.tokenizer import TEMPLATE
from edge_med.artifacts.chat_template import by_template, words_of
from edge_med.artifacts.template_text import literals

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
GOOGLES = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- set prefix = messages[0]['content'] + '\n\n' -%}{%- set turns = messages[1:] -%}
{%- else -%}{%- set prefix = "" -%}{%- set turns = messages -%}{%- endif -%}
{%- for message in turns -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Roles must alternate") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}{%- set role = "model" -%}
    {%- else -%}{%- set role = message['role'] -%}{%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (prefix if loop.first else "") }}
    {%- if message['content'] is string -%}{{ message['content'] | trim }}
    {%- else -%}{%- for item in message['content'] -%}
        {%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}
        {%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}
    {%- endfor -%}{%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{'<start_of_turn>model\n'}}{%- endif -%}
"""
"""The same turns as in Gemma 3's, in as many branches."""

GEMMAS = {
    "the tests' own": TEMPLATE,
    "one with errors, choices, filters and comparisons": WORDY,
    "roles in a table": TEMPLATE.replace("message['role']", "{'assistant': 'model'}[role]"),
    "keys with defaults": TEMPLATE.replace("message['role']", "message.get('role', 'user')"),
    "a loop over parts of certain kinds": TEMPLATE.replace(
        "{{ message['content'] | trim }}",
        "{% for p in message.content if p.type in ['text', 'image'] %}{{ p.text }}{% endfor %}",
    ),
    "a loop over all but the first, or all but the last": TEMPLATE.replace(
        "in messages", "in (messages[1:] if system else messages[:-1])"
    ),
    "a beginning in either branch": "{% if a %}{{ bos_token }}{% else %}<bos>{% endif %}"
    + TEMPLATE.replace("{{ bos_token }}", ""),
    "numbers as places": "{% set n = 1 + 2 %}{{ messages[0].x[n - 1] if n == 3 }}" + TEMPLATE,
    "Google's own": GOOGLES,
    "a comment": "{# You are <|im_start|> #}" + TEMPLATE,
}
CHOICE = "('model' if message['role'] == 'assistant' else 'user')"
CHOOSING = TEMPLATE.replace("message['role']", CHOICE)
CONTENT = "message['content']"

FOREIGN = {
    "a system text as a default": (
        "{% set s = messages[0].get('system', 'Answer in French.') %}" + TEMPLATE,
        "writes 'Answer in French.'",
    ),
    "a system text in a loop": (
        "{% for s in ['Answer in French.'] %}{{ s }}{% endfor %}" + TEMPLATE,
        "writes 'Answer in French.'",
    ),
    "a number": ("{{- 5 -}}" + TEMPLATE, "writes '5'"),
    "roles that are swapped by a choice": (
        CHOOSING.replace(CHOICE, "('user' if message['role']=='assistant' else 'model')"),
        "gives a user's turn",
    ),
    "roles that are swapped by a table": (
        TEMPLATE.replace("message['role']", "{'user': 'model'}[message.role]"),
        "gives a user's turn",
    ),
    "roles that are swapped by a branch": (
        "{% if (m.role == 'user') %}{% set role = 'model' %}{% endif %}" + TEMPLATE,
        "gives a user's turn",
    ),
    "two beginnings": ("<bos>" + TEMPLATE, "writes <bos> twice"),
    "no break after the roles": (CHOOSING.replace("\n", ""), "isn't followed by a new line"),
    "no break after the last role": (TEMPLATE.replace("model\n", "model"), "isn't followed by"),
    "capitals": (TEMPLATE.replace("trim", "upper"), "by 'upper'"),
    "capitals by a method": (TEMPLATE.replace(CONTENT, CONTENT + ".upper()"), "by 'upper'"),
    "a part of a text": (TEMPLATE.replace(CONTENT, CONTENT + "[:200]"), "by '[:200]'"),
    "the last message alone": (TEMPLATE.replace("in messages", "in messages[-1:]"), "by '[-1:]'"),
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


@given(st.text("abcdef .,!", min_size=1).filter(str.strip), st.integers(0, 7))
def test_any_text_that_is_added_is_found(text: str, place: int) -> None:
    ways = [
        "{}",
        "{{{{ '{}' }}}}",
        "{{% set a = '{}' %}}",
        '{{{{ x or ["{}"] }}}}',
        "{{{{ f('{}') }}}}",
        "{{{{ messages[0].get('system', '{}') }}}}",
        "{{% for s in ['{}'] %}}{{{{ s }}}}{{% endfor %}}",
        "{{% for s in x or ('user', '{}') if s in ['b'] %}}{{{{ s }}}}{{% endfor %}}",
    ]
    assert by_template(ways[place].format(text) + TEMPLATE) == "foreign"


@given(st.text("{}%#'\"\\ab(["))
def test_no_text_is_too_odd_to_be_scanned(template: str) -> None:
    assert isinstance(list(literals(template)), list)
    assert by_template(TEMPLATE + template) in ("gemma", "foreign")


@pytest.mark.parametrize(
    "odd",
    [
        *("{{", "{{'", "{%", "{{'\\'", "{{" + "(", "{{x[:", "'user' if ", "== 'user' ) "),
        "<start_of_turn>",
    ],
)
def test_a_long_odd_text_costs_no_more_than_its_length(odd: str) -> None:
    began = time.process_time()
    by_template(TEMPLATE + odd[:2] + odd[2:] * 50_000 + odd * 25_000 + "]" * 50_000)
    assert time.process_time() - began < 5
