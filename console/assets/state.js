// What a dashboard is looked at with: its variables and its time range. Both
// stand in the address, in Grafana's words (from, to, var-NAME; time and
// time.window for a moment), so that a link tells another what one sees.

const every = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

export const presets = [
  ["now-5m", "5 minutes"], ["now-15m", "15 minutes"], ["now-1h", "hour"], ["now-3h", "3 hours"], ["now-6h", "6 hours"],
  ["now-24h", "24 hours"], ["now-2d", "2 days"], ["now-7d", "7 days"], ["now-30d", "30 days"],
];

// secondsOf reads now, now-6h, a number of milliseconds or an ISO time; null for
// anything else.
export function secondsOf(text, now) {
  if (text === "now") return now;
  const back = /^now-(\d+)([smhdw])$/.exec(text);
  if (back) return now - Number(back[1]) * every[back[2]];
  const t = /^\d{11,}$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isFinite(t) ? t / 1000 : null;
}

const escapeRegex = (v) => v.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

export class State {
  constructor(model) {
    this.vars = new Map();
    for (const v of model.templating.list) {
      this.vars.set(v.name, { model: v, values: v.type === "textbox" ? [v.query] : [], options: [] });
    }
    this.from = model.time.from;
    this.to = model.time.to;
    this.read(new URLSearchParams(location.search));
  }

  read(q) {
    for (const [name, v] of this.vars) {
      const given = q.getAll("var-" + name).filter((x) => x !== "$__all" && x !== "All" && x !== "");
      if (given.length) v.values = given;
    }
    const now = Date.now() / 1000;
    if (q.has("time")) {
      const at = Number(q.get("time")), half = Number(q.get("time.window") || 60000) / 2;
      if (Number.isFinite(at) && Number.isFinite(half)) {
        this.from = String(Math.round(at - half));
        this.to = String(Math.round(at + half));
      }
    } else if (secondsOf(q.get("from") || "", now) !== null && secondsOf(q.get("to") || "now", now) !== null) {
      this.from = q.get("from");
      this.to = q.get("to") || "now";
    }
  }

  // search gives the address' query; with as few words as say it.
  search() {
    const q = new URLSearchParams();
    for (const [name, v] of this.vars) {
      if (v.model.type === "textbox" ? v.values[0] !== v.model.query : true) for (const x of v.values) q.append("var-" + name, x);
    }
    if (this.from !== "now-1h" || this.to !== "now") {
      q.set("from", this.from);
      q.set("to", this.to);
    }
    return q.size ? "?" + q : "";
  }

  get live() {
    return this.to === "now";
  }

  // range in seconds, ending on a step so that points stay where they are.
  range(step = 1) {
    const now = Date.now() / 1000;
    const end = Math.floor(secondsOf(this.to, now) / step) * step;
    return { start: Math.min(secondsOf(this.from, now), end - step), end };
  }

  describe() {
    const p = this.live && presets.find(([from]) => from === this.from);
    if (p) return "Last " + p[1];
    const say = (t) => (t.startsWith("now") ? t : new Date(secondsOf(t, 0) * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" }));
    return `${say(this.from)} to ${say(this.to)}`;
  }

  // pattern is the regular expression of what is picked.
  pattern(name) {
    const v = this.vars.get(name);
    if (!v.values.length) return v.model.allValue || ".*";
    const parts = v.values.map(escapeRegex);
    return parts.length === 1 ? parts[0] : `(${parts.join("|")})`;
  }

  // prom puts the variables into PromQL, inside of a string in double quotes.
  prom(expr, { window, range } = {}) {
    return expr.replace(/\$(__rate_interval|__range|\w+)/g, (all, name) => {
      if (name === "__rate_interval") return window + "s";
      if (name === "__range") return range + "s";
      if (!this.vars.has(name)) return all;
      return this.pattern(name).replace(/[\\"]/g, "\\$&");
    });
  }

  // lucene puts them into a query string.
  lucene(query) {
    return query.replace(/\$\{(\w+):(regex|raw)\}/g, (all, name, format) => {
      const v = this.vars.get(name);
      if (!v) return all;
      if (format === "raw") return v.values[0]?.trim() || "*";
      return this.pattern(name).replace(/\//g, "\\/");
    });
  }

  // link puts them, and a value's labels and time, into a dashboard's link, and
  // leads it to this page's own dashboards.
  link(url, { labels = {}, time, raw } = {}) {
    const { start, end } = this.range();
    const text = url
      .replace(/\$\{__field\.labels\.(\w+)\}/g, (_, l) => encodeURIComponent(labels[l] ?? ""))
      .replace(/\$\{__value\.time\}/g, () => Math.round((time ?? end) * 1000))
      .replace(/\$\{__value\.raw\}/g, () => encodeURIComponent(raw ?? ""))
      .replace(/\$\{__url_time_range\}/g, () => (this.live ? new URLSearchParams({ from: this.from, to: this.to }) : `from=${Math.round(start * 1000)}&to=${Math.round(end * 1000)}`))
      .replace(/\$\{(\w+):queryparam\}/g, (_, name) => (this.vars.get(name)?.values || []).map((x) => `var-${name}=${encodeURIComponent(x)}`).join("&"));
    const own = /^\/d\/[\w-]+-(\w+)\?(.*)$/.exec(text);
    return own ? `${own[1]}?${own[2]}` : null;
  }
}
