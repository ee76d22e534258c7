"use strict";

/* The list of recordings: one row each. Pictures and lengths of films are found by the browser, one film at a time. */

const THUMB = { width: 256, height: 192 };
const LOOK_MS = 8000;
const VIDEO = /\.(mp4|mov|mkv)$/;

/* By the name of a film: its small picture and its length in seconds. */
const seen = new Map();
/* By the name of a recording: its row, and what is in it. */
const rows = new Map();
let waiting = [];
let looking = false;

async function loadFiles() {
  const answer = await fetch("/recordings").catch(() => null);
  if (!answer || !answer.ok) return;
  const recordings = await answer.json();
  const names = new Set(recordings.map((one) => one.name));
  for (const name of rows.keys()) if (!names.has(name)) rows.delete(name);
  for (const one of recordings) {
    const content = JSON.stringify(one);
    /* A row that stays the same keeps the focus. */
    if (!rows.has(one.name) || rows.get(one.name).content !== content) rows.set(one.name, { row: newRow(one), content: content });
  }
  const wanted = recordings.map((one) => rows.get(one.name).row);
  const list = $("files");
  for (const row of [...list.children]) if (!wanted.includes(row)) row.remove();
  wanted.forEach((row, i) => {
    if (list.children[i] !== row) list.insertBefore(row, list.children[i] || null);
  });
  $("no-files").hidden = recordings.length > 0;
}

/* "2026-11-28_08-00-12_2" is a date and a time in the reader's way. */
function title(name) {
  const found = /^(\d{4})-(\d\d)-(\d\d)_(\d\d)-(\d\d)-(\d\d)(?:_(\d+))?(?:\.png)?$/.exec(name);
  if (!found) return name;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number);
  const date = new Date(year, month - 1, day, hour, minute, second);
  const text = date.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
  return found[7] ? `${text} (${found[7]})` : text;
}

function newRow(recording) {
  const row = $("recording").content.firstElementChild.cloneNode(true);
  const name = title(recording.name);
  row.querySelector(".name").textContent = name;
  row.querySelector(".name").title = recording.name;
  const films = recording.files.filter((one) => VIDEO.test(one.name));
  const film = films.find((one) => !/_clean\.\w+$/.test(one.name)) || films[0];
  const still = recording.files.find((one) => one.name.endsWith(".png"));
  const mb = recording.files.reduce((sum, one) => sum + one.mb, 0);
  const size = say("size", { mb: mb < 0.1 ? "< 0.1" : mb.toFixed(1) });
  row.querySelector(".length").textContent = size;
  if (film || still) row.querySelector(".thumb").replaceWith(thumb(film || still, name, Boolean(film), row.querySelector(".length"), size));
  row.querySelector(".deeds").append(...deeds(recording, name));
  return row;
}

function deeds(recording, name) {
  const made = [];
  if (recording.files.some((one) => one.name.endsWith(".jsonl"))) {
    made.push(link(`/reports/${encodeURIComponent(recording.name)}.html`, say("report_one", { name: name }), texts.report));
  }
  recording.files.forEach((one, i) => {
    const kind = (one.name.slice(recording.name.length) || one.name.slice(-4)).replace(/^[._]/, "");
    const label = say("download_one", { name: `${name}, ${kind}` });
    made.push(link(`/recordings/${encodeURIComponent(one.name)}`, label, i ? (kind === "jsonl" ? texts.readings : kind) : `${texts.download} ${kind}`));
  });
  if (recording.own) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "danger";
    button.textContent = texts.delete;
    button.setAttribute("aria-label", say("delete_one", { name: name }));
    button.addEventListener("click", () => askToDelete(recording.name, name));
    made.push(button);
  }
  return made;
}

function link(address, label, text) {
  const made = document.createElement("a");
  made.href = address;
  made.className = "button";
  made.setAttribute("aria-label", label);
  made.download = "";
  made.textContent = text;
  return made;
}

