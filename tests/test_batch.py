import json
import os
import re
import shutil
import sys
import time
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import pairwise

import av
import numpy as np
import pytest
from conftest import DATA

from realtime.base.errors import Trouble
from realtime.config import Choices
from realtime.readings.verify import verify
from realtime.recording import batch
from realtime.recording.batch import Job, in_the_way, is_done, record_all, record_film, unfinished_files
from realtime.recording.unfinished import UnfinishedWork
from realtime.sources.films import DEMO
from realtime.sources.photos import Photo


def make_film(path, size_wh=(64, 48), frames=8, pix_fmt="yuv420p", codec="libx264", times=None, rotation=0, images=None):
    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate=30)
        stream.width, stream.height = size_wh
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 90_000)
        if codec == "libx264":
            stream.options = {"bf": "0"}
        if rotation:
            stream.set_display_rotation(rotation)
        for i in range(frames):
            image = np.full((size_wh[1], size_wh[0], 3), 20 * i, np.uint8) if images is None else images[i % len(images)]
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            picture.pts, picture.time_base = round((i / 30 if times is None else times[i]) * 90_000), Fraction(1, 90_000)
            film.mux(stream.encode(picture))
        film.mux(stream.encode(None))
    return path


def times_of(path) -> list[float]:
    with av.open(str(path)) as film:
        return [frame.time for frame in film.decode(video=0)]


def lines_of(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def record(film, out, **choices) -> int:
    return record_film(Job(film, out, choices=Choices(**choices)), lambda line: None, lambda *progress: None, lambda: False)


def small_face() -> np.ndarray:
    with Photo(DATA / "obama.jpg") as photo:
        image = next(iter(photo)).image
    return image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]


@pytest.mark.parametrize(
    ("name", "properties", "frames"),
    [
        ("tiny.mp4", {"size_wh": (2, 2)}, 8),
        ("row.mkv", {"size_wh": (1, 1), "codec": "ffv1", "pix_fmt": "bgr0"}, 8),
        ("wide.mkv", {"size_wh": (7681, 3), "codec": "ffv1", "pix_fmt": "bgr0", "frames": 2}, 2),
        ("deep.mp4", {"pix_fmt": "yuv420p10le"}, 8),
        ("full.mp4", {"pix_fmt": "yuv444p"}, 8),
        ("gray.mkv", {"codec": "ffv1", "pix_fmt": "gray"}, 8),
        ("uneven.mp4", {"times": [0, 0.05, 0.2, 0.21, 0.5, 1.5, 1.55, 9.0]}, 8),
        ("late.mp4", {"times": [3 + i / 30 for i in range(8)]}, 8),
        ("wrong_name.txt", {}, 8),
    ],
)
def test_odd_films_are_recorded_whole(tmp_path, name, properties, frames):
    film = make_film(tmp_path / "film.mp4" if name.endswith("txt") else tmp_path / name, **properties)
    if name.endswith("txt"):
        film = film.rename(tmp_path / name)
    assert record(film, tmp_path / "out.mp4") == frames
    film_times = times_of(film)
    times = times_of(tmp_path / "out.mp4")
    assert times == pytest.approx([t - film_times[0] for t in film_times], abs=1.5e-3)
    assert [line["t"] for line in lines_of(tmp_path / "out.jsonl")[1:]] == pytest.approx(times, abs=1e-3)
    # Nothing is left of the unfinished files.
    assert {path.name for path in tmp_path.iterdir()} == {name, "out.mp4", "out.jsonl"}


