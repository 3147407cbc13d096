"""Logos made anew: pictures come out as pixels alone, drawings as what draws alone; hostile ones come out harmless or not at all."""

from __future__ import annotations

import io
import itertools
import re
import struct
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image, PngImagePlugin

from api.control.branding.logos import LONGEST, LogoError, take
from api.control.branding.svg import ELEMENTS, FORMS, MOST_DEPTH, MOST_ELEMENTS, SVG

HEAD = f'<svg xmlns="{SVG}" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 10 10">'
EVIL = b"<script>alert(document.domain)</script>"


def svg(inner: str, head: str = HEAD) -> bytes:
    return f"{head}{inner}</svg>".encode()


def drawn(inner: str, head: str = HEAD) -> str:
    return take(svg(inner, head), "image/svg+xml").content.decode()


def picture(kind: str, size: tuple[int, int] = (40, 20), mode: str = "RGB", **more: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "red").save(out, kind, **more)
    return out.getvalue()


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content), formats=["PNG"])


# ── pictures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "media", "mode"),
    [("PNG", "image/png", "RGBA"), ("PNG", "image/png", "P"), ("PNG", "image/png", "I;16"), ("JPEG", "image/jpeg", "RGB"), ("JPEG", "image/jpeg", "CMYK"),
     ("JPEG", "image/jpeg", "L"), ("WEBP", "image/webp", "RGBA")],
)  # fmt: skip
def test_picture_comes_out_as_a_small_png(kind: str, media: str, mode: str) -> None:
    content = picture(kind, (1500, 300), mode) if mode != "I;16" else picture_of_16_bits()
    logo = take(content, media)
    image = opened(logo.content)
    image.load()
    assert (logo.kind, image.format, max(image.size)) == ("png", "PNG", LONGEST)
    assert (logo.width, logo.height) == image.size


def picture_of_16_bits() -> bytes:
    out = io.BytesIO()
    Image.new("I;16", (1500, 300), 30_000).save(out, "PNG")
    return out.getvalue()


def test_small_picture_is_not_made_larger_and_keeps_what_shines_through() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (30, 10), (1, 2, 3, 100)).save(out, "PNG")
    image = opened(take(out.getvalue(), "image/png").content)
    assert (image.size, image.mode, image.getpixel((0, 0))) == ((30, 10), "RGBA", (1, 2, 3, 100))


