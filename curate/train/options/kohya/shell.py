"""Splits a command into words as the shell that it was written for does: bash, cmd, PowerShell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from curate.train.options.kohya.paths import is_windows

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)|%(\w+)%")
_CONTINUED = re.compile(r"(?:\\|\^|`)[ \t]*$")
_ESCAPED = (" ", '"', "'", "\\")
_WINDOWS = (".bat", ".cmd", ".ps1")
_COMMENT = re.compile(r"\s*(?:#|::|rem\b)", re.IGNORECASE)


def joined(text: str) -> Iterator[str]:
    r"""Lines of a script, those that end in `\`, `^` or a backtick joined with the next; without comments."""
    whole = ""
    for line in text.splitlines():
        if _COMMENT.match(line):
            continue
        # one backslash goes on, the last of two ends a path of Windows
        continued = _CONTINUED.search(line) and not line.rstrip().endswith("\\\\")
        whole += (_CONTINUED.sub(" ", line) if continued else line) + " "
        if not continued:
            yield whole.strip().lstrip("!")
            whole = ""
    yield whole.strip().lstrip("!")


def expand(line: str, variables: Mapping[str, str]) -> str:
    """A line with the variables that were set replaced; unknown ones stay."""
    return _VARIABLE.sub(lambda found: variables.get(found[1] or found[2] or found[3], found[0]), line)


def words(line: str, suffix: str = "") -> list[str]:
    r"""A line's words. A backslash escapes blanks, quotes and itself alone, so that `C:\loras` stays what it is."""
    quotes = '"' if suffix in (".bat", ".cmd") else "\"'"
    found: list[str] = []
    word, quote, open_word = "", "", False
    at = 0
    while at < len(line):
        char, following = line[at], line[at + 1 : at + 2]
        at += 1
        if quote:
            if char == quote:
                quote = ""
            elif char == "\\" and quote == '"' and _escapes(following, line, at):
                word, at = word + following, at + 1
            else:
                word += char
        elif char in quotes:
            quote, open_word = char, True
        elif char.isspace():
            if open_word:
                found.append(word)
            word, open_word = "", False
        elif char == "\\" and following in _ESCAPED and suffix not in _WINDOWS and not is_windows(word):
            word, open_word, at = word + following, True, at + 1
        elif char == "#" and not open_word:
            break
        else:
            word, open_word = word + char, True
    return [*found, word] if open_word else found


def _escapes(following: str, line: str, at: int) -> bool:
    r"""Whether a backslash inside double quotes escapes; `"C:\loras\"` ends there, as a word ends behind it."""
    if following != '"':
        return following == "\\"
    rest = line[at + 1 :]
    return (bool(rest) and not rest[0].isspace()) or rest.count('"') % 2 == 1
