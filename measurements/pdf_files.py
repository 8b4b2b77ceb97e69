"""Writes PDF files object by object, good and hostile ones."""

from __future__ import annotations

import zlib


def build_pdf(*objects: bytes) -> bytes:
    """A PDF file of these objects, numbered from 1; the first is the catalogue."""
    content, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    content += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
    return content + trailer % (len(objects) + 1, start)


def stream(data: bytes, fields: bytes = b"") -> bytes:
    """A compressed stream, with further fields of its dictionary."""
    packed = zlib.compress(data, 9)
    head = b"<</Filter/FlateDecode/Length %d%s>>stream\n" % (len(packed), fields)
    return head + packed + b"\nendstream"


def page_pdf(
    drawing: bytes, *resources: bytes, names: bytes = b"", box: bytes = b"0 0 99 99"
) -> bytes:
    """A PDF file of one page; the first of the resources is object 5."""
    return build_pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[%s]/Contents 4 0 R/Resources<</XObject<<%s>>>>>>"
        % (box, names),
        stream(drawing),
        *resources,
    )


def nested_forms(n_pages: int = 1) -> bytes:
    """Each of 12 forms draws the next one ten times: 10 to the power of 12 rectangles.

    Args:
        n_pages: Number of pages; the last one is blank if there are several.
    """
    first = 4 + n_pages  # the objects: catalogue, list of pages, pages, blank content, forms
    forms = []
    for number in range(12):
        names = b"/Resources<</XObject<</F %d 0 R>>>>" % (first + number + 1)
        drawing = b"/F Do " * 10
        if number == 11:
            names, drawing = b"", b"0 0 40 40 re f"
        forms.append(stream(drawing, b"/Type/XObject/Subtype/Form/BBox[0 0 99 99]" + names))
    content = len(forms) + first
    pages = [
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents %d 0 R"
        b"/Resources<</XObject<</F %d 0 R>>>>>>"
        % (content if page == 0 or page < n_pages - 1 else first - 1, first)
        for page in range(n_pages)
    ]
    kids = b" ".join(b"%d 0 R" % (3 + page) for page in range(n_pages))
    return build_pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, n_pages),
        *pages,
        stream(b" "),
        *forms,
        stream(b"/F Do"),
    )


def encrypt(content: bytes) -> bytes:
    """Marks a PDF file as encrypted by an unknown password."""
    fields = b"<</Filter/Standard/V 1/R 2/P -1/O<%s>/U<%s>>>" % (b"41" * 32, b"42" * 32)
    return content.replace(b"trailer<<", b"trailer<</ID[<00><00>]/Encrypt " + fields)
