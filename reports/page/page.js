"use strict";

const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const figures = JSON.parse(document.getElementById("figures").textContent);
const plots = [...document.querySelectorAll(".plot")].filter((plot) => plot.id in figures);
const config = {
  responsive: true,
  displaylogo: false,
  modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
};

// Theme ------------------------------------------------------------------------------------------

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
}

/** The layout properties that depend on the theme: the background is transparent, so only the text's. */
function themed() {
  const style = getComputedStyle(document.getElementById("ink"));
  return {
    "font.color": style.color,
    "hoverlabel.bgcolor": style.backgroundColor,
    "hoverlabel.bordercolor": style.borderTopColor,
    "hoverlabel.font.color": style.color,
    "modebar.bgcolor": "rgba(0,0,0,0)",
    "modebar.color": "#868d97",
    "modebar.activecolor": style.color,
  };
}

function follow() {
  label();
  repaint(() => ({}));
}

/** Redraws everything in the current theme, with further layout properties from `more`. */
function repaint(more) {
  const change = themed();
  for (const plot of plots) if (plot.data) Plotly.update(plot, words(plot), { ...change, ...more(plot) });
}

/** The button names the theme that it switches to. */
function label() {
  document.getElementById("theme").textContent = isDark() ? "Light" : "Dark";
}

/** The text on the cells of a matrix belongs to the trace, not to the layout. */
function words(plot) {
  const cells = plot.data.some((trace) => trace.type === "heatmap");
  return cells ? { "textfont.color": getComputedStyle(document.getElementById("ink")).color } : {};
}

document.getElementById("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("benchsweep-theme", root.dataset.theme);
  } catch { /* without storage it lasts until the page is closed */ }
  follow();
});
system.addEventListener("change", follow);

// Drawings ---------------------------------------------------------------------------------------

/** Sets "a.b.c" in nested objects. */
function assign(target, path, value) {
  const names = path.split(".");
  const last = names.pop();
  for (const name of names) target = target[name] ??= {};
  target[last] = value;
}

/**
 * A promise of plotly, loaded when it is first needed: parsing its 5 MB takes longer than everything else on
 * the page, so an inline copy is packed until then. (The policy allows its text by its hash, like the other
 * scripts.)
 */
let loading;
function plotly() {
  return (loading ??= unpacking.then(run));
}

let plotlyText = null;
let unpacking = Promise.resolve();

/** Runs plotly's text; once it is unpacked this takes no promise, for which a printer does not wait. */
function run() {
  if (plotlyText !== null && !window.Plotly) {
    const script = document.createElement("script");
    script.textContent = plotlyText;
    document.body.append(script);
  }
  if (!window.Plotly) throw new Error("plotly.js did not run");
}

/** The text that was packed with gzip and base64. */
async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(unpacked).text();
}

/** Says on every plot that plotly could not be loaded. */
function giveUp() {
  for (const plot of waiting) plot.textContent = "plotly.js could not be loaded, so this is not drawn.";
  waiting.clear();
  root.classList.add("drawn");
}

/** Draws a plot, once; plotly must be loaded. */
function draw(plot) {
  if (!waiting.delete(plot)) return;
  const { data, layout } = figures[plot.id];
  for (const [path, value] of Object.entries(themed())) assign(layout, path, value);
  if (plot.closest(".square")) layout.height = plot.clientWidth;
  for (const trace of data)
    if (trace.type === "heatmap") trace.textfont = { color: themed()["font.color"] };
  const touch = matchMedia("(pointer: coarse)").matches;
  // On a touch screen a finger on a plot must scroll the page, not zoom the plot.
  if (touch) layout.dragmode = false;
  plot.screenHeight = layout.height;
  Plotly.newPlot(plot, data, layout, { ...config, displayModeBar: touch ? false : "hover" });
  window.connect?.(plot);
  if (!waiting.size) root.classList.add("drawn");
}

const waiting = new Set(plots);
const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries)
      if (isIntersecting) {
        near.unobserve(target);
        plotly().then(() => draw(target), giveUp);
      }
  },
  { rootMargin: "600px" },
);
const idle = window.requestIdleCallback ?? ((call) => setTimeout(call, 30));

/** Draws the plots that are out of sight one by one while the browser is idle, so that the page responds. */
function drawOthers() {
  const [next] = waiting;
  if (next === undefined) return;
  if (window.Plotly) {
    draw(next);
    idle(drawOthers);
  } else plotly().then(() => idle(drawOthers), giveUp);
}

function begin() {
  if (waiting.size && !window.Plotly && !document.getElementById("plotly")) giveUp();
  if (!waiting.size) root.classList.add("drawn");
  const source = document.getElementById("plotly");
  if (source) unpacking = unpack(source.textContent).then((text) => (plotlyText = text));
  for (const plot of waiting) near.observe(plot);
  // The first second belongs to readers who know where to click.
  addEventListener("load", () => setTimeout(() => idle(drawOthers), 1000));
}

label();
// By then a script from the network has been loaded, or has failed.
addEventListener("DOMContentLoaded", begin);

// Paper ------------------------------------------------------------------------------------------

/** Paper is white and narrower than the screen: prints dark text at a width that fits, then restores both. */
addEventListener("beforeprint", () => {
  root.dataset.themeBefore = root.dataset.theme ?? "";
  root.dataset.theme = "light";
  if (waiting.size && (window.Plotly || plotlyText !== null)) {
    run();
    for (const plot of [...waiting]) draw(plot);
  }
  repaint((plot) => ({
    width: plot.closest(".small") ? 170 : plot.closest(".half, .pair") ? 330 : 680,
    height: Math.round((plot.closest(".small") ? 0.9 : 0.75) * plot.screenHeight),
  }));
});
addEventListener("afterprint", () => {
  if (root.dataset.themeBefore) root.dataset.theme = root.dataset.themeBefore;
  else delete root.dataset.theme;
  repaint((plot) => ({ width: null, height: plot.screenHeight, autosize: true }));
});

// Copy -------------------------------------------------------------------------------------------

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    const label = button.textContent;
    button.textContent = (await copy(button.dataset.copy)) ? "Copied" : "Copy it by hand";
    setTimeout(() => (button.textContent = label), 1600);
  });
}

// Contents: mark the visible part ---------------------------------------------------------------

const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const visible = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      const link = links.get(entry.target.id);
      link?.setAttribute("aria-current", "true");
      // On a narrow page the contents are one line, which follows.
      const bar = link?.parentElement;
      if (bar && bar.scrollWidth > bar.clientWidth) bar.scrollTo({ left: link.offsetLeft - bar.offsetLeft - 40 });
    }
  },
  { rootMargin: "-15% 0px -75% 0px" },
);
for (const part of document.querySelectorAll("main > section")) visible.observe(part);
