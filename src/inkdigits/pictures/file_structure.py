"""Checks the structure of a picture file before it is decoded.

Decoders follow the structure that a file declares. Each segment, chunk, block, tag or tile costs
time, and a file of a few megabytes can declare millions of them. These checks make one fast pass
over the file. `ReadLimitedFile` limits the remaining cost, the reads of Pillow's parsers.

The limits are many times what ordinary files need. With them, the worst files of 20 MB in the tests
take less than 2 s on one core. Times in the comments are for one core at 3 GHz.
"""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import PictureFormatError, PictureTooLargeError
from inkdigits.pictures.heif_structure import check_heif

_MIB = 2**20

# How often Pillow's parsers may read from a file. JPEG needs 3 reads per segment and one per byte
# of padding, PNG 3 per chunk, GIF 2 per block of 255 bytes, TIFF one per tag and 2 per tile, and
# PPM one per byte of the header. A PNG of 64 MiB in chunks of 8 kB takes 25,000 reads, and a GIF of
# 64 MiB takes 530,000. A read takes about 0.3 µs, in PNG 2 µs.
_MAX_READS = {
    "JPEG": 100_000,
    "PNG": 300_000,
    "GIF": 700_000,
    "BMP": 100_000,
    "WebP": 100_000,
    "TIFF": 1_000_000,
    "PPM": 100_000,
    "AVIF": 1_000,
    "HEIC": 1_000,
}

# EXIF data usually fit into one JPEG segment of 64 KiB; a few cameras use several. Pillow parses
# numbers at about 4 MB/s, and joins the segments of a JPEG in quadratic time.
_MAX_EXIF_BYTES = _MIB

# Cameras write up to 300 segments, most of them extended XMP.
_MAX_JPEG_SEGMENTS = 20_000
# Four quantisation tables, eight Huffman tables and a frame header take less than 4 kB. Pillow
# parses them at about 10 MB/s.
_MAX_JPEG_TABLE_BYTES = 256 * 1024
# Photoshop's image resources, about 100 kB with a thumbnail. Pillow parses them at about 10 MB/s.
_MAX_JPEG_RESOURCE_BYTES = 4 * _MIB
# A progressive JPEG has about ten scans. Each scan costs a pass over the whole picture, about 1 ns
# per pixel, whatever its size in the file. The limit allows 50 megapixels with 12 scans.
_MAX_JPEG_SCANS = 50
_MAX_JPEG_SCANNED_PIXELS = 600_000_000
# libjpeg reads padding again from its start after each 64 KiB of input.
_LONGEST_PADDING = b"\xff" * _MIB

_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ARITHMETIC = frozenset(range(0xC9, 0xD0)) - {0xCC}
_JPEG_END, _JPEG_SCAN = 0xD9, 0xDA
_JPEG_BARE = frozenset({0xC8, _JPEG_END, *range(0xF0, 0xFE)})  # Pillow reads no length after these

# Compressed texts and ICC profiles of a PNG. Pillow decompresses each to at most 1 MiB, in up to
# 4 ms. Few programs write more than five.
_MAX_PNG_COMPRESSED_TEXTS = 32
_MAX_PNG_CHUNKS = _MAX_READS["PNG"] // 3
_PNG_EXIF_KEYS = (b"exif\0", b"Raw profile type exif\0")

# For each comment in a plain PPM, Pillow copies up to 1 MiB, in about 0.1 ms.
_MAX_PPM_COMMENTS = 1_000

# A directory has about 20 tags in a scan and about 150 in the raw file of a camera. libtiff sorts
# its list again for each unknown tag.
_MAX_TIFF_TAGS = 1_000
# Numbers in tags, except the offsets and lengths of strips and tiles: colour tables and curves,
# about 100 kB. Pillow converts them to Python numbers at about 4 MB/s.
_MAX_TIFF_NUMBER_BYTES = _MIB
# A picture of the maximum height with one row per strip and four planes has 120,000 strips.
_MAX_TIFF_TILES = 120_000
# Pixels of all tiles. The parts beyond the edges of the picture are decoded too.
_MAX_TIFF_TILED_PIXELS = 100_000_000

