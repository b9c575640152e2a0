"""Mutations: seven of ten by the structure of the format, the rest byte by byte."""

from __future__ import annotations

import gzip
import io
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from random import Random

Mutation = Callable[[bytes, Random], bytes]

EXTREMES: tuple[int, ...] = (
    0,
    1,
    2,
    3,
    7,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
)
EXTREMES += (2**63 - 1, 2**64 - 1, -1, -2, -128, -(2**15), -(2**31), -(2**63))
TEXTS: tuple[str, ...] = (
    "",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "-0",
    "1e-320",
    "9" * 10_000,
    "0x10",
    "null",
    "true",
    "[]",
    "{}",
    "..",
    "/",
)
TEXTS += (
    "../../../x",
    "=1+1",
    "%s%n",
    "{0.__class__}",
    "$x$",
    "<b>",
    "\x1b[31m",
    "\0",
    "é" * 300,
    "!!python/object:os.x",
)
TEXTS += (
    "&a [*a]",
    "[" * 2000,
    "{a: " * 500,
    "- " * 500,
    "a" * 300,
    "2 2 2",
    "1 -1",
    "*a",
    "'",
    '"',
    "|",
    "\t",
    "0 0 0 0",
)

BY_STRUCTURE = 0.7


def mutated(content: bytes, kind: str, random: Random) -> bytes:
    """A content with one to four harms."""
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        by_structure = random.random() < BY_STRUCTURE
        harm = BY_KIND[kind] if by_structure else _bytes
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                content = harm(content, random)
        except Exception:  # what was harmed before has no structure any more
            content = _bytes(content, random)
    return content


def _bytes(content: bytes, random: Random) -> bytes:
    """Bits flipped, ranges cut, dropped, repeated, filled, moved."""
    data = bytearray(content or b"\0")
    start = random.randrange(len(data)) if random.random() < 0.5 else random.randrange(min(len(data), 400))
    stop = min(len(data), start + random.choice((1, 2, 4, 8, 16, 64, 256)))
    way = random.randrange(7)
    if way == 0:
        data[start] ^= 1 << random.randrange(8)
    elif way == 1:
        data[start] = random.choice((0, 1, 127, 128, 255))
    elif way == 2:
        del data[start:]
    elif way == 3:
        del data[start:stop]
    elif way == 4:
        data[start:start] = data[start:stop] * random.choice((1, 2, 50))
    elif way == 5:
        data[start:stop] = random.randbytes(stop - start)
    else:
        piece = data[start:stop]
        del data[start:stop]
        at = random.randrange(len(data) + 1)
        data[at:at] = piece
    return bytes(data)


def _fields(content: bytes, random: Random) -> bytes:
    """A number of the header, of whatever width and byte order, set to an extreme."""
    data = bytearray(content)
    width = random.choice((1, 2, 4, 4, 8))
    at = random.randrange(0, max(1, min(len(data), 400) - width), random.choice((1, 2, 4)))
    value = random.choice(EXTREMES) % 256**width
    data[at : at + width] = value.to_bytes(width, random.choice(("little", "big")))
    return bytes(data)


NIFTI = {"<i": (0, 32, 108), "<h": (*range(40, 56, 2), 68, 70, 72, 74, 120, 252, 254), "<b": (39, 122, 123)}
NIFTI |= {"<f": (*range(76, 108, 4), 112, 116, 124, 128, 132, 136, *range(256, 328, 4))}


def _nifti(content: bytes, random: Random) -> bytes:
    """A field of the header set to an extreme."""
    data = bytearray(content)
    form = random.choice(list(NIFTI))
    at = random.choice(NIFTI[form])
    if form == "<f":
        value = random.choice((0.0, -0.0, -1.0, 1e38, 1e-45, float("nan"), float("inf"), -float("inf"), 1e9))
        struct.pack_into(form, data, at, value)
    else:
        width = struct.calcsize(form)
        data[at : at + width] = (random.choice(EXTREMES) % 256**width).to_bytes(width, "little")
    return bytes(data)


def _gzip(content: bytes, random: Random) -> bytes:
    """What is packed inside, and packed again."""
    inside = gzip.decompress(content)
    harm = _nifti if inside[344:347] in (b"n+1", b"ni1") else _fields
    return gzip.compress(harm(inside, random), 1)


def _png(content: bytes, random: Random) -> bytes:
    """Chunks dropped, repeated, swapped, or with other numbers in them; checksums are made anew."""
    chunks, at = [], 8
    while at + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        chunks.append([content[at + 4 : at + 8], content[at + 8 : at + 8 + length], length])
        at += 12 + length
    which = random.randrange(len(chunks))
    way = random.randrange(6)
    if way == 0:
        del chunks[which]
    elif way == 1:
        chunks.insert(random.randrange(len(chunks)), list(chunks[which]))
    elif way == 2:
        other = random.randrange(len(chunks))
        chunks[which], chunks[other] = chunks[other], chunks[which]
    elif way == 3:
        chunks[which][2] = random.choice(EXTREMES) % 2**32
    elif way == 4:
        chunks.insert(
            1, [random.choice((b"PLTE", b"tRNS", b"gAMA", b"acTL", b"zTXt", b"iTXt", b"eXIf")), random.randbytes(9), 9]
        )
    else:
        chunks[which][1] = _fields(bytes(chunks[which][1]) + b"\0" * 9, random)[: max(1, len(chunks[which][1]))]
    made = content[:8]
    for name, inside, length in chunks:
        made += struct.pack(">I", length) + name + inside + struct.pack(">I", zlib.crc32(name + inside))
    return made


