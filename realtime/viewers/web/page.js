"use strict";

const STRIP_S = 10;
const RETRY_MS = [500, 1000, 2000, 3000];
/* Without a word from the program, or without a new picture, after which what is shown is old. A word comes at least once a second. */
const SILENT_MS = 3000;
const STILL_MS = 5000;

const $ = (id) => document.getElementById(id);
const picture = $("picture");
let facts = null;
let status = null;
let line = null;
let attempts = 0;
let recordedBefore = null;
let socket = null;
let heard = 0;
let pictured = 0;
/* By face id: its card, and what was shown over the last ten seconds as {t, label}. */
const faces = new Map();

function tell(text) {
  if ($("message").textContent !== text) $("message").textContent = text;
}

function notice(text) {
  $("notice").hidden = !text;
  if ($("notice").textContent !== text) $("notice").textContent = text;
}

/* Says why what is shown is not what the camera sees now, and dims it; without a reason all is well. */
function markOld(why) {
  notice(why);
  document.body.classList.toggle("stale", Boolean(why));
}

async function loadFacts() {
  const answer = await fetch("/state");
  if (!answer.ok) throw new Error((await answer.text()).trim());
  facts = await answer.json();
  fill($("camera"), facts.cameras.map((one) => [one, one]), facts.camera);
  fill($("profile"), [["", "nobody's"], ...facts.profiles.map((one) => [one, one])], facts.profile || "");
  $("record").disabled = $("camera").disabled = $("profile").disabled = false;
  $("snapshot").disabled = !facts.snapshots;
  if (!facts.snapshots) $("snapshot").title = "no snapshots with --privacy";
  if (line && !faces.size) takeFaces(line);
}

function fill(select, options, chosen) {
  if (document.activeElement === select) return;
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value, false, value === chosen)));
}

async function loadFiles() {
  const answer = await fetch("/recordings");
  if (!answer.ok) return;
  const files = await answer.json();
  $("no-files").hidden = files.length > 0;
  $("files").replaceChildren(...files.map(fileRow));
}

function fileRow(file) {
  const row = document.createElement("li");
  const name = document.createElement("span");
  name.className = "name";
  name.textContent = `${file.name}, ${file.mb < 0.1 ? "under 0.1" : file.mb}\u00a0MB`;
  row.append(name, link("/recordings/", file.name, "", `Download ${file.name}`, "Download"));
  if (file.name.endsWith(".jsonl")) row.append(link("/reports/", file.name.slice(0, -6), ".html", `Report of ${file.name}`, "Report"));
  return row;
}

function link(folder, name, suffix, label, text) {
  const made = document.createElement("a");
  made.href = folder + encodeURIComponent(name) + suffix;
  made.setAttribute("aria-label", label);
  made.download = "";
  made.textContent = text;
  return made;
}

async function order(what, which) {
  try {
    const answer = await fetch("/command", { method: "POST", body: JSON.stringify({ do: what, which: which }) });
    if (!answer.ok) tell((await answer.text()).trim());
    else if (what === "snapshot") setTimeout(loadFiles, 500);
    else if (what !== "record") setTimeout(() => loadFacts().catch(() => {}), 2000);
  } catch {
    tell("the program does not answer");
  }
}

$("record").addEventListener("click", () => order("record", status && status.rec ? "stop" : "start"));
$("snapshot").addEventListener("click", () => order("snapshot", null));
$("camera").addEventListener("change", (event) => order("camera", event.target.value));
$("profile").addEventListener("change", (event) => order("profile", event.target.value || null));

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
    markOld(event.code === 1013 ? "Too many viewers look already; trying again" : "The program does not answer; reconnecting");
    $("rates").textContent = "reconnecting";
    $("rec").hidden = true;
    for (const id of ["record", "snapshot", "camera", "profile"]) $(id).disabled = true;
    setTimeout(connect, RETRY_MS[Math.min(attempts++, RETRY_MS.length - 1)]);
  };
}

/* A connection that is cut without a farewell stays open for minutes, and a program that hangs says nothing. */
setInterval(() => {
  if (socket.readyState !== WebSocket.OPEN) return;
  const now = performance.now();
  if (now - heard > 3 * SILENT_MS) socket.close();
  if (now - heard > SILENT_MS) markOld("The program does not answer");
  else if (status && !status.why && pictured && now - pictured > STILL_MS) markOld("No new picture comes");
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
  $("record").textContent = rec ? "Stop recording" : "Record";
  $("record").setAttribute("aria-pressed", String(Boolean(rec)));
  if (recordedBefore && !rec) [500, 2000, 5000].forEach((ms) => setTimeout(loadFiles, ms));
  recordedBefore = Boolean(rec);
  const parts = message.fps === null ? [] : [`${message.fps.toFixed(0)} fps`, `${message.latency_ms.toFixed(0)} ms`];
  if (message.dropped) parts.push(`${message.dropped} dropped`);
  if (message.saving) parts.push(`saving ${message.saving}`);
  $("rates").textContent = parts.join("  ·  ");
  tell(message.message || "");
  if (message.why || message.line) markOld(message.why || "");
  if (message.line) {
    line = message.line;
    if (facts) takeFaces(line);
  }
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
  const text = ids.length ? `A free place. Faces in the picture: ${ids.join(", ")}.` : "No face is in the picture.";
  for (const slot of slots.querySelectorAll(".empty")) if (slot.textContent !== text) slot.textContent = text;
}

/* The place of a face that has gone, which the next one takes: the other cards stay where they are. */
function emptySlot() {
  return $("empty").content.firstElementChild.cloneNode(true);
}

function newFace(id) {
  const card = $("face").content.firstElementChild.cloneNode(true);
  card.querySelector(".who").textContent = `Face ${id}`;
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
connect();
