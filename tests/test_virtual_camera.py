"""The pictures that a virtual camera gets. The camera itself is a stand-in: it needs a driver in the kernel."""

from types import SimpleNamespace

import numpy as np
import pytest
from output_fakes import a_moment, faces

from realtime.drawing.draw import annotate
from realtime.drawing.words import ENGLISH
from realtime.outputs.virtual_camera import VirtualCameraLink


class FakeLibrary:
    """The part of pyvirtualcam that is used. `error` is raised by the next call."""

    PixelFormat = SimpleNamespace(BGR="BGR")

    def __init__(self, error: RuntimeError | None = None):
        self.error, self.opened, self.pictures, self.closed = error, [], [], 0

    def Camera(self, width, height, fps, fmt):  # noqa: N802
        self._fail()
        self.opened.append((width, height, fps, fmt))
        return SimpleNamespace(width=width, height=height, send=self.send, close=self.close)

    def send(self, picture):
        self._fail()
        self.pictures.append(picture)

    def close(self):
        self.closed += 1

    def _fail(self):
        if self.error:
            raise self.error


def a_picture(width=320, height=240, gray=90):
    return np.full((height, width, 3), gray, np.uint8)


def with_picture(moment, picture):
    from dataclasses import replace

    return replace(moment, image=picture)


def test_the_camera_gets_the_labelled_picture_and_the_frame_stays_clean():
    library, picture = FakeLibrary(), a_picture()
    link = VirtualCameraLink(library, ENGLISH)
    moment = with_picture(a_moment(0, *faces("happiness")), picture)
    link.send(moment)
    assert library.opened == [(320, 240, 30.0, "BGR")]
    assert np.array_equal(library.pictures[0], annotate(a_picture(), list(moment.readings)))
    assert not np.array_equal(library.pictures[0], picture) and (picture == 90).all()
    link.close()
    link.close()
    assert library.closed == 1


def test_pictures_of_another_size_are_fitted_and_odd_sizes_become_even():
    library = FakeLibrary()
    link = VirtualCameraLink(library, ENGLISH)
    for width, height in ((321, 241), (640, 240)):
        link.send(with_picture(a_moment(), a_picture(width, height)))
    assert library.opened == [(320, 240, 30.0, "BGR")]
    assert [picture.shape for picture in library.pictures] == [(240, 320, 3)] * 2
    assert (library.pictures[1][:50] == 0).all() and (library.pictures[1][120] == 90).all()


def test_a_missing_device_is_an_error_that_says_where_help_is():
    said = "'v4l2loopback' backend: No device found at /dev/video[0-99]. Did you run 'modprobe v4l2loopback'? See also more.\nmore"
    link = VirtualCameraLink(FakeLibrary(RuntimeError(said)), ENGLISH)
    with pytest.raises(OSError) as caught:
        link.send(with_picture(a_moment(), a_picture()))
    assert str(caught.value) == "'v4l2loopback' backend: No device found at /dev/video[0-99]; docs/outputs.md says what it needs"


def test_a_device_that_goes_is_opened_anew():
    library = FakeLibrary()
    link = VirtualCameraLink(library, ENGLISH)
    link.send(with_picture(a_moment(), a_picture()))
    library.error = RuntimeError("device is gone")
    with pytest.raises(OSError, match="device is gone"):
        link.send(with_picture(a_moment(), a_picture()))
    link.close()
    library.error = None
    link.send(with_picture(a_moment(), a_picture()))
    assert len(library.opened) == 2


def test_the_real_library_has_what_is_used():
    library = pytest.importorskip("pyvirtualcam")
    with pytest.raises((RuntimeError, TypeError)) as caught:
        library.Camera(width=320, height=240, fps=30.0, fmt=library.PixelFormat.BGR, device="/dev/null")
    assert isinstance(caught.value, RuntimeError)
