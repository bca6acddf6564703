// Draws panels by the JSON that Grafana draws them by.

import { Chart } from "./chart.js";
import { lineOf } from "./logs.js";
import { counts, newest, prom, stepOf, tops } from "./queries.js";
import { unitOf } from "./units.js";

const el = (tag, cls, text) => {
  const out = document.createElement(tag);
  if (cls) out.className = cls;
  if (text !== undefined) out.textContent = text;
  return out;
};

// What Grafana's names of colours are here.
const colourOf = (name) => (name || "").replace("light-", "").replace(/^(text|semi.*)$/, "");
const levelColours = { fatal: "purple", error: "error", warn: "warn", info: "info", debug: "debug", trace: "debug" };

// stepColour gives the colour of the highest threshold that a value reaches.
function stepColour(defaults, value) {
  if (defaults.color?.mode === "fixed") return colourOf(defaults.color.fixedColor);
  let out = "";
  for (const s of defaults.thresholds?.steps || []) if (s.value === null || value >= s.value) out = colourOf(s.color);
  return out;
}

// Panel draws one panel into its frame in the page.
export class Panel {
  constructor(node, model, page) {
    this.node = node;
    this.model = model;
    this.page = page;
    this.body = node.querySelector(".body");
    if (model.type === "timeseries") this.chart = new Chart(node, (chart, t) => page.hover(chart, t));
  }

  async refresh() {
    const draw = { timeseries: this.series, stat: this.stat, bargauge: this.gauge, table: this.table, logs: this.lines, text: this.text }[this.model.type];
    try {
      if (draw) await draw.call(this);
      else this.say(`Panels of kind ${this.model.type} are not drawn here.`);
      this.node.classList.remove("failed");
    } catch (e) {
      this.node.classList.add("failed");
      if (!this.chart?.data) this.say(e.message);
      throw e;
    }
  }

  say(text) {
    if (this.chart) this.chart.empty(text);
    else this.body.replaceChildren(el("p", "empty", text));
  }

  // all gives the series of every target.
  async all() {
    const { state, interval } = this.page;
    const parts = await Promise.all(this.model.targets.map((t) => (t.expr ? prom(state, t, interval) : counts(state, t).then((c) => c.series))));
    return parts.flat();
  }

  async series() {
    const { state, interval } = this.page;
    const defaults = this.model.fieldConfig.defaults;
    let step = stepOf(state, interval), range = state.range(step), series;
    if (this.model.targets[0].expr) {
      series = await this.all();
    } else {
      const c = await counts(state, this.model.targets[0]);
      ({ series, step } = c);
      range = { start: c.start, end: c.end };
    }
    if (!series.length) return this.chart.empty("No data in this range.");
    for (const s of series) this.dress(s);
    shorten(series);
    const first = (defaults.links || [])[0];
    const to = (s, time) => state.link(first.url, { labels: s.labels, time });
    if (first) for (const s of series) s.href = this.whole(s, first.url);
    const bars = defaults.custom?.drawStyle === "bars";
    if (bars) for (const s of series) if (s.labels.level) s.colour = levelColours[s.name] || s.colour;
    this.chart.set({
      ...range, step, series, bars, unit: defaults.unit, least: defaults.unit === "percentunit" ? 0.01 : 0, floating: defaults.min === undefined,
      lines: defaults.custom?.thresholdsStyle ? (defaults.thresholds?.steps || []).filter((s) => s.value !== null).map((s) => ({ value: s.value, colour: colourOf(s.color) })) : [],
      notes: bars ? [] : this.page.notes.filter((n) => n.time >= range.start && n.time <= range.end),
      open: first && ((s, t) => { location.href = to(s, t); }), opens: first?.title.toLowerCase(),
    });
  }

  // whole is a link that shows the same range in place of a minute.
  whole(s, url) {
    return this.page.state.link(url.replace(/&time=.*$/, "&${__url_time_range}"), { labels: s.labels });
  }

  dress(s) {
    for (const o of this.model.fieldConfig.overrides || []) {
      const fits = o.matcher.id === "byName" ? s.name === o.matcher.options
        : o.matcher.id === "byRegexp" && new RegExp(o.matcher.options.replace(/^\/|\/$/g, "")).test(s.name);
      if (!fits) continue;
      for (const p of o.properties) {
        if (p.id === "color") s.colour = colourOf(p.value.fixedColor);
        if (p.id === "custom.lineStyle") s.dashed = p.value.fill === "dash";
      }
    }
  }

  async stat() {
    const { defaults } = this.model.fieldConfig;
    const { options } = this.model;
    const series = await this.all();
    const list = el("dl", "stats");
    for (const s of series.slice(0, 12)) {
      const values = s.points.map((p) => p[1]);
      const calc = options.reduceOptions.calcs[0];
      const value = calc === "sum" ? values.reduce((a, b) => a + b, 0) : calc === "max" ? Math.max(...values) : values[values.length - 1];
      const word = (defaults.mappings || []).map((m) => m.options[String(value)]).find(Boolean);
      const dd = el("dd", "figure", word ? word.text : unitOf(defaults.unit).write(value));
      dd.classList.add("c-" + (word?.color || stepColour(defaults, value) || "text"));
      const link = (defaults.links || [])[0];
      if (link) {
        const a = el("a", dd.className, dd.textContent);
        a.href = this.page.state.link(link.url, { labels: s.labels });
        a.title = link.title;
        dd.className = "figure";
        dd.replaceChildren(a);
      }
      const dt = el("dt", "", options.textMode === "value" ? "" : s.name);
      list.append(dt, dd);
      if (options.graphMode === "area" && values.length > 1) dd.append(spark(values));
    }
    if (!series.length) return this.say(defaults.noValue || "no data");
    list.classList.toggle("alone", options.textMode === "value");
    this.body.replaceChildren(list);
  }

