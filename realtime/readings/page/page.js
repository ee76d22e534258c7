"use strict";
// Connects each recording's charts, video, slider and numbers. All data is in the page already.

const PAPER_PX = 650; // width of a chart on paper: A4 and Letter are 690 px wide between their margins
const data = JSON.parse(document.getElementById("data").textContent);

// What a person shows at a time: [index of the label, reason for being unsure or null], or null where the face is away.
function labelAt(person, ms) {
  const i = lastIndex(person.starts, ms);
  return i >= 0 && ms <= person.runs[i][1] ? person.runs[i].slice(2) : null;
}

function inWords(session, label) {
  if (!label) return "not seen";
  return label[1] ? `unsure (${label[1]})` : session.labels[label[0]];
}

// The part of the panel beside the film that is about one person; returns the elements that change with the time.
function nowPart(session, person) {
  const rows = session.labels.map((name, i) => {
    const bar = make("i", { style: `background:${session.colours[i]}` }), number = make("span");
    return { row: make("li", {}, make("span", {}, name), make("span", { class: "bar" }, bar), number), bar, number };
  });
  const label = make("span"), box = make("div", { "data-now": person.id }, make("p", { class: "who" }, `${person.title}: `, label),
    make("ul", {}, ...rows.map(({ row }) => row)));
  return { box, label, rows };
}

function showNumbers(session, person) {
  const ms = session.time * 1000, label = labelAt(person, ms), at = label ? Math.max(0, lastIndex(person.moments.t, ms)) : -1;
  person.numbers.label.textContent = inWords(session, label);
  person.numbers.box.classList.toggle("away", !label);
  const rows = person.numbers.rows, percent = at < 0 || !person.moments.p.length ? [] : hundred([...person.moments.p[at]]);
  rows.forEach(({ row, bar, number }, i) => {
    bar.style.width = `${percent[i] ?? 0}%`;
    number.textContent = percent.length ? `${percent[i]} %` : "";
    row.classList.toggle("shown", !!label && !label[1] && label[0] === i);
  });
}

function showTime(session) {
  session.slider.value = session.time;
  session.slider.setAttribute("aria-valuetext", clock(session.time));
  session.output.textContent = `${clock(session.time, true)} / ${clock(session.duration)}`;
  for (const chart of session.charts) chart.place(chart.playhead, session.time);
  for (const person of session.people) showNumbers(session, person);
}

// Moves what the charts show to the current time, if that is outside.
function keepInSight(session) {
  const { min, max } = session.range, width = max - min;
  if (session.time >= min && session.time <= max) return;
  const start = session.time > max && session.time < max + width ? session.time - width * 0.1 : session.time - width / 2;
  zoom(session, start, start + width);
}

function seek(session, s) {
  session.time = Math.min(Math.max(s, 0), session.duration);
  if (session.film) session.film.currentTime = session.time;
  showTime(session);
  keepInSight(session);
}

function hover(session, s) {
  for (const chart of session.charts) chart.place(chart.cursor, s);
  for (const person of session.people) {
    person.readout.textContent = s === null ? "" : `${clock(s)}  ${inWords(session, labelAt(person, s * 1000))}`;
  }
}

// Shows the time from `min` to `max` in all charts, moved and cut so that it fits into the recording.
function zoom(session, min, max) {
  const most = session.duration, width = Math.min(Math.max(max - min, LEAST_S), most), start = Math.min(Math.max(min, 0), most - width);
  session.range = { min: start, max: start + width };
  for (const chart of session.charts) chart.setRange(session.range);
  const { bar, frame, all, near, far, stretch } = session.overview;
  frame.style.left = `${start / most * 100}%`;
  frame.style.width = `${width / most * 100}%`;
  bar.parentElement.classList.toggle("zoomed", width < most);
  all.disabled = far.disabled = width >= most;
  near.disabled = width <= Math.min(LEAST_S, most);
  stretch.textContent = width < most ? `${clock(start, true)} to ${clock(start + width, true)}` : "whole recording";
  clearTimeout(session.renewing);
  session.renewing = setTimeout(() => { for (const renew of session.renewals) renew(); }, 100);
  hover(session, null);
  showTime(session);
}

