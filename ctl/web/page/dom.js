// Elements and how values are written. Addresses and reasons are what strangers wrote: they become text nodes
// and attributes' values, never markup.

const kSvg = "http://www.w3.org/2000/svg";

export function set(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (name === "text") {
      if (element.textContent !== value) element.textContent = value;
    } else if (name === "style") {
      for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    } else if (value === null || value === undefined || value === false) {
      element.removeAttribute(name);
    } else if (element.getAttribute(name) !== String(value)) {
      element.setAttribute(name, value);
    }
  }
  return element;
}

export function make(tag, properties = {}, ...children) {
  const element = set(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function draw(tag, properties = {}, ...children) {
  const element = set(document.createElementNS(kSvg, tag), properties);
  element.append(...children);
  return element;
}

// Elements of a drawing that is made again and again: one key keeps its element, so that what moves goes on
// moving.
export class Layer {
  constructor(parent) {
    this.parent = parent;
    this.elements = new Map();
    this.used = new Set();
  }
  put(key, tag, properties) {
    let element = this.elements.get(key);
    if (!element) {
      element = draw(tag);
      this.elements.set(key, element);
      this.parent.append(element);
    }
    this.used.add(key);
    return set(element, properties);
  }
  sweep() {
    for (const [key, element] of this.elements) {
      if (this.used.has(key)) continue;
      element.remove();
      this.elements.delete(key);
    }
    this.used.clear();
  }
}

export const byId = (id) => document.getElementById(id);

const kUnits = [[86400, "d"], [3600, "h"], [60, "m"]];

// 4.2 ms, 3.1 s, 3m 12s, 5h 2m: as stoxctl writes it.
export function span(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 1000) return `${ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s.toFixed(1)} s`;
  const [size, unit] = kUnits.find(([one]) => s >= one);
  const whole = Math.floor(s / size), next = {d: [3600, "h"], h: [60, "m"], m: [1, "s"]}[unit];
  return `${whole}${unit} ${Math.floor((s - whole * size) / next[0])}${next[1]}`;
}

export const count = (n) => (n === null || n === undefined ? "" : Math.round(n).toLocaleString("en-US"));

export function rate(n) {
  if (n === null || n === undefined) return "";
  return n >= 100 ? count(n) : n === 0 ? "0" : n < 0.1 ? n.toFixed(2) : n.toFixed(1);
}

export const clock = (us) => new Date(us / 1000).toISOString().slice(11, 19);

export const endings = {
  "": "under way", delivered: "delivered", passed_on: "passed on", refused: "refused", refused_here: "refused here",
  given_up: "given up",
};
export const failures = new Set(["refused", "refused_here", "given_up"]);

// The table keeps its rows by their keys. columns: [{head, cell: row => text, node: row => element, number, wide}];
// a column with `node` makes its element once for each row, and `update` is called with it and the row.
export function fill(table, columns, rows, keyOf) {
  if (!table.tHead) {
    const heads = columns.map((c) => make("th", {text: c.head, scope: "col", class: c.number ? "number" : null}));
    table.append(make("thead", {}, make("tr", {}, ...heads)), make("tbody"));
    table.rowOf = new Map();
  }
  const body = table.tBodies[0], seen = new Set();
  rows.forEach((row, at) => {
    const key = keyOf(row);
    if (seen.has(key)) return;
    seen.add(key);
    let line = table.rowOf.get(key);
    if (!line) {
      line = make("tr", {}, ...columns.map((c) => make("td", {
        "data-label": c.head, class: [c.number && "number", c.wide && "wide"].filter(Boolean).join(" ") || null,
      })));
      table.rowOf.set(key, line);
    }
    columns.forEach((c, i) => {
      const cell = line.cells[i];
      if (c.node) {
        if (!cell.firstChild) cell.append(c.node(row));
        if (c.update) c.update(cell.firstChild, row);
      } else {
        set(cell, {text: c.cell(row)});
      }
      if (c.mark) set(cell, {"data-mark": c.mark(row)});
    });
    if (body.rows[at] !== line) body.insertBefore(line, body.rows[at] || null);
  });
  for (const [key, line] of table.rowOf) {
    if (seen.has(key)) continue;
    line.remove();
    table.rowOf.delete(key);
  }
  // A column in which nothing stands is not shown.
  columns.forEach((c, i) => {
    const empty = !c.node && [...body.rows].every((line) => line.cells[i].textContent === "");
    for (const cell of [table.tHead.rows[0], ...body.rows].map((line) => line.cells[i])) set(cell, {hidden: empty ? "" : null});
  });
  set(table, {hidden: rows.length === 0 ? "" : null});
}
