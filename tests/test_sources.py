import functools
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, islice, pairwise

import av
import cv2
import numpy as np
import pytest
from fakes import FakeClock, NetworkCamera, RtspCamera, ScriptedSource

from realtime.base.errors import Trouble
from realtime.base.timing import Countdown
from realtime.config import CameraSettings
from realtime.sources.cameras import Delivery, Format, Webcam
from realtime.sources.films import DEMO, VideoFile
from realtime.sources.newest import NewestFrame
from realtime.sources.opening import as_live, open_live, open_source
from realtime.sources.photos import Photo
from realtime.sources.picamera import PiCamera
from realtime.sources.playing import FirstSeconds, Paced, Repeated
from realtime.sources.reconnecting import HANGING_MOST, Reconnecting, pauses
from realtime.sources.streams import NetworkStream, Pipe, Screen
from realtime.sources.switching import SourceSwitch
from realtime.values import Frame


def frames_of(source) -> list:
    with source:
        return list(source)


def write_film(path, ticks: list[int], size_wh=(64, 48), bright_corner=False):
    """A small film whose frames stand at `ticks` / 1000 s; frame i has the brightness 10 i, its upper left quarter may be white."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for i, tick in enumerate(ticks):
            picture = np.full((size_wh[1], size_wh[0], 3), 10 * i, np.uint8)
            if bright_corner:
                picture[: size_wh[1] // 2, : size_wh[0] // 2] = 255
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_the_demo_clip_is_what_the_readme_says():
    frames = frames_of(VideoFile(DEMO))
    assert len(frames) == 300
    assert [frame.index for frame in frames] == list(range(300))
    assert frames[0].image.shape == (480, 640, 3)
    assert [frame.t for frame in frames] == pytest.approx([i / 30 for i in range(300)], abs=1e-4)
    assert DEMO.stat().st_size < 1_000_000


def test_a_film_gives_every_frame_at_its_own_uneven_time(tmp_path):
    ticks = [0, 40, 140, 150, 400]
    source = VideoFile(write_film(tmp_path / "film.mp4", ticks))
    with source:
        frames = list(source)
        assert source.expected == 5
    assert [frame.t - frames[0].t for frame in frames] == pytest.approx([tick / 1000 for tick in ticks], abs=1e-3)
    assert [int(frame.image.mean().round(-1)) for frame in frames] == [0, 10, 20, 30, 40]


def test_a_film_is_upright(tmp_path):
    path = write_film(tmp_path / "turned.mp4", [0, 33], size_wh=(64, 32), bright_corner=True)
    content = bytearray(path.read_bytes())
    # The matrix in the track header: identity -> a quarter turn clockwise, as a phone writes it.
    identity = b"".join(v.to_bytes(4, "big") for v in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    quarter = b"".join((v & 0xFFFFFFFF).to_bytes(4, "big") for v in (0, 1 << 16, 0, -(1 << 16), 0, 0, 32 << 16, 0, 1 << 30))
    at = content.index(identity, content.index(b"tkhd"))
    content[at : at + len(identity)] = quarter
    path.write_bytes(content)
    image = frames_of(VideoFile(path))[0].image
    assert image.shape == (64, 32, 3)
    upper_left, upper_right, below = image[:32, :16], image[:32, 16:], image[32:]
    assert upper_right.mean() > 240 > 10 > max(upper_left.mean(), below.mean())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "nothing.mp4", "there is no such file"),
        (lambda folder: folder, "is a folder"),
        (lambda folder: (folder / "empty.mp4", (folder / "empty.mp4").write_bytes(b""))[0], "is not a video"),
        (lambda folder: (folder / "text.mp4", (folder / "text.mp4").write_text("hello " * 500))[0], "is not a video"),
        (lambda folder: (folder / "noise.avi", (folder / "noise.avi").write_bytes(bytes(range(256)) * 40))[0], "is not a video"),
    ],
)
def test_what_is_no_film_is_told_in_one_line(tmp_path, make, said):
    with pytest.raises(Trouble, match=said) as caught:
        frames_of(VideoFile(make(tmp_path)))
    assert "\n" not in str(caught.value)


def test_sound_alone_is_no_film(tmp_path):
    path = tmp_path / "tone.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(Trouble, match="holds no video, only audio"):
        frames_of(VideoFile(path))


def test_a_film_cut_short_gives_its_frames_and_then_ends_or_says_so(tmp_path):
    whole = DEMO.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    got = []
    with VideoFile(path) as source:
        try:
            got.extend(source)
        except Trouble as trouble:
            assert "breaks off after" in str(trouble)
    assert 100 < len(got) < 300


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_photos_of_odd_sizes_and_kinds(tmp_path, suffix):
    for name, picture in {
        "odd": np.full((33, 7, 3), 90, np.uint8),
        "gray": np.full((20, 30), 90, np.uint8),
        "one": np.full((1, 1, 3), 90, np.uint8),
        **({"alpha": np.full((9, 9, 4), 90, np.uint8), "deep": np.full((9, 9), 90 * 257, np.uint16)} if suffix == ".png" else {}),
    }.items():
        path = tmp_path / (name + suffix)
        assert cv2.imwrite(str(path), picture)
        [frame] = frames_of(Photo(path))
        assert frame.image.shape == (*picture.shape[:2], 3)
        assert frame.image.dtype == np.uint8
        assert abs(float(frame.image.mean()) - 90) < 3


def test_a_photo_is_turned_upright_by_its_exif(tmp_path):
    _, content = cv2.imencode(".jpg", np.zeros((20, 40, 3), np.uint8))
    # Orientation 6: the top of the picture is at the right.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    path = tmp_path / "turned.jpg"
    path.write_bytes(content.tobytes()[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + content.tobytes()[2:])
    assert frames_of(Photo(path))[0].image.shape == (40, 20, 3)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_broken_photos(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(Trouble, match="is not a picture"):
        frames_of(Photo(path))


def test_a_photo_that_is_not_there(tmp_path):
    with pytest.raises(Trouble, match="no such file"):
        frames_of(Photo(tmp_path / "nothing.png"))


def test_a_camera_that_is_not_there_says_what_to_try():
    with pytest.raises(Trouble, match=r"camera 97 cannot be opened.*--source demo"):
        frames_of(Webcam(97, CameraSettings(), time.monotonic))


class FakeDevice:
    """A camera that delivers `n` pictures, then nothing; remembers what was asked of it."""

    def __init__(self, n: int):
        self.n, self.asked, self.released = n, {}, 0

    def __call__(self, number: int, backend: int):
        return self

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def set(self, name: int, value: float) -> None:
        self.asked[name] = value

    def get(self, name: int) -> float:
        return self.asked[name]

    def read(self):
        self.n -= 1
        return (True, np.full((480, 640, 3), self.n, np.uint8)) if self.n >= 0 else (False, None)

    def release(self) -> None:
        self.released += 1


def test_a_camera_is_asked_for_a_small_compressed_picture_and_stamps_each_frame():
    device, clock = FakeDevice(3), FakeClock(50.0)
    got = []
    with (
        pytest.raises(Trouble, match="camera 0 stopped delivering pictures after 3 frames"),
        Webcam(0, CameraSettings(), clock, device) as camera,
    ):
        for frame in camera:
            got.append((frame.index, frame.t))
            clock.sleep(0.033)
    assert got == [(0, 50.0), (1, pytest.approx(50.033)), (2, pytest.approx(50.066))]
    assert device.asked[cv2.CAP_PROP_FRAME_WIDTH] == 640
    assert device.asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    assert device.released == 1
    assert camera.mirror


@pytest.mark.timeout(30)
def test_a_stream_from_an_address_is_stamped_as_it_arrives():
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


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


def test_an_address_that_nobody_answers():
    with pytest.raises(Trouble, match=r"http://127\.0\.0\.1:9/x\.mjpg cannot be read"):
        frames_of(NetworkStream("http://me:secret@127.0.0.1:9/x.mjpg", time.monotonic))


def test_sources_are_chosen_by_how_they_are_written():
    def chosen(text):
        return open_source(text, time.monotonic, CameraSettings())

    assert isinstance(chosen("0"), Webcam)
    assert isinstance(chosen("rtsp://host/stream"), NetworkStream)
    assert chosen("demo").path == DEMO
    assert chosen("./0").path.name == "0"
    assert chosen("/dev/video3").which == 3
    assert isinstance(chosen("pi"), PiCamera)
    assert isinstance(chosen("screen"), Screen)
    assert isinstance(chosen("-"), Pipe)
    with pytest.raises(Trouble, match="c920 is neither a file nor a camera's name"):
        chosen("c920")
    live = as_live(chosen("demo"), time.monotonic)
    assert isinstance(live, Paced)
    assert isinstance(live.source, Repeated)
    assert isinstance(as_live(chosen("film.mp4"), time.monotonic).source, VideoFile)


def test_what_is_live_gives_its_newest_frames_and_a_camera_outlives_its_connection():
    def chosen(text):
        return open_live(text, time.monotonic, CameraSettings(), lambda: False, lambda why: None, print)

    assert isinstance(chosen("demo"), NewestFrame)
    assert isinstance(chosen("demo").source, Paced)
    for camera in (chosen("0"), chosen("rtsp://host/stream")):
        assert isinstance(camera, Reconnecting)
    assert isinstance(chosen("-"), NewestFrame)
    assert chosen("1").name == "camera 1"
    assert chosen("1").mirror


def test_a_repeated_film_goes_on_in_time():
    script = ScriptedSource([5.0, 5.1, 5.2])
    frames = iter(Repeated(script))
    got = [next(frames) for _ in range(7)]
    assert [frame.t for frame in got] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert [frame.index for frame in got] == list(range(7))


def test_a_paced_film_waits_for_each_frame():
    clock = FakeClock(1000.0)
    arrivals = []
    with Paced(ScriptedSource([0.0, 0.1, 0.5]), clock, clock.sleep) as source:
        for frame in source:
            arrivals.append((clock.now, frame.t))
            clock.now += 0.2
    assert arrivals == [pytest.approx(pair) for pair in [(1000.0, 1000.0), (1000.2, 1000.1), (1000.5, 1000.5)]]


def test_only_the_first_seconds():
    assert [frame.index for frame in frames_of(FirstSeconds(ScriptedSource([7.0, 7.5, 7.99, 8.0, 9.0]), 1.0))] == [0, 1, 2]


class Closed(ScriptedSource):
    def __enter__(self):
        raise Trouble("this one is closed")


class Endless(ScriptedSource):
    """Gives a frame whenever it is asked, as fast as that is; ends when `left()`."""

    def __init__(self, name: str, left: Callable[[], bool], brightness: int = 0, first: int = 0):
        super().__init__([])
        self.name, self.left, self.brightness, self.first = name, left, brightness, first

    def __iter__(self):
        for index in count(self.first):
            if self.left():
                return
            yield Frame(np.full((48, 64, 3), self.brightness, np.uint8), time.monotonic(), index)


class Switched:
    """A SourceSwitch over cameras by name, with all that it tells."""

    def __init__(self, cameras: dict[str, Callable[[], ScriptedSource]]):
        self.cameras, self.opened, self.told = cameras, [], []
        self.source = SourceSwitch(self.make, list(cameras)[:1], lambda: list(cameras), self.told.append)

    def make(self, text: str) -> ScriptedSource:
        self.opened.append(self.cameras[text]())
        return self.opened[-1]


def two_cameras(**more: Callable[[], ScriptedSource]) -> Switched:
    def due() -> bool:
        return switched.source.due

    switched = Switched({"a": lambda: Endless("a", due, 10), "b": lambda: Endless("b", due, 200, first=50), **more})
    return switched


def test_the_first_source_that_opens_is_taken_and_the_reason_told():
    told, good = [], ScriptedSource([0.0, 0.1])
    sources = {"0": Closed([]), "demo": good}
    switch = SourceSwitch(sources.get, ["0", "demo"], list, told.append)
    assert len(frames_of(switch)) == 2
    assert told == ["this one is closed\nPlaying script instead."]
    assert (good.opened, good.closed) == (1, 1)
    assert switch.current == "demo"
    with pytest.raises(Trouble, match="this one is closed"):
        frames_of(SourceSwitch(sources.get, ["0"], list, told.append))


@pytest.mark.timeout(10)
def test_another_camera_takes_the_place_of_the_first_and_the_session_goes_on():
    switched, got = two_cameras(), []
    with switched.source as source:
        for frame in source:
            got.append(frame)
            if len(got) == 3:
                assert source.choose("b") == "opening b"
            if frame.image.max() == 200:
                assert (source.current, source.name) == ("b", "b")
                break
    assert [frame.index for frame in got] == list(range(len(got)))
    assert rising([frame.t for frame in got])
    assert switched.told == ["now b"]
    assert [(made.name, made.opened, made.closed) for made in switched.opened if made.opened] == [("a", 1, 1), ("b", 1, 1)]


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("text", "said"), [("closed", "a stays: this one is closed"), ("a", "a stays: it is shown already")])
def test_a_camera_that_does_not_open_leaves_the_old_one_and_says_why(text, said):
    switched = two_cameras(closed=lambda: Closed([]))
    with switched.source as source:
        frames = iter(source)
        next(frames)
        source.choose(text)
        wait_until(lambda: switched.told)
        assert next(frames).image.max() == 10
        assert source.current == "a"
    assert switched.told == [said]


@pytest.mark.timeout(10)
def test_the_next_camera_is_the_one_after_in_a_round():
    switched = two_cameras()
    shown = []
    with switched.source as source:
        for _frame in source:
            if source.current not in shown[-1:]:
                shown.append(source.current)
                source.next()
            if len(shown) == 3:
                break
            time.sleep(0.001)
    assert shown == ["a", "b", "a"]


@pytest.mark.timeout(10)
def test_without_another_camera_next_says_so():
    switched = Switched({"a": lambda: ScriptedSource([0.0])})
    with switched.source as source:
        source.next()
        wait_until(lambda: switched.told)
    assert "there is no other camera" in switched.told[0]


@pytest.mark.timeout(10)
def test_a_camera_that_is_silent_can_be_left_for_another_one():
    """A stream that hangs waits for nothing but `due`."""
    switched = two_cameras()
    switched.cameras["a"] = lambda: NewestFrame(Silent([]), lambda: switched.source.due)
    threading.Timer(0.1, lambda: switched.source.choose("b")).start()
    with switched.source as source:
        assert next(iter(source)).image.max() == 200


@pytest.mark.timeout(10)
def test_one_camera_is_opened_at_a_time_and_one_that_opens_too_late_is_closed():
    hanging = threading.Event()

    class Slow(ScriptedSource):
        def __enter__(self):
            hanging.wait(5)
            return super().__enter__()

    late = Slow([0.0])
    switched = two_cameras(late=lambda: late)
    with switched.source as source:
        assert source.choose("late") == "opening late"
        assert source.choose("b") == "another camera is being opened: wait for it"
    hanging.set()
    wait_until(lambda: late.closed)
    assert late.opened == 1
    assert all(made.name != "b" for made in switched.opened)


class Gated(ScriptedSource):
    """Gives frame 0, then waits for `go`, then gives the rest at once."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.go, self.done = threading.Event(), threading.Event()

    def __iter__(self):
        for frame in super().__iter__():
            yield frame
            if frame.index == 0:
                self.go.wait(5)
        self.done.set()
        self.go.clear()
        self.go.wait(0.3)