// Zooms in or out by a factor, around the current time where it is in sight.
function zoomBy(session, factor) {
  const { min, max } = session.range, inside = session.time >= min && session.time <= max;
  const middle = inside ? session.time : (min + max) / 2, share = inside ? (session.time - min) / (max - min) : 0.5;
  zoom(session, middle - (max - min) * factor * share, middle + (max - min) * factor * (1 - share));
}

// The strip under the slider: the whole recording with the part that the charts show. A finger or the mouse moves that part.
function connectOverview(session) {
  const box = session.root.querySelector(".overview"), part = (name) => box.querySelector(name);
  session.overview = {
    bar: part(".bar"), frame: part(".frame"), all: part("[data-zoom=all]"), near: part("[data-zoom=near]"), far: part("[data-zoom=far]"),
    stretch: part(".stretch"),
  };
  const { bar, all, near, far } = session.overview;
  all.addEventListener("click", () => zoom(session, 0, session.duration));
  near.addEventListener("click", () => zoomBy(session, 0.5));
  far.addEventListener("click", () => zoomBy(session, 2));
  const move = (event) => {
    const { left, width } = bar.getBoundingClientRect(), half = (session.range.max - session.range.min) / 2;
    const s = (event.clientX - left) / width * session.duration;
    zoom(session, s - half, s + half);
  };
  bar.addEventListener("pointerdown", (event) => { bar.setPointerCapture(event.pointerId); move(event); });
  bar.addEventListener("pointermove", (event) => { if (bar.hasPointerCapture(event.pointerId)) move(event); });
}

