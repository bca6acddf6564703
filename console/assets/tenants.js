// The list of tenants: read again every few seconds, and filtered here.

import { every, Trouble } from "./http.js";

const filter = document.querySelector("#filter");

function apply() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of document.querySelectorAll("#list tbody tr")) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((w) => text.includes(w));
  }
}

async function refresh() {
  let response;
  try {
    response = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(20000) });
  } catch {
    throw new Trouble("Oriel does not answer");
  }
  if (!response.ok) throw new Trouble(response.status === 401 ? "Signed out: load the page again" : `Oriel answers ${response.status}`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!filter !== !page.querySelector("#filter")) return location.reload(); // the first came, or the last went
  document.querySelector("#list").replaceWith(document.adoptNode(page.querySelector("#list")));
  if (!filter) return;
  document.querySelector("#count").textContent = page.querySelector("#count").textContent;
  apply();
}

if (filter) {
  filter.hidden = false;
  filter.addEventListener("input", apply);
}
every(5, refresh, () => true, (e) => {
  const p = document.querySelector("#trouble");
  p.textContent = e ? e.message : "";
  p.hidden = !e;
});
