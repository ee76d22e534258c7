"""Writes a page of HTML about recordings: timelines, shares and faces beside the video. Everything but the video is inside the page."""

import base64
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from realtime.base.errors import Trouble
from realtime.base.files import replace_file
from realtime.base.version import __version__
from realtime.config import ReportSettings
from realtime.drawing.palette import COLOURS
from realtime.readings.file import Person, Readings, quantity, read, readings_path, video_path
from realtime.readings.summary import at_moments, by_second, durations, runs_of, seen_s, thin_curves
from realtime.readings.thumbnails import Moment, Still, Thumbnail, clearest_moments, stills, thumbnails
from realtime.readings.tracks import likely_same

PAGE = Path(__file__).parent / "page"
COMPARISON = '<section class="card compare" aria-label="Comparison"></section>\n'
OVERVIEW = """
<div class="overview"><div class="bar"><svg preserveAspectRatio="none" aria-hidden="true"></svg><div class="frame"></div></div>
<div class="zoom"><span class="stretch"></span><button type="button" data-zoom="near" aria-label="Zoom in">+</button>
<button type="button" data-zoom="far" aria-label="Zoom out">&minus;</button>
<button type="button" data-zoom="all">All</button></div></div>"""


@dataclass(frozen=True)
class ReportSection:
    """One recording as the page shows it. Its readings are not kept: those of many recordings would not fit into the memory.

    Attributes:
        key: its id within the page.
        path: the readings file.
        facts, labels, problems: as `realtime.readings.file.Readings` has them.
        frames: how many there are.
        tracks: of each track on the page the data, as the page's script takes it, in the order of their ids.
        groups: ids of tracks that are likely one person each.
        others: how many more tracks there are, too brief or too many for the page.
        duration: seconds.
        video: the address of the video relative to the page; None where there is none.
        thumbnails: pictures by the track's id.
        stills: pictures of the video, which stand for it on paper.
    """

    key: str
    path: Path
    facts: dict[str, Any]
    labels: tuple[str, ...]
    problems: tuple[str, ...]
    frames: int
    tracks: tuple[dict[str, Any], ...]
    groups: tuple[tuple[int, ...], ...]
    others: int
    duration: float
    video: str | None
    thumbnails: dict[int, list[Thumbnail]]
    stills: list[Still]

    @property
    def name(self) -> str:
        return self.path.stem


def write_report(files: Sequence[Path], out: Path, settings: ReportSettings) -> None:
    """Writes the page.

    Args:
        files: readings, or videos with their readings beside them.
        out: the page to write.
        settings: how much of the recordings the page shows.

    Raises:
        Trouble: a file is not a readings file, or the page cannot be written.
    """
    write_page([report_section(readings_path(path), f"s{i}", out.parent, settings) for i, path in enumerate(files)], out)


def write_page(sections: Sequence[ReportSection], out: Path) -> None:
    """Writes the page about these sections; an older one stays whole until it is there.

    Raises:
        Trouble: it cannot be written.
    """
    try:
        replace_file(out, page(sections).encode("utf-8", "backslashreplace"), private=True)
    except OSError as error:
        raise Trouble(f"cannot write {out} ({error.strerror}): check the folder, your rights and the space left") from error


def report_section(path: Path, key: str, beside: Path, settings: ReportSettings) -> ReportSection:
    """The section about one readings file; the video's address is relative to the folder `beside`.

    Raises:
        Trouble: it is not a readings file.
    """
    video = video_path(path)
    section, moments = _summarised(read(path), path, key, settings)
    if video is None:
        return section
    # By now the readings are gone: they and the video's decoder would take most of a small board's memory.
    shows_faces = section.facts.get("privacy", "none") == "none"
    width = section.facts.get("width")
    pictures = {id: thumbnails(video, of_person, width, settings) for id, of_person in moments.items() if shows_faces}
    film = stills(video, section.duration, settings) if shows_faces else []
    return replace(section, video=_address(video, beside), thumbnails=pictures, stills=film)


def _summarised(readings: Readings, path: Path, key: str, settings: ReportSettings) -> tuple[ReportSection, dict[int, list[Moment]]]:
    """A section without its video, and the moments of its thumbnails by the person's id."""
    # Times that go back are damage, of which `run.py verify` tells; a curve has none.
    readings = replace(readings, t=np.maximum.accumulate(readings.t))
    each = durations(readings.t)
    groups = _shown_groups(readings, each, settings)
    tracks = []
    for group in groups:
        frames = sum(len(readings.people[i].rows) for i in group)
        tracks += [_track(readings, readings.people[i], each, len(readings.people[i].rows) / frames, settings) for i in group]
    section = ReportSection(
        key,
        path,
        readings.facts,
        readings.labels,
        readings.problems,
        len(readings.t),
        tuple(sorted(tracks, key=lambda track: track["id"])),
        tuple(tuple(readings.people[i].id for i in group) for group in groups),
        len(readings.people) - len(tracks),
        max(float(readings.t[-1] + each[-1]), 0.1) if len(each) else 0.1,
        video=None,
        thumbnails={},
        stills=[],
    )
    people = [readings.people[i] for group in groups for i in group]
    return section, {person.id: clearest_moments(readings, person) for person in people}


