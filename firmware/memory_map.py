"""Draw docs/memory_map.svg: what lies where in SRAM and FRAM, from image/fr2433.map."""

import re
from pathlib import Path

from generate import read_protocol

FIRMWARE = Path(__file__).resolve().parent
MAP = FIRMWARE / "image" / "fr2433.map"
PICTURE = FIRMWARE.parent / "docs" / "memory_map.svg"
SRAM, FRAM = (0x2000, 0x3000), (0xC400, 0xFF80)
WIDTH, LEFT, BAR, ROW = 1000, 24, 44, 100
TONES = ("#f2a93b", "#c98a2d", "#9a6b26", "#6f5022", "#5b6672", "#4a535d")
INK, DIM, STAGE, FREE = "#f4f1ea", "#a9b0b8", "#14171b", "#22272d"


def inputs(text: str) -> list[tuple[int, int, str, str]]:
    """Return start, size, object and section of everything linked from a file."""
    rows = re.findall(
        r"^\s*([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+\s+(\w+)\.o:\((\.\w+)", text, re.MULTILINE
    )
    return [(int(start, 16), int(size, 16), name, part) for start, size, name, part in rows]


def rows(text: str) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """Return title, capacity and the parts (name, bytes) of each bar."""
    constants = read_protocol()["constants"]
    column = {name: int(size, 16) for size, name in SYMBOL.findall(text)}["column"]
    static = sum(size for start, size, *_ in inputs(text) if SRAM[0] <= start < SRAM[1])
    features, codes = 2 * constants["PIXELS"], constants["PIXELS"] // 4
    nodes, unknowns = 16 * constants["EXACT_LIMIT"], 16 * constants["EXACT_LIMIT"]
    states, window = constants["PIXELS"] * 3 // 2, 20 * constants["WINDOW"]
    others = static - column + 2  # the length counts with them
    union = column - codes - 2
    size = SRAM[1] - SRAM[0]
    code: dict[str, int] = {}
    for start, length, name, _ in inputs(text):
        if FRAM[0] <= start < FRAM[1]:
            code[OBJECTS[name]] = code.get(OBJECTS[name], 0) + length
    return [
        (
            "SRAM, exact mode: the graph is built",
            size,
            [("features", features), ("graph", nodes), *_spare(union - features - nodes)]
            + [("trimap", codes), ("line", others)],
        ),
        (
            "SRAM, exact mode: conjugate gradients",
            size,
            [("vectors", unknowns), *_spare(features - unknowns), ("graph", nodes)]
            + [("trimap", codes), ("line", others)],
        ),
        (
            "SRAM, windowed mode",
            size,
            [("features", features), ("alpha, 12 bit", states), ("window", window)]
            + [*_spare(union - features - states - window), ("trimap", codes), ("line", others)],
        ),
        (
            "FRAM, code and constants only",
            FRAM[1] - FRAM[0],
            sorted(code.items(), key=lambda part: -part[1]),
        ),
    ]


SYMBOL = re.compile(r"^\s*[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+\s{17}(\w+)$", re.MULTILINE)
OBJECTS = {
    "board": "protocol",
    "frame": "frames",
    "exact": "exact",
    "windowed": "windowed",
    "graph": "graph",
    "main": "chip",
    "start": "chip",
    "rt": "chip",
}


def _spare(size: int) -> list[tuple[str, int]]:
    return [("", size)] if size else []


def svg(text: str) -> str:
    """Return the picture of a map file."""
    bars = rows(text)
    height = ROW * len(bars) + 24
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="system-ui, sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="{STAGE}"/>',
    ]
    for row, (title, capacity, parts) in enumerate(bars):
        y = 24 + ROW * row
        used = sum(size for _, size in parts)
        rest = ("stack" if capacity == SRAM[1] - SRAM[0] else "free", capacity - used)
        scale = (WIDTH - 2 * LEFT) / capacity
        lines.append(f'<text x="{LEFT}" y="{y + 10}" font-size="15" fill="{INK}">{title}</text>')
        lines.append(
            f'<text x="{WIDTH - LEFT}" y="{y + 10}" font-size="13" fill="{DIM}"'
            f' text-anchor="end">{used:,} of {capacity:,} bytes</text>'
        )
        x = float(LEFT)
        named = iter(TONES)
        for name, size in parts:
            lines += _block(x, y + 20, size * scale, next(named) if name else FREE, name, size)
            x += size * scale
        lines += _block(x, y + 20, rest[1] * scale, FREE, *rest)
    return "\n".join([*lines, "</svg>", ""])


def _block(x: float, y: int, width: float, tone: str, name: str, size: int) -> list[str]:
    ink = STAGE if tone in TONES[:2] else INK
    block = [
        f'<rect x="{x:.1f}" y="{y}" width="{max(width - 2, 1):.1f}" height="{BAR}" fill="{tone}"/>'
    ]
    if width > 7 * len(name) + 2:
        centre = f'x="{x + width / 2 - 1:.1f}" text-anchor="middle" fill="{ink}"'
        block.append(f'<text {centre} y="{y + 19}" font-size="13">{name}</text>')
        block.append(f'<text {centre} y="{y + 35}" font-size="12">{size:,}</text>')
    elif name:
        label = f"{name} {size:,}"
        block.append(
            f'<text x="{x + width / 2 - 1:.1f}" text-anchor="middle" fill="{DIM}"'
            f' y="{y + BAR + 14}" font-size="11">{label}</text>'
        )
    return block


if __name__ == "__main__":
    PICTURE.write_text(svg(MAP.read_text(encoding="utf-8")), encoding="utf-8")
