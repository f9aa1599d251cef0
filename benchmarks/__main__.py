"""The command of the benchmarks.

python -m benchmarks --list           the benchmarks and their questions
python -m benchmarks --check          is every committed result of the one schema?
python -m benchmarks NAME --help      what a benchmark wants
python -m benchmarks NAME ...         run it; its result goes to benchmarks/results/
"""

import sys

from benchmarks import harness, schema
from benchmarks.inputs import Missing
from codec.errors import CodecError


def main(texts: list[str]) -> int:
    """Run a command line; returns the exit code."""
    match texts:
        case ["--list"]:
            return listed()
        case ["--check"]:
            return checked()
        case [name, *others] if not name.startswith("-"):
            return measured(name, others)
    print(__doc__, file=sys.stderr)
    return 0 if texts in (["-h"], ["--help"]) else 2


def measured(name: str, texts: list[str]) -> int:
    """Run one benchmark."""
    benchmarks = {one.name: one for one in harness.known()}
    if name not in benchmarks:
        say(f"no benchmark is named {name}: expected one of {', '.join(benchmarks)}")
        return 2
    try:
        for path in harness.run(benchmarks[name], texts):
            print(path)
    except ModuleNotFoundError as error:
        say(f"the package {error.name} is not installed: pip install '.[benchmarks,test]'")
        return 1
    except (Missing, CodecError, RuntimeError, OSError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("stopped; the same command goes on")
        return 130
    return 0


def listed() -> int:
    """Print the benchmarks by room."""
    room = ""
    for one in harness.known():
        if one.room != room:
            room = one.room
            print(f"{room}:")
        print(f"  {one.name:20} {one.question}")
    return 0


def checked() -> int:
    """Print what is wrong with the committed results; the exit code is 1 if anything is."""
    paths = sorted(schema.RESULTS.glob("*.json"))
    faults = [fault for path in paths for fault in schema.faults(path)]
    for fault in faults:
        say(fault)
    print(f"{len(paths)} results, {len(faults)} faults")
    return 1 if faults else 0


def say(text: str) -> None:
    """A sentence to standard error."""
    print(f"benchmarks: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