def _tiff(content: bytes, random: Random) -> bytes:
    """An entry of the first directory: its tag, type, count or value."""
    order = "<" if content[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", content, 4)
    (count,) = struct.unpack_from(order + "H", content, at)
    entry = at + 2 + 12 * random.randrange(count)
    data = bytearray(content)
    way = random.randrange(6)
    if way == 0:
        struct.pack_into(
            order + "H", data, entry, random.choice((254, 256, 257, 258, 259, 262, 277, 284, 317, 339, 700, 270))
        )
    elif way == 1:
        struct.pack_into(order + "H", data, entry + 2, random.randrange(20))
    elif way == 2:
        struct.pack_into(order + "I", data, entry + 4, random.choice(EXTREMES) % 2**32)
    elif way == 3:
        struct.pack_into(order + "I", data, entry + 8, random.choice(EXTREMES) % 2**32)
    elif way == 4:
        struct.pack_into(order + "H", data, entry + 8, random.choice(EXTREMES) % 2**16)
    else:
        other = at + 2 + 12 * random.randrange(count)
        data[entry : entry + 12], data[other : other + 12] = data[other : other + 12], data[entry : entry + 12]
    return bytes(data)


NUMBERS = re.compile(rb"-?\d+(?:\.\d+)?")


def _text(content: bytes, random: Random) -> bytes:
    """Lines dropped, repeated, swapped; words and numbers replaced by nasty ones. What follows a header stays."""
    end = content.find(b"\n\n") if content[:4] == b"NRRD" else content.find(b"ElementDataFile")
    head, tail = (content, b"") if end < 0 else (content[: end + 1], content[end + 1 :])
    lines = head.split(b"\n") if len(head) < 20_000 else [head]
    which, way = random.randrange(len(lines)), random.randrange(7)
    if way == 0:
        del lines[which]
    elif way == 1:
        lines.insert(which, lines[random.randrange(len(lines))])
    elif way == 2:
        other = random.randrange(len(lines))
        lines[which], lines[other] = lines[other], lines[which]
    elif way in (3, 4):
        found = list(NUMBERS.finditer(head))
        place = random.choice(found)
        chosen = str(random.choice(EXTREMES)) if way == 3 else random.choice(TEXTS)
        return head[: place.start()] + chosen.encode() + head[place.end() :] + tail
    else:
        mark = random.choice((b":", b"=", b",", b" "))
        start, found_mark, _ = lines[which].partition(mark)
        lines[which] = start + found_mark + (b" " if mark == b":" else b"") + random.choice(TEXTS).encode()
    return b"\n".join(lines) + tail


def _zip(content: bytes, random: Random) -> bytes:
    """A member of the archive harmed, dropped, renamed, or announced larger than it is."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    which = random.randrange(len(members))
    name, inside = members[which]
    way = random.randrange(5)
    if way == 0:
        del members[which]
    elif way == 1:
        members[which] = (random.choice(("../../x", "/x", "a" * 300, "", name + "x")), inside)
    elif way == 2:
        members[which] = (name, _fields(inside, random))
    elif way == 3 and inside[:6] == b"\x93NUMPY":
        members[which] = (name, NUMBERS.sub(str(random.choice(EXTREMES)).encode(), inside, count=9)[: len(inside) + 40])
    else:
        members[which] = (name, _bytes(inside, random))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for each, held in members:
            archive.writestr(each, held)
    return made.getvalue()


VALUES: tuple[bytes, ...] = (
    b"",
    b"\0\0",
    b"\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"-1",
    b"0",
    b"1e38",
    b"nan",
    b"1\\2\\3\\4\\5",
    b"9" * 64,
)
VALUES += (
    b"\\",
    b"1\\0\\0\\0\\0\\0",
    b"1.2.840.10008.1.2.4.90",
    b"1.2.840.10008.1.2.1.99",
    b"MONOCHROME1",
    b"RGB",
    b"x" * 300,
)


def _dicom(content: bytes, random: Random) -> bytes:
    """An element dropped, emptied, given another's value or an extreme one, or a new one of another kind."""
    import pydicom
    from pydicom.dataelem import RawDataElement

    dataset = pydicom.dcmread(io.BytesIO(content), force=True)
    place = dataset
    while nested := [e for e in place if e.VR == "SQ" and e.value]:
        if random.random() < 0.4:
            break
        place = random.choice(random.choice(nested).value)
    raw = place if random.random() < 0.85 or place is not dataset else dataset.file_meta
    tags = [tag for tag in raw if tag is not None]
    element = random.choice(tags)
    tag, way = element.tag, random.randrange(5)
    if way == 0:
        del raw[tag]
    else:
        other = random.choice(tags)
        value = random.choice(VALUES) if way < 4 else _value(other)
        vr = element.VR if way < 3 or element.VR == "SQ" else random.choice(("US", "DS", "IS", "LO", "OB", "FD", "UN"))
        value += b"\0" * (len(value) % 2)
        raw._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    made = io.BytesIO()
    dataset.save_as(made, enforce_file_format=False)
    return made.getvalue()


def _value(element: object) -> bytes:
    value = getattr(element, "value", b"")
    return value[:200] if isinstance(value, bytes) else str(value).encode()[:200]


BY_KIND: dict[str, Mutation] = {
    "png": _png,
    "tiff": _tiff,
    "nifti": _nifti,
    "gzip": _gzip,
    "dicom": _dicom,
    "text": _text,
    "zip": _zip,
    "fields": _fields,
}
"""Kind of a seed -> its mutation by structure."""
