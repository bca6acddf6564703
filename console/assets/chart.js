// Draws time series into an SVG that is as large as its frame, so that a line of
// one pixel is one pixel.

import { unitOf } from "./units.js";

const svgNS = "http://www.w3.org/2000/svg";
const seriesMax = 8;
const pad = { top: 8, right: 10, bottom: 20, left: 52 };

function make(parent, name, attributes, text) {
  const node = document.createElementNS(svgNS, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

// ticks gives round values that hold min and max, about four steps.
function ticks(min, max, base) {
  const rough = (max - min) / 4 || 1;
  let step;
  if (base === 2) {
    step = 2 ** Math.ceil(Math.log2(rough));
  } else {
    const power = 10 ** Math.floor(Math.log10(rough));
    step = power * [1, 2, 2.5, 5, 10].find((f) => f * power >= rough * 0.999);
  }
  const out = [];
  for (let i = Math.floor(min / step); ; i++) {
    out.push(i * step);
    if (i * step >= max) return out;
  }
}

const timeSteps = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];

function timeTicks(start, end, room) {
  const most = Math.max(2, Math.floor(room / 70));
  const step = timeSteps.find((s) => (end - start) / s <= most) || 2592000;
  const zone = new Date(start * 1000).getTimezoneOffset() * 60;
  const out = [];
  for (let t = Math.ceil((start - zone) / step) * step + zone; t <= end; t += step) out.push(t);
  return out;
}

const clock = (t, seconds) =>
  new Date(t * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined, hourCycle: "h23" });

const day = (t) => new Date(t * 1000).toLocaleDateString([], { month: "short", day: "numeric" });

const colour = (series, i) => "k" + (series.colour || i % seriesMax);

// A Chart owns one figure. Its data: {start, end, step, unit, series: [{name,
// colour, dashed, href, points: [[seconds, value], ...]}], now, of}; seconds since
// the epoch. Besides: bars (stacked counts of a step each), floating (the axis
// need not begin at 0), lines ([{value, colour}] across), notes ([{time, text}]),
// open(series, time) for a click on a point, and what it does in words.
export class Chart {
  constructor(figure, onHover) {
    this.figure = figure;
    this.svg = figure.querySelector("svg");
    this.tip = figure.querySelector(".tip");
    this.onHover = onHover;
    this.data = null;
    this.at = null;
    new ResizeObserver(() => this.draw()).observe(this.svg.parentElement);
    this.svg.addEventListener("pointermove", (e) => onHover(this, this.timeAt(e)));
    this.svg.addEventListener("pointerleave", () => onHover(this, null));
    this.svg.addEventListener("click", (e) => this.click(e));
  }

  set(data) {
    data.series.sort((a, b) => last(b) - last(a));
    if (!data.series.some((s) => s.colour)) {
      // A series keeps its colour while its rank changes.
      this.names ??= [];
      for (const s of data.series) if (!this.names.includes(s.name) && this.names.length < 200) this.names.push(s.name);
      for (const s of data.series) s.colour = String(Math.max(0, this.names.indexOf(s.name)) % seriesMax);
    }
    this.data = data;
    this.draw();
  }

  // empty says what to do instead of a chart.
  empty(text) {
    this.data = null;
    const p = this.figure.querySelector(".empty");
    p.textContent = text;
    p.hidden = false;
    this.svg.replaceChildren();
    this.tip.hidden = true;
    const output = this.figure.querySelector("output");
    if (output) output.textContent = "";
    this.figure.querySelector(".legend").replaceChildren();
  }

