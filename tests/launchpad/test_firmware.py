"""The firmware: built anew to the same bytes, guarded against the compiler, equal to the twin."""

import ctypes
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from deepmasque import matte
from deepmasque.launchpad import twin
from deepmasque.launchpad.board import Board
from deepmasque.launchpad.columns import columns
from deepmasque.launchpad.constants import (
    ERROR,
    EXACT_LIMIT,
    PIXELS,
    REPLY,
    VARIANT_ENERGIA,
    WINDOW,
    ErrorCode,
    Mode,
    Phase,
    Type,
)
from deepmasque.launchpad.protocol import Decoder, Frame, encode
from deepmasque.launchpad.virtual_board import VirtualBoard, open_virtual

FIRMWARE = Path(__file__).parents[2] / "firmware"
ENERGIA_STUB = Path(__file__).parent / "energia"
sys.path.insert(0, str(FIRMWARE))

import gate  # noqa: E402
import generate  # noqa: E402
import memory_map  # noqa: E402

U = 128


def run(*command, cwd=FIRMWARE):
    """Run a tool of the toolchain; its output."""
    if not shutil.which(command[0]):
        pytest.fail(f"{command[0]} is missing: run 'apt-get install clang-19 lld-19 llvm-19'.")
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def board():
    machine = VirtualBoard()
    with Board(open_virtual(machine), "virtual") as board:
        board.machine = machine
        yield board


@pytest.fixture(scope="module")
def sample(portrait):
    """The columns of the astronaut."""
    result = matte(portrait)
    return columns(portrait, result.trimap)