/* A button with a small picture of a film or a snapshot, which opens it. */
function thumb(file, name, isFilm, length, size) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "thumb";
  button.setAttribute("aria-label", say(isFilm ? "play_one" : "show_one", { name: name }));
  button.addEventListener("click", () => openPlayer(file.name, name, isFilm));
  const address = `/recordings/${encodeURIComponent(file.name)}`;
  if (!isFilm) {
    const picture = new Image();
    picture.loading = "lazy";
    picture.alt = "";
    picture.src = address;
    button.append(picture);
    return button;
  }
  const canvas = document.createElement("canvas");
  Object.assign(canvas, THUMB);
  const sign = document.createElement("span");
  sign.className = "sign";
  sign.textContent = "\u25b6";
  button.append(canvas, sign);
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((one) => one.isIntersecting)) return;
    observer.disconnect();
    waiting.push({ name: file.name, address: address, show: (found) => showFound(found, canvas, length, size) });
    lookOn();
  }).observe(button);
  return button;
}

function showFound(found, canvas, length, size) {
  if (found.picture) canvas.getContext("2d").drawImage(found.picture, 0, 0);
  if (Number.isFinite(found.seconds)) length.textContent = `${clock(Math.round(found.seconds))} \u00b7 ${size}`;
}

/* One film at a time: browsers have few connections to one server. */
async function lookOn() {
  if (looking) return;
  looking = true;
  while (waiting.length) {
    const next = waiting.pop();
    if (!seen.has(next.name)) seen.set(next.name, await lookInto(next.address));
    next.show(seen.get(next.name));
  }
  looking = false;
}

/* The small picture and the length of a film; neither, if the browser cannot play it or it takes too long. */
function lookInto(address) {
  const video = document.createElement("video");
  const found = { picture: null, seconds: NaN };
  return new Promise((resolve) => {
    const end = setTimeout(finish, LOOK_MS);
    function finish() {
      clearTimeout(end);
      video.onloadedmetadata = video.onseeked = video.onerror = null;
      /* Frees its connection. */
      video.removeAttribute("src");
      video.load();
      resolve(found);
    }
    video.onloadedmetadata = () => {
      found.seconds = video.duration;
      /* The first pictures of a camera are often dark. */
      video.currentTime = Number.isFinite(video.duration) ? Math.min(1, video.duration / 2) : 0;
    };
    video.onseeked = () => {
      found.picture = document.createElement("canvas");
      Object.assign(found.picture, THUMB);
      const scale = Math.max(THUMB.width / video.videoWidth, THUMB.height / video.videoHeight);
      const [width, height] = [video.videoWidth * scale, video.videoHeight * scale];
      found.picture.getContext("2d").drawImage(video, (THUMB.width - width) / 2, (THUMB.height - height) / 2, width, height);
      finish();
    };
    video.onerror = finish;
    video.muted = true;
    video.playsInline = true;
    video.preload = "auto";
    video.src = address;
  });
}

function openPlayer(fileName, name, isFilm) {
  const shown = document.createElement(isFilm ? "video" : "img");
  if (isFilm) {
    shown.controls = shown.autoplay = shown.playsInline = true;
    shown.onerror = () => ($("unplayable").hidden = false);
  } else {
    shown.alt = name;
  }
  shown.src = `/recordings/${encodeURIComponent(fileName)}`;
  $("unplayable").hidden = true;
  write("player-title", name);
  $("screen").replaceChildren(shown);
  $("player").showModal();
}

$("player").addEventListener("close", () => {
  const shown = $("screen").firstElementChild;
  shown.onerror = null;
  shown.removeAttribute("src");
  if (shown.load) shown.load();
  shown.remove();
});

function askToDelete(recording, name) {
  write("question-text", say("question", { name: name }));
  $("question").dataset.recording = recording;
  $("question").showModal();
}

$("delete").addEventListener("click", async () => {
  $("question").close();
  await ask("/delete", { name: $("question").dataset.recording });
  await loadFiles();
  /* Its row may be gone, and with it the button that had the focus. */
  if (document.activeElement === document.body) $("files-title").focus();
});

async function takeSnapshot() {
  const answer = await ask("/snapshot", {});
  if (!answer) return;
  const { name } = await answer.json();
  link(`/recordings/${encodeURIComponent(name)}`, "", "").click();
  loadFiles();
}
