"use strict";
// The page of a run: the state comes as events, tables are asked for one page at a time.
const PARTS = ["overview", "tasks", "agents", "categories", "task"];
const PAUSES_MS = { overview: 300, tasks: 400 }, PAUSE_MS = 2000, PLOT_MS = 5000;
const SHARE = 5; // times the CPU time of its answers that a part waits before it is asked for again
const STATES = { "": "all states", live: "not ended", waiting: "waiting", held: "held by its user", running: "running", finished: "finished",
  failed: "failed", withdrawn: "withdrawn", blocked: "blocked" };
const WORDS = { inputs: "waiting", held: "held", assigned: "starting" };
let state = null, part = "", detail = null, refreshed = 0, cost = 0, plotted = 0, due = 0, turns = 0, printed = {}, drawn = "", alive = false;
const asked = { page: 0, order: "task", falling: "" };

async function ask(name, query) {
  const answer = await fetch("/api/" + name + "?" + new URLSearchParams(query || {}));
  const found = await answer.json();
  cost += 1000 * answer.headers.get("X-CPU-Seconds");
  if (!answer.ok) throw new Error(found.error || answer.status);
  return found;
}

function trouble(text) {
  $("trouble").hidden = !text;
  $("trouble").textContent = text || "";
}

function table(place, heads, rows, empty, kind) {
  if (!rows.length) { place.replaceChildren(make("p", empty || "none", { className: "dim" })); return; }
  const head = make("tr"), body = make("tbody"), whole = make("table"), top = make("thead");
  for (const [text, kind] of heads) head.append(text instanceof Node ? cell("th", text, kind) : make("th", text, { className: kind || "" }));
  for (const row of rows) {
    const line = make("tr");
    row.forEach((value, n) => line.append(cell("td", value, heads[n][1])));
    body.append(line);
  }
  if (kind) whole.className = kind;
  top.append(head);
  whole.append(top, body);
  keepFocus(place, () => place.replaceChildren(whole));
}

// A table that is made anew under somebody's fingers: the same link or button has the focus afterwards.
function keepFocus(place, remake) {
  const known = document.activeElement, name = (one) => one.tagName + one.textContent.replace(/ [▲▼]$/, "");
  const inside = place.contains(known) && known !== place;
  remake();
  const again = inside && [...place.querySelectorAll("a, button")].find((one) => name(one) === name(known));
  if (again) again.focus();
}

function cell(name, value, kind) {
  const made = make(name, undefined, { className: kind || "" });
  made.append(value === null || value === undefined ? "–" : value);
  return made;
}

const taskLink = (number) => make("a", String(number), { href: "#task/" + number });
const whole = (value) => value === null || value === undefined ? "–" : Math.round(value);
const since = (at) => duration(Math.max(Date.now() / 1000 - at, 0));
const clock = (at) => at ? new Date(at * 1000).toLocaleString() : "–";
const shown = (text) => make("span", WORDS[text] || text, { className: text === "finished" ? "good" : text === "failed" ? "bad" : "" });
const waits = (one) => ["waiting", "held", "inputs"].includes(one.state);

// A command and, of a task that waits or has failed, why.
function commandCell(one, why) {
  const made = make("div"), reason = why || (one.state === "inputs" ? "it waits for outputs of other tasks" : one.reason);
  made.append(make("div", one.command, { className: "command" }));
  if (reason) made.append(make("div", reason, { className: "dim" }));
  return made;
}

// --- overview -----------------------------------------------------------------------------------
function overview() {
  const { live, run, failures, running } = state;
  const counts = live ? live.counts : run || {};
  const tiles = [
    [counts.finished, "finished of " + (counts.total || 0)], [counts.running, "running"], [counts.waiting, "waiting"],
    [counts.failed, "failed"], [counts.withdrawn || undefined, "withdrawn"], [counts.before || undefined, "finished before"],
    [live && counts.left_s !== null ? duration(counts.left_s) : undefined, "left, about"],
    [live ? live.held.cores : undefined, "cores held"], [live ? whole(live.held.memory_mb) : undefined, "MB held"],
    [live ? live.claims : undefined, "claims"], [live ? live.agents : undefined, "agents in the cluster"]];
  $("tiles").replaceChildren(...tiles.filter(([value]) => value !== undefined && value !== null).map(([value, label]) => {
    const tile = make("div", undefined, { className: "tile" });
    tile.append(make("b", String(value)), make("span", label));
    return tile;
  }));
  table($("running"), [["task", "n"], ["for", "n"], ["agent", "less"], ["category", "less"], ["command", "t"]],
    running.slice().sort((a, b) => a.since - b.since).map((one) => [taskLink(one.task), since(one.since), one.host, one.category, commandCell(one)]),
    "Nothing runs.", "tasks");
  table($("failed"), [["count", "n"], ["reason"], ["example", "n"], ["command", "t"]],
    failures.map((one) => [one.count, one.reason, taskLink(one.example.task), one.example.command]), "No task has failed.");
}

