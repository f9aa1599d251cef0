"""`python -m codec.cli`."""

from codec.cli import main

if __name__ == "__main__":  # not in the processes that code a folder
    main()
