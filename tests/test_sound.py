import time
from itertools import pairwise

import av
import numpy as np
import pytest
from sound_films import FLASHES_S, FPS, RATE, flash_starts, make_film, packets, tone_starts

from realtime.base.errors import Trouble
from realtime.config import RecorderSettings
from realtime.recording.microphone import Microphone, MicrophoneSound
from realtime.recording.sound import FilmSound
from realtime.recording.video import VideoWriter
from realtime.sources.films import VideoFile

SUFFIXES = {"mp4": "mp4", "mov": "mov", "matroska": "mkv"}


def copy(source, out, messages=None, frames=None, **options):
    """Records a film as it is."""
    messages = [] if messages is None else messages
    writer = VideoWriter(out, RecorderSettings(), sound=FilmSound(source, messages.append, **options))
    with VideoFile(source) as film:
        first = None
        for frame in film:
            first = frame.t if first is None else first
            if frames is None or frame.index < frames:
                writer.write(frame.image, frame.t - first, first)
    writer.close(cut=frames is not None)


@pytest.mark.parametrize(
    ("name", "codec", "late_s"),
    [
        ("film.mp4", "aac", 0.0),
        ("film.mp4", "aac", 0.3),
        ("film.mkv", "aac", 0.3),
        ("film.mkv", "libmp3lame", 0.0),
        ("film.mov", "aac", 0.25),
    ],
)
def test_a_films_sound_is_copied_bit_for_bit_and_stays_with_its_pictures(tmp_path, name, codec, late_s):
    make_film(tmp_path / name, codec, late_s)
    copy(tmp_path / name, tmp_path / "out.mp4")
    before, after = packets(tmp_path / name), packets(tmp_path / "out.mp4")
    assert [content for _, content in after] == [content for _, content in before]
    assert [t for t, _ in after] == pytest.approx([t - late_s for t, _ in before], abs=2e-3)
    tones, flashes = tone_starts(tmp_path / "out.mp4"), flash_starts(tmp_path / "out.mp4")
    assert len(tones) == len(flashes) == 3
    assert flashes == pytest.approx([flash - late_s for flash in FLASHES_S], abs=1.5 / FPS)
    assert tones == pytest.approx(flashes, abs=1 / FPS)


def test_the_sound_of_a_part_is_as_long_as_the_part(tmp_path):
    make_film(tmp_path / "film.mp4")
    copy(tmp_path / "film.mp4", tmp_path / "cut.mp4", frames=30)
    copy(tmp_path / "film.mp4", tmp_path / "half.mp4", seconds=0.5)
    assert packets(tmp_path / "cut.mp4")[-1][0] == pytest.approx(1.0, abs=0.03)
    assert packets(tmp_path / "half.mp4")[-1][0] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("film.mov", "adpcm_ima_qt"), ("film.mkv", "ac3"), ("film.mkv", "pcm_s16le"), ("film.mkv", "wavpack"), ("film.mov", "alac")],
)
def test_sound_that_browsers_do_not_play_becomes_aac_with_a_message(tmp_path, name, codec):
    make_film(tmp_path / name, codec)
    messages = []
    copy(tmp_path / name, tmp_path / "out.mp4", messages)
    assert len(messages) == 1
    assert f"its sound is converted from {codec} to AAC" in messages[0]
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert film.streams.audio[0].codec_context.name == "aac"
        assert sum(1 for _ in film.decode(video=0)) == 60
    assert tone_starts(tmp_path / "out.mp4") == pytest.approx(flash_starts(tmp_path / "out.mp4"), abs=1 / FPS)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
