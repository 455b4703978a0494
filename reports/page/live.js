"use strict";

// Keeps the page up to date by its server's events. Elements are made once and changed where they stand, so that
// nothing moves that a reader scrolls, points at or has selected.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, EDGE] = [600, 220, 18];
const connection = document.getElementById("connection");

/** Sets a text if it changed: a selection in a text that stays is kept. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

class Run {
  constructor(section) {
    this.section = section;
    this.part = Object.fromEntries([...section.querySelectorAll("[data-part]")].map((one) => [one.dataset.part, one]));
    this.head = section.querySelector("thead tr");
    this.body = section.querySelector("tbody");
    this.group = section.querySelector("svg g");
    this.trials = new Map();
    this.header = null;
    this.range = null;
  }

  update({ header, trials }) {
    if (header) this.describe(header);
    for (const trial of trials) this.show(trial);
    if (trials.length || header) {
      this.scale();
      this.mark();
    }
  }

  describe(header) {
    this.header = header;
    write(this.part.state, header.state);
    write(this.part.line, header.line);
    if (header.share === undefined) return;
    this.section.querySelector("progress").value = header.share;
    write(this.part.score, header.score);
    write(this.part.best, header.best === null ? "" : `trial ${header.best}, ${header.metric.replaceAll("_", " ")}`);
    this.part.next.hidden = header.next === null;
    write(this.part.next.querySelector("code"), header.next ?? "");
    const titles = ["trial", "state", "epochs", header.metric.split("_").at(-1), ...header.settings];
    titles.forEach((title, index) => {
      const cell = this.head.cells[index] ?? this.head.appendChild(document.createElement("th"));
      cell.scope = "col";
      write(cell, title);
    });
  }

  show(trial) {
    let own = this.trials.get(trial.number);
    if (!own) {
      const row = document.createElement("tr");
      const line = document.createElementNS(SVG, "polyline");
      line.append(document.createElementNS(SVG, "title"));
      own = { row, line };
      for (const target of [row, line]) {
        target.addEventListener("pointerenter", () => this.point(trial.number, true));
        target.addEventListener("pointerleave", () => this.point(trial.number, false));
      }
      // In the order of their numbers, whatever the order of the events.
      const after = [...this.trials.keys()].filter((number) => number > trial.number).sort((a, b) => a - b)[0];
      this.body.insertBefore(row, after === undefined ? null : this.trials.get(after).row);
      this.group.append(line);
      this.trials.set(trial.number, own);
    }
    own.trial = trial;
    const texts = [String(trial.number), trial.state, trial.epochs, trial.score, ...trial.settings];
    texts.forEach((text, index) => {
      const cell = own.row.cells[index] ?? own.row.insertCell();
      if (index === 1) {
        const state = cell.firstElementChild ?? cell.appendChild(document.createElement("span"));
        state.className = `state ${text}`;
        write(state, text);
        if (trial.error) write(cell.querySelector("small") ?? cell.appendChild(document.createElement("small")), trial.error);
      } else write(cell, text);
    });
    write(own.line.firstElementChild, `trial ${trial.number}: ${trial.score}`);
    own.stale = true;
  }

  /** Places the curves: all of them if the range of the axes changed, else those that did. */
  scale() {
    const curves = [...this.trials.values()].map(({ trial }) => trial.curve);
    const values = curves.flatMap((curve) => curve.map(([, value]) => value)).sort((a, b) => a - b);
    if (!values.length) return;
    // The worst twentieth would flatten all others.
    const cut = Math.floor(values.length / 20);
    const [low, high] = this.header?.sign < 0
      ? [values[0], values[values.length - 1 - cut]]
      : [values[cut], values[values.length - 1]];
    const last = Math.max(2, ...curves.map((curve) => curve.at(-1)?.[0] ?? 1));
    const range = [low, high, last].join();
    const all = range !== this.range;
    this.range = range;
    const spread = high - low || 1;
    for (const own of this.trials.values()) {
      if (!all && !own.stale) continue;
      own.stale = false;
      const points = own.trial.curve.map(([epoch, value]) => {
        const y = Math.min(1, Math.max(0, (value - low) / spread));
        return `${((epoch - 1) / (last - 1)) * (WIDTH - 2 * EDGE) + EDGE},${HEIGHT - EDGE - y * (HEIGHT - 2 * EDGE)}`;
      });
      own.line.setAttribute("points", points.join(" "));
    }
    const share = this.header?.unit === "share";
    const text = (value) => (share ? `${(100 * value).toFixed(2)} %` : String(Number(value.toPrecision(4))));
    write(this.part.high, text(high));
    write(this.part.low, text(low));
  }

  mark() {
    for (const [number, { row, line, trial }] of this.trials) {
      const best = number === this.header?.best;
      row.classList.toggle("best", best);
      line.classList.toggle("best", best);
      line.classList.toggle("running", trial.state === "running");
    }
  }

  point(number, on) {
    const { row, line } = this.trials.get(number);
    row.classList.toggle("pointed", on);
    line.classList.toggle("pointed", on);
  }
}

const runs = [...document.querySelectorAll(".run")].map((section) => new Run(section));
const events = new EventSource("events");
events.addEventListener("open", () => write(connection, "live"));
events.addEventListener("error", () => write(connection, "not connected"));
events.addEventListener("message", ({ data }) => {
  for (const run of JSON.parse(data)) runs[run.index].update(run);
  document.documentElement.dataset.updates = String(Number(document.documentElement.dataset.updates ?? 0) + 1);
});
