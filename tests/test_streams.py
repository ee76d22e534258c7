import contextlib
import functools
import io
import os
import shutil
import subprocess
import threading
import time
from http.server import ThreadingHTTPServer
from itertools import islice

import av
import cv2
import numpy as np
import pytest
from fakes import FakeClock
from source_fakes import QuietHandler, frames_of, write_film

from realtime.base.errors import Trouble
from realtime.sources.films import DEMO
from realtime.sources.streams import MOST_BYTES, NetworkStream, Pipe, ScreenGrab

pytestmark = pytest.mark.timeout(30)


def through_a_pipe(content: bytes, raw_wh=None) -> list:
    """The frames of what another thread writes into a pipe."""
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as file:
            file.write(content)

    threading.Thread(target=write, daemon=True).start()
    try:
        with Pipe(FakeClock(7.0), raw_wh, reader) as pipe:
            return list(pipe)
    finally:
        os.close(reader)


def pictures(n: int) -> list[np.ndarray]:
    return [np.full((48, 64, 3), 40 * i, np.uint8) for i in range(n)]


def film(kind: str, codec: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in pictures(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "raw_wh"),
    [
        (b"".join(cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures(5)), None),
        (film("yuv4mpegpipe", "wrapped_avframe"), None),
        (film("mpegts", "libx264"), None),
        (film("matroska", "libx264"), None),
        (b"".join(picture.tobytes() for picture in pictures(5)), (64, 48)),
    ],
    ids=["mjpeg", "yuv4mpeg", "mpegts", "matroska", "raw"],
)
def test_a_pipe_gives_its_frames_and_then_ends(content, raw_wh):
    frames = through_a_pipe(content, raw_wh)
    assert [(frame.index, frame.t) for frame in frames] == [(i, 7.0) for i in range(5)]
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 5
    assert [round(frame.image.mean() / 40) for frame in frames] == [0, 1, 2, 3, 4]


def test_a_damaged_picture_does_not_end_a_stream():
    content = io.BytesIO()
    with av.open(content, "w", format="matroska") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for i, picture in enumerate(pictures(6)):
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")):
                container.mux(packet if i != 2 else damaged(packet))
    assert [(frame.index, round(frame.image.mean() / 40)) for frame in through_a_pipe(content.getvalue())] == list(
        enumerate([0, 1, 3, 4, 5])
    )


def damaged(packet: av.Packet) -> av.Packet:
    zeros = av.Packet(bytes(packet.size))
    zeros.pts, zeros.dts, zeros.time_base, zeros.stream = packet.pts, packet.dts, packet.time_base, packet.stream
    return zeros


def test_a_stream_is_upright_and_has_square_pixels():
    content = io.BytesIO()
    with av.open(content, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 32, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        stream.set_display_rotation(90)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 32, 3), np.uint8), format="bgr24")))
        container.mux(stream.encode(None))
    assert [frame.image.shape for frame in through_a_pipe(content.getvalue())] == [(64, 48, 3)]