  draw() {
    const d = this.data;
    if (!d) return;
    this.figure.querySelector(".empty").hidden = true;
    const width = this.svg.parentElement.clientWidth;
    const height = this.svg.parentElement.clientHeight;
    const shown = d.series.slice(0, seriesMax);
    const stacks = d.bars ? stacked(shown) : null;
    let max = 0, min = 0;
    if (d.floating) {
      max = -Infinity;
      min = Infinity;
    }
    for (const s of shown) {
      for (const p of s.points) {
        if (p[1] > max) max = p[1];
        if (p[1] < min) min = p[1];
      }
    }
    if (stacks) max = Math.max(0, ...stacks.totals.values());
    if (min > max) min = max = 0;
    const unit = unitOf(d.unit);
    const steps = ticks(min, max > min ? max : min + (d.least || Math.abs(min) || 1), unit.base);
    const bottom = steps[0], top = steps[steps.length - 1];
    const x = (t) => pad.left + ((t - d.start) / (d.end - d.start)) * (width - pad.left - pad.right);
    const y = (v) => height - pad.bottom - ((v - bottom) / (top - bottom)) * (height - pad.top - pad.bottom);
    this.x = x;
    this.y = y;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren();

    for (const v of steps) {
      const at = Math.round(y(v)) + 0.5;
      make(this.svg, "line", { class: v !== bottom ? "grid" : "axis", x1: pad.left, x2: width - pad.right, y1: at, y2: at });
      make(this.svg, "text", { x: pad.left - 8, y: at + 4, "text-anchor": "end" }, unit.write(v));
    }
    for (const t of timeTicks(d.start, d.end, width - pad.left - pad.right)) {
      const at = Math.round(x(t)) + 0.5;
      if (at < pad.left + 14 || at > width - 24) continue;
      make(this.svg, "line", { class: "axis", x1: at, x2: at, y1: height - pad.bottom, y2: height - pad.bottom + 4 });
      make(this.svg, "text", { x: at, y: height - 4, "text-anchor": "middle" }, d.end - d.start > 172800 ? day(t) : clock(t));
    }
    for (const l of d.lines || []) {
      if (l.value > bottom && l.value < top) make(this.svg, "line", { class: "limit " + l.colour, x1: pad.left, x2: width - pad.right, y1: y(l.value), y2: y(l.value) });
    }
    for (const n of d.notes || []) {
      const line = make(this.svg, "line", { class: "note", x1: x(n.time), x2: x(n.time), y1: pad.top, y2: height - pad.bottom });
      make(line, "title", {}, n.text);
    }
    if (stacks) this.bars(stacks, shown, x, y, d.step);
    // The largest is drawn first, so that the others stand before it.
    if (!stacks) shown.forEach((s, i) => {
      const line = path(s.points, x, y, d.step);
      if (shown.length === 1 && s.points.length > 1 && !d.floating) {
        const first = x(s.points[0][0]), end = x(s.points[s.points.length - 1][0]);
        if (!line.includes("M", 1)) make(this.svg, "path", { class: "area " + colour(s, i), d: `${line}L${end.toFixed(1)} ${y(0)}L${first.toFixed(1)} ${y(0)}Z` });
      }
      make(this.svg, "path", { class: `series ${s.dashed ? "dashed " : ""}` + colour(s, i), d: line });
    });
    this.cross = make(this.svg, "line", { class: "cross", y1: pad.top, y2: height - pad.bottom, visibility: "hidden" });
    this.figure.classList.toggle("opens", !!d.open);
    const output = this.figure.querySelector("output");
    if (output) output.textContent = d.now === undefined || !Number.isFinite(d.now) ? "" : (d.of || "") + unit.write(d.now);
    this.legend(shown);
    this.hover(this.at, this.hovered);
  }

  legend(shown) {
    const out = shown.map((s, i) => item(s, i, unitOf(this.data.unit).write, this.data.bars ? sum(s) : last(s)));
    if (this.data.series.length > shown.length) {
      const more = document.createElement("span");
      more.textContent = `and ${this.data.series.length - shown.length} smaller`;
      out.push(more);
    }
    this.figure.querySelector(".legend").replaceChildren(...out);
  }

  timeAt(event) {
    if (!this.data) return null;
    const box = this.svg.getBoundingClientRect();
    const part = (event.clientX - box.left - pad.left) / (box.width - pad.left - pad.right);
    return part < 0 || part > 1 ? null : this.data.start + part * (this.data.end - this.data.start);
  }

