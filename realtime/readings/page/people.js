"use strict";
// People: which tracks are one person, what the reader changed, and what a person's tracks come to.

const MOST_NAME = 60; // letters

// The people as the program guesses them: [{ ids, name, out }].
function guessed(session) { return session.groups.map((ids) => ({ ids: [...ids], name: "", out: false })); }

// People as text for the address: "1.3!*Anna_4" is Anna of the tracks 1 and 3, who is left out, and the person of track 4.
function peopleText(people) {
  return people.map(({ ids, name, out }) => ids.join(".") + (out ? "!" : "") + (name ? `*${name.replaceAll("_", " ")}` : "")).join("_");
}

// The people of such a text. Each track of the recording is in exactly one of them, whatever the text says.
function peopleOf(session, text) {
  const left = new Set(session.tracks.map((track) => track.id)), people = [];
  for (const part of text.split("_")) {
    const [, ids, out, name] = /^([\d.]*)(!?)(?:\*(.*))?$/s.exec(part) ?? [];
    const mine = (ids ?? "").split(".").map(Number).filter((id) => left.delete(id));
    if (mine.length) people.push({ ids: mine, name: (name ?? "").slice(0, MOST_NAME), out: out === "!" });
  }
  return [...people, ...[...left].map((id) => ({ ids: [id], name: "", out: false }))];
}

function readAddress(session) {
  const text = new URLSearchParams(location.hash.slice(1)).get(session.key);
  return text === null ? guessed(session) : peopleOf(session, text);
}

// Keeps the people in the address, so that "back" takes the change back.
function writeAddress(session, people) {
  const all = new URLSearchParams(location.hash.slice(1)), text = peopleText(people);
  if (text === peopleText(guessed(session))) all.delete(session.key); else all.set(session.key, text);
  location.hash = all.toString();
}

// One person out of tracks. Where two of them are there at once, which only a reader's merging can cause, the earlier one counts.
function joined(session, { ids, name, out }) {
  const n = session.labels.length, tracks = session.tracks.filter((track) => ids.includes(track.id));
  tracks.sort((a, b) => a.runs[0][0] - b.runs[0][0]);
  const person = {
    ids, out, id: Math.min(...ids), title: name || `Person ${Math.min(...ids)}`, name, t: [], p: session.labels.map(() => []), runs: [],
    moments: { t: [], p: [] }, seconds: [], faces: [],
  };
  let end = -1;
  for (const track of tracks) {
    const from = track.t.findIndex((ms) => ms > end);
    if (from >= 0) {
      if (person.t.length) { person.t.push(track.t[from]); person.p.forEach((column) => column.push(null)); }
      person.t = person.t.concat(track.t.slice(from));
      person.p = person.p.map((column, i) => column.concat(track.p[i].slice(from)));
    }
    for (const [start, stop, label, reason] of track.runs) if (stop > end) person.runs.push([Math.max(start, end), stop, label, reason]);
    track.moments.t.forEach((ms, i) => {
      if (ms > end) { person.moments.t.push(ms); person.moments.p.push(track.moments.p.subarray(i * n, i * n + n)); }
    });
    person.seconds.push(track.seconds);
    person.faces.push(...track.faces);
    end = Math.max(end, track.runs.at(-1)[1]);
  }
  person.starts = person.runs.map((run) => run[0]);
  person.all = tally(session, person.runs, 0, session.duration);
  person.faces = session.labels.flatMap((_, i) => person.faces.filter((face) => face.label === i).slice(0, 1)).sort((a, b) => a.t - b.t);
  return person;
}

// What runs come to between two times in seconds: seconds seen, shown and unsure, switches to each expression, and from which to which.
function tally(session, runs, min, max) {
  const zeros = () => session.labels.map(() => 0);
  const sums = { seen: 0, shown: zeros(), switches: zeros(), unsure: new Map(), doubt: 0, matrix: session.labels.map(zeros), first: null,
    last: null };
  let before = null;
  for (const [start, end, label, reason] of runs) {
    const s = Math.min(end / 1000, max) - Math.max(start / 1000, min);
    if (s > 0) {
      sums.seen += s;
      sums.first ??= Math.max(start / 1000, min);
      sums.last = Math.min(end / 1000, max);
      if (reason) { sums.unsure.set(reason, (sums.unsure.get(reason) ?? 0) + s); sums.doubt += s; } else sums.shown[label] += s;
    }
    if (reason) continue;
    if (before !== null && before !== label && start / 1000 >= min && start / 1000 < max) {
      sums.switches[label]++;
      sums.matrix[before][label]++;
    }
    before = label;
  }
  return sums;
}

// The sum of several tallies.
function total(session, tallies) {
  const sums = tally(session, [], 0, 0);
  for (const one of tallies) {
    sums.seen += one.seen;
    sums.doubt += one.doubt;
    one.shown.forEach((s, i) => { sums.shown[i] += s; });
    one.switches.forEach((n, i) => { sums.switches[i] += n; });
    one.matrix.forEach((row, i) => row.forEach((n, j) => { sums.matrix[i][j] += n; }));
    for (const [reason, s] of one.unsure) sums.unsure.set(reason, (sums.unsure.get(reason) ?? 0) + s);
  }
  return sums;
}

// Mean and peak of each interval of `width` seconds between two times: [[start, [mean of each label], [peak of each label]]], 0 to 1.
function intervals(session, person, width, min, max) {
  const n = session.labels.length, found = new Map();
  for (const { second, weight, mean, peak } of person.seconds) {
    second.forEach((s, k) => {
      if (s + 1 <= min || s >= max) return;
      const start = Math.floor(s / width) * width, w = Math.max(weight[k], 1);
      if (!found.has(start)) found.set(start, { weight: 0, mean: new Array(n).fill(0), peak: new Array(n).fill(0) });
      const one = found.get(start);
      one.weight += w;
      for (let i = 0; i < n; i++) {
        one.mean[i] += w * mean[k * n + i] / 255;
        one.peak[i] = Math.max(one.peak[i], peak[k * n + i] / 255);
      }
    });
  }
  return [...found].sort((a, b) => a[0] - b[0]).map(([start, one]) => [start, one.mean.map((v) => v / one.weight), one.peak]);
}

// Rows as a table that spreadsheets read. Text that they would take for a formula has an apostrophe before it.
function csv(rows) {
  const cell = (value) => {
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
}
