"""Refuse machine code that may carry LLVM's MSP430 wrong-code bug.

    llvm-objdump -d image.elf | python gate.py

LLVM (19 and 22 at least) folds a post-increment load that is the left operand of a subtraction into
SUB, whose memory operand is the right one: the sign of the difference is reversed. A correct SUB of
that form cannot be told from a wrong one, so all are refused; rewrite the C.
"""

import re
import sys

SUSPECT = re.compile(r"\bsubc?(\.b)?\s+@r\d+\+", re.IGNORECASE)


def suspects(listing: str) -> list[str]:
    """Return the lines of a disassembly that subtract a post-incremented operand."""
    return [line.strip() for line in listing.splitlines() if SUSPECT.search(line)]


if __name__ == "__main__":
    listing = sys.stdin.read()
    found = suspects(listing)
    if "reti" not in listing:
        sys.exit("The gate was given no disassembly of the firmware.")
    if found:
        sys.exit("\n".join(["Subtractions that LLVM may have reversed:", *found]))
