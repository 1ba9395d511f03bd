// The tables below the drawing.
import {byId, clock, count, endings, failures, fill, make, rate, set, span} from "./dom.js";

const table = (id) => byId(id).querySelector("table");
const none = (id, text) => set(byId(id).querySelector(".none"), {text});

// A button that asks once more before it does something.
export function button(word, act) {
  const element = make("button", {type: "button", class: "act", text: word});
  let sure = 0;
  element.addEventListener("click", async (event) => {
    event.stopPropagation();
    if (!sure) {
      sure = setTimeout(() => { sure = 0; set(element, {text: element.word ?? word, "data-sure": null}); }, 4000);
      return set(element, {text: "Sure?", "data-sure": ""});
    }
    clearTimeout(sure);
    sure = 0;
    set(element, {disabled: "", text: "…", "data-sure": null});
    const wrong = await act();
    set(element, {disabled: null, text: wrong ? "Failed" : element.word ?? word, title: wrong || null});
  });
  element.rename = (name) => {
    element.word = name;
    if (!sure && !element.disabled) set(element, {text: name});
  };
  return element;
}

export function showProcesses(site, act) {
  const columns = [
    {head: "Name", cell: (p) => p.name},
    {head: "Role", cell: (p) => p.role.replace("_", " ")},
    {head: "State", cell: (p) => p.state, mark: (p) => (p.state === "ready" && p.reason ? "troubled" : p.state)},
    {head: "Messages/s", number: true, cell: (p) => rate(p.messages?.per_second)},
    {head: "Delivered", number: true, cell: (p) => (p.messages ? count(p.messages.delivered + p.messages.passed_on) : "")},
    {head: "Not delivered", number: true, cell: (p) => (p.messages ? count(p.messages.refused + p.messages.refused_here + p.messages.given_up) : "")},
    {head: "In flight", number: true, cell: (p) => (p.in_flight ? `${count(p.in_flight.count)} of ${count(p.in_flight.limit)}` : "")},
    {head: "Up", number: true, cell: (p) => span(p.uptime_ms)},
  ];
  if (site.gateway.may_act) {
    columns.push({
      head: "", node: (p) => button("Drain", () => act(p.now.state === "draining" ? "resume" : "drain", {name: p.name})),
      update: (element, p) => {
        p.now.state = p.state;
        element.rename(p.state === "draining" ? "Resume" : "Drain");
        set(element, {hidden: p.state === "unreachable" ? "" : null});
      },
    });
  }
  // What a button does depends on the state when it is pressed, not when it was made.
  const rows = site.status.processes.map((p) => ({...p, now: nowOf(p.name)}));
  fill(table("processes"), columns, rows, (p) => p.name);
}

const states = new Map();
function nowOf(name) {
  if (!states.has(name)) states.set(name, {state: ""});
  return states.get(name);
}

export function showLinks(site) {
  fill(table("links"), [
    {head: "From", cell: (l) => l.from},
    {head: "To", cell: (l) => l.to},
    {head: "Items/s", number: true, cell: (l) => rate(l.rate)},
    {head: "Sent", number: true, cell: (l) => count(l.sent)},
    {head: "Waiting", number: true, cell: (l) => count(l.depth), mark: (l) => (l.depth > 0 && l.oldest_age_ms > 1000 ? "bad" : null)},
    {head: "Oldest", number: true, cell: (l) => (l.depth > 0 ? span(l.oldest_age_ms) : "")},
    {head: "Resent", number: true, cell: (l) => count(l.resent)},
    {head: "Dropped", number: true, cell: (l) => count(l.dropped), mark: (l) => (l.dropped > 0 ? "bad" : null)},
  ], site.queues.links, (l) => `${l.from} ${l.to}`);
}

export function showStreams(site, act) {
  const columns = [
    {head: "Worker", cell: (s) => s.process},
    {head: "Ours", cell: (s) => s.own_domain},
    {head: "Theirs", wide: true, cell: (s) => (s.domain === "*" ? s.address : s.domain)},
    {head: "Direction", cell: (s) => s.direction + (s.bidi ? ", bidi" : "")},
    {head: "State", cell: (s) => (s.waits ? "standby" : s.state), mark: (s) => (s.waits ? "standby" : s.state === "up" ? "ready" : "troubled")},
    {head: "TLS", cell: (s) => s.tls},
    {head: "Unacked", number: true, cell: (s) => (s.stream_management ? count(s.unacked) : "")},
    {head: "In", number: true, cell: (s) => count(s.stanzas_in)},
    {head: "Out", number: true, cell: (s) => count(s.stanzas_out)},
    {head: "Idle", number: true, cell: (s) => span(s.idle_ms)},
    {head: "Why not up", wide: true, cell: (s) => s.reason + (s.retry_ms ? ` (again in ${span(s.retry_ms)})` : "")},
  ];
  if (site.gateway.may_act) {
    columns.push({head: "", node: (s) => button("Reconnect",
        () => act("reconnect", {name: s.direction === "component" ? s.process : s.domain}))});
  }
  const standby = new Set(site.status.processes.filter((p) => p.state === "standby").map((p) => p.name));
  const rows = site.streams.slice(0, 200).map((s) => ({...s, waits: s.state !== "up" && standby.has(s.process)}));
  fill(table("streams"), columns, rows, (s) => `${s.process} ${s.own_domain} ${s.domain} ${s.direction} ${s.address}`);
  none("streams", site.streams.length > 200 ? `and ${count(site.streams.length - 200)} more: stoxctl streams`
       : rows.length ? "" : "There are no XMPP streams.");
}

