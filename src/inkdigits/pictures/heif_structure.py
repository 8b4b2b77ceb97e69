"""Checks the structure of a HEIC or AVIF file before it is decoded.

Both are containers of items (ISO/IEC 23008-12). The picture is one item: coded pixels, or a grid or
overlay of other items. A file of a few kilobytes can declare a small picture made of large parts,
of the same part many times, or of coded pixels that are larger than declared. These checks follow
the picture to its coded parts and add up the pixels that will be decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from inkdigits.errors import PictureFormatError, PictureTooLargeError

# A picture of 100 megapixels in tiles of 512 × 512 has 400 items, each with about ten entries.
_MAX_ENTRIES: Final = 20_000
_MAX_DEPTH: Final = 4
# Parts reach beyond the edges of the picture, and transparency has pixels of its own.
_MAX_DECODED_SHARE: Final = 3

_CODED = {"HEIC": b"hvc1", "AVIF": b"av01"}
_DERIVED = {"HEIC": (b"grid", b"iovl", b"iden"), "AVIF": (b"grid",)}
_SEQUENCE_HEADER = 1


def check_heif(
    name: str, file_format: str, content: bytes, max_pixels: int, max_exif_bytes: int
) -> None:
    """Rejects a HEIC or AVIF file that would cost too much time or memory to decode.

    Args:
        name: Name of the file in error messages.
        file_format: "HEIC" or "AVIF".
        content: The content of the file.
        max_pixels: Maximum number of pixels of the picture.
        max_exif_bytes: Maximum length of its EXIF data.

    Raises:
        PictureFormatError: The file has too many parts, or parts of unusual kinds.
        PictureTooLargeError: Its parts together have too many pixels.
        struct.error, IndexError: The file is damaged.
    """
    items = _Items(name, file_format, content)
    if items.has_tracks and file_format == "AVIF":
        raise items.error("is animated")
    if any(items.count_bytes(item) > max_exif_bytes for item in items.list_of(b"Exif")):
        raise items.error(f"with more than {max_exif_bytes:,} bytes of EXIF data")
    shown = [items.primary, *items.list_auxiliary(items.primary)]
    pixels = sum(items.count_pixels(item, 0) for item in shown)
    if pixels > _MAX_DECODED_SHARE * max_pixels:
        raise PictureTooLargeError(
            f"{name}: {file_format} file with parts of {pixels:,} pixels in total; the limit is "
            f"{_MAX_DECODED_SHARE * max_pixels:,}: resize it"
        )
    largest = max((items.find_largest(item, 0) for item in shown), default=0)
    if largest > max_pixels:
        raise PictureTooLargeError(
            f"{name}: {file_format} file with a part of {largest:,} pixels; the limit is "
            f"{max_pixels:,}: save it as JPEG, or resize it"
        )


class _Items:
    """The items of a file, without their data."""

    def __init__(self, name: str, file_format: str, content: bytes) -> None:
        self._name, self._file_format, self._content = name, file_format, content
        self._entries = 0
        self._kinds: dict[int, bytes] = {}
        self._references: list[tuple[bytes, int, tuple[int, ...]]] = []
        self._sizes: dict[int, tuple[int, int]] = {}  # of properties, by their index
        self._properties: dict[int, list[int]] = {}
        self._extents: dict[int, list[tuple[int, int]]] = {}
        self._data_start = 0
        self._pixels: dict[int, int] = {}
        self._largest: dict[int, int] = {}
        self.primary = 0
        self.has_tracks = False
        boxes = list(self._list_boxes(0, len(content)))
        self.has_tracks = any(kind == b"moov" for kind, _, _ in boxes)
        metas = [(start, end) for kind, start, end in boxes if kind == b"meta"]
        if len(metas) != 1:
            raise self.error("is animated" if self.has_tracks else "without a picture")
        self._parse_meta(*metas[0])

    def error(self, fault: str) -> PictureFormatError:
        return PictureFormatError(
            f"{self._name}: {self._file_format} file {fault}; export it as a plain JPEG or PNG"
        )

    def list_of(self, kind: bytes) -> list[int]:
        """Returns the items of a kind."""
        return [item for item, known in self._kinds.items() if known == kind]

    def list_auxiliary(self, item: int) -> list[int]:
        """Returns the auxiliary pictures of an item, such as its transparency."""
        return [source for kind, source, to in self._references if kind == b"auxl" and item in to]

    def count_bytes(self, item: int) -> int:
        return sum(length for _, length in self._extents.get(item, ()))

    def count_pixels(self, item: int, depth: int) -> int:
        """Returns the coded pixels of which an item is made."""
        if item not in self._pixels:
            parts = self._list_parts(item, depth)
            if parts is None:
                width, height = self._find_size(item)
                self._pixels[item] = width * height
            else:
                self._pixels[item] = sum(self.count_pixels(part, depth + 1) for part in parts)
        return self._pixels[item]

    def find_largest(self, item: int, depth: int) -> int:
        """Returns the pixels of the largest part of an item, the item itself included."""
        if item not in self._largest:
            parts = self._list_parts(item, depth) or ()
            sizes = [self._find_size(item), *self._list_coded_sizes(item)]
            own = max(width * height for width, height in sizes)
            self._largest[item] = max(
                [own, *(self.find_largest(part, depth + 1) for part in set(parts))]
            )
        return self._largest[item]

    def _list_parts(self, item: int, depth: int) -> tuple[int, ...] | None:
        """Returns the items of which a grid or an overlay is made; None for coded pixels."""
        kind = self._kinds.get(item, b"")
        if kind == _CODED[self._file_format]:
            return None
        if kind not in _DERIVED[self._file_format]:
            raise self.error(f"with a picture of kind {kind.decode('ascii', 'replace')!r}")
        if depth >= _MAX_DEPTH:
            raise self.error(f"with parts of parts, more than {_MAX_DEPTH} levels")
        return tuple(
            part
            for reference, source, to in self._references
            if reference == b"dimg" and source == item
            for part in to
        )

    def _find_size(self, item: int) -> tuple[int, int]:
        sizes = [self._sizes[n] for n in self._properties.get(item, ()) if n in self._sizes]
        if not sizes:
            raise self.error("with a part without a size")
        return max(sizes)

    def _list_coded_sizes(self, item: int) -> Iterator[tuple[int, int]]:
        """Yields the sizes that the data of an item declare, beside that of its properties."""
        kind = self._kinds[item]
        if kind == b"av01":
            yield from self._list_av1_sizes(self._read(item))
        elif kind in (b"grid", b"iovl"):
            data = self._read(item)
            is_wide = data[1] & 1
            start = 4 if kind == b"grid" else 10
            width, height = struct.unpack_from(">II" if is_wide else ">HH", data, start)
            yield width, height

    def _list_av1_sizes(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yields the frame size of each sequence header (AV1 specification, section 5.3)."""
        position = 0
        while position < len(data):
            self._count_entries(1)
            header = data[position]
            position += 2 if header & 4 else 1  # with an extension
            size = len(data) - position
            if header & 2:
                size, position = _parse_leb128(data, position)
            if header >> 3 & 15 == _SEQUENCE_HEADER:
                yield _parse_sequence_header(data[position : position + min(size, 1024)])
            position += size

    def _read(self, item: int) -> bytes:
        return b"".join(
            self._content[start : start + length] for start, length in self._extents.get(item, ())
        )

    def _count_entries(self, n: int) -> None:
        self._entries += n
        if self._entries > _MAX_ENTRIES:
            raise self.error(f"with more than {_MAX_ENTRIES:,} parts")

    def _list_boxes(self, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
        """Yields the kind of each box, and where its content starts and ends."""
        while start + 8 <= end:
            self._count_entries(1)
            size, kind = struct.unpack_from(">I4s", self._content, start)
            head = 8
            if size == 1:
                (size,) = struct.unpack_from(">Q", self._content, start + 8)
                head = 16
            elif size == 0:
                size = end - start
            if size < head:
                return
            yield kind, start + head, min(start + size, end)
            start += size

    def _parse_meta(self, start: int, end: int) -> None:
        boxes = {kind: (first, last) for kind, first, last in self._list_boxes(start + 4, end)}
        if b"pitm" not in boxes or b"iprp" not in boxes:
            raise self.error("without a picture")
        place, version = boxes[b"pitm"][0], self._content[boxes[b"pitm"][0]]
        (self.primary,) = struct.unpack_from(">I" if version else ">H", self._content, place + 4)
        if b"idat" in boxes:
            self._data_start = boxes[b"idat"][0]
        if b"iinf" in boxes:
            self._parse_kinds(*boxes[b"iinf"])
        if b"iref" in boxes:
            self._parse_references(*boxes[b"iref"])
        if b"iloc" in boxes:
            self._parse_places(boxes[b"iloc"][0])
        for kind, first, last in self._list_boxes(*boxes[b"iprp"]):
            if kind == b"ipco":
                for index, (inner, place, _) in enumerate(self._list_boxes(first, last), 1):
                    if inner == b"ispe":
                        self._sizes[index] = struct.unpack_from(">II", self._content, place + 4)
            elif kind == b"ipma":
                self._parse_properties(first)

    def _parse_kinds(self, start: int, end: int) -> None:
        first = start + (8 if self._content[start] else 6)
        for kind, place, _ in self._list_boxes(first, end):
            if kind == b"infe":
                form = ">IH4s" if self._content[place] >= 3 else ">HH4s"
                item, _, item_kind = struct.unpack_from(form, self._content, place + 4)
                self._kinds[item] = item_kind

    def _parse_references(self, start: int, end: int) -> None:
        code = "I" if self._content[start] else "H"
        width = struct.calcsize(code)
        for kind, place, _ in self._list_boxes(start + 4, end):
            source, count = struct.unpack_from(f">{code}H", self._content, place)
            self._count_entries(count)
            to = struct.unpack_from(f">{count}{code}", self._content, place + width + 2)
            self._references.append((kind, source, to))

    def _parse_properties(self, start: int) -> None:
        content = self._content
        version, is_wide = content[start], content[start + 3] & 1
        (count,) = struct.unpack_from(">I", content, start + 4)
        self._count_entries(count)
        place = start + 8
        for _ in range(count):
            (item,) = struct.unpack_from(">I" if version else ">H", content, place)
            place += 4 if version else 2
            n, place = content[place], place + 1
            self._count_entries(n)
            values = struct.unpack_from(f">{n}{'H' if is_wide else 'B'}", content, place)
            place += n * (2 if is_wide else 1)
            mask = 0x7FFF if is_wide else 0x7F
            self._properties.setdefault(item, []).extend(value & mask for value in values)

    def _parse_places(self, start: int) -> None:
        content = self._content
        version = content[start]
        offset_bytes, length_bytes = divmod(content[start + 4], 16)
        base_bytes, index_bytes = divmod(content[start + 5], 16)
        place = start + 6

        def number(n_bytes: int) -> int:
            nonlocal place
            place += n_bytes
            if place > len(content):
                raise IndexError("the table of places ends early")
            return int.from_bytes(content[place - n_bytes : place], "big")

        count = number(4 if version == 2 else 2)
        self._count_entries(count)
        for _ in range(count):
            item = number(4 if version == 2 else 2)
            is_inside = bool(version) and number(2) & 15 == 1
            number(2)  # the file that holds the data; 0 is this one
            base = number(base_bytes) + (self._data_start if is_inside else 0)
            extents = number(2)
            self._count_entries(extents)
            for _ in range(extents):
                number(index_bytes if version else 0)
                offset = base + number(offset_bytes)
                # A length of 0 means all that follows.
                length = number(length_bytes) or len(content) - offset
                self._extents.setdefault(item, []).append((offset, max(0, length)))


def _parse_leb128(data: bytes, position: int) -> tuple[int, int]:
    """Returns a number of variable length, and the position after it."""
    value = 0
    for index in range(8):
        byte = data[position + index]
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, position + index + 1
    raise IndexError("a length of more than 8 bytes")


def _parse_sequence_header(data: bytes) -> tuple[int, int]:
    """Returns the maximum width and height of frames (AV1 specification, section 5.5)."""
    bits, left = int.from_bytes(data, "big"), 8 * len(data)

    def number(n: int) -> int:
        nonlocal left
        left -= n
        if left < 0:
            raise IndexError("a sequence header ends early")
        return bits >> left & ((1 << n) - 1)

    number(3 + 1)  # profile, still picture
    if number(1):  # reduced header
        number(5)
    else:
        delay_bits = 0
        has_model = 0
        if number(1):  # timing
            number(32 + 32)
            if number(1):  # equal intervals, followed by a number of variable length
                zeros = 0
                while not number(1):
                    zeros += 1
                number(zeros)
            has_model = number(1)
            if has_model:
                delay_bits = number(5) + 1
                number(32 + 5 + 5)
        has_delays = number(1)
        for _ in range(number(5) + 1):
            number(12)
            if number(5) > 7:
                number(1)
            if has_model and number(1):
                number(2 * delay_bits + 1)
            if has_delays and number(1):
                number(4)
    width_bits, height_bits = number(4) + 1, number(4) + 1
    return number(width_bits) + 1, number(height_bits) + 1
