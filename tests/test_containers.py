import functools
import os
import shutil
import threading
from http.server import ThreadingHTTPServer
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from source_fakes import QuietHandler, frames_of, write_film

from realtime.base.errors import Trouble
from realtime.sources.containers import film_stream, protocols_of, translate_errors
from realtime.sources.films import VideoFile
from realtime.sources.streams import NetworkStream, Pipe

PLAYLIST = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile {}\n"


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "film.mp4", [0, 40, 80])


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids such names")
@pytest.mark.parametrize(
    "name",
    [
        "12:30 talk.mp4",
        "http:127.0.0.1:8000?n.mp4",
        "subfile,,start,0,end,0,,:x.mp4",
        "async:x.mp4",
        "concat:a|b.mp4",
        "file:x.mp4",
        "pipe:0",
        "-i.mp4",
        "a%d.mp4",
        "a*.mp4",
        "a#b.mp4",
        os.fsdecode(b"\xff\xfe.mp4"),
    ],
)
def test_a_path_is_a_path_whatever_it_looks_like(tmp_path, monkeypatch, film, name):
    shutil.copy(film, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(frames_of(VideoFile(name))) == 3


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids such names")
def test_a_name_is_no_pattern_of_names(tmp_path):
    for name, brightness in (("a%d.jpg", 50), ("a1.jpg", 200), ("a2.jpg", 200)):
        (tmp_path / name).write_bytes(cv2.imencode(".jpg", np.full((48, 64, 3), brightness, np.uint8))[1].tobytes())
    assert [round(frame.image.mean(), -1) for frame in frames_of(VideoFile(tmp_path / "a%d.jpg"))] == [50]


def test_ffmpeg_is_told_which_protocols_it_may_use(monkeypatch, film):
    """FFmpeg's own defaults are wider, and differ between its versions."""
    allowed, real = [], av.open

    def open_and_note(address, **options):
        allowed.append(options["options"]["protocol_whitelist"])
        return real(film)

    monkeypatch.setattr(av, "open", open_and_note)
    for source in (
        VideoFile(film),
        NetworkStream("http://host/film.mp4", lambda: 0.0),
        Pipe(lambda: 0.0, None),
        Pipe(lambda: 0.0, (64, 48)),
    ):
        with source:
            pass
    assert allowed == ["file", protocols_of("http://host"), "pipe", "pipe"]


@pytest.fixture
def folders(tmp_path):
    """Two folders, each with a film."""
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
        # Long enough for FFmpeg to know it for MPEG-TS.
        write_film(tmp_path / name / "film.ts", [40 * i for i in range(30)])
    return tmp_path


@pytest.mark.parametrize(("text", "name"), [(PLAYLIST, "list.m3u8"), (CONCAT, "list.ffconcat")], ids=["m3u8", "ffconcat"])
def test_a_playlist_plays_films_of_its_own_folder(folders, text, name):
    (folders / "own" / name).write_text(text.format("film.ts"))
    assert len(frames_of(VideoFile(folders / "own" / name))) == 30


@pytest.mark.parametrize("address", ["../other/film.ts", "{folders}/other/film.ts", "file://{folders}/other/film.ts", "{server}/film.ts"])
@pytest.mark.parametrize(("text", "name"), [(PLAYLIST, "list.m3u8"), (CONCAT, "list.ffconcat")], ids=["m3u8", "ffconcat"])
def test_a_playlist_reaches_nothing_else(folders, server, text, name, address):
    (folders / "own" / name).write_text(text.format(address.format(folders=folders, server=server.address)))
    with pytest.raises(Trouble) as caught:
        frames_of(VideoFile(folders / "own" / name))
    assert "\n" not in str(caught.value)
    assert server.requests == []


@pytest.fixture
def server(tmp_path):
    """A server of the folder "other", which keeps the paths that were requested."""
    requests: list[str] = []

    class Counting(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802
            requests.append(self.path)
            super().do_GET()

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Counting, directory=str(tmp_path / "other")))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    server.address, server.requests = f"http://127.0.0.1:{server.server_port}", requests
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.timeout(30)
def test_a_playlist_of_the_network_reads_no_file_of_this_machine(folders, server):
    (folders / "other" / "list.m3u8").write_text(PLAYLIST.format(f"file://{folders}/own/film.ts"))
    with pytest.raises(Trouble):
        frames_of(NetworkStream(f"{server.address}/list.m3u8", lambda: 0.0))
    (folders / "other" / "list.m3u8").write_text(PLAYLIST.format("film.ts"))
    assert len(frames_of(NetworkStream(f"{server.address}/list.m3u8", lambda: 0.0))) == 30


