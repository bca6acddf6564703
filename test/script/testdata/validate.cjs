// Holds dashboards against the types that Grafana publishes as @grafana/schema:
//
//   node validate.cjs MODULES SCHEMA_PACKAGE FILE...
// prints one line a difference, and ends with 1 if there is one.
const fs = require("fs");
const path = require("path");
const [modules, name, ...files] = process.argv.slice(2);
const load = (m) => require(path.join(modules, m));
const { createGenerator } = load("ts-json-schema-generator");
const Ajv = load("ajv");
const ajv = new Ajv({ allErrors: true, strict: false, allowUnionTypes: true });

// The types of Grafana 10 import their own package by its name.
const self = path.join(modules, name, "node_modules", "@grafana", "schema");
fs.mkdirSync(path.dirname(self), { recursive: true });
try {
  fs.symlinkSync("../..", self);
} catch (e) {
  if (e.code !== "EEXIST") throw e;
}

const found = {};
(function walk(dir) {
  for (const e of fs.readdirSync(dir, { withFileTypes: true })) {
    const p = path.join(dir, e.name);
    if (e.isDirectory()) walk(p);
    else if (p.endsWith(".gen.d.ts") && p.includes("/raw/")) found[p] = true;
  }
})(path.join(modules, name, "dist"));
const compiled = new Map();
function validator(where, type) {
  const file = Object.keys(found).find((p) => where.test(p));
  if (!file) throw new Error(`${name} has no file ${where}`);
  if (!compiled.has(file)) {
    compiled.set(file, ajv.compile(createGenerator({ path: file, type, skipTypeCheck: true, additionalProperties: false, topRef: true }).createSchema(type)));
  }
  return compiled.get(file);
}

// Options that are left out get Grafana's defaults; its types name them as required.
// What a data source adds to an annotation or a variable is its own, and in no
// schema; nor is Oriel's mark.
const open = [
  [/^\/annotations\/list\/\d+$/, ["expr", "step", "titleFormat", "textFormat", "tagKeys"]],
  [/^\/templating\/list\/\d+$/, ["definition", "allowCustomValue"]],
];
let bad = 0;
function report(file, at, errors) {
  for (const e of errors) {
    const extra = e.params.additionalProperty;
    if (e.keyword === "anyOf" || (at && e.keyword === "required") || (extra && open.some(([where, names]) => where.test(e.instancePath) && names.includes(extra)))) continue;
    console.log(`${path.basename(file)} ${at}${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`);
    bad = 1;
  }
}
for (const file of files) {
  const d = JSON.parse(fs.readFileSync(file));
  delete d.oriel;
  const dashboard = validator(/raw\/dashboard\/x\/(dashboard_)?types\.gen\.d\.ts$/, "Dashboard");
  if (!dashboard(d)) report(file, "", dashboard.errors);
  for (const p of d.panels) {
    if (p.type === "row") continue;
    const options = validator(new RegExp(`/composable/${p.type}/panelcfg/x/[^/]*\\.gen\\.d\\.ts$`), "Options");
    if (!options(p.options)) report(file, `panel "${p.title}" options`, options.errors);
  }
}
process.exit(bad);
