// Asks again and again, and shows what came.
import {Curves} from "./curves.js";
import {byId, count, make, set, span} from "./dom.js";
import {Drawing} from "./drawing.js";
import {button, showFailed, showInflight, showLinks, showMessages, showProcesses, showReloaded, showStreams} from "./tables.js";
import {wayOf} from "./way.js";

// The token leaves the address. This tab keeps it: other pages of this machine, which cookies are told to, cannot see it.
const given = new URLSearchParams(location.search).get("token");
if (given) sessionStorage.setItem("token", given);
if (location.search) history.replaceState(null, "", location.pathname + location.hash);

const drawing = new Drawing(document.querySelector("#site .canvas"));
const curves = new Curves(document.querySelector("#curves .charts"));
const filter = {user: "", failed: false};
let before = null;  // the site as it was the last time
let mayAct = null;  // until the site has said so

class Refused extends Error {}

async function ask(path, what = {}) {
  const headers = {"X-Stox-Token": sessionStorage.getItem("token") ?? "", ...what.headers};
  const answer = await fetch(`/api/${path}`, {cache: "no-store", signal: AbortSignal.timeout(15000), ...what, headers});
  if (answer.status === 403) throw new Refused((await answer.text()).trim());
  return answer.json();
}

// What went wrong; nothing if it was done. `show` is called with the answer, be it of trouble.
async function act(what, value, show = () => {}) {
  try {
    const done = await ask(what, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(value)});
    show(done);
    await showSite();
    return done.complaints.join("; ");
  } catch (failure) {
    return String(failure.message);
  }
}

// How much more a counter says than before, a second; null while that is not known.
function rateOf(now, then, seconds) {
  if (typeof now !== "number" || typeof then !== "number" || seconds <= 0) return null;
  return Math.max(0, now < then ? now : now - then) / seconds;
}

function addRates(site) {
  const seconds = before ? (site.gateway.time_us - before.gateway.time_us) / 1e6 : 0;
  const linkOf = (l) => `${l.from} ${l.to}`;
  const streamOf = (s) => `${s.process} ${s.own_domain} ${s.domain} ${s.direction} ${s.address}`;
  const links = new Map((before?.queues.links ?? []).map((l) => [linkOf(l), l]));
  const streams = new Map((before?.streams ?? []).map((s) => [streamOf(s), s]));
  const both = (s) => (typeof s?.stanzas_in === "number" ? s.stanzas_in + s.stanzas_out : null);
  for (const link of site.queues.links) link.rate = rateOf(link.sent, links.get(linkOf(link))?.sent, seconds);
  for (const stream of site.streams) stream.rate = rateOf(both(stream), both(streams.get(streamOf(stream))), seconds) ?? 0;
  for (const p of site.status.processes) {
    const sum = (end) => site.queues.links.filter((l) => l[end] === p.name).reduce((n, l) => n + (l.rate ?? 0), 0);
    p.rates = {out: sum("from"), in: sum("to")};
  }
  before = site;
}

const isWell = (p) => (p.state === "ready" && !p.reason) || p.state === "standby";

function showVerdict(processes) {
  const bad = processes.filter((p) => !isWell(p));
  const words = bad.length === 0 ? `All ${processes.length} processes are well`
      : bad.length === 1 ? `${bad[0].name} is ${bad[0].state}` : `${bad.length} of ${processes.length} processes need attention`;
  const worst = bad.some((p) => p.state === "unreachable") ? "bad" : bad.length ? "warn" : "good";
  set(byId("verdict"), {text: words, "data-mood": worst});
  document.title = bad.length ? `(${bad.length}) stox` : "stox";
}

function showTroubles(processes) {
  const troubles = [];
  for (const p of processes) {
    const since = p.state_ms === undefined ? "" : `, for ${span(p.state_ms)}`;
    if (!isWell(p)) troubles.push([p.state === "unreachable" ? "bad" : "warn", `${p.name} is ${p.state}${since}`, p.reason]);
    for (const peer of (p.peers ?? []).filter((one) => "why" in one))
      troubles.push(["warn", `${p.name}: ${peer.state} ${peer.name}`, peer.why]);
    for (const gone of p.gone ?? []) troubles.push(["warn", `${p.name} misses ${gone.name}`, `gone for ${span(gone.since_ms)}`]);
    if (p.restart_pending?.length) troubles.push(["warn", `${p.name}: a restart brings`, p.restart_pending.join(", ")]);
    if (p.journal?.trouble) troubles.push(["bad", `${p.name}: journal`, p.journal.trouble]);
  }
  const warnings = new Map();
  for (const p of processes) for (const w of p.warnings ?? []) warnings.set(w, [...(warnings.get(w) ?? []), p.name]);
  for (const [text, names] of warnings) troubles.push(["warn", names.join(", "), text]);
  set(byId("troubles"), {hidden: troubles.length ? null : ""});
  troubles.sort(([a], [b]) => (a === "warn") - (b === "warn"));
  byId("troubles").querySelector("ul").replaceChildren(...troubles.slice(0, 20).map(([mood, what, why]) =>
      make("li", {"data-mood": mood}, make("b", {text: what}), why ? ": " : "", make("span", {text: why}))));
}

