"use strict";
// The plots and the table of all tasks of a report.
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a900", "#7f7f7f"];
const PAGE = 50;
const BANDS = 60;

async function unpacked() {
  const raw = atob($("data").textContent);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = JSON.parse(await new Response(stream).text());
  for (let i = 1; i < data.task.length; i++) data.task[i] += data.task[i - 1];
  data.command = data.task.length ? data.command.split("\n") : [];
  data.outputs = data.task.length ? data.outputs.split("\n") : [];
  return data;
}

// --- tasks by agent ---------------------------------------------------------------------------
function lanes(data) {
  // Each agent's tasks in as few lanes as hold them; a lane is free again when its task has ended.
  const order = data.start.map((_, i) => i).filter((i) => data.start[i] >= 0).sort((a, b) => data.start[a] - data.start[b]);
  const agents = new Map();
  for (const i of order) {
    const name = data.agent[i];
    if (!agents.has(name)) agents.set(name, { name, ends: [], tasks: [], lane: [] });
    const one = agents.get(name);
    let lane = one.ends.findIndex((end) => end <= data.start[i] + 2); // rounding
    if (lane < 0) lane = one.ends.length;
    one.ends[lane] = data.start[i] + data.length[i];
    one.tasks.push(i);
    one.lane.push(lane);
  }
  return [...agents.values()].sort((a, b) => data.agents[a.name].localeCompare(data.agents[b.name], undefined, { numeric: true }));
}

function bands(place, data) {
  const found = lanes(data).slice(0, BANDS);
  if (!found.length) { place.textContent = "No task has run."; return; }
  const tall = found.map((one) => Math.min(Math.max(one.ends.length * 6, 18), 140));
  const tops = [0];
  for (const height of tall) tops.push(tops[tops.length - 1] + height + 6);
  const whole = tops[tops.length - 1];
  const stripes = pattern();
  const colour = (i) => COLOURS[data.category[i] % COLOURS.length];
  const finished = data.states.indexOf("finished");

  function draw(u) {
    const c = u.ctx, { left, top, width, height } = u.bbox;
    const scale = height / whole;
    c.save();
    c.beginPath(); c.rect(left, top, width, height); c.clip();
    found.forEach((one, n) => {
      const each = tall[n] / one.ends.length * scale;
      c.fillStyle = css("--soft");
      c.fillRect(left, top + tops[n] * scale, width, tall[n] * scale);
      for (let k = 0; k < one.tasks.length; k++) {
        const i = one.tasks[k];
        const x = u.valToPos(data.start[i] / 100, "x", true);
        const end = u.valToPos((data.start[i] + data.length[i]) / 100, "x", true);
        if (end < left || x > left + width) continue;
        const y = top + tops[n] * scale + one.lane[k] * each, wide = Math.max(end - x - 0.5, 1);
        c.fillStyle = colour(i);
        c.fillRect(x, y, wide, Math.max(each - 1, 0.5));
        if (data.state[i] !== finished) { c.fillStyle = stripes; c.fillRect(x, y, wide, Math.max(each - 1, 0.5)); }
      }
    });
    c.restore();
  }

  function under(u) {
    const at = u.posToVal(u.cursor.left, "x") * 100, y = u.cursor.top / u.over.clientHeight * whole;
    const n = tops.findIndex((top, k) => k < found.length && y >= top && y < top + tall[k]);
    if (n < 0) return -1;
    const one = found[n], lane = Math.floor((y - tops[n]) / tall[n] * one.ends.length);
    const slack = (u.scales.x.max - u.scales.x.min) * 100 / u.over.clientWidth;
    for (let k = one.tasks.length - 1; k >= 0; k--) {
      const i = one.tasks[k];
      if (one.lane[k] === lane && at >= data.start[i] - slack && at <= data.start[i] + data.length[i] + slack) return i;
    }
    return -1;
  }

  function hover(u) {
    const i = u.cursor.left >= 0 ? under(u) : -1;
    const tip = $("tip");
    tip.style.display = i < 0 ? "none" : "block";
    if (i < 0) return;
    tip.textContent = `task ${data.task[i]}, ${data.states[data.state[i]]}, ${duration(data.length[i] / 100)}: ${data.command[i]}`;
    const box = u.over.getBoundingClientRect();
    tip.style.left = Math.min(box.left + u.cursor.left + 12, innerWidth - 330) + "px";
    tip.style.top = box.top + u.cursor.top + 14 + "px";
  }

  const middles = found.map((_, n) => tops[n] + tall[n] / 2);
  const names = () => found.map((one) => data.agents[one.name].slice(0, 18));
  const plot = new uPlot({
    width: place.clientWidth, height: whole + 50, legend: { show: false }, cursor: { y: false, points: { show: false } },
    axes: axes({ size: Math.min(130, place.clientWidth / 4), grid: { show: false }, ticks: { show: false }, values: names,
      splits: () => middles }),
    scales: { x: { time: false }, y: { range: [0, whole], dir: -1 } },
    series: [{}, { paths: () => null, points: { show: false } }],
    hooks: { draw: [draw], setCursor: [hover] },
  }, [[0, (data.end - data.begin)], [0, 0]], place);
  fitted(plot, place);
  const shown = [...new Set(found.flatMap((one) => one.tasks.map((i) => data.category[i])))].slice(0, 16);
  for (const category of shown) {
    const item = make("li"), mark = make("i");
    mark.style.background = COLOURS[category % COLOURS.length];
    item.append(mark, data.categories[category]);
    $("keys").append(item);
  }
}

