"use strict";

// The trials table: sorted, filtered, and linked with every drawing whose points are trials. A filter is
// a range of numbers, {low, high}, or a set of choices; a brush on an axis of the parallel coordinates
// sets the same filter as typing into the column's fields.

const kept = JSON.parse(document.getElementById("trials-data").textContent);
const table = document.querySelector("table.trials");
const body = table.tBodies[0];
const places = new Map(kept.trials.map((trial, place) => [String(trial), place]));
const lines = kept.trials.map((trial) => document.getElementById(`trial-${trial}`));
const filters = new Map();

function passes(place) {
  for (const [key, filter] of filters) {
    const value = kept.columns[key].values[place];
    if (value === null) return false;
    if (filter instanceof Set ? !filter.has(value) : value < filter.low || value > filter.high) return false;
  }
  return true;
}

// Sorting ----------------------------------------------------------------------------------------

function compare(one, other) {
  return typeof one === "number" ? one - other : one.localeCompare(other, undefined, { numeric: true });
}

/** Rows without a value come last, whichever way the others run. */
function sort(key, falling) {
  const { values } = kept.columns[key];
  const order = [...lines.keys()].sort((a, b) => {
    if (values[a] === null || values[b] === null) return (values[a] === null) - (values[b] === null) || a - b;
    return (falling ? -1 : 1) * compare(values[a], values[b]) || a - b;
  });
  const sorted = document.createDocumentFragment();
  for (const place of order) sorted.append(lines[place]);
  body.append(sorted);
}

for (const head of table.querySelectorAll("th[data-column]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  if (head.dataset.column === "rank") head.ariaSort = "ascending";
  button.addEventListener("click", () => {
    const falling = head.ariaSort === "ascending";
    for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    sort(head.dataset.column, falling);
  });
}

// Filtering --------------------------------------------------------------------------------------

const fields = [...table.querySelectorAll("[data-filter]")];

/** What a field is set to; its `low` or `high` where it is a range's. */
function read(key) {
  const own = fields.filter((field) => field.dataset.filter === key);
  if (own[0].tagName === "SELECT") return own[0].value === "" ? null : new Set([own[0].value]);
  const ends = { low: -Infinity, high: Infinity };
  for (const field of own) {
    const text = field.value.trim().replace(",", ".");
    const value = text === "" ? ends[field.dataset.end] : Number(text);
    field.ariaInvalid = Number.isNaN(value) ? "true" : null;
    if (!Number.isNaN(value)) ends[field.dataset.end] = value;
  }
  return ends.low === -Infinity && ends.high === Infinity ? null : ends;
}

/** Shows a filter that was brushed in the column's fields. */
function write(key, filter) {
  for (const field of fields.filter((field) => field.dataset.filter === key)) {
    field.ariaInvalid = null;
    if (field.tagName === "SELECT") {
      field.querySelector("[data-several]")?.remove();
      if (filter !== null && filter.size !== 1) {
        const several = new Option([...filter].join(" or ") || "none", "*");
        several.dataset.several = "";
        field.append(several);
      }
      field.value = filter === null ? "" : filter.size === 1 ? [...filter][0] : "*";
    } else {
      const end = filter === null ? Infinity : filter[field.dataset.end];
      field.value = Number.isFinite(end) ? String(Number(end.toPrecision(4))) : "";
    }
  }
}

function set(key, filter) {
  if (filter === null) filters.delete(key);
  else filters.set(key, filter);
}

let asked = false;

/** At most once a frame: typing and brushing may ask more often. */
function apply() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    const shown = lines.map((_, place) => passes(place));
    for (const [place, line] of lines.entries()) line.hidden = !shown[place];
    const count = shown.filter(Boolean).length;
    const all = lines.length.toLocaleString("en");
    const some = count.toLocaleString("en");
    const noun = lines.length === 1 ? "trial" : "trials";
    document.getElementById("shown").textContent = filters.size ? `${some} of ${all} ${noun}` : `${all} ${noun}`;
    document.getElementById("reset").disabled = filters.size === 0;
    for (const plot of plots) if (plot.data) link(plot);
  });
}

for (const field of fields) {
  field.addEventListener(field.tagName === "SELECT" ? "change" : "input", () => {
    const key = field.dataset.filter;
    if (field.tagName === "SELECT" && field.value !== "*") field.querySelector("[data-several]")?.remove();
    if (field.value !== "*") set(key, read(key));
    apply();
  });
}

function reset() {
  for (const key of [...filters.keys()]) {
    filters.delete(key);
    write(key, null);
  }
  for (const field of fields) if (field.ariaInvalid) write(field.dataset.filter, null);
  apply();
}

document.getElementById("reset").addEventListener("click", reset);

// Drawings whose points are trials ---------------------------------------------------------------

/** The trial behind a point of a trace that says so: the first of its customdata. */
function trialAt(trace, point) {
  const told = trace.customdata?.[point];
  return trace.meta?.trials && told ? String(told[0]) : null;
}

