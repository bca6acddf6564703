// Chooses queries by the metrics that the tenant has, and reads them.

import { getJSON } from "./http.js";

const requestTotals = [
  "http_requests_total", "http_server_requests_total", "http_server_request_duration_seconds_count",
  "http_server_requests_seconds_count", "http_request_duration_seconds_count", "grpc_server_handled_total", "promhttp_metric_handler_requests_total",
];
const latencyBuckets = [
  "http_request_duration_seconds_bucket", "http_server_request_duration_seconds_bucket",
  "http_server_requests_seconds_bucket", "grpc_server_handling_seconds_bucket",
];
const statusLabels = ["code", "status", "status_code", "http_response_status_code", "grpc_code"];

const pick = (names, known, pattern) => known.find((n) => names.has(n)) || [...names].sort().find((n) => pattern && pattern.test(n));

// plan gives for every chart what to ask, or what the owner can do to have it.
export async function plan() {
  const names = new Set(await getJSON("api/v1/label/__name__/values").then((r) => r.data));
  if (names.size === 0) {
    const text = "No samples yet. Annotate your pods with prometheus.io/scrape: \"true\" and prometheus.io/port.";
    return Object.fromEntries(["requests", "errors", "latency", "cpu", "memory"].map((k) => [k, { empty: text }]));
  }
  const out = {};
  const by = "by (cluster, namespace, job)";
  const total = pick(names, requestTotals, /_requests_total$/);
  if (total) {
    out.requests = { unit: "rate", least: 1, queries: [(w) => `sum ${by} (rate(${total}[${w}]))`], add: true };
    const labels = new Set(await getJSON("api/v1/labels?" + new URLSearchParams({ "match[]": total })).then((r) => r.data));
    const status = statusLabels.find((l) => labels.has(l));
    const bad = status === "grpc_code" ? `!~"OK|NotFound|InvalidArgument|Canceled"` : `=~"5.."`;
    out.errors = status
      ? {
          unit: "ratio", least: 0.01,
          // Without errors there is no series of errors: the second line is their zero.
          queries: [(w) => `(sum ${by} (rate(${total}{${status}${bad}}[${w}])) or 0 * sum ${by} (rate(${total}[${w}]))) / (sum ${by} (rate(${total}[${w}])) > 0)`],
        }
      : { empty: `${total} has no label for the status: add one named code.` };
  } else {
    out.requests = { empty: "No request counter yet. Export http_requests_total." };
    out.errors = { empty: "Needs http_requests_total with a label code." };
  }
  const buckets = pick(names, latencyBuckets, /(duration|latency)_seconds_bucket$/);
  const quantile = (q) => (w) => `histogram_quantile(${q}, sum by (le) (rate(${buckets}[${w}])))`;
  out.latency = buckets
    ? { unit: "seconds", least: 0.01, queries: [quantile(0.5), quantile(0.95)], names: ["p50", "p95"], of: "p95 " }
    : { empty: "No histogram of durations yet. Export http_request_duration_seconds." };
  out.cpu = names.has("container_cpu_usage_seconds_total")
    ? { unit: "cores", least: 0.01, queries: [(w) => `sum by (cluster, namespace, pod) (rate(container_cpu_usage_seconds_total{container!=""}[${w}]))`], add: true }
    : names.has("process_cpu_seconds_total")
      ? { unit: "cores", least: 0.01, queries: [(w) => `sum by (cluster, namespace, pod, instance) (rate(process_cpu_seconds_total[${w}]))`], add: true }
      : { empty: "No CPU time yet. Most client libraries export process_cpu_seconds_total." };
  const memory = pick(names, ["container_memory_working_set_bytes", "process_resident_memory_bytes", "go_memstats_sys_bytes"]);
  out.memory = memory
    ? {
        unit: "bytes", least: 1 << 20, add: true,
        queries: [() => (memory.startsWith("container_")
          ? `sum by (cluster, namespace, pod) (${memory}{container!=""})`
          : `sum by (cluster, namespace, pod, instance) (${memory})`)],
      }
    : { empty: "No memory figures yet. Most client libraries export process_resident_memory_bytes." };
  return out;
}

// scrapeInterval gives the seconds between two samples of a target; a minute's
// worth of a few targets tells.
export async function scrapeInterval(root = "") {
  const reply = await getJSON(root + "api/v1/query?" + new URLSearchParams({ query: "up[1m]", limit: 5 }));
  let least = 15;
  for (const { values } of reply.data.result) {
    for (let i = 1; i < values.length; i++) least = Math.min(least, values[i][0] - values[i - 1][0]);
  }
  return Math.max(1, Math.ceil(least));
}

// read runs a chart's queries over a range and gives a Chart's data; null where
// there is nothing.
export async function read(chart, range, interval) {
  const step = Math.max(2, Math.round(range / 180));
  // Ends on a step, so that a point stays where it is while time goes on.
  const end = Math.floor(Date.now() / 1000 / step) * step;
  // Four scrapes, so that one that is late leaves no hole.
  const window = Math.max(4 * interval, 4 * step) + "s";
  const replies = await Promise.all(
    chart.queries.map((q) => getJSON("api/v1/query_range?" + new URLSearchParams({ query: q(window), start: end - range, end, step }))),
  );
  const series = [];
  replies.forEach((reply, i) => {
    const result = reply.data.result;
    const common = commonLabels(result.map((r) => r.metric));
    for (const r of result) {
      const points = r.values.map(([t, v]) => [t, Number(v)]).filter((p) => Number.isFinite(p[1]));
      if (points.length) series.push({ name: chart.names ? chart.names[i] : nameOf(r.metric, common), points });
    }
  });
  if (!series.length) return null;
  return { start: end - range, end, step, unit: chart.unit, least: chart.least, series, now: now(series, chart, end, step), of: chart.of };
}

// now is the figure beside the title: the sum of what adds up, else the largest.
function now(series, chart, end, step) {
  const current = series.map((s) => s.points[s.points.length - 1]).filter((p) => end - p[0] <= 3 * step).map((p) => p[1]);
  if (!current.length) return undefined;
  return chart.add ? current.reduce((a, b) => a + b, 0) : Math.max(...current);
}

function commonLabels(metrics) {
  const out = new Set();
  for (const label of ["cluster", "namespace", "job"]) {
    if (new Set(metrics.map((m) => m[label])).size === 1) out.add(label);
  }
  return out;
}

function nameOf(metric, common) {
  const parts = ["cluster", "namespace", "job"].filter((l) => metric[l] && !common.has(l)).map((l) => metric[l]);
  if (metric.pod || metric.instance) parts.push(metric.pod || metric.instance);
  return parts.join(" / ") || metric.job || metric.namespace || "all";
}
