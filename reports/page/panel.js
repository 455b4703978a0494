"use strict";

// The panel of one trial, and the controls of the learning curves. Both draw from the details: of each trial its
// recipe, and each metric after each epoch.

const details = JSON.parse(document.getElementById("details").textContent);
const panel = document.getElementById("panel");
const panelBody = document.getElementById("panel-body");
let opened = null;
let openedFrom = null;

/** A new element with text or children. */
function element(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

// TOML -------------------------------------------------------------------------------------------

/** A value as TOML; JSON's strings, lists and numbers are TOML's. */
function toml(value) {
  if (Array.isArray(value)) return `[${value.map(toml).join(", ")}]`;
  if (value !== null && typeof value === "object")
    return `{ ${Object.entries(value).map(([key, inner]) => `${tomlKey(key)} = ${toml(inner)}`).join(", ")} }`;
  return JSON.stringify(value);
}

function tomlKey(key) {
  return /^[\w-]+$/.test(key) ? key : JSON.stringify(key);
}

function recipeOf(trial) {
  return { ...details.shared, ...details.trials[trial].recipe };
}

/** The recipe as the [recipe] table of a plan. */
function tomlOf(trial) {
  const given = Object.entries(recipeOf(trial)).filter(([, value]) => value !== null);
  return ["[recipe]", ...given.map(([key, value]) => `${tomlKey(key)} = ${toml(value)}`)].join("\n") + "\n";
}

// The panel --------------------------------------------------------------------------------------

function formatted(name, value) {
  if (value === null || value === undefined) return "–";
  if (name === details.metric.name && details.metric.unit === "share") return `${(100 * value).toFixed(2)} %`;
  return String(Number(value.toPrecision(4)));
}

const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A metric of the trial by epoch, over those of all others. */
function curveOf(trial, name) {
  const [width, height, left, bottom] = [300, 110, 4, 16];
  const own = details.trials[trial];
  const all = Object.values(details.trials).filter((other) => other.values[name]);
  const seen = own.values[name].filter((value) => value !== null);
  const spread = Math.max(...seen) - Math.min(...seen) || Math.abs(seen[0]) || 1;
  const low = Math.min(...seen) - 0.6 * spread;
  const high = Math.max(...seen) + 0.6 * spread;
  const last = Math.max(2, ...all.map((other) => other.epochs.at(-1) ?? 1));
  const place = (epoch, value) => {
    const y = Math.min(1, Math.max(0, (value - low) / (high - low)));
    return `${left + ((epoch - 1) / (last - 1)) * (width - 2 * left)},${(1 - y) * (height - bottom - 4) + 4}`;
  };
  const line = (one) =>
    one.epochs
      .map((epoch, index) => [epoch, one.values[name][index]])
      .filter(([, value]) => value !== null)
      .map(([epoch, value]) => place(epoch, value))
      .join(" ");
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  drawing.append(svg("title", {}, `${name} of trial ${trial} by epoch`));
  for (const other of all.slice(0, 150))
    if (other !== own) drawing.append(svg("polyline", { points: line(other), class: "other" }));
  drawing.append(svg("polyline", { points: line(own), class: "own" }));
  const end = place(own.epochs.at(-1), seen.at(-1)).split(",");
  drawing.append(svg("circle", { cx: end[0], cy: end[1], r: 3, class: "own" }));
  drawing.append(svg("text", { x: left, y: height - 3 }, `epoch 1 to ${last}`));
  const figure = element("figure", drawing);
  figure.prepend(element("figcaption", element("b", name), ` ${formatted(name, seen.at(-1))} after epoch ${own.epochs.at(-1)}`));
  return figure;
}

function copyButton(label, text) {
  const button = element("button", label);
  button.type = "button";
  button.addEventListener("click", async () => {
    button.textContent = (await copy(text)) ? "Copied" : "Copy it by hand";
    setTimeout(() => (button.textContent = label), 1600);
  });
  return button;
}

/** Shows a trial in the panel, and its curve above the others'. */
function openPanel(trial) {
  const own = details.trials[trial];
  if (!own) return;
  if (opened === null) openedFrom = document.activeElement;
  opened = trial;
  document.getElementById("panel-title").textContent = `Trial ${trial}`;
  const score = own.values[details.metric.name]?.at(-1);
  const state = element("span", own.state);
  state.className = `state ${own.state}`;
  const summary = element("p", state, ` ${formatted(details.metric.name, score)}, ${own.epochs.length} epochs`);
  const parts = [summary];
  if (own.error) {
    const error = element("p", own.error);
    error.className = "panel-error";
    parts.push(error);
  }
  for (const note of own.notes ?? []) parts.push(element("p", `Note: ${note}`));
  const reproduce = `benchsweep reproduce ${details.run} ${trial}`;
  const copies = element("div", copyButton("Copy as TOML", tomlOf(trial)), copyButton("Copy as a command", reproduce));
  copies.className = "panel-copies";
  parts.push(copies);
  const rows = Object.entries(recipeOf(trial)).map(([name, value]) => {
    const head = element("th", name);
    head.scope = "row";
    const row = element("tr", head, element("td", value === null ? "–" : typeof value === "string" ? value : toml(value)));
    if (own.sampled.includes(name)) row.className = "sampled";
    return row;
  });
  const recipe = element("table", element("caption", "Recipe, with what the search chose in bold"), element("tbody", ...rows));
  recipe.className = "pairs";
  const drawn = details.metrics.filter((name) => own.values[name]).map((name) => curveOf(trial, name));
  parts.push(...drawn, recipe);
  panelBody.replaceChildren(...parts);
  panelBody.scrollTop = 0;
  panel.hidden = false;
  document.getElementById("panel-close").focus();
  drawCurves();
}

function closePanel() {
  panel.hidden = true;
  opened = null;
  openedFrom?.focus?.({ preventScroll: true });
  drawCurves();
}

document.getElementById("panel-close").addEventListener("click", closePanel);
document.getElementById("panel-row").addEventListener("click", () => {
  const trial = opened;
  closePanel();
  show(trial);
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !panel.hidden) closePanel();
});
for (const link of table.querySelectorAll("td.number > a[href^='#trial-']"))
  link.addEventListener("click", () => openPanel(link.hash.slice("#trial-".length)));

