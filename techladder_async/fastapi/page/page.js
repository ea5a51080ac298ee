"use strict";
// Values of the API reach the page through textContent, dataset, value and CSSOM alone: never as markup.
const $ = (id) => document.getElementById(id);
const STATUSES = ["pending", "active", "completed", "failed", "cancelled"];
const batches = new Map();      // schedule_id -> batch
const rows = new Map();         // schedule_id -> {row, fields, batch}
const chips = new Map();        // status, "" for all -> {label, input, count}
const filter = { status: "", agent: "" };
let total = null, source = null, retryTimer = 0, freshAt = 0;

// --- filters ---

function readAddress() {
  const query = new URLSearchParams(location.search);
  filter.status = query.get("status") || "";
  filter.agent = query.get("agent") || "";
}

function setFilter(changes) {
  Object.assign(filter, changes);
  const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value)).toString();
  history.replaceState(null, "", query ? "?" + query : location.pathname);
  render();
}

function chip(status) {
  if (chips.has(status)) return chips.get(status);
  const label = document.createElement("label"), input = document.createElement("input");
  const name = document.createElement("span"), count = document.createElement("b");
  label.className = "chip";
  input.type = "radio";
  input.name = "status";
  input.value = status;
  name.textContent = status ? status[0].toUpperCase() + status.slice(1) : "All";
  label.append(input, name, count);
  $("statuses").append(label);
  chips.set(status, { label, input, count });
  return chips.get(status);
}

function renderFilters() {
  const counts = new Map(), agents = new Map();
  let all = 0;
  for (const batch of batches.values()) {
    agents.set(batch.agent_id, batch.agent_name);
    if (filter.agent && batch.agent_id !== filter.agent) continue;
    counts.set(batch.status, (counts.get(batch.status) || 0) + 1);
    all += 1;
  }
  for (const status of ["", ...STATUSES, filter.status, ...counts.keys()]) {
    const { input, count } = chip(status);
    setText(count, total === null ? "" : number(status ? counts.get(status) || 0 : all));
    input.checked = status === filter.status;
  }
  renderAgents(agents);
}

function renderAgents(agents) {
  if (filter.agent && !agents.has(filter.agent)) agents.set(filter.agent, filter.agent);
  const sorted = [["", "All agents"], ...[...agents].sort((a, b) => a[1].localeCompare(b[1]) || (a[0] < b[0] ? -1 : 1))];
  const key = JSON.stringify(sorted), select = $("agent");
  if (select.dataset.key !== key) {   // an open list is not disturbed without need
    select.dataset.key = key;
    select.replaceChildren(...sorted.map(([value, text]) => new Option(text, value)));
  }
  select.value = filter.agent;
}

// --- the table ---

const matches = (batch) =>
  (!filter.status || batch.status === filter.status) && (!filter.agent || batch.agent_id === filter.agent);

function render() {
  renderFilters();
  const shown = [...batches.values()].filter(matches).sort(newestFirst);
  const body = $("batches").tBodies[0];
  let next = body.firstElementChild;
  for (const batch of shown) {
    const row = rowOf(batch);
    if (row === next) next = next.nextElementSibling;
    else body.insertBefore(row, next);
  }
  while (next) {
    const gone = next;
    next = next.nextElementSibling;
    gone.remove();
  }
  renderSummary(shown.length);
}

function newestFirst(a, b) {
  return a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : a.schedule_id < b.schedule_id ? -1 : 1;
}

function renderSummary(shown) {
  const filtered = Boolean(filter.status || filter.agent), known = total !== null;
  $("batches").hidden = !shown;
  $("empty").hidden = !known || shown > 0;
  $("clear").hidden = !filtered;
  setText($("empty-text"), filtered ? "No batch matches the filters." : "There are no call batches yet.");
  setText($("summary"), known ? summary(shown, filtered) : "");
}

function summary(shown, filtered) {
  if (!shown) return "";
  const all = total > batches.size ? `the first ${number(batches.size)} of ${number(total)}` : number(batches.size);
  if (filtered) return `${number(shown)} among ${all} batches`;
  return total > batches.size ? `T${all.slice(1)} batches` : `${all} ${shown === 1 ? "batch" : "batches"}`;
}

function rowOf(batch) {
  let entry = rows.get(batch.schedule_id);
  if (!entry) {
    const row = $("row").content.firstElementChild.cloneNode(true);
    const fields = {};
    for (const element of row.querySelectorAll("[data-field]")) fields[element.dataset.field] = element;
    rows.set(batch.schedule_id, entry = { row, fields, batch: null });
    row.addEventListener("animationend", () => row.classList.remove("news"));
  }
  if (entry.batch !== batch) {
    if (entry.batch) entry.row.classList.add("news");
    entry.batch = batch;
    fill(entry.row, entry.fields, batch);
  }
  return entry.row;
}

