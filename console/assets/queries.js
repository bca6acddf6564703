// Asks what a panel asks, of the tenant's own Prometheus and Elasticsearch APIs.

import { getJSON } from "./http.js";

const pointsMax = 240;

// stepOf gives the seconds between two points of a chart over a range.
export function stepOf(state, interval) {
  const { start, end } = state.range();
  return Math.max(interval, Math.ceil((end - start) / pointsMax));
}

// windowOf is Grafana's $__rate_interval: four scrapes, so that one that is late
// leaves no hole, and never less than a step.
const windowOf = (step, interval) => Math.max(4 * interval, step + interval);

const legendOf = (format, metric) =>
  (format || "").replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, l) => metric[l] ?? "").replace(/\s+/g, " ").trim() ||
  Object.entries(metric).filter(([k]) => k !== "__name__").map(([k, v]) => `${k}=${v}`).join(" ") || metric.__name__ || "value";

// prom gives [{name, labels, points: [[seconds, value], ...]}, ...] of a target.
export async function prom(state, target, interval) {
  const step = stepOf(state, interval);
  const { start, end } = state.range(step);
  const query = state.prom(target.expr, { window: windowOf(step, interval), range: Math.max(1, Math.round(end - start)) });
  const instant = target.instant;
  const reply = await getJSON(instant
    ? "../api/v1/query?" + new URLSearchParams({ query, time: state.live ? Date.now() / 1000 : end })
    : "../api/v1/query_range?" + new URLSearchParams({ query, start, end, step }));
  return reply.data.result.map((r) => ({
    name: legendOf(target.legendFormat, r.metric),
    labels: r.metric,
    points: (instant ? [r.value] : r.values).map(([t, v]) => [t, Number(v)]).filter((p) => Number.isFinite(p[1])),
  })).filter((s) => s.points.length);
}

// labelValues gives the options of a picker: label_values(series, label).
export async function labelValues(state, query) {
  const m = /^label_values\((.+),\s*([\w]+)\)$/.exec(query);
  if (!m) return [];
  const { start, end } = state.range();
  const q = new URLSearchParams({ "match[]": state.prom(m[1]), start, end });
  return (await getJSON(`../api/v1/label/${m[2]}/values?${q}`)).data;
}

function body(state, target, range, size) {
  return {
    size,
    query: { bool: { filter: [
      { range: { "@timestamp": { gte: Math.round(range.start * 1000), lte: Math.round(range.end * 1000), format: "epoch_millis" } } },
      { query_string: { query: state.lucene(target.query), analyze_wildcard: true } },
    ] } },
  };
}

// counts gives series over time, as prom does, of a target that ends in a
// histogram of dates.
export async function counts(state, target) {
  const wide = state.range();
  const step = Math.max(1, Math.ceil((wide.end - wide.start) / 60));
  const range = state.range(step);
  const ask = body(state, target, range, 0);
  const metric = target.metrics[0];
  let aggs = metric.type === "max" ? { m: { max: { field: metric.field } } } : undefined;
  for (const b of [...target.bucketAggs].reverse()) {
    const inner = aggs && { aggs };
    aggs = b.type === "date_histogram"
      ? { time: { date_histogram: { field: b.field, fixed_interval: step + "s", min_doc_count: 1 }, ...inner } }
      : { of: { terms: { field: b.field, size: Number(b.settings.size), missing: b.settings.missing }, ...inner } };
  }
  ask.aggs = aggs;
  ask.track_total_hits = false;
  const reply = await getJSON("../es/_search", ask);
  const first = Math.floor(range.start / step) * step;
  const series = (name, labels, buckets) => {
    if (metric.type === "max") {
      return { name, labels, points: buckets.filter((b) => Number.isFinite(b.m.value)).map((b) => [b.key / 1000, b.m.value]) };
    }
    const at = new Map(buckets.map((b) => [b.key / 1000, b.doc_count]));
    const points = [];
    for (let t = first; t < range.end; t += step) points.push([t, at.get(t) || 0]);
    return { name, labels, points };
  };
  const a = reply.aggregations || {};
  const out = a.of ? a.of.buckets.map((b) => series(String(b.key), { [target.bucketAggs[0].field]: String(b.key) }, b.time.buckets))
    : [series("records", {}, a.time.buckets)];
  return { step, start: first, end: range.end, series: out.filter((s) => s.points.length) };
}

// tops gives rows of a target that counts by the values of fields.
export async function tops(state, target) {
  const ask = body(state, target, state.range(), 0);
  let aggs;
  for (const b of [...target.bucketAggs].reverse()) {
    aggs = { of: { terms: { field: b.field, size: Number(b.settings.size), missing: b.settings.missing }, ...(aggs && { aggs }) } };
  }
  ask.aggs = aggs;
  const rows = [];
  (function walk(of, depth, row) {
    for (const b of of.buckets) {
      const next = { ...row, [target.bucketAggs[depth].field]: b.key };
      if (b.of) walk(b.of, depth + 1, next);
      else rows.push({ ...next, Count: b.doc_count });
    }
  })((await getJSON("../es/_search", ask)).aggregations.of, 0, {});
  return rows;
}

// newest gives the newest hits of a target of log lines.
export async function newest(state, target) {
  const ask = body(state, target, state.range(), Number(target.metrics[0].settings.limit));
  ask.track_total_hits = false;
  ask.sort = [{ "@timestamp": { order: "desc", format: "strict_date_optional_time_nanos" } }];
  ask.fields = ["level", "cluster", "namespace", "pod", "message"].map((field) => ({ field }));
  ask.fields.push({ field: "@timestamp", format: "strict_date_optional_time_nanos" });
  return (await getJSON("../es/_search", ask)).hits.hits;
}

// notes gives the moments that annotations mark. Deploys and teardowns, which
// Grafana keeps as annotations, are told by Oriel itself.
export async function notes(state, list, interval) {
  const step = Math.max(60, stepOf(state, interval));
  const { start, end } = state.range(step);
  const found = await Promise.all(list.filter((n) => n.enable).map(async (n) => {
    if (n.target?.type === "tags") {
      const happened = await getJSON("../moments?" + new URLSearchParams({ from: Math.round(start * 1000), to: Math.round(end * 1000) }));
      return happened.map((m) => ({ time: m.time / 1000, text: m.text }));
    }
    if (!n.expr || n.name === "Deployments changed") return [];
    const reply = await getJSON("../api/v1/query_range?" + new URLSearchParams({ query: state.prom(n.expr), start, end, step }));
    const write = (format, metric) => legendOf(format, metric);
    return reply.data.result.flatMap((r) => r.values.map(([t]) => ({ time: t, text: `${write(n.titleFormat, r.metric)} (${write(n.textFormat, r.metric)})` })));
  }));
  return found.flat();
}
