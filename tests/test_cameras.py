import threading
import time

import cv2
import numpy as np
import pytest
from fakes import FakeClock
from source_fakes import frames_of

from realtime.base.errors import Trouble
from realtime.commands.cameras import json_of
from realtime.config import CameraSettings
from realtime.sources.cameras import (
    Camera,
    Delivery,
    Format,
    Measurement,
    Webcam,
    camera_choices,
    find_camera,
    fourcc_letters,
    list_cameras,
    measure_camera,
    measure_sizes,
    run_with_limit,
)

LOGI, LOGI2, BUILT_IN = Camera(0, "HD Pro Webcam C920"), Camera(4, "HD Webcam C270"), Camera(2, "Integrated Camera: Front")


class Device:
    """A camera in place of OpenCV's: gives only `sizes`, at `rate`, reports the rate `says`, and opens only with the backends `opens`."""

    def __init__(self, clock: FakeClock, sizes=((640, 480),), rate: float = 30.0, says: float = 30.0, coding: str = "MJPG", opens=None):
        self.clock, self.sizes, self.rate, self.says, self.opens = clock, sizes, rate, says, opens
        self.code = cv2.VideoWriter.fourcc(*coding)
        self.tried, self.released, self.request = [], 0, [0, 0]

    def __call__(self, number: int, backend: int):
        self.tried.append((number, backend))
        return self

    def isOpened(self) -> bool:  # noqa: N802
        return self.opens is None or self.tried[-1][1] in self.opens

    def set(self, name: int, value: float) -> None:
        if name in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT):
            self.request[name == cv2.CAP_PROP_FRAME_HEIGHT] = value

    @property
    def size(self) -> tuple[int, int]:
        return min(self.sizes, key=lambda size: abs(size[0] - self.request[0]))

    def get(self, name: int) -> float:
        return {cv2.CAP_PROP_FRAME_WIDTH: self.size[0], cv2.CAP_PROP_FRAME_HEIGHT: self.size[1], cv2.CAP_PROP_FPS: self.says}.get(
            name, self.code
        )

    def read(self):
        self.clock.sleep(1 / self.rate)
        return True, np.zeros((self.size[1], self.size[0], 3), np.uint8)

    def release(self) -> None:
        self.released += 1


def webcam(device: Device, which: int | str = 0, **more) -> Webcam:
    return Webcam(which, CameraSettings(), device.clock, device, **more)


def test_cameras_are_listed_by_number_without_devices_that_are_no_cameras():
    requests = []

    def devices(backend: int):
        requests.append(backend)
        names = {5: "bcm2835-codec-decode", 4: LOGI2.name, 0: LOGI.name, 13: "bcm2835-isp", 20: "unicam", 21: "pispbe-output0"}
        return [type("Device", (), {"index": number, "name": name}) for number, name in names.items()]

    assert list_cameras(devices, "linux") == [LOGI, LOGI2]
    assert list_cameras(lambda backend: [], "win32") == []
    assert requests == [cv2.CAP_V4L2]


@pytest.mark.parametrize(
    ("text", "camera"),
    [
        ("C920", LOGI),
        ("c920", LOGI),
        ("hd webcam c270", LOGI2),
        ("front", BUILT_IN),
        ("Integrated Camera: Front", BUILT_IN),
        ("C930", None),
    ],
)
def test_a_camera_is_found_by_a_part_of_its_name(text, camera):
    assert find_camera(text, [LOGI, BUILT_IN, LOGI2]) == camera


def test_a_text_in_two_names_is_refused():
    with pytest.raises(Trouble, match=r"'webcam' is part of the names of 2 cameras: 0 \(HD Pro Webcam C920\), 4 \(HD Webcam C270\)"):
        find_camera("webcam", [LOGI, BUILT_IN, LOGI2])
    assert find_camera("HD", [LOGI, Camera(9, "HD")]) == Camera(9, "HD")


def test_the_choices_name_the_current_camera_as_the_user_did():
    cameras = [LOGI, BUILT_IN, LOGI2]
    assert camera_choices("c270", cameras) == ["0", "2", "c270"]
    assert camera_choices("0", cameras) == ["0", "2", "4"]
    assert camera_choices("rtsp://host/x", cameras) == ["0", "2", "4"]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Format("MJPG", 640, 480, 30), "MJPG 640x480 at 30 fps"),
        (Format("", 640, 480, 0), "640x480"),
        (Format("MJPG", 640, 480, 29.97), "MJPG 640x480 at 30 fps"),
        (Format("YUYV", 640, 480, 30), "YUYV 640x480 at 30 fps instead of MJPG 640x480 at 30 fps"),
        (Format("MJPG", 640, 360, 30), "MJPG 640x360 at 30 fps instead of MJPG 640x480 at 30 fps"),
        (Format("MJPG", 640, 480, 15), "MJPG 640x480 at 15 fps instead of MJPG 640x480 at 30 fps"),
    ],
)
def test_a_delivery_names_the_answer_and_a_different_request(answer, text):
    delivery = Delivery(Format("MJPG", 640, 480, 30), answer)
    assert str(delivery) == text
    assert delivery.differs == ("instead" in text)


def test_a_coding_is_four_letters_or_nothing():
    assert fourcc_letters(cv2.VideoWriter.fourcc(*"MJPG")) == "MJPG"
    assert fourcc_letters(cv2.VideoWriter.fourcc(*"Y16 ")) == "Y16"
    assert fourcc_letters(0.0) == fourcc_letters(-1.0) == fourcc_letters(float(0x80000000)) == ""


def test_a_webcam_has_a_delivery_once_it_is_open():
    device = Device(FakeClock(), sizes=((1280, 720),), says=15, coding="YUYV")
    camera = webcam(device)
    assert camera.delivery is None
    with camera:
        assert str(camera.delivery) == "YUYV 1280x720 at 15 fps instead of MJPG 640x480 at 30 fps"