_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_TIFF_SIZES |= {16: 8}
_TIFF_UNSIGNED = (1, 3, 4, 7, 13, 16)
_TIFF_BYTES, _TIFF_TEXT, _TIFF_UNDEFINED = 1, 2, 7
_TIFF_KIND, _TIFF_NOT_A_PAGE = 254, 1 | 4  # a reduced picture, a mask
_TIFF_WIDTH, _TIFF_LENGTH, _TIFF_COMPRESSION = 256, 257, 259
_TIFF_SAMPLES, _TIFF_STRIP_ROWS, _TIFF_PLANES = 277, 278, 284
_TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH = 322, 323
_TIFF_OFFSETS, _TIFF_COUNTS = (273, 324), (279, 325)  # of strips, of tiles
_TIFF_DIRECTORIES = (34665, 34853, 40965)  # Exif, GPS, interoperability
_TIFF_FIRST_FREE_TAG = 700  # XMP; the tags before it describe the pixels, and Pillow parses them
_TIFF_OLD_JPEG, _TIFF_JPEG = 6, 7


class ReadLimitedFile(io.BytesIO):
    """A file in memory that limits the number of reads to what its format needs."""

    def __init__(self, name: str, file_format: str, content: bytes) -> None:
        super().__init__(content)
        self._name, self._file_format = name, file_format
        self._reads_left = _MAX_READS[file_format]

    def allow_reads(self, count: int) -> None:
        """Sets the number of further reads."""
        self._reads_left = count

    def read(self, size: int | None = -1, /) -> bytes:
        """As `io.BytesIO.read`; raises PictureFormatError after too many calls."""
        self._reads_left -= 1
        if self._reads_left < 0:
            raise _format_error(self._name, self._file_format, "is split into too many small parts")
        return io.BytesIO.read(self, size)


def check_structure(name: str, file_format: str, content: bytes, max_pixels: int) -> None:
    """Rejects a file whose structure would cost too much time or memory to decode.

    Args:
        name: Name of the file in error messages.
        file_format: As `file_formats.detect_format` returns it.
        content: The content of the file.
        max_pixels: Maximum number of pixels of the picture.

    Raises:
        PictureFormatError: The file has many more parts than ordinary files, or parts that are too
            long.
        PictureTooLargeError: All scans or all tiles together have too many pixels.
    """
    checks: dict[str, Callable[[str, bytes], None]] = {
        "JPEG": _check_jpeg,
        "PNG": _check_png,
        "WebP": _check_webp,
        "TIFF": _check_tiff,
        "PPM": _check_ppm,
    }
    if check := checks.get(file_format):
        check(name, content)
    elif file_format in ("HEIC", "AVIF"):
        check_heif(name, file_format, content, max_pixels, _MAX_EXIF_BYTES)


def read_webp_size(content: bytes) -> tuple[int, int]:
    """Reads width and height from the header of a WebP file (RFC 9649)."""

    def number(start: int, length: int) -> int:
        return int.from_bytes(content[start : start + length], "little")

    match content[12:16]:
        case b"VP8X":
            return number(24, 3) + 1, number(27, 3) + 1
        case b"VP8L":
            bits = number(21, 4)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            return number(26, 2) & 0x3FFF, number(28, 2) & 0x3FFF
        case kind:
            raise ValueError(f"unknown WebP chunk {kind!r}")


def _format_error(name: str, file_format: str, fault: str) -> PictureFormatError:
    """Returns the error for a file with an unusual structure."""
    other = "JPEG" if file_format == "JPEG" else "PNG"
    return PictureFormatError(
        f"{name}: {file_format} file {fault}; save it again as a plain {other}"
    )


def _check_exif(name: str, file_format: str, size: int) -> None:
    if size > _MAX_EXIF_BYTES:
        raise _format_error(
            name, file_format, f"with more than {_MAX_EXIF_BYTES:,} bytes of EXIF data"
        )


