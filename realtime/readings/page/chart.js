"use strict";
// Draws the timeline of one person on a canvas: a row for each expression, and on top a strip with the label that was shown.

const STRIP = 1.0; // height of the strip, in rows
const ROW = 28; // px
const AXIS = 30; // px, height of the time axis
const TOP = 4; // px, above the strip
const PEAK = 0.84; // height of a probability of 1, in rows
const DRAG = 4; // px that the mouse moves at least in a drag
const LEAST_S = 0.1; // s, the shortest time that fills a chart
const TICK_PX = 50; // px between two ticks of the time axis at least
const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
const night = matchMedia("(prefers-color-scheme: dark)");

function clock(s) {
  const whole = Math.floor(s + 1e-6);
  const minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600), seconds = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// The index of the last number that is not above x, or -1; the numbers do not fall.
function lastIndex(numbers, x) {
  let low = 0, high = numbers.length - 1, index = -1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= x) { index = middle; low = middle + 1; } else high = middle - 1;
  }
  return index;
}

// The hatching that stands for "unsure".
function hatching(ctx) {
  const tile = document.createElement("canvas"), ratio = devicePixelRatio;
  tile.width = tile.height = Math.round(8 * ratio);
  const pen = tile.getContext("2d");
  pen.scale(ratio, ratio);
  pen.fillStyle = night.matches ? "#3a3a40" : "#d2d2cd";
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = night.matches ? "#77777c" : "#9a9a96";
  pen.lineWidth = 2.5;
  pen.beginPath();
  for (const x of [-8, 0, 8]) { pen.moveTo(x - 1, 9); pen.lineTo(x + 9, -1); }
  pen.stroke();
  const pattern = ctx.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(8 / tile.width));
  return pattern;
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
    this.canvas = document.createElement("canvas");
    this.plot = this.layer("plot", box);
    this.selection = this.layer("selection", this.plot);
    this.cursor = this.layer("cursor", this.plot);
    this.playhead = this.layer("playhead", this.plot);
    box.prepend(this.canvas);
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
  }

  // Shows the part that is being selected, from one place to another on the screen.
  select(from, to) {
    const left = Math.max(Math.min(from, to) - this.plot.getBoundingClientRect().left, 0);
    const right = Math.min(Math.max(from, to) - this.plot.getBoundingClientRect().left, this.width);
    const visible = Math.abs(to - from) >= DRAG;
    this.selection.style.display = visible ? "block" : "none";
    if (visible) Object.assign(this.selection.style, { left: `${left}px`, width: `${right - left}px` });
  }

  setRange(min, max) {
    const most = this.session.duration, width = Math.min(Math.max(max - min, LEAST_S), most);
    this.min = Math.min(Math.max(min, 0), most - width);
    this.max = this.min + width;
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

  draw() {
    const rows = this.session.labels.length, narrow = this.box.clientWidth < 560, ratio = devicePixelRatio;
    this.left = narrow ? 74 : 84;
    this.width = Math.max(this.box.clientWidth - this.left - (narrow ? 6 : 12), 10);
    this.height = (rows + STRIP) * ROW;
    this.canvas.width = Math.round(this.box.clientWidth * ratio);
    this.canvas.height = Math.round((TOP + this.height + AXIS) * ratio);
    Object.assign(this.canvas.style, { width: `${this.box.clientWidth}px`, height: `${TOP + this.height + AXIS}px` });
    Object.assign(this.plot.style, { left: `${this.left}px`, top: `${TOP}px`, width: `${this.width}px`, height: `${this.height}px` });
    const ctx = this.canvas.getContext("2d");
    ctx.scale(ratio, ratio);
    this.drawNames(ctx, narrow);
    this.drawTime(ctx);
    ctx.save();
    ctx.beginPath();
    ctx.rect(this.left, 0, this.width, TOP + this.height);
    ctx.clip();
    this.session.labels.forEach((_, i) => this.drawCurve(ctx, i));
    this.drawStrip(ctx);
    ctx.restore();
  }

  drawNames(ctx, narrow) {
    const rows = this.session.labels.length;
    ctx.font = `${narrow ? 12 : 13}px system-ui, sans-serif`;
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    ctx.fillStyle = style("--soft");
    this.session.labels.forEach((name, i) => ctx.fillText(name, this.left - 6, this.y(rows - 1 - i + 0.42)));
    ctx.fillText("shown", this.left - 6, this.y(rows + 0.57));
    ctx.fillStyle = style("--line");
    for (let row = 0; row < rows; row++) ctx.fillRect(this.left, Math.round(this.y(row)), this.width, 1);
  }

  drawTime(ctx) {
    const most = this.width / TICK_PX, span = this.max - this.min;
    const step = STEPS_S.find((s) => span / s <= most) ?? span;
    ctx.font = "12px system-ui, sans-serif";
    ctx.textBaseline = "top";
    const edge = this.box.clientWidth;
    for (let n = Math.ceil(this.min / step - 1e-6); n * step <= this.max + 1e-6; n++) {
      const x = this.x(n * step), text = step < 1 ? (n * step).toFixed(1) : clock(n * step);
      ctx.fillStyle = style("--line");
      ctx.fillRect(Math.round(x), this.y(0), 1, 5);
      ctx.fillStyle = style("--soft");
      ctx.textAlign = x + ctx.measureText(text).width / 2 > edge ? "right" : "center";
      ctx.fillText(text, ctx.textAlign === "right" ? edge : x, this.y(0) + 9);
    }
  }

  // The probability of one expression: an area with a line on top, with gaps where there is no value.
  drawCurve(ctx, i) {
    const { t } = this.person, values = this.person.p[i], foot = this.session.labels.length - 1 - i;
    const first = Math.max(lastIndex(t, this.min * 1000), 0), last = Math.min(lastIndex(t, this.max * 1000) + 1, t.length - 1);
    const area = new Path2D(), line = new Path2D();
    let before = null;
    for (let k = first; k <= last + 1; k++) {
      const value = k <= last ? values[k] : null;
      if (value !== null) {
        const x = this.x(t[k] / 1000), y = this.y(foot + PEAK * value / 1000);
        if (before === null) { line.moveTo(x, y); area.moveTo(x, this.y(foot)); } else line.lineTo(x, y);
        area.lineTo(x, y);
        before = x;
      } else if (before !== null) {
        area.lineTo(before, this.y(foot));
        area.closePath();
        before = null;
      }
    }
    ctx.fillStyle = this.session.colours[i] + (night.matches ? "66" : "88");
    ctx.fill(area);
    ctx.strokeStyle = (night.matches ? this.session.lines.dark : this.session.lines.light)[i];
    ctx.lineWidth = 1.5;
    ctx.lineJoin = "round";
    ctx.stroke(line);
  }

  // What was shown over time, and a thick line under the curve of each shown label.
  drawStrip(ctx) {
    const rows = this.session.labels.length, top = this.y(rows + STRIP - 0.06), bottom = this.y(rows + 0.2), unsure = hatching(ctx);
    ctx.font = "600 11px system-ui, sans-serif";
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    for (const [start, end, label, reason] of this.person.runs) {
      const left = this.x(start / 1000), right = Math.max(this.x(end / 1000), left + 1);
      if (right < this.left || left > this.left + this.width) continue;
      ctx.fillStyle = reason ? unsure : this.session.colours[label];
      ctx.fillRect(left, top, right - left, bottom - top);
      if (!reason) ctx.fillRect(left, this.y(rows - 1 - label) - 3, right - left, 3);
      const from = Math.max(left, this.left), to = Math.min(right, this.left + this.width);
      const text = reason ? `unsure: ${reason}` : this.session.labels[label], wide = ctx.measureText(text).width;
      if (wide + 10 < to - from) {
        if (reason) {
          ctx.fillStyle = night.matches ? "#1d1d20" : "#ffffff";
          ctx.fillRect((from + to) / 2 - wide / 2 - 4, top + 3, wide + 8, bottom - top - 6);
        }
        ctx.fillStyle = reason ? style("--ink") : "#111111";
        ctx.fillText(text, (from + to) / 2, (top + bottom) / 2 + 1);
      }
      // A gap between neighbours that are wide enough for it.
      if (right - left > 5) {
        ctx.fillStyle = style("--card");
        ctx.fillRect(right - 1, top, 1, bottom - top);
      }
    }
  }
}