async function plot() {
  const found = await ask("held");
  if (!found.length) return;
  found.push({ ...found[found.length - 1], at: state && state.run && state.run.ended ? state.run.ended : Date.now() / 1000 });
  const begin = state && state.run ? state.run.started : found[0].at;
  curve($("plot"), "Cores held, tasks running", "", found.map((one) => one.at - begin), [
    ["held cores", "--held", [6, 4], found.map((one) => one.cores)], ["running tasks", "--given", undefined, found.map((one) => one.running)]], true);
}

// --- tables -------------------------------------------------------------------------------------
async function tasks() {
  const wanted = { text: $("search").value, state: $("which").value, category: $("category").value, ...asked };
  const turn = ++turns, found = await ask("tasks", wanted);
  if (turn !== turns) return; // an answer to a later question has come, or will
  const pages = Math.max(Math.ceil(found.count / found.size), 1);
  const first = found.page * found.size;
  $("where").textContent = found.count ? `${first + 1}–${first + found.rows.length} of ${found.count}` : "none";
  $("back").disabled = found.page === 0;
  $("next").disabled = found.page >= pages - 1;
  const lacks = state && state.lacks ? state.lacks : 0, why = found.why || {};
  $("lacks").hidden = lacks === 0;
  $("lacks").textContent = lacks + " live tasks are still being read.";
  const head = (text, order, kind) => {
    const sorted = asked.order === order;
    return [make("button", text + (sorted ? (asked.falling ? " ▼" : " ▲") : ""), { type: "button", onclick: () => {
      asked.falling = sorted && !asked.falling ? "1" : "";
      Object.assign(asked, { order, page: 0 });
      refresh();
    } }), kind];
  };
  table($("table"), [head("task", "task", "n"), head("state", "state"), head("category", "category", "less"), head("agent", "agent", "less"),
    head("ran", "ran", "n"), head("memory MB", "memory", "n less"), head("attempts", "attempts", "n less"), head("ended", "ended", "less"), ["command", "t"]],
  found.rows.map((one) => [taskLink(one.task), shown(one.state), one.category, one.host || "–", waits(one) ? "–" : one.ended ? duration(one.wall_s || 0) : since(one.started),
    waits(one) ? "–" : one.ended ? whole(one.used_memory_mb) + " of " + whole(one.memory_mb) : whole(one.memory_mb), one.attempts, clock(one.ended),
    commandCell(one, why[one.task])]), "No task fits.", "tasks");
  const number = wanted.text.trim();
  if (!found.count && /^\d+$/.test(number)) $("table").append(make("p"), make("a", "Look at task " + number, { href: "#task/" + number }));
}

async function agents() {
  const found = await ask("over-time");
  if (!found) return;
  const gb = (some) => some.map((value) => value / 1024);
  const three = (held, given, used) => [["held", "--held", [6, 4], held], ["allocated", "--given", undefined, given], ["used", "--used", [2, 3], used]];
  curve($("cores"), "Cores", "", found.at, three(found.held_cores, found.given_cores, found.used_cores));
  curve($("memory"), "Memory, GB", "GB", found.at, three(gb(found.held_mb), gb(found.given_mb), gb(found.used_mb)));
  curve($("holders"), "Agents and claims", "", found.at, [["claims", "--given", undefined, found.claims], ["agents with claims", "--used", [6, 4], found.agents]]);
}