def _shown_groups(readings: Readings, each: np.ndarray, settings: ReportSettings) -> list[list[int]]:
    """Indices of the tracks on the page, grouped by likely person. Who was there longest is shown in any case."""
    seen = seen_s(readings, each)
    groups = likely_same(readings)
    total = {group[0]: sum(seen[i] for i in group) for group in groups}
    longest = sorted(total, key=lambda first: -total[first])[: settings.people]
    shown = {first for first in longest if total[first] >= settings.least_s} or set(longest[:1])
    kept = [i for group in groups if group[0] in shown for i in group]
    kept_set = set(sorted(kept, key=lambda i: -seen[i])[: settings.tracks])
    return [left for group in groups if group[0] in shown and (left := [i for i in group if i in kept_set])]


def page(sections: Sequence[ReportSection]) -> str:
    """The whole page. All text that comes from files is escaped."""
    several = len(sections) > 1
    title = f"Expressions in {quantity(len(sections), 'recording')}" if several else f"Expressions in {sections[0].name}"
    parts = {
        "title": escape(title),
        "lead": escape("; ".join(s.name for s in sections) if several else _lead(sections[0])),
        "body": (COMPARISON if several else "") + "\n".join(_section(s, several) for s in sections),
        "version": __version__,
        # A "<" could end the script element.
        "data": json.dumps([_data(s) for s in sections], separators=(",", ":")).replace("<", "\\u003c"),
        "css": (PAGE / "page.css").read_text(encoding="utf-8"),
        "numbers_js": (PAGE / "numbers.js").read_text(encoding="utf-8"),
        "chart_js": (PAGE / "chart.js").read_text(encoding="utf-8"),
        "people_js": (PAGE / "people.js").read_text(encoding="utf-8"),
        "cards_js": (PAGE / "cards.js").read_text(encoding="utf-8"),
        "notes_js": (PAGE / "notes.js").read_text(encoding="utf-8"),
        "heat_js": (PAGE / "heat.js").read_text(encoding="utf-8"),
        "js": (PAGE / "page.js").read_text(encoding="utf-8"),
    }
    # In one pass, so that inserted text is not searched for placeholders.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], (PAGE / "page.html").read_text(encoding="utf-8"))


def _address(video: Path, beside: Path) -> str:
    """The address of a video relative to a page in the folder `beside`."""
    try:
        return quote(os.fsencode(Path(os.path.relpath(video.resolve(), beside.resolve())).as_posix()))
    except ValueError:
        # On Windows there is no relative path from one drive to another.
        return video.resolve().as_uri()


def _hex(label: str) -> str:
    blue, green, red = COLOURS.get(label, (150, 150, 150))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _darker(colour: str) -> str:
    """A darker colour of the same hue, which is visible as a thin line on white."""
    return "#" + "".join(f"{round(int(colour[i : i + 2], 16) * 0.6):02x}" for i in (1, 3, 5))


def _track(readings: Readings, person: Person, each: np.ndarray, share: float, settings: ReportSettings) -> dict[str, Any]:
    """The data of a track: times in whole milliseconds, probabilities in thousandths. `share` is its part of the person's points."""
    t, points, most = readings.t[person.rows], max(30, round(settings.points * share)), max(30, round(settings.moments * share))
    curve_t, curve_p = thin_curves(t, person.probs, person.rows, points)
    moment_t, moment_p = at_moments(t, person.probs, most)
    seconds = by_second(t, person.probs, each[person.rows])
    return {
        "id": person.id,
        "t": [round(v * 1000) for v in curve_t.tolist()],
        "p": [[None if np.isnan(v) else round(v * 1000) for v in column] for column in curve_p.T.tolist()],
        "runs": [
            [round(r.start * 1000), round(r.end * 1000), readings.labels.index(r.label), r.unsure] for r in runs_of(readings, person, each)
        ],
        "moments": {"t": _in_integers(np.round(moment_t * 1000)), "p": _in_bytes(moment_p)},
        "seconds": {
            "second": _in_integers(seconds.second),
            "weight": _in_bytes(seconds.weight),
            "mean": _in_bytes(seconds.mean),
            "peak": _in_bytes(seconds.peak),
        },
    }


def _in_integers(values: np.ndarray) -> str:
    """Whole numbers of four bytes as base64."""
    return base64.b64encode(values.clip(0, 2**32 - 1).astype("<u4").tobytes()).decode()


def _in_bytes(values: np.ndarray) -> str:
    """Values of 0 to 1 as base64 of whole numbers of 0 to 255."""
    return base64.b64encode(np.round(values.clip(0, 1) * 255).astype(np.uint8).tobytes()).decode()


