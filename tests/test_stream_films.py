"""A film by its address or through a pipe is a film; what is live is not."""

import io
import os
import threading
import time
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from itertools import pairwise

import av
import numpy as np
import pytest
from fakes import FakeClock, NetworkCamera, RtspCamera
from sound_films import flash_starts, make_film, tone_starts
from source_fakes import QuietHandler, frames_of, rising, wait_until, write_film

from realtime.base.errors import Trouble
from realtime.config import CameraSettings
from realtime.readings.verify import verify
from realtime.recording.batch import Job, film_setup
from realtime.recording.recording import Recording
from realtime.sources.opening import find_film, open_live, open_stream
from realtime.sources.pipe_bytes import CHUNK, PipeBytes, index_is_last
from realtime.sources.streams import NetworkStream, Pipe
from realtime.values import LABELS

pytestmark = pytest.mark.timeout(60)


@contextmanager
def served(folder, handler=QuietHandler):
    """The address of a web server for the files of a folder, and the paths that were requested."""
    requests = []

    class Handler(handler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self):  # noqa: N802
            requests.append(self.path)
            super().do_GET()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def piped(content: bytes):
    """The descriptor of a pipe through which another thread writes this, and a list with the number of bytes written so far."""
    reader, writer = os.pipe()
    written = [0]

    def write():
        with os.fdopen(writer, "wb", buffering=0) as file:
            try:
                for start in range(0, len(content), 4096):
                    written[0] += file.write(content[start : start + 4096])
            except BrokenPipeError:
                pass

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield reader, written
    finally:
        os.close(reader)
        thread.join(5)


def record(film, path) -> list[str]:
    """Records a film, and returns what was told."""
    messages = []
    setup = film_setup(Job(path.parent / "film", path), film, messages.append, lambda: False)
    with film, Recording(path, lambda: {"source": film.name, "model": {"name": "m", "sha256": "0"}, "labels": list(LABELS)}, setup) as out:
        for frame in film:
            out.write(frame, [])
    film.check_loss(messages.append)
    return messages


def assert_whole(path) -> None:
    problems, content = verify(path)
    assert problems == []
    assert "60 frames" in content
    assert tone_starts(path) == pytest.approx(flash_starts(path), abs=0.06)
    assert len(tone_starts(path)) == 3


def with_last_index(path):
    make_film(path)
    content = path.read_bytes()
    assert content.index(b"mdat") < content.index(b"moov")
    return path


def with_first_index(path, source):
    with av.open(str(source)) as film, av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in film.streams}
        for packet in film.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    return path


def playlist_of(folder, film, seconds: float = 1.0):
    """A complete HLS playlist of a film, in segments of a second."""
    path = folder / "film.m3u8"
    options = {"hls_time": str(seconds), "hls_playlist_type": "vod", "hls_flags": "split_by_time"}
    with av.open(str(film)) as source, av.open(str(path), "w", format="hls", options=options) as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    assert "#EXT-X-ENDLIST" in path.read_text()
    return path


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts", "m3u8"])
def test_a_film_by_its_address_is_recorded_wholly_with_its_sound(tmp_path, kind):
    make_film(tmp_path / f"film.{'mp4' if kind == 'm3u8' else kind}")
    if kind == "m3u8":
        playlist_of(tmp_path, tmp_path / "film.mp4")
    with served(tmp_path) as (address, _requests):
        film = find_film(f"{address}/film.{kind}", NetworkStream(f"{address}/film.{kind}", FakeClock(7.0)))
        assert record(film, tmp_path / "out.mp4") == []
    assert_whole(tmp_path / "out.mp4")


@pytest.mark.parametrize("kind", ["mp4", "first.mp4", "mkv", "ts"])
def test_a_film_through_a_pipe_is_recorded_wholly_with_its_sound(tmp_path, kind):
    source = tmp_path / f"film.{kind}"
    if kind == "first.mp4":
        with_first_index(source, with_last_index(tmp_path / "last.mp4"))
    else:
        make_film(source)
    with piped(source.read_bytes()) as (descriptor, _written):
        film = find_film("-", Pipe(FakeClock(7.0), None, descriptor))
        assert record(film, tmp_path / "out.mp4") == []
    assert_whole(tmp_path / "out.mp4")


