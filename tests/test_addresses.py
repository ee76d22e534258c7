"""No part of a password is left of an address, however it is written."""

import pytest
from command_line import call

from realtime.base.addresses import hide_secrets, is_broken_address, without_secrets
from realtime.base.errors import Trouble
from realtime.sources.opening import film_path
from realtime.sources.switching import SourceSwitch


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://host:554/stream", "rtsp://host:554/stream"),
        ("http://[fe80::1]:80/a.mjpg", "http://[fe80::1]:80/a.mjpg"),
        ("rtsp://admin:secret@host:554/stream", "rtsp://host:554/stream"),
        ("rtsp://admin:se/cret@host/stream", "rtsp://host/stream"),
        ("rtsp://admin:se@cret@host/stream", "rtsp://host/stream"),
        ("rtsp://admin:12/se@cret@host/stream", "rtsp://host/stream"),
        ("rtsp://admin:se?cret@host/stream", "rtsp://..."),
        ("rtsp://admin:se#cret@host/stream", "rtsp://..."),
        ("rtsp://secret@host", "rtsp://host"),
        ("rtsp://admin:se cret\u2100@host/stream", "rtsp://host/stream"),
        ("rtsp://admin%3Asecret%40host/stream", "rtsp://host/stream"),
        ("rtsp://admin%3Asecret%2540host/stream", "rtsp://host/stream"),
        ("http://host/video?user=admin&password=secret", "http://host/video"),
        ("http://host/video?size=2&token=secret#secret", "http://host/video"),
        ("http://host/video%3Fpassword%3Dsecret", "http://host/video"),
        ("http://host/video?password=a@secret", "http://..."),
        ("rtsp://host/user=admin&password=secret&channel=1/0.sdp", "rtsp://host/.../0.sdp"),
        ("rtsp://host/user%3dadmin_password%3dsecret_channel=1", "rtsp://host/..."),
        ("http://host/a;token=secret/b", "http://host/.../b"),
        ("clip@home.mp4", "clip@home.mp4"),
    ],
)
def test_nothing_secret_is_left_of_an_address(address, shown):
    assert without_secrets(address) == shown


@pytest.mark.parametrize("text", ["admin:secret@host/stream", "http:/admin:secret@host/x", "http:host/x?token=secret", "rtsp:/host"])
def test_an_address_without_its_protocol_is_not_repeated(text):
    assert is_broken_address(text)
    with pytest.raises(Trouble, match="write rtsp://USER:PASSWORD@HOST/PATH") as caught:
        film_path(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["a@b.mp4", "12:30 talk.mp4", "C:\\films\\a.mp4", "rtsp://a:b@host/x"])
def test_what_is_no_broken_address(text):
    assert not is_broken_address(text)


def test_arguments_of_the_command_line_are_hidden():
    arguments = ["live", "--source=rtsp://a:secret@host/x", "http://a:secret@host/y", "b:secret@host"]
    line = "No such command 'http://a:secret@host/y' (rtsp://a:secret@host/x) b:secret@host"
    assert hide_secrets(line, arguments) == "No such command 'http://host/y' (rtsp://host/x) ..."


PASSWORD, QUERY = "rtsp://admin:se/cret@127.0.0.1:9/x", "http://127.0.0.1:9/x?token=secret"


@pytest.mark.parametrize(
    ("address", "arguments"),
    [
        (PASSWORD, ["{}"]),
        (PASSWORD, ["live", "{}"]),
        (PASSWORD, ["live", "--seconds", "{}"]),
        (QUERY, ["live", "--record", "{}"]),
        (PASSWORD, ["live", "--no-window", "--source", "{}"]),
        (QUERY, ["live", "--no-window", "--source", "{}"]),
        (PASSWORD, ["record", "{}", "{}"]),
        (PASSWORD, ["record", "{}", "out.mp4"]),
        (QUERY, ["record", "{}", "--out-dir", "out"]),
        (PASSWORD, ["bench", "--source", "{}"]),
        (QUERY, ["image", "{}"]),
        (PASSWORD, ["verify", "{}"]),
        (QUERY, ["report", "{}"]),
        (PASSWORD, ["study", "{}", "--out-dir", "out"]),
    ],
)
def test_no_command_prints_a_password(arguments, address, tmp_path):
    # So wide that no message is wrapped.
    done = call(*(argument.format(address) for argument in arguments), cwd=tmp_path, COLUMNS="500")
    assert done.returncode
    assert done.stdout + done.stderr
    assert "secret" not in done.stdout + done.stderr
    assert "cret" not in (done.stdout + done.stderr).replace("secrets", "")


def test_a_page_is_offered_cameras_without_passwords():
    opened = []

    class Camera:
        name, mirror, delivery, expected = "camera", False, None, None

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    def make(text):
        opened.append(text)
        return Camera()

    switch = SourceSwitch(make, ["rtsp://a:secret@host/x"], list, lambda message: None)
    with switch:
        assert switch.current == "rtsp://host/x"
        assert str(switch.choose("rtsp://b:secret@host/y")) == "opening rtsp://host/y"
    assert opened[:2] == ["rtsp://a:secret@host/x"] * 2
