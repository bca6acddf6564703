// Requests to the APIs below this page, with an error that can be shown.

export class Trouble extends Error {}

export async function getJSON(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: body ? "POST" : "GET",
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(20000),
      cache: "no-store",
    });
  } catch {
    throw new Trouble("Oriel does not answer");
  }
  if (response.status === 401) throw new Trouble("Signed out: load the page again");
  if (response.status === 404) throw new Trouble("This tenant is gone");
  let reply;
  try {
    reply = await response.json();
  } catch {
    throw new Trouble(`Oriel answers ${response.status}`);
  }
  if (!response.ok) throw new Refused(reasonOf(reply) || `Oriel answers ${response.status}`, response.status);
  return reply;
}

// Refused is an answer that says why; with status 400 the query is at fault.
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

function reasonOf(reply) {
  if (typeof reply.error === "string") return reply.error;
  const cause = reply.error && ((reply.error.root_cause || [])[0] || reply.error);
  return cause && cause.reason;
}

// every calls f now and then again and again, never twice at once, and not while
// nobody looks. seconds may be a function, asked each time. onTrouble gets the error, or null after a success.
export function every(seconds, f, running, onTrouble) {
  let busy = false, again = false, timer;
  async function run() {
    clearTimeout(timer);
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    let wait = typeof seconds === "function" ? seconds() : seconds;
    try {
      await f();
      onTrouble(null);
    } catch (e) {
      onTrouble(e);
      wait *= 2;
    }
    busy = false;
    if (again) {
      again = false;
      run();
    } else {
      timer = setTimeout(tick, wait * 1000);
    }
  }
  function tick() {
    if (document.hidden || !running()) timer = setTimeout(tick, 1000);
    else run();
  }
  run();
  return run;
}