async function showSite() {
  const site = await ask("site");
  addRates(site);
  if (site.gateway.may_act && !mayAct) addActions();
  mayAct = site.gateway.may_act;
  set(byId("domains"), {text: `${site.gateway.gateway_domain} ⇄ ${site.gateway.xmpp_domain}`});
  set(byId("mode"), {text: mayAct ? "What you press here is done." : "Read only. stoxctl web --allow-actions lets this page drain, retry, reconnect, reload and forget what failed."});
  showVerdict(site.status.processes);
  showTroubles(site.status.processes);
  drawing.show(site);
  showProcesses(site, act);
  showLinks(site);
  showStreams(site, act);
}

function addActions() {
  byId("processes").querySelector(".actions").append(button("Reload configuration", () => act("reload", {}, showReloaded)));
  byId("failed").querySelector(".actions").append(button("Forget all", async () => {
    const wrong = await act("purge", {});
    await showQueues();
    return wrong;
  }));
}

const showHistory = async () => curves.show(await ask("history"), Date.now() / 1000);

async function listMessages() {
  const query = new URLSearchParams({last: filter.user ? "50" : "12", user: filter.user, failed: filter.failed ? "1" : ""});
  const found = await ask(`messages?${query}`);
  const whose = filter.user ? ` of “${filter.user}”` : "";
  showMessages(found.messages, find, `No ${filter.failed ? "undelivered " : ""}message${whose} is remembered.`);
}

async function showQueues() {
  if (mayAct === null) return;  // a table keeps the columns that it begins with
  const [inflight, failed] = await Promise.all([ask("inflight"), ask("failed")]);
  showInflight(inflight.in_flight);
  showFailed(failed.failed, mayAct, act, find);
}

function filterBy(change) {
  Object.assign(filter, change);
  set(byId("all-messages"), {"aria-pressed": String(!filter.failed)});
  set(byId("failed-messages"), {"aria-pressed": String(filter.failed)});
  set(byId("no-filter"), {hidden: filter.user ? null : "", text: `of ${filter.user} ×`});
  return listMessages();
}

// By an id: its way. Else the messages of whoever has this in his address.
async function find(text) {
  const query = text.trim();
  set(byId("found"), {hidden: query ? null : ""});
  drawing.way = new Set();
  history.replaceState(null, "", query ? `#${encodeURIComponent(query)}` : location.pathname);
  if (!query) return filterBy({user: ""});
  const trace = await ask(`trace?${new URLSearchParams({id: query})}`);
  const ways = wayOf(trace);
  drawing.way = new Set(trace.hops.map((hop) => hop.process));
  if (ways.length) {
    byId("way").replaceChildren(...ways.slice(0, 5));
  } else {
    await filterBy({user: query});
    const any = byId("messages").querySelector("tbody")?.rows.length > 0;
    byId("way").replaceChildren(make("p", {class: "none", text: any ? `The last messages of “${query}” are below; each has its way.`
        : `Nothing is known of “${query}”. Each process remembers its last ${count(10000)} messages since its start.`}));
    if (any) byId("messages").scrollIntoView({block: "start"});
  }
  if (ways.length) byId("found").scrollIntoView({block: "nearest"});
  if (before) drawing.show(before);
}

byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  guarded(() => find(byId("query").value));
});
byId("close-found").addEventListener("click", () => guarded(() => find("")));
byId("close-reloaded").addEventListener("click", () => set(byId("reloaded"), {hidden: ""}));
byId("all-messages").addEventListener("click", () => guarded(() => filterBy({failed: false})));
byId("failed-messages").addEventListener("click", () => guarded(() => filterBy({failed: true})));
byId("no-filter").addEventListener("click", () => guarded(() => filterBy({user: ""})));

// What cannot be asked is said where everybody looks.
async function guarded(what) {
  try {
    await what();
    set(document.body, {"data-lost": null});
    return true;
  } catch (failure) {
    const gone = failure instanceof TypeError || failure instanceof DOMException;
    const why = failure instanceof Refused ? failure.message : gone ? "stoxctl web does not answer: was it ended?" : String(failure);
    set(byId("verdict"), {text: why, "data-mood": "bad"});
    set(document.body, {"data-lost": ""});
    return false;
  }
}

async function again(everyMs, what) {
  for (;;) {
    if (!document.hidden && (await guarded(what)) && what === showSite)
      set(byId("fresh"), {text: `As of ${new Date().toISOString().slice(11, 19)} UTC`});
    await new Promise((done) => setTimeout(done, everyMs));
  }
}

again(2000, showSite);
again(10000, showHistory);
again(3000, listMessages);
again(3000, showQueues);
if (location.hash.length > 1) guarded(() => find(decodeURIComponent(location.hash.slice(1))));