// Learning curves --------------------------------------------------------------------------------

const curves = document.getElementById("curves-plot");
const control = (name) => document.getElementById(`curve-${name}`);

/** An exponential moving average, as of TensorBoard: weight 0 leaves the values, bias at the start corrected. */
function smooth(values, weight) {
  let [last, seen] = [0, 0];
  return values.map((value) => {
    if (value === null || weight === 0) return value;
    last = weight * last + (1 - weight) * value;
    seen += 1;
    return last / (1 - weight ** seen);
  });
}

/** The curves of a state as one line with gaps. */
function lineOf(trials, name, weight) {
  const [x, y, customdata] = [[], [], []];
  for (const trial of trials) {
    const own = details.trials[trial];
    const values = own.values[name];
    if (!values) continue;
    const smoothed = smooth(values, weight);
    x.push(...own.epochs, null);
    y.push(...smoothed, null);
    customdata.push(...values.map((value) => [trial, formatted(name, value)]), ["", ""]);
  }
  return { x, y, customdata };
}

let curvesAtFirst = null;

/** Draws the curves that the controls ask for, with the trial of the panel on top. */
function drawCurves() {
  if (!curves?.data) return;
  const name = control("metric").value;
  const weight = Number(control("smoothing").value);
  const [logarithmic, pruned] = [control("log").checked, control("pruned").checked];
  curvesAtFirst ??= { data: curves.data.map((trace) => ({ ...trace })), yaxis: structuredClone(figures["curves-plot"].layout.yaxis) };
  const judged = name === details.metric.name;
  const plain = judged && weight === 0 && !logarithmic && pruned && opened === null;
  let data = curvesAtFirst.data;
  if (!plain) {
    data = curvesAtFirst.data
      .filter((trace) => pruned || trace.name !== "pruned")
      .map((trace) => {
        const trials = [...new Set(trace.customdata.map(([trial]) => trial))].filter((trial) => trial !== "");
        return { ...trace, ...lineOf(trials, name, weight) };
      });
  }
  if (opened !== null && details.trials[opened].values[name]) {
    const own = lineOf([opened], name, weight);
    data = [
      ...data.map((trace) => ({ ...trace, opacity: 0.3 })),
      {
        type: "scatter", mode: "lines+markers", name: `trial ${opened}`, ...own, meta: { trials: true },
        line: { color: "#d55e00", width: 3 }, marker: { size: 6 },
        hovertemplate: "trial %{customdata[0]}, epoch %{x}: %{customdata[1]}<extra></extra>",
      },
    ];
  }
  const layout = { ...curves.layout };
  layout.yaxis = judged && !logarithmic
    ? structuredClone(curvesAtFirst.yaxis)
    : { ...structuredClone(curvesAtFirst.yaxis), type: logarithmic ? "log" : "linear", autorange: true, range: null, tickformat: judged ? curvesAtFirst.yaxis.tickformat : null, ticksuffix: "", title: { text: name, standoff: 10, font: { size: 13 } } };
  curves.unfiltered = undefined;
  Plotly.react(curves, data, layout).then(() => {
    if (filters.size) filterDrawing(curves);
  });
}

if (control("metric")) {
  control("metric").append(...details.metrics.map((name) => new Option(name.replaceAll("_", " "), name)));
  for (const name of ["metric", "smoothing", "log", "pruned"]) control(name).addEventListener("input", drawCurves);
}
