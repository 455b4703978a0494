"use strict";

// The trials table: sorting, filtering, and its links with every drawing whose points are trials. A filter is
// a range of numbers, {low, high}, or a set of choices. A box drawn over an axis of the parallel coordinates
// sets the same filter as typing into the column's fields.

const trialsData = JSON.parse(document.getElementById("trials-data").textContent);
const table = document.querySelector("table.trials");
const body = table.tBodies[0];
const indexOfTrial = new Map(trialsData.trials.map((trial, index) => [String(trial), index]));
const rows = trialsData.trials.map((trial) => document.getElementById(`trial-${trial}`));
const filters = new Map();

/** Whether the trial in this row passes all filters. */
function passes(index) {
  for (const [key, filter] of filters) {
    const value = trialsData.columns[key].values[index];
    if (value === null) return false;
    if (filter instanceof Set ? !filter.has(value) : value < filter.low || value > filter.high) return false;
  }
  return true;
}

// Sorting ----------------------------------------------------------------------------------------

function compare(one, other) {
  return typeof one === "number" ? one - other : one.localeCompare(other, undefined, { numeric: true });
}

/** Rows without a value come last in either direction. */
function sort(key, descending) {
  const { values } = trialsData.columns[key];
  const order = [...rows.keys()].sort((a, b) => {
    if (values[a] === null || values[b] === null) return (values[a] === null) - (values[b] === null) || a - b;
    return (descending ? -1 : 1) * compare(values[a], values[b]) || a - b;
  });
  const sorted = document.createDocumentFragment();
  for (const index of order) sorted.append(rows[index]);
  body.append(sorted);
}

