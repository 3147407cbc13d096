"""The routing as a picture: `layout` says where each table and edge lies, `svg` and `mermaid` write it as text. Pure functions."""

from engine.drawing.mermaid import mermaid
from engine.drawing.svg import svg

__all__ = ["mermaid", "svg"]
