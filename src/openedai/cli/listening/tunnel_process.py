"""`python -m openedai.cli.listening.tunnel_process PROGRAM ARGUMENT…`: run it until stdin ends.

The server holds the other end of stdin, which closes however the server dies.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading

END_SECONDS = 5.0


def main() -> int:
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)

    def end() -> None:
        while os.read(0, 1 << 10):  # without a lock that the process would wait for when it ends
            pass
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()

    threading.Thread(target=end, daemon=True).start()
    return process.wait()


if __name__ == "__main__":
    raise SystemExit(main())
