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

/** What a drawing takes from the theme: it is drawn on a clear ground, so only its words. */
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

/** Every drawing again in the theme that holds now, with what `more` says of it. */
function repaint(more) {
  const change = themed();
  for (const plot of plots) if (plot.data) Plotly.update(plot, words(plot), { ...change, ...more(plot) });
}

/** The button says what it does. */
function label() {
  document.getElementById("theme").textContent = isDark() ? "Light" : "Dark";
}

/** The words on the cells of a matrix are not the layout's. */
function words(plot) {
  const cells = plot.data.some((trace) => trace.type === "heatmap");
  return cells ? { "textfont.color": getComputedStyle(document.getElementById("ink")).color } : {};
}

document.getElementById("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("benchsweep-theme", root.dataset.theme);
  } catch { /* it lasts as long as the page then */ }
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
 * Plotly, once it is needed: to understand its 5 MB takes longer than all else on the page, so where the
 * page holds it, it is text until then. (The policy knows it by its hash, as it knows the other scripts.)
 */
function plotly() {
  const held = document.getElementById("plotly");
  if (held && !window.Plotly) {
    const script = document.createElement("script");
    script.textContent = held.textContent;
    document.body.append(script);
  }
  return window.Plotly;
}

/** Draws one, once. */
function draw(plot) {
  if (!waiting.delete(plot)) return;
  const Plotly = plotly();
  const { data, layout } = figures[plot.id];
  for (const [path, value] of Object.entries(themed())) assign(layout, path, value);
  if (plot.closest(".square")) layout.height = plot.clientWidth;
  for (const trace of data)
    if (trace.type === "heatmap") trace.textfont = { color: themed()["font.color"] };
  const touch = matchMedia("(pointer: coarse)").matches;
  // On a touch screen a finger on a plot must scroll the page, not zoom the plot.
  if (touch) layout.dragmode = false;
  Plotly.newPlot(plot, data, layout, { ...config, displayModeBar: touch ? false : "hover" });
  window.linked?.(plot);
  if (!waiting.size) root.classList.add("drawn");
}

const waiting = new Set(plots);
const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries)
      if (isIntersecting) {
        near.unobserve(target);
        draw(target);
      }
  },
  { rootMargin: "600px" },
);
const idle = window.requestIdleCallback ?? ((call) => setTimeout(call, 30));

/** Those in sight first, the others while nothing else is to be done: the page is used meanwhile. */
function drawOthers() {
  const [next] = waiting;
  if (next === undefined) return;
  if (window.Plotly) draw(next);
  else plotly();
  idle(drawOthers);
}

function begin() {
  if (waiting.size && !window.Plotly && !document.getElementById("plotly")) {
    for (const plot of plots) plot.textContent = "plotly.js could not be loaded, so this is not drawn.";
    waiting.clear();
  }
  if (!waiting.size) root.classList.add("drawn");
  for (const plot of waiting) near.observe(plot);
  // Those out of sight leave a reader who knows where to click the first second.
  addEventListener("load", () => setTimeout(() => idle(drawOthers), 1000));
}

label();
// By then a script that the page loads from a network has come, or has not.
addEventListener("DOMContentLoaded", begin);

// Paper ------------------------------------------------------------------------------------------

/** Paper is white and narrower than the screen: dark words and a width that fits, then back. */
addEventListener("beforeprint", () => {
  root.dataset.before = root.dataset.theme ?? "";
  root.dataset.theme = "light";
  for (const plot of [...waiting]) draw(plot);
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    details.dataset.shut = "";
  }
  repaint((plot) => ({ width: plot.closest(".small") ? 220 : 680 }));
});
addEventListener("afterprint", () => {
  if (root.dataset.before) root.dataset.theme = root.dataset.before;
  else delete root.dataset.theme;
  for (const details of document.querySelectorAll("details[data-shut]")) {
    details.open = false;
    delete details.dataset.shut;
  }
  repaint(() => ({ width: null, autosize: true }));
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
    const said = button.textContent;
    button.textContent = (await copy(button.dataset.copy)) ? "Copied" : "Select and copy it";
    setTimeout(() => (button.textContent = said), 1600);
  });
}

// Contents: mark the part that is being read -----------------------------------------------------

const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const seen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  },
  { rootMargin: "-15% 0px -75% 0px" },
);
for (const part of document.querySelectorAll("main > section")) seen.observe(part);
