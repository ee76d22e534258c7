"use strict";

const STRIP_S = 10;
const RETRY_MS = [500, 1000, 2000, 3000];
/* Without a word from the program, or without a new picture, after which what is shown is old. A word comes at least once a second. */
const SILENT_MS = 3000;
const STILL_MS = 5000;
const MESSAGE_MS = 4000;
const STEERED = ["record", "snapshot", "pause", "mirror", "hide", "camera", "profile"];

const $ = (id) => document.getElementById(id);
const texts = JSON.parse(document.body.dataset.texts);
const picture = $("picture");
let facts = null;
let status = null;
let line = null;
let attempts = 0;
let recordedBefore = null;
let numbers = false;
/* Why what is shown is old, and a message of the page itself, which stays until a time. */
let why = "";
let own = { text: "", until: 0 };
let refreshing = false;
let socket = null;
let heard = 0;
let pictured = 0;
/* By face id: its card, and what was shown over the last ten seconds as {t, label}. */
const faces = new Map();

/* A text of the page with values in its places. */
function say(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function write(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

/* The page's own message, beside those of the program. */
function tell(text) {
  own = { text: text, until: performance.now() + MESSAGE_MS };
  write("message", text);
}

/* Says why what is shown is not what the camera sees now, and dims it; without a reason all is well. */
function markOld(reason) {
  why = reason;
  document.body.classList.toggle("stale", Boolean(why));
  showNotice();
}

function showNotice() {
  const paused = status && status.paused ? [texts.paused, ...(status.rec ? [`REC ${texts.continues}`] : [])] : [];
  const text = why || [...paused, ...(status && status.hidden ? [texts.hidden] : [])].join(" \u00b7 ");
  $("notice").hidden = !text;
  write("notice", text);
}

async function loadFacts() {
  const answer = await fetch("/state");
  if (!answer.ok) throw new Error(texts.refused);
  facts = await answer.json();
  fill($("camera"), facts.cameras, facts.camera);
  fill($("profile"), [["", texts.nobodys], ...facts.profiles.map((one) => [one, one])], facts.profile || "");
  for (const id of STEERED) $(id).disabled = false;
  $("snapshot").disabled = !facts.snapshots;
  if (!facts.snapshots) $("snapshot").title = texts.no_snapshots;
  showColours();
  if (line && !faces.size) takeFaces(line);
}

function fill(select, options, chosen) {
  const same = JSON.stringify([...select.options].map((one) => [one.value, one.text])) === JSON.stringify(options);
  if (same) select.value = chosen;
  else select.replaceChildren(...options.map(([value, text]) => new Option(text, value, false, value === chosen)));
}

/* Another browser may have changed camera or profile. */
function refreshFacts() {
  if (refreshing || !facts || document.activeElement.matches("select")) return;
  if (status.camera === facts.camera && (status.profile || "") === (facts.profile || "")) return;
  refreshing = true;
  loadFacts().catch(() => {}).finally(() => setTimeout(() => (refreshing = false), 1500));
}

async function ask(address, content) {
  try {
    const answer = await fetch(address, { method: "POST", body: JSON.stringify(content) });
    if (answer.ok) return answer;
    if (answer.status === 429) tell(texts.busy);
    else if (address === "/snapshot") tell(answer.status === 403 ? texts.no_snapshots : texts.unsaved);
    else if (address === "/delete") tell(say("undeleted", { name: content.name }));
    else tell(texts.refused);
  } catch {
    tell(texts.silent);
  }
  return null;
}

async function order(what, which) {
  const answer = await ask("/command", { do: what, which: which });
  if (answer && ["camera", "profile"].includes(what)) setTimeout(() => loadFacts().catch(() => {}), 2000);
}

/* Turns what is on off and what is off on. */
function flip(what, isOn) {
  order(what, isOn ? "off" : "on");
}

function connect() {
  socket = new WebSocket(`ws://${location.host}/live`);
  heard = performance.now();
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    attempts = 0;
    loadFacts().catch((error) => tell(error.message));
    loadFiles();
  };
  socket.onmessage = (event) => {
    heard = performance.now();
    if (typeof event.data === "string") takeStatus(JSON.parse(event.data));
    else takePicture(event.target, event.data);
  };
  socket.onclose = (event) => {
    askForToken();
    markOld(event.code === 1013 ? texts.crowded : texts.lost);
    write("rates", texts.reconnecting);
    $("rec").hidden = true;
    document.title = texts.title;
    for (const id of STEERED) $(id).disabled = true;
    setTimeout(connect, RETRY_MS[Math.min(attempts++, RETRY_MS.length - 1)]);
  };
}

/* A connection that is cut without a farewell stays open for minutes, and a program that hangs says nothing. */
setInterval(() => {
  if (!socket || socket.readyState !== WebSocket.OPEN) return;
  const now = performance.now();
  if (now - heard > 3 * SILENT_MS) socket.close();
  if (now - heard > SILENT_MS) markOld(texts.silent);
  else if (status && !status.why && !status.paused && pictured && now - pictured > STILL_MS) markOld(texts.still);
}, 1000);

/* A program that was started again has another token: its first page has a field for it. */
async function askForToken() {
  try {
    if ((await fetch("/state")).status === 401) location.replace("/");
  } catch {
    /* There is no program: the next attempt will show. */
  }
}

async function takePicture(socket, data) {
  try {
    if (data.byteLength) {
      const bitmap = await createImageBitmap(new Blob([data], { type: "image/jpeg" }));
      if (picture.width !== bitmap.width || picture.height !== bitmap.height) {
        picture.width = bitmap.width;
        picture.height = bitmap.height;
      }
      picture.getContext("2d").drawImage(bitmap, 0, 0);
      bitmap.close();
      pictured = performance.now();
      picture.dataset.count = Number(picture.dataset.count || 0) + 1;
    }
  } finally {
    if (socket.readyState === WebSocket.OPEN) socket.send("got");
  }
}

function takeStatus(message) {
  status = message;
  const rec = message.rec;
  $("rec").hidden = !rec;
  if (rec) $("rec").textContent = `REC ${clock(rec.s)}, ${rec.mb.toFixed(1)} MB`;
  document.title = rec ? `REC \u00b7 ${texts.title}` : texts.title;
  for (const [id, pressed] of [["record", rec], ["pause", message.paused], ["mirror", message.mirror], ["hide", message.hidden]])
    $(id).setAttribute("aria-pressed", String(Boolean(pressed)));
  if (recordedBefore && !rec) [500, 2000, 5000].forEach((ms) => setTimeout(loadFiles, ms));
  recordedBefore = Boolean(rec);
  showRates();
  write("message", message.message || (performance.now() < own.until ? own.text : ""));
  /* During a pause no picture comes, and that is right. */
  if (message.why || message.line || message.paused) markOld(message.why || "");
  showNotice();
  refreshFacts();
  if (message.line) {
    line = message.line;
    if (facts) takeFaces(line);
  }
}

function showRates() {
  if (!status) return;
  const rates = numbers && status.fps !== null ? [`${status.fps.toFixed(0)} fps`, `${status.latency_ms.toFixed(0)} ms`] : [];
  write("rates", [...status.parts, ...rates].join("  \u00b7  "));
}

function clock(s) {
  return `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
}

function takeFaces(now) {
  const present = new Set(now.faces.map((face) => face.id));
  for (const [id, known] of faces) {
    if (present.has(id)) continue;
    /* A face that is back within a second keeps its place. */
    if (now.t - known.seen > 1 || now.t < known.seen) {
      known.card.replaceWith(emptySlot());
      faces.delete(id);
    }
  }
  for (const face of now.faces) {
    if (!faces.has(face.id)) faces.set(face.id, newFace(face.id));
    const known = faces.get(face.id);
    known.seen = now.t;
    known.past.push({ t: now.t, label: face.unsure ? null : face.label });
    while (known.past.length && known.past[0].t < now.t - STRIP_S) known.past.shift();
    showFace(known, face, now.t);
  }
  const slots = $("faces");
  while (slots.children.length > 1 && slots.lastElementChild.matches(".empty")) slots.lastElementChild.remove();
  if (!slots.children.length) slots.append(emptySlot());
  const ids = [...faces.keys()];
  const text = ids.length ? say("free", { ids: ids.map((id) => `#${id}`).join(", ") }) : texts.nobody;
  for (const slot of slots.querySelectorAll(".empty")) if (slot.textContent !== text) slot.textContent = text;
}

/* The place of a face that has gone, which the next one takes: the other cards stay where they are. */
function emptySlot() {
  return $("empty").content.firstElementChild.cloneNode(true);
}

function newFace(id) {
  const card = $("face").content.firstElementChild.cloneNode(true);
  card.querySelector(".who").textContent = say("face", { id: id });
  const bars = facts.labels.map((label) => {
    const row = document.createElement("li");
    const name = document.createElement("span");
    const bar = document.createElement("span");
    const fill = document.createElement("i");
    const share = document.createElement("span");
    name.textContent = facts.names[label];
    bar.className = "bar";
    share.className = "share";
    fill.style.background = facts.colours[label];
    bar.append(fill);
    row.append(name, bar, share);
    return { row, fill, share };
  });
  card.querySelector(".bars").append(...bars.map((bar) => bar.row));
  const free = $("faces").querySelector(".empty");
  if (free) free.replaceWith(card);
  else $("faces").append(card);
  return { card, bars, strip: card.querySelector(".strip"), what: card.querySelector(".what"), past: [], seen: 0 };
}

function showFace(known, face, t) {
  known.what.textContent = face.unsure ? facts.doubts[face.unsure] : `${facts.names[face.label]} ${Math.round(face.confidence * 100)} %`;
  facts.labels.forEach((label, i) => {
    const { row, fill, share } = known.bars[i];
    fill.style.width = `${(face.probs[i] * 100).toFixed(1)}%`;
    share.textContent = `${Math.round(face.probs[i] * 100)} %`;
    row.classList.toggle("shown", !face.unsure && label === face.label);
  });
  drawStrip(known.strip, known.past, t);
}

/* The newest at the right; doubt and absence stay empty. */
function drawStrip(strip, past, t) {
  const width = Math.round(strip.clientWidth * devicePixelRatio);
  if (strip.width !== width) strip.width = width;
  const pen = strip.getContext("2d");
  pen.clearRect(0, 0, strip.width, strip.height);
  past.forEach((one, i) => {
    if (!one.label) return;
    const end = Math.min(i + 1 < past.length ? past[i + 1].t : t, one.t + 0.5);
    /* Whole pixels: else there is a seam between any two. */
    const x = (time) => Math.round((1 - (t - time) / STRIP_S) * strip.width);
    pen.fillStyle = facts.colours[one.label];
    pen.fillRect(x(one.t), 0, Math.max(1, x(end) - x(one.t)), strip.height);
  });
}

$("faces").append(emptySlot());
/* After the other scripts. */
addEventListener("DOMContentLoaded", connect);