@pytest.mark.timeout(10)
def test_a_slow_loop_gets_the_newest_frame_and_the_dropped_are_counted():
    source = Gated([i / 30 for i in range(10)])
    with NewestFrame(source, lambda: False) as newest:
        frames = iter(newest)
        got = [next(frames).index]
        source.go.set()
        assert source.done.wait(5)
        got += [frame.index for frame in frames]
    assert got == [0, 9]
    assert newest.dropped == 8
    assert source.closed == 1


@pytest.mark.timeout(10)
def test_no_frame_is_handed_out_twice():
    with NewestFrame(Paced(ScriptedSource([i / 200 for i in range(40)]), time.monotonic), lambda: False) as newest:
        got = [frame.index for frame in newest]
    assert got == sorted(set(got))
    assert len(got) + newest.dropped == 40


@pytest.mark.timeout(10)
def test_what_the_reader_raises_the_loop_raises_within_a_second():
    source = ScriptedSource([0.0], error=Trouble("the cable is out"))
    started = time.monotonic()
    with pytest.raises(Trouble, match="the cable is out"):
        frames_of(NewestFrame(source, lambda: False))
    assert time.monotonic() - started < 1
    assert source.closed == 1


class Silent(ScriptedSource):
    """A camera that hangs."""

    def __iter__(self):
        threading.Event().wait(30)
        yield from ()


