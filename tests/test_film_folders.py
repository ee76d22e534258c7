"""Which files of a folder are films, and where their recordings go."""

from pathlib import Path

import pytest

from realtime.base.errors import Trouble
from realtime.recording.film_folders import Film, films_in, outputs


def make_files(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_the_tree_is_mirrored(tmp_path):
    make_files(tmp_path, "study/P01/interview.mp4", "study/P02/interview.mp4", "study/a.MOV", "study/notes.txt", "b.mkv")
    films = films_in([tmp_path / "study", tmp_path / "b.mkv", tmp_path / "study" / "a.MOV"], tmp_path / "out")
    assert [str(film.place) for film in films] == ["P01/interview.mp4", "P02/interview.mp4", "a.MOV", "b.mkv"]
    assert [film.path for film in films][:3] == [tmp_path / "study" / film.place for film in films][:3]
    outs = [str(out.relative_to(tmp_path)) for out in outputs(films, tmp_path / "out")]
    assert outs == ["out/P01/interview.mp4", "out/P02/interview.mp4", "out/a.mp4", "out/b.mp4"]


def test_hidden_files_and_the_folder_of_the_recordings_are_left_out(tmp_path):
    make_files(tmp_path, "a.mp4", "._a.mp4", ".Trash/b.mp4", "c/.d/e.mp4", "out/a.mp4", "out/deep/a.mp4", "movie.part1.mkv")
    assert [film.path.name for film in films_in([tmp_path], tmp_path / "out")] == ["a.mp4", "movie.part1.mkv"]
    (tmp_path / "link").symlink_to(tmp_path / "out")
    assert len(films_in([tmp_path], tmp_path / "link")) == 2
    # What the user names is taken, wherever it lies.
    assert [film.path for film in films_in([tmp_path / "._a.mp4", tmp_path / "out" / "deep"], tmp_path / "out")] == [
        tmp_path / "._a.mp4",
        tmp_path / "out" / "deep" / "a.mp4",
    ]


def test_containers_of_cameras_discs_and_the_web_are_films(tmp_path):
    names = ["a.flv", "b.m2ts", "c.VOB", "d.ogv", "e.mts", "f.webm", "g.mxf", "h.3gp"]
    make_files(tmp_path, *names, "sound.mp3", "photo.jpg", "table.csv", "page.html", "subtitles.srt")
    assert [film.path.name for film in films_in([tmp_path], tmp_path / "out")] == names


def test_paths_that_cannot_be_recorded_together(tmp_path):
    with pytest.raises(Trouble, match="holds no film"):
        films_in([tmp_path], tmp_path / "out")
    make_files(tmp_path, "a.mp4")
    with pytest.raises(Trouble, match="name another --out-dir"):
        films_in([tmp_path], tmp_path)
    films = [Film(Path("a/x.mov"), Path("x.mov")), Film(Path("b/x.mp4"), Path("x.mp4"))]
    with pytest.raises(Trouble, match=r"a/x\.mov and b/x\.mp4 would both become"):
        outputs(films, tmp_path)
