"""faster-whisper as a child process, called as its documentation shows.

Reads JSON lines: `{"folder": …, "threads": …}` loads a model and answers with the version;
`{"file": …}` transcribes the file and answers with the seconds that took, and the text.
"""

import json
import sys
import time
from importlib.metadata import version
from typing import Any


def main() -> None:
    from faster_whisper import WhisperModel

    model: Any = None
    for line in sys.stdin:
        question = json.loads(line)
        if "folder" in question:
            model = WhisperModel(
                question["folder"],
                device="cpu",
                compute_type="int8",
                cpu_threads=question["threads"],
                local_files_only=True,
            )
            answer: object = {"faster-whisper": version("faster-whisper")}
        else:
            started = time.perf_counter()
            segments, _ = model.transcribe(question["file"], beam_size=5, vad_filter=True)
            text = "".join(segment.text for segment in segments)
            answer = {"seconds": time.perf_counter() - started, "text": text}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
