"""The picture of the flow, drawn once and coloured twice: GitHub shows the one that fits the reader's theme."""

from dataclasses import dataclass
from functools import partial
from html import escape

WIDTH, HEIGHT = 1070, 372
_FONT = "-apple-system, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a theme."""

    ink: str
    soft: str
    line: str
    box: str
    ours: str
    ours_line: str
    inner: str


LIGHT = Palette("#1f2328", "#59636e", "#8c959f", "#f6f8fa", "#ddf4ff", "#218bff", "#ffffff")
DARK = Palette("#f0f6fc", "#9198a1", "#6e7681", "#161b22", "#0c2d4d", "#388bfd", "#0d1117")


def picture(palette: Palette) -> str:
    """The drawing as SVG."""
    box, text, arrow = partial(_box, palette), partial(_text, palette), partial(_arrow, palette)
    reads = ["poll", "decode", "check", "fold", "encode"]
    applies = ["COPY", "fence", "rows", "positions", "COMMIT"]
    parts = [
        box(10, 110, 160, 106, palette.box, palette.line),
        text(90, 142, "Source database", bold=True),
        text(90, 170, "Debezium in Kafka", soft=True),
        text(90, 190, "Connect reads its log", soft=True),
        arrow("M170 163 H216"),
        box(220, 110, 130, 106, palette.box, palette.line),
        text(285, 142, "Kafka", bold=True),
        text(285, 170, "change topics,", soft=True),
        text(285, 190, "Avro", soft=True),
        box(400, 20, 400, 246, palette.ours, palette.ours_line),
        text(600, 48, "Headrace worker", bold=True),
        box(422, 66, 140, 180, palette.inner, palette.ours_line),
        text(492, 92, "reader thread", bold=True),
        *(text(492, 122 + 24 * place, word) for place, word in enumerate(reads)),
        box(638, 66, 140, 180, palette.inner, palette.ours_line),
        text(708, 92, "apply thread", bold=True),
        *(text(708, 122 + 24 * place, word) for place, word in enumerate(applies)),
        arrow("M350 163 H418"),
        arrow("M562 163 H634"),
        text(600, 153, "queue", soft=True),
        box(895, 20, 165, 246, palette.box, palette.line),
        text(977, 48, "Target database", bold=True),
        *(box(915, y, 125, 50, palette.inner, palette.line) for y in (66, 131, 196)),
        *(text(977, y, word) for y, word in ((96, "your tables"), (161, "positions"), (226, "ledger"))),
        arrow("M778 163 H891"),
        text(847, 153, "one", soft=True),
        text(847, 182, "transaction", soft=True),
        box(628, 304, 160, 56, palette.box, palette.line),
        text(708, 328, "Schema registry", bold=True),
        text(708, 347, "writer schemas", soft=True),
        arrow("M708 304 V250", dashed=True),
        arrow("M492 246 V304 H285 V220", dashed=True),
        text(388, 326, "afterwards: group offsets,", soft=True),
        text(388, 344, "for lag tools only", soft=True),
    ]
    return "\n".join([_head(palette), *parts, "</svg>"]) + "\n"


def _head(palette: Palette) -> str:
    view = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{_FONT}" font-size="14"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {view}>\n'
        "<title>From the source database through Debezium, Kafka and a Headrace worker into the target</title>\n"
        f'<defs><marker id="tip" markerWidth="9" markerHeight="9" refX="8" refY="4.5" orient="auto">'
        f'<path d="M0 0 L9 4.5 L0 9 z" fill="{palette.soft}"/></marker></defs>'
    )


def _box(_: Palette, x: int, y: int, width: int, height: int, *colours: str) -> str:
    fill, line = colours
    place = f'x="{x}" y="{y}" width="{width}" height="{height}"'
    return f'<rect {place} rx="8" fill="{fill}" stroke="{line}" stroke-width="1.5"/>'


def _text(palette: Palette, x: int, y: int, words: str, *, bold: bool = False, soft: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    size = ' font-size="12.5"' if soft else ""
    colour = palette.soft if soft else palette.ink
    return f'<text x="{x}" y="{y}" text-anchor="middle" fill="{colour}"{weight}{size}>{escape(words)}</text>'


def _arrow(palette: Palette, path: str, *, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    look = f'fill="none" stroke="{palette.soft}" stroke-width="1.6"{dash} marker-end="url(#tip)"'
    return f'<path d="{path}" {look}/>'