@pytest.mark.timeout(10)
def test_a_camera_that_hangs_can_be_left():
    source = Silent([])
    started = time.monotonic()
    assert frames_of(NewestFrame(source, lambda: time.monotonic() - started > 0.3)) == []
    assert time.monotonic() - started < 4
    assert source.closed == 0


@pytest.mark.timeout(10)
def test_while_nothing_comes_the_loop_is_told():
    idle = []
    assert frames_of(NewestFrame(Silent([]), lambda: len(idle) == 3, lambda: idle.append("idle"))) == []
    assert len(idle) == 3


def test_a_film_of_two_clocks_goes_on_in_time(tmp_path):
    one = write_film(tmp_path / "one.ts", [0, 40, 80, 120])
    (tmp_path / "twice.ts").write_bytes(2 * one.read_bytes())
    frames = frames_of(VideoFile(tmp_path / "twice.ts"))
    assert len(frames) == 8
    assert all(after.t > before.t for before, after in pairwise(frames))


def test_attempts_come_less_and_less_often_but_never_end():
    assert list(islice(pauses(0.5, 4.0), 6)) == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


class OneByOne(ScriptedSource):
    """Gives its next frame when the one before has been taken, so that none is dropped; then ends, raises, or hangs until `go`."""

    def __init__(self, n: int, clock: FakeClock, error: Exception | None = None, hangs: bool = False):
        super().__init__([0.0] * n, error)
        self.clock, self.hangs = clock, hangs
        self.taken, self.go = threading.Semaphore(), threading.Event()

    def __iter__(self):
        for frame in super().__iter__():
            assert self.taken.acquire(timeout=5)
            yield replace(frame, t=self.clock())
        if self.hangs:
            self.go.wait(5)
            yield Frame(np.full((48, 64, 3), 255, np.uint8), self.clock(), 99)


