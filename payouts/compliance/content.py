"""Look into uploaded bytes before anything keeps them: what they are by content, and everything a paper never needs is refused.

Images are decoded whole within bounds; PDFs are read as bytes, with every compressed stream inflated within bounds, because a viewer would do so
later on somebody's desk. Nothing is repaired or converted: what was sent is evidence, and is kept as it was sent or not at all.
"""

from __future__ import annotations

import io
import re
import warnings
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from backoffice.kit.errors import InputError

BYTES_MAX = 10 * 1024 * 1024
PIXELS_MAX = 60_000_000
PAGES_MAX = 50
# A page of text inflates some ten times, a scan hardly at all; a bomb a thousand times.
INFLATED_MAX = 120 * 1024 * 1024
# The test file of the antivirus industry (EICAR), in two halves so that this source is not taken for it.
_EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR" + b"-STANDARD-ANTIVIRUS-TEST-FILE!"
_PDF, _PNG, _JPEG = b"%PDF-", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"\x7fELF")
# Long enough that ten megabytes of pixels do not hold one by chance.
_MARKUP = re.compile(rb"<(?:svg\s+xmlns|html[\s>]|script[\s>]|!doctype\s|\?php\s|iframe\s)", re.IGNORECASE)
# What makes a PDF act instead of show: scripts, actions on opening, programs, embedded files, forms with code, remote content.
_ACTIVE = re.compile(
    rb"/(?:JavaScript|JS|Launch|EmbeddedFiles?|RichMedia|XFA|AA|SubmitForm|ImportData|GoToE|GoToR|Movie|Sound|Rendition)(?![A-Za-z0-9])"
)
_NAME_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_STREAM = re.compile(rb"stream\r?\n")
_ENCRYPT = re.compile(rb"/Encrypt(?![A-Za-z])")
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")


class DocumentRejected(InputError):
    """The base of what is wrong with a file."""

    code = "document_rejected"


class FileEmpty(DocumentRejected):
    code = "file_empty"
    sentence = "The file is empty."


class FileTooLarge(DocumentRejected):
    code = "file_too_large"
    sentence = "The file is larger than {most} MB. Send a smaller scan."
    http_status = 413


class FileTypeNotAccepted(DocumentRejected):
    code = "file_type_not_accepted"
    sentence = "Send a PDF, a JPEG or a PNG; this file is none of them, whatever its name says."


class FileDamaged(DocumentRejected):
    code = "file_damaged"
    sentence = "The file cannot be opened: {why}. Save or scan it again."


class FileIsTwoThings(DocumentRejected):
    code = "file_is_two_things"
    sentence = "The file holds something else behind or inside the {what}. Save it again as a plain {what}."


class FileIsActive(DocumentRejected):
    code = "file_is_active"
    sentence = "The PDF holds scripts, actions, forms with code or attached files. Print it to a new PDF and send that."


class FileIsEncrypted(DocumentRejected):
    code = "file_is_encrypted"
    sentence = "The PDF is protected with a password. Send it without."


class FileIsBomb(DocumentRejected):
    code = "file_unpacks_too_large"
    sentence = "The file unpacks to far more than a document needs. Scan it again."


class TooManyPages(DocumentRejected):
    code = "too_many_pages"
    sentence = "The document has {pages} pages; send the {most} that matter."


class FileHasVirus(DocumentRejected):
    code = "file_has_virus"
    sentence = "The file carries a virus signature. It was not kept."


class Inspected(NamedTuple):
    media_type: str
    pages: int