@pytest.mark.parametrize("angle", [90, 180, -90])
def test_a_film_that_is_rotated_by_its_metadata_comes_out_upright(tmp_path, angle):
    face = small_face()
    stored = np.rot90(face, -angle // 90)
    film = make_film(tmp_path / "film.mp4", (stored.shape[1], stored.shape[0]), 4, rotation=angle, images=[stored])
    record(film, tmp_path / "out.mp4")
    head, first, *_ = lines_of(tmp_path / "out.jsonl")
    assert (head["width"], head["height"]) == (face.shape[1], face.shape[0])
    assert [one["label"] for one in first["faces"]] == ["happiness"]


def test_time_stamps_that_repeat_give_every_frame(tmp_path):
    film = make_film(tmp_path / "film.mkv", times=[i / 10 for i in range(8)])
    content = film.read_bytes()
    # No muxer writes such times. A block of Matroska says: track 1, its time in ms as 16 bits, flags.
    for ms, instead in ((200, 100), (300, 100), (600, 500)):
        for flags in (b"\x00", b"\x80"):
            content = content.replace(b"\x81" + ms.to_bytes(2, "big") + flags, b"\x81" + instead.to_bytes(2, "big") + flags)
    film.write_bytes(content)
    assert times_of(film) == [0, 0.1, 0.1, 0.1, 0.4, 0.5, 0.5, 0.7]
    assert record(film, tmp_path / "out.mp4") == 8
    times = times_of(tmp_path / "out.mp4")
    assert len(times) == 8
    assert all(after > before for before, after in pairwise(times))
    assert times[4] == pytest.approx(0.4, abs=0.05)
    assert [line["t"] for line in lines_of(tmp_path / "out.jsonl")[1:]] == pytest.approx(times, abs=1e-3)


def broken_files(folder):
    """Files that cannot be recorded, by name, with the message about each."""
    film = make_film(
        folder / "whole.mp4", (320, 240), 60, images=list(np.random.default_rng(0).integers(0, 255, (10, 240, 320, 3), np.uint8))
    )
    content = film.read_bytes()
    with av.open(str(folder / "sound.mp4"), "w") as sound:
        stream = sound.add_stream("aac", rate=44_100, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        samples.rate = 44_100
        sound.mux(stream.encode(samples))
        sound.mux(stream.encode(None))
    shutil.copy(DATA / "README.md", folder / "text.mp4")
    (folder / "zero.mp4").write_bytes(b"")
    (folder / "zeros.mp4").write_bytes(bytes(5000))
    (folder / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(5000))
    (folder / "folder.mp4").mkdir()
    for share in (1, 10, 50, 90, 99):
        (folder / f"cut_{share}.mp4").write_bytes(content[: len(content) * share // 100])
    damaged = ("text.mp4", "zero.mp4", "zeros.mp4", "noise.mp4", "cut_1.mp4", "cut_50.mp4", "cut_99.mp4")
    return {
        "sound.mp4": "holds no video, only audio",
        "folder.mp4": "is a folder",
        "gone.mp4": "there is no such file",
        **dict.fromkeys(damaged, "is not a video, or is damaged"),
    }


def test_broken_films_are_one_line_and_leave_nothing_half(tmp_path):
    for name, message in broken_files(tmp_path).items():
        with pytest.raises(Trouble, match=message) as caught:
            record(tmp_path / name, tmp_path / "out.mp4")
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)
        assert not list(tmp_path.glob("out*"))


NOISE = list(np.random.default_rng(0).integers(0, 255, (10, 96, 128, 3), np.uint8))


def tell_all(film, out) -> tuple[list[str], list[dict]]:
    """Records a film; returns what was told and the lines of the readings without the header."""
    told: list[str] = []
    try:
        record_film(Job(film, out), told.append, lambda *progress: None, lambda: False)
    except Trouble as trouble:
        told.append(str(trouble))
    return told, lines_of(out.with_suffix(".jsonl"))[1:]


def test_a_film_that_lacks_a_part_is_recorded_without_it_and_told(tmp_path):
    content = make_film(tmp_path / "film.mp4", (128, 96), 60, images=NOISE).read_bytes()
    (tmp_path / "film.mp4").write_bytes(content[:50_000] + bytes(100_000) + content[150_000:])
    told, lines = tell_all(tmp_path / "film.mp4", tmp_path / "out.mp4")
    end = lines.pop()
    assert 20 < len(lines) == len(times_of(tmp_path / "out.mp4")) == 60 - end["lost"] == end["frames"]
    assert [f"{end['lost']} pictures could not be decoded" in line for line in told] == [True]
    assert is_done(Job(tmp_path / "film.mp4", tmp_path / "out.mp4"))
    problems, _ = verify(tmp_path / "out.mp4")
    assert [f"{end['lost']} pictures of the film could not be decoded" in problem for problem in problems] == [True]


def test_a_film_that_ends_early_is_recorded_as_far_as_it_goes_and_told(tmp_path):
    content = make_film(tmp_path / "film.mkv", (128, 96), 90, images=NOISE).read_bytes()
    (tmp_path / "film.mkv").write_bytes(content[: len(content) // 2])
    told, lines = tell_all(tmp_path / "film.mkv", tmp_path / "out.mp4")
    end = lines.pop()
    assert 30 < len(lines) == len(times_of(tmp_path / "out.mp4")) == end["frames"] < 60
    assert (end["ended_s"], end["stated_s"]) == (pytest.approx(len(lines) / 30, abs=0.01), pytest.approx(3, abs=0.1))
    assert ["film.mkv ended after 1 s of 3 s" in line for line in told] == [True]
    assert is_done(Job(tmp_path / "film.mkv", tmp_path / "out.mp4"))
    problems, _ = verify(tmp_path / "out.mp4")
    assert ["the film ended after 1 s of 3 s" in problem for problem in problems] == [True]


def test_the_last_frame_and_a_still_are_recorded_as_long_as_they_were_shown(tmp_path):
    film = make_film(tmp_path / "film.mkv", frames=5, times=[0, 0.04, 0.08, 4.0, 4.04])
    assert record(film, tmp_path / "short.mp4") == 5
    assert verify(tmp_path / "short.mp4")[0] == []
    with av.open(str(tmp_path / "short.mp4")) as short, av.open(str(tmp_path / "held.mp4"), "w") as held:
        stream = held.add_stream_from_template(short.streams.video[0])
        packets = [packet for packet in short.demux(video=0) if packet.size]
        packets[-1].duration = 12 * 90_000
        for packet in packets:
            packet.stream = stream
            held.mux(packet)
    record(tmp_path / "held.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as out:
        assert float(out.streams.video[0].duration * out.streams.video[0].time_base) == pytest.approx(16.04, abs=1e-3)
    assert verify(tmp_path / "out.mp4")[0] == []


class Log:
    """A progress view that keeps all it gets."""

    def __init__(self):
        self.ends, self.messages, self.progress = {}, [], []

    def update(self, name, frames, expected, film_s):
        self.progress.append((name, frames))

    def end(self, name, line):
        self.ends[name] = line

    def tell(self, line):
        self.messages.append(line)


def test_many_films_of_which_one_fails(tmp_path):
    folder, out = tmp_path / "clips", tmp_path / "out"
    (folder / "more").mkdir(parents=True)
    out.mkdir()
    for name in ("a.mp4", "more/b.mkv"):
        make_film(folder / name)
    (folder / "broken.mp4").write_text("no film")
    (folder / "notes.txt").write_text("no film either")
    names = ("a.mp4", "broken.mp4", "b.mkv")
    jobs = [Job(folder / "more" / name if name == "b.mkv" else folder / name, (out / name).with_suffix(".mp4")) for name in names]
    log = Log()
    assert record_all(jobs, log, lambda: False, workers=3) == [folder / "broken.mp4"]
    assert {path.name for path in out.iterdir()} == {"a.mp4", "a.jsonl", "b.mp4", "b.jsonl"}
    assert [is_done(job) for job in jobs] == [True, False, True]
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600} or os.name == "nt"
    assert log.ends["a.mp4"] == f"wrote {out / 'a.mp4'}: 8 frames"
    assert "is not a video" in log.ends["broken.mp4"]
    (out / "b.jsonl").unlink()
    assert not is_done(jobs[2])


def test_a_process_that_dies_does_not_stop_the_others(tmp_path):
    class Dies(Choices):
        def __reduce__(self):
            return os._exit, (3,)

    make_film(tmp_path / "a.mp4")
    jobs = [Job(tmp_path / "a.mp4", tmp_path / "dead.mp4", choices=Dies()), Job(tmp_path / "a.mp4", tmp_path / "out.mp4")]
    log = Log()
    assert record_all(jobs, log, lambda: False, workers=1) == [tmp_path / "a.mp4"]
    assert (tmp_path / "out.mp4").exists()


def test_a_stopped_recording_keeps_its_unfinished_files(tmp_path):
    progress = []
    frames = record_film(
        Job(DEMO, tmp_path / "out.mp4"), print, lambda n, expected, t: progress.append((n, expected)), lambda: len(progress) == 5
    )
    assert frames == 5
    assert progress[-1] == (5, 300)
    assert {path.name for path in tmp_path.iterdir()} == {"out.part.mp4", "out.part.jsonl"}
    assert len(times_of(tmp_path / "out.part.mp4")) == 5


def test_a_film_that_is_stopped_is_not_reported_as_written(tmp_path):
    log = Log()
    assert record_all([Job(DEMO, tmp_path / "out.mp4")], log, lambda: bool(log.progress)) == []
    assert re.fullmatch(r".*demo\.mp4 was stopped after (1 frame|(?!1 )\d+ frames): run this again for all", log.ends["demo.mp4"])


def test_a_film_is_not_recorded_over_itself(tmp_path):
    film = make_film(tmp_path / "film.mp4")
    before = film.read_bytes()
    with pytest.raises(Trouble, match="is the file to be read"):
        record_film(Job(film, film, overwrite=True), print, lambda *progress: None, lambda: False)
    assert film.read_bytes() == before


@pytest.mark.parametrize(
    "name",
    [b"film.mp4", pytest.param(b"caf\xe9.mp4", marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names"))],
)
def test_a_recording_is_done_if_it_is_of_this_film_and_these_choices(tmp_path, name):
    film = make_film(tmp_path / "film.mp4").rename(tmp_path / os.fsdecode(name))
    job = Job(film, tmp_path / "out.mp4")
    record(film, job.out)
    assert is_done(job)
    assert not is_done(Job(film, job.out, choices=Choices(privacy="blur")))
    assert not is_done(Job(film, job.out, choices=Choices(picture="clean")))
    assert not is_done(Job(film, job.out, seconds=1.0))
    assert not is_done(Job(film, job.out, audio=2))
    (tmp_path / "other").mkdir()
    other = make_film(tmp_path / "other" / "film.mp4", frames=12).rename(tmp_path / "other" / film.name)
    assert not is_done(Job(other, job.out))
    film.unlink()
    assert is_done(job)


@pytest.mark.parametrize("name", ["out.mp4", "out_clean.mp4", "out.csv", "out.jsonl"])
def test_a_file_of_the_user_is_kept(tmp_path, name):
    film = make_film(tmp_path / "film.mp4")
    (tmp_path / name).write_text("of the user")
    job = Job(film, tmp_path / "out.mp4", choices=Choices(picture="both", csv=True))
    for part in (None, ".part"):
        with pytest.raises(Trouble, match=f"{name} exists and is kept"):
            record_film(replace(job, part=part), print, lambda *progress: None, lambda: False)
    assert (tmp_path / name).read_text() == "of the user"
    assert {path.name for path in tmp_path.iterdir()} == {"film.mp4", name}
    record_film(replace(job, overwrite=True), print, lambda *progress: None, lambda: False)
    assert is_done(job)


def test_a_file_that_comes_while_a_film_is_recorded_is_kept(tmp_path):
    film = make_film(tmp_path / "film.mp4")
    with pytest.raises(Trouble, match=r"out\.mp4 exists and is kept"):
        record_film(Job(film, tmp_path / "out.mp4"), print, lambda *_: (tmp_path / "out.mp4").write_text("of the user"), lambda: False)
    assert (tmp_path / "out.mp4").read_text() == "of the user"
    assert len(times_of(tmp_path / "out.part.mp4")) == 8


def test_the_work_of_a_run_that_was_killed_is_replaced_and_the_files_of_the_user_are_not(tmp_path):
    film, job = make_film(tmp_path / "film.mp4"), Job(tmp_path / "film.mp4", tmp_path / "out.mp4")
    (tmp_path / "out.part.mp4").write_text("of the user")
    for attempt in range(2):
        with UnfinishedWork(tmp_path) as work:
            claimed = replace(job, part=work.claim(partial(unfinished_files, job)))
            assert claimed.part == ".part2"
            # Killed while it gave its files their names: one has two.
            (tmp_path / "out.part2.jsonl").write_text("half")
            (tmp_path / "out.part2.mp4").write_text("whole")
            (tmp_path / "out.mp4").hardlink_to(tmp_path / "out.part2.mp4")
            assert in_the_way(claimed) is None
            assert in_the_way(job) == tmp_path / "out.mp4"
        assert (tmp_path / ".unfinished").exists()
        if attempt == 0:
            (tmp_path / "out.mp4").unlink()
    with UnfinishedWork(tmp_path) as work:
        record_film(replace(job, part=work.claim(partial(unfinished_files, job))), print, lambda *progress: None, lambda: False)
    assert is_done(job)
    assert len(times_of(tmp_path / "out.mp4")) == 8
    assert {path.name for path in tmp_path.iterdir()} == {film.name, "out.mp4", "out.jsonl", "out.part.mp4"}
    assert (tmp_path / "out.part.mp4").read_text() == "of the user"


def test_one_run_at_a_time_works_in_a_folder(tmp_path):
    with UnfinishedWork(tmp_path), pytest.raises(Trouble, match="another run is writing here"), UnfinishedWork(tmp_path):
        pass
    with UnfinishedWork(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_hangs_is_ended(tmp_path, monkeypatch):
    class Hangs(Choices):
        def __reduce__(self):
            return time.sleep, (60,)

    monkeypatch.setattr(batch, "STOP_S", 1.0)
    log, began = Log(), time.monotonic()
    jobs = [Job(tmp_path / "hangs.mp4", tmp_path / "out.mp4", choices=Hangs())]
    assert record_all(jobs, log, lambda: time.monotonic() > began + 3) == [tmp_path / "hangs.mp4"]
    assert time.monotonic() - began < 8
    assert "did not end within 1 s and was killed" in log.ends["hangs.mp4"]