async function claims() {
  const found = await ask("agents");
  const now = state && state.run && state.run.ended ? state.run.ended : Date.now() / 1000;
  const begin = Math.min(...found.map((one) => one.opened)), length = Math.max(now - begin, 1);
  const bar = (one) => {
    const place = make("div", undefined, { className: "span", title: clock(one.opened) + " to " + (one.ended ? clock(one.ended) : "now") }), inner = make("i");
    inner.style.marginLeft = 100 * (one.opened - begin) / length + "%";
    inner.style.width = Math.max(100 * ((one.ended || now) - one.opened) / length, 1) + "%";
    place.append(inner);
    return place;
  };
  table($("claims"), [["claim"], ["agent"], ["open"], ["opened", "less"], ["for", "n"], ["cores", "n less"], ["memory MB", "n less"], ["ended", "n"], ["failed", "n"], ["CPU time", "n less"]],
    found.map((one) => [one.claim, one.host + " (" + one.agent.slice(-6) + ")", bar(one), clock(one.opened), duration((one.ended || now) - one.opened), one.cores,
      whole(one.memory_mb), one.tasks, one.failed || 0, duration(one.cpu_s || 0)]), "No claim yet.", "tasks");
}

// Four rows for each category: what was measured, requested and allocated, and what the next task would be given.
async function categories() {
  const found = await ask("categories"), known = (value, text) => value === null || value === undefined ? "–" : text(value);
  const amount = (value) => String(+value.toFixed(2));
  const measures = [["run time", "s", "wall_s", duration], ["memory MB", "mb", "memory_mb", whole], ["cores", "cores", "cores", amount], ["disk MB", "disk_mb", "disk_mb", whole]];
  $("after").textContent = state && state.live ? "“Next” is what the first waiting task of a category would be given now: what it requests, and estimates for the rest."
    : "“mfmesos estimates” shows what the next run’s tasks will be given.";
  const about = (one) => {
    const next = make("span", "next: ");
    next.append(one.next ? taskLink(one.next.task) : "none waits");
    return [make("b", one.category || "–"), one.tasks + " ended", (one.failed || 0) + " failed, " + (one.retries || 0) + " retries", next];
  };
  table($("groups"), [["category"], [""], ["mean", "n"], ["most", "n"], ["requested", "n less"], ["allocated", "n less"], ["next", "n"]], found.flatMap((one) => {
    const names = about(one);
    return measures.map(([text, key, next, shown], n) => [names[n], text, known(one["mean_" + key], shown), known(one["most_" + key], shown), known(one["asked_" + key], shown),
      known(one["given_" + key], shown), known(one.next && one.next[next], shown)]);
  }), "No task has ended, and none waits.", "tasks groups");
}

async function choose() {
  const known = $("category").value;
  const names = await ask("choices");
  $("category").replaceChildren(make("option", "all categories", { value: "" }), ...names.map((name) => make("option", name, { value: name })));
  $("category").value = known;
}

// --- one task -----------------------------------------------------------------------------------
async function task(number) {
  const found = await ask("task", { task: number }), text = number + JSON.stringify(found);
  if (part !== "task" || detail !== number) return;
  if (text !== drawn) drawTask(number, found); // otherwise whoever reads it is not disturbed
  drawn = text;
  if (found.live && found.live.claim) follow(number);
  else showPrinted(found.output);
}

function drawTask(number, { live, task: ended, attempts, why }) {
  const one = live || ended, place = $("task"), prints = make("div", undefined, { id: "prints" });
  if (!one) { place.replaceChildren(make("p", "No task " + number + "."), prints); return; }
  const list = make("dl");
  const facts = [
    ["command", one.command], ["category", one.category], ["state", one.state], ["reason", one.reason], ["agent", one.host],
    ["outputs", Array.isArray(one.outputs) ? one.outputs.join(", ") : one.outputs], ["needs tasks", one.needs && !live ? one.needs : ""],
    ["cores", one.cores || ""], ["memory", ended && !live ? whole(one.used_memory_mb) + " of " + whole(one.memory_mb) + " MB" : one.memory_mb ? whole(one.memory_mb) + " MB" : ""],
    ["ran", ended && !live ? duration(one.wall_s || 0) : ""], ["attempts", one.attempts]];
  for (const [name, value] of facts) if (value !== "" && value !== null && value !== undefined) list.append(make("dt", name), make("dd", String(value)));
  const story = live && live.story ? live.story : ended && ended.story ? ended.story.split("\n").map((line) => {
    const [at, what, ...note] = line.split(" ");
    return [ended.submitted + parseFloat(at), what, note.join(" ")];
  }) : [];
  const stories = make("div", undefined, { className: "wide" }), tries = make("div", undefined, { className: "wide" });
  table(stories, [["time"], ["state"], ["claim or reason", "t"]], story.map(([at, what, note]) => [clock(at), what, note]));
  table(tries, [["attempt", "n"], ["agent"], ["ran", "n"], ["how it ended", "t"]], attempts.map((a) => [a.attempt, a.host, duration(a.wall_s || 0), a.reason]), "None was repeated.");
  place.replaceChildren(make("h2", "Task " + number), ...(why.length ? [make("pre", why.join("\n"), { tabIndex: 0 })] : []), list,
    make("h2", "Story"), stories, make("h2", "Attempts before the last one"), tries, prints);
  if (printed.task === number) showPrinted(printed);
}