function pattern() {
  const small = make("canvas", undefined, { width: 6, height: 6 }), c = small.getContext("2d");
  c.strokeStyle = "#000000"; c.lineWidth = 2;
  c.beginPath(); c.moveTo(-1, 7); c.lineTo(7, -1); c.moveTo(-3, 3); c.lineTo(3, -3); c.moveTo(3, 9); c.lineTo(9, 3); c.stroke();
  return c.createPattern(small, "repeat");
}

// --- all tasks --------------------------------------------------------------------------------
function table(data) {
  const text = (list, key) => (i) => list[data[key][i]];
  const columns = [
    ["task", (i) => data.task[i], "n", String],
    ["state", text(data.states, "state"), "", String],
    ["category", text(data.categories, "category"), "less", String],
    ["agent", text(data.agents, "agent"), "less", String],
    ["start", (i) => data.start[i], "n less", (v) => v < 0 ? "–" : duration(v / 100)],
    ["waited", (i) => data.wait[i], "n less", (v) => duration(v / 100)],
    ["ran", (i) => data.wall[i], "n", (v) => duration(v / 100)],
    ["attempts", (i) => data.attempts[i], "n less", String],
    ["memory MB", (i) => data.memory[i], "n less", (v, i) => `${v} of ${data.given[i]}`],
    ["command", (i) => data.command[i], "t", String],
  ];
  let order = data.task.map((_, i) => i), found = order, page = 0, sorted = 0, sign = 1, open = -1;
  const low = data.task.map((task, i) => [
    task, data.command[i], data.outputs[i], data.agents[data.agent[i]], data.reasons[data.reason[i]]].join("\n").toLowerCase());

  searchTools();

  function choices(select, first, names) {
    select.append(make("option", first, { value: "" }), ...names.map((name, n) => make("option", name || "–", { value: String(n) })));
    select.onchange = () => { page = 0; search(); };
  }

  function search() {
    const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const state = $("which").value, category = $("category").value;
    found = order.filter((i) => (state === "" || data.state[i] === +state) && (category === "" || data.category[i] === +category)
      && words.every((word) => low[i].includes(word)));
    show();
  }

  function sort(n) {
    sign = n === sorted ? -sign : 1;
    sorted = n;
    const value = columns[n][1];
    order = order.slice().sort((a, b) => {
      const one = value(a), other = value(b);
      return sign * (one < other ? -1 : one > other ? 1 : a - b);
    });
    page = 0;
    search();
  }

  function more(i) {
    const row = make("tr", undefined, { className: "more" }), cell = make("td", undefined, { colSpan: columns.length }), list = make("dl");
    const facts = [
      ["command", data.command[i]], ["outputs", data.outputs[i]], ["reason", data.reasons[data.reason[i]]],
      ["category", data.categories[data.category[i]]], ["agent", data.agents[data.agent[i]]],
      ["waited, ran, with transfers", [data.wait[i], data.wall[i], data.length[i]].map((v) => duration(v / 100)).join(", ")],
      ["cores, CPU time", data.cores[i] + ", " + duration(data.cpu[i])], ["memory", data.memory[i] + " of " + data.given[i] + " MB"],
      ["attempts", data.attempts[i]]];
    for (const [name, value] of facts) if (value !== "") list.append(make("dt", name), make("dd", String(value)));
    cell.append(list);
    row.append(cell);
    return row;
  }

  function show() {
    const pages = Math.max(Math.ceil(found.length / PAGE), 1);
    page = Math.min(Math.max(page, 0), pages - 1);
    $("where").textContent = found.length ? `${page * PAGE + 1}–${Math.min((page + 1) * PAGE, found.length)} of ${found.length}` : "none";
    $("back").disabled = page === 0;
    $("next").disabled = page === pages - 1;
    $("heads").replaceChildren(...columns.map(([name, , kind], n) => {
      const head = make("th", undefined, { className: kind, ariaSort: n === sorted ? (sign > 0 ? "ascending" : "descending") : "none" });
      head.append(make("button", name + (n === sorted ? (sign > 0 ? " ▲" : " ▼") : ""), { type: "button", onclick: () => { sort(n); $("heads").children[n].firstChild.focus(); } }));
      return head;
    }));
    $("rows").replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).flatMap((i) => {
      const row = make("tr");
      columns.forEach(([, value, kind, shown], n) => {
        const cell = make("td", n ? shown(value(i), i) : undefined, { className: kind });
        if (n === 0) cell.append(make("button", String(value(i)), { type: "button", ariaExpanded: String(open === i),
          onclick: () => { open = open === i ? -1 : i; show(); } }));
        if (n === 1 && value(i) !== "finished") cell.classList.add("bad");
        row.append(cell);
      });
      return i === open ? [row, more(i)] : [row];
    }));
  }

  choices($("which"), "all states", data.states);
  choices($("category"), "all categories", data.categories);
  $("search").oninput = () => { page = 0; search(); };
  $("back").onclick = () => { page--; show(); };
  $("next").onclick = () => { page++; show(); };
  search();
}

unpacked().then((data) => {
  const c = data.curves;
  const three = (held, given, used) => [["held", "--held", [6, 4], held], ["allocated", "--given", undefined, given], ["used", "--used", [2, 3], used]];
  curve($("cores"), "Cores", "", c.at, three(c.held_cores, c.given_cores, c.used_cores));
  curve($("memory"), "Memory, GB", "GB", c.at, three(c.held_memory, c.given_memory, c.used_memory));
  bands($("bands"), data);
  table(data);
  document.body.dataset.ready = "yes";
});
