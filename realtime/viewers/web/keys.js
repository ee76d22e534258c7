"use strict";

/* What buttons and keys do. The letters are those of the window. */

const IDLE_MS = 3000;
const film = $("film");
let idle = 0;

const DEEDS = {
  record: () => order("record", status && status.rec ? "stop" : "start"),
  snapshot: takeSnapshot,
  pause: () => flip("pause", status && status.paused),
  mirror: () => flip("mirror", status && status.mirror),
  hide: () => flip("hide", status && status.hidden),
  numbered: toggleNumbers,
  fill: toggleFull,
  help: toggleHelp,
};
const LETTERS = { r: "record", s: "snapshot", " ": "pause", m: "mirror", o: "hide", i: "numbered", f: "fill", h: "help", "?": "help" };

for (const [id, deed] of Object.entries(DEEDS)) $(id).addEventListener("click", deed);
$("camera").addEventListener("change", (event) => order("camera", event.target.value));
$("profile").addEventListener("change", (event) => order("profile", event.target.value || null));
for (const button of document.querySelectorAll("dialog .close")) button.addEventListener("click", () => button.closest("dialog").close());

document.addEventListener("keydown", (event) => {
  wake();
  /* A key that is held down acts once, and those with Ctrl are the browser's. */
  if (event.repeat || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea") || $("player").open || $("question").open) return;
  /* The space bar presses a button and scrolls a list. */
  if (event.key === " " && event.target.closest("button, a, [tabindex]")) return;
  if (event.key === "Escape" && film.classList.contains("filled")) toggleFull();
  const letter = event.key.toLowerCase();
  if (letter === "p" && !$("profile").disabled) order("toggle_profile", null);
  else if (letter === "c" && !$("camera").disabled) order("next_camera", null);
  else if (LETTERS[letter] && !$(LETTERS[letter]).disabled) DEEDS[LETTERS[letter]]();
  else return;
  event.preventDefault();
});

function toggleNumbers() {
  numbers = !numbers;
  $("numbered").setAttribute("aria-pressed", String(numbers));
  showRates();
}

function toggleHelp() {
  if ($("help-card").open) $("help-card").close();
  else $("help-card").showModal();
}

function isFull() {
  return document.fullscreenElement === film || film.classList.contains("filled");
}

/* Phones that have no full screen get the whole page instead. */
async function toggleFull() {
  if (document.fullscreenElement) await document.exitFullscreen();
  else if (film.classList.contains("filled")) film.classList.remove("filled");
  else {
    try {
      await film.requestFullscreen();
    } catch {
      film.classList.add("filled");
    }
  }
  showFull();
}

function showFull() {
  $("fill").setAttribute("aria-pressed", String(isFull()));
  wake();
}

/* On the full screen the buttons go away while nobody moves. */
function wake() {
  film.classList.remove("idle");
  clearTimeout(idle);
  if (isFull()) idle = setTimeout(() => film.classList.add("idle"), IDLE_MS);
}

document.addEventListener("fullscreenchange", showFull);
for (const kind of ["pointermove", "pointerdown"]) document.addEventListener(kind, wake);

for (const [key, action] of JSON.parse(document.body.dataset.keys)) {
  const term = document.createElement("dt");
  const what = document.createElement("dd");
  const letter = document.createElement("kbd");
  letter.textContent = key;
  term.append(letter);
  what.textContent = action;
  $("keys").append(term, what);
}

function showColours() {
  const names = facts.labels.map((label) => {
    const name = document.createElement("span");
    const spot = document.createElement("i");
    spot.style.background = facts.colours[label];
    name.append(spot, facts.names[label]);
    return name;
  });
  $("colours").replaceChildren(...names);
}
