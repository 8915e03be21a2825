"""sentence-transformers as a child process. Runs in an environment with that library, without this
project.

Reads JSON lines: `{"folder": …}` loads a model and answers with the versions; `{"batches": […]}`
encodes every batch and answers with the seconds that took.
"""

import json
import sys
import time
from importlib.metadata import version
from typing import Any


def main() -> None:
    from sentence_transformers import SentenceTransformer

    model: Any = None
    for line in sys.stdin:
        question = json.loads(line)
        if "folder" in question:
            model = SentenceTransformer(question["folder"], device="cpu")
            answer: object = {name: version(name) for name in ("sentence-transformers", "torch")}
        else:
            started = time.perf_counter()
            for batch in question["batches"]:
                model.encode(batch, batch_size=len(batch), show_progress_bar=False)
            answer = {"seconds": time.perf_counter() - started}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
