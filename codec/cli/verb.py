"""A verb of the command, which knows files whose names look like options."""

import os
from typing import Any

import typer
from typer.core import TyperCommand

USAGE_ERROR: Any = typer.BadParameter.__mro__[1]  # typer has no public name for it


class Verb(TyperCommand):
    """Says how to name a file such as `-dash.jpg` when that is taken for options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See click."""
        files = [name for name in args if name.startswith("-") and os.path.lexists(name)]
        try:
            return super().parse_args(ctx, args)
        except USAGE_ERROR as error:
            if files:
                hint = f"write ./{files[0]} to give the file of that name"
                error.message = f"{error.message} ({hint})" if error.message else hint
            raise