def test_no_address_may_use_files():
    for address in ("http://a/b", "https://a/b", "rtsp://a/b", "rtmp://a/b", "udp://a:1"):
        allowed = protocols_of(address).split(",")
        assert {"tcp", "tls"} <= set(allowed)
        assert not {"file", "pipe", "fd", "concat", "subfile", "data"} & set(allowed)
    assert "rtp" in protocols_of("rtsp://a/b").split(",") and "rtp" not in protocols_of("http://a/b").split(",")


@pytest.mark.timeout(10, method="thread")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
def test_a_pipe_or_a_device_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", "/dev/zero"):
        with pytest.raises(Trouble, match="no regular file"):
            frames_of(VideoFile(path))


NONE, DEFAULT, COVER = Disposition(0), Disposition.default, Disposition.attached_pic


@pytest.mark.parametrize(
    ("dispositions", "expected"),
    [
        ([COVER, NONE], 1),
        ([COVER | DEFAULT, NONE], 1),
        ([COVER | Disposition.timed_thumbnails, DEFAULT], 1),
        ([NONE, DEFAULT], 1),
        ([NONE, NONE], 0),
        ([DEFAULT, DEFAULT], 0),
        ([NONE, DEFAULT, COVER], 1),
    ],
)
def test_the_film_is_the_default_or_first_stream_that_is_no_cover(dispositions, expected):
    video = [SimpleNamespace(type="video", disposition=disposition, codec_context=small()) for disposition in dispositions]
    assert film_stream(SimpleNamespace(streams=Streams(video)), "the film") is video[expected]


def test_a_film_without_any_stream_has_a_sentence_of_its_own():
    with pytest.raises(Trouble, match="the film holds no video; name a source"):
        film_stream(SimpleNamespace(streams=Streams()), "the film")


def test_a_header_that_ffmpeg_does_not_know_is_damage():
    with pytest.raises(Trouble, match="is not a video, or is damaged"), translate_errors("the film"):
        raise av.error.PatchWelcomeError(1, "not yet implemented in ffmpeg, patches welcome")


def small() -> SimpleNamespace:
    """A decoder of small pictures."""
    return SimpleNamespace(width=64, height=48, options={})


class Streams(list):
    """The streams of a container."""

    @property
    def video(self) -> list:
        return [stream for stream in self if stream.type == "video"]


def test_a_stream_without_a_decoder_is_passed_over_or_told():
    unknown = SimpleNamespace(type="video", disposition=DEFAULT, codec_context=None)
    known = SimpleNamespace(type="video", disposition=NONE, codec_context=small())
    assert film_stream(SimpleNamespace(streams=Streams([unknown, known])), "the film") is known
    with pytest.raises(Trouble, match="FFmpeg cannot decode"):
        film_stream(SimpleNamespace(streams=Streams([unknown])), "the film")


def test_a_cover_is_no_film(tmp_path):
    with av.open(str(tmp_path / "cover.mp4"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.disposition = 64, 48, "yuvj420p", COVER
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuvj420p")))
        container.mux(stream.encode(None))
    with pytest.raises(Trouble, match="holds no video, only a cover picture"):
        frames_of(VideoFile(tmp_path / "cover.mp4"))


def test_a_title_in_an_old_encoding_does_not_hide_the_film(tmp_path):
    with av.open(str(tmp_path / "film.avi"), "w") as container:
        container.metadata["title"] = "Caf0"
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuvj420p")))
        container.mux(stream.encode(None))
    path = tmp_path / "film.avi"
    path.write_bytes(path.read_bytes().replace(b"Caf0", b"Caf\xe9"))
    assert len(frames_of(VideoFile(path))) == 1
