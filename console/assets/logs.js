// The newest log lines, and the chart of how many there are.

import { getJSON } from "./http.js";

const linesMax = 200;
const messageMax = 4096;

function query(state, range) {
  const filter = [];
  if (state.text) filter.push({ query_string: { query: state.text, default_operator: "AND" } });
  if (state.levels.length) filter.push({ terms: { level: state.levels } });
  if (range) filter.push({ range: { "@timestamp": { gte: range[0] * 1000, lt: range[1] * 1000, format: "epoch_millis" } } });
  return filter.length ? { bool: { filter } } : { match_all: {} };
}

// Lines keeps the list in line with the newest matching records. Lines that stay
// keep their place in the page, and whether they are open.
export class Lines {
  constructor(list, none) {
    this.list = list;
    this.none = none;
    this.known = new Map();
    this.fresh = true; // the page's own lines are replaced by the first answer
  }

  async refresh(state) {
    const reply = await getJSON("es/_search", {
      size: linesMax,
      track_total_hits: false,
      sort: [{ "@timestamp": { order: "desc", format: "strict_date_optional_time_nanos" } }],
      query: query(state),
      fields: ["@timestamp", "level", "namespace", "pod", "message"].map((field) => ({ field, ...(field === "@timestamp" && { format: "strict_date_optional_time_nanos" }) })),
    });
    const hits = reply.hits.hits;
    const keep = new Map();
    const nodes = hits.map((hit) => {
      const key = hit._index + "\n" + hit._id;
      const node = (!this.fresh && this.known.get(key)) || lineOf(hit);
      keep.set(key, node);
      return node;
    });
    this.fresh = false;
    this.known = keep;
    for (const node of [...this.list.children]) if (!nodes.includes(node)) node.remove();
    // Top down, so that only new lines are moved.
    let at = this.list.firstElementChild;
    for (const node of nodes) {
      if (node === at) at = at.nextElementSibling;
      else this.list.insertBefore(node, at);
    }
    this.none.hidden = nodes.length > 0;
    if (!nodes.length && (state.text || state.levels.length)) this.none.textContent = "No line matches.";
  }
}

// lineOf makes a line of a hit; about, if given, adds to what opens below it.
export function lineOf(hit, about) {
  const source = hit._source || {};
  const field = (name) => String(((hit.fields || {})[name] || [])[0] ?? source[name] ?? "");
  const stamp = field("@timestamp") || String((hit.sort || [])[0] || "");
  const li = document.createElement("li");
  const level = field("level");
  if (/^(trace|debug|info|warn|error|fatal)$/.test(level)) li.className = level;
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const time = document.createElement("time");
  time.dateTime = time.title = stamp;
  time.textContent = clockOf(stamp);
  const message = field("message") || JSON.stringify(source);
  summary.append(time, span("level", level), span("from", [field("namespace"), field("pod")].filter(Boolean).join("/")),
    span("message", message.length > messageMax ? message.slice(0, messageMax) + "…" : message));
  details.append(summary);
  // Written out when first opened: most never are.
  details.addEventListener("toggle", () => {
    if (details.querySelector("pre")) return;
    const pre = document.createElement("pre");
    pre.textContent = JSON.stringify(source, null, 2);
    details.append(pre);
    if (about) about(details, field);
  });
  li.append(details);
  return li;
}

function span(name, text) {
  const out = document.createElement("span");
  out.className = name;
  out.textContent = text;
  if (name === "from") out.title = text;
  return out;
}

function clockOf(stamp) {
  const t = new Date(stamp);
  if (isNaN(t)) return stamp;
  const two = (n) => String(n).padStart(2, "0");
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}.${String(t.getMilliseconds()).padStart(3, "0")}`;
}

const colours = { fatal: "error", error: "error", warn: "warn", info: "info", debug: "debug", trace: "debug" };

// rates gives a Chart's data: records a second, by level.
export async function rates(state, range) {
  const step = Math.max(5, Math.round(range / 60));
  const end = Math.floor(Date.now() / 1000 / step) * step;
  const reply = await getJSON("es/_search", {
    size: 0,
    track_total_hits: false,
    query: query(state, [end - range, end]),
    aggs: { level: { terms: { field: "level", size: 8, missing: "none" }, aggs: { time: { date_histogram: { field: "@timestamp", fixed_interval: step + "s", min_doc_count: 1 } } } } },
  });
  const byColour = new Map();
  for (const bucket of reply.aggregations.level.buckets) {
    const colour = colours[bucket.key] || "7";
    const name = colour === "7" ? "no level" : colour;
    const s = byColour.get(name) || { name, colour, counts: new Map() };
    for (const b of bucket.time.buckets) s.counts.set(b.key / 1000, (s.counts.get(b.key / 1000) || 0) + b.doc_count);
    byColour.set(name, s);
  }
  if (!byColour.size) return null;
  const series = [...byColour.values()].map(({ name, colour, counts }) => {
    const points = [];
    const first = Math.ceil((end - range) / step) * step;
    for (let t = first; t < end; t += step) points.push([t, (counts.get(t) || 0) / step]);
    return { name, colour, points };
  });
  // The newest lines may still be on their way: the figure is of the last four steps.
  const now = series.reduce((sum, s) => sum + s.points.slice(-4).reduce((a, p) => a + p[1], 0) / 4, 0);
  return { start: end - range, end, step, unit: "rate", least: 1, series, now };
}
