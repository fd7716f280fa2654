"""Numbers and lengths as Avro writes them, and data apart from what stands in front of them."""

from collections.abc import Sequence


def long(number: int) -> bytes:
    """A whole number of at most 64 bits by Avro's zig-zag variable-length encoding."""
    left = (number << 1) ^ (number >> 63)
    written = bytearray()
    while left >= 0x80:
        written.append(left & 0x7F | 0x80)
        left >>= 7
    written.append(left)
    return bytes(written)


def counted(content: bytes) -> bytes:
    """Bytes behind their length."""
    return long(len(content)) + content


def bare(data: Sequence[bytes], head: int) -> Sequence[bytes]:
    """Data without the bytes, `head` of them, that stand in front of each."""
    return [datum[head:] for datum in data] if head else data
