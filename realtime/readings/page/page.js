"use strict";
// Brings the page to life: charts, a cursor that goes with the film, and clicks that move it. All numbers are in the page already.

const data = JSON.parse(document.getElementById("data").textContent);
const night = matchMedia("(prefers-color-scheme: dark)");
const STRIP = 1.0; // height of the strip with the shown expression, in rows
const ROW = 28; // px

function clock(s) {
  const whole = Math.floor(s + 1e-6);
  const minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600), seconds = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// The place of the last number that is not above x.
function place(numbers, x) {
  let low = 0, high = numbers.length - 1, found = -1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= x) { found = middle; low = middle + 1; } else high = middle - 1;
  }
  return found;
}

// What is said of a person at a time: [label number or -1, reason], or null when the face is away.
function shown(person, ms) {
  const i = place(person.starts, ms);
  return i >= 0 && ms <= person.runs[i][1] ? person.runs[i].slice(2) : null;
}

function words(session, said) {
  if (!said) return "not seen";
  return said[1] ? `unsure (${said[1]})` : session.labels[said[0]];
}

function hatch(ctx) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.fillStyle = night.matches ? "#3a3a40" : "#d2d2cd";
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = night.matches ? "#77777c" : "#9a9a96";
  pen.lineWidth = 2.5;
  pen.beginPath();
  for (const x of [-8, 0, 8]) { pen.moveTo(x - 1, 9); pen.lineTo(x + 9, -1); }
  pen.stroke();
  return ctx.createPattern(tile, "repeat");
}

