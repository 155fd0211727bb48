// The worksheet: drafts and history stay in this browser; statements go to /api/v1/sql, and come back row by row.

import { Editor } from "./editor.js";
import { Grid } from "./grid.js";

const FIRST = 1000;
const KEPT = 100;
const find = (id) => document.getElementById(id);
const sheet = document.querySelector(".sheet");
const editor = new Editor(find("sql"), find("paint"), find("words"));
const answer = find("answer");
answer.className = "scroll";
answer.tabIndex = 0;
const grid = new Grid(answer, sheet.dataset.zone);
const number = new Intl.NumberFormat("en-US");
const say = (text) => { find("state").textContent = text; };

const read = (name, otherwise) => {
  try { return JSON.parse(localStorage.getItem(`ier.${name}`)) ?? otherwise; } catch { return otherwise; }
};
const write = (name, value) => { try { localStorage.setItem(`ier.${name}`, JSON.stringify(value)); } catch { say("This browser keeps nothing: drafts are lost when it closes."); } };

// Drafts.
let drafts = read("drafts", [{ name: "Draft 1", sql: "SELECT * FROM rates_by_month" }]);
let current = Math.min(read("current", 0), drafts.length - 1);
const shared = decodeURIComponent(location.hash.replace(/^#sql=/, "")) ;
if (location.hash.startsWith("#sql=") && !drafts.some((draft) => draft.sql === shared)) {
  drafts.push({ name: "From a link", sql: shared });
  current = drafts.length - 1;
}

function keep() { write("drafts", drafts); write("current", current); }

function list() {
  find("draft").replaceChildren(...drafts.map((draft, at) => new Option(draft.name, at, false, at === current)));
  find("drop").disabled = drafts.length < 2;
}

function open(at) {
  current = at;
  editor.text = drafts[at].sql;
  list();
  keep();
}

editor.onChange = () => { drafts[current].sql = editor.text; keep(); };
find("draft").addEventListener("change", (event) => open(Number(event.target.value)));
find("new").addEventListener("click", () => { drafts.push({ name: `Draft ${drafts.length + 1}`, sql: "" }); open(drafts.length - 1); find("sql").focus(); });
find("name").addEventListener("click", () => { const name = prompt("Name of the draft", drafts[current].name); if (name) { drafts[current].name = name; list(); keep(); } });
find("drop").addEventListener("click", () => { if (confirm(`Delete ${drafts[current].name}?`)) { drafts.splice(current, 1); open(0); } });
find("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([editor.text], { type: "application/sql" }));
  link.download = `${drafts[current].name.replace(/[^A-Za-z0-9-]+/g, "-")}.sql`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});

// Links: what stands behind # goes to no server. Whom a statement is about stays out of them.
const PERSONAL = /[^\s'"@]+@[^\s'"@]+|\b00[3Q][A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?\b/;
find("link").addEventListener("click", async () => {
  if (PERSONAL.test(editor.text)) return say("No link: the statement names a person by an id or an address. Take it out first.");
  history.replaceState(null, "", `#sql=${encodeURIComponent(editor.text)}`);
  try { await navigator.clipboard.writeText(location.href); say("The link is copied."); } catch { say("The link stands in the address."); }
});

// History.
let past = read("past", []);
function remember(sql) {
  past = [{ sql, at: new Date().toISOString() }, ...past.filter((old) => old.sql !== sql)].slice(0, KEPT);
  write("past", past);
  tell();
}
function tell() {
  find("past").replaceChildren(...past.map((old) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = old.sql.length > 160 ? `${old.sql.slice(0, 160)}…` : old.sql;
    button.title = new Date(old.at).toLocaleString();
    button.addEventListener("click", () => { drafts.push({ name: `From history`, sql: old.sql }); open(drafts.length - 1); scrollTo(0, 0); });
    item.append(button);
    return item;
  }));
}
find("forget").addEventListener("click", () => { past = []; write("past", past); tell(); });

// Running.
let running = null;
let last = null;

function busy(is) {
  find("run").disabled = is;
  find("cancel").disabled = !is;
  answer.setAttribute("aria-busy", String(is));
}

function fail(problem, start) {
  const place = /Line: (\d+), Column: (\d+)/.exec(problem.detail ?? "");
  find("problem").textContent = problem.detail ?? String(problem);
  if (place && last) {
    const lines = last.sql.split("\n").slice(0, Number(place[1]) - 1);
    editor.mark(start + lines.reduce((sum, line) => sum + line.length + 1, 0) + Number(place[2]) - 1);
  }
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts;
  }
  if (rest) yield rest;
}

