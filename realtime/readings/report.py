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
from realtime.readings.summary import Summary, at_moments, durations, seen_s, summarise, thin_curves
from realtime.readings.thumbnails import Moment, Still, Thumbnail, clearest_moments, stills, thumbnails

PAGE = Path(__file__).parent / "page"
HINT = """
<p class="note">Each row is an expression, its height the probability. The row on top is what was shown.
<span class="screen">Click to go to a moment.<span class="mouse"> Drag to zoom in, double-click to zoom out.</span></span></p>"""
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
        people: the people on the page, in the order of their ids.
        curves: of each of them the data of the chart, as the page's script takes it.
        others: how many more people there are, too brief or too many for the page.
        duration: seconds.
        video: the address of the video relative to the page; None where there is none.
        thumbnails: pictures by the person's id.
        stills: pictures of the video, which stand for it on paper.
    """

    key: str
    path: Path
    facts: dict[str, Any]
    labels: tuple[str, ...]
    problems: tuple[str, ...]
    frames: int
    people: tuple[Summary, ...]
    curves: tuple[dict[str, Any], ...]
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
    seen = seen_s(readings, each)
    longest = sorted(range(len(seen)), key=lambda i: -seen[i])[: settings.people]
    # The person who was there longest is shown in any case.
    shown = [readings.people[i] for i in sorted([i for i in longest if seen[i] >= settings.least_s] or longest[:1])]
    summaries = tuple(summarise(readings, person, each) for person in shown)
    section = ReportSection(
        key,
        path,
        readings.facts,
        readings.labels,
        readings.problems,
        len(readings.t),
        summaries,
        tuple(_curve(readings, person, summary, settings) for person, summary in zip(shown, summaries, strict=True)),
        len(seen) - len(shown),
        max(float(readings.t[-1] + each[-1]), 0.1) if len(each) else 0.1,
        video=None,
        thumbnails={},
        stills=[],
    )
    return section, {person.id: clearest_moments(readings, person) for person in shown}


def page(sections: Sequence[ReportSection]) -> str:
    """The whole page. All text that comes from files is escaped."""
    several = len(sections) > 1
    title = f"Expressions in {quantity(len(sections), 'recording')}" if several else f"Expressions in {sections[0].name}"
    parts = {
        "title": escape(title),
        "lead": escape("; ".join(s.name for s in sections) if several else _lead(sections[0])),
        "body": (_comparison(sections) if several else "") + "\n".join(_section(s, several) for s in sections),
        "version": __version__,
        # A "<" could end the script element.
        "data": json.dumps([_data(s) for s in sections], separators=(",", ":")).replace("<", "\\u003c"),
        "css": (PAGE / "page.css").read_text(encoding="utf-8"),
        "numbers_js": (PAGE / "numbers.js").read_text(encoding="utf-8"),
        "chart_js": (PAGE / "chart.js").read_text(encoding="utf-8"),
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


def _curve(readings: Readings, person: Person, summary: Summary, settings: ReportSettings) -> dict[str, Any]:
    """The data of a person's chart: times in whole milliseconds, probabilities in thousandths."""
    t, p = thin_curves(readings.t[person.rows], person.probs, person.rows, settings.points)
    columns = [[None if np.isnan(v) else round(v * 1000) for v in column] for column in p.T.tolist()]
    runs = [[round(r.start * 1000), round(r.end * 1000), readings.labels.index(r.label), r.unsure] for r in summary.runs]
    seconds, values = at_moments(readings.t[person.rows], person.probs, settings.moments)
    moments = {"t": _base64(np.round(seconds * 1000).clip(0, 2**32 - 1).astype("<u4")), "p": _base64(_in_bytes(values))}
    return {"id": person.id, "moments": moments, "t": [round(v * 1000) for v in t.tolist()], "p": columns, "runs": runs}


