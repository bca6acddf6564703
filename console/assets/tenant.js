// The tenant's page: charts and log lines that follow the time.

import { Chart } from "./chart.js";
import { every, Refused } from "./http.js";
import { Lines, rates } from "./logs.js";
import { plan, read, scrapeInterval } from "./metrics.js";

const ranges = [300, 900, 3600, 21600, 86400];
const chartsEvery = 3, linesEvery = 3, planEvery = 30;

const $ = (selector) => document.querySelector(selector);
const address = new URLSearchParams(location.search);
const state = {
  range: ranges.includes(Number(address.get("range"))) ? Number(address.get("range")) : ranges[0],
  text: address.get("q") || "",
  levels: [],
  live: true,
};

const charts = {};
for (const figure of document.querySelectorAll("[data-chart]")) {
  charts[figure.dataset.chart] = new Chart(figure, (from, t) => {
    for (const c of Object.values(charts)) c.hover(t, c === from);
  });
}

// Troubles are shown while they last, one a source.
const troubles = new Map();
const trouble = (source) => (error) => {
  if (error) troubles.set(source, error.message);
  else troubles.delete(source);
  const text = [...new Set(troubles.values())].join(" · ");
  $("#trouble").textContent = text;
  $("#trouble").hidden = text === "";
};

let plans = null, interval = 15, planned = 0;

async function drawCharts() {
  if (!plans || Date.now() - planned > planEvery * 1000) {
    [plans, interval] = await Promise.all([plan(), scrapeInterval()]);
    planned = Date.now();
  }
  const range = state.range;
  const failed = [];
  await Promise.all([
    ...Object.entries(plans).map(async ([key, p]) => {
      if (p.empty) return charts[key].empty(p.empty);
      try {
        const data = await read(p, range, interval);
        if (range !== state.range) return;
        if (data) charts[key].set(data);
        else charts[key].empty("Nothing in this range yet. Rates need two samples.");
      } catch (e) {
        failed.push(e);
      }
    }),
    rates({ text: "", levels: [] }, range).then((data) => {
      if (range !== state.range) return;
      if (data) charts.logs.set(data);
      else charts.logs.empty("No log line in this range.");
    }, (e) => failed.push(e)),
  ]);
  if (failed.length) throw failed[0];
}

const lines = new Lines($("#lines"), $("#nolines"));

async function showLines() {
  const complaint = $("#complaint");
  try {
    await lines.refresh(state);
    complaint.hidden = true;
  } catch (e) {
    if (!(e instanceof Refused) || e.status !== 400) throw e;
    complaint.textContent = "This search cannot be read: " + e.message;
    complaint.hidden = false;
  }
}

const redraw = every(chartsEvery, drawCharts, () => state.live, trouble("charts"));
const relist = every(linesEvery, showLines, () => state.live, trouble("lines"));

function remember() {
  const q = new URLSearchParams();
  if (state.text) q.set("q", state.text);
  if (state.range !== ranges[0]) q.set("range", state.range);
  history.replaceState(null, "", q.size ? "?" + q : location.pathname);
}

function showRange() {
  for (const b of document.querySelectorAll("[data-range]")) b.setAttribute("aria-pressed", Number(b.dataset.range) === state.range);
}

for (const b of document.querySelectorAll("[data-range]")) {
  b.addEventListener("click", () => {
    state.range = Number(b.dataset.range);
    showRange();
    remember();
    redraw();
  });
}

$("#live").addEventListener("click", () => {
  state.live = !state.live;
  $("#live").setAttribute("aria-pressed", state.live);
  $("#live").textContent = state.live ? "Live" : "Paused";
  if (state.live) {
    redraw();
    relist();
  }
});

const input = $("#search input");
input.value = state.text;
let typing;
function search() {
  clearTimeout(typing);
  if (input.value.trim() === state.text) return;
  state.text = input.value.trim();
  remember();
  relist();
}
input.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(search, 400);
});
$("#search").addEventListener("submit", (e) => {
  e.preventDefault();
  search();
});
for (const b of document.querySelectorAll("[data-level]")) {
  b.addEventListener("click", () => {
    b.setAttribute("aria-pressed", b.getAttribute("aria-pressed") !== "true");
    state.levels = [...document.querySelectorAll("[data-level][aria-pressed=true]")].flatMap((x) => x.dataset.level.split(" "));
    relist();
  });
}

for (const code of document.querySelectorAll(".url")) {
  code.textContent = new URL(".", location.href).href.replace(/\/$/, "") + code.dataset.path;
}
showRange();
$("#zone").textContent = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";
$("#controls").hidden = false;
$("#search").hidden = false;
