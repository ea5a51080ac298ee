"""Text from outside, made fit to be shown in one line."""

from __future__ import annotations

import re

_LONGEST = 300
_SURROGATE = re.compile(r"[\ud800-\udfff]")
MASK = "sk_***"


def one_line(text: str, longest: int = _LONGEST) -> str:
    """Fold white space, drop what a terminal would obey, and shorten."""
    folded = " ".join(text[: 4 * longest].split())
    printable = "".join(character for character in folded if character.isprintable())
    return printable if len(printable) <= longest else printable[: longest - 1] + "…"


def holds_half_character(text: str) -> bool:
    """Return whether a lone surrogate is in the text, which no encoding can send."""
    return not text.isascii() and _SURROGATE.search(text) is not None


def masked(text: str, secret: str) -> str:
    """Return the text without the secret."""
    return text.replace(secret, MASK) if secret in text else text
