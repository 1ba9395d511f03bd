// The last hour as curves: what the processes have kept, put together by direction. Messages to XMPP come in at
// fronts, those to SIP at workers.
import {count, draw, make, rate, set, span} from "./dom.js";

const kHeight = 110, kBase = 92, kTop = 8, kLeft = 40;
const kPoints = 360;

// [{at, xmpp: {...}, sip: {...}}], oldest first, a row for each 10 s of the last hour; sums of the processes.
function rowsOf(history, nowS) {
  const step = (history.step_ms ?? 10000) / 1000, last = Math.floor(nowS / step);
  const none = () => ({perSecond: null, failed: null, took: 0, p95: null});
  const rows = Array.from({length: kPoints}, (_, i) => ({
    at: (last - kPoints + 1 + i) * step, xmpp: none(), sip: none(), inFlight: null, queued: null, known: 0,
  }));
  for (const p of history.processes) {
    p.at_s.forEach((at, i) => {
      const row = rows[Math.floor(at / step) - (last - kPoints + 1)];
      if (!row) return;
      row.queued += p.queued[i];
      ++row.known;
      if (p.role === "mapper") return;
      row.inFlight += p.in_flight[i];
      const side = p.role === "sip_front" ? row.xmpp : row.sip;
      side.perSecond += p.per_second[i];
      side.failed += p.failed_per_second[i];
      side.took += (p.mean_ms[i] ?? 0) * p.per_second[i];
      if (p.p95_ms[i] !== null) side.p95 = Math.max(side.p95 ?? 0, p.p95_ms[i]);
    });
  }
  // The newest is shown when all have said theirs: they do not do so at the same moment.
  const newest = rows.findLastIndex((r) => r.known > 0);
  if (newest > 0 && rows[newest].known < rows[newest - 1].known)
    Object.assign(rows[newest], {xmpp: none(), sip: none(), inFlight: null, queued: null});
  return rows;
}

const kCharts = [
  {title: "Messages a second", write: rate, least: 1,
   series: [["to-xmpp", "to XMPP", (r) => r.xmpp.perSecond], ["to-sip", "to SIP", (r) => r.sip.perSecond]]},
  {title: "Not delivered, a second", write: rate, least: 1,
   series: [["to-xmpp", "to XMPP", (r) => r.xmpp.failed], ["to-sip", "to SIP", (r) => r.sip.failed]]},
  {title: "Latency, 95th percentile", write: span, least: 100, decades: true,
   series: [["to-xmpp", "to XMPP", (r) => r.xmpp.p95], ["to-sip", "to SIP", (r) => r.sip.p95]]},
  {title: "Waiting", write: count, least: 4,
   series: [["in-flight", "in flight", (r) => r.inFlight], ["queued", "queued", (r) => r.queued]]},
];

// The next of 1, 2, 4, 10, 20, ...: half of it is as easy to read.
function nice(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 10].map((n) => n * size).find((n) => n >= value * 0.9999);
}

const linear = (top, write) => ({part: (v) => v / top, marks: [[0, "0"], [top / 2, write(top / 2)], [top, write(top)]]});

// From 1 ms on: one slow message does not make a line of all others.
function decades(most) {
  const n = Math.ceil(Math.log10(most));
  const text = (i) => (i < 3 ? `${10 ** i} ms` : `${10 ** (i - 3)} s`);
  return {part: (v) => Math.max(0, Math.log10(v)) / n, marks: Array.from({length: n + 1}, (_, i) => [10 ** i, text(i)])};
}