def _in_bytes(probs: np.ndarray) -> np.ndarray:
    """Probabilities as whole numbers of 0 to 255."""
    return np.round(probs.clip(0, 1) * 255).astype(np.uint8)


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _data(section: ReportSection) -> dict[str, Any]:
    """What the page's script takes of a recording."""
    colours = [_hex(label) for label in section.labels]
    lines = {"light": [_darker(c) for c in colours], "dark": colours}
    curves = {"duration": section.duration, "people": section.curves}
    return {"key": section.key, "labels": section.labels, "colours": colours, "lines": lines, **curves}


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


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _started(facts: dict[str, Any]) -> str:
    """When the recording began, in its own time zone."""
    text = str(facts.get("started", ""))
    try:
        return datetime.fromisoformat(text).strftime("%d %B %Y, %H:%M").lstrip("0")
    except ValueError:
        return text


def _lead(section: ReportSection) -> str:
    people = len(section.people) + section.others
    who = "nobody was seen" if not people else "1 person" if people == 1 else f"{people} people"
    return ", ".join(part for part in (_started(section.facts), _span(section.duration), who) if part)


def _section(section: ReportSection, several: bool) -> str:
    heading = f"<h2>{escape(section.name)}</h2>\n<p class='note'>{escape(_lead(section))}</p>" if several else ""
    warnings = "".join(f'<p class="warning">{escape(problem)}</p>' for problem in section.problems)
    people = "\n".join(_person(section, summary, "" if i else HINT) for i, summary in enumerate(section.people))
    return f"""<section class="session" id="{section.key}" aria-label="{escape(section.name)}">
{heading}{warnings}
{_stage(section)}
<div class="people">
{people}
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
    now = "".join(_now(section, person) for person in section.people)
    return f"""<div class="stage">
<div class="card film">{film}
<div class="seek"><input type="range" min="0" max="{section.duration:.3f}" step="0.01" value="0" aria-label="Time"><output></output></div>{OVERVIEW}
</div>
{f'<div class="card now">{now}</div>' if now else ""}
</div>"""


def _stills(section: ReportSection) -> str:
    """What stands for the video on paper."""
    figures = "".join(
        f'<figure><img alt="" src="{_jpeg_url(still.jpeg)}"><figcaption>{_clock(still.t)}</figcaption></figure>' for still in section.stills
    )
    return f'<div class="stills">{figures}</div>' if figures else ""


def _jpeg_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _now(section: ReportSection, person: Summary) -> str:
    rows = "".join(
        f'<li><span>{escape(label)}</span><span class="bar"><i style="background:{_hex(label)}"></i></span><span></span></li>'
        for label in section.labels
    )
    return f'<div data-now="{person.id}"><p class="who">Person {person.id}: <span></span></p><ul>{rows}</ul></div>'


def _person(section: ReportSection, summary: Summary, hint: str) -> str:
    faces = _faces(section, summary.id)
    return f"""<div class="card person">
<div><h3>Person {summary.id} <span class="readout" data-readout="{summary.id}"></span></h3>
<div class="chart" data-chart="{summary.id}" role="img" aria-label="{escape(_in_words(summary))}"></div>{hint}</div>
<div class="pair{"" if faces else " alone"}"><div class="wide">{_table(section, summary)}</div>{faces}</div>
</div>"""


def _in_words(summary: Summary) -> str:
    """The chart in words, for screen readers."""
    labels = sorted(summary.shown_s, key=lambda label: -summary.shown_s[label])
    shares = ", ".join(f"{label} {_percent(summary.share(label))}" for label in labels if summary.shown_s[label] > 0)
    return f"Person {summary.id} over time: {shares or 'no expression without doubt'}; unsure {_percent(summary.unsure_share)}"


def _table(section: ReportSection, summary: Summary) -> str:
    rows = "".join(
        f"""<tr><th scope="row"><i class="key" style="background:{_hex(label)}"></i>{escape(label)}</th>
<td class="wide-bar"><span class="bar"><i style="width:{summary.share(label):.1%};background:{_hex(label)}"></i></span></td>
<td>{_percent(summary.share(label))}</td><td>{_span(summary.shown_s[label])}</td><td>{summary.switches[label]}</td></tr>"""
        for label in section.labels
    )
    unsure_s = sum(summary.unsure_s.values())
    rows += f"""<tr><th scope="row"><i class="key unsure"></i>unsure</th>
