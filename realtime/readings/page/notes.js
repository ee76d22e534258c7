"use strict";
// Notes at moments of a recording: by a key or a button, kept in the address of the page beside the people.

const MOST_NOTES = 200, MOST_NOTE = 200; // notes of a recording, letters of one

// Notes as text for the address: "12.300*she laughs_14.000*" is a note at 12.3 s and an event without words at 14 s.
function notesText(notes) { return notes.map(({ t, text }) => `${t.toFixed(3)}*${text.replaceAll("_", " ")}`).join("_"); }

// The notes of such a text, in the order of time, whatever the text says.
function notesOf(session, text) {
  const notes = text.split("_").slice(0, MOST_NOTES).map((part) => /^(\d{1,6}(?:\.\d{1,3})?)\*(.*)$/s.exec(part)).filter(Boolean);
  const within = notes.map(([, t, words]) => ({ t: Number(t), text: words.slice(0, MOST_NOTE) })).filter(({ t }) => t <= session.duration);
  return within.sort((a, b) => a.t - b.t);
}

function readNotes(session) { return notesOf(session, new URLSearchParams(location.hash.slice(1)).get(`${session.key}n`) ?? ""); }

function writeNotes(session, notes) {
  const all = new URLSearchParams(location.hash.slice(1)), name = `${session.key}n`;
  if (notes.length) all.set(name, notesText(notes)); else all.delete(name);
  location.hash = all.toString();
}

function addNote(session, t, text) {
  const notes = [...readNotes(session), { t: Math.round(t * 1000) / 1000, text: text.trim() }];
  writeNotes(session, notes.slice(-MOST_NOTES).sort((a, b) => a.t - b.t));
}

// Below the film: a field for a note at the time that is shown, and the notes so far.
function buildNotes(session, go) {
  const notes = readNotes(session), box = session.root.querySelector(".notes"), change = (changed) => writeNotes(session, changed);
  const field = make("input", { maxlength: MOST_NOTE, placeholder: "Note at this moment", "aria-label": "Note at this moment", "data-edit": "note" });
  const add = () => { addNote(session, session.noteTime ?? session.time, field.value); session.noteTime = null; };
  // The moment is that at which the reader began to write, though the film goes on.
  field.addEventListener("focus", () => { session.noteTime = session.time; });
  field.addEventListener("keydown", (event) => { if (event.key === "Enter") add(); });
  const rows = notes.map((note, i) => make("li", {}, button(clock(note.t, true), () => go(note.t), { class: "link" }),
    make("span", {}, note.text || "event"),
    button("Delete", () => change(notes.filter((_, j) => j !== i)), { "aria-label": `Delete the note at ${clock(note.t, true)}` })));
  const table = () => [["recording", "time s", "note"], ...notes.map(({ t, text }) => [session.name, t.toFixed(3), text || "event"])];
  const tools = notes.length ? [button("Save as CSV", () => saveTable(`${session.name} notes`, table()))] : [];
  box.replaceChildren(...(rows.length ? [make("ol", {}, ...rows)] : []),
    make("div", { class: "tools" }, field, button("Add", add, { "aria-label": "Add the note" }), ...tools),
    make("p", { class: "note" }, make("b", {}, "n"), " writes a note at the moment, ", make("b", {}, "e"),
      " marks it. Notes are kept in the address of this page."));
  const marks = notes.map(({ t, text }) => make("i", { class: "mark", style: `left:${t / session.duration * 100}%`, title: text || "event" }));
  for (const old of session.overview.bar.querySelectorAll(".mark")) old.remove();
  session.overview.bar.append(...marks);
}

// What the keys are for: the recording that is most in sight.
function sessionInSight(sessions) {
  const seen = ({ root }) => { const { top, bottom } = root.getBoundingClientRect(); return Math.min(bottom, innerHeight) - Math.max(top, 0); };
  return [...sessions].sort((a, b) => seen(b) - seen(a))[0];
}

function connectNoteKeys(sessions) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.closest("input:not([type=range]), select, textarea")) return;
    if (event.key !== "n" && event.key !== "e") return;
    event.preventDefault();
    const session = sessionInSight(sessions);
    if (event.key === "e") addNote(session, session.time, ""); else session.root.querySelector(".notes input").focus();
  });
}
