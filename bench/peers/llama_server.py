"""llama.cpp's own HTTP server, from the xllamacpp wheel. Runs in an environment with that library,
without ours.

Without `--defaults` it loads as a server should on a machine without a GPU: it measures no memory
beforehand and runs no warm-up. A key for its requests is in the variable LLAMA_API_KEY.
"""

import os
from argparse import ArgumentParser
from threading import Event


def main() -> None:
    from xllamacpp import CommonParams, Server

    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--ctx-size", type=int, required=True)
    parser.add_argument("--defaults", action="store_true", help="load as llama.cpp does by itself")
    options = parser.parse_args()
    params = CommonParams()
    params.model.path = options.model
    params.hostnames = [options.host]
    params.port = options.port
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.n_parallel = options.parallel
    params.n_ctx = options.ctx_size
    params.n_threads_http = options.parallel + 2
    params.kv_unified = False
    params.verbosity = -1
    params.ui = False
    if key := os.environ.get("LLAMA_API_KEY"):
        params.api_keys = [key]
    if not options.defaults:
        params.fit_params = False
        params.warmup = False
    server = Server(params)
    Event().wait()  # the server works in threads of its own
    del server


if __name__ == "__main__":
    main()