// Draws into the overview what each person was shown as, a thin row each.
function drawOverview(session) {
  const svg = session.overview.bar.querySelector("svg"), n = session.people.length;
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 1000 ${Math.max(n, 1) * 10}`);
  session.people.forEach((person, row) => {
    const paths = session.labels.map(() => "");
    for (const [start, end, label, reason] of person.runs) {
      const least = person.runs.length < 250 ? 1 : 0.05, wide = Math.max((end - start) / session.duration, least);
      if (!reason) paths[label] += rectangle(start / session.duration, row * 10 + 1, wide, 8);
    }
    paths.forEach((d, i) => { if (d) shape(svg, "path", { d, fill: session.colours[i] }); });
  });
}

// Moves the time with the video.
function follow(session) {
  const { film } = session;
  const update = () => { session.time = film.currentTime; showTime(session); keepInSight(session); };
  const play = () => {
    update();
    if (!film.paused && !film.ended) requestAnimationFrame(play);
  };
  film.addEventListener("play", play);
  for (const kind of ["timeupdate", "seeked", "ended"]) film.addEventListener(kind, update);
  film.addEventListener("error", () => {
    session.root.querySelector(".gone").hidden = false;
    film.hidden = true;
  }, true);
  if (film.error) film.dispatchEvent(new Event("error"));
}

// Builds all that is about people, after a reader's change as well.
function build(session) {
  const people = readAddress(session), all = people.map((one) => joined(session, one)), focus = document.activeElement?.dataset?.edit;
  const on = {
    seek: (s) => seek(session, s),
    hover: (s) => hover(session, s),
    zoom: (min, max) => zoom(session, min, max),
    change: (changed) => writeAddress(session, changed),
  };
  session.everyone = all.filter((person) => !person.out);
  session.people = [...session.everyone].sort((a, b) => b.all.seen - a.all.seen || a.id - b.id);
  const cards = session.people.map((person) => personCard(session, person, people, on));
  const brief = session.people.filter((person) => person.all.seen < BRIEF_S),
    fold = brief.length < session.people.length ? brief.length : 0;
  const open = cards.slice(0, cards.length - fold).map(({ card }) => card),
    closed = cards.slice(cards.length - fold).map(({ card }) => card);
  const gone = all.filter((person) => person.out).map((person) => button(`Bring ${person.title} back`,
    () => on.change(people.map((one) => one.ids.join() === person.ids.join() ? { ...one, out: false } : one))));
  const parts = [...open];
  session.renewals = cards.map(({ renew }) => renew);
  if (session.people.length > 1) {
    const sum = numbersPart(session, `${session.name} everybody`, () => total(session, session.people.map((person) => tally(session,
      person.runs, session.range.min, session.range.max))));
    session.renewals.push(sum.renew);
    const heat = heatPart(session);
    if (heat) session.renewals.push(heat.refresh);
    parts.unshift(make("div", { class: "card person everybody" }, make("h3", {}, `Everybody: ${session.people.length} people`), make("div",
      {}, ...sum.parts), ...(heat ? [heat.details] : []), ...sum.more));
  }
  if (fold) {
    const seconds = fold === 1 ? "1 person was" : `${fold} people were`, folder = make("details", { class: "brief" }, make("summary", {},
      `${seconds} there for less than ${BRIEF_S} s`), ...closed);
    folder.addEventListener("toggle", () => {
      // On paper "beforeprint" has opened it and drawn the charts.
      if (matchMedia("print").matches) return;
      for (const chart of session.charts) chart.draw();
      showTime(session);
    });
    parts.push(folder);
  }
  if (gone.length) parts.push(make("p", { class: "tools" }, ...gone));
  if (session.tracks.length) parts.push(make("p", { class: "note" }, HOW, make("span", { class: "screen" },
    " Click to go to a moment. Drag, or the buttons below the film, choose a stretch, whose numbers are told."), " ", GUESS));
  session.root.querySelector(".cards").replaceChildren(...parts);
  session.charts = cards.map(({ chart }) => chart);
  for (const person of session.people) person.numbers = nowPart(session, person);
  session.root.querySelector(".now")?.replaceChildren(...session.people.map((person) => person.numbers.box));
  drawOverview(session);
  buildNotes(session, on.seek);
  for (const renew of session.renewals) renew();
  zoom(session, session.range.min, session.range.max);
  if (focus) session.root.querySelector(`[data-edit="${CSS.escape(focus)}"]`)?.focus();
}

function buildAll() {
  data.forEach(build);
  document.querySelector(".compare")?.replaceChildren(...comparison(data));
}

function connect(session) {
  session.root = document.getElementById(session.key);
  session.film = session.root.querySelector("video");
  session.slider = session.root.querySelector("input[type=range]");
  session.output = session.root.querySelector("output");
  session.time = 0;
  session.range = { min: 0, max: session.duration };
  session.charts = session.people = session.renewals = [];
  for (const { moments, seconds } of session.tracks) {
    Object.assign(moments, { t: integers(moments.t), p: bytes(moments.p) });
    Object.assign(seconds, { second: integers(seconds.second), ...Object.fromEntries(["weight", "mean", "peak"].map((name) => [name,
      bytes(seconds[name])])) });
  }
  session.slider.addEventListener("input", () => seek(session, Number(session.slider.value)));
  connectOverview(session);
  if (session.film) follow(session);
}

function drawAll() {
  for (const session of data) {
    for (const chart of session.charts) chart.draw();
    showTime(session);
  }
}

data.forEach(connect);
buildAll();
addEventListener("hashchange", buildAll);
connectNoteKeys(data);
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll(".facts:not([open]), .brief:not([open])")) {
    details.open = true;
    details.dataset.closed = "";
  }
  for (const session of data) for (const chart of session.charts) chart.draw(PAPER_PX);
});
addEventListener("afterprint", () => {
  for (const details of document.querySelectorAll("details[data-closed]")) { details.open = false; delete details.dataset.closed; }
  drawAll();
});
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  requestAnimationFrame(drawAll);
});
