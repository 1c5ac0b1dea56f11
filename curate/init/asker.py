"""Asks on the console, or takes the default where nobody is there to answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO, TypeVar

from rich.text import Text

from curate.errors import InputError

Choice = TypeVar("Choice", bound=str)


class Asker:
    """Asks on the console, or takes the default where nobody is there to answer."""

    def __init__(self, interactive: bool, answers: TextIO | None, questions: TextIO | None) -> None:
        import sys

        from curate.report.text import console

        self.interactive, self._answers = interactive, answers
        self._console = console(questions or sys.stderr)

    def tell(self, message: str) -> None:
        """Prints a message between the questions."""
        self._console.print(Text(message))

    def text(self, question: str, default: str) -> str:
        """A line of text, not empty where there is a default."""
        from rich.prompt import Prompt

        if not self.interactive:
            return default
        return (
            Prompt.ask(Text(question), console=self._console, default=default, stream=self._answers).strip() or default
        )

    def choice(self, question: str, choices: Sequence[Choice], default: Choice | None, remedy: str = "") -> Choice:
        """One of the choices. Raises InputError with the remedy where there is no default and nobody to ask."""
        from rich.prompt import Prompt

        if not self.interactive:
            if default is None:
                raise InputError(f"{question}?", remedy)
            return default
        options: dict[str, Any] = {} if default is None else {"default": default}
        answer = Prompt.ask(
            Text(question), console=self._console, choices=list(choices), stream=self._answers, **options
        )
        return next(choice for choice in choices if choice == answer)

    def number(self, question: str, default: float) -> float:
        """A number that is not negative."""
        from rich.prompt import FloatPrompt

        if not self.interactive:
            return default
        return max(0.0, FloatPrompt.ask(Text(question), console=self._console, default=default, stream=self._answers))
