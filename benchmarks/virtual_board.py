"""Instructions per second of the virtual LaunchPad, beside mspdebug's simulator in the same run.

    python benchmarks/virtual_board.py

The arithmetic loop is base MSP430 code, which is all that mspdebug simulates: it knows neither the
UART nor the multiplier of the FR2433, so the firmware runs on the virtual board alone. mspdebug
(GPL, a Debian package) is timed as a process of its own, less the time of an empty run, and left
out where it is not installed.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from deepmasque.launchpad.board import Board, connect
from deepmasque.launchpad.virtual_board import VirtualBoard, open_virtual, serve_pty

LOOP = """
31400030      mov #0x3000, sp
b240805acc01  mov #0x5A80, &WDTCTL
35400020      mov #0x2000, r5
3a402800      mov #40, r10
0b43          1: clr r11
2645          2: mov @r5, r6
065b          add r11, r6
85460000      mov r6, 0(r5)
07e6          xor r6, r7
0711          rra r7
17b3          bit #1, r7
0124          jz 3f
1853          inc r8
1b83          3: dec r11
f523          jnz 2b
1a83          dec r10
f223          jnz 1b
32d01000      bis #CPUOFF, sr
"""
CODE, END = 0xC400, 0xC42E
REPEATS = 3
PIXELS, UNKNOWN = 800, 100


def main() -> None:
    """Print the tables as Markdown."""
    program = image()
    start = time.perf_counter()
    ours = [loop_seconds(program) for _ in range(REPEATS)]
    instructions, cycles = ours[0][:2]
    seconds = float(np.median([run[2] for run in ours]))
    print(f"| arithmetic loop, {instructions / 1e6:.1f} M instructions | s | M instructions/s |")
    print("|---|---:|---:|")
    print(f"| virtual LaunchPad | {seconds:.2f} | {instructions / seconds / 1e6:.0f} |")
    if shutil.which("mspdebug"):
        peer = float(np.median([mspdebug_seconds(program) for _ in range(REPEATS)]))
        print(f"| mspdebug sim | {peer:.2f} | {instructions / peer / 1e6:.0f} |")
    print(f"\nIt takes {cycles / 16e6:.2f} s on a board of 16 MHz.\n")

    print("| firmware | virtual s | board s | M instructions | M instructions/s |")
    print("|---|---:|---:|---:|---:|")
    for name, (virtual, board, executed) in (("start and HELLO", hello()), ("a column", column())):
        print(
            f"| {name} | {virtual:.3f} | {board:.3f} | {executed / 1e6:.2f} "
            f"| {executed / virtual / 1e6:.0f} |"
        )
    print(f"\nAll of it: {time.perf_counter() - start:.1f} s.")


def image() -> bytes:
    """Return the loop as TI-TXT, with the sixteen bytes to a line that mspdebug expects."""
    code = bytes.fromhex("".join(line.split()[0] for line in LOOP.split("\n") if line))
    lines = [code[i : i + 16].hex(" ") for i in range(0, len(code), 16)]
    return "\n".join([f"@{CODE:04X}", *lines, "@FFFE", "00 C4", "q", ""]).encode()


def loop_seconds(program: bytes) -> tuple[int, int, float]:
    """Instructions, cycles and seconds of the loop."""
    board = VirtualBoard(program)
    start = time.perf_counter()
    while not board.idle:
        board.run(10_000_000)
    return board.instructions, board.cycles, time.perf_counter() - start


def mspdebug_seconds(program: bytes) -> float:
    """Seconds that mspdebug takes for the loop."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "loop.txt"
        path.write_bytes(program)
        seconds = []
        for commands in ([], [f"setbreak 0x{END:X}", "run"]):
            start = time.perf_counter()
            subprocess.run(
                ["mspdebug", "-q", "sim", f"prog {path}", *commands],
                check=True,
                capture_output=True,
            )
            seconds.append(time.perf_counter() - start)
    return seconds[1] - seconds[0]


def hello() -> tuple[float, float, int]:
    """Seconds, board seconds and instructions from power-up to HELLO's reply, through a pty."""
    start = time.perf_counter()
    board = VirtualBoard()
    with serve_pty(board) as name, connect(name) as host:
        host.hello()
        return time.perf_counter() - start, board.seconds, board.instructions


def column() -> tuple[float, float, int]:
    """The same for a column of 800 pixels of which 100 are unknown."""
    generator = np.random.default_rng(0)
    features = generator.integers(-60, 61, (PIXELS, 2)).astype(np.int8)
    trimap = np.where(np.arange(PIXELS) < PIXELS // 2, 0, 255).astype(np.uint8)
    trimap[(PIXELS - UNKNOWN) // 2 : (PIXELS + UNKNOWN) // 2] = 128
    board = VirtualBoard()
    with Board(open_virtual(board), "virtual://") as host:
        host.hello()
        seconds, executed, start = board.seconds, board.instructions, time.perf_counter()
        host.solve_column(features, trimap)
        seconds = board.seconds - seconds
        return time.perf_counter() - start, seconds, board.instructions - executed


if __name__ == "__main__":
    main()