  async gauge() {
    const { defaults } = this.model.fieldConfig;
    const series = await this.all();
    if (!series.length) return this.say(defaults.noValue || "no data");
    const max = defaults.max ?? Math.max(...series.map((s) => s.points[0][1]));
    const list = el("ul", "gauges");
    for (const s of series.slice(0, 50)) {
      const value = s.points[s.points.length - 1][1];
      const li = el("li");
      const bar = el("meter");
      bar.max = max || 1;
      bar.value = value;
      bar.className = "c-" + (stepColour(defaults, value) || "text");
      li.append(el("span", "name", s.name), bar, el("b", "", unitOf(defaults.unit).write(value)));
      list.append(li);
    }
    this.body.replaceChildren(list);
  }

  async table() {
    const { state, interval } = this.page;
    let rows;
    if (this.model.targets[0].expr) {
      const many = this.model.targets.length > 1;
      const by = new Map();
      const found = await Promise.all(this.model.targets.map((t) => prom(state, t, interval)));
      found.forEach((series, i) => {
        for (const s of series) {
          // As Grafana's merge: rows with the same labels are one. A query with
          // fewer labels goes with every row that has these.
          const same = [...by.values()].filter((r) => Object.entries(s.labels).every(([k, v]) => r[k] === undefined || r[k] === v) && Object.keys(s.labels).every((k) => k in r));
          const value = { [many ? "Value #" + this.model.targets[i].refId : "Value"]: s.points[0][1] };
          if (same.length) for (const r of same) Object.assign(r, value);
          else by.set(JSON.stringify(s.labels), { ...s.labels, ...value });
        }
      });
      rows = [...by.values()];
    } else {
      rows = await tops(state, this.model.targets[0]);
    }
    if (!rows.length) return this.say("Nothing in this range.");
    const organize = this.model.transformations.find((t) => t.id === "organize").options;
    const columns = Object.entries(organize.indexByName).sort((a, b) => a[1] - b[1]).map(([field]) => ({ field, title: organize.renameByName[field] || field }));
    for (const c of columns) {
      const o = (this.model.fieldConfig.overrides || []).find((x) => x.matcher.options === c.title);
      for (const p of o?.properties || []) c[p.id] = p.value;
      c.number = rows.every((r) => r[c.field] === undefined || typeof r[c.field] === "number");
    }
    const table = el("table");
    const head = el("tr");
    for (const c of columns) head.append(el("th", c.number ? "number" : "", c.title));
    table.append(el("thead"), el("tbody"));
    table.tHead.append(head);
    for (const r of rows.slice(0, 200)) {
      const tr = el("tr");
      for (const c of columns) {
        const v = r[c.field];
        const text = v === undefined ? "–" : typeof v === "number" ? unitOf(c.unit).write(v) : String(v);
        const td = el("td", c.number ? "number" : "", c.links ? undefined : text);
        if (c.links) {
          const a = el("a", "", text);
          a.href = state.link(c.links[0].url, { raw: v, labels: r });
          td.append(a);
        }
        if (text.length > 60) td.title = text;
        tr.append(td);
      }
      table.tBodies[0].append(tr);
    }
    this.body.replaceChildren(table);
  }

  async lines() {
    const hits = await newest(this.page.state, this.model.targets[0]);
    if (!hits.length) return this.say("No line in this range.");
    if (this.body.querySelector("details[open]")) return; // somebody reads
    const list = el("ol", "lines");
    for (const hit of hits) {
      list.append(lineOf(hit, (details, field) => {
        const pod = field("pod");
        if (!pod) return;
        const a = el("a", "more", "Metrics of this pod");
        a.href = "workloads?" + new URLSearchParams({ "var-namespace": field("namespace"), "var-pod": pod });
        details.append(a);
      }));
    }
    this.body.replaceChildren(list);
  }

  // text: paragraphs with words in `code`.
  async text() {
    this.body.replaceChildren(...this.model.options.content.split(/\n\n+/).map((part) => {
      const p = el("p");
      part.split("`").forEach((piece, i) => p.append(i % 2 ? el("code", "", piece) : piece));
      return p;
    }));
  }
}

// shorten leaves out of names the cluster and the namespace that all series have.
function shorten(series) {
  for (const label of ["cluster", "namespace"]) {
    const value = series[0].labels[label];
    if (!value || !series.every((s) => s.labels[label] === value && s.name.startsWith(value + " "))) return;
    for (const s of series) s.name = s.name.slice(value.length + 1);
  }
}

// spark is the small chart beside a figure.
function spark(values) {
  const svgNS = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(svgNS, "svg");
  svg.setAttribute("viewBox", "0 0 100 24");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "spark");
  svg.setAttribute("aria-hidden", "true");
  const max = Math.max(...values), min = Math.min(0, ...values);
  const line = values.map((v, i) => `${((i / (values.length - 1)) * 100).toFixed(1)} ${(23 - (max > min ? (v - min) / (max - min) : 0) * 21).toFixed(1)}`).join("L");
  for (const [cls, d] of [["area", `M0 24L${line}L100 24Z`], ["series", "M" + line]]) {
    const path = document.createElementNS(svgNS, "path");
    path.setAttribute("class", cls);
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}