def test_windows_tries_the_fast_backend_first_and_then_the_other():
    device = Device(FakeClock(), opens=(cv2.CAP_MSMF,))
    with webcam(device, system="win32"):
        pass
    assert device.tried == [(0, cv2.CAP_DSHOW), (0, cv2.CAP_MSMF)]
    assert device.released == 2


@pytest.mark.parametrize(
    ("system", "advice"),
    [
        ("linux", "group `video`"),
        ("win32", "lets desktop apps use it"),
        ("darwin", "has your terminal switched on"),
        ("freebsd", "group `video`"),
    ],
)
def test_a_camera_that_cannot_be_opened_says_what_to_check_on_this_system(system, advice):
    device = Device(FakeClock(), opens=())
    with pytest.raises(Trouble, match="camera 0 cannot be opened") as caught, webcam(device, system=system):
        pass
    assert advice in str(caught.value)
    assert "run.py cameras" in str(caught.value)
    assert device.released == len(device.tried)


def test_the_number_of_a_camera_is_looked_up_by_name_at_each_opening():
    """A camera that was unplugged may come back with another number."""
    device, connected = Device(FakeClock()), [[LOGI, BUILT_IN], [BUILT_IN], [BUILT_IN, Camera(7, LOGI.name)]]
    camera = webcam(device, "c920", system="linux", cameras=lambda: connected.pop(0))
    with camera:
        assert camera.name == LOGI.name
    with pytest.raises(Trouble, match="HD Pro Webcam C920 is not connected"), camera:
        pass
    with camera:
        pass
    assert [number for number, _ in device.tried] == [0, 7]


def test_a_measurement_has_the_real_rate_and_the_reported_one():
    device = Device(FakeClock(50.0), rate=14.5, says=30)
    measurement = measure_camera(webcam(device), 1.0)
    assert measurement.size_wh == (640, 480)
    assert measurement.rate == pytest.approx(14.5)
    assert str(measurement) == "640x480 MJPG, 14.5 frames a second (it says MJPG 640x480 at 30 fps)"
    assert device.released == 1


def test_each_size_is_listed_once():
    device = Device(FakeClock(), sizes=((640, 480), (1280, 720)))

    def at(size_wh):
        return Webcam(0, CameraSettings(*size_wh), device.clock, device)

    measurements = measure_sizes(at, 1.0)
    assert [one.size_wh for one in measurements] == [(640, 480), (1280, 720)]
    assert [str(one) for one in measurements] == ["640x480 MJPG, 30.0 frames a second", "1280x720 MJPG, 30.0 frames a second"]


def test_a_driver_that_hangs_raises_trouble_after_the_limit():
    hanging = threading.Event()

    class Hanging(Device):
        def read(self):
            hanging.wait(5)
            return super().read()

    began = time.monotonic()
    with pytest.raises(Trouble, match=r"has not answered for 0\.2 s: unplug it"):
        measure_sizes(lambda size_wh: webcam(Hanging(FakeClock())), 1.0, limit_s=0.2)
    assert time.monotonic() - began < 3
    hanging.set()


def test_results_and_errors_within_the_limit_are_passed_on():
    good = measure_camera(webcam(Device(FakeClock())), 1.0)
    assert run_with_limit(5.0, lambda: good) == good
    with pytest.raises(Trouble, match="busy"):
        run_with_limit(5.0, lambda: (_ for _ in ()).throw(Trouble("busy")))


def test_a_missing_camera_raises_trouble_with_advice():
    with pytest.raises(Trouble, match=r"camera 97 cannot be opened.*--source demo"):
        frames_of(Webcam(97, CameraSettings(), time.monotonic))


class FailingDevice:
    """A camera that delivers `n` pictures, then fails; stores the values that were set."""

    def __init__(self, n: int):
        self.n, self.values, self.released = n, {}, 0

    def __call__(self, number: int, backend: int):
        return self

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def set(self, name: int, value: float) -> None:
        self.values[name] = value

    def get(self, name: int) -> float:
        return self.values[name]

    def read(self):
        self.n -= 1
        return (True, np.full((480, 640, 3), self.n, np.uint8)) if self.n >= 0 else (False, None)

    def release(self) -> None:
        self.released += 1


def test_a_camera_gets_a_request_for_mjpg_at_640x480_and_each_frame_has_its_time():
    device, clock = FailingDevice(3), FakeClock(50.0)
    frames = []
    with (
        pytest.raises(Trouble, match="camera 0 stopped delivering pictures after 3 frames"),
        Webcam(0, CameraSettings(), clock, device) as camera,
    ):
        for frame in camera:
            frames.append((frame.index, frame.t))
            clock.sleep(0.033)
    assert frames == [(0, 50.0), (1, pytest.approx(50.033)), (2, pytest.approx(50.066))]
    assert device.values[cv2.CAP_PROP_FRAME_WIDTH] == 640
    assert device.values[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    assert device.released == 1
    assert camera.mirror


@pytest.mark.hardware
def test_a_real_camera_gives_frames():
    with Webcam(0, CameraSettings(), time.monotonic) as camera:
        frames = [frame for frame, _ in zip(camera, range(30), strict=False)]
    assert len({frame.t for frame in frames}) == 30


def test_a_measurement_keeps_its_keys_in_json():
    measurement = Measurement(Format("MJPG", 640, 480, 30.0), (640, 360), 14.5)
    said = {"coding": "MJPG", "width": 640, "height": 480, "rate": 30.0}
    assert json_of(measurement) == {"said": said, "size_wh": (640, 360), "rate": 14.5}
