"""The kinds of work that requests use models for, with the official names where there are any."""

from __future__ import annotations

COMPLETIONS = "completions"
EMBEDDINGS = "embeddings"
RERANKS = "reranks"
DECISIONS = "decisions"
MODERATIONS = "moderations"
SPEECHES = "audio_speeches"
TRANSCRIPTIONS = "audio_transcriptions"
IMAGES = "images"
FINE_TUNING = "fine_tuning"
FILE_SEARCHES = "file_search_calls"
WEB_SEARCHES = "web_search_calls"
CODE_SESSIONS = "code_interpreter_sessions"
# The kinds of tool calls that are counted, by the names of the tools. They use no model.
TOOL_KINDS = {"file_search": FILE_SEARCHES, "web_search": WEB_SEARCHES}
# The kinds of records that are not requests to models.
OTHER_KINDS = (*TOOL_KINDS.values(), CODE_SESSIONS)
