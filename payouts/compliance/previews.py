"""Pictures of papers for the reviewer's eyes: decoded and drawn anew, so that no byte of what was sent reaches a page.

Only pixels pass: no metadata, no colour profile, no second file behind the first. Drawn by the worker, once.
"""

from __future__ import annotations

import io
import logging

from PIL import Image, ImageOps

logger = logging.getLogger(__name__)

SIDE_MAX = 1_400
QUALITY = 80
MEDIA_TYPE = "image/jpeg"


def draw(data: bytes) -> bytes | None:
    """Return a JPEG of at most 1,400 pixels a side; None when the image does not decode, which its inspection should have refused."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "JPEG"]) as sent:
            sent.draft("RGB", (SIDE_MAX, SIDE_MAX))  # a large JPEG is decoded small
            turned = ImageOps.exif_transpose(sent)
            turned.thumbnail((SIDE_MAX, SIDE_MAX))
            plain = Image.new("RGB", turned.size, "white")
            plain.paste(turned, mask=turned.getchannel("A") if "A" in turned.getbands() else None)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        logger.warning("a paper could not be drawn: %s", type(problem).__name__)
        return None
    out = io.BytesIO()
    plain.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