@pytest.mark.parametrize("late_s", [0.3, 0.0, -0.05, -0.8])
def test_matroska_keeps_pictures_and_sound_in_place(tmp_path, codec, late_s):
    make_film(tmp_path / "film.mkv", codec, late_s)
    copy(tmp_path / "film.mkv", tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as film:
        times = [frame.time for frame in film.decode(video=0)]
    assert times == pytest.approx([i / FPS for i in range(60)], abs=1e-3)
    tones, flashes = tone_starts(tmp_path / "out.mkv"), [t for t in flash_starts(tmp_path / "out.mkv") if t > -late_s]
    assert len(flashes) >= 2
    assert tones == pytest.approx(flashes, abs=1 / FPS)


@pytest.mark.parametrize("form", ["mp4", "mov", "matroska"])
def test_aac_of_a_broadcast_is_copied_without_its_headers(tmp_path, form):
    make_film(tmp_path / "film.ts")
    messages = []
    copy(tmp_path / "film.ts", tmp_path / f"out.{SUFFIXES[form]}", messages)
    assert messages == []
    before, after = packets(tmp_path / "film.ts"), packets(tmp_path / f"out.{SUFFIXES[form]}")
    # A header without a checksum has 7 bytes.
    with av.open(str(tmp_path / "film.ts")) as film:
        first_s = next(film.decode(video=0)).time
    # Matroska has no times before the first picture.
    before = [(t - first_s, content[7:]) for t, content in before if form != "matroska" or t > first_s - 1e-3]
    assert [content for _, content in after] == [content for _, content in before]
    assert [t for t, _ in after] == pytest.approx([t for t, _ in before], abs=1e-3)
    assert len(tone_starts(tmp_path / f"out.{SUFFIXES[form]}")) == 3


@pytest.mark.parametrize("codec", ["aac", "mp2"])
@pytest.mark.parametrize("ahead_s", [0, 100], ids=["goes back", "jumps ahead"])
def test_where_clips_were_glued_together_sound_stays_with_the_pictures(tmp_path, ahead_s, codec):
    make_film(tmp_path / "film.ts", codec)
    with av.open(str(tmp_path / "film.ts")) as film, av.open(str(tmp_path / "later.ts"), "w") as later:
        streams = {stream.index: later.add_stream_from_template(stream) for stream in film.streams}
        for packet in film.demux():
            if packet.size:
                packet.pts, packet.dts = ((ticks or 0) + round(ahead_s / packet.time_base) for ticks in (packet.pts, packet.dts))
                packet.stream = streams[packet.stream_index]
                later.mux(packet)
    (tmp_path / "glued.ts").write_bytes((tmp_path / "film.ts").read_bytes() + (tmp_path / "later.ts").read_bytes())
    copy(tmp_path / "glued.ts", tmp_path / "out.mp4")
    tones, flashes = tone_starts(tmp_path / "out.mp4"), flash_starts(tmp_path / "out.mp4")
    assert len(flashes) == 6
    assert tones == pytest.approx(flashes, abs=1 / FPS)


def two_tracks(path, codecs, default=0):
    """A film with several tracks of sound: each a tone of another pitch; one is the default."""
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        tracks = [film.add_stream(codec, rate=RATE, layout="mono") for codec in codecs]
        for i, track in enumerate(tracks):
            track.disposition = av.stream.Disposition.default if i == default else av.stream.Disposition(0)
        for _ in range(FPS):
            film.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="bgr24")))
        film.mux(video.encode(None))
        for i, track in enumerate(tracks):
            tone = np.sin(np.arange(RATE) / RATE * 2 * np.pi * 500 * (i + 1)) * 0.8
            samples = av.AudioFrame.from_ndarray((tone * 32767).astype(np.int16)[None], format="s16", layout="mono")
            samples.rate, samples.pts = RATE, 0
            film.mux(track.encode(samples))
            film.mux(track.encode(None))


def pitch(path) -> float:
    """Hertz of a film's first track."""
    with av.open(str(path)) as film:
        rate = film.streams.audio[0].rate
        samples = np.concatenate([frame.to_ndarray()[0] for frame in film.decode(audio=0)])
    return float(np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples))


@pytest.mark.parametrize(
    ("codecs", "default", "number", "hertz", "message"),
    [
        (("aac", "aac"), 1, None, 1000, "left out: track 1 of sound (aac); --audio N"),
        (("aac", "aac"), 0, 2, 1000, "left out: track 1 of sound (aac); --audio N"),
        (("ac3", "aac"), 0, None, 500, "its sound is converted from ac3 to AAC, which browsers play; left out: track 2 of sound (aac)"),
        (("aac", "aac"), 0, 7, 500, "it has no track 7 of sound; left out: track 2"),
    ],
)
def test_the_default_track_is_recorded_or_the_one_that_is_named(tmp_path, codecs, default, number, hertz, message):
    two_tracks(tmp_path / "film.mkv", codecs, default)
    messages = []
    copy(tmp_path / "film.mkv", tmp_path / "out.mp4", messages, number=number)
    assert len(messages) == 1
    assert message in messages[0]
    assert pitch(tmp_path / "out.mp4") == pytest.approx(hertz, abs=20)


def test_a_track_without_a_decoder_gives_way_to_the_next(tmp_path):
    two_tracks(tmp_path / "film.mov", ("alac", "aac"))
    content = (tmp_path / "film.mov").read_bytes()
    (tmp_path / "film.mov").write_bytes(content.replace(b"alac", b"zzzz"))
    messages = []
    copy(tmp_path / "film.mov", tmp_path / "out.mp4", messages)
    assert len(messages) == 1
    assert "its sound (an unknown codec) cannot be decoded" in messages[0]
    assert pitch(tmp_path / "out.mp4") == pytest.approx(1000, abs=20)


