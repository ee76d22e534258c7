"""Films of many codecs of sound in many containers: the pictures are whole, the sound is in place, and what is converted is told."""

import av
import pytest
from sound_films import FPS, flash_starts, make_film, tone_starts

from realtime.readings.verify import verify
from realtime.recording.batch import Job, film_setup
from realtime.recording.recording import Recording
from realtime.recording.tracks import COPIED
from realtime.sources.films import VideoFile
from realtime.values import LABELS

CODECS = {
    "aac": {},
    "libmp3lame": {},
    "mp2": {},
    "ac3": {},
    "eac3": {},
    "flac": {},
    "alac": {},
    "pcm_s16le": {},
    "wmav2": {},
    "libopus": {"rate": 48_000},
    "wavpack": {},
    "adpcm_ima_wav": {},
    "pcm_mulaw": {"rate": 8_000},
    "libopencore_amrnb": {"rate": 8_000},
}
COMMON = ("aac", "libmp3lame", "mp2", "ac3", "flac", "alac", "pcm_s16le", "libopus")
CONTAINERS = ("mp4", "mov", "mkv", "ts", "avi", "wmv")


def header() -> dict:
    return {"source": "film", "model": {"name": "m.tflite", "sha256": "00"}, "labels": list(LABELS)}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("codec", CODECS)
def test_every_pair_keeps_its_pictures_and_its_sound(tmp_path, codec, container):
    check(tmp_path / f"film.{container}", codec, tmp_path / "out.mp4")


@pytest.mark.parametrize("out", ["mov", "mkv"])
@pytest.mark.parametrize(("codec", "container"), [(codec, container) for codec in COMMON for container in ("mp4", "mkv", "ts")])
def test_so_it_is_in_other_files(tmp_path, codec, container, out):
    check(tmp_path / f"film.{container}", codec, tmp_path / f"out.{out}")


def check(source, codec, path):
    """Makes a film `source`, records it into `path`, and looks at what became of its sound."""
    messages = []
    try:
        make_film(source, codec, **CODECS[codec])
        with av.open(str(source)) as film:
            name = film.streams.audio[0].codec_context.codec.canonical_name
        starts, flashes = tone_starts(source), flash_starts(source)
        assert starts == pytest.approx(flashes, abs=0.05), "the container loses sound or times"
    except (av.error.FFmpegError, ValueError, IndexError, AttributeError, NotImplementedError, AssertionError) as error:
        pytest.skip(f"FFmpeg here cannot make and read {codec} in {source.suffix} ({type(error).__name__})")
    film = VideoFile(source)
    setup = film_setup(Job(source, path), film, messages.append, lambda: False)
    with film, Recording(path, header, setup) as recording:
        for frame in film:
            recording.write(frame, [])
    problems, content = verify(path)
    assert problems == []
    assert "60 frames" in content
    # As far from the pictures as in the film.
    offsets = [tone - flash for tone, flash in zip(starts, flashes, strict=True)]
    assert [tone - flash for tone, flash in zip(tone_starts(path), flash_starts(path), strict=True)] == pytest.approx(offsets, abs=1 / FPS)
    with av.open(str(path)) as film:
        kept = film.streams.audio[0].codec_context.codec.canonical_name
    if messages:
        assert messages == [f"{source}: its sound is converted from {name} to AAC, which browsers play"]
        assert kept == "aac"
    else:
        assert kept == name
        assert name in COPIED
