"use strict";
// Builds what the page says about people: a card each, the sum of all, the comparison of recordings. Text never becomes HTML.

const BRIEF_S = 5; // s; who was there for less is folded away, if anybody was there for longer
const MOST_ROWS = 200; // of intervals on the page; the saved table has all
const WIDTHS = [[1, "1 s"], [10, "10 s"], [60, "1 min"]];

// A new element; children are elements or text, and an attribute that is null is left out.
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function button(text, act, attributes = {}) {
  const made = make("button", { type: "button", class: "plain", ...attributes }, text);
  made.addEventListener("click", act);
  return made;
}

// Lets the browser save a file.
function save(name, url) { make("a", { download: name.replace(/[^\p{L}\p{N}._ -]/gu, "_"), href: url }).click(); }

function saveTable(name, rows) {
  const url = URL.createObjectURL(new Blob([csv(rows)], { type: "text/csv" }));
  save(`${name}.csv`, url);
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

const LOOKS = ["fill", "fill-opacity", "stroke", "stroke-width", "font-size", "font-weight", "font-family", "text-anchor"];

// The address of a chart as a file of its own, with its colours written into it.
function chartUrl(chart) {
  const copy = chart.svg.cloneNode(true), from = chart.svg.querySelectorAll("*"), to = copy.querySelectorAll("*");
  to.forEach((part, i) => {
    const look = getComputedStyle(from[i]);
    part.removeAttribute("style");
    for (const name of LOOKS) part.style.setProperty(name, look.getPropertyValue(name));
  });
  const { width, height } = chart.svg.viewBox.baseVal;
  for (const [name, value] of Object.entries({ xmlns: SVG, width, height })) copy.setAttribute(name, value);
  const ground = getComputedStyle(chart.box.closest(".card")).backgroundColor;
  const paper = shape(copy, "rect", { width, height, fill: ground });
  copy.prepend(paper);
  return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
}

// Saves a chart as PNG, with two dots for each px.
async function savePng(chart, name) {
  const image = new Image(), canvas = document.createElement("canvas"), { width, height } = chart.svg.viewBox.baseVal;
  image.src = chartUrl(chart);
  await image.decode();
  canvas.width = width * 2;
  canvas.height = height * 2;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  save(`${name}.png`, canvas.toDataURL("image/png"));
}

function key(session, label) { return make("i", { class: "key", style: `background:${session.colours[label]}` }); }

function percentages(sums) { return hundred([...sums.shown, sums.doubt]); }

// A tally in words, for screen readers.
function tallyInWords(session, title, sums) {
  const percent = percentages(sums), parts = session.labels.map((label, i) => [percent[i], label]).filter(([share]) => share);
  const shares = parts.sort((a, b) => b[0] - a[0]).map(([share, label]) => `${label} ${share} %`).join(", ");
  return `${title} over time: ${shares || "no expression without doubt"}; unsure ${percent.at(-1)} %`;
}

// The table of a tally; rows without time are folded into a line.
function tallyTable(session, sums) {
  const percent = percentages(sums), body = make("tbody"), absent = [];
  const head = ["shown", "share of time", "share", "time", "switches to it"].map((text, i) =>
    make("th", { scope: "col" }, i === 1 ? make("span", { class: "unseen" }, text) : text));
  const row = (name, share, s, switches, look, attributes = {}) => body.append(make("tr", attributes,
    make("th", { scope: "row" }, ...name),
    make("td", { class: "wide-bar" }, look === null ? "" : make("span", { class: "bar" }, make("i", { ...look,
      style: `${look.style ?? ""};width:${share}%` }))),
    make("td", {}, `${share} %`), make("td", {}, span(s)), make("td", {}, String(switches))));
  session.labels.forEach((label, i) => {
    if (!sums.shown[i]) absent.push(label);
    else row([key(session, i), label], percent[i], sums.shown[i], sums.switches[i], { style: `background:${session.colours[i]}` });
  });
  if (sums.doubt) row([make("i", { class: "key unsure" }), "unsure"], percent.at(-1), sums.doubt, "", { class: "unsure" });
  for (const [reason, s] of [...sums.unsure].sort((a, b) => b[1] - a[1])) {
    row([reason], Math.round(s / sums.seen * 100), s, "", null, { class: "sub" });
  }
  const parts = [make("div", { class: "wide" }, make("table", {}, make("thead", {}, make("tr", {}, ...head)), body))];
  if (!sums.doubt) absent.push("unsure");
  if (absent.length) parts.push(make("p", { class: "note" }, `Not at all: ${absent.join(", ")}.`));
  return parts;
}

function tallyRows(session, sums) {
  const share = (s) => sums.seen ? (s / sums.seen).toFixed(4) : 0;
  return [
    ["shown", "share", "seconds", "switches to it"],
    ...session.labels.map((label, i) => [label, share(sums.shown[i]), sums.shown[i].toFixed(3), sums.switches[i]]),
    ...[...sums.unsure].map(([reason, s]) => [`unsure: ${reason}`, share(s), s.toFixed(3), ""]),
  ];
}

// How often which expression followed which.
function matrixTable(session, sums) {
  const used = session.labels.map((_, i) => i).filter((i) => sums.switches[i] || sums.matrix[i].some(Boolean));
  if (!used.length) return [make("p", { class: "note" }, "No expression followed another one.")];
  const head = make("tr", {}, make("th", { scope: "col" }, "from \\ to"), ...used.map((i) => make("th", { scope: "col" },
    session.labels[i])));
  const rows = used.map((i) => make("tr", {}, make("th", { scope: "row" }, key(session, i), session.labels[i]),
    ...used.map((j) => make("td", {}, i === j ? "" : String(sums.matrix[i][j])))));
  return [make("div", { class: "wide", tabindex: 0, role: "group", "aria-label": "Which followed which" }, make("table", {}, make("thead",
    {}, head), make("tbody", {}, ...rows)))];
}

function matrixRows(session, sums) {
  return [["from \\ to", ...session.labels], ...sums.matrix.map((row, i) => [session.labels[i], ...row])];
}

function intervalRows(session, person, width) {
  const { min, max } = session.range, head = ["from s", "to s", ...session.labels.flatMap((label) => [`${label} mean`, `${label} peak`])];
  return [head, ...intervals(session, person, width, min, max).map(([start, mean, peak]) =>
    [start, start + width, ...mean.flatMap((value, i) => [value.toFixed(3), peak[i].toFixed(3)])])];
}

function intervalTable(session, person, width) {
  const { min, max } = session.range, all = intervals(session, person, width, min, max);
  const rows = all.slice(0, MOST_ROWS).map(([start, mean, peak]) => make("tr", {}, make("th", { scope: "row" }, clock(start)),
    ...mean.map((value, i) => make("td", {}, `${Math.round(value * 100)} / ${Math.round(peak[i] * 100)}`))));
  const head = make("tr", {}, make("th", { scope: "col" }, "from"), ...session.labels.map((label) => make("th", { scope: "col" }, label)));
  const note = `Mean / peak of the probability in %, to half a percent.${all.length > MOST_ROWS ? ` The first ${MOST_ROWS} of ${all.length}; the saved table has all.` : ""}`;
  return [make("div", { class: "wide tall", tabindex: 0, role: "group", "aria-label": "Mean and peak" }, make("table", {}, make("thead",
    {}, head), make("tbody", {}, ...rows))),
    make("p", { class: "note" }, note)];
}

// A part that is made when the reader opens it, and again when the stretch changes.
function folded(title, fill) {
  const box = make("div"), details = make("details", { class: "part" }, make("summary", {}, title), box);
  const refresh = () => { if (details.open) box.replaceChildren(...fill()); };
  details.addEventListener("toggle", refresh);
  return { details, refresh };
}

function stretchText(session) {
  const { min, max } = session.range;
  return max - min < session.duration ? ` from ${clock(min, true)} to ${clock(max, true)}` : "";
}

// The tables of a person, or of everybody: `sums()` is the tally of the stretch that is shown. Returns elements and what renews them.
function numbersPart(session, name, sums, person = null) {
  const table = make("div"), heading = make("h4"), select = make("select", { "aria-label": "Interval" }, ...WIDTHS.map(([value,
    text]) => make("option", { value }, text)));
  const matrix = folded("Which expression followed which", () => [...matrixTable(session, sums()),
    button("Save as CSV", () => saveTable(`${name} changes`, matrixRows(session, sums())))]);
  const each = folded("Mean and peak of each interval", () => [make("label", {}, "Interval ", select), ...intervalTable(session, person,
    Number(select.value)),
    button("Save as CSV", () => saveTable(`${name} intervals`, intervalRows(session, person, Number(select.value))))]);
  select.addEventListener("change", each.refresh);
  const renew = () => {
    const now = sums();
    heading.textContent = `Shown${stretchText(session) || " in the whole recording"}`;
    const seen = now.seen ? `Seen for ${span(now.seen)}${now.first === null ? "" : `,
      from ${clock(now.first)} to ${clock(now.last)}`}. ` : "Not seen in this stretch. ";
    table.replaceChildren(...(now.seen ? tallyTable(session, now) : []), make("p", { class: "note" }, seen,
      button("Save as CSV", () => saveTable(`${name} shares`, tallyRows(session, sums())))));
    matrix.refresh();
    each.refresh();
  };
  return { parts: [heading, table], more: person ? [matrix.details, each.details] : [matrix.details], renew };
}

// Name, merge, split and leave out.
function editPart(session, person, people, change) {
  const at = people.findIndex(({ ids }) => ids.join() === person.ids.join()), others = session.everyone.filter((other) => other !== person);
  const name = make("input", { value: person.name, maxlength: MOST_NAME, placeholder: person.title,
    "aria-label": `Name of ${person.title}`, "data-edit": `name ${person.id}` });
  name.addEventListener("change", () => change(people.map((one, i) => i === at ? { ...one, name: name.value.trim() } : one)));
  const merge = make("select", { "aria-label": `Merge ${person.title} with` }, make("option", { value: "" }, "Merge with ..."),
    ...others.map((other) => make("option", { value: other.ids.join() }, other.title)));
  merge.addEventListener("change", () => {
    const other = people.find(({ ids }) => ids.join() === merge.value), mine = people[at];
    const both = { ids: [...mine.ids, ...other.ids], name: mine.name || other.name, out: false };
    change(people.filter((one) => one !== other).map((one) => one === mine ? both : one));
  });
  const tracks = person.ids.length > 1 ? person.ids.map((id) => button(`Split off track ${id}`, () => change(people.flatMap((one,
    i) => i !== at ? [one]
    : [{ ...one, ids: one.ids.filter((other) => other !== id) }, { ids: [id], name: "", out: false }])))) : [];
  const out = button("Leave out", () => change(people.map((one, i) => i === at ? { ...one, out: true } : one)));
  return make("details", { class: "part edit" }, make("summary", {}, "Name, merge, split or leave out"),
    make("div", { class: "tools" }, name, ...(others.length ? [merge] : []), ...tracks, out),
    make("p", { class: "note" }, "Changes are kept in the address of this page; the browser's Back takes them back."));
}

function facesPart(session, person, go) {
  const faces = person.faces.map((face) => {
    const made = make("button", { type: "button", "data-seek": face.t.toFixed(3) },
      make("img", { alt: "", src: face.url, style: `border-color:${session.colours[face.label]}` }),
      make("span", {}, session.labels[face.label], make("br"), make("small", {}, clock(face.t))));
    made.addEventListener("click", () => go(face.t));
    return made;
  });
  return faces.length ? make("div", {}, make("h4", {}, "At its clearest"), make("div", { class: "faces" }, ...faces)) : null;
}

// The card of a person. Returns the element, its chart and what renews its numbers when the stretch changes.
function personCard(session, person, people, on) {
  const name = `${session.name} ${person.title}`, box = make("div", { class: "chart", "data-chart": person.id, role: "img",
    "aria-label": tallyInWords(session, person.title, person.all) });
  const numbers = numbersPart(session, name, () => tally(session, person.runs, session.range.min, session.range.max), person);
  const faces = facesPart(session, person, on.seek), tracks = person.ids.length > 1 ? ` (tracks ${person.ids.join(", ")})` : "";
  person.readout = make("span", { class: "readout", "data-readout": person.id });
  const chart = new Chart(box, session, person, on);
  const tools = make("div", { class: "tools" }, button("Save chart as SVG", () => save(`${name}.svg`, chartUrl(chart))), button("as PNG",
    () => savePng(chart, name)));
  const card = make("div", { class: "card person" },
    make("div", {}, make("h3", {}, person.title, make("small", {}, tracks), person.readout), box, tools),
    make("div", { class: faces ? "pair" : "pair alone" }, make("div", {}, ...numbers.parts), ...(faces ? [faces] : [])),
    ...numbers.more, editPart(session, person, people, on.change));
  return { card, chart, renew: numbers.renew };
}

const HOW = `Each row is an expression, its height the probability; the row on top is what was shown.`;
const GUESS = `A face that was lost and found again is taken for the same person where it came back within 10 s, near its old place and at about
its old size. No picture is compared and no identity is kept, so after a cut this may be wrong: split or merge people below their charts.`;

// The sums across films: of each name that readers gave in several, and of everybody. None where the films' labels differ.
function acrossFilms(sessions) {
  const [first] = sessions, people = sessions.flatMap((session) => session.people), most = `${sessions.length} recordings`;
  if (sessions.length < 2 || sessions.some(({ labels }) => labels.join() !== first.labels.join())) return [];
  const sum = (some) => total(first, some.map((person) => person.all));
  const films = (name) => sessions.filter((session) => session.people.some((person) => person.name === name)).length;
  const names = [...new Set(people.map(({ name }) => name))].filter((name) => name && films(name) > 1);
  return [...names.map((name) => ({ films: `${films(name)} recordings`, title: name, all: sum(people.filter((person) => person.name === name)) })),
    { films: most, title: "everybody", all: sum(people) }];
}

// One row for each film and person, and for the sums across films.
function comparison(sessions) {
  const labels = [...new Set(sessions.flatMap((session) => session.labels))], rows = [], table = [["recording", "person", "seen s",
    ...labels.map((label) => `${label} share`), "unsure share", "switches"]];
  const across = acrossFilms(sessions);
  for (const session of [...sessions, { ...sessions[0], people: across }]) {
    for (const person of session.people) {
      const name = person.films ?? session.name, sums = person.all, percent = percentages(sums), count = sums.switches.reduce((a, b) => a + b, 0);
      const bars = session.labels.map((label, i) => percent[i] ? make("i",
        { style: `width:${percent[i]}%;background:${session.colours[i]}`, title: `${label} ${percent[i]} %` },
        percent[i] >= 25 ? label : percent[i] >= 15 ? `${percent[i]} %` : "") : "");
      if (percent.at(-1)) bars.push(make("i", { class: "unsure", style: `width:${percent.at(-1)}%`, title: `unsure ${percent.at(-1)} %` }));
      const film = person.films ?? button(name, () => session.root.scrollIntoView(), { class: "link" });
      rows.push(make("tr", person.films ? { class: "sum" } : {}, make("th", { scope: "row" }, film, `, ${person.title}`),
        make("td", { class: "wide-bar" }, make("span", { class: "stack", role: "img", "aria-label": tallyInWords(session, person.title,
          sums) }, ...bars)),
        make("td", {}, span(sums.seen)), make("td", {}, String(count)), make("td", {}, `${percent.at(-1)} %`)));
      const share = (label) => { const i = session.labels.indexOf(label); return i < 0 || !sums.seen ? "" : (sums.shown[i] / sums.seen).toFixed(4); };
      table.push([name, person.title, sums.seen.toFixed(3), ...labels.map(share),
        sums.seen ? (sums.doubt / sums.seen).toFixed(4) : "", count]);
    }
  }
  const head = ["recording", "share of time", "seen", "switches", "unsure"].map((text) => make("th", { scope: "col" }, text));
  const colour = (label) => sessions.map((session) => session.colours[session.labels.indexOf(label)]).find(Boolean);
  const keys = labels.map((label) => make("span", {}, make("i", { class: "key", style: `background:${colour(label)}` }), label));
  return [make("h2", {}, "Side by side"),
    make("div", { class: "wide", tabindex: 0, role: "group", "aria-label": "Comparison table" },
      make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows))),
    make("p", { class: "note keys" }, ...keys, make("span", {}, make("i", { class: "key unsure" }), "unsure")),
    button("Save as CSV", () => saveTable("recordings", table))];
}
