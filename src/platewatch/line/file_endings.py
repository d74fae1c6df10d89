"""Whether a photograph's file has its end: decoders are content with less, and what comes after changes the file."""

_PNG, _PNG_END = b"\x89PNG", b"IEND\xaeB`\x82"
_JPEG, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_WEBP, _BMP = b"RIFF", b"BM"


def has_end(data: bytes) -> bool:
    """False when the file surely goes on; True when its end is there, or when only decoding it can tell."""
    if data.startswith(_PNG):
        return _PNG_END in data
    if data.startswith(_JPEG):  # a thumbnail at its beginning ends too, but before the last scan
        return data.rfind(_JPEG_END) > data.rfind(_JPEG_SCAN)
    if data.startswith(_WEBP):
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    if data.startswith(_BMP):
        return len(data) >= int.from_bytes(data[2:6], "little")
    return len(data) > 0
