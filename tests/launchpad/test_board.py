import os
import pty
import threading
import tty
from contextlib import contextmanager
from itertools import count

import numpy as np
import pytest
import serial

from deepmasque.errors import LaunchPadError
from deepmasque.launchpad.board import Board, Progress, connect
from deepmasque.launchpad.constants import REPLY, ErrorCode, Type
from deepmasque.launchpad.faults import NOISE, FaultyLine, HostVanishedError
from deepmasque.launchpad.link import VIRTUAL, NoReplyError, RefusedError, ports
from deepmasque.launchpad.protocol import Frame, encode
from deepmasque.launchpad.twin import solve_column
from deepmasque.launchpad.virtual_board import VirtualBoard, open_virtual, serve_pty, serve_socket


def column(seed, length=800, unknown=40):
    """Smooth features, a foreground above and a background below the unknown pixels."""
    random = np.random.default_rng(seed)
    walk = random.normal(0, 3, (length, 2)).cumsum(axis=0)
    features = (60 * walk / np.abs(walk).max()).astype(np.int8)
    trimap = np.where(np.arange(length) < length // 2, 255, 0).astype(np.uint8)
    start = (length - unknown) // 2
    trimap[start : start + unknown] = 128
    return features, trimap


def is_right(result, features, trimap, mode="auto"):
    return np.array_equal(result.alpha, solve_column(features, trimap, mode).alpha)


@pytest.fixture(scope="module")
def virtual():
    return VirtualBoard()


@pytest.fixture
def board(virtual):
    virtual.reset()
    with Board(open_virtual(virtual), VIRTUAL) as board:
        board.hello()
        yield board


class TestColumn:
    def test_result_is_the_twins_and_measured(self, board, virtual):
        features, trimap = column(1)
        result = board.solve_column(features, trimap)
        twin = solve_column(features, trimap)
        assert np.array_equal(result.alpha, twin.alpha)
        assert (result.mode, result.iterations) == (twin.mode, twin.iterations)
        assert 100_000 < result.cycles < 16_000_000
        assert result.stack_bytes < result.ram_bytes <= 4096
        assert result.ram_bytes <= virtual.ram_high_water
        assert board.sent > 1800 and board.received > 800

    @pytest.mark.parametrize(("length", "unknown"), [(1, 0), (2, 1), (3, 1), (37, 20), (799, 99)])
    def test_columns_of_any_length(self, board, length, unknown):
        features, trimap = column(length, length, unknown)
        assert is_right(board.solve_column(features, trimap), features, trimap)

    def test_modes(self, board):
        features, trimap = column(2, 300, 100)
        assert is_right(board.solve_column(features, trimap, "exact"), features, trimap, "exact")
        windowed = board.solve_column(features, trimap, "windowed")
        assert windowed.mode == "windowed" and is_right(windowed, features, trimap, "windowed")

    def test_too_many_unknown_for_exact_mode(self, board):
        with pytest.raises(RefusedError, match="windowed") as refusal:
            board.solve_column(*column(3, 400, 101), "exact")
        assert refusal.value.code == ErrorCode.TOO_MANY_UNKNOWN
        assert board.solve_column(*column(3, 400, 101)).mode == "windowed"

    def test_nothing_known(self, board):
        with pytest.raises(RefusedError, match="no known pixel"):
            board.solve_column(*column(4, 50, 50))

    def test_progress_in_order(self, board):
        seen = []
        board.solve_column(*column(5, 800, 400), on_progress=seen.append)
        phases = list(dict.fromkeys(progress.phase for progress in seen))
        assert phases[0] == "send" and phases[-1] == "receive" and "solve" in phases
        assert seen[-1] == Progress("receive", 800, 800)

    @pytest.mark.parametrize("phase", ["send", "solve", "receive"])
    def test_an_error_in_the_callback_cancels(self, board, phase):
        def stop(progress):
            if progress.phase == phase:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            board.solve_column(*column(6, 800, 700), on_progress=stop)
        assert board.ping(b"still there") < 0.1
        features, trimap = column(7, 60, 10)
        assert is_right(board.solve_column(features, trimap), features, trimap)

    @pytest.mark.parametrize(
        ("features", "trimap"),
        [
            (np.zeros((5, 2), np.int8), np.zeros(6, np.uint8)),
            (np.zeros((5, 2), np.int16), np.zeros(5, np.uint8)),
            (np.full((5, 2), 61, np.int8), np.zeros(5, np.uint8)),
            (np.zeros((801, 2), np.int8), np.zeros(801, np.uint8)),
            (np.zeros((0, 2), np.int8), np.zeros(0, np.uint8)),
        ],
    )
    def test_arrays_of_another_kind(self, board, features, trimap):
        with pytest.raises(ValueError, match="a column's"):
            board.solve_column(features, trimap)


class TestRequests:
    def test_who_it_is(self, board):
        limits = board.hello()
        assert limits.pixels == 800 and limits.clock_hz == pytest.approx(16e6, rel=0.01)

    def test_reset_is_noticed(self, board):
        assert board.hello().boot != board.reset().boot

    def test_microphone(self):
        tone = (20_000 * np.sin(np.arange(8000) * 2 * np.pi * 400 / 8000)).astype(np.int16)
        listening = VirtualBoard(microphone=tone)
        with Board(open_virtual(listening), VIRTUAL) as board:
            heard = board.capture(4000)
        assert heard.shape == (800,) and heard.dtype == np.int16
        spectrum = np.abs(np.fft.rfft(heard - heard.mean()))
        assert spectrum.argmax() == pytest.approx(400 * 800 / 4000, abs=1)


class TestLines:
    @pytest.mark.parametrize("serve", [serve_pty, serve_socket])
    def test_pyserial_opens_it_like_a_board(self, virtual, serve):
        features, trimap = column(8, 200, 30)
        with serve(virtual) as url, connect(url) as board:
            assert is_right(board.solve_column(features, trimap), features, trimap)

    def test_virtual_comes_first(self):
        assert ports()[0].url == VIRTUAL

    @pytest.mark.parametrize(
        ("url", "sentence"),
        [
            ("/dev/ttyABSENT", "There is no port"),
            ("socket://127.0.0.1:9", "Nobody answers at"),
            ("socket://127.0.0.1", "Nobody answers at"),
            ("spy:///dev/ttyACM0?file=/tmp/log", "is no board"),
            ("http://127.0.0.1", "is no board"),
        ],
    )
    def test_bad_address(self, url, sentence):
        with pytest.raises(LaunchPadError, match=sentence) as error:
            connect(url)
        assert str(error.value).endswith(".") and "\n" not in str(error.value)

    def test_a_file_is_no_port(self, tmp_path):
        path = tmp_path / "file"
        path.write_bytes(b"precious")
        with pytest.raises(LaunchPadError, match="is not a serial port"):
            connect(str(path))
        assert path.read_bytes() == b"precious"

    def test_a_port_in_use(self, virtual):
        with (
            serve_pty(virtual) as url,
            serial.Serial(url, exclusive=True),
            pytest.raises(LaunchPadError, match="in use by another program"),
        ):
            connect(url)

    def test_nothing_answers(self):
        with other_program(b"") as url, pytest.raises(NoReplyError, match="Nothing answers"):
            connect(url, timeout=0.3)

    def test_another_program_speaks(self):
        with (
            other_program(b"Hello, world!\r\n") as url,
            pytest.raises(NoReplyError, match="not this firmware"),
        ):
            connect(url, timeout=0.5)

    def test_another_version_speaks(self):
        reply = encode(Frame(Type.HELLO | REPLY, 1, bytes((9, *[0] * 11))))
        with (
            other_program(reply) as url,
            pytest.raises(LaunchPadError, match="version 9 of the protocol"),
        ):
            connect(url)

    def test_unplugged(self):
        master, slave = pty.openpty()
        tty.setraw(slave)
        with Board(serial.Serial(os.ttyname(slave)), "it") as board:
            os.close(slave)
            os.close(master)
            with pytest.raises(LaunchPadError, match="was cut"):
                board.hello()


@contextmanager
def other_program(says):
    """A pty on which every byte is answered with the same words."""
    master, slave = pty.openpty()
    tty.setraw(slave)

    def talk():
        while os.read(master, 1) != b"\x04":
            os.write(master, says)

    talking = threading.Thread(target=talk)
    talking.start()
    yield os.ttyname(slave)
    with os.fdopen(os.open(os.ttyname(slave), os.O_WRONLY | os.O_NOCTTY), "wb") as end:
        end.write(b"\x04")
    talking.join()
    os.close(slave)
    os.close(master)


class TestFaults:
    def test_hundreds_of_faults_and_no_wrong_column(self, virtual):
        columns = [column(seed, 40 + 40 * seed, 10 + seed) for seed in range(10)]
        line = FaultyLine(
            open_virtual(virtual), 0.002, 7, (*3 * NOISE, "reset", "vanish"), virtual.reset
        )
        solved = ended = 0
        while line.faults.total() < 500:
            board = Board(line, VIRTUAL)
            features, trimap = columns[solved % len(columns)]
            try:
                assert is_right(board.solve_column(features, trimap), features, trimap)
                solved += 1
            except (HostVanishedError, LaunchPadError):
                ended += 1
        assert solved > 3 * ended and len(line.faults) == 6

    @pytest.mark.parametrize("kind", ["flip", "drop", "double", "garbage", "reset"])
    def test_every_byte_of_a_conversation_once(self, virtual, kind):
        features, trimap = column(9, 8, 3)
        for place in count(1):
            line = OneFault(open_virtual(virtual), kind, place, virtual.reset)
            start = virtual.seconds
            assert is_right(Board(line, VIRTUAL).solve_column(features, trimap), features, trimap)
            assert virtual.seconds - start < 3
            if line.left > 0:
                break
        assert place > 150

    def test_a_line_that_only_makes_noise_ends_in_an_error(self, virtual):
        line = FaultyLine(open_virtual(virtual), 0.5, 1)
        start = virtual.seconds
        with pytest.raises(NoReplyError):
            Board(line, VIRTUAL).solve_column(*column(10))
        assert virtual.seconds - start < 3.3

    def test_a_board_that_dies_while_solving_ends_in_an_error(self, virtual):
        line = FaultyLine(open_virtual(virtual), 0, 1, ("drop",))
        died = []

        def die(progress):
            if progress.phase == "solve" and not died:
                line._rate = 1
                died.append(virtual.seconds)

        with pytest.raises(NoReplyError):
            Board(line, VIRTUAL).solve_column(*column(11, 800, 700), on_progress=die)
        assert virtual.seconds - died[0] < 3.3

    def test_a_board_that_always_restarts_ends_in_an_error(self, virtual):
        board = Board(open_virtual(virtual), VIRTUAL)

        def restart(progress):
            if progress.phase == "receive":
                virtual.reset()

        with pytest.raises(LaunchPadError, match="lost 5 times"):
            board.solve_column(*column(12, 100, 10), on_progress=restart)

    def test_a_host_that_vanished_while_the_board_solves_is_replaced(self, virtual):
        def vanish(progress):
            if progress.phase == "solve":
                raise HostVanishedError

        first = Board(open_virtual(virtual), VIRTUAL)
        first._cancel = lambda: None
        with pytest.raises(HostVanishedError):
            first.solve_column(*column(13, 800, 780), on_progress=vanish)
        features, trimap = column(14, 100, 30)
        with Board(open_virtual(virtual), VIRTUAL) as second:
            second.hello()
            assert is_right(second.solve_column(features, trimap), features, trimap)


class OneFault(FaultyLine):
    """The n-th byte of the conversation meets the fault, no other."""

    def __init__(self, port, kind, place, reset):
        super().__init__(port, 0, place, (), reset)
        self.kind, self.left = kind, place

    def _fault(self):
        self.left -= 1
        return self.kind if self.left == 0 else None