def test_the_writer_of_a_film_waits_for_the_reader(tmp_path):
    noise = np.random.default_rng(1)
    content = io.BytesIO()
    with av.open(content, "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(40):
            picture = noise.integers(0, 256, (240, 320, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    with piped(content.getvalue()) as (descriptor, written):
        film = find_film("-", Pipe(FakeClock(), None, descriptor))
        with film:
            frames = iter(film)
            next(frames)
            time.sleep(0.3)
            assert written[0] < len(content.getvalue()) / 2
            assert [frame.t for frame in frames] == pytest.approx([i / 25 for i in range(1, 40)], abs=2e-3)


def test_a_film_that_is_played_live_is_given_wholly_at_its_own_times(tmp_path):
    write_film(tmp_path / "film.mp4", [0, 100, 200, 600, 700])
    with served(tmp_path) as (address, _requests):
        live = open_live(f"{address}/film.mp4", time.monotonic, CameraSettings(), lambda: False, lambda why: None, pytest.fail)
        times = [frame.t for frame in frames_of(live)]
    assert [t - times[0] for t in times] == pytest.approx([0, 0.1, 0.2, 0.6, 0.7], abs=1e-3)


def test_cameras_and_streams_without_a_length_are_live(tmp_path):
    write_film(tmp_path / "film.ts", [0, 40, 80, 120])

    class Chunked(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):  # noqa: N802
            content = (tmp_path / "film.ts").read_bytes()
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n\r\n")

    for make in (NetworkCamera, RtspCamera):
        with make() as camera, NetworkStream(camera.address, FakeClock()) as stream:
            assert not stream.is_film
    with served(tmp_path, Chunked) as (address, _requests), NetworkStream(f"{address}/film.ts", FakeClock()) as stream:
        assert not stream.is_film
        assert find_film(f"{address}/film.ts", stream, is_film=True).name == f"{address}/film.ts"
    with served(tmp_path) as (address, _requests), NetworkStream(f"{address}/film.ts", FakeClock()) as stream:
        assert stream.is_film
        assert find_film(f"{address}/film.ts", stream, is_film=False) is None


def test_the_text_of_a_source_tells_whether_it_is_a_stream():
    assert isinstance(open_stream("-", FakeClock(), CameraSettings()), Pipe)
    assert isinstance(open_stream("http://host/x", FakeClock(), CameraSettings()), NetworkStream)
    assert [open_stream(text, FakeClock(), CameraSettings()) for text in ("0", "demo", "file:///a.mp4", "a.mp4")] == [None] * 4


def test_a_film_whose_connection_breaks_off_is_told(tmp_path):
    content = with_first_index(tmp_path / "film.mp4", with_last_index(tmp_path / "last.mp4")).read_bytes()

    class Broken(QuietHandler):
        def do_GET(self):  # noqa: N802
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])

    with served(tmp_path, Broken) as (address, _requests):
        film = find_film(f"{address}/film.mp4", NetworkStream(f"{address}/film.mp4", FakeClock()))
        with pytest.raises(Trouble, match=r"127\.0\.0\.1.*/film\.mp4 (ended after|cannot be read)"):
            record(film, tmp_path / "out.mp4")


class LiveList(QuietHandler):
    """A live HLS playlist of three segments of a second; the clock of each segment begins anew."""

    began = 0.0

    def do_GET(self):  # noqa: N802
        if not self.path.endswith(".m3u8"):
            return super().do_GET()
        first = int(time.monotonic() - type(self).began)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        for number in range(first, first + 3):
            lines += ["#EXT-X-DISCONTINUITY", "#EXTINF:1.0,", f"{number}.ts"]
        content = "\n".join(lines).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        return None


def test_a_live_playlist_is_played_at_its_own_pace_and_each_segment_requested_once(tmp_path):
    for number in range(20):
        write_film(tmp_path / f"{number}.ts", [40 * i for i in range(25)])
    LiveList.began = time.monotonic()
    stop, frames, idle = threading.Event(), [], []
    with served(tmp_path, LiveList) as (address, requests):
        live = open_live(f"{address}/live.m3u8", time.monotonic, CameraSettings(), stop.is_set, idle.append, pytest.fail)

        def run():
            with live as source:
                frames.extend(source)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        wait_until(lambda: sum(path.endswith(".ts") for path in requests) >= 6, 20)
        stop.set()
        thread.join(5)
    segments = [path for path in requests if path.endswith(".ts")]
    assert len(segments) == len(set(segments))
    times = [frame.t for frame in frames]
    assert rising(times)
    assert max(b - a for a, b in pairwise(times)) < 1.0
    assert 15 < (len(times) - 1) / (times[-1] - times[0]) < 26
    assert not any(message and message.key == "reconnecting" for message in idle)


def test_a_live_playlist_states_how_long_it_pauses(tmp_path):
    write_film(tmp_path / "1.ts", [40 * i for i in range(25)])
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:1\n"
    (tmp_path / "live.m3u8").write_text(f"{head}#EXTINF:6.0,\n1.ts\n")
    with served(tmp_path) as (address, _requests), NetworkStream(f"{address}/live.m3u8", FakeClock()) as stream:
        assert not stream.is_film
        assert stream.usual_pause_s == 6.0


def test_the_losses_of_a_damaged_film_are_told_live_too(tmp_path):
    path = tmp_path / "film.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for i in range(10):
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * i, np.uint8), format="bgr24")):
                if i == 4:
                    zeros = av.Packet(bytes(packet.size))
                    zeros.pts, zeros.dts, zeros.time_base, zeros.stream = packet.pts, packet.dts, packet.time_base, packet.stream
                    packet = zeros
                container.mux(packet)
    messages = []
    live = open_live(str(path), time.monotonic, CameraSettings(), lambda: False, lambda why: None, messages.append)
    assert len(frames_of(live)) == 9
    assert messages == [f"{path} is damaged: 1 picture could not be decoded; the others are shown"]