def _data(section: ReportSection) -> dict[str, Any]:
    """What the page's script takes of a recording."""
    colours = [_hex(label) for label in section.labels]
    lines = {"light": [_darker(c) for c in colours], "dark": colours}
    tracks = [{**track, "faces": [_face(section, face) for face in section.thumbnails.get(track["id"], [])]} for track in section.tracks]
    people = {"duration": section.duration, "tracks": tracks, "groups": section.groups}
    return {"key": section.key, "name": section.name, "labels": section.labels, "colours": colours, "lines": lines, **people}


def _face(section: ReportSection, face: Thumbnail) -> dict[str, Any]:
    return {"t": round(face.t, 3), "label": section.labels.index(face.label), "url": _jpeg_url(face.jpeg)}


def _clock(s: float) -> str:
    minutes, seconds = divmod(int(s + 1e-6), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if minutes >= 60 else f"{minutes}:{seconds:02}"


def _span(s: float) -> str:
    """A duration: 5.6 s, 8 min 40 s, 1 h 5 min."""
    if s < 59.95:
        return f"{s:.1f} s"
    minutes, seconds = divmod(round(s), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(round(s / 60), 60)
    return f"{hours} h {minutes} min"


def _started(facts: dict[str, Any]) -> str:
    """When the recording began, in its own time zone."""
    text = str(facts.get("started", ""))
    try:
        return datetime.fromisoformat(text).strftime("%d %B %Y, %H:%M").lstrip("0")
    except ValueError:
        return text


def _lead(section: ReportSection) -> str:
    who = "" if section.tracks else "nobody was seen"
    return ", ".join(part for part in (_started(section.facts), _span(section.duration), who) if part)


def _section(section: ReportSection, several: bool) -> str:
    # The one recording of a page has its name in the page's title; the cards below have headings of the third level.
    heading = '<h2 class="unseen">People</h2>'
    if several:
        heading = f"<h2>{escape(section.name)}</h2>\n<p class='note'>{escape(_lead(section))}</p>"
    warnings = "".join(f'<p class="warning">{escape(problem)}</p>' for problem in section.problems)
    return f"""<section class="session" id="{section.key}" aria-label="{escape(section.name)}">
{heading}{warnings}
{_stage(section)}
<div class="people"><div class="card notes" role="group" aria-label="Notes"></div><div class="cards"></div>
{_others(section)}
{_facts(section)}
</div>
</section>"""


def _stage(section: ReportSection) -> str:
    """The video with its slider, and beside it the expressions at the current time."""
    film = ""
    if section.video is not None:
        film = f"""<video controls playsinline preload="auto" src="{escape(section.video)}" aria-label="The recording"></video>
<p class="note gone" hidden>The video {escape(section.video)} cannot be played here: keep it beside this page.</p>
{_stills(section)}"""
    return f"""<div class="stage">
<div class="card film">{film}
<div class="seek"><input type="range" min="0" max="{section.duration:.3f}" step="0.01" value="0" aria-label="Time">
<output></output></div>{OVERVIEW}
</div>
{'<div class="card now"></div>' if section.tracks else ""}
</div>"""


def _stills(section: ReportSection) -> str:
    """What stands for the video on paper."""
    figures = "".join(
        f'<figure><img alt="" src="{_jpeg_url(still.jpeg)}"><figcaption>{_clock(still.t)}</figcaption></figure>' for still in section.stills
    )
    return f'<div class="stills">{figures}</div>' if figures else ""


def _jpeg_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _others(section: ReportSection) -> str:
    if not section.tracks:
        return '<p class="card">No face was seen in this recording.</p>'
    if not section.others:
        return ""
    more = "1 more face was" if section.others == 1 else f"{section.others} more faces were"
    return f'<p class="note">{more} seen too briefly, or among too many, to be shown here; the readings file has all of them.</p>'


def _facts(section: ReportSection) -> str:
    """The header of the readings as a list."""
    rate = section.frames / section.duration
    entries: dict[str, Any] = {
        "readings": section.path.name,
        "video": "none" if section.video is None else section.video,
        "rate": f"{quantity(section.frames, 'frame')}, {rate:.1f} a second",
    }
    entries |= {name: value for name, value in section.facts.items() if name not in ("schema", "labels")}
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in _flat(entries))
    return f'<details class="card facts"><summary>How this was recorded</summary><dl>{rows}</dl></details>'


def _flat(facts: dict[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Entries as pairs of name and text. Names of nested entries begin with the outer name; None is left out."""
    rows: list[tuple[str, str]] = []
    for name, value in facts.items():
        full_name = f"{before}{name}".replace("_", " ")
        if isinstance(value, dict):
            rows += _flat(value, f"{full_name} ")
        elif value is not None:
            rows.append((full_name, value if isinstance(value, str) else json.dumps(value)))
    return rows