async function run() {
  if (running) return;
  const { sql, start } = editor.wanted();
  if (!sql.trim()) return say("There is no statement here.");
  last = { sql, reason: find("why").value };
  const stop = running = new AbortController();
  const begun = performance.now();
  const seconds = () => `${((performance.now() - begun) / 1000).toFixed(1)} s`;
  let [columns, rows, whole] = [null, [], null];
  busy(true);
  find("problem").textContent = "";
  find("tools").hidden = true;
  editor.mark(null);
  answer.replaceChildren();
  say("Running …");
  // Said aloud it would be said each time: only the eye sees it.
  const ticking = setInterval(() => { document.title = `${seconds()} · Worksheet · ier`; find("run").textContent = seconds(); }, 200);
  try {
    const response = await fetch("/api/v1/sql", {
      method: "POST", signal: stop.signal, headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ sql, reason: last.reason || null, format: "rows", first: FIRST }),
    });
    if (response.status === 401) throw { detail: "You are signed out. Sign in again in another tab: what you typed is kept here." };
    if (!response.ok) throw await response.json();
    for await (const line of lines(response.body)) {
      if (!line) continue;
      const read = JSON.parse(line);
      if (!Array.isArray(read)) rows.push(read);
      else if (read[0] === "columns") columns = read[1];
      else if (read[0] === "end") whole = read[1];
      else throw read[1];
    }
    if (!whole) throw { detail: "The answer broke off: what came is not all of it." };
    const some = whole.rows > rows.length ? `the first ${number.format(rows.length)} of ${number.format(whole.rows)} rows` : `${number.format(rows.length)} ${rows.length === 1 ? "row" : "rows"}`;
    grid.show(columns, rows, `${some} · moments of ${sheet.dataset.zone}`);
    find("tools").hidden = false;
    face("table");
    say(`${some[0].toUpperCase()}${some.slice(1)} in ${seconds()}.`);
    remember(sql);
  } catch (problem) {
    if (problem.name === "AbortError") say(`Cancelled after ${seconds()}.`);
    else { say(""); fail(problem.detail ? problem : { detail: `The server does not answer: ${problem.message ?? problem}` }, start); }
  } finally {
    clearInterval(ticking);
    find("run").textContent = "Run";
    document.title = "Worksheet · ier";
    running = null;
    busy(false);
  }
}

find("run").addEventListener("click", run);
find("cancel").addEventListener("click", () => running?.abort());
editor.onRun = run;

// The answer as a table, or as a picture from the server.
function face(which) {
  for (const name of ["table", "chart"]) find(name).setAttribute("aria-pressed", String(name === which));
}
find("table").addEventListener("click", () => { face("table"); if (grid.rows) grid.draw(grid.rows); });
async function chart() {
  face("chart");
  const kind = find("kind").value || null;
  const response = await fetch("/api/v1/sql", {
    method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ sql: last.sql, reason: last.reason || null, format: "svg", chart: kind }),
  });
  if (!response.ok) { find("problem").textContent = (await response.json()).detail; return; }
  find("problem").textContent = "";
  const image = new Image();
  image.className = "wide chart";
  image.alt = "A chart of the answer; the table says the same.";
  image.src = `data:image/svg+xml,${encodeURIComponent(await response.text())}`;
  answer.replaceChildren(image);
}
find("chart").addEventListener("click", chart);
find("kind").addEventListener("change", chart);
find("files").addEventListener("submit", () => { find("files-sql").value = last.sql; find("files-why").value = last.reason; });

// What there is.
async function names() {
  const response = await fetch("/api/v1/catalog");
  if (!response.ok) return;
  const { tables, functions } = await response.json();
  const columns = new Map();
  for (const table of tables) for (const column of table.columns) columns.set(column.name, { name: column.name, note: column.type });
  editor.words = [
    ...tables.map((table) => ({ name: table.name, note: table.kind })),
    ...columns.values(),
    ...functions.map((called) => ({ name: called.name, note: called.call.length > 60 ? "function" : called.call })),
  ];
  const tree = () => {
    const wanted = find("find").value.toLowerCase();
    const fits = (table) => table.name.includes(wanted) || table.columns.some((column) => column.name.includes(wanted));
    find("names").replaceChildren(...tables.filter(fits).map((table) => {
      const item = document.createElement("details");
      const title = document.createElement("summary");
      title.textContent = `${table.name} · ${table.kind}`;
      const meaning = document.createElement("p");
      meaning.className = "small";
      meaning.textContent = table.meaning ?? "";
      const list = document.createElement("dl");
      list.className = "facts";
      for (const column of table.columns) {
        const [term, told] = [document.createElement("dt"), document.createElement("dd")];
        term.textContent = column.name;
        told.textContent = [column.type, column.meaning].filter(Boolean).join(" · ");
        list.append(term, told);
      }
      item.append(title, meaning, list);
      return item;
    }));
  };
  find("find").addEventListener("input", tree);
  tree();
}

open(current);
tell();
names();
