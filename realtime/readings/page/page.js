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

// The elements with the probabilities of a person at the current time.
function numbersOf(session, person) {
  const box = session.root.querySelector(`[data-now="${person.id}"]`);
  return {
    label: box.querySelector(".who span"),
    rows: [...box.querySelectorAll("li")].map((row) => ({ row, bar: row.querySelector("i"), number: row.querySelector("span:last-child") })),
  };
}

function showNumbers(session, person) {
  const ms = session.time * 1000, label = labelAt(person, ms), at = label ? Math.max(0, lastIndex(person.t, ms)) : -1;
  person.numbers.label.textContent = inWords(session, label);
  person.numbers.rows.forEach(({ row, bar, number }, i) => {
    const p = at < 0 ? null : person.p[i][at];
    bar.style.width = `${(p ?? 0) / 10}%`;
    number.textContent = p === null ? "" : `${Math.round(p / 10)} %`;
    row.classList.toggle("shown", !!label && !label[1] && label[0] === i);
  });
}

function showTime(session) {
  session.slider.value = session.time;
  session.slider.setAttribute("aria-valuetext", clock(session.time));
  const tenths = Math.floor(session.time * 10 + 1e-6) % 10;
  session.output.textContent = `${clock(session.time)}.${tenths} / ${clock(session.duration)}`;
  for (const chart of session.charts) chart.place(chart.playhead, session.time);
  for (const person of session.people) showNumbers(session, person);
}

function seek(session, s) {
  session.time = Math.min(Math.max(s, 0), session.duration);
  if (session.film) session.film.currentTime = session.time;
  showTime(session);
}

function hover(session, s) {
  for (const chart of session.charts) chart.place(chart.cursor, s);
  for (const person of session.people) {
    person.readout.textContent = s === null ? "" : `${clock(s)}  ${inWords(session, labelAt(person, s * 1000))}`;
  }
}

function zoom(session, min, max) {
  for (const chart of session.charts) chart.setRange(min, max);
  hover(session, null);
  showTime(session);
}

// Moves the time with the video.
function follow(session) {
  const { film } = session;
  const update = () => { session.time = film.currentTime; showTime(session); };
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

function connect(session) {
  session.root = document.getElementById(session.key);
  session.film = session.root.querySelector("video");
  session.slider = session.root.querySelector("input[type=range]");
  session.output = session.root.querySelector("output");
  session.time = 0;
  const on = {
    seek: (s) => seek(session, s),
    hover: (s) => hover(session, s),
    zoom: (min, max) => zoom(session, min, max),
  };
  for (const person of session.people) {
    person.starts = person.runs.map((run) => run[0]);
    person.readout = session.root.querySelector(`[data-readout="${person.id}"]`);
    person.numbers = numbersOf(session, person);
  }
  session.charts = session.people.map(
    (person) => new Chart(session.root.querySelector(`[data-chart="${person.id}"]`), session, person, on));
  session.slider.addEventListener("input", () => seek(session, Number(session.slider.value)));
  for (const button of session.root.querySelectorAll("[data-seek]")) {
    button.addEventListener("click", () => seek(session, Number(button.dataset.seek)));
  }
  if (session.film) follow(session);
}

function drawAll() {
  for (const session of data) {
    for (const chart of session.charts) chart.draw();
    showTime(session);
  }
}

data.forEach(connect);
drawAll();
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) { details.open = true; details.dataset.closed = ""; }
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
