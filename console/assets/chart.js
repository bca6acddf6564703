// Draws time series into an SVG that is as large as its frame, so that a line of
// one pixel is one pixel.

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

function scaled(value, base, names) {
  let i = 0;
  while (Math.abs(value) >= base && i < names.length - 1) {
    value /= base;
    i++;
  }
  return digits(value) + names[i];
}

function digits(v) {
  const a = Math.abs(v);
  if (a === 0) return "0";
  if (a >= 100) return v.toFixed(0);
  if (a >= 10) return trim(v.toFixed(1));
  if (a >= 1) return trim(v.toFixed(2));
  return trim(v.toPrecision(2));
}

const trim = (s) => (s.includes(".") && !s.includes("e") ? s.replace(/0+$/, "").replace(/\.$/, "") : s);

// units write a value for people. step is how the axis is divided: by tens, by
// powers of two.
export const units = {
  // As Kubernetes writes them: 250m is a quarter of a core.
  cores: { write: (v) => (Math.abs(v) < 1 && v !== 0 ? digits(v * 1000) + "m" : digits(v)), base: 10 },
  bytes: { write: (v) => scaled(v, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]), base: 2 },
  rate: { write: (v) => scaled(v, 1000, ["/s", "k/s", "M/s"]), base: 10 },
  ratio: { write: (v) => digits(v * 100) + " %", base: 10 },
  seconds: {
    write: (v) => (v === 0 ? "0" : v < 1e-3 ? digits(v * 1e6) + " µs" : v < 1 ? digits(v * 1e3) + " ms" : digits(v) + " s"),
    base: 10,
  },
};

// ticks gives round values from 0 to at least max, about four steps.
function ticks(max, base) {
  const rough = max / 4;
  let step;
  if (base === 2) {
    step = 2 ** Math.ceil(Math.log2(rough));
  } else {
    const power = 10 ** Math.floor(Math.log10(rough));
    step = power * [1, 2, 2.5, 5, 10].find((f) => f * power >= rough * 0.999);
  }
  const out = [];
  for (let i = 0; ; i++) {
    out.push(i * step);
    if (i * step >= max) return out;
  }
}

const timeSteps = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

function timeTicks(start, end, room) {
  const most = Math.max(2, Math.floor(room / 70));
  const step = timeSteps.find((s) => (end - start) / s <= most) || 86400;
  const zone = new Date(start * 1000).getTimezoneOffset() * 60;
  const out = [];
  for (let t = Math.ceil((start - zone) / step) * step + zone; t <= end; t += step) out.push(t);
  return out;
}

const clock = (t, seconds) =>
  new Date(t * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined, hourCycle: "h23" });

const colour = (series, i) => "k" + (series.colour || i % seriesMax);

// A Chart owns one figure. Its data: {start, end, step, unit, series: [{name,
// colour, points: [[seconds, value], ...]}], now, of}; seconds since the epoch.
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
    this.figure.querySelector("output").textContent = "";
    this.figure.querySelector(".legend").replaceChildren();
  }

  draw() {
    const d = this.data;
    if (!d) return;
    this.figure.querySelector(".empty").hidden = true;
    const width = this.svg.parentElement.clientWidth;
    const height = this.svg.parentElement.clientHeight;
    const shown = d.series.slice(0, seriesMax);
    let max = 0;
    for (const s of shown) for (const p of s.points) if (p[1] > max) max = p[1];
    const steps = ticks(max || d.least || 1, units[d.unit].base);
    const top = steps[steps.length - 1];
    const x = (t) => pad.left + ((t - d.start) / (d.end - d.start)) * (width - pad.left - pad.right);
    const y = (v) => height - pad.bottom - (v / top) * (height - pad.top - pad.bottom);
    this.x = x;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren();

    for (const v of steps) {
      const at = Math.round(y(v)) + 0.5;
      make(this.svg, "line", { class: v ? "grid" : "axis", x1: pad.left, x2: width - pad.right, y1: at, y2: at });
      make(this.svg, "text", { x: pad.left - 8, y: at + 4, "text-anchor": "end" }, units[d.unit].write(v));
    }
    for (const t of timeTicks(d.start, d.end, width - pad.left - pad.right)) {
      const at = Math.round(x(t)) + 0.5;
      if (at < pad.left + 14 || at > width - 24) continue;
      make(this.svg, "line", { class: "axis", x1: at, x2: at, y1: height - pad.bottom, y2: height - pad.bottom + 4 });
      make(this.svg, "text", { x: at, y: height - 4, "text-anchor": "middle" }, clock(t));
    }
    // The largest is drawn first, so that the others stand before it.
    shown.forEach((s, i) => {
      const line = path(s.points, x, y, d.step);
      if (shown.length === 1 && s.points.length > 1) {
        const first = x(s.points[0][0]), end = x(s.points[s.points.length - 1][0]);
        if (!line.includes("M", 1)) make(this.svg, "path", { class: "area " + colour(s, i), d: `${line}L${end.toFixed(1)} ${y(0)}L${first.toFixed(1)} ${y(0)}Z` });
      }
      make(this.svg, "path", { class: "series " + colour(s, i), d: line });
    });
    this.cross = make(this.svg, "line", { class: "cross", y1: pad.top, y2: height - pad.bottom, visibility: "hidden" });
    this.figure.querySelector("output").textContent = d.now === undefined || !Number.isFinite(d.now) ? "" : (d.of || "") + units[d.unit].write(d.now);
    this.legend(shown);
    this.hover(this.at, this.hovered);
  }

  legend(shown) {
    const out = shown.map((s, i) => item(s, i, units[this.data.unit].write, last(s)));
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
    const write = units[this.data.unit].write;
    const rows = this.data.series.slice(0, seriesMax).map((s, i) => ({ s, i, v: near(s.points, t, this.data.step) })).filter((r) => r.v !== null);
    rows.sort((a, b) => b.v - a.v);
    const head = document.createElement("div");
    head.textContent = clock(t, true);
    this.tip.replaceChildren(head, ...rows.map((r) => item(r.s, r.i, write, r.v, "div")));
    this.tip.hidden = false;
    const left = at > this.svg.parentElement.clientWidth / 2;
    this.tip.style.left = left ? "" : at + 12 + "px";
    this.tip.style.right = left ? this.svg.parentElement.clientWidth - at + 12 + "px" : "";
  }
}

function item(series, i, write, value, tag = "span") {
  const out = document.createElement(tag);
  const swatch = document.createElement("i");
  swatch.className = "swatch " + colour(series, i);
  const figure = document.createElement("b");
  figure.textContent = Number.isFinite(value) ? write(value) : "–";
  out.append(swatch, series.name, figure);
  out.title = series.name;
  return out;
}

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