function showPrinted(some) {
  $("prints").replaceChildren(...["stderr", "stdout"].filter((kind) => some[kind]).flatMap((kind) => [
    make("h2", kind), make("pre", some[kind], { tabIndex: 0 })]));
}

// What a task prints that runs: its executor answers within seconds.
function follow(number) {
  if (printed.task === number && printed.asked) return;
  printed = { ...(printed.task === number ? printed : {}), task: number, asked: true };
  ask("printed", { task: number }).then((found) => {
    if (printed.task !== number) return;
    const same = found.stdout === printed.stdout && found.stderr === printed.stderr;
    printed = { task: number, ...found };
    if (!same && part === "task" && detail === number) showPrinted(printed);
  }).catch(() => { printed.asked = false; });
}

// --- what is shown -----------------------------------------------------------------------------
async function refresh() {
  const began = refreshed = Date.now();
  cost = 0;
  try {
    if (part === "overview" && state) overview();
    if (part === "tasks") await tasks();
    if (part === "agents") await claims();
    if (part === "categories") await categories();
    if (part === "task") await task(detail);
    if (began - plotted > PLOT_MS) await replot();
    trouble(state && state.error);
  } catch (e) {
    trouble(e.message);
  }
  document.body.dataset.shown = part;
}

async function replot() {
  if (part !== "agents" && (part !== "overview" || !state)) return;
  plotted = Infinity; // one at a time
  await (part === "agents" ? agents() : plot()).finally(() => { plotted = Date.now(); });
}

function go() {
  const [name, number] = location.hash.slice(1).split("/");
  part = PARTS.includes(name) ? name : "overview";
  detail = number;
  for (const one of PARTS) $(one).hidden = one !== part;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === "#" + part) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  if (part === "tasks") choose().catch(() => {});
  plotted = 0;
  drawn = "";
  refresh();
}

function changed(event) {
  state = JSON.parse(event.data);
  if (state.error) { trouble(state.error); return; }
  $("folder").textContent = state.folder.split("/").pop();
  document.title = (state.state || "no run") + ": " + state.folder.split("/").pop();
  $("state").textContent = state.state || "no run yet";
  $("state").className = state.state === "running" ? "good" : ["crashed", "failed", "stopped"].includes(state.state) ? "bad" : "";
  const about = state.live || state.run;
  $("about").textContent = about ? `${about.engine}, master ${about.master}, since ${clock(about.started)}` : state.folder;
  if (!state.live && alive) plotted = 0; // as it is at the end
  alive = Boolean(state.live);
  soon();
}

// At once, but not again within the pause of what is shown.
function soon() {
  const pause = Math.max(PAUSES_MS[part] || PAUSE_MS, SHARE * cost);
  if (!due) due = setTimeout(() => { due = 0; refresh(); }, Math.max(pause - (Date.now() - refreshed), 0));
}

searchTools();
$("which").append(...Object.entries(STATES).map(([name, text]) => make("option", text, { value: name })));
let typed = 0;
$("search").oninput = () => { clearTimeout(typed); typed = setTimeout(() => { asked.page = 0; refresh(); }, 200); };
for (const one of ["which", "category"]) $(one).onchange = () => { asked.page = 0; refresh(); };
$("back").onclick = () => { asked.page--; refresh(); };
$("next").onclick = () => { asked.page++; refresh(); };
addEventListener("hashchange", go);
go();
const feed = new EventSource("/events");
feed.onmessage = changed;
feed.onerror = () => { $("state").textContent = "the page's server does not answer"; $("state").className = "bad"; };