def test_sound_that_nothing_decodes_leaves_the_pictures(tmp_path):
    make_film(tmp_path / "film.mov", "alac")
    (tmp_path / "film.mov").write_bytes((tmp_path / "film.mov").read_bytes().replace(b"alac", b"zzzz"))
    messages = []
    copy(tmp_path / "film.mov", tmp_path / "out.mp4", messages)
    assert len(messages) == 1
    assert "is recorded without sound: its sound (an unknown codec) cannot be decoded" in messages[0]
    assert len(flash_starts(tmp_path / "out.mp4")) == 3


def spoil(path, which, how):
    """Changes the content of some packets of a film's sound where they lie in the file."""
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as film:
        places = [(packet.pos, packet.size) for packet in film.demux(audio=0) if packet.size]
    for i in which:
        at, size = places[i]
        content[at : at + size] = how(size)
    path.write_bytes(content)


@pytest.mark.parametrize(("name", "codec"), [("film.mov", "alac"), ("film.mp4", "ac3"), ("film.mp4", "aac"), ("film.mp4", "libmp3lame")])
def test_damaged_sound_costs_no_picture(tmp_path, name, codec):
    make_film(tmp_path / name, codec)
    draw = np.random.default_rng(4)
    # Among them the beginnings of headers, which the muxer refuses.
    spoil(tmp_path / name, range(5, 15), lambda size: (b"\xff\xf1" + draw.bytes(size))[:size])
    messages = []
    copy(tmp_path / name, tmp_path / "out.mp4", messages)
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 60
        assert film.streams.audio
    assert packets(tmp_path / "out.mp4")[-1][0] > 1.8
    assert (codec != "alac") == any("parts of its sound are missing: " in message for message in messages)


def test_sound_of_the_far_future_goes_on_where_it_was(tmp_path):
    make_film(tmp_path / "film.mkv")
    with av.open(str(tmp_path / "film.mkv")) as film, av.open(str(tmp_path / "odd.mkv"), "w") as odd:
        streams = [odd.add_stream_from_template(stream) for stream in film.streams]
        for packet in film.demux():
            if packet.size:
                index = packet.stream_index
                if index == 1 and packet.pts > 800:
                    packet.pts = packet.dts = packet.pts + 500_000
                packet.stream = streams[index]
                odd.mux(packet)
    copy(tmp_path / "odd.mkv", tmp_path / "out.mp4")
    assert tone_starts(tmp_path / "out.mp4") == pytest.approx(flash_starts(tmp_path / "out.mp4"), abs=1 / FPS)


def test_packets_whose_times_repeat_are_told(tmp_path):
    make_film(tmp_path / "film.mkv")
    with av.open(str(tmp_path / "film.mkv")) as film, av.open(str(tmp_path / "odd.mkv"), "w") as odd:
        streams = [odd.add_stream_from_template(stream) for stream in film.streams]
        for packet in film.demux():
            if packet.size:
                index = packet.stream_index
                if index == 1 and 1700 < packet.pts < 1990:
                    packet.pts = packet.dts = 1700
                packet.stream = streams[index]
                odd.mux(packet)
    messages = []
    copy(tmp_path / "odd.mkv", tmp_path / "out.mp4", messages)
    assert len(messages) == 1
    assert "parts of its sound are missing: 0.3 s that overlap" in messages[0]


class Fails:
    """A sound that fails in one of its calls."""

    def __init__(self, where):
        self.where, self.closed = where, False

    def begin(self, container, t):
        self.stream = container.add_stream("aac", rate=48_000)
        self.fail("begin")

    def until(self, elapsed_s):
        if elapsed_s > 0.5:
            self.fail("until")
        return []

    def rest(self, elapsed_s, cut):
        self.fail("rest")
        return []

    def fail(self, where):
        if where == self.where:
            raise RuntimeError("no sound today")

    def close(self):
        self.closed = True


@pytest.mark.parametrize("where", ["begin", "until", "rest"])
def test_sound_that_fails_never_costs_a_picture(tmp_path, where):
    messages, sound = [], Fails(where)
    writer = VideoWriter(tmp_path / "out.mp4", RecorderSettings(), sound=sound, tell=messages.append)
    for i in range(30):
        writer.write(np.full((48, 64, 3), 5 * i, np.uint8), i / 30)
    writer.close()
    assert len(messages) == 1
    assert "the sound breaks off" in messages[0]
    assert "no sound today" in messages[0]
    assert sound.closed
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert [frame.time for frame in film.decode(video=0)] == pytest.approx([i / 30 for i in range(30)], abs=1e-3)


