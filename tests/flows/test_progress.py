"""The bar of runs over many files: on a terminal only, and lines stand above it."""

import io
import sys

from codec.cli.progress import Bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, stream, **options):
    monkeypatch.setattr(sys, "stderr", stream)
    with Bar(4, 1, **options) as bar:
        bar.say("a [sentence]")
        bar.advance()
    return stream.getvalue()


def test_a_terminal_shows_how_many_are_finished(monkeypatch):
    text = shown(monkeypatch, Terminal())
    assert "2/4" in text
    assert "a [sentence]\n" in text


def test_without_a_terminal_or_quiet_only_the_lines_are_there(monkeypatch):
    assert shown(monkeypatch, io.StringIO()) == "a [sentence]\n"
    assert shown(monkeypatch, Terminal(), quiet=True) == "a [sentence]\n"
