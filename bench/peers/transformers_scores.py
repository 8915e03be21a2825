"""The log probabilities of tokens under a checkpoint of transformers. Runs in an environment with
that library, without ours.

Its argument is the checkpoint's folder. Reads JSON lines `{"tokens": […]}` and answers with the log
probability of each token but the first.
"""

import json
import sys


def main() -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
    for line in sys.stdin:
        tokens = torch.tensor([json.loads(line)["tokens"]])
        with torch.inference_mode():
            logits = model(tokens).logits[0, :-1].float()
        logprobs = logits.log_softmax(-1).gather(1, tokens[0, 1:, None])[:, 0]
        print(json.dumps({"logprobs": logprobs.tolist()}), flush=True)


if __name__ == "__main__":
    main()
