"""What people and programs may write of a branding, held against its form before anything is done. There is no field for style sheets or addresses."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from api.control.branding.colours import parse
from api.control.branding.fonts import Fallback
from api.control.branding.themes import require_background
from api.control.tenants.inputs import Input, Line


def _light(text: str) -> str:
    colour = parse(text)
    require_background("light", colour)
    return colour


def _dark(text: str) -> str:
    colour = parse(text)
    require_background("dark", colour)
    return colour


Colour = Annotated[str, AfterValidator(parse)]
Family = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9 -]{0,62}[A-Za-z0-9])?$")]


class ColoursInput(Input):
    """Colours as #rrggbb. Without a dark one the dark theme's is made of the light one."""

    primary: Colour | None = Field(default=None, description="of buttons and the first of a chart; text on it and links are derived")
    primary_dark: Colour | None = None
    background: Annotated[str, AfterValidator(_light)] | None = Field(default=None, description="text on it keeps 4.5:1, else 422")
    background_dark: Annotated[str, AfterValidator(_dark)] | None = None


class FontInput(Input):
    """A family where the reader's device has it, else the fallback. No font is fetched."""

    family: Family | None = None
    fallback: Fallback = "system"


class FontPatch(FontInput):
    """A merge patch of a font."""

    fallback: Fallback | None = None  # type: ignore[assignment]


class BrandingInput(Input):
    """What is said here and not above; null, or nothing: it is inherited. Logos have calls of their own."""

    name: Line | None = Field(default=None, description="what the product is called")
    colours: ColoursInput | None = None
    font: FontInput | None = None
    radius: Annotated[int, Field(ge=0, le=24, strict=True, description="pixels of a corner")] | None = None
    powered_by: bool | None = Field(default=None, strict=True, description="false takes the line away, where the tier has white_label")


class BrandingPatch(BrandingInput):
    """A merge patch: null takes back what was said, and what is above counts again."""

    font: FontPatch | None = None


FIELDS = tuple(BrandingInput.model_fields)


def said(fields: dict[str, Any]) -> dict[str, Any]:
    """What is kept of fields: what says nothing is left out, within colours and font too."""
    inner = {n: {k: v for k, v in f.items() if v is not None} if isinstance(f, dict) else f for n, f in fields.items()}
    return {n: f for n, f in inner.items() if f is not None and f != {}}