def _check_jpeg(name: str, content: bytes) -> None:
    scans = segments = exif_bytes = table_bytes = resource_bytes = pixels = 0
    position, end = 2, len(content)
    while found := _JPEG_MARKER.search(content, position):
        marker, position = found[1][0], found.end()
        if scans and marker == _JPEG_END:  # a video or further pictures may follow
            end = found.start()
            break
        if not scans and marker in _JPEG_BARE:
            segments += 1
            length = 0
        else:
            segments += 1
            length = max(2, int.from_bytes(content[position : position + 2], "big"))
        start = content[position + 2 : position + 16]
        position += length
        if marker == _JPEG_SCAN:
            scans += 1
        elif marker == 0xE1 and start.startswith(b"Exif\0\0"):
            exif_bytes += length
        elif marker == 0xED and start.startswith(b"Photoshop 3.0\0"):
            resource_bytes += length
        elif marker < 0xE0:
            table_bytes += length
        if marker in _JPEG_FRAMES:
            pixels = max(pixels, math.prod(struct.unpack_from(">HH", start.ljust(5), 1)))
        if marker in _JPEG_ARITHMETIC:
            raise _format_error(name, "JPEG", "with arithmetic coding")
        if segments > _MAX_JPEG_SEGMENTS:
            raise _format_error(name, "JPEG", f"with more than {_MAX_JPEG_SEGMENTS:,} segments")
        if table_bytes > _MAX_JPEG_TABLE_BYTES:
            raise _format_error(
                name, "JPEG", f"with more than {_MAX_JPEG_TABLE_BYTES:,} bytes of tables"
            )
        if resource_bytes > _MAX_JPEG_RESOURCE_BYTES:
            fault = f"with more than {_MAX_JPEG_RESOURCE_BYTES:,} bytes of image resources"
            raise _format_error(name, "JPEG", fault)
        if scans > _MAX_JPEG_SCANS:
            raise PictureFormatError(
                f"{name}: more than {_MAX_JPEG_SCANS} JPEG scans; save it again as a plain JPEG"
            )
        _check_exif(name, "JPEG", exif_bytes)
    if scans * pixels > _MAX_JPEG_SCANNED_PIXELS:
        raise PictureTooLargeError(
            f"{name}: {scans} JPEG scans of {pixels:,} pixels; the limit is "
            f"{_MAX_JPEG_SCANNED_PIXELS:,} pixels in all scans: save it again as a plain JPEG or "
            "resize it"
        )
    if content.find(_LONGEST_PADDING, 0, end) >= 0:
        raise _format_error(name, "JPEG", f"with {_MIB:,} bytes of padding")


def _check_png(name: str, content: bytes) -> None:
    position = 8
    chunks = texts = 0
    while position + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        start = position + 8
        position = start + length + 4
        chunks += 1
        if kind == b"IEND":  # Pillow ignores what follows
            return
        if chunks > _MAX_PNG_CHUNKS:
            raise _format_error(name, "PNG", f"with more than {_MAX_PNG_CHUNKS:,} chunks")
        if kind == b"eXIf" or (
            kind in (b"tEXt", b"iTXt") and content.startswith(_PNG_EXIF_KEYS, start)
        ):
            _check_exif(name, "PNG", length)
        if kind in (b"zTXt", b"iCCP", b"iTXt"):
            key_end = content.find(b"\0", start, start + length)
            # In an iTXt chunk, the byte after the key tells whether it is compressed.
            texts += kind != b"iTXt" or content[key_end + 1 : key_end + 2] != b"\0"
        if texts > _MAX_PNG_COMPRESSED_TEXTS:
            fault = f"with more than {_MAX_PNG_COMPRESSED_TEXTS} compressed texts and ICC profiles"
            raise _format_error(name, "PNG", fault)


def _check_webp(name: str, content: bytes) -> None:
    position = 12
    chunks = 0
    while position + 8 <= len(content):
        kind, length = struct.unpack_from("<4sI", content, position)
        position += 8 + length + length % 2
        chunks += 1
        if chunks > _MAX_READS["WebP"]:
            raise _format_error(name, "WebP", f"with more than {_MAX_READS['WebP']:,} chunks")
        if kind == b"EXIF":
            _check_exif(name, "WebP", length)


def _check_ppm(name: str, content: bytes) -> None:
    is_plain = content.startswith((b"P1", b"P2", b"P3"))
    if is_plain and content.count(b"#") > _MAX_PPM_COMMENTS:
        raise _format_error(name, "PPM", f"with more than {_MAX_PPM_COMMENTS:,} comments")


