"use strict";
// The heat map: a row for each person, a column for each interval, the darker the more probable an expression was.

const LEAST_PEOPLE = 3; // fewer are seen as well in their own charts
const MOST_PEOPLE = 60, MOST_COLUMNS = 120;
const HEAT_ROW = 18, HEAT_NAME = 110, HEAT_WIDE = 900; // px

// The width of an interval in s, so that the stretch has `MOST_COLUMNS` at most.
function heatWidth(session) {
  const { min, max } = session.range;
  return [1, 2, 5, 10, 20, 30, 60, 120, 300, 600].find((s) => (max - min) / s <= MOST_COLUMNS) ?? 1800;
}

function heatMap(session, label) {
  const { min, max } = session.range, width = heatWidth(session), people = session.people.slice(0, MOST_PEOPLE);
  const svg = document.createElementNS(SVG, "svg"), high = people.length * HEAT_ROW + AXIS, from = Math.floor(min / width) * width;
  const scale = (HEAT_WIDE - HEAT_NAME) / (Math.ceil(max / width) * width - from);
  svg.setAttribute("viewBox", `0 0 ${HEAT_WIDE} ${high}`);
  people.forEach((person, row) => {
    shape(svg, "text", { class: "name", x: HEAT_NAME - 8, y: row * HEAT_ROW + 13, "font-size": 12 }, person.title.slice(0, 16));
    for (const [start, mean] of intervals(session, person, width, min, max)) {
      const at = { x: HEAT_NAME + (start - from) * scale, y: row * HEAT_ROW + 1, width: width * scale + 0.5, height: HEAT_ROW - 2 };
      shape(svg, "rect", { ...at, class: "grid" });
      const cell = shape(svg, "rect", { ...at, fill: session.colours[label], "fill-opacity": mean[label].toFixed(2) });
      shape(cell, "title", {}, `${person.title}, ${clock(start)} to ${clock(start + width)}: ${Math.round(mean[label] * 100)} %`);
    }
  });
  const step = STEPS_S.find((s) => s * scale >= TICK_PX) ?? STEPS_S.at(-1);
  for (let t = Math.ceil(from / step) * step; t <= max; t += step) {
    shape(svg, "text", { class: "tick", x: HEAT_NAME + (t - from) * scale, y: high - 10 }, clock(t, step < 1));
  }
  return svg;
}

// A folded part with the heat map of the stretch that is shown; null where there are few people.
function heatPart(session) {
  if (session.people.length < LEAST_PEOPLE) return null;
  const most = total(session, session.people.map((person) => person.all)).shown;
  const first = most.indexOf(Math.max(...most)), select = make("select", { "aria-label": "Expression of the heat map" },
    ...session.labels.map((name, i) => make("option", { value: i, ...(i === first ? { selected: "" } : {}) }, name)));
  const part = folded("Everybody over time", () => {
    const label = Number(select.value), name = session.labels[label], box = make("div", { class: "chart", role: "img",
      "aria-label": `Heat map of ${name}, ${session.people.length} people; the saved tables of intervals have its numbers` });
    const svg = heatMap(session, label), left = session.people.length - MOST_PEOPLE;
    box.append(svg);
    const more = left > 0 ? ` The ${left} who were there for the shortest time are left out.` : "";
    return [make("label", {}, "Expression ", select), box,
      make("p", { class: "note" }, `Mean probability of ${name} in each ${span(heatWidth(session))}: the fuller the colour, the higher.${more}`),
      button("Save as PNG", () => savePng({ svg, box }, `${session.name} ${name}`))];
  });
  select.addEventListener("change", part.refresh);
  return part;
}