class Line:
    """Frames to a virtual board and back, without the care that Board takes."""

    def __init__(self):
        self.port = open_virtual(VirtualBoard())
        self.decoder = Decoder()
        self.wait(REPLY | Type.HELLO)

    def wait(self, kind, seconds=1.0):
        self.port.timeout = 0.01
        end = self.port.clock() + seconds
        while self.port.clock() < end:
            for frame in self.decoder.feed(self.port.read(max(1, self.port.in_waiting))):
                if frame.kind == kind:
                    return frame
        pytest.fail(f"the board did not send {kind:#x}")

    def ask(self, kind, payload=b"", expected=None):
        self.port.write(encode(Frame(kind, 7, payload)))
        return self.wait(kind | REPLY if expected is None else expected)

    def refusal(self, kind, payload=b""):
        request, code = self.ask(kind, payload, ERROR).payload
        assert request == kind
        return ErrorCode(code)

    def begin(self, trimap, mode=Mode.AUTO, id=5):
        """Send a column of black pixels; the payload of its SOLVE."""
        self.ask(Type.BEGIN, struct.pack("<HHB", id, len(trimap), mode))
        codes = np.zeros((len(trimap) + 3) // 4 * 4, np.uint8)
        codes[: len(trimap)] = np.select([trimap == 0, trimap == 255], [0, 2], 1)
        packed = (codes.reshape(-1, 4) << np.array([0, 2, 4, 6], np.uint8)).sum(1).astype(np.uint8)
        parts = bytes(2 * len(trimap)), packed.tobytes()
        for part, data in enumerate(parts):
            for offset in range(0, len(data), 40):
                block = data[offset : offset + 40]
                self.ask(Type.BLOCK, struct.pack("<HBH", id, part, offset) + block)
        whole = struct.pack("<HHB", id, len(trimap), mode) + b"".join(parts)
        return struct.pack("<HI", id, zlib.crc32(whole))


def test_generated_constants_are_current():
    protocol = generate.read_protocol()
    assert generate.HEADER.read_text(encoding="utf-8") == generate.c_header(protocol)
    assert generate.MODULE.read_text(encoding="utf-8") == generate.python_module(protocol)
    (tables,) = generate.TABLES.findall(generate.README.read_text(encoding="utf-8"))
    assert tables == generate.readme_tables(protocol)


def test_picture_shows_the_real_map():
    text = memory_map.MAP.read_text(encoding="utf-8")
    assert memory_map.PICTURE.read_text(encoding="utf-8") == memory_map.svg(text)
    used = {title: sum(size for _, size in parts) for title, _, parts in memory_map.rows(text)}
    with Board(open_virtual(VirtualBoard()), "virtual") as board:
        static = board.stats().static_bytes
    assert [used[title] for title in used if title.startswith("SRAM")] == [static] * 3


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    run("make", f"OUT={folder}")
    return folder


@pytest.mark.parametrize("suffix", ["elf", "txt", "map"])
def test_image_is_built_anew_to_the_same_bytes(rebuilt, suffix):
    name = f"fr2433.{suffix}"
    assert (rebuilt / name).read_bytes() == (FIRMWARE / "image" / name).read_bytes()


def test_both_images_hold_the_same_memory():
    elf, txt = (VirtualBoard(FIRMWARE / "image" / f"fr2433.{kind}") for kind in ("elf", "txt"))
    assert np.array_equal(elf.memory[0xC400:], txt.memory[0xC400:])
    assert (elf.memory[0xFF80:0xFF88] == 0xFF).all()


def test_gate_rejects_what_the_compiler_gets_wrong(tmp_path):
    """The smallest program that LLVM compiles to a reversed subtraction."""
    source = tmp_path / "wrong.c"
    source.write_text(
        "int k(const int **pp, int t) { const int *p = *pp; int v = *p++ - t; *pp = p; return v; }"
    )
    run("clang-19", "--target=msp430", "-Os", "-c", str(source), "-o", str(tmp_path / "wrong.o"))
    listing = run("llvm-objdump-19", "-d", str(tmp_path / "wrong.o"))
    assert len(gate.suspects(listing)) == 1
    build = subprocess.run(
        [sys.executable, "gate.py"],
        input=listing + "reti",
        cwd=FIRMWARE,
        capture_output=True,
        text=True,
    )
    assert build.returncode == 1
    assert "@r" in build.stderr


@pytest.mark.parametrize(
    ("instruction", "rejected"),
    [
        ("sub @r14+, r13", True),
        ("sub.b\t@r4+, r5", True),
        ("SUBC @R10+, 2(R1)", True),
        ("sub @r14, r13", False),
        ("sub #4, r1", False),
        ("add @r14+, r13", False),
    ],
)
def test_gate_knows_the_suspects(instruction, rejected):
    assert bool(gate.suspects(f" c400: 3d 8e \t{instruction}")) == rejected


def test_gate_passes_the_image_and_nothing_else():
    listing = run("llvm-objdump-19", "-d", "image/fr2433.elf")
    assert "reti" in listing
    assert not gate.suspects(listing)
    empty = subprocess.run([sys.executable, "gate.py"], input="", cwd=FIRMWARE, text=True)
    assert empty.returncode


def spread(sample):
    """Indices of columns with 0, few, many, the most for exact mode, and the most unknown."""
    unknown = (sample.trimap == U).sum(axis=0)
    order = np.argsort(unknown, kind="stable")
    fitting = order[unknown[order] <= EXACT_LIMIT]
    return [*order[:: len(order) // 8], fitting[-1], order[-1]]


def test_board_computes_what_the_twin_computes(board, sample):
    for index in spread(sample):
        column = sample[int(index)]
        for mode in ("auto", "windowed"):
            solved = board.solve_column(column.features, column.trimap, mode)
            expected = twin.solve_column(column.features, column.trimap, mode)
            assert np.array_equal(solved.alpha, expected.alpha)
            assert (solved.mode, solved.iterations) == (expected.mode, expected.iterations)


@pytest.mark.parametrize("unknown", [0, 1, EXACT_LIMIT, EXACT_LIMIT + 1, PIXELS - 2])
@pytest.mark.parametrize("noise", [0, 60])
def test_board_equals_twin_however_many_are_unknown(board, sample, unknown, noise):
    random = np.random.default_rng(unknown + noise)
    features = sample.features[:, 300].astype(int) + random.integers(-noise, noise + 1, (PIXELS, 2))
    features = np.clip(features, -60, 60).astype(np.int8)
    trimap = np.where(np.arange(PIXELS) < PIXELS // 2, 0, 255).astype(np.uint8)
    trimap[np.argsort(np.abs(np.arange(PIXELS) - PIXELS / 2))[:unknown]] = U
    solved = board.solve_column(features, trimap)
    assert np.array_equal(solved.alpha, twin.solve_column(features, trimap).alpha)
    assert solved.cycles < (0.8 if unknown <= EXACT_LIMIT else 20.0) * 16e6


def test_everything_fits_the_sram(board):
    """After all the columns of the tests above: the board's own high-water mark."""
    stats = board.stats()
    assert stats.static_bytes + stats.stack_bytes <= 4096
    assert stats.stack_bytes == board.machine.stack_high_water
    assert 4096 - stats.static_bytes - stats.stack_bytes >= 128
    assert stats.overruns == 0


def test_sections_lie_in_their_memories():
    rows = re.findall(
        r"^\s*([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+ (\.\w+)$",
        (FIRMWARE / "image" / "fr2433.map").read_text(),
        re.MULTILINE,
    )
    sections = {name: (int(start, 16), int(size, 16)) for start, size, name in rows}
    memories = {".text": (0xC400, 0xFF80), ".rodata": (0xC400, 0xFF80), ".bss": (0x2000, 0x3000)}
    for name, (first, end) in memories.items():
        start, size = sections[name]
        assert first <= start < start + size <= end
    assert ".data" not in sections or sections[".data"][1] == 0


def test_board_names_what_is_wrong():
    line = Line()
    trimap = np.array([0, U, U, 255] * 4, np.uint8)
    assert line.refusal(0x42) == ErrorCode.UNKNOWN_REQUEST
    assert line.refusal(Type.BEGIN, b"\1") == ErrorCode.BAD_LENGTH
    assert line.refusal(Type.BEGIN, struct.pack("<HHB", 1, 801, 0)) == ErrorCode.BAD_VALUE
    assert line.refusal(Type.BEGIN, struct.pack("<HHB", 1, 800, 3)) == ErrorCode.BAD_VALUE
    assert line.refusal(Type.SOLVE, bytes(6)) == ErrorCode.NO_COLUMN
    assert line.refusal(Type.BLOCK, bytes(6)) == ErrorCode.NO_COLUMN
    assert line.refusal(Type.GET_SAMPLES, b"\0\0\1") == ErrorCode.NO_COLUMN

    solve = line.begin(trimap)
    assert line.refusal(Type.GET_ALPHA, b"\5\0\0\0\4") == ErrorCode.NOT_SOLVED
    assert line.refusal(Type.SOLVE, solve[:2] + bytes(4)) == ErrorCode.CHECKSUM
    assert line.refusal(Type.SOLVE, b"\6\0" + solve[2:]) == ErrorCode.NO_COLUMN
    line.ask(Type.SOLVE, solve)
    line.wait(Type.DONE)
    assert line.refusal(Type.GET_ALPHA, b"\5\0\0\0\51") == ErrorCode.BAD_VALUE
    assert line.refusal(Type.GET_ALPHA, b"\5\0\17\0\2") == ErrorCode.BAD_VALUE

    line.ask(Type.BEGIN, struct.pack("<HHB", 5, 16, 0))
    assert line.refusal(Type.SOLVE, solve) == ErrorCode.INCOMPLETE
    assert line.refusal(Type.BLOCK, b"\5\0\0\4\0\0\0") == ErrorCode.INCOMPLETE
    assert line.refusal(Type.BLOCK, b"\5\0\0\40\0\0\0") == ErrorCode.BAD_VALUE
    assert line.refusal(Type.BLOCK, b"\5\0\2\0\0\0\0") == ErrorCode.BAD_VALUE
    assert line.refusal(Type.SOLVE, line.begin(np.full(9, U))) == ErrorCode.NOTHING_KNOWN
    many = np.array([0] + [U] * (EXACT_LIMIT + 1))
    assert line.refusal(Type.SOLVE, line.begin(many, Mode.EXACT)) == ErrorCode.TOO_MANY_UNKNOWN
    assert line.refusal(Type.CAPTURE, struct.pack("<H", 5)) == ErrorCode.BAD_VALUE


def test_solving_board_answers_tells_its_progress_and_can_be_cancelled():
    line = Line()
    trimap = np.full(PIXELS, U, np.uint8)
    trimap[::200], trimap[100::200] = 0, 255
    solve = line.begin(trimap)
    assert line.ask(Type.SOLVE, solve).payload == solve[:2]
    for phase in (Phase.GRAPH, Phase.SOLVE, Phase.SOLVE):
        id, told, done, total = struct.unpack("<HBHH", line.wait(Type.PROGRESS, 0.5).payload)
        assert id == 5
        assert told <= phase
        assert done <= total
    assert line.ask(Type.PING, b"still there?").payload == b"still there?"
    assert line.refusal(Type.BEGIN, struct.pack("<HHB", 6, 800, 0)) == ErrorCode.BUSY
    assert line.ask(Type.SOLVE, solve).payload == solve[:2]
    line.ask(Type.CANCEL)
    assert line.wait(ERROR).payload == bytes((Type.SOLVE, ErrorCode.CANCELLED))
    assert line.refusal(Type.SOLVE, solve) == ErrorCode.NO_COLUMN


def test_solved_column_is_told_again():
    line = Line()
    solve = line.begin(np.array([0, U, 255], np.uint8))
    line.ask(Type.SOLVE, solve)
    first = line.wait(Type.DONE).payload
    line.ask(Type.SOLVE, solve)
    assert line.wait(Type.DONE).payload == first
    assert first == struct.pack(
        "<HBHI", 5, Mode.EXACT, 1, zlib.crc32(b"\5\0" + bytes([0, 128, 255]))
    )


def test_captures_what_the_microphone_hears():
    rate = 8000
    sound = np.rint(20000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.int16)
    with Board(open_virtual(VirtualBoard(microphone=sound, rate=rate)), "virtual") as board:
        samples = board.capture(rate)
    assert samples.shape == (PIXELS,)
    heard = np.abs(np.fft.rfft(samples * np.hanning(PIXELS)))
    assert abs(heard.argmax() * rate / PIXELS - 440) <= rate / PIXELS
    assert 19000 < samples.max() < 21000


def test_reset_starts_anew():
    with Board(open_virtual(VirtualBoard()), "virtual") as board:
        before, after = board.hello(), board.reset()
    assert before.boot != after.boot
    assert (before.exact_limit, before.window, before.pixels) == (EXACT_LIMIT, WINDOW, PIXELS)


@pytest.fixture(scope="module")
def sketch(tmp_path_factory):
    """The Energia sketch and the portable core, built for this machine against a small stub."""
    folder = tmp_path_factory.mktemp("energia") / "DeepMasque"
    shutil.copytree(FIRMWARE / "energia" / "DeepMasque", folder)
    shutil.copytree(FIRMWARE / "core", folder / "src" / "core", dirs_exist_ok=True)
    warnings = ("-Wall", "-Wextra", "-Werror", "-Wno-extern-initializer")
    stub = (f"-I{ENERGIA_STUB}", "-include", "Energia.h")
    sketch = ("-x", "c++", "DeepMasque.ino")
    for source in sorted(folder.glob("src/core/*.c")):
        for target in ("--target=msp430", "-fPIC"):
            options = (target, "-Os", "-std=gnu11", *warnings[:3])
            run("clang-19", *options, "-c", str(source), "-o", f"{source.stem}.o", cwd=folder)
    target = ("--target=msp430", "-Os", *warnings, *stub, *sketch, "-c", "-o", "sketch.o")
    run("clang++-19", *target, cwd=folder)
    host = ("-Os", "-fPIC", "-shared", *warnings, *stub, *sketch, str(ENERGIA_STUB / "host.cpp"))
    objects = [f"{source.stem}.o" for source in folder.glob("src/core/*.c")]
    run("clang++-19", *host, "-x", "none", *objects, "-o", "sketch.so", cwd=folder)
    library = ctypes.CDLL(str(folder / "sketch.so"))

    def exchange(*frames):
        sent = b"".join(encode(frame) for frame in frames)
        reply = ctypes.create_string_buffer(4096)
        count = library.exchange(sent, len(sent), reply)
        return Decoder().feed(reply.raw[:count])

    return exchange


def test_energia_sketch_solves_like_the_twin(sketch, sample):
    (hello,) = sketch()
    assert hello.kind == Type.HELLO | REPLY
    assert hello.payload[1] == VARIANT_ENERGIA
    for length, mode in ((60, Mode.EXACT), (PIXELS, Mode.WINDOWED)):
        features = sample.features[:length, 300]
        trimap = np.full(length, U, np.uint8)
        trimap[::40], trimap[20::40] = 0, 255
        codes = np.select([trimap == 0, trimap == 255], [0, 2], 1).reshape(-1, 4)
        parts = features.tobytes(), (codes << [0, 2, 4, 6]).sum(1).astype(np.uint8).tobytes()
        head = struct.pack("<HHB", 9, length, mode)
        sketch(Frame(Type.BEGIN, 1, head))
        for part, data in enumerate(parts):
            for start in range(0, len(data), 40):
                place = struct.pack("<HBH", 9, part, start)
                sketch(Frame(Type.BLOCK, 1, place + data[start : start + 40]))
        check = struct.pack("<I", zlib.crc32(head + b"".join(parts)))
        *_, done = sketch(Frame(Type.SOLVE, 1, head[:2] + check))
        expected = twin.solve_column(features, trimap, mode.name.lower())
        iterations = struct.unpack_from("<H", done.payload, 3)[0]
        assert (done.kind, iterations) == (Type.DONE, expected.iterations)
        crc = zlib.crc32(head[:2] + expected.alpha.tobytes())
        assert struct.unpack_from("<I", done.payload, 5)[0] == crc
