"""Turn Intel HEX into TI-TXT, which UniFlash and mspdebug flash: titxt.py image.hex image.txt."""

import sys
from pathlib import Path


def ti_txt(ihex: str) -> str:
    """Return the bytes of an Intel HEX file of one 64 KB segment as TI-TXT."""
    lines, end = [], None
    for record in ihex.split():
        data = bytes.fromhex(record.removeprefix(":"))
        count, address, kind = data[0], int.from_bytes(data[1:3], "big"), data[3]
        if kind != 0:
            continue
        if address != end:
            lines.append(f"@{address:04X}")
        lines.append(" ".join(f"{byte:02X}" for byte in data[4 : 4 + count]))
        end = address + count
    return "\n".join([*lines, "q", ""])


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(ti_txt(source.read_text()))
