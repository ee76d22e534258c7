import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from huge_films import flat_jpeg, huge_films, pictures_of, put_in
from mutated_films import CONTAINERS, mutate, record_films
from source_fakes import frames_of

from realtime.base.errors import Trouble
from realtime.config import ReportSettings
from realtime.readings.thumbnails import Moment, thumbnails
from realtime.readings.verify import decode_film, verify
from realtime.sources.films import VideoFile

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes are watched with select")
HUGE_SIDE = 6001
"""Side of a square picture in px that is just larger than a film's may be."""
MOMENT = Moment(0.04, "happiness", np.array([10.0, 10.0, 40.0, 40.0]))


def test_damaged_films_are_recorded_whole_or_refused_in_a_line(tmp_path):
    films = list(mutate(tmp_path, 1))[::2]
    assert {container for container, _, _ in films} == set(CONTAINERS)
    outcomes = list(record_films([path for _, _, path in films], tmp_path))
    bad = [outcome for outcome in outcomes if outcome.result not in ("whole", "trouble") or outcome.peak_mb > 1000]
    assert bad == []
    assert sum(outcome.result == "whole" for outcome in outcomes) > len(outcomes) / 2


def test_huge_pictures_are_refused_before_memory_is_taken(tmp_path):
    films = huge_films(tmp_path)
    outcomes = list(record_films(films, tmp_path))
    assert {outcome.result for outcome in outcomes} == {"trouble"}
    assert max(outcome.peak_mb for outcome in outcomes) < 300
    stated = {outcome.path.name for outcome in outcomes if "megapixels are the most" in outcome.text}
    assert stated == {"a.mpg", "b.mxf"}
    for film in films:
        if film.name in stated:
            with pytest.raises(Trouble, match="megapixels are the most"):
                decode_film(film)
        else:
            assert decode_film(film).damage is not None
        assert thumbnails(film, [MOMENT], None, ReportSettings()) == []


def test_opening_a_stream_decodes_no_huge_picture(tmp_path):
    path = tmp_path / "film.ts"
    subprocess.run([sys.executable, str(ROOT / "tests" / "huge_films.py"), str(path), "10500"], check=True, timeout=60)
    [outcome] = record_films([path], tmp_path)
    assert outcome.result == "trouble" and "36 megapixels are the most" in outcome.text
    assert outcome.peak_mb < 250


def test_a_huge_picture_within_a_film_is_left_out(tmp_path):
    small = pictures_of("mjpeg", "yuvj420p")
    film = VideoFile(put_in(tmp_path / "film.mkv", "mjpeg", "yuvj420p", [*small[:3], flat_jpeg(HUGE_SIDE), *small[3:]]))
    assert [frame.image.shape for frame in frames_of(film)] == [(64, 96, 3)] * 5
    assert film.loss.pictures == 1


def test_a_film_of_huge_pictures_is_refused(tmp_path):
    film = put_in(tmp_path / "film.mkv", "mjpeg", "yuvj420p", [flat_jpeg(HUGE_SIDE)] * 2)
    with pytest.raises(Trouble, match=f"{HUGE_SIDE}x{HUGE_SIDE} px; 36 megapixels are the most"):
        frames_of(VideoFile(film))
    assert any(f"{HUGE_SIDE}x{HUGE_SIDE} px" in problem for problem in verify(film)[0])
    assert thumbnails(film, [MOMENT], None, ReportSettings()) == []