function strip(u, session, person) {
  const { ctx } = u, rows = session.labels.length, ratio = devicePixelRatio;
  const top = u.valToPos(rows + STRIP - 0.06, "y", true), bottom = u.valToPos(rows + 0.2, "y", true);
  const unsure = hatch(ctx);
  ctx.save();
  ctx.beginPath();
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  ctx.clip();
  ctx.font = `600 ${11 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  for (const [start, end, label, why] of person.runs) {
    const left = u.valToPos(start / 1000, "x", true), right = Math.max(u.valToPos(end / 1000, "x", true), left + 1);
    if (right < u.bbox.left || left > u.bbox.left + u.bbox.width) continue;
    ctx.fillStyle = why ? unsure : session.colours[label];
    ctx.fillRect(left, top, right - left, bottom - top);
    if (!why) {
      const foot = u.valToPos(rows - 1 - label, "y", true);
      ctx.fillRect(left, foot - 3 * ratio, right - left, 3 * ratio);
    }
    const from = Math.max(left, u.bbox.left), to = Math.min(right, u.bbox.left + u.bbox.width);
    const text = why ? `unsure: ${why}` : session.labels[label], wide = ctx.measureText(text).width;
    if (wide + 10 * ratio < to - from) {
      if (why) {
        ctx.fillStyle = night.matches ? "#1d1d20" : "#ffffff";
        ctx.fillRect((from + to) / 2 - wide / 2 - 4 * ratio, top + 3 * ratio, wide + 8 * ratio, bottom - top - 6 * ratio);
      }
      ctx.fillStyle = why ? style("--ink") : "#111111";
      ctx.fillText(text, (from + to) / 2, (top + bottom) / 2 + ratio);
    }
    // A seam between neighbours, where it leaves something to be seen of them.
    if (right - left > 5 * ratio) {
      ctx.fillStyle = style("--card");
      ctx.fillRect(right - ratio, top, ratio, bottom - top);
    }
  }
  ctx.restore();
}

function chart(session, person, box) {
  const rows = session.labels.length, names = session.labels, ink = style("--soft"), line = style("--line");
  const narrow = box.clientWidth < 560;
  const columns = [person.t.map((ms) => ms / 1000)];
  names.forEach((_, i) => columns.push(person.p[i].map((v) => (v === null ? null : rows - 1 - i + 0.84 * v / 1000))));
  const series = [{}];
  names.forEach((name, i) => series.push({
    label: name,
    stroke: (night.matches ? session.lines.dark : session.lines.light)[i],
    fill: session.colours[i] + (night.matches ? "66" : "88"),
    fillTo: () => rows - 1 - i,
    width: 1.5,
    points: { show: false },
  }));
  const u = new uPlot({
    width: box.clientWidth,
    height: Math.round((rows + STRIP) * ROW) + 34,
    padding: [4, narrow ? 6 : 12, 0, 0],
    legend: { show: false },
    focus: { alpha: 1 },
    scales: { x: { time: false, range: (_, low, high) => (low === high ? [0, session.duration] : [low, high]) }, y: { range: [0, rows + STRIP] } },
    axes: [
      { stroke: ink, grid: { show: false }, ticks: { stroke: line, size: 5 }, space: 60, font: "12px system-ui, sans-serif", size: 30,
        values: (_, ticks) => ticks.map((s) => (ticks.length > 1 && ticks[1] - ticks[0] < 1 ? s.toFixed(1) : clock(s))) },
      { stroke: ink, ticks: { show: false }, gap: 6, size: narrow ? 74 : 84, font: `${narrow ? 12 : 13}px system-ui, sans-serif`,
        grid: { show: false },
        splits: () => [...names.map((_, i) => rows - 1 - i + 0.42), rows + 0.57], values: () => [...names, "shown"] },
    ],
    series,
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false }, sync: { key: session.key, setSeries: false, scales: ["x", null] } },
    hooks: {
      drawClear: [(u) => {
        const { ctx } = u;
        ctx.strokeStyle = line;
        ctx.lineWidth = 1;
        for (let row = 0; row < rows; row++) {
          const y = Math.round(u.valToPos(row, "y", true)) + 0.5;
          ctx.beginPath();
          ctx.moveTo(u.bbox.left, y);
          ctx.lineTo(u.bbox.left + u.bbox.width, y);
          ctx.stroke();
        }
      }],
      draw: [(u) => strip(u, session, person)],
      setScale: [(u, key) => {
        if (key !== "x" || session.zooming) return;
        session.zooming = true;
        for (const other of session.charts) if (other !== u) other.setScale("x", { min: u.scales.x.min, max: u.scales.x.max });
        session.zooming = false;
        session.draw();
      }],
      setCursor: [(u) => {
        if (u.cursor.left < 0 || u.cursor.left === undefined) { person.readout.textContent = ""; return; }
        const s = u.posToVal(u.cursor.left, "x"), said = shown(person, s * 1000);
        person.readout.textContent = `${clock(s)}  ${words(session, said)}`;
      }],
    },
  }, columns, box);
  u.setScale("x", { min: 0, max: session.duration });
  const head = document.createElement("div");
  head.className = "playhead";
  u.over.appendChild(head);
  let down = 0;
  u.over.addEventListener("mousedown", (event) => { down = event.clientX; });
  u.over.addEventListener("click", (event) => {
    if (Math.abs(event.clientX - down) < 4) session.seek(u.posToVal(event.clientX - u.over.getBoundingClientRect().left, "x"));
  });
  u.over.addEventListener("dblclick", () => u.setScale("x", { min: 0, max: session.duration }));
  u.playhead = head;
  return u;
}

function bars(session, person) {
  const box = session.root.querySelector(`[data-now="${person.id}"]`);
  return {
    said: box.querySelector(".who span"),
    rows: [...box.querySelectorAll("li")].map((row) => ({ row, bar: row.querySelector("i"), number: row.querySelector("span:last-child") })),
  };
}

function live(session) {
  session.root = document.getElementById(session.key);
  const film = session.root.querySelector("video"), slider = session.root.querySelector("input[type=range]");
  const time = session.root.querySelector("output");
  session.charts = [];
  session.time = 0;
  for (const person of session.people) {
    person.starts = person.runs.map((run) => run[0]);
    person.readout = session.root.querySelector(`[data-readout="${person.id}"]`);
    person.now = bars(session, person);
  }
  session.draw = () => {
    const ms = session.time * 1000;
    slider.value = session.time;
    slider.setAttribute("aria-valuetext", clock(session.time));
    time.textContent = `${clock(session.time)}.${Math.floor(session.time * 10 + 1e-6) % 10} / ${clock(session.duration)}`;
    for (const u of session.charts) {
      const x = u.valToPos(session.time, "x");
      u.playhead.style.display = x < 0 || x > u.over.clientWidth ? "none" : "";
      u.playhead.style.left = `${x}px`;
    }
    for (const person of session.people) {
      const said = shown(person, ms), at = said ? Math.max(0, place(person.t, ms)) : -1;
      person.now.said.textContent = words(session, said);
      person.now.rows.forEach(({ row, bar, number }, i) => {
        const p = at < 0 ? null : person.p[i][at];
        bar.style.width = `${(p ?? 0) / 10}%`;
        number.textContent = p === null ? "" : `${Math.round(p / 10)} %`;
        row.classList.toggle("shown", !!said && !said[1] && said[0] === i);
      });
    }
  };
  session.seek = (s) => {
    session.time = Math.min(Math.max(s, 0), session.duration);
    if (film) film.currentTime = session.time;
    session.draw();
  };
  slider.addEventListener("input", () => session.seek(Number(slider.value)));
  for (const button of session.root.querySelectorAll("[data-seek]")) {
    button.addEventListener("click", () => session.seek(Number(button.dataset.seek)));
  }
  if (film) {
    const follow = () => {
      session.time = film.currentTime;
      session.draw();
      if (!film.paused && !film.ended) requestAnimationFrame(follow);
    };
    film.addEventListener("play", follow);
    for (const kind of ["timeupdate", "seeked", "ended"]) film.addEventListener(kind, () => { session.time = film.currentTime; session.draw(); });
    film.addEventListener("error", () => {
      const note = session.root.querySelector(".gone");
      note.hidden = false;
      film.hidden = true;
    }, true);
    if (film.error) film.dispatchEvent(new Event("error"));
  }
}

function drawAll() {
  for (const session of data) {
    const before = session.charts[0]?.scales.x, range = before && { min: before.min, max: before.max };
    for (const u of session.charts) u.destroy();
    session.charts = [];
    for (const person of session.people) {
      session.charts.push(chart(session, person, session.root.querySelector(`[data-chart="${person.id}"]`)));
    }
    if (range && session.charts[0]) session.charts[0].setScale("x", range);
    session.draw();
  }
}

data.forEach(live);
drawAll();
night.addEventListener("change", drawAll);
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  requestAnimationFrame(drawAll);
});
