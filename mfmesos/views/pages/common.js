"use strict";
// What the report and the page of a run share. Texts come from the run: they are only ever set as text.
const $ = (id) => document.getElementById(id);

function make(name, text, properties) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return Object.assign(made, properties || {});
}

function duration(seconds) {
  if (seconds < 10) return seconds.toFixed(2) + " s";
  const whole = Math.round(seconds);
  if (whole < 60) return whole + " s";
  if (whole < 3600) return Math.floor(whole / 60) + " min " + whole % 60 + " s";
  return Math.floor(whole / 3600) + " h " + Math.floor(whole % 3600 / 60) + " min";
}

// What searches, filters and turns the pages of a table of tasks.
function searchTools() {
  const button = (id, text, label) => make("button", text, { type: "button", id, ariaLabel: label });
  const where = make("span", "", { id: "where" });
  where.setAttribute("role", "status");
  $("tools").append(
    make("input", undefined, { type: "search", id: "search", placeholder: "Number, command, output, agent, reason", ariaLabel: "Search in all tasks" }),
    make("select", undefined, { id: "which", ariaLabel: "State" }), make("select", undefined, { id: "category", ariaLabel: "Category" }),
    button("back", "◀", "Page before"), where, button("next", "▶", "Next page"));
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function axes(more) {
  const one = { stroke: css("--dim"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") } };
  return [{ ...one, values: (u, found) => found.map((value) => value < 10 ? +value.toFixed(2) + " s" : duration(value)), space: 90 }, { ...one, size: 60, ...more }];
}

function fitted(plot, place) {
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: plot.height })).observe(place);
}

// Draws the curves, or those that are drawn there already with other values.
function curve(place, title, unit, at, series, steps) {
  const values = [at, ...series.map((one) => one[3])];
  if (place.plot) { place.plot.setData(values); return; }
  const shown = (u, value) => value === null || value === undefined ? "–" : value.toFixed(1) + " " + unit;
  const drawn = series.map(([label, colour, dash]) => ({
    label, stroke: css(colour), width: 2, dash, value: shown, points: { show: false },
    ...(steps ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}) }));
  place.plot = new uPlot({
    title, width: place.clientWidth, height: 220, axes: axes(), scales: { x: { time: false }, y: { range: (u, a, b) => [0, Math.max(b, 1) * 1.05] } },
    series: [{ label: "time", value: (u, value) => value === null || value === undefined ? "–" : duration(value) }, ...drawn],
  }, values, place);
  fitted(place.plot, place);
}
