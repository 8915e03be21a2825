"""The log probabilities of tokens by llama-cpp-python. Runs in an environment with that library,
without ours.

Its argument is the GGUF file. Reads JSON lines `{"tokens": […]}` and answers with the log
probability of each token but the first.
"""

import json
import sys


def main() -> None:
    from llama_cpp import Llama  # type: ignore[import-not-found]

    model = Llama(sys.argv[1], n_ctx=1024, logits_all=True, verbose=False)
    for line in sys.stdin:
        tokens = json.loads(line)["tokens"]
        model.reset()
        model.eval(tokens)
        logprobs = Llama.logits_to_logprobs(model.scores[: len(tokens) - 1])
        chosen = [float(row[token]) for row, token in zip(logprobs, tokens[1:], strict=True)]
        print(json.dumps({"logprobs": chosen}), flush=True)


if __name__ == "__main__":
    main()