  bars(stacks, shown, x, y, step) {
    const width = Math.max(1, x(step) - x(0) - 1);
    for (const { i, t, from, to } of stacks.parts) {
      const top = y(to), bottom = y(from);
      if (bottom - top > 0.05) make(this.svg, "rect", { class: "bar-part " + colour(shown[i], i), x: (x(t) + 0.5).toFixed(1), y: top.toFixed(1), width: width.toFixed(1), height: (bottom - top).toFixed(1) });
    }
  }

  // click opens what the point nearest to the pointer leads to.
  click(event) {
    const t = this.timeAt(event);
    if (t === null || !this.data.open) return;
    const box = this.svg.getBoundingClientRect();
    const distance = (s) => {
      const v = near(s.points, t, this.data.step);
      return v === null ? Infinity : Math.abs(this.y(v) - (event.clientY - box.top));
    };
    const best = this.data.series.slice(0, seriesMax).sort((a, b) => distance(a) - distance(b))[0];
    if (best) this.data.open(best, t);
  }

  // hover shows the moment; the values too where the pointer is in this chart.
  hover(t, here) {
    this.at = t;
    this.hovered = here;
    this.tip.hidden = true;
    if (!this.data || !this.cross) return;
    this.cross.setAttribute("visibility", t === null ? "hidden" : "visible");
    if (t === null) return;
    const at = Math.round(this.x(t)) + 0.5;
    this.cross.setAttribute("x1", at);
    this.cross.setAttribute("x2", at);
    if (!here) return;
    const write = unitOf(this.data.unit).write;
    const rows = this.data.series.slice(0, seriesMax).map((s, i) => ({ s, i, v: near(s.points, t, this.data.step) })).filter((r) => r.v !== null);
    rows.sort((a, b) => b.v - a.v);
    const head = document.createElement("div");
    head.textContent = clock(t, true);
    const more = [];
    for (const n of (this.data.notes || []).filter((n) => Math.abs(n.time - t) <= this.data.step)) more.push(words(n.text));
    if (this.data.open) more.push(words(`Click: ${this.data.opens}`));
    this.tip.replaceChildren(head, ...rows.map((r) => item({ ...r.s, href: undefined }, r.i, write, r.v, "div")), ...more);
    this.tip.hidden = false;
    const left = at > this.svg.parentElement.clientWidth / 2;
    this.tip.style.left = left ? "" : at + 12 + "px";
    this.tip.style.right = left ? this.svg.parentElement.clientWidth - at + 12 + "px" : "";
  }
}

function words(text) {
  const out = document.createElement("div");
  out.className = "dim";
  out.textContent = text;
  return out;
}

// stacked puts counts of one time on top of each other.
function stacked(shown) {
  const totals = new Map(), parts = [];
  shown.forEach((s, i) => {
    for (const [t, v] of s.points) {
      const from = totals.get(t) || 0;
      parts.push({ i, t, from, to: from + v });
      totals.set(t, from + v);
    }
  });
  return { totals, parts };
}

function item(series, i, write, value, tag = "span") {
  const out = document.createElement(series.href ? "a" : tag);
  if (series.href) out.href = series.href;
  const swatch = document.createElement("i");
  swatch.className = "swatch " + colour(series, i);
  const figure = document.createElement("b");
  figure.textContent = Number.isFinite(value) ? write(value) : "–";
  out.append(swatch, series.name, figure);
  out.title = series.name;
  return out;
}

const sum = (series) => series.points.reduce((a, p) => a + p[1], 0);

function last(series) {
  const p = series.points[series.points.length - 1];
  return p ? p[1] : -1;
}

function near(points, t, step) {
  let best = null, distance = step;
  for (const p of points) {
    const d = Math.abs(p[0] - t);
    if (d <= distance) {
      best = p[1];
      distance = d;
    }
  }
  return best;
}

// path begins anew where points are missing.
function path(points, x, y, step) {
  let out = "", before = -Infinity;
  for (const [t, v] of points) {
    out += (t - before > step * 1.5 ? "M" : "L") + x(t).toFixed(1) + " " + y(v).toFixed(1);
    before = t;
  }
  // A point alone is a line of no length: its round cap shows.
  return points.length === 1 ? out + "h0.01" : out;
}
