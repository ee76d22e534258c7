"""Which films a folder holds, and the names of their recordings in another folder."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime.base.errors import Trouble

FILMS = (
    *(".264", ".265", ".3g2", ".3gp", ".amv", ".asf", ".avi", ".divx", ".dv", ".evo", ".f4v", ".flv", ".gxf", ".h264", ".h265", ".hevc"),
    *(".insv", ".ivf", ".lrv", ".m1v", ".m2p", ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mod", ".mov", ".mp4", ".mpe"),
    *(".mpeg", ".mpg", ".mpv", ".mts", ".mxf", ".nsv", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".tod", ".tp", ".trp", ".ts"),
    *(".vob", ".webm", ".wmv", ".wtv", ".y4m"),
)
"""Files with these endings are taken for films when a folder is named: containers of video that FFmpeg reads, and bare streams."""


@dataclass(frozen=True)
class Film:
    """A film that the user named, or whose folder.

    Attributes:
        path: the file.
        place: its path below the folder that was named; of a file that was named itself, its name.
    """

    path: Path
    place: Path


def films_in(paths: Sequence[Path], out: Path) -> list[Film]:
    """The films that `paths` name, each once: a file stands for itself, a folder for all films in it and in its subfolders.

    Left out are hidden files and folders, whose names begin with a dot (macOS puts "._talk.mp4" beside "talk.mp4"), and the folder `out`
    of the recordings where it lies inside another.

    Raises:
        Trouble: a folder holds no film, or is `out` itself.
    """
    films: dict[Path, Film] = {}
    for path in paths:
        if not path.is_dir():
            films.setdefault(path.absolute(), Film(path, Path(path.name)))
            continue
        if out.exists() and path.samefile(out):
            raise Trouble(
                f"{path} holds the films and cannot take the recordings as well: name another --out-dir, such as {path / 'labelled'}"
            )
        inside = sorted(_films_below(path, out))
        if not inside:
            raise Trouble(
                f"{path} holds no film (a file with an ending such as .mp4, .mov, .mkv or .avi): name another folder, or the files"
            )
        for film in inside:
            films.setdefault(film.absolute(), Film(film, film.relative_to(path)))
    return list(films.values())


def _films_below(top: Path, out: Path) -> Iterator[Path]:
    left_out = out.resolve()
    for name, folders, files in os.walk(top):
        folder = Path(name)
        folders[:] = [each for each in folders if not each.startswith(".") and (folder / each).resolve() != left_out]
        yield from (folder / each for each in files if not each.startswith(".") and Path(each).suffix.lower() in FILMS)


def outputs(films: Sequence[Film], folder: Path) -> list[Path]:
    """The file in `folder` into which each film is recorded: at the film's place, as .mp4.

    Raises:
        Trouble: two films would be recorded into the same file.
    """
    outs: dict[Path, Path] = {}
    for film in films:
        out = folder / film.place.with_suffix(".mp4")
        if out in outs:
            raise Trouble(
                f"{outs[out]} and {film.path} would both become {out}: record them into different folders, or name the folder above them"
            )
        outs[out] = film.path
    return list(outs)