def test_the_first_frame_needs_less_than_half_a_megabyte():
    """With its default settings FFmpeg would first read seconds of a camera's MJPEG."""
    reader, writer = os.pipe()
    came = threading.Event()
    noise = np.random.default_rng(1).integers(0, 256, (120, 160, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
    in_time = []

    def write() -> None:
        with os.fdopen(writer, "wb") as file:
            file.write(jpeg * (400_000 // len(jpeg)))
            file.flush()
            in_time.append(came.wait(5))

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    with Pipe(FakeClock(), None, reader) as pipe:
        for frame in pipe:
            assert frame.image.shape == (120, 160, 3)
            came.set()
    thread.join(10)
    os.close(reader)
    assert in_time == [True]


def test_a_pipe_without_pictures_raises_trouble_of_one_line():
    with pytest.raises(Trouble, match="the pipe is not a video") as caught:
        through_a_pipe(b"hello " * 5000)
    assert "\n" not in str(caught.value)
    with pytest.raises(Trouble, match="the pipe is not a video"):
        through_a_pipe(b"")


@pytest.mark.timeout(10, method="thread")  # a read that waits for keys cannot be interrupted otherwise
@pytest.mark.skipif(not hasattr(os, "openpty"), reason="Windows has no such terminals")
def test_a_terminal_is_no_pipe():
    terminal, other = os.openpty()
    try:
        with pytest.raises(Trouble, match="this is a terminal"), Pipe(FakeClock(), None, other):
            pass
    finally:
        os.close(terminal)
        os.close(other)


@pytest.fixture
def display(monkeypatch):
    """A blue virtual screen as this process's display."""
    if not shutil.which("Xvfb"):
        pytest.skip("needs Debian's package xvfb")
    from Xlib.display import Display

    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "320x200x24", "-noreset"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        name = f":{pipe.readline().strip()}"
    x = Display(name)
    x.screen().root.change_attributes(background_pixel=0x0000F0)
    x.screen().root.clear_area()
    x.sync()
    monkeypatch.setenv("DISPLAY", name)
    yield name
    x.close()
    server.terminate()
    server.wait(10)


def test_the_screen_is_grabbed_at_its_rate(display):
    clock = FakeClock(3.0)
    with ScreenGrab(20.0, clock, clock.sleep) as screen:
        frames = list(islice(screen, 3))
    assert [(frame.index, frame.t) for frame in frames] == [(0, 3.0), (1, pytest.approx(3.05)), (2, pytest.approx(3.1))]
    assert frames[0].image.shape == (200, 320, 3)
    assert frames[0].image[5, 5].tolist() == [240, 0, 0]


def test_a_late_grabber_does_not_catch_up(display):
    clock = FakeClock(0.0)
    with ScreenGrab(10.0, clock, clock.sleep) as screen:
        frames = iter(screen)
        next(frames)
        clock.now = 5.0
        assert [next(frames).t for _ in range(3)] == pytest.approx([5.0, 5.1, 5.2])


@pytest.mark.skipif(os.name == "nt", reason="Windows always has a screen")
def test_a_missing_screen_raises_trouble_with_advice(monkeypatch):
    monkeypatch.setenv("DISPLAY", "")
    with pytest.raises(Trouble, match=r"the screen cannot be grabbed.*X11"), ScreenGrab(30.0, FakeClock()):
        pass


@pytest.mark.timeout(30)
def test_frames_of_a_stream_have_their_arrival_times():
    handler = functools.partial(QuietHandler, directory=str(DEMO.parent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        clock = FakeClock(7.0)
        with NetworkStream(f"http://127.0.0.1:{server.server_port}/demo.mp4", clock) as stream:
            frames = [frame for frame, _ in zip(stream, range(5), strict=False)]
    finally:
        server.shutdown()
        server.server_close()
    assert [(frame.index, frame.t) for frame in frames] == [(i, 7.0) for i in range(5)]
    assert frames[0].image.shape == (480, 640, 3)


def test_an_address_without_an_answer_raises_trouble_without_the_password():
    with pytest.raises(Trouble, match=r"http://127\.0\.0\.1:9/x\.mjpg cannot be read"):
        frames_of(NetworkStream("http://me:secret@127.0.0.1:9/x.mjpg", time.monotonic))


@pytest.mark.timeout(20)
def test_the_end_of_a_live_stream_raises_trouble(tmp_path):
    content = write_film(tmp_path / "film.ts", [0, 40, 80, 120]).read_bytes()

    class Chunked(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # noqa: N802
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n\r\n")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Chunked)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(Trouble, match=r"live\.ts ended after 4 frames: the other side closed the stream"):
            frames_of(NetworkStream(f"http://127.0.0.1:{server.server_port}/live.ts", time.monotonic))
    finally:
        server.shutdown()
        server.server_close()


def test_a_picture_without_end_is_one_line_and_little_memory():
    """The part of an MJPEG stream that never ends; FFmpeg alone takes whatever comes in ten seconds."""
    jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    sent = 0

    class Endless(QuietHandler):
        def do_GET(self):  # noqa: N802
            nonlocal sent
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write((b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg + b"\r\n") * 2)
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg[:-2])
                while sent < 700_000_000:
                    sent += self.wfile.write(b"\x55" * 1_000_000)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(Trouble, match="cannot allocate memory"):
            frames_of(NetworkStream(f"http://127.0.0.1:{server.server_port}/", FakeClock()))
    finally:
        server.shutdown()
        server.server_close()
    assert sent < 1.5 * MOST_BYTES