def inspect(data: bytes) -> Inspected:
    """Return what a file is. Refuses every subclass of DocumentRejected; the file's name plays no part."""
    if not data:
        raise FileEmpty()
    if len(data) > BYTES_MAX:
        raise FileTooLarge(most=BYTES_MAX // 1024 // 1024)
    if _EICAR in data:
        raise FileHasVirus()
    if data.startswith(_PDF):
        return Inspected("application/pdf", _inspect_pdf(data))
    if data.startswith(_PNG):
        return Inspected("image/png", _inspect_image(data, "PNG", _end_of_png(data)))
    if data.startswith(_JPEG):
        return Inspected("image/jpeg", _inspect_image(data, "JPEG", data.rfind(b"\xff\xd9") + 2))
    raise FileTypeNotAccepted()


# --- images ---------------------------------------------------------------------------------------------------------------


def _inspect_image(data: bytes, kind: str, end: int) -> int:
    if data[end:].strip(b"\x00\r\n "):
        raise FileIsTwoThings(what="image")
    if _MARKUP.search(data) or b"PK\x05\x06" in data[-66_000:] or _PDF in data[:1024]:
        raise FileIsTwoThings(what="image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=[kind]) as picture:
                if picture.width * picture.height > PIXELS_MAX or getattr(picture, "n_frames", 1) != 1:
                    raise FileIsBomb()
                picture.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise FileIsBomb() from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, zlib.error):
        raise FileDamaged(why="the image is broken") from None
    return 1


def _end_of_png(data: bytes) -> int:
    """Walk the chunks to the byte behind IEND."""
    position = len(_PNG)
    while position + 8 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        position += 12 + length
        if kind == b"IEND":
            return position
    raise FileDamaged(why="the image has no end")


# --- PDF ------------------------------------------------------------------------------------------------------------------


def _inspect_pdf(data: bytes) -> int:
    end = data.rfind(b"%%EOF")
    if end < 0:
        raise FileDamaged(why="the PDF has no end")
    if data[end + 5 :].strip(b"\x00\r\n \t") or b"PK\x05\x06" in data[-66_000:] or _MARKUP.search(data[:1024]):
        raise FileIsTwoThings(what="PDF")

    pages, left, before = 0, INFLATED_MAX, b""
    for part, is_stream in _parts(data):
        if not is_stream:
            text = before = _plain_names(part)
            if _ENCRYPT.search(text):
                raise FileIsEncrypted()
        else:
            if part.startswith(_ARCHIVES):
                raise FileIsTwoThings(what="PDF")
            inflated = _inflate(part, left)
            left -= len(inflated)
            # Newer PDFs keep their objects, pages and actions too, in compressed streams of this kind; other streams are what is painted.
            text = _plain_names(inflated) if b"/ObjStm" in before[-2_000:] else b""
        if _ACTIVE.search(text):
            raise FileIsActive()
        pages += len(_PAGE.findall(text))
    if pages == 0:
        raise FileDamaged(why="the PDF has no pages")
    if pages > PAGES_MAX:
        raise TooManyPages(pages=pages, most=PAGES_MAX)
    return pages


def _parts(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield the parts of a PDF in order, each with whether it is the body of a stream."""
    position = 0
    for match in _STREAM.finditer(data):
        if match.start() < position:
            continue
        yield data[position : match.start()], False
        end = data.find(b"endstream", match.end())
        if end < 0:
            raise FileDamaged(why="a stream of the PDF has no end")
        yield data[match.end() : end], True
        position = end + len(b"endstream")
    yield data[position:], False


def _inflate(stream: bytes, limit: int) -> bytes:
    """Return what a deflated stream unpacks to, also when packed several times over; nothing for other streams. Refuses: FileIsBomb."""
    found, total = b"", 0
    while len(stream) >= 2 and stream[0] & 0x0F == 8 and int.from_bytes(stream[:2], "big") % 31 == 0:
        try:
            found = zlib.decompressobj().decompress(stream, limit - total + 1)
        except zlib.error:
            break
        total += len(found)
        if total > limit:
            raise FileIsBomb()
        stream = found
    return found


def _plain_names(text: bytes) -> bytes:
    """Undo the escapes that could hide a name, such as /J#61vaScript."""
    return _NAME_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), text) if b"#" in text else text
