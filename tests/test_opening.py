import time
from pathlib import Path

import pytest

from realtime.base.errors import Trouble
from realtime.config import CameraSettings
from realtime.sources.cameras import Camera, Webcam
from realtime.sources.films import DEMO, VideoFile
from realtime.sources.newest import NewestFrame
from realtime.sources.opening import as_live, open_live, open_source, usual_sources
from realtime.sources.picamera import PiCamera
from realtime.sources.playing import Paced, Repeated
from realtime.sources.reconnecting import Reconnecting
from realtime.sources.streams import NetworkStream, Pipe, ScreenGrab


def test_the_text_of_a_source_decides_its_kind():
    def chosen(text):
        return open_source(text, time.monotonic, CameraSettings())

    assert isinstance(chosen("0"), Webcam)
    assert isinstance(chosen("rtsp://host/stream"), NetworkStream)
    assert chosen("demo").path == DEMO
    assert chosen("file:///films/a%20b.mp4").path == Path("/films/a b.mp4")
    assert chosen("./0").path.name == "0"
    assert chosen("/dev/video3").which == 3
    assert isinstance(chosen("pi"), PiCamera)
    assert isinstance(chosen("screen"), ScreenGrab)
    assert isinstance(chosen("-"), Pipe)
    with pytest.raises(Trouble, match="c920 is neither a file nor a camera's name"):
        chosen("c920")
    live = as_live(chosen("demo"), time.monotonic)
    assert isinstance(live, Paced)
    assert isinstance(live.source, Repeated)
    assert isinstance(as_live(chosen("film.mp4"), time.monotonic).source, VideoFile)


def test_live_films_and_pipes_give_newest_frames_and_cameras_and_streams_reconnect():
    def chosen(text):
        return open_live(text, time.monotonic, CameraSettings(), lambda: False, lambda why: None, print)

    assert isinstance(chosen("demo"), NewestFrame)
    assert isinstance(chosen("demo").source.source, Paced)
    for camera in (chosen("0"), chosen("rtsp://host/stream").watch()):
        assert isinstance(camera, Reconnecting)
    assert isinstance(chosen("-").watch(), NewestFrame)
    assert chosen("-").name == "the pipe"
    assert chosen("1").name == "camera 1"
    assert chosen("1").mirror


def test_usual_sources_are_the_first_camera_then_the_pis_then_the_demo():
    assert usual_sources(lambda: [Camera(2, "built in"), Camera(4, "plugged in")], list) == ["2", "demo"]
    assert usual_sources(list, lambda: ["imx708"]) == ["pi", "demo"]
    assert usual_sources(lambda: [Camera(0, "plugged in")], lambda: ["imx708"]) == ["0", "pi", "demo"]
    assert usual_sources(list, list) == ["0", "demo"]