class Session:
    """A Reconnecting over scripted connections, one after the other, and all that it says. Each silent tick takes `tick_s` of the clock."""

    def __init__(self, connections: list[ScriptedSource], clock: FakeClock, tick_s: float = 0.0, until: Callable[[], bool] = lambda: False):
        self.connections, self.clock, self.tick_s = list(connections), clock, tick_s
        self.made, self.told, self.said, self.slept = [], [], [], []
        self.source = Reconnecting(self.make, CameraSettings(), clock, until, self.idle, self.told.append, self.sleep)

    def make(self) -> ScriptedSource:
        self.made.append(self.connections.pop(0))
        return self.made[-1]

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.sleep(seconds)

    def idle(self, why: str | None) -> None:
        self.said.append(why)
        self.clock.sleep(self.tick_s)

    def frames(self, step_s: float = 0.03) -> list[Frame]:
        got = []
        with self.source as source:
            for frame in source:
                got.append(frame)
                self.clock.sleep(step_s)
                self.made[-1].taken.release()
        return got


def rising(numbers: list[float]) -> bool:
    return all(after > before for before, after in pairwise(numbers))


@pytest.mark.timeout(10)
def test_a_camera_that_gives_another_size_than_asked_for_says_so_at_the_start():
    clock = FakeClock()
    camera = OneByOne(1, clock)
    asked = Format("MJPG", 640, 480, 30)
    camera.delivery = Delivery(asked, replace(asked, coding="YUYV", rate=15))
    session = Session([camera], clock)
    session.frames()
    assert session.told == ["script gives YUYV 640x480 at 15 fps instead of MJPG 640x480 at 30 fps"]


