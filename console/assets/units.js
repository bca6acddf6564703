// Writes values for people, by Grafana's names of units.

function digits(v) {
  const a = Math.abs(v);
  if (a === 0) return "0";
  if (a >= 100) return v.toFixed(0);
  if (a >= 10) return trim(v.toFixed(1));
  if (a >= 1) return trim(v.toFixed(2));
  return trim(v.toPrecision(2));
}

const trim = (s) => (s.includes(".") && !s.includes("e") ? s.replace(/0+$/, "").replace(/\.$/, "") : s);

function scaled(value, base, names) {
  let i = 0;
  while (Math.abs(value) >= base && i < names.length - 1) {
    value /= base;
    i++;
  }
  return digits(value) + names[i];
}

const thousands = ["", " k", " M", " G", " T"];
const binary = [" B", " KiB", " MiB", " GiB", " TiB"];

function seconds(v) {
  const a = Math.abs(v);
  if (v === 0) return "0 s";
  if (a < 1e-3) return digits(v * 1e6) + " µs";
  if (a < 1) return digits(v * 1e3) + " ms";
  if (a < 120) return digits(v) + " s";
  if (a < 7200) return digits(v / 60) + " min";
  if (a < 172800) return digits(v / 3600) + " h";
  return digits(v / 86400) + " d";
}

function ago(ms) {
  const s = Date.now() / 1000 - ms / 1000;
  if (s < 5) return "just now";
  return seconds(Math.round(s)) + " ago";
}

const per = (v) => scaled(v, 1000, ["/s", " k/s", " M/s", " G/s"]);
const short = (v) => scaled(v, 1000, thousands);

// units: how a value is written, and by what its axis is divided: tens, or
// powers of two.
export const units = {
  short: { write: short, base: 10 },
  // As Kubernetes writes them: 250m is a quarter of a core.
  cores: { write: (v) => (Math.abs(v) < 1 && v !== 0 ? digits(v * 1000) + "m" : digits(v)), base: 10 },
  bytes: { write: (v) => scaled(v, 1024, binary), base: 2 },
  Bps: { write: (v) => scaled(v, 1024, binary) + "/s", base: 2 },
  rate: { write: per, base: 10 },
  reqps: { write: per, base: 10 },
  cps: { write: per, base: 10 },
  pps: { write: per, base: 10 },
  ratio: { write: (v) => digits(v * 100) + " %", base: 10 },
  percentunit: { write: (v) => digits(v * 100) + " %", base: 10 },
  percent: { write: (v) => digits(v) + " %", base: 10 },
  seconds: { write: seconds, base: 10 },
  s: { write: seconds, base: 10 },
  ms: { write: (v) => seconds(v / 1000), base: 10 },
  d: { write: (v) => seconds(v * 86400), base: 10 },
  dateTimeFromNow: { write: ago, base: 10 },
  bool_yes_no: { write: (v) => (v ? "yes" : "no"), base: 10 },
};

export const unitOf = (name) => units[name] || units.short;