function fill(row, fields, batch) {
  const size = batch.total_contacts, done = batch.completed_contacts, failed = batch.failed_contacts;
  const ended = ["completed", "failed", "cancelled"].includes(batch.status);
  const share = (count) => (size > 0 ? Math.min(100, Math.max(0, (100 * count) / size)) : 0);
  const percent = size > 0 ? Math.floor(share(done + failed)) : ended ? 100 : 0;
  row.dataset.status = batch.status;
  for (const name of ["schedule_id", "agent_name", "agent_id", "status"]) setText(fields[name], batch[name]);
  setText(fields.percent, percent + "%");
  setText(fields.counts, `${number(done + failed)} of ${number(size)}`);
  setText(fields.failures, failed ? `${number(failed)} failed` : "");
  fields.schedule_id.title = `Prompt version ${batch.version_id}, ${batch.start_mode}`;
  const bar = row.querySelector(".bar");
  bar.setAttribute("aria-valuenow", String(percent));
  bar.setAttribute("aria-valuetext", `${percent}%, ${number(done)} completed, ${number(failed)} failed, of ${number(size)}`);
  bar.setAttribute("aria-label", `Progress of ${batch.schedule_id}`);
  bar.querySelector(".done").style.width = share(done) + "%";
  bar.querySelector(".bad").style.width = share(failed) + "%";
  setTime(fields.scheduled_at, batch.scheduled_at);
  setTime(fields.created_at, batch.created_at);
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const number = new Intl.NumberFormat().format;
const moment = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const precise = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

function setTime(element, iso) {
  const date = iso ? new Date(iso) : null;
  if (!date || isNaN(date)) {
    element.removeAttribute("datetime");
    return setText(element, "–");
  }
  element.dateTime = iso;
  element.title = precise.format(date);
  setText(element, moment.format(date));
}

// --- news ---

function take(news) {
  for (const id of news.removed) forget(id);
  for (const batch of news.changed) batches.set(batch.schedule_id, batch);
  total = news.total;
  freshAt = Date.now();
  $("problem").hidden = true;
  setLive("live");
  render();
}

function forget(id) {
  batches.delete(id);
  rows.delete(id);
}

function takeSnapshot(news) {
  const kept = new Set(news.changed.map((batch) => batch.schedule_id));
  for (const id of [...batches.keys()]) if (!kept.has(id)) forget(id);
  // What is as it was stays the same object, so that a reconnection does not flash every row.
  news.changed = news.changed.filter((batch) => JSON.stringify(batches.get(batch.schedule_id)) !== JSON.stringify(batch));
  take(news);
}

function showProblem(text) {
  setText($("problem-text"), text);
  $("problem").hidden = false;
  setLive("trouble");
}

function setLive(state) {
  $("live").dataset.state = state;
  tick();
}

function tick() {
  const state = $("live").dataset.state, seconds = Math.round((Date.now() - freshAt) / 1000);
  const age = seconds < 60 ? "less than a minute ago" : `${number(Math.floor(seconds / 60))} min ago`;
  const text = state === "live" ? "Live" : state === "connecting" ? "Connecting…" : "Not up to date";
  setText($("live-text"), freshAt && state !== "live" ? `${text} · last update ${age}` : text);
}

function connect() {
  disconnect();
  source = new EventSource(location.pathname.replace(/\/$/, "") + "/events");
  source.addEventListener("snapshot", (event) => takeSnapshot(JSON.parse(event.data)));
  source.addEventListener("changes", (event) => take(JSON.parse(event.data)));
  source.addEventListener("problem", (event) => showProblem(JSON.parse(event.data).detail + ". Trying again…"));
  source.addEventListener("error", () => {
    showProblem("The connection is lost. Reconnecting…");
    // A browser gives up by itself when the answer is an error, as from a proxy while the app restarts.
    if (source.readyState === EventSource.CLOSED) retryTimer = setTimeout(connect, 3000);
  });
}

function disconnect() {
  clearTimeout(retryTimer);
  if (source) source.close();
  source = null;
}

// Nobody looks at a hidden page: the app need not list for it.
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
addEventListener("pagehide", disconnect);
addEventListener("pageshow", (event) => event.persisted && connect());
addEventListener("popstate", () => { readAddress(); render(); });
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("statuses").addEventListener("change", (event) => setFilter({ status: event.target.value }));
$("agent").addEventListener("change", (event) => setFilter({ agent: event.target.value }));
$("clear").addEventListener("click", () => { setFilter({ status: "", agent: "" }); chips.get("").input.focus(); });
$("retry").addEventListener("click", () => { setLive("connecting"); connect(); });
setInterval(tick, 10000);
readAddress();
render();
if (!document.hidden) connect();