def test_readers_of_a_pipe_are_independent():
    content = np.random.default_rng(1).integers(0, 256, 300_000, np.uint8).tobytes()

    def rest(reader) -> bytes:
        return b"".join(iter(lambda: reader.read(10_000), b""))

    with piped(content) as (descriptor, _written):
        pipe = PipeBytes(descriptor, lambda: False)
        first, second = pipe.open(), pipe.open()
        begin = first.read(100)
        assert rest(second) == content
        assert begin + rest(first) == content


def test_a_pipe_stores_nothing_that_all_readers_have_passed():
    content = bytes(10 * CHUNK)
    with piped(content) as (descriptor, _written):
        pipe = PipeBytes(descriptor, lambda: False)
        pipe.forget()
        reader = pipe.open()
        assert sum(len(chunk) for chunk in iter(lambda: reader.read(CHUNK), b"")) == len(content)
        with pytest.raises(OSError, match="the beginning of the pipe is gone"):
            pipe.open()


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_film_in_a_pipe_is_stored_for_the_readers_that_are_left(tmp_path, monkeypatch, is_closed):
    make_film(tmp_path / "film.mkv", "pcm_s16le", seconds=10)
    content = (tmp_path / "film.mkv").read_bytes()
    monkeypatch.setattr("realtime.sources.pipe_bytes.WINDOW", 50_000)
    with piped(content) as (descriptor, _written):
        pipe = Pipe(FakeClock(), None, descriptor)
        pictures, sound = pipe.open(), pipe.open()
        if is_closed:
            sound.close()
        assert sum(packet.size > 0 for packet in pictures.demux(video=0)) == 300
        if is_closed:
            assert len(pipe._bytes._stored) < len(content) / 2
            with pytest.raises(OSError, match="the beginning of the pipe is gone"):
                pipe.open()
        else:
            assert sum(packet.size > 0 for packet in sound.demux(video=0)) == 300


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot wait for a pipe with a limit")
def test_a_silent_pipe_ends_when_the_user_stops():
    reader, writer = os.pipe()
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    assert PipeBytes(reader, stop.is_set).read(0, 10) == b""
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(
    ("boxes", "is_last"),
    [
        ([(b"ftyp", 24), (b"mdat", 9000)], True),
        ([(b"ftyp", 24), (b"free", 8), (b"mdat", 9000)], True),
        ([(b"wide", 8), (b"mdat", 9000)], True),
        ([(b"ftyp", 24), (b"moov", 900), (b"mdat", 9000)], False),
        ([(b"\xff\xd8\xff\xe0", 100)], False),
        ([], False),
        ([(b"ftyp", 4)], False),
    ],
)
def test_the_place_of_the_index_in_a_film(boxes, is_last):
    content = b"".join(length.to_bytes(4, "big") + kind + bytes(max(0, length - 8)) for kind, length in boxes)
    assert index_is_last(lambda start, size: content[start : start + size]) is is_last