@pytest.mark.timeout(10)
def test_a_camera_that_fails_is_opened_again_and_the_session_goes_on():
    clock = FakeClock(100.0)
    connections = [OneByOne(3, clock, Trouble("the cable is out")), Closed([]), Closed([]), Closed([]), OneByOne(2, clock)]
    session = Session(connections, clock)
    frames = session.frames()
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert rising([frame.t for frame in frames])
    # 0.5 + 1 + 2 + 3 s, in small steps, so that the window is served meanwhile.
    assert sum(session.slept) == pytest.approx(6.5, abs=0.5)
    assert max(session.slept) <= 0.1
    assert None in session.said
    assert session.said[-1] == "script: reconnecting (6 s)"
    assert session.told == ["the cable is out; reconnecting", "script is back after 7 s"]
    assert [made.closed for made in session.made] == [1, 0, 0, 0, 1]


@pytest.mark.timeout(10)
def test_a_camera_that_hangs_is_left_behind_and_none_of_its_frames_comes_through():
    clock = FakeClock(100.0)
    hung = OneByOne(2, clock, hangs=True)
    back = OneByOne(3, clock)
    session = Session([hung, back], clock, tick_s=0.5)
    got = []
    with session.source as source:
        for frame in source:
            got.append(frame)
            if session.made[-1] is back:
                hung.go.set()
                wait_until(lambda: hung.closed)
            session.made[-1].taken.release()
    assert [frame.index for frame in got] == [0, 1, 2, 3, 4]
    assert all(frame.image.max() < 255 for frame in got)
    assert (hung.closed, back.closed) == (1, 1)
    assert session.told[0] == "script has given no picture for 2 s; reconnecting"
    # Given up after 2 s, and the picture is back as soon as the next attempt is due.
    assert got[2].t - got[1].t < 3.5


