// node forward.js MODE PORT KEY COUNT: sends COUNT records and ends with 0 once
// all of them are acknowledged.
const [mode, port, key, count] = process.argv.slice(2);
const security = key ? { clientHostname: "client", sharedKey: key } : undefined;
const record = (i) => ({ message: "message " + i, n: i, kind: mode, namespace: "shop-prod" });

async function classic() {
  const logger = require("fluent-logger").createFluentSender("app", {
    host: "127.0.0.1", port: +port, timeout: 10, requireAckResponse: true, security,
  });
  logger.on("error", (e) => { console.error(e); process.exit(1); });
  for (let i = 0; i < +count; i++) {
    await new Promise((ok, no) => logger.emit("web", record(i), (e) => (e ? no(e) : ok())));
  }
  logger.end();
}

async function modern() {
  const { FluentClient } = require("@fluent-org/logger");
  const logger = new FluentClient("app", {
    eventMode: mode, ack: { ackTimeout: 20000 }, security,
    socket: { host: "127.0.0.1", port: +port, timeout: 10000 },
  });
  const sent = [];
  for (let i = 0; i < +count; i++) sent.push(logger.emit("web", record(i)));
  await Promise.all(sent);
  await logger.shutdown();
}

(mode === "classic" ? classic() : modern()).then(
  () => process.exit(0),
  (e) => { console.error(e); process.exit(1); },
);
