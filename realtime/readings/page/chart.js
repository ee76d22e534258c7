"use strict";
// Draws the timeline of one person as SVG: a row for each expression, and on top a strip with the label that was shown. The colours that
// differ by day, by night and on paper come from the style sheet.

const STRIP = 1.0; // height of the strip, in rows
const ROW = 28; // px
const AXIS = 30; // px, height of the time axis
const TOP = 4; // px, above the strip
const PEAK = 0.84; // height of a probability of 1, in rows
const DRAG = 4; // px that the mouse moves at least in a drag
const LEAST_S = 0.1; // s, the shortest time that fills a chart
const TICK_PX = 64; // px between two ticks of the time axis at least
const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400];

const SVG = "http://www.w3.org/2000/svg";

// A new SVG element inside another one.
function shape(parent, name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  parent.append(made);
  return made;
}

// The path of a rectangle; as parts of one path, thousands of them are drawn quickly.
function rectangle(x, y, width, height) {
  return `M${x.toFixed(2)} ${y.toFixed(1)}h${width.toFixed(2)}v${height.toFixed(1)}h${(-width).toFixed(2)}z`;
}

// The width of a text of the strip in px.
function textWidth(text) {
  const ctx = textWidth.ctx ??= document.createElement("canvas").getContext("2d");
  ctx.font = "600 11px system-ui, sans-serif";
  return ctx.measureText(text).width;
}

// The hatching that stands for "unsure"; returns what fills with it.
function hatching(svg) {
  const id = `unsure-${hatching.made = (hatching.made ?? 0) + 1}`;
  const pattern = shape(shape(svg, "defs", {}), "pattern", { id, width: 8, height: 8, patternUnits: "userSpaceOnUse" });
  shape(pattern, "rect", { class: "hatch-ground", width: 8, height: 8 });
  shape(pattern, "path", { class: "hatch", d: "M-9 9L1 -1M-1 9L9 -1M7 9L17 -1" });
  return `url(#${id})`;
}

class Chart {
  // `on` has the functions seek(s), hover(s or null) and zoom(min, max); times are in seconds.
  constructor(box, session, person, on) {
    this.box = box;
    this.session = session;
    this.person = person;
    this.on = on;
    this.min = 0;
    this.max = session.duration;
    this.svg = document.createElementNS(SVG, "svg");
    this.plot = this.layer("plot", box);
    this.selection = this.layer("selection", this.plot);
    this.cursor = this.layer("cursor", this.plot);
    this.playhead = this.layer("playhead", this.plot);
    box.prepend(this.svg);
    this.listen();
  }

  layer(name, parent) {
    const layer = document.createElement("div");
    layer.className = name;
    parent.append(layer);
    return layer;
  }

  listen() {
    const { plot } = this;
    let start = null, end = 0;
    plot.addEventListener("pointerdown", (event) => {
      end = event.clientX;
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      start = end;
      plot.setPointerCapture(event.pointerId);
    });
    plot.addEventListener("pointermove", (event) => {
      if (event.pointerType !== "mouse") return;
      this.on.hover(this.timeAt(event.clientX));
      if (start !== null) this.select(start, event.clientX);
    });
    plot.addEventListener("pointerup", (event) => {
      if (start !== null && Math.abs(event.clientX - start) >= DRAG) {
        this.on.zoom(...[start, event.clientX].map((x) => this.timeAt(x)).sort((a, b) => a - b));
      }
      this.select(0, 0);
      start = null;
    });
    plot.addEventListener("pointercancel", () => { this.select(0, 0); start = null; });
    plot.addEventListener("pointerleave", () => this.on.hover(null));
    plot.addEventListener("click", (event) => {
      if (Math.abs(event.clientX - end) < DRAG) this.on.seek(this.timeAt(event.clientX));
    });
    plot.addEventListener("dblclick", () => this.on.zoom(0, this.session.duration));
    this.listenToFingers();
  }

