// The way of a message, hop by hop, as /api/trace tells it.
import {clock, make, span} from "./dom.js";

const millis = (us) => `${clock(us)}.${String(Math.floor(us / 1000) % 1000).padStart(3, "0")}`;

// How a hop went: what a process says of a failure begins with a status or says that something was refused.
function mood(hop) {
  const text = `${hop.outcome} ${hop.decision}`;
  if (/^[3-6]\d\d|error|refus|failed|given up|not delivered/i.test(text)) return "bad";
  return hop.outcome ? "good" : "open";
}

function hopItem(hop) {
  const head = make("p", {class: "hop-head"}, make("b", {text: hop.process}), make("time", {text: millis(hop.came_us)}));
  const item = make("li", {"data-mood": mood(hop), "data-hop": hop.process}, head, make("p", {class: "decision", text: hop.decision}));
  if (hop.wait_ms > 0) item.prepend(make("span", {class: "wait", text: `${span(hop.wait_ms)} later`}));
  if (hop.outcome || hop.took_ms !== null) {
    const after = hop.took_ms === null ? "" : `after ${span(hop.took_ms)}`;
    item.append(make("p", {class: "outcome"}, make("span", {text: hop.outcome}), make("small", {text: ` ${after}`})));
  }
  return item;
}

// One list for each trace that the id names; nothing if no process knows it.
export function wayOf(trace) {
  const traces = new Map();
  for (const hop of trace.hops) traces.set(hop.trace, [...(traces.get(hop.trace) ?? []), hop]);
  return [...traces].map(([id, hops]) => make("article", {class: "way"},
      make("p", {class: "route"}, make("span", {text: hops[0].from}), make("span", {class: "arrow", text: "→"}),
           make("span", {text: hops[0].to})),
      make("p", {class: "ids"}, `trace ${id}`, ...(hops[0].message_id ? [make("span", {text: hops[0].message_id})] : [])),
      make("ol", {}, ...hops.map(hopItem))));
}
