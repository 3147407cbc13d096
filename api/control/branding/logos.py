"""A logo as it was sent, made anew: PNG, JPEG and WebP are decoded and written as PNG, SVG is rebuilt from what draws. Nothing else gets through.

What comes out is made of pixels or of checked attributes alone: no metadata, no second file behind the first, no script.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

from PIL import Image, ImageOps

from api.control.branding.svg import rebuilt

LONGEST = 512
"""Pixels of the longer side, at most."""
MOST_BYTES = 512 * 1024
MEDIA = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/svg+xml": "SVG"}
_MOST_PIXELS, _LONGEST_READ = 16_000_000, 8_192
_SIGNATURES = {"PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff", "WEBP": b"RIFF"}
# A progressive JPEG is gone through once a scan: many small scans of a large picture are minutes of work.
_SCAN, _MOST_SCANS = b"\xff\xda", 64


class LogoError(ValueError):
    """What is wrong with a logo, for its sender."""


@dataclass(frozen=True, slots=True)
class Logo:
    """A logo that may be served: `kind` is png or svg; sizes are pixels."""

    kind: str
    content: bytes
    width: int
    height: int


def take(content: bytes, media: str) -> Logo:
    """The logo that is in `content`, which is said to be `media`. Raises LogoError."""
    name = MEDIA.get(media)
    if name is None:
        raise LogoError(f"A logo is {', '.join(MEDIA)}.")
    if not content:
        raise LogoError("The body is empty.")
    if name == "SVG":
        try:
            text, width, height = rebuilt(content, LONGEST)
        except ValueError as error:
            raise LogoError(str(error)) from None
        return Logo("svg", text.encode(), width, height)
    if not content.startswith(_SIGNATURES[name]):
        raise LogoError(f"The body is no {name}.")
    return _as_png(content, name)


def _as_png(content: bytes, name: str) -> Logo:
    """The picture scaled to LONGEST at most, upright, as a PNG that holds pixels alone."""
    if name == "JPEG" and content.count(_SCAN) > _MOST_SCANS:
        raise LogoError("The JPEG has too many scans.")
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content), formats=[name]) as image:
            warnings.simplefilter("ignore")
            if image.width * image.height > _MOST_PIXELS or max(image.size) > _LONGEST_READ:
                raise LogoError(f"The picture has more than {_MOST_PIXELS:,} pixels, or more than {_LONGEST_READ:,} on a side.")
            image.draft("RGB", (2 * LONGEST, 2 * LONGEST))
            pixels = ImageOps.exif_transpose(image).convert("RGBA")
    except LogoError:
        raise
    except Exception:  # decoders raise what they like over a picture that is broken on purpose
        raise LogoError(f"The {name} cannot be read.") from None
    pixels.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    clean = Image.frombytes("RGBA", pixels.size, pixels.tobytes())
    if clean.getchannel("A").getextrema() == (255, 255):
        clean = clean.convert("RGB")
    out = io.BytesIO()
    clean.save(out, "PNG", optimize=True)
    return Logo("png", out.getvalue(), *clean.size)
