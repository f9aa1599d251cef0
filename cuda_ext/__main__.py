"""Command line: ``python -m cuda_ext doctor``."""

import sys

from cuda_ext.doctor import report


def main(arguments: list[str]) -> int:
    """Run the command; return the exit status, 2 for wrong usage."""
    if arguments != ["doctor"]:
        print("usage: python -m cuda_ext doctor", file=sys.stderr)
        return 2
    print("\n".join(report()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
