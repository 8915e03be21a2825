"""Keep one core busy for as long as the process that started this one runs."""

import os


def main() -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        for _ in range(100_000):
            pass


if __name__ == "__main__":
    main()