class _TiffTags:
    """The tags in those directories of a TIFF file that Pillow reads for a page, without values.

    Attributes:
        start: Offset of the directory of the page.
        arrays: Tag to (type, number of values, offset of the first value in the file), for the
            directory of the page. If a tag occurs twice, the entry with more values is kept.
        number_bytes: Total length of the numbers in all directories, except the offsets and
            lengths of strips and tiles.
    """

    def __init__(self, name: str, content: bytes, start: int | None = None) -> None:
        self._name, self._content = name, content
        self._order: Literal["<", ">"] = "<" if content.startswith(b"II") else ">"
        self._is_big = content[2:4] in (b"+\0", b"\0+")
        self._pointer_bytes = 8 if self._is_big else 4
        self.number_bytes = 0
        self.arrays: dict[int, tuple[int, int, int]] = {}
        self.start = self._read_start() if start is None else start
        for tag, kind, count, offset in self._list_entries(self.start):
            if count > self.arrays.get(tag, (0, 0, 0))[1]:
                self.arrays[tag] = kind, count, offset
        for tag in _TIFF_DIRECTORIES:
            for inner, kind, count, offset in self._list_entries(self.read_one(tag, 0)):
                if inner in _TIFF_DIRECTORIES:
                    starts = self._read(kind, min(count, 1), offset)
                    for _ in self._list_entries(int(starts[0]) if starts.size else 0):
                        pass

    def read(self, tag: int) -> NDArray[np.uint64]:
        """Returns the values of a tag that are within the file: uint64, shape (n,)."""
        return self._read(*self.arrays.get(tag, (_TIFF_BYTES, 0, 0)))

    def read_one(self, tag: int, default: int) -> int:
        """Returns the first value of a tag, or the default if it has none."""
        values = self.read(tag)
        return int(values[0]) if values.size else default

    def read_next_start(self) -> int:
        """Returns the offset of the directory of the next page; 0 if there is none."""
        entry_bytes, head = (20, "Q") if self._is_big else (12, "H")
        pointer = head if self._is_big else "L"
        try:
            (tags,) = struct.unpack_from(self._order + head, self._content, self.start)
            place = self.start + struct.calcsize("=" + head) + tags * entry_bytes
            (start,) = struct.unpack_from(self._order + pointer, self._content, place)
        except struct.error:  # beyond the end of the file
            return 0
        return int(start)

    def _read_start(self) -> int:
        """Returns the offset of the first directory."""
        starts = self._read(16 if self._is_big else 4, 1, self._pointer_bytes)
        return int(starts[0]) if starts.size else 0

    def _read(self, kind: int, count: int, offset: int) -> NDArray[np.uint64]:
        if kind not in _TIFF_UNSIGNED:
            return np.zeros(0, dtype=np.uint64)
        size = _TIFF_SIZES[kind]
        count = max(0, min(count, (len(self._content) - offset) // size))
        dtype = np.dtype(f"{self._order}u{size}")
        values = np.frombuffer(self._content, dtype, count, offset if count else 0)
        return values.astype(np.uint64)

    def _list_entries(self, start: int) -> Iterator[tuple[int, int, int, int]]:
        """Yields tag, type, number of values and their offset for each entry of a directory."""
        entry = struct.Struct(self._order + ("HHQQ" if self._is_big else "HHLL"))
        head = struct.Struct(self._order + ("Q" if self._is_big else "H"))
        if not 0 < start <= len(self._content) - head.size:
            return
        (tags,) = head.unpack_from(self._content, start)
        if tags > _MAX_TIFF_TAGS:
            raise _format_error(self._name, "TIFF", f"with more than {_MAX_TIFF_TAGS:,} tags")
        start += head.size
        for offset in range(start, min(start + tags * entry.size, len(self._content)), entry.size):
            if offset + entry.size > len(self._content):
                return
            tag, kind, count, value = entry.unpack_from(self._content, offset)
            size = count * _TIFF_SIZES.get(kind, 0)
            if tag not in (*_TIFF_OFFSETS, *_TIFF_COUNTS):
                # Pillow keeps bytes and texts as they are, and converts numbers to Python objects.
                is_free = tag >= _TIFF_FIRST_FREE_TAG and kind in (_TIFF_BYTES, _TIFF_UNDEFINED)
                if not is_free and kind != _TIFF_TEXT and size <= len(self._content):
                    self.number_bytes += size
            if self.number_bytes > _MAX_TIFF_NUMBER_BYTES:
                fault = f"with more than {_MAX_TIFF_NUMBER_BYTES:,} bytes of numbers in its tags"
                raise _format_error(self._name, "TIFF", fault)
            if size <= self._pointer_bytes:
                value = offset + entry.size - self._pointer_bytes
            yield tag, kind, count, value


def find_tiff_pages(name: str, content: bytes, max_pages: int) -> list[int]:
    """Checks all directories of a TIFF file, and returns those that are pages.

    Args:
        name: Name of the file in error messages.
        content: The content of the file.
        max_pages: Maximum number of directories.

    Returns:
        Numbers of the directories, from 0, except those of reduced pictures and of masks. The
        first directory always counts as a page.

    Raises:
        PictureFormatError, PictureTooLargeError: As `check_structure`, for any page.
        PictureTooLargeError: There are more directories.
    """
    pages: list[int] = []
    starts: set[int] = set()
    tags = _TiffTags(name, content)
    number = 0
    while True:
        if number == max_pages:
            raise PictureTooLargeError(
                f"{name}: TIFF file of more than {max_pages:,} pages, which is the limit: split it"
            )
        if not (number and tags.read_one(_TIFF_KIND, 0) & _TIFF_NOT_A_PAGE):
            _check_tiff_tags(name, content, tags)
            pages.append(number)
        starts.add(tags.start)
        start = tags.read_next_start()
        if not start or start in starts:
            return pages
        tags = _TiffTags(name, content, start)
        number += 1


def _check_tiff(name: str, content: bytes) -> None:
    _check_tiff_tags(name, content, _TiffTags(name, content))


def _check_tiff_tags(name: str, content: bytes, tags: _TiffTags) -> None:
    width, length = tags.read_one(_TIFF_WIDTH, 0), tags.read_one(_TIFF_LENGTH, 0)
    if _TIFF_TILE_WIDTH in tags.arrays or _TIFF_TILE_LENGTH in tags.arrays:
        sides = tags.read_one(_TIFF_TILE_WIDTH, 1), tags.read_one(_TIFF_TILE_LENGTH, 1)
        tile_width, tile_length = max(1, sides[0]), max(1, sides[1])
    else:
        rows = tags.read_one(_TIFF_STRIP_ROWS, length)
        tile_width, tile_length = max(1, width), max(1, min(rows, length))
    planes = tags.read_one(_TIFF_SAMPLES, 1) if tags.read_one(_TIFF_PLANES, 1) == 2 else 1
    tiles = math.ceil(width / tile_width) * math.ceil(length / tile_length)
    listed = [tags.arrays[tag][1] for tag in _TIFF_OFFSETS + _TIFF_COUNTS if tag in tags.arrays]
    if max([tiles * planes, *listed]) > _MAX_TIFF_TILES:
        raise _format_error(name, "TIFF", f"with more than {_MAX_TIFF_TILES:,} strips or tiles")
    tiled_pixels = tiles * tile_width * tile_length
    if tiles > 1 and tiled_pixels > _MAX_TIFF_TILED_PIXELS:
        raise PictureTooLargeError(
            f"{name}: TIFF file with tiles of {tiled_pixels:,} pixels in total; the limit is "
            f"{_MAX_TIFF_TILED_PIXELS:,}: resize it"
        )
    for offsets_tag, counts_tag in zip(_TIFF_OFFSETS, _TIFF_COUNTS, strict=True):
        counts = tags.read(counts_tag)
        if counts.size > 1 and float(counts.astype(float).sum()) > 2 * len(content):
            raise _format_error(name, "TIFF", "whose strips or tiles overlap")
        if tags.read_one(_TIFF_COMPRESSION, 1) in (_TIFF_OLD_JPEG, _TIFF_JPEG):
            # Each strip or tile is a separate JPEG, for which libtiff allows up to 100 scans.
            scans = sum(
                content.count(b"\xff\xda", offset, offset + count)
                for offset, count in zip(
                    tags.read(offsets_tag).tolist(), counts.tolist(), strict=False
                )
            )
            if scans * tile_width * tile_length > _MAX_JPEG_SCANNED_PIXELS:
                raise _format_error(name, "TIFF", "with too many JPEG scans")