  // Two fingers zoom: the times under them stay under them.
  listenToFingers() {
    const fingers = new Map(), places = () => [...fingers.values()].sort((a, b) => a - b);
    let held = null;
    const lift = (event) => { fingers.delete(event.pointerId); held = null; };
    this.plot.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "touch") return;
      fingers.set(event.pointerId, event.clientX);
      held = fingers.size === 2 ? places().map((x) => this.timeAt(x)) : null;
    });
    this.plot.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      fingers.set(event.pointerId, event.clientX);
      const [left, right] = places();
      if (!held || right - left < DRAG) return;
      const perPx = (held[1] - held[0]) / (right - left), min = held[0] - (left - this.plot.getBoundingClientRect().left) * perPx;
      this.on.zoom(min, min + this.width * perPx);
    });
    for (const kind of ["pointerup", "pointercancel"]) this.plot.addEventListener(kind, lift);
  }

  // Shows the part that is being selected, from one place to another on the screen.
  select(from, to) {
    const left = Math.max(Math.min(from, to) - this.plot.getBoundingClientRect().left, 0);
    const right = Math.min(Math.max(from, to) - this.plot.getBoundingClientRect().left, this.width);
    const visible = Math.abs(to - from) >= DRAG;
    this.selection.style.display = visible ? "block" : "none";
    if (visible) Object.assign(this.selection.style, { left: `${left}px`, width: `${right - left}px` });
  }

  setRange({ min, max }) {
    this.min = min;
    this.max = max;
    this.draw();
  }

  // Places a line at time s, or hides it.
  place(line, s) {
    const x = s === null ? -1 : this.x(s) - this.left;
    line.style.display = x < 0 || x > this.width ? "none" : "block";
    line.style.left = `${x}px`;
  }

  timeAt(clientX) {
    const share = (clientX - this.plot.getBoundingClientRect().left) / this.width;
    return this.min + Math.min(Math.max(share, 0), 1) * (this.max - this.min);
  }

  x(s) { return this.left + (s - this.min) / (this.max - this.min) * this.width; }

  // `rows` is a height above the time axis in rows.
  y(rows) { return TOP + this.height - rows * ROW; }

  // Draws all anew; on paper `wide` is a width in px that the page is about to have.
  draw(wide = this.box.clientWidth) {
    const rows = this.session.labels.length, narrow = wide < 560, full = TOP + (rows + STRIP) * ROW + AXIS;
    this.wide = wide;
    this.left = narrow ? 74 : 84;
    this.width = Math.max(wide - this.left - (narrow ? 6 : 12), 10);
    this.height = (rows + STRIP) * ROW;
    this.svg.setAttribute("viewBox", `0 0 ${wide} ${full}`);
    Object.assign(this.plot.style, { left: `${this.left}px`, top: `${TOP}px`, width: `${this.width}px`, height: `${this.height}px` });
    this.svg.replaceChildren();
    this.drawNames(narrow);
    this.drawTime();
    this.session.labels.forEach((_, i) => this.drawCurve(i));
    this.drawStrip();
  }

  drawNames(narrow) {
    const rows = this.session.labels.length, x = this.left - 6, look = { class: "name", x, "font-size": narrow ? 12 : 13 };
    this.session.labels.forEach((name, i) => shape(this.svg, "text", { ...look, y: this.y(rows - 1 - i + 0.26) }, name));
    shape(this.svg, "text", { ...look, y: this.y(rows + 0.4) }, "shown");
    const lines = this.session.labels.map((_, row) => rectangle(this.left, Math.round(this.y(row)), this.width, 1));
    shape(this.svg, "path", { class: "grid", d: lines.join("") });
  }

  drawTime() {
    const most = this.width / TICK_PX, span = this.max - this.min;
    const step = STEPS_S.find((s) => span / s <= most) ?? span;
    for (let n = Math.ceil(this.min / step - 1e-6); n * step <= this.max + 1e-6; n++) {
      const x = this.x(n * step), text = clock(n * step, step < 1);
      shape(this.svg, "path", { class: "grid", d: rectangle(Math.round(x), this.y(0), 1, 5) });
      const right = x + textWidth(text) / 2 > this.wide;
      shape(this.svg, "text", { class: "tick", x: right ? this.wide : x, y: this.y(0) + 19, "text-anchor": right ? "end" : "middle" },
        text);
    }
  }

  // The probability of one expression: an area with a line on top, with gaps where there is no value.
  drawCurve(i) {
    const { t } = this.person, values = this.person.p[i], foot = this.session.labels.length - 1 - i, ground = this.y(foot).toFixed(1);
    const first = Math.max(lastIndex(t, this.min * 1000), 0), last = Math.min(lastIndex(t, this.max * 1000) + 1, t.length - 1);
    let area = "", line = "", before = null;
    for (let k = first; k <= last + 1; k++) {
      const value = k <= last ? values[k] : null;
      if (value !== null) {
        const x = this.within(t[k] / 1000).toFixed(1), point = `${x} ${this.y(foot + PEAK * value / 1000).toFixed(1)}`;
        if (before === null) { line += `M${point}`; area += `M${x} ${ground}`; } else line += `L${point}`;
        area += `L${point}`;
        before = x;
      } else if (before !== null) {
        area += `L${before} ${ground}z`;
        before = null;
      }
    }
    shape(this.svg, "path", { class: "area", d: area, fill: this.session.colours[i] });
    const tones = `--by-day:${this.session.lines.light[i]};--by-night:${this.session.lines.dark[i]}`;
    shape(this.svg, "path", { class: "line", d: line, style: tones });
  }

  // The place of a time that may be just outside of what is shown: at the edge.
  within(s) { return Math.min(Math.max(this.x(s), this.left), this.left + this.width); }

  // What was shown over time, and a thick line under the curve of each shown label.
  drawStrip() {
    const { labels, colours } = this.session, rows = labels.length, unsure = hatching(this.svg);
    const top = this.y(rows + STRIP - 0.06), bottom = this.y(rows + 0.2), paths = labels.map(() => ""), names = [];
    const visible = this.person.runs.filter(([start, end]) => end / 1000 >= this.min && start / 1000 <= this.max);
    // A run is at least a px wide so that it is seen; among so many that they would cover each other it has its own width.
    const least = visible.length < this.width / 4 ? 1 : 0.05;
    let doubt = "";
    for (const [start, end, label, reason] of visible) {
      const left = this.within(start / 1000), right = Math.max(this.within(end / 1000), left + least);
      // A gap between neighbours that are wide enough for it.
      const part = rectangle(left, top, right - left - (right - left > 5 ? 1 : 0), bottom - top);
      if (reason) doubt += part; else paths[label] += part + rectangle(left, this.y(rows - 1 - label) - 3, right - left, 3);
      const text = reason ? `unsure: ${reason}` : labels[label];
      if (right - left > 30 && textWidth(text) + 10 < right - left) names.push([text, (left + right) / 2, reason]);
    }
    paths.forEach((d, i) => { if (d) shape(this.svg, "path", { d, fill: colours[i] }); });
    if (doubt) shape(this.svg, "path", { d: doubt, fill: unsure });
    for (const [text, x, reason] of names) {
      const wide = textWidth(text) + 8;
      if (reason) shape(this.svg, "path", { class: "plate", d: rectangle(x - wide / 2, top + 3, wide, bottom - top - 6) });
      shape(this.svg, "text", { class: reason ? "doubt" : "shown", x, y: (top + bottom) / 2 + 4 }, text);
    }
  }
}