for (const head of table.querySelectorAll("th[data-column]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  if (head.dataset.column === "rank") head.ariaSort = "ascending";
  button.addEventListener("click", () => {
    const descending = head.ariaSort === "ascending";
    for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    sort(head.dataset.column, descending);
  });
}

// Filtering --------------------------------------------------------------------------------------

const fields = [...table.querySelectorAll("[data-filter]")];

/** The number in a text such as a cell shows: "98 %", "1 min 05 s", "2e-4"; NaN if there is none. */
function numberIn(text) {
  const time = /^(?:(\d+) ?h)? ?(?:(\d+) ?min)? ?(?:([\d.]+) ?s)?$/.exec(text);
  if (time) return 3600 * Number(time[1] ?? 0) + 60 * Number(time[2] ?? 0) + Number(time[3] ?? 0);
  return Number(text.replace(/ ?%$/, "") || NaN);
}

/** The filter that a column's fields are set to; null if they are empty. */
function read(key) {
  const own = fields.filter((field) => field.dataset.filter === key);
  if (own[0].tagName === "SELECT") return own[0].value === "" ? null : new Set([own[0].value]);
  const ends = { low: -Infinity, high: Infinity };
  for (const field of own) {
    const text = field.value.trim().replace(",", ".");
    const value = text === "" ? ends[field.dataset.end] : numberIn(text);
    field.ariaInvalid = Number.isNaN(value) ? "true" : null;
    if (!Number.isNaN(value)) ends[field.dataset.end] = value;
  }
  return ends.low === -Infinity && ends.high === Infinity ? null : ends;
}

/** Shows a filter in its column's fields. */
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

let scheduled = false;

/** Applies the filters, at most once per frame. */
function apply() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    const shown = rows.map((_, index) => passes(index));
    for (const [index, row] of rows.entries()) row.hidden = !shown[index];
    const count = shown.filter(Boolean).length;
    const all = rows.length.toLocaleString("en");
    const some = count.toLocaleString("en");
    const noun = rows.length === 1 ? "trial" : "trials";
    document.getElementById("shown").textContent = filters.size ? `${some} of ${all} ${noun}` : `${all} ${noun}`;
    document.getElementById("reset").disabled = filters.size === 0;
    for (const plot of plots) if (plot.data) filterDrawing(plot);
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

/** The number of a point's trial, the first of its customdata; null if the trace's points are not trials. */
function trialAt(trace, point) {
  const customdata = trace.customdata?.[point];
  return trace.meta?.trials && customdata ? String(customdata[0]) : null;
}

/** Fades the points of filtered trials and hides their lines; restores all without a filter. */
function filterDrawing(plot) {
  plot.unfiltered ??= plot.data.map((trace) => trace.y);
  const faded = { indices: [], points: [] };
  const hidden = { indices: [], ys: [] };
  for (const [index, trace] of plot.data.entries()) {
    if (!trace.meta?.trials) continue;
    const passing = (_, point) => {
      const index = indexOfTrial.get(trialAt(trace, point));
      return index === undefined || passes(index);
    };
    if (trace.mode?.includes("lines")) {
      const all = plot.unfiltered[index];
      hidden.indices.push(index);
      hidden.ys.push(filters.size ? all.map((y, point) => (passing(y, point) ? y : null)) : all);
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

/** The height of a value on an axis of the parallel coordinates, from 0 at its foot to 1 at its head. */
function height(axis, value) {
  const [foot, head] = axis.log ? [Math.log(axis.foot), Math.log(axis.head)] : [axis.foot, axis.head];
  return foot === head ? 0.5 : ((axis.log ? Math.log(value) : value) - foot) / (head - foot);
}

/** The inverse of `height`. */
function valueAt(axis, height) {
  if (height <= 0) return axis.foot;
  if (height >= 1) return axis.head;
  if (!axis.log) return axis.foot + height * (axis.head - axis.foot);
  return Math.exp(Math.log(axis.foot) + height * (Math.log(axis.head) - Math.log(axis.foot)));
}

function choiceHeight(axis, choice) {
  return axis.choices.length === 1 ? 0.5 : axis.choices.indexOf(choice) / (axis.choices.length - 1);
}

/** The filters as plotly shapes on their axes. */
function brushes(axes) {
  const shapes = [];
  for (const [position, axis] of axes.entries()) {
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
        type: "rect", x0: position - 0.06, x1: position + 0.06, y0, y1, layer: "above",
        fillcolor: "rgba(192,132,0,0.35)", line: { color: "#c08400", width: 1 },
      });
  }
  return shapes;
}

/** Sets the filters of a box drawn over the parallel coordinates: on each axis it crosses, or the nearest. */
function brushed(axes, { x, y }) {
  const [left, right] = [...x].sort((a, b) => a - b);
  const [low, high] = [...y].sort((a, b) => a - b);
  const crossed = [...axes.keys()].filter((position) => position >= left && position <= right);
  if (!crossed.length) crossed.push(Math.min(axes.length - 1, Math.max(0, Math.round((left + right) / 2))));
  for (const axis of crossed.map((position) => axes[position])) {
    let filter;
    if (axis.choices) {
      filter = new Set(axis.choices.filter((choice) => {
        const at = choiceHeight(axis, choice);
        return at >= low && at <= high;
      }));
    } else {
      const ends = [valueAt(axis, low), valueAt(axis, high)];
      ends.sort((a, b) => a - b);
      filter = { low: ends[0], high: ends[1] };
    }
    set(axis.key, filter);
    write(axis.key, filter);
  }
  apply();
}

/** Scrolls to a trial's row; resets the filters if they hide it. */
function show(trial) {
  const index = indexOfTrial.get(trial);
  if (index === undefined) return;
  if (!passes(index)) reset();
  requestAnimationFrame(() => {
    location.hash = `trial-${trial}`;
    rows[index].scrollIntoView({ block: "center" });
  });
}

/** Connects a new drawing with the table; page.js calls it. */
function connect(plot) {
  const axes = plot.layout.meta?.axes;
  if (!axes && !plot.data.some((trace) => trace.meta?.trials)) return;
  plot.on("plotly_click", ({ points }) => {
    const trial = points.map(({ data, pointNumber }) => trialAt(data, pointNumber)).find(Boolean);
    if (trial) openPanel(trial);
  });
  if (axes) {
    plot.on("plotly_selected", (selection) => {
      if (!selection?.range) return;
      const { range } = selection;
      const [x, y] = ["x", "y"].map((letter) => Object.keys(range).find((key) => key[0] === letter));
      brushed(axes, { x: range[x], y: range[y] });
      setTimeout(() => Plotly.relayout(plot, { selections: [] }));
    });
    plot.on("plotly_deselect", reset);
  }
  if (filters.size) filterDrawing(plot);
}

root.classList.add("linked");
