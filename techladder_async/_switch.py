"""Whether the quick way of decoding may be taken. It stands apart, so that asking does not import cattrs."""

from __future__ import annotations


class Switch:
    """On until somebody registers a hook on the converter, which must see every page from then on."""

    def __init__(self) -> None:
        self.on = True


switch = Switch()
