// The site as a drawing: SIP, fronts, mappers, workers, XMPP, and what flows between them. From left to right,
// or, where there is no room for that, from top to bottom.
import {Layer, count, draw, rate, set, span} from "./dom.js";

const kMaxPeers = 8;       // of the XMPP side; the others are one
const kOldMs = 5000;       // what waits so long is as red as can be
const kNarrow = 720;

const width = (perSecond) => 1.5 + Math.min(6, Math.log2(1 + perSecond) * 0.9);

export class Drawing {
  constructor(canvas) {
    this.canvas = canvas;
    this.svg = draw("svg", {role: "img", "aria-label": "the processes of the site and what flows between them"});
    const layers = ["lines", "flows", "nodes"].map((name) => draw("g", {class: name}));
    this.svg.append(...layers);
    [this.lines, this.flows, this.nodes] = layers.map((layer) => new Layer(layer));
    canvas.append(this.svg);
    this.streamsOf = new Map();  // worker: its streams when it answered last
    this.way = new Set();        // processes that a message passed
    new ResizeObserver(() => this.site && this.show(this.site)).observe(canvas);
  }

  // site: as /api/site, each link with its "rate"; of a process "rates": {out, in} of its links.
  show(site) {
    this.site = site;
    if (this.canvas.clientWidth === 0) return;  // the observer calls again
    const levels = this.levels(site);
    const places = this.arrange(levels);
    for (const line of this.connections(site, levels)) this.connect(places, line);
    for (const node of levels.flat()) this.node(node, places.get(node.key));
    for (const layer of [this.lines, this.flows, this.nodes]) layer.sweep();
  }

  levels(site) {
    const of = (role) => site.status.processes.filter((p) => p.role === role).map((p) => this.process(p));
    const proxy = site.gateway.outbound_proxy.replace(/^sips?:/, "").replace(/;.*/, "");
    const sip = [{key: "sip", name: "SIP", state: "outside", figures: proxy ? `by ${proxy}` : "users and proxies"}];
    return [sip, of("sip_front"), of("mapper"), of("xmpp_worker"), this.peers(site)];
  }

  process(p) {
    const figures = [];
    if (p.state === "ready" && p.messages) {
      figures.push(`${rate(p.messages.per_second)}/s in`, `${count(p.in_flight?.count ?? 0)} in flight`);
    } else if (p.state === "ready") {
      figures.push(`${rate(p.rates.out)} items/s`);
    } else {
      figures.push(p.state);
    }
    const trouble = p.state === "ready" && p.reason;
    return {key: `process ${p.name}`, process: p.name, name: p.name, state: trouble ? "troubled" : p.state,
            figures: figures.join(", "), title: p.reason};
  }

  // Who the workers speak to. Of a worker that is gone, those that it spoke to last.
  peers(site) {
    for (const p of site.status.processes) {
      if (p.role !== "xmpp_worker" || p.state === "unreachable") continue;
      this.streamsOf.set(p.name, site.streams.filter((s) => s.process === p.name));
    }
    const states = new Map(site.status.processes.map((p) => [p.name, p.state]));
    const peers = new Map();
    for (const [worker, streams] of this.streamsOf) {
      if (!states.has(worker)) continue;
      for (const s of streams) {
        const component = s.direction === "component";
        const name = component ? s.address : s.domain;
        const key = `peer ${name}`;
        const peer = peers.get(key) ?? {key, name, state: "down", workers: new Map(), figures: "", title: "", unacked: 0};
        const up = s.state === "up" && states.get(worker) !== "unreachable";
        if (up) peer.state = "ready";
        if (!up && s.reason && states.get(worker) !== "standby") peer.title = s.reason;
        peer.component = component;
        peer.unacked += s.unacked ?? 0;
        const old = peer.workers.get(worker);
        peer.workers.set(worker, {up: up || old?.up, idle: states.get(worker) === "standby",
                                  rate: (old?.rate ?? 0) + (s.rate ?? 0)});
        peers.set(key, peer);
      }
    }
    const all = [...peers.values()];
    for (const peer of all) {
      const words = [peer.state === "ready" ? (peer.component ? "XMPP server" : "up") : "no stream"];
      if (peer.unacked > 0) words.push(`${count(peer.unacked)} unacked`);
      peer.figures = words.join(", ");
      if (peer.state === "down") peer.state = "unreachable";
      peer.rate = [...peer.workers.values()].reduce((sum, w) => sum + w.rate, 0);
    }
    all.sort((a, b) => (a.state === "ready") - (b.state === "ready") || b.rate - a.rate || (a.name < b.name ? -1 : 1));
    if (all.length <= kMaxPeers) return all;
    const rest = all.slice(kMaxPeers - 1), workers = new Map(rest.flatMap((peer) => [...peer.workers]));
    const more = {key: "more", name: `${count(rest.length)} more domains`, state: "outside", figures: "", workers};
    return [...all.slice(0, kMaxPeers - 1), more];
  }