export function showMessages(messages, choose, empty) {
  const rows = [...messages].reverse();
  fill(table("messages"), [
    {head: "Time, UTC", cell: (m) => clock(m.came_us)},
    {head: "From", wide: true, cell: (m) => m.from},
    {head: "To", wide: true, cell: (m) => m.to},
    {head: "Ended", cell: (m) => endings[m.ending] ?? m.ending,
     mark: (m) => (failures.has(m.ending) ? "bad" : m.ending ? "ready" : "starting")},
    {head: "After", number: true, cell: (m) => (m.ended_us ? span((m.ended_us - m.came_us) / 1000) : "")},
    {head: "What happened", wide: true, cell: (m) => m.outcome},
    {head: "", node: (m) => {
      const show = make("button", {type: "button", class: "show", text: "Way", "data-trace": m.trace});
      show.addEventListener("click", () => choose(m.trace));
      return show;
    }},
  ], rows, (m) => `${m.process} ${m.trace} ${m.envelope} ${m.came_us}`);
  none("messages", rows.length ? "" : empty);
}

export function showInflight(rows) {
  fill(table("inflight"), [
    {head: "Process", cell: (r) => r.process},
    {head: "From", wide: true, cell: (r) => r.from},
    {head: "To", wide: true, cell: (r) => r.to},
    {head: "Stage", cell: (r) => r.stage},
    {head: "Tries", number: true, cell: (r) => count(r.attempts)},
    {head: "Age", number: true, cell: (r) => span(r.age_ms), mark: (r) => (r.age_ms > 5000 ? "bad" : null)},
  ], rows.slice(0, 50), (r) => `${r.process} ${r.id}`);
  none("inflight", rows.length === 0 ? "Nothing is in flight." : rows.length > 50 ? `and ${count(rows.length - 50)} more` : "");
}

export function showFailed(rows, mayAct, act, choose) {
  const columns = [
    {head: "Age", number: true, cell: (r) => span(r.age_ms)},
    {head: "Conversation", wide: true, cell: (r) => r.conversation},
    {head: "What happened", wide: true, cell: (r) => r.text || r.reason},
    {head: "", node: (r) => {
      const show = make("button", {type: "button", class: "show", text: "Way"});
      show.addEventListener("click", () => choose(r.trace));
      return show;
    }},
  ];
  if (mayAct) {
    columns.push({head: "", node: (r) => button("Retry", () => act("retry", {id: r.id})), update: (element, r) => {
      element.rename(r.retried_us ? "Sent again" : "Retry");
      set(element, {hidden: r.retry ? null : "", title: r.doubt ? "it may arrive twice" : null});
    }});
  }
  fill(table("failed"), columns, [...rows].reverse().slice(0, 50), (r) => `${r.process} ${r.id}`);
  none("failed", rows.length === 0 ? "Nothing was given up." : rows.length > 50 ? `and ${count(rows.length - 50)} older: stoxctl failed` : "");
}

// What each process took of the configuration, as `stoxctl reload` says it.
export function showReloaded(done) {
  const rows = done.processes.flatMap((p) => {
    if (p.error) return [{process: p.process, key: "", what: `not taken, goes on as before: ${p.error}`, mark: "bad"}];
    const of = (keys, what, mark) => keys.map((key) => ({process: p.process, key, what, mark}));
    const all = [...of(p.taken, "taken", "ready"), ...of(p.waiting, "waits for a restart", "troubled")];
    return all.length ? all : [{process: p.process, key: "", what: "nothing has changed; certificates were read", mark: null}];
  });
  byId("reloaded").querySelector("tbody")?.replaceChildren();
  byId("reloaded").querySelector("table").rowOf?.clear();
  fill(table("reloaded"), [
    {head: "Process", cell: (r) => r.process},
    {head: "Key", wide: true, cell: (r) => r.key},
    {head: "What became of it", wide: true, cell: (r) => r.what, mark: (r) => r.mark},
  ], rows, (r) => `${r.process} ${r.key}`);
  none("reloaded", done.complaints.join("; ") || (rows.some((r) => r.mark === "troubled") ? "stoxctl rolling-restart brings what waits." : ""));
  set(byId("reloaded"), {hidden: null});
  byId("reloaded").scrollIntoView({block: "nearest"});
}
