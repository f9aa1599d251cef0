"""`python -m codec.cli`."""

from codec.cli import main

main()