def test_nothing_but_pixels_comes_out() -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x8298] = "taken at 48.2,16.3", "somebody"
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "<?php secret ?>")
    info.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>secret</x:xmpmeta>")
    for content, media in (
        (picture("JPEG", exif=exif, comment=b"secret", icc_profile=b"secret" * 40), "image/jpeg"),
        (picture("PNG", pnginfo=info, exif=exif, dpi=(72, 72)), "image/png"),
        (picture("WEBP", exif=exif, xmp=b"secret"), "image/webp"),
    ):
        out = take(content, media).content
        assert chunks(out) <= {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
        assert b"secret" not in out
        assert b"somebody" not in out


def chunks(content: bytes) -> set[bytes]:
    found, at = set(), 8
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        found.add(content[at + 4 : at + 8])
        at += 12 + length
    return found


def test_picture_that_was_turned_by_its_exif_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    logo = take(picture("JPEG", (40, 20), exif=exif), "image/jpeg")
    assert (logo.width, logo.height) == (20, 40)


@pytest.mark.parametrize(
    "content", [picture("PNG") + EVIL, picture("PNG") + b"PK\x03\x04" + EVIL, picture("JPEG", comment=EVIL), picture("JPEG") + EVIL]
)
def test_second_file_within_a_picture_does_not_come_out(content: bytes) -> None:
    out = take(content, "image/png" if content[1:4] == b"PNG" else "image/jpeg").content
    assert b"script" not in out
    assert b"PK" not in out
    assert out.endswith(b"IEND\xaeB`\x82")


def test_script_in_the_pixels_of_a_png_is_compressed_anew() -> None:
    """Bytes that are a script once they are deflated: what is written anew is deflated anew."""
    content = png(40, 1, zlib.compress(b"\0" + (EVIL * 4)[:120], 0))
    assert EVIL in content
    assert EVIL not in take(content, "image/png").content


@pytest.mark.parametrize(
    ("content", "media"),
    [
        (b"GIF89a/*\x00\x00=1;alert(1);", "image/gif"),
        (b"GIF89a=1;alert(1)", "image/png"),
        (picture("GIF"), "image/gif"),
        (picture("GIF"), "image/png"),
        (picture("BMP"), "image/png"),
        (picture("PNG"), "image/jpeg"),
        (picture("JPEG"), "image/webp"),
        (picture("TIFF"), "image/webp"),
        (b"%PDF-1.7 \x89PNG\r\n\x1a\n", "image/png"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image/png"),
        (b"<html><script>alert(1)</script>", "image/png"),
        (picture("PNG"), "image/svg+xml"),
        (picture("PNG"), "text/html"),
        (picture("PNG"), ""),
        (picture("PNG")[:40], "image/png"),
        (picture("JPEG")[:200], "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "image/png"),
        (b"RIFF\x10\0\0\0WEBPVP8L", "image/webp"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "image/webp"),
        (b"", "image/png"),
        (b"", "image/svg+xml"),
    ],
)
def test_what_is_no_picture_of_its_kind_is_refused(content: bytes, media: str) -> None:
    with pytest.raises(LogoError) as refused:
        take(content, media)
    assert "/" not in str(refused.value) or "image/" in str(refused.value)


def png(width: int, height: int, pixels: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def webp_of(width: int, height: int) -> bytes:
    """The head of a WebP of that size (VP8X) without a picture."""
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body)) + body


BOMBS = {
    "large": (png(50_000, 50_000, zlib.compress(b"\0" * 10_000_000)), "image/png"),
    "wide": (png(100_000, 10, zlib.compress(b"\0" * 3_000_000)), "image/png"),
    "largest": (png(2**31 - 1, 2**31 - 1, b""), "image/png"),
    "webp": (webp_of(16_000, 16_000), "image/webp"),
    "many pixels": (png(4_500, 4_500, zlib.compress(b"\0" * 60_754_500)), "image/png"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_picture_that_would_be_large_once_it_is_read_is_refused_before_it_is(name: str) -> None:
    content, media = BOMBS[name]
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(LogoError):
        take(content, media)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8_000_000
    assert time.process_time() - began < 2


def test_text_of_a_png_that_grows_when_it_is_read_is_refused() -> None:
    bomb = zlib.compress(b"A" * 80_000_000, 9)
    content, at = picture("PNG"), 33
    data = b"Comment\0\0" + bomb
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    try:
        out = take(content[:at] + chunk + content[at:], "image/png").content
    except LogoError:
        return
    assert len(out) < 1_000


def test_jpeg_of_very_many_scans_is_refused() -> None:
    content = picture("JPEG", (64, 64), progressive=True)
    at = content.rindex(b"\xff\xda")
    with pytest.raises(LogoError, match="scans"):
        take(content[:at] + content[at:-2] * 100 + content[-2:], "image/jpeg")


def test_progressive_jpeg_is_taken() -> None:
    assert take(picture("JPEG", (900, 900), progressive=True), "image/jpeg").width == LONGEST


# ── drawings ──────────────────────────────────────────────────────────────────────────────────────────────────────────

JS = "javascript:alert(1)"
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "script in CDATA": "<script><![CDATA[alert(1)]]></script>",
    "script of a file": '<script href="https://evil.example/a.js"/>',
    "script of a file by xlink": '<script xlink:href="data:text/javascript,alert(1)"/>',
    "script deep within": "<g><g><defs><script>alert(1)</script></defs></g></g>",
    "script in upper case": "<SCRIPT>alert(1)</SCRIPT>",
    "script of another namespace": '<x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script>',
    "html within": '<html xmlns="http://www.w3.org/1999/xhtml"><body onload="alert(1)"/></html>',
    "img within": '<img xmlns="http://www.w3.org/1999/xhtml" src="x" onerror="alert(1)"/>',
    "onload": '<g onload="alert(1)"/>',
    "onclick": '<rect width="9" height="9" onclick="alert(1)"/>',
    "onload in odd case": '<rect width="9" height="9" oNlOaD="alert(1)"/>',
    "handler with a namespace": '<rect width="9" height="9" xlink:onload="alert(1)"/>',
    "onbegin": '<animate onbegin="alert(1)" attributeName="x" dur="1s"/>',
    "foreignObject": '<foreignObject width="9" height="9"><body xmlns="http://www.w3.org/1999/xhtml" onload="alert(1)"/></foreignObject>',
    "iframe in foreignObject": '<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="https://evil.example"/></foreignObject>',
    "link": f'<a href="{JS}"><rect width="9" height="9"/></a>',
    "link by xlink": f'<a xlink:href="{JS}"><rect width="9" height="9"/></a>',
    "link with a tab in it": '<a xlink:href="java&#9;script:alert(1)"><rect width="9" height="9"/></a>',
    "animated link": f'<a><animate attributeName="href" values="{JS}"/><rect width="9" height="9"/></a>',
    "set of an address": f'<a id="a"><set attributeName="xlink:href" to="{JS}"/></a>',
    "set of a handler": '<rect width="9" height="9"><set attributeName="onmouseover" to="alert(1)"/></rect>',
    "animateTransform": '<rect width="9" height="9"><animateTransform attributeName="transform" onend="alert(1)"/></rect>',
    "image of another host": '<image href="https://evil.example/a.png" width="9" height="9"/>',
    "image of a data address": '<image xlink:href="data:image/svg+xml;base64,PHN2Zz4=" width="9" height="9"/>',
    "image of a file": '<image href="file:///etc/passwd" width="9" height="9"/>',
    "feImage": '<filter id="f"><feImage href="https://evil.example/a.png"/></filter>',
    "use of another file": '<use href="https://evil.example/a.svg#a"/>',
    "use of a data address": '<use xlink:href="data:image/svg+xml,%3Csvg id=%22x%22/%3E#x"/>',
    "use within use": "<g>" + "".join(f'<g id="u{n}"><use href="#u{n - 1}"/><use href="#u{n - 1}"/></g>' for n in range(1, 30)) + "</g>",
    "fill of another host": '<rect width="9" height="9" fill="url(https://evil.example/#a)"/>',
    "fill of a data address": '<rect width="9" height="9" fill="url(data:image/svg+xml,x#a)"/>',
    "fill without a scheme": '<rect width="9" height="9" fill="url(//evil.example/#a)"/>',
    "fill of two addresses": '<rect width="9" height="9" fill="url(#a) url(//evil.example/#a)"/>',
    "clip-path of another host": '<rect width="9" height="9" clip-path="url(https://evil.example/c.svg#c)"/>',
    "mask of another host": '<rect width="9" height="9" mask="url(https://evil.example/c.svg#c)"/>',
    "filter of another host": '<rect width="9" height="9" filter="url(https://evil.example/c.svg#c)"/>',
    "cursor of another host": '<rect width="9" height="9" cursor="url(https://evil.example/c.cur)"/>',
    "marker of another host": '<path d="M0 0" marker-end="url(https://evil.example/c.svg#c)"/>',
    "gradient of another file": '<linearGradient id="g" href="https://evil.example/g.svg#g"/>',
    "gradient of a script": f'<linearGradient id="g" xlink:href="{JS}"/>',
    "style element": "<style>@import url(https://evil.example/a.css);</style>",
    "style element with a font": "<style>@font-face{font-family:x;src:url(//evil.example/f)}</style>",
    "style with an address": '<rect width="9" height="9" style="fill:url(https://evil.example/#a)"/>',
    "style with an escape": r'<rect width="9" height="9" style="fill:\75\72\6c(https://evil.example/#a)"/>',
    "style with a background": '<rect width="9" height="9" style="background-image:url(//evil.example/a)"/>',
    "style with an expression": '<rect width="9" height="9" style="width:expression(alert(1))"/>',
    "style with a binding": '<rect width="9" height="9" style="-moz-binding:url(//evil.example/x.xml#x)"/>',
    "style with import": "<rect width=\"9\" height=\"9\" style=\"@import '//evil.example/a'\"/>",
    "handler element": '<handler xmlns:ev="http://www.w3.org/2001/xml-events" ev:event="load">alert(1)</handler>',
    "listener": '<ev:listener xmlns:ev="http://www.w3.org/2001/xml-events" event="load" handler="#x"/>',
    "text that breaks out": '<title>]]&gt;&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;</title><rect width="9" height="9"/>',
    "attribute that breaks out": "<rect width=\"9\" height=\"9\" id='a&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;'/>",
    "fill that breaks out": "<rect width=\"9\" height=\"9\" fill='red&quot; onload=&quot;alert(1)'/>",
    "path that breaks out": '<path d="M0 0&quot; onload=&quot;alert(1)"/>',
    "base": f'<g xml:base="{JS}//"><a xlink:href="#x"/></g>',
    "base without a link": '<g xml:base="https://evil.example/"><rect width="9" height="9" fill="url(#a)"/></g>',
    "svg within": '<svg onload="alert(1)"><rect width="9" height="9"/></svg>',
    "switch": '<switch><rect requiredExtensions="x" systemLanguage="en"/></switch>',
    "embed": '<embed xmlns="http://www.w3.org/1999/xhtml" src="https://evil.example"/>',
    "discard": '<discard begin="0s" href="#x"/>',
    "mpath": f'<animateMotion><mpath xlink:href="{JS}"/></animateMotion>',
    "tref": '<text><tref xlink:href="https://evil.example/a.svg#x"/></text>',
    "pattern of itself": '<pattern id="p" width="1" height="1"><rect width="1" height="1" fill="url(#p)"/></pattern>',
    "class": '<rect width="9" height="9" class="x" data-x="alert(1)" is="x-y" part="p" slot="s" tabindex="0"/>',
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_drawing_comes_out_harmless_or_not_at_all(name: str) -> None:
    with suppress(LogoError):
        assert_harmless(drawn('<rect width="1" height="1"/>' + HOSTILE[name]))


def test_drawing_with_what_is_not_taken_is_refused_by_name() -> None:
    for inner, name in (
        ("<script/>", "script"),
        ("<g><foreignObject/></g>", "foreignObject"),
        ("<style/>", "style"),
        ("<animate/>", "animate"),
        ("<use/>", "use"),
    ):
        with pytest.raises(LogoError, match=f"element '{name}' is not taken"):
            drawn(inner)


def test_so_does_what_stands_at_the_root() -> None:
    for attributes in (
        'onload="alert(1)"',
        'onerror="alert(1)" style="background:url(//evil.example)"',
        'xml:base="https://evil.example/"',
        'baseProfile="x" contentScriptType="text/javascript" zoomAndPan="magnify"',
        'xmlns:ev="http://www.w3.org/2001/xml-events" ev:onload="alert(1)"',
    ):
        assert_harmless(drawn('<rect width="1" height="1"/>', HEAD.replace("viewBox", f"{attributes} viewBox")))


def assert_harmless(out: str) -> None:
    """Nothing but elements and attributes of the list; no word of an address, a handler or a script."""
    for element in ElementTree.fromstring(out).iter():
        assert isinstance(element.tag, str)
        assert element.tag.removeprefix(f"{{{SVG}}}") in ELEMENTS, element.tag
        for name, value in element.attrib.items():
            assert name in FORMS or name in ("clip-path", "href"), name
            assert not re.search(r"[<>\"'\\;@]", value), value
            assert "url(" not in value or re.fullmatch(r"url\(#[\w.-]+\)", value), value
            assert name != "href" or re.fullmatch(r"#[\w.-]+", value), value
    for word in ("script", "alert", "evil", "data:", "file:", "import", "expression", "binding", "style", "class", "base"):
        assert word not in out.replace(SVG, "").lower(), word


ENTITIES = {
    "laughs": '<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>',
    "one long": f'<!DOCTYPE svg [<!ENTITY c "{"A" * 50_000}">]>',
    "a file": '<!DOCTYPE svg [<!ENTITY c SYSTEM "file:///etc/passwd">]>',
    "another host": '<!DOCTYPE svg [<!ENTITY c SYSTEM "http://127.0.0.1:9/a">]>',
    "of parameters": '<!DOCTYPE svg [<!ENTITY % p SYSTEM "http://127.0.0.1:9/a"> %p;]>',
}


@pytest.mark.parametrize("name", ENTITIES)
def test_entities_are_refused(name: str) -> None:
    with pytest.raises(LogoError, match="without entities"):
        take(f"{ENTITIES[name]}{HEAD}<title>&c;</title></svg>".encode(), "image/svg+xml")


def test_attribute_that_the_doctype_sets_is_checked_too() -> None:
    head = '<!DOCTYPE svg [<!ATTLIST rect onload CDATA "alert(1)"><!ATTLIST rect fill CDATA "url(//evil.example)">]>' + HEAD
    assert_harmless(drawn('<rect width="1" height="1"/>', head))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_comes_out_is_utf_8_whatever_went_in(encoding: str) -> None:
    content = f'{HEAD}<rect width="1" height="1" onload="alert(1)"/></svg>'.encode(encoding)
    assert_harmless(take(content, "image/svg+xml").content.decode())


def test_utf_7_is_refused() -> None:
    with pytest.raises(LogoError):
        take(b'<?xml version="1.0" encoding="utf-7"?>' + svg("+ADw-script+AD4-alert(1)+ADw-/script+AD4-"), "image/svg+xml")


@pytest.mark.parametrize(
    "content",
    [
        b"<svg viewBox='0 0 1 1'/>",
        f'<html xmlns="{SVG}"/>'.encode(),
        b'<html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>',
        svg("", f'<svg xmlns="{SVG}">'),
        svg("", f'<svg xmlns="{SVG}" width="100%" height="100%">'),
        svg("", f'<svg xmlns="{SVG}" viewBox="0 0 0 1">'),
        svg("", f'<svg xmlns="{SVG}" viewBox="0 0 1e99 1e99">'),
        svg("", f'<svg xmlns="{SVG}" viewBox="0 0 nan inf">'),
        svg("", f'<svg xmlns="{SVG}" viewBox="0 0 -1 -1">'),
        b"<svg",
        b"\x00\x01\x02",
        b"<?xml version='1.0' encoding='x-unknown'?><svg/>",
        svg("<rect/>" * (MOST_ELEMENTS + 1)),
        svg("<g>" * MOST_DEPTH + "</g>" * MOST_DEPTH),
        svg("<g>" * 20_000 + "</g>" * 20_000),
        svg(f'<path d="{"M0 0 " * 80_000}"/>'),
    ],
)
def test_drawing_that_is_none_or_too_large_is_refused(content: bytes) -> None:
    with pytest.raises(LogoError):
        take(content, "image/svg+xml")


def _long() -> Iterator[tuple[str, str]]:
    yield from itertools.product(("1" * 200_000 + "!", "1 " * 100_000 + "!", "-" * 200_000, "1e1" * 60_000 + "!", "scale(1)" * 25_000, "a " * 90_000),
                                 ("points", "d", "transform", "fill", "x", "id", "preserveAspectRatio", "style", "clip-path"))  # fmt: skip


def test_long_values_take_no_long_time() -> None:
    """No form of a value goes back and forth over it: 54 values of 200 KB."""
    began = time.process_time()
    for value, name in _long():
        drawn(f'<polygon {name}="{value}"/>')
    assert time.process_time() - began < 5


def test_clips_within_clips_do_not_come_out() -> None:
    out = drawn('<clipPath id="a" clip-path="url(#b)"><rect width="1" height="1" clip-path="url(#c)"/></clipPath><g clip-path="url(#a)"/>')
    assert out.count("url(#") == 1


def test_drawing_of_an_ordinary_editor_keeps_how_it_looks() -> None:
    out = drawn(
        """<?pi x?><!-- made by an editor --><title>Acme &amp; Co</title><metadata><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></metadata>
        <sodipodi:namedview xmlns:sodipodi="http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd" id="n"/>
        <defs><linearGradient id="a"><stop offset="0" style="stop-color:#f00;stop-opacity:1"/><stop offset="100%" stop-color="rgb(0, 10%, 3)"/></linearGradient>
        <radialGradient id="b" xlink:href="#a" gradientUnits="userSpaceOnUse" gradientTransform="matrix(1,0 0,1 0 0) rotate(45)"/>
        <clipPath id="c"><circle cx="5" cy="5" r="4"/></clipPath></defs>
        <g transform="translate(1 -.5) scale(1e-1)" style="fill : url(#b) !important; stroke:none;font-family:Arial" clip-path="url('#c')">
        <path d="M0,0 L10-5.5e-1 A1 1 0 0 1 3 4z" fill-rule="evenodd"/></g><polygon points="0,0 1,1 2,0" stroke="currentColor" stroke-width="1px"/>""",
        HEAD.replace(
            "<svg",
            '<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd"><svg',
        ),
    )
    for kept in (
        'stop-color="#f00"', 'stop-color="rgb(0, 10%, 3)"', 'href="#a"', 'transform="translate(1 -.5) scale(1e-1)"', 'fill="url(#b)"', 'stroke="none"',
        'd="M0,0 L10-5.5e-1 A1 1 0 0 1 3 4z"', 'stroke-width="1px"', 'points="0,0 1,1 2,0"', 'clip-path="url(#c)"', 'fill-rule="evenodd"',
    ):  # fmt: skip
        assert kept in out, kept
    assert "Acme" not in out


@pytest.mark.parametrize(
    ("head", "size"),
    [(f'<svg xmlns="{SVG}" viewBox="0 0 300 100">', (512, 171)), (f'<svg xmlns="{SVG}" width="20px" height="40">', (256, 512)),
     (f'<svg xmlns="{SVG}" width="9000" height="9000" viewBox="-5 -5 1 1">', (512, 512))],
)  # fmt: skip
def test_drawing_has_a_size_of_its_own(head: str, size: tuple[int, int]) -> None:
    logo = take(svg('<rect width="1" height="1"/>', head), "image/svg+xml")
    root = ElementTree.fromstring(logo.content)
    assert (logo.width, logo.height) == size == (int(root.attrib["width"]), int(root.attrib["height"]))
    assert len(root.attrib["viewBox"].split()) == 4
