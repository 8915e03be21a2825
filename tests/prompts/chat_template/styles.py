"""Chat templates written in the styles of the field."""

from __future__ import annotations

CHATML = """\
{%- for message in messages -%}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""

# The roles alternate, there is no system, and the assistant is called "model".
ALTERNATING = """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {{ raise_exception('System role not supported') }}
{% endif %}
{%- for message in messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Roles must alternate user/assistant/user/assistant') }}
    {%- endif %}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
    {{- '<turn>' + role + '\\n' + message['content'] | trim + '</turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<turn>model\\n' }}{% endif %}
"""

# Content is a list of parts.
PARTS = """\
{% for message in messages %}
{{ message.role }}:{% for part in message.content %}{% if part.type == 'text' %} {{ part.text }}
{%- elif part.type == 'image' %} <image>{% endif %}{% endfor %}

{% endfor %}
{% if add_generation_prompt %}assistant:{% endif %}
"""

# Tools in the system message, calls as JSON in tags; reasoning of the last turn only.
TAGGED_CALLS = """\
{%- if tools %}
    {{- '<s>' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- '<tools>' }}
    {%- for tool in tools %}
        {{- '\\n' }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- '\\n</tools></s>\\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<s>' + messages[0].content + '</s>\\n' }}
{%- endif %}
{%- set ns = namespace(last=-1) %}
{%- for message in messages %}
    {%- if message.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'system' %}{% continue %}{% endif %}
    {%- if message.role == 'tool' %}
        {{- '<result>' + message.content + '</result>\\n' }}
        {%- continue %}
    {%- endif %}
    {{- '<' + message.role + '>' }}
    {%- if message.reasoning_content is string and loop.index0 > ns.last %}
        {{- '<think>' + message.reasoning_content.strip('\\n') + '</think>' }}
    {%- endif %}
    {%- generation %}
    {{- message.content }}
    {%- for call in message.tool_calls %}
        {%- if call.function %}{% set call = call.function %}{% endif %}
        {{- '<tool_call>{"name": "' ~ call.name ~ '", "arguments": ' }}
        {{- call.arguments | tojson }}
        {{- '}</tool_call>' }}
    {%- endfor %}
    {%- endgeneration %}
    {{- '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<assistant>' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think></think>' }}
    {%- endif %}
{%- endif %}
"""

# Arguments are text that is JSON already, and identifiers are checked.
BRACKET_CALLS = """\
{%- for message in messages %}
    {%- if message.role == 'tool' %}
        {{- '[RESULT]' + message.tool_call_id + ' ' + message.content }}
    {%- elif message.tool_calls is defined and message.tool_calls %}
        {%- for call in message.tool_calls %}
            {%- if call.id | length != 9 %}
                {{- raise_exception('Tool call IDs should be 9 characters long!') }}
            {%- endif %}
            {{- '[CALL]' + call.function.name + ' ' + call.function.arguments }}
        {%- endfor %}
    {%- else %}
        {{- '[' + message.role | upper + ']' + message.content }}
    {%- endif %}
{%- endfor %}
{%- if tools is not none %}{{ '[TOOLS]' + tools | map(attribute='function.name') | join(',') }}
{%- endif %}
"""

# Dates, tools for the user's message, only one call at once.
DATED = """\
{{- bos_token }}
{%- if custom_tools is defined %}{% set tools = custom_tools %}{% endif %}
{%- if not tools_in_user_message is defined %}{% set tools_in_user_message = true %}{% endif %}
{%- if not date_string is defined %}{% set date_string = "26 Jul 2024" %}{% endif %}
{%- if not tools is defined %}{% set tools = none %}{% endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "[system] " }}
{%- if builtin_tools is defined or tools is not none %}{{ "Environment: ipython " }}{% endif %}
{{- "Today Date: " + date_string + " " + system_message + "\\n" }}
{%- for message in messages %}
    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
        {{- '[' + message['role'] + '] ' + message['content'] | trim + "\\n" }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls | length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '[assistant] {"name": "' + tool_call.name + '", "parameters": ' }}
        {{- tool_call.arguments | tojson + "}\\n" }}
    {%- else %}
        {{- "[ipython] " + message.content + "\\n" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '[assistant] ' }}{% endif %}
"""

# Channels: the reasoning is in a field of its own, and its effort is a variable.
CHANNELS = """\
{{- '<|start|>system<|message|>Reasoning: ' + reasoning_effort | default('medium') + '<|end|>' }}
{%- for message in messages %}
    {{- '<|start|>' + message.role }}
    {%- if message.thinking and loop.last %}
        {{- '<|channel|>analysis<|message|>' + message.thinking + '<|end|><|start|>assistant' }}
    {%- endif %}
    {{- '<|channel|>final<|message|>' + message.content + '<|end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}
"""

# Reasoning is a part of the content.
THINKING_PARTS = """\
{%- for message in messages %}
    {{- '[' + message.role + ']' }}
    {%- if message.content is string %}
        {{- message.content }}
    {%- else %}
        {%- for part in message.content %}
            {%- if part.type == 'thinking' %}{{ '[THINK]' + part.thinking + '[/THINK]' }}
            {%- else %}{{ part.text }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
{%- endfor %}
"""

# Each message of the assistant must have reasoning.
STRICT_REASONING = """\
{%- for message in messages %}
    {%- if message.role == 'assistant' and 'reasoning_content' not in message %}
        {{- raise_exception('Reasoning is missing') }}
    {%- endif %}
    {{- '[' + message.role + ']' + message.reasoning_content + message.content }}
{%- endfor %}
"""