@pytest.mark.timeout(10)
def test_a_camera_that_opens_but_stays_dark_is_waited_for_and_that_is_said():
    clock = FakeClock(100.0)
    dark, good = OneByOne(0, clock, hangs=True), OneByOne(1, clock)
    session = Session([dark, good], clock, tick_s=1.0)
    assert [frame.index for frame in session.frames()] == [0]
    dark.go.set()
    assert "script: waiting for its first picture (3 s)" in session.said
    assert session.told == ["script has given no picture for 10 s; reconnecting", "script is back after 11 s"]


@pytest.mark.timeout(10)
def test_readers_that_hang_do_not_pile_up():
    clock = FakeClock(0.0)
    session = Session([OneByOne(0, clock, hangs=True) for _ in range(50)], clock, tick_s=10.0, until=lambda: clock.now > 1000)
    assert session.frames() == []
    assert len(session.made) == HANGING_MOST
    for made in session.made:
        made.go.set()


@pytest.mark.timeout(10)
def test_a_camera_that_never_opened_fails_at_once():
    clock = FakeClock()
    session = Session([Closed([]), OneByOne(1, clock)], clock)
    with pytest.raises(Trouble, match="this one is closed"):
        session.frames()
    assert session.slept == []


@pytest.mark.timeout(10)
def test_a_fault_of_the_program_is_no_lost_connection():
    clock = FakeClock()
    session = Session([OneByOne(1, clock, ValueError("a bug"))], clock)
    with pytest.raises(ValueError, match="a bug"):
        session.frames()


@pytest.mark.timeout(10)
def test_a_session_of_some_seconds_ends_in_time_though_the_camera_is_silent():
    clock = FakeClock(100.0)
    countdown = Countdown(clock, 5.0)
    silent = OneByOne(1, clock, Trouble("gone"))
    session = Session([silent, *(Closed([]) for _ in range(9))], clock, until=countdown.over)
    with session.source as source:
        for frame in source:
            countdown.update(frame)
            silent.taken.release()
    assert clock.now == pytest.approx(105, abs=0.2)


def wait_until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