/** Points of other trials fade, their lines vanish; with no filter all are as they were drawn. */
function link(plot) {
  plot.whole ??= plot.data.map((trace) => trace.y);
  const faded = { indices: [], points: [] };
  const hidden = { indices: [], ys: [] };
  for (const [index, trace] of plot.data.entries()) {
    if (!trace.meta?.trials) continue;
    const passing = (_, point) => {
      const place = places.get(trialAt(trace, point));
      return place === undefined || passes(place);
    };
    if (trace.mode?.includes("lines")) {
      const whole = plot.whole[index];
      hidden.indices.push(index);
      hidden.ys.push(filters.size ? whole.map((y, point) => (passing(y, point) ? y : null)) : whole);
    } else {
      const points = [...trace.customdata.keys()].filter((point) => passing(null, point));
      faded.indices.push(index);
      faded.points.push(filters.size ? points : null);
    }
  }
  if (hidden.indices.length) Plotly.restyle(plot, { y: hidden.ys }, hidden.indices);
  if (faded.indices.length) Plotly.restyle(plot, { selectedpoints: faded.points }, faded.indices);
  if (plot.layout.meta?.axes) Plotly.relayout(plot, { shapes: brushes(plot.layout.meta.axes) });
}

/** Where a filter's ends lie on an axis of the parallel coordinates, 0 its foot and 1 its head. */
function height(axis, value) {
  const [foot, head] = axis.log ? [Math.log(axis.foot), Math.log(axis.head)] : [axis.foot, axis.head];
  return foot === head ? 0.5 : ((axis.log ? Math.log(value) : value) - foot) / (head - foot);
}

function valueAt(axis, share) {
  if (!axis.log) return axis.foot + share * (axis.head - axis.foot);
  return Math.exp(Math.log(axis.foot) + share * (Math.log(axis.head) - Math.log(axis.foot)));
}

function choiceHeight(axis, choice) {
  return axis.choices.length === 1 ? 0.5 : axis.choices.indexOf(choice) / (axis.choices.length - 1);
}

/** The filters as bars on their axes. */
function brushes(axes) {
  const shapes = [];
  for (const [place, axis] of axes.entries()) {
    const filter = filters.get(axis.key);
    if (!filter) continue;
    const spans = axis.choices
      ? [...filter].map((choice) => [choiceHeight(axis, choice) - 0.03, choiceHeight(axis, choice) + 0.03])
      : [[filter.low, filter.high].map((end) => {
          if (!Number.isFinite(end)) return (end < 0) === (axis.head > axis.foot) ? 0 : 1;
          if (axis.log && end <= 0) return 0;
          return Math.min(1.03, Math.max(-0.03, height(axis, end)));
        })];
    for (const [y0, y1] of spans)
      shapes.push({
        type: "rect", x0: place - 0.06, x1: place + 0.06, y0, y1, layer: "above",
        fillcolor: "rgba(192,132,0,0.35)", line: { color: "#c08400", width: 1 },
      });
  }
  return shapes;
}

/** A box drawn over the parallel coordinates: a range on each axis it crosses, or on the nearest one. */
function brushed(axes, { x, y }) {
  const [left, right] = [...x].sort((a, b) => a - b);
  const [low, high] = [...y].sort((a, b) => a - b);
  const crossed = [...axes.keys()].filter((place) => place >= left && place <= right);
  if (!crossed.length) crossed.push(Math.min(axes.length - 1, Math.max(0, Math.round((left + right) / 2))));
  for (const axis of crossed.map((place) => axes[place])) {
    let filter;
    if (axis.choices) {
      filter = new Set(axis.choices.filter((choice) => {
        const at = choiceHeight(axis, choice);
        return at >= low && at <= high;
      }));
    } else {
      const ends = [valueAt(axis, Math.max(-0.001, low)), valueAt(axis, Math.min(1.001, high))];
      ends.sort((a, b) => a - b);
      filter = { low: ends[0], high: ends[1] };
    }
    set(axis.key, filter);
    write(axis.key, filter);
  }
  apply();
}

/** To the row of a trial, which a filter may hide. */
function show(trial) {
  const place = places.get(trial);
  if (place === undefined) return;
  if (!passes(place)) reset();
  requestAnimationFrame(() => {
    location.hash = `trial-${trial}`;
    lines[place].scrollIntoView({ block: "center" });
  });
}

/** Called with each drawing as soon as it is there. */
function linked(plot) {
  const axes = plot.layout.meta?.axes;
  if (!axes && !plot.data.some((trace) => trace.meta?.trials)) return;
  plot.on("plotly_click", ({ points }) => {
    const trial = points.map(({ data, pointNumber }) => trialAt(data, pointNumber)).find(Boolean);
    if (trial) show(trial);
  });
  if (axes) {
    plot.on("plotly_selected", (told) => {
      if (!told?.range) return;
      const [x, y] = [Object.keys(told.range).find((k) => k[0] === "x"), Object.keys(told.range).find((k) => k[0] === "y")];
      brushed(axes, { x: told.range[x], y: told.range[y] });
      setTimeout(() => Plotly.relayout(plot, { selections: [] }));
    });
    plot.on("plotly_deselect", reset);
  }
  if (filters.size) link(plot);
}

root.classList.add("linked");