<td class="wide-bar"><span class="bar"><i class="unsure" style="width:{summary.unsure_share:.1%}"></i></span></td>
<td>{_percent(summary.unsure_share)}</td><td>{_span(unsure_s)}</td><td></td></tr>"""
    for why, s in summary.unsure_s.items():
        share = s / summary.seen_s if summary.seen_s else 0.0
        rows += f"""<tr class="sub"><th scope="row">{escape(why)}</th><td></td><td>{_percent(share)}</td><td>{_span(s)}</td><td></td></tr>"""
    return f"""<table><thead><tr><th scope="col">shown</th><th scope="col"><span class="unseen">share of time</span></th>
<th scope="col">share</th><th scope="col">time</th><th scope="col">switches to it</th></tr></thead><tbody>{rows}</tbody></table>
<p class="note">Seen for {_span(summary.seen_s)}, from {_clock(summary.first)} to {_clock(summary.last)}.</p>"""


def _faces(section: ReportSection, id: int) -> str:
    buttons = "".join(
        f"""<button type="button" data-seek="{face.t:.3f}">
<img alt="" style="border-color:{_hex(face.label)}" src="{_jpeg_url(face.jpeg)}">
<span>{escape(face.label)}<br><small>{_clock(face.t)}</small></span></button>"""
        for face in section.thumbnails.get(id, [])
    )
    return f'<div><h3>At its clearest</h3><div class="faces">{buttons}</div></div>' if buttons else ""


def _others(section: ReportSection) -> str:
    if not section.people:
        return '<p class="card">No face was seen in this recording.</p>'
    if not section.others:
        return ""
    more = "1 more face was" if section.others == 1 else f"{section.others} more faces were"
    return f'<p class="note">{more} seen too briefly, or among too many, to be shown here; the readings file has all of them.</p>'


def _comparison(sections: Sequence[ReportSection]) -> str:
    rows = []
    for section in sections:
        for summary in section.people:
            shares = [(label, summary.share(label), f"background:{_hex(label)}") for label in section.labels]
            parts = "".join(
                f'<i style="width:{share:.2%};{fill}" title="{escape(label)} {_percent(share)}">{escape(_fitting(label, share))}</i>'
                for label, share, fill in shares
                if share > 0
            )
            rest = summary.unsure_share
            parts += f'<i class="unsure" style="width:{rest:.2%}" title="unsure {_percent(rest)}"></i>' if rest > 0 else ""
            rows.append(f"""<tr><th scope="row"><a href="#{section.key}">{escape(section.name)}</a>, person {summary.id}</th>
<td class="wide-bar"><span class="stack" role="img" aria-label="{escape(_in_words(summary))}">{parts}</span></td>
<td>{_span(summary.seen_s)}</td><td>{sum(summary.switches.values())}</td><td>{_percent(rest)}</td></tr>""")
    labels = dict.fromkeys(label for section in sections for label in section.labels)
    keys = "".join(f'<span><i class="key" style="background:{_hex(label)}"></i>{escape(label)}</span> ' for label in labels)
    return f"""<section class="card compare" aria-label="Comparison"><h2>Side by side</h2>
<div class="wide" tabindex="0" role="group" aria-label="Comparison table"><table>
<thead><tr><th scope="col">recording</th><th scope="col">share of time</th><th scope="col">seen</th><th scope="col">switches</th>
<th scope="col">unsure</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>
<p class="note keys">{keys}<span><i class="key unsure"></i>unsure</span></p></section>"""


def _fitting(label: str, share: float) -> str:
    """The longest text that fits into a part of a bar."""
    return label if share >= 0.25 else _percent(share) if share >= 0.15 else ""


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
    return f'<details class="card"><summary>How this was recorded</summary><dl>{rows}</dl></details>'


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