class Watched:
    """A network camera, looked at by a loop in a thread of its own until it is left."""

    def __init__(self, address: str):
        self.left = threading.Event()
        self.frames, self.told, self.said, self.errors = [], [], [], []
        self.source = open_live(address, time.monotonic, CameraSettings(), self.left.is_set, self.said.append, self.told.append)
        self.loop = threading.Thread(target=self._run, daemon=True)
        self.loop.start()

    def _run(self) -> None:
        try:
            with self.source as source:
                for frame in source:
                    self.frames.append(frame)
        except Exception as error:
            self.errors.append(error)

    def wait_for_frames(self, n: int, seconds: float = 5.0) -> None:
        """Waits for `n` more frames."""
        goal = len(self.frames) + n
        wait_until(lambda: len(self.frames) >= goal or self.errors, seconds)

    def leave(self) -> None:
        self.left.set()
        self.loop.join(3)
        assert not self.loop.is_alive()
        assert self.errors == []
        assert rising([frame.index for frame in self.frames])
        assert rising([frame.t for frame in self.frames])


@pytest.mark.timeout(40)
@pytest.mark.parametrize("make", [NetworkCamera, RtspCamera])
def test_a_network_camera_that_dies_and_is_started_again_is_back_within_5_s(make):
    with make() as camera:
        watched = Watched(camera.address)
        watched.wait_for_frames(5)
    wait_until(lambda: any(why and "reconnecting" in why for why in watched.said))
    with make(camera.port):
        watched.wait_for_frames(5, seconds=5)
        watched.leave()
    assert watched.told[0].endswith("; reconnecting")
    assert "is back after" in watched.told[1]
    assert len(watched.told) == 2


@pytest.mark.timeout(40)
def test_a_camera_that_died_is_left_for_another_one_and_one_that_never_answers_is_not_taken():
    with NetworkCamera() as first, RtspCamera(size_wh=(96, 64), brightness=200) as second:

        def made(text):
            return open_live(text, time.monotonic, CameraSettings(), lambda: switch.due, said.append, told.append)

        def asked():
            wait_until(lambda: any("reconnecting" in line for line in told))
            switch.choose("http://127.0.0.1:9/x.mjpg")
            wait_until(lambda: any(f"{first.address} stays: http://127.0.0.1:9/x.mjpg cannot be read" in line for line in told))
            switch.choose(second.address)

        told, said, shapes = [], [], []
        switch = SourceSwitch(made, [first.address], list, told.append)
        threading.Thread(target=asked, daemon=True).start()
        with switch as source:
            for frame in source:
                shapes.append((frame.index, frame.image.shape))
                if len(shapes) == 3:
                    first.die()
                if frame.image.shape == (64, 96, 3):
                    break
    assert shapes[0] == (0, (48, 64, 3))
    assert rising([index for index, _ in shapes])
    assert told[-1] == f"now {second.address}"


@pytest.mark.timeout(40)
def test_a_network_camera_that_stalls_is_noticed_after_2_s_and_back_when_it_sends_again():
    with NetworkCamera() as camera:
        watched = Watched(camera.address)
        watched.wait_for_frames(5)
        camera.silent.set()
        stalled = time.monotonic()
        wait_until(lambda: watched.told)
        assert 1.8 < time.monotonic() - stalled < 5
        camera.silent.clear()
        watched.wait_for_frames(5, seconds=5)
        watched.leave()
    assert watched.told[0] == f"{camera.address} has given no picture for 2 s; reconnecting"


@pytest.mark.timeout(20)
def test_a_stream_that_the_other_side_ends_is_a_lost_connection(tmp_path):
    content = write_film(tmp_path / "film.ts", [0, 40, 80, 120]).read_bytes()

    class Chunked(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
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


@pytest.mark.timeout(20)
def test_a_film_behind_an_address_ends_and_is_not_played_again(tmp_path):
    write_film(tmp_path / "film.ts", [0, 40, 80, 120])
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    watched = Watched(f"http://127.0.0.1:{server.server_port}/film.ts")
    watched.loop.join(10)
    server.shutdown()
    server.server_close()
    watched.leave()
    assert watched.frames
    assert watched.told == []


@pytest.mark.hardware
def test_a_real_camera_delivers():
    with Webcam(0, CameraSettings(), time.monotonic) as camera:
        frames = [frame for frame, _ in zip(camera, range(30), strict=False)]
    assert len({frame.t for frame in frames}) == 30
