"""Damage to the bytes of a file, from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

MARKS = (b"\0", b"\xff", b"\n", b" ", b"-1", b"nan", b"1e999", b"99999999999", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff")


def mutations(whole: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """`count` versions of `whole`: cut off, with flipped bits, overwritten, spliced or grown pieces."""
    draw = random.Random(seed)
    for trial in range(count):
        data = bytearray(whole)
        if trial % 4 == 0:
            yield bytes(data[: draw.randrange(len(data))])
            continue
        # Headers lie at the start (and a zip's directory at the end), where damage matters most.
        reach = len(data) if trial % 3 else min(len(data), 200)
        for _ in range(draw.choice([1, 1, 2, 8])):
            place = draw.randrange(reach)
            if trial % 4 == 1:
                data[place] ^= 1 << draw.randrange(8)
            elif trial % 4 == 2:
                mark = draw.choice(MARKS)
                data[place : place + len(mark)] = mark
            else:
                other = draw.randrange(len(data))
                data[place : place + draw.randint(0, 30)] = data[other : other + draw.randint(0, 30)]
        yield bytes(data)


def demand_message(error: Exception) -> None:
    """A message is short, and gives a reason that has to do with the file."""
    text = str(error)
    assert len(text) < 3000
    assert "charset_normalizer" not in text