  connections(site, levels) {
    const out = [], [, fronts, mappers, workers, peers] = levels;
    const rates = new Map(site.status.processes.map((p) => [p.name, p.rates]));
    const gone = (node) => node.state === "unreachable";
    for (const front of fronts) {
      const of = rates.get(front.process);
      out.push({from: "sip", to: front.key, rate: of.out, lost: gone(front), side: -1});
      out.push({from: front.key, to: "sip", rate: of.in, lost: gone(front), side: 1});
    }
    const links = new Map(site.queues.links.map((l) => [`${l.from} ${l.to}`, l]));
    for (const edge of [...fronts, ...workers]) {
      for (const mapper of mappers) {
        for (const [a, b, side] of [[edge, mapper, -1], [mapper, edge, 1]]) {
          const link = links.get(`${a.process} ${b.process}`);
          const lost = !link || gone(a) || gone(b);
          out.push({from: a.key, to: b.key, rate: link?.rate ?? 0, age: link?.depth > 0 ? link.oldest_age_ms : 0, lost, side,
                    title: `${a.process} to ${b.process}: ` + (lost ? "no link" :
                        `${rate(link.rate ?? 0)} items/s, ${count(link.depth ?? 0)} waiting, oldest ${span(link.oldest_age_ms ?? 0)}`)});
        }
      }
    }
    for (const peer of peers) {
      for (const [worker, one] of peer.workers) {
        const of = rates.get(worker), key = `process ${worker}`;
        const component = peer.component && of;
        out.push({from: key, to: peer.key, rate: component ? of.in : one.rate, lost: !one.up && !one.idle, idle: one.idle, side: -1});
        if (component) out.push({from: peer.key, to: key, rate: of.out, lost: !one.up && !one.idle, idle: one.idle, side: 1});
      }
    }
    return out;
  }

  // {key: {x, y, w, h}}, and the size of the drawing.
  arrange(levels) {
    const room = this.canvas.clientWidth, places = new Map();
    const used = levels.filter((level) => level.length > 0);
    this.upright = room < kNarrow;
    const h = 46;
    let height = 0;
    if (this.upright) {
      const w = Math.min(190, (room - 20) / 2 - 2), step = h + 14;
      let y = 4;
      for (const level of used) {
        level.forEach((node, i) => {
          const row = Math.floor(i / 2), here = Math.min(2, level.length - row * 2);
          const x = room / 2 + ((i % 2) - (here - 1) / 2) * (w + 20) - w / 2;
          places.set(node.key, {x, y: y + row * step, w, h});
        });
        y += (Math.ceil(level.length / 2) - 1) * step + h + 44;
      }
      height = y - 40;
    } else {
      const w = Math.min(176, room / used.length - 56), step = h + 20;
      const rows = Math.max(...used.map((level) => level.length));
      height = rows * step - 20 + 8;
      used.forEach((level, column) => {
        const x = used.length === 1 ? 0 : column * (room - w) / (used.length - 1);
        const top = (height - (level.length * step - 20)) / 2;
        level.forEach((node, i) => places.set(node.key, {x, y: top + i * step, w, h}));
      });
    }
    set(this.svg, {width: room, height, viewBox: `0 0 ${room} ${height}`});
    return places;
  }

