"""picamera2 runs on a Raspberry Pi only: here a fake stands in for it."""

import numpy as np
import pytest
from fakes import FakeClock

from realtime.base.errors import Trouble
from realtime.config import CameraSettings
from realtime.sources.picamera import PiCamera, load_picamera2, pi_cameras


class FakePicamera2:
    """Behaves like picamera2: rows of the small picture have padding, and the configuration is returned as it was set."""

    frames = 3
    failure: Exception | None = None

    def __init__(self):
        if self.failure:
            raise self.failure
        self.calls, self.n = [], 0
        type(self).last = self

    @staticmethod
    def global_camera_info():
        return [{"Model": "imx708", "Id": "/base/soc/i2c0mux/imx708@1a"}, {"Model": "C920", "Id": "/base/scb/pcie/usb@1/video"}]

    def create_video_configuration(self, **plan):
        return plan

    def configure(self, plan):
        self.plan = plan

    def camera_configuration(self):
        return self.plan

    def start(self):
        self.calls.append("start")

    def capture_arrays(self, names):
        assert names == ["main", "lores"]
        self.n += 1
        if self.n > self.frames:
            raise RuntimeError("camera frontend has timed out")
        (width, height), (small_w, small_h) = self.plan["main"]["size"], self.plan["lores"]["size"]
        planes = np.zeros((small_h * 3 // 2, small_w + 16), np.uint8)
        planes[:small_h, :small_w] = 90
        return [np.full((height, width, 3), self.n, np.uint8), planes], {}

    def close(self):
        self.calls.append("close")


def test_a_pi_camera_gives_a_small_gray_picture_with_each_frame():
    clock, frames = FakeClock(5.0), []
    camera = PiCamera(CameraSettings(), clock, lambda: FakePicamera2)
    with pytest.raises(Trouble, match=r"the Pi's camera stopped delivering pictures after 3 frames \(camera frontend"), camera:
        for frame in camera:
            frames.append(frame)
            clock.sleep(0.03)
    assert [(frame.index, round(frame.t, 2), frame.image.max()) for frame in frames] == [(0, 5.0, 1), (1, 5.03, 2), (2, 5.06, 3)]
    assert all(frame.small.shape == (324, 432) and frame.small.min() == 90 for frame in frames)
    assert FakePicamera2.last.calls == ["start", "close"]
    assert FakePicamera2.last.plan["main"] == {"size": (640, 480), "format": "RGB888"}
    assert str(camera.delivery) == "RGB888 640x480 at 30 fps"


def test_an_unplugged_cable_raises_trouble_with_advice():
    class Unplugged(FakePicamera2):
        failure = IndexError("list index out of range")

    camera = PiCamera(CameraSettings(), FakeClock(), lambda: Unplugged)
    with pytest.raises(Trouble, match=r"cannot be opened.*cable.*rpicam-hello"), camera:
        pass


def test_usb_cameras_are_not_listed_as_pi_cameras():
    assert pi_cameras(lambda: FakePicamera2) == ["imx708"]


def test_a_picamera2_for_another_numpy_raises_trouble_with_the_remedy(tmp_path, monkeypatch):
    (tmp_path / "picamera2.py").write_text("raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Trouble, match=r"numpy\.dtype size changed.*--no-deps simplejpeg"):
        load_picamera2()
    assert pi_cameras() == []


def test_a_missing_picamera2_raises_trouble_with_the_remedy():
    try:
        import picamera2 as _installed  # noqa: F401
    except ImportError:
        with pytest.raises(Trouble, match=r"sudo apt install python3-picamera2.*--system-site-packages"):
            load_picamera2()
        assert pi_cameras() == []
    else:
        pytest.skip("this machine has picamera2")
