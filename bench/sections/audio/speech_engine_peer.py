"""The engine of a voice in a child process, called directly: no HTTP, no worker.

Reads JSON lines: `{"engine": …, "path": …, "options": …}` loads the voice; `{"text": …}` speaks the
text as PCM and answers with the seconds that took.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from openedai.contract.engine import Speaker
from openedai.contract.speak import SpeakRequest
from openedai.engines.registry import engine_class


async def main() -> None:
    engine: Speaker | None = None
    for line in sys.stdin:
        question = json.loads(line)
        answer: dict[str, object] = {}
        if "engine" in question:
            path = None if question["path"] is None else Path(question["path"])
            loaded = await engine_class(question["engine"]).load("voice", path, question["options"])
            assert isinstance(loaded, Speaker)
            engine = loaded
        else:
            assert engine is not None
            started = time.perf_counter()
            request = SpeakRequest(text=question["text"], voice="alloy", format="pcm")
            async for _ in engine.speak(request):
                pass
            answer = {"seconds": time.perf_counter() - started}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