  connect(places, line) {
    const a = places.get(line.from), b = places.get(line.to);
    if (!a || !b) return;
    const off = line.side * 6, key = `${line.from} > ${line.to}`;
    let d;
    if (this.upright) {
      const down = b.y > a.y, x1 = a.x + a.w / 2 + off, x2 = b.x + b.w / 2 + off;
      const y1 = down ? a.y + a.h : a.y, y2 = down ? b.y : b.y + b.h, m = (y1 + y2) / 2;
      d = `M${x1} ${y1}C${x1} ${m} ${x2} ${m} ${x2} ${y2}`;
    } else {
      const right = b.x > a.x, y1 = a.y + a.h / 2 + off, y2 = b.y + b.h / 2 + off;
      const x1 = right ? a.x + a.w : a.x, x2 = right ? b.x : b.x + b.w, m = (x1 + x2) / 2;
      d = `M${x1} ${y1}C${m} ${y1} ${m} ${y2} ${x2} ${y2}`;
    }
    const age = Math.min(1, (line.age ?? 0) / kOldMs);
    const of = (key_) => key_.replace(/^process /, "");
    const passed = this.way.has(of(line.from)) && this.way.has(of(line.to));
    set(this.lines.put(key, "path", {d, class: ["line", line.lost && "lost", line.idle && "idle", passed && "passed"].filter(Boolean).join(" "),
                                     "data-link": `${of(line.from)} ${of(line.to)}`}),
        {style: {"stroke-width": `${width(line.rate).toFixed(1)}px`, "--age": `${Math.round(age * 100)}%`}});
    if (line.title) this.title(this.lines.elements.get(key), line.title);
    if (line.rate > 0 && !line.lost) {
      set(this.flows.put(key, "path", {d, class: line.side < 0 ? "flow to-xmpp" : "flow to-sip"}),
          {style: {"animation-duration": `${(2.4 / (1 + Math.log2(1 + line.rate))).toFixed(1)}s`}});
    }
  }

  node(node, place) {
    const box = this.nodes.put(node.key, "g", {class: "node", "data-state": node.state, "data-node": node.name,
                                               "data-passed": this.way.has(node.process) ? "" : null,
                                               transform: `translate(${place.x} ${place.y})`});
    if (!box.firstChild) {
      box.append(draw("rect", {rx: 6}), draw("circle", {cx: 14, cy: 17, r: 4}), draw("text", {class: "name", x: 25, y: 21}),
                 draw("text", {class: "figures", x: 14, y: 37}));
    }
    const [rect, circle, name, figures] = box.children;
    set(rect, {width: place.w, height: place.h});
    set(circle, {visibility: node.state === "outside" ? "hidden" : null});
    set(name, {x: node.state === "outside" ? 14 : 25});
    this.write(name, node.name, place.w - 34);
    this.write(figures, node.figures, place.w - 22);
    this.title(box, `${node.name}${node.title ? `: ${node.title}` : ""}`);
  }

  // As much of the text as there is room for.
  write(element, text, room) {
    if (element.full === text && element.room === room) return;
    [element.full, element.room] = [text, room];
    set(element, {text});
    for (let n = text.length; n > 1 && element.getComputedTextLength() > room; n -= 1)
      element.textContent = `${text.slice(0, n - 1)}…`;
  }

  title(element, text) {
    let title = element.querySelector(":scope > title");
    if (!title) element.append(title = draw("title"));
    set(title, {text});
  }
}
