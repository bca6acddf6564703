// A dashboard: its variables, its time range, and panels that follow both.

import { every, getJSON } from "./http.js";
import { scrapeInterval } from "./metrics.js";
import { Panel } from "./panels.js";
import { labelValues, notes } from "./queries.js";
import { presets, secondsOf, State } from "./state.js";

const $ = (selector) => document.querySelector(selector);
const model = await getJSON(document.body.dataset.model);
const page = {
  state: new State(model),
  interval: 15,
  notes: [],
  hover(from, t) {
    for (const p of panels) p.chart?.hover(t, p.chart === from);
  },
};
const { state } = page;
const panels = model.panels.filter((p) => p.type !== "row").map((p) => new Panel($("#panel-" + p.id), p, page));

// Panels that are out of sight wait until they come into it.
const visible = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const e of entries) {
    const p = panels.find((x) => x.node === e.target);
    if (!e.isIntersecting) visible.delete(p);
    else if (!visible.has(p)) {
      visible.add(p);
      if (p.round !== round) draw(p).catch(() => {});
    }
  }
}, { rootMargin: "300px" });

let round = 0;

function draw(p) {
  p.round = round;
  return p.refresh();
}

async function refresh() {
  // Marks on charts are nice to have: nothing waits for them to fail.
  [page.interval, page.notes] = await Promise.all([
    scrapeInterval("../").catch(() => page.interval),
    notes(state, model.annotations.list, page.interval).catch(() => []),
  ]);
  if (!round++) {
    for (const p of panels) {
      if (p.node.getBoundingClientRect().top < innerHeight + 300) visible.add(p);
      watcher.observe(p.node);
    }
  }
  const failed = (await Promise.allSettled([...visible].map(draw))).find((r) => r.status === "rejected");
  if (failed) throw failed.reason;
}

let seconds = 30;
const again = every(() => seconds || 3600, refresh, () => seconds > 0 && state.live, (e) => {
  const p = $("#trouble");
  p.textContent = e ? e.message : "";
  p.hidden = !e;
});

function changed() {
  history.replaceState(null, "", state.search() || location.pathname);
  showRange();
  linkTabs();
  again();
}

// What is picked goes along to the other dashboards.
function linkTabs() {
  for (const a of document.querySelectorAll(".tabs a")) {
    a.href = a.getAttribute("href").replace(/\?.*$/, "") + (a.getAttribute("href").includes("d/") ? state.search() : "");
  }
}

// Pickers are a list of boxes each; none ticked is all.
function picker(name, v) {
  const box = document.createElement("details");
  box.className = "menu";
  const summary = document.createElement("summary");
  const sheet = document.createElement("div");
  sheet.className = "sheet options";
  box.append(summary, sheet);
  const show = () => {
    summary.replaceChildren(Object.assign(document.createElement("span"), { className: "dim", textContent: v.model.label }), " ", v.values.length ? v.values.join(", ") : "all");
  };
  const fill = async () => {
    const found = await labelValues(state, v.model.query.query).catch(() => []);
    const options = [...new Set([...v.values, ...found])].filter(Boolean).sort();
    sheet.replaceChildren(...options.map((o) => {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "checkbox", checked: v.values.includes(o) });
      input.addEventListener("change", () => {
        v.values = input.checked ? [...v.values, o] : v.values.filter((x) => x !== o);
        show();
        changed();
      });
      label.append(input, " " + o);
      return label;
    }));
    if (!options.length) sheet.textContent = "nothing yet";
  };
  box.addEventListener("toggle", () => box.open && fill());
  show();
  return box;
}

function textbox(name, v) {
  const label = document.createElement("label");
  label.className = "pick grow";
  const input = Object.assign(document.createElement("input"), { type: "search", value: v.values[0] === "*" ? "" : v.values[0], placeholder: v.model.description || "", spellcheck: false, autocomplete: "off" });
  label.append(Object.assign(document.createElement("span"), { textContent: v.model.label }), input);
  let typing;
  const set = () => {
    clearTimeout(typing);
    const text = input.value.trim() || "*";
    if (text === v.values[0]) return;
    v.values = [text];
    changed();
  };
  input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(set, 500);
  });
  input.addEventListener("change", set);
  return label;
}

for (const [name, v] of state.vars) $("#pickers").append(v.model.type === "textbox" ? textbox(name, v) : picker(name, v));

function showRange() {
  $("#shown").textContent = state.describe();
  for (const b of document.querySelectorAll(".presets button")) b.setAttribute("aria-pressed", state.live && b.dataset.from === state.from);
  const local = (text) => {
    const t = new Date(secondsOf(text, Date.now() / 1000) * 1000);
    return new Date(t - t.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
  };
  $("#from").value = local(state.from);
  $("#to").value = local(state.to);
}

for (const [from, words] of presets) {
  const b = Object.assign(document.createElement("button"), { type: "button", textContent: "Last " + words });
  b.dataset.from = from;
  b.addEventListener("click", () => {
    [state.from, state.to] = [from, "now"];
    $("#range").open = false;
    changed();
  });
  $(".presets").append(b);
}
$("#apply").addEventListener("click", () => {
  const from = Date.parse($("#from").value), to = Date.parse($("#to").value);
  if (!(from < to)) return;
  [state.from, state.to] = [String(from), String(to)];
  $("#range").open = false;
  changed();
});
$("#refresh").addEventListener("change", (e) => {
  seconds = Number(e.target.value);
  again();
});
$("#now").addEventListener("click", () => again());
$("#controls").addEventListener("submit", (e) => e.preventDefault());
// One menu at a time, and none when one looks elsewhere.
document.addEventListener("click", (e) => {
  for (const m of document.querySelectorAll("details.menu[open], details.why[open]")) if (!m.contains(e.target)) m.open = false;
});
document.addEventListener("keydown", (e) => {
  if (e.key === "Escape") for (const m of document.querySelectorAll("details.menu[open], details.why[open]")) m.open = false;
});
showRange();
linkTabs();
$("#controls").hidden = false;