class Chart {
  constructor(what) {
    this.what = what;
    this.values = what.series.map(([style, name]) => {
      const value = make("b");
      return {value, element: make("span", {class: `key ${style}`}, `${name} `, value)};
    });
    this.when = make("span", {class: "when"});
    this.svg = draw("svg", {height: kHeight, role: "img", "aria-label": what.title});
    this.parts = {grid: draw("g", {class: "grid"}), curves: draw("g"), cursor: draw("line", {class: "cursor", y1: kTop, y2: kBase})};
    this.svg.append(...Object.values(this.parts));
    this.element = make("figure", {}, make("figcaption", {}, make("strong", {text: what.title}), this.when),
                        make("p", {class: "values"}, ...this.values.map((one) => one.element)), this.svg);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.read(null));
    this.at = null;
  }

  show(rows) {
    this.rows = rows;
    const room = this.svg.clientWidth || 300, {grid, curves} = this.parts;
    const all = this.what.series.flatMap(([, , of]) => rows.map(of)).filter((v) => v !== null);
    const most = Math.max(this.what.least, ...all);
    const scale = this.what.decades ? decades(most) : linear(nice(most), this.what.write);
    this.x = (i) => kLeft + i * (room - kLeft - 2) / (kPoints - 1);
    const y = (v) => kBase - scale.part(v) * (kBase - kTop);
    set(this.svg, {viewBox: `0 0 ${room} ${kHeight}`});
    grid.replaceChildren(
        ...scale.marks.flatMap(([v, text]) => [draw("line", {x1: kLeft, x2: room, y1: y(v), y2: y(v)}),
                                               draw("text", {x: kLeft - 6, y: y(v) + 4, class: "up", text})]),
        draw("text", {x: kLeft, y: kHeight - 2, text: "1 h ago"}),
        draw("text", {x: (room + kLeft) / 2, y: kHeight - 2, class: "middle", text: "30 min"}),
        draw("text", {x: room, y: kHeight - 2, class: "up", text: "now"}));
    curves.replaceChildren(...this.what.series.flatMap(([style, , of]) => this.curve(rows.map(of), y, style)));
    this.read(this.at);
  }

  // Where nothing is known, or nothing came, the curve has a gap.
  curve(values, y, style) {
    const runs = [];
    values.forEach((v, i) => {
      if (v === null) return;
      if (i === 0 || values[i - 1] === null) runs.push([]);
      runs.at(-1).push([this.x(i), y(v)]);
    });
    return runs.flatMap((run) => {
      const line = run.map(([px, py]) => `${px.toFixed(1)} ${py.toFixed(1)}`).join("L");
      const [first, last] = [run[0][0], run.at(-1)[0] + (run.length === 1 ? 1.5 : 0)];
      return [draw("path", {class: `area ${style}`, d: `M${first} ${kBase}L${line}L${last} ${kBase}Z`}),
              draw("path", {class: `curve ${style}`, d: `M${line}${run.length === 1 ? "h1.5" : ""}`})];
    });
  }

  point(event) {
    const box = this.svg.getBoundingClientRect();
    const i = Math.round((event.clientX - box.left - kLeft) / (box.width - kLeft - 2) * (kPoints - 1));
    this.read(Math.max(0, Math.min(kPoints - 1, i)));
  }

  // The values at a point, or the newest that there are.
  read(i) {
    if (!this.rows) return;
    this.at = i;
    const newest = this.rows.findLastIndex((r) => r.queued !== null);
    const row = this.rows[i ?? newest];
    this.what.series.forEach(([, , of], n) => {
      const value = row ? of(row) : null;
      set(this.values[n].value, {text: value === null ? "–" : this.what.write(value)});
    });
    set(this.when, {text: i === null || !row ? "" : `${new Date(row.at * 1000).toISOString().slice(11, 19)} UTC`});
    set(this.parts.cursor, {visibility: i === null ? "hidden" : "visible", x1: this.x(i ?? 0), x2: this.x(i ?? 0)});
  }
}

const kColumns = ["at_s", "per_second", "failed_per_second", "mean_ms", "p95_ms", "items_per_second", "queued", "in_flight"];

// What a process knew before it was restarted, or does not say because it has gone, this page remembers.
function remember(memory, history) {
  for (const p of history.processes) {
    const old = memory.get(p.name), first = p.at_s[0] ?? Infinity;
    const n = old ? old.at_s.findLastIndex((at) => at < first) + 1 : 0;
    const all = {name: p.name, role: p.role};
    for (const key of kColumns) all[key] = [...(old?.[key].slice(0, n) ?? []), ...p[key]].slice(-kPoints);
    memory.set(p.name, all);
  }
  return {step_ms: history.step_ms, processes: [...memory.values()]};
}

export class Curves {
  memory = new Map();
  constructor(parent) {
    this.charts = kCharts.map((what) => new Chart(what));
    parent.append(...this.charts.map((chart) => chart.element));
    new ResizeObserver(() => this.rows && this.draw()).observe(parent);
  }
  show(history, nowS) {
    this.rows = rowsOf(remember(this.memory, history), nowS);
    this.draw();
  }
  draw() {
    for (const chart of this.charts) chart.show(this.rows);
  }
}
