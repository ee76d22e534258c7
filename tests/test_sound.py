import time
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from realtime.base.errors import Trouble
from realtime.config import RecorderSettings
from realtime.recording.sound import FilmSound, Microphone, MicrophoneSound
from realtime.recording.video import VideoWriter
from realtime.sources.films import VideoFile

RATE, FPS = 44_100, 30
FLASHES_S = (0.5, 1.2, 1.7)


def make_film(path, codec="aac", late_s=0.0, seconds=2.0, form=None):
    """A film whose picture flashes for a tenth of a second while a tone sounds; its pictures begin `late_s` after its sound, or before it
    where that is negative."""
    with av.open(str(path), "w", format=form) as film:
        video = film.add_stream("libx264", rate=FPS, options={"crf": "18", "bf": "0"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 90_000)
        audio = film.add_stream(codec, rate=RATE, layout="mono")
        for i in range(round(seconds * FPS)):
            t = max(late_s, 0) + i / FPS
            lit = any(flash <= t < flash + 0.1 for flash in FLASHES_S)
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 250 if lit else 5, np.uint8), format="bgr24")
            picture.pts, picture.time_base = round(t * 90_000), Fraction(1, 90_000)
            film.mux(video.encode(picture))
        t = np.arange(round(max(-late_s, 0) * RATE), round((max(late_s, 0) + seconds) * RATE)) / RATE
        tone = np.sin(t * 2 * np.pi * 1000) * 0.8 * np.any([(t >= flash) & (t < flash + 0.1) for flash in FLASHES_S], axis=0)
        queue = av.AudioFifo()
        samples = av.AudioFrame.from_ndarray((tone * 32767).astype(np.int16)[None], format="s16", layout="mono")
        samples.rate, samples.pts = RATE, 0
        queue.write(samples)
        even = av.AudioResampler(format=audio.codec_context.format, layout="mono", rate=RATE)
        at = round(t[0] * RATE)
        while chunk := queue.read(1024, partial=True):
            for one in even.resample(chunk):
                one.pts, one.time_base = at, Fraction(1, RATE)
                at += one.samples
                film.mux(audio.encode(one))
        film.mux(video.encode(None))
        film.mux(audio.encode(None))


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


def packets(path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as film:
        return [(float(p.pts * p.time_base), bytes(p)) for p in film.demux(audio=0) if p.size]


def tone_starts(path) -> list[float]:
    """When the tones begin: the first samples of more than half of full loudness after a silence."""
    with av.open(str(path)) as film:
        times, loud = [], []
        for frame in film.decode(audio=0):
            samples = frame.to_ndarray()[0]
            times.append(frame.time + np.arange(len(samples)) / frame.sample_rate)
            loud.append(np.abs(samples.astype(float)) > (0.4 if samples.dtype.kind == "f" else 13_000))
    starts = np.concatenate(times)[np.concatenate(loud)]
    return [starts[0], *(after for before, after in pairwise(starts) if after - before > 0.05)]


def flash_starts(path) -> list[float]:
    """When the flashes begin."""
    with av.open(str(path)) as film:
        light = [(frame.time, frame.to_ndarray(format="gray").mean() > 128) for frame in film.decode(video=0)]
    return [t for (_, before), (t, now) in pairwise(light) if now and not before]


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


def test_sound_that_mp4_cannot_hold_is_left_out_with_a_message(tmp_path):
    make_film(tmp_path / "film.mov", "adpcm_ima_qt")
    messages = []
    copy(tmp_path / "film.mov", tmp_path / "out.mp4", messages)
    assert len(messages) == 1
    assert "without sound: MP4 cannot hold adpcm_ima_qt" in messages[0]
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert not film.streams.audio
        assert sum(1 for _ in film.decode(video=0)) == 60


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


def test_a_microphone_that_gives_nothing_does_not_hold_back_the_pictures(tmp_path):
    writer = VideoWriter(tmp_path / "out.mp4", RecorderSettings(), sound=MicrophoneSound(SilentMicrophone()))
    for i in range(60):
        writer.write(np.full((48, 64, 3), i, np.uint8), i / 30)
        # FFmpeg waits 0.1 s for the sound.
        if i >= 5:
            (tmp_path / "killed.mp4").write_bytes((tmp_path / "out.mp4").read_bytes())
            with av.open(str(tmp_path / "killed.mp4")) as killed:
                assert [frame.time for frame in killed.decode(video=0)][-1] >= i / 30 - 0.5, i
    writer.close()
    with av.open(str(tmp_path / "out.mp4")) as film:
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