@pytest.mark.parametrize("late_s", [0.3, 0.0, -0.05, -0.8])
def test_what_a_kill_leaves_plays_from_the_second_frame_on_and_has_its_sound_in_place(tmp_path, late_s):
    make_film(tmp_path / "film.mp4", late_s=late_s)
    writer = VideoWriter(tmp_path / "out.mp4", RecorderSettings(), sound=FilmSound(tmp_path / "film.mp4", print))
    with VideoFile(tmp_path / "film.mp4") as film:
        first = None
        for frame in film:
            first = frame.t if first is None else first
            writer.write(frame.image, frame.t - first, first)
            # Sound that begins with a frame or two is waited for.
            if frame.index >= 3:
                (tmp_path / "killed.mp4").write_bytes((tmp_path / "out.mp4").read_bytes())
                with av.open(str(tmp_path / "killed.mp4")) as killed:
                    assert sum(1 for _ in killed.decode(video=0)) >= 1
    writer.close()
    for name in ("killed.mp4", "out.mp4"):
        tones, flashes = tone_starts(tmp_path / name), [t for t in flash_starts(tmp_path / name) if t > -late_s]
        assert len(flashes) >= 2
        assert tones == pytest.approx(flashes, abs=1 / FPS)


def test_sound_that_begins_after_the_recorded_part_is_left_out(tmp_path):
    make_film(tmp_path / "film.mp4", late_s=-0.8)
    copy(tmp_path / "film.mp4", tmp_path / "out.mp4", seconds=0.5)
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert not film.streams.audio
        assert sum(1 for _ in film.decode(video=0)) == 60


class SilentMicrophone:
    """A microphone that is open and gives nothing."""

    rate = 48_000

    def frames(self) -> list:
        return []


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_a_microphone_that_gives_nothing_does_not_hold_back_the_pictures(tmp_path, suffix):
    out, copied = tmp_path / f"out.{suffix}", tmp_path / f"killed.{suffix}"
    writer = VideoWriter(out, RecorderSettings(), sound=MicrophoneSound(SilentMicrophone()))
    for i in range(60):
        writer.write(np.full((48, 64, 3), i, np.uint8), i / 30)
        # FFmpeg waits 0.1 s for the sound, and a cluster of Matroska takes 0.2 s.
        if i >= 12:
            copied.write_bytes(out.read_bytes())
            with av.open(str(copied)) as killed:
                assert [frame.time for frame in killed.decode(video=0)][-1] >= i / 30 - 0.5, i
    writer.close()
    with av.open(str(out)) as film:
        assert [frame.time for frame in film.decode(video=0)] == pytest.approx([i / 30 for i in range(60)], abs=1e-3)


@pytest.fixture
def microphone():
    """FFmpeg's tone generator at the world's pace, where a sound card would be."""
    microphone = Microphone("sine=frequency=1000:sample_rate=48000,arealtime", time.monotonic, (("lavfi", ""),))
    microphone.open()
    yield microphone
    microphone.close()


def test_a_microphone_is_recorded_on_the_clock_of_the_pictures(tmp_path, microphone):
    writer = VideoWriter(tmp_path / "out.mp4", RecorderSettings(), sound=MicrophoneSound(microphone))
    # What is heard before the recording does not belong to it.
    time.sleep(0.3)
    start = time.monotonic()
    for i in range(9):
        time.sleep(max(0.0, start + i * 0.1 - time.monotonic()))
        writer.write(np.full((48, 64, 3), 10 * i, np.uint8), i * 0.1, start)
    writer.close()
    times = [t for t, _ in packets(tmp_path / "out.mp4")]
    assert times[0] == pytest.approx(0, abs=0.15)
    assert times[-1] == pytest.approx(0.8, abs=0.2)
    assert all(0.015 < after - before < 0.03 for before, after in pairwise(times))
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert film.streams.audio[0].codec_context.name == "aac"
        assert [frame.time for frame in film.decode(video=0)] == pytest.approx([i * 0.1 for i in range(9)], abs=1e-3)


def test_no_microphone_is_one_line_that_says_what_was_tried():
    with pytest.raises(Trouble, match=r"no microphone can be opened \(alsa nowhere: .*\): recording without sound"):
        Microphone("nowhere", time.monotonic, (("alsa", "default"),)).open()
