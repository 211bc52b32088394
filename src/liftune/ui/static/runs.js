// The runs: the list of all, and the one that is looked at while it runs.

import {$, announce, count, duration, faultLines, make, post, request, sentence, several, showError} from "./dom.js";
import {showResult} from "./result.js";

const STATES = {queued: "waiting", running: "running", stopping: "stopping", stopped: "stopped", failed: "failed", done: "done"};
export const open = (job) => ["queued", "running", "stopping"].includes(job.state) || (job.bundle && ["queued", "running", "stopping"].includes(job.bundle.state));
let listed = "", shown = null;

export function showList(jobs, current) {
  const said = JSON.stringify([jobs.map((each) => [each.id, each.state, each.bundle && each.bundle.state]), current]);
  $("no-jobs").hidden = Boolean(jobs.length);
  if (said === listed) return;
  listed = said;
  const focused = document.activeElement && document.activeElement.dataset.job;
  $("jobs").replaceChildren(...jobs.map((each) => {
    const item = make("li"), link = make("a"), making = each.bundle && ["queued", "running"].includes(each.bundle.state);
    link.href = `#${each.id}`;
    link.dataset.job = each.id;
    if (each.id === current) link.setAttribute("aria-current", "page");
    const state = make("span", making ? "making a bundle" : STATES[each.state], each.state);
    link.append(make("b", each.title), state, make("span", ` · ${each.method} · ${each.id}`));
    item.append(link);
    return item;
  }));
  if (focused) $("jobs").querySelector(`[data-job="${focused}"]`)?.focus();
}

export async function showJob(id, fresh) {
  const job = await request(`/api/jobs/${id}`);
  if (fresh) { shown = null; $("answers").replaceChildren(); $("texts").value = ""; $("try-note").textContent = ""; }
  const said = JSON.stringify(job);
  if (said === shown) return job;
  const before = shown ? JSON.parse(shown) : null;
  shown = said;
  $("job-title").textContent = job.title;
  $("job-state").textContent = STATES[job.state];
  $("job-state").className = `state ${job.state}`;
  $("job-facts").textContent = `${shortName(job.model)} · ${job.method} · ${job.id}`;
  $("cancel").hidden = !open(job) || job.state === "stopping";
  $("cancel").textContent = job.state === "done" ? "Cancel the bundle" : "Cancel";
  $("resume").hidden = !["stopped", "failed"].includes(job.state);
  $("resume").textContent = job.kept ? "Resume" : "Start again";
  $("remove").hidden = open(job);
  $("job-note").textContent = noteOf(job);
  $("job-fault").hidden = !job.fault;
  if (job.fault) $("job-fault").replaceChildren(...faultLines(job.fault));
  showProgress(job);
  showContenders(job);
  showResult(job);
  $("command").textContent = job.command;
  fill($("log"), job.log.join("\n"));
  say(job, before);
  return job;
}

const shortName = (model) => model.split("/").filter(Boolean).pop();

function fill(place, text) {
  if (place.textContent === text) return;
  const atEnd = place.scrollTop + place.clientHeight >= place.scrollHeight - 4;
  place.textContent = text;
  if (atEnd) place.scrollTop = place.scrollHeight;
}

function noteOf(job) {
  if (job.state === "queued") return job.ahead ? `Waits for ${several(job.ahead, "run")} before it.` : "Starts in a moment.";
  if (job.state === "stopping") return "It saves what it has, then stops.";
  if (job.state === "stopped") return job.kept ? "Stopped. What was worked out is kept: Resume goes on from there." : "Stopped before anything was worked out.";
  if (job.state === "failed") return job.kept ? "What was worked out before is kept: Resume goes on from there." : "";
  if (job.state === "done" && job.started) return `Took ${duration(job.ended - job.started)}.`;
  return job.progress.goes_on ? "Goes on with what an earlier start has kept." : "";
}

function showProgress(job) {
  const {progress} = job, stages = progress.stages, current = stages.findLast((each) => each.seconds === null);
  $("progress-place").hidden = !["running", "stopping"].includes(job.state);
  const pass = progress.pass;
  $("doing").textContent = current ? `${current.name}${pass ? `: ${pass.doing}` : current.doing ? `: ${current.doing}` : ""}` : "Starting: loading libraries, data and model";
  const bar = $("bar");
  if (pass && pass.total) { bar.max = pass.total; bar.value = pass.done; } else bar.removeAttribute("value");
  const counted = pass ? `${count(pass.done)} of ${count(pass.total)} rows` : "";
  const left = pass && pass.seconds_left !== null && pass.seconds_left !== undefined ? `${duration(pass.seconds_left)} left` : "";
  $("left").textContent = [counted, left].filter(Boolean).join(", ");
  const {tuning} = progress;
  $("training").textContent = tuning && tuning.epochs && !tuning.done
    ? [`Training with ${tuning.method}: epoch ${tuning.epoch} of at most ${tuning.epochs}`, tuning.loss !== null && `loss ${tuning.loss.toFixed(3)}`,
      tuning.seconds_left !== null && `all of training at most ${duration(tuning.seconds_left)} more`].filter(Boolean).join(", ") + "."
    : "";
  $("said").textContent = progress.said && sentence(progress.said.trim());
  $("epochs-place").hidden = !progress.epochs.length;
  $("epoch-lines").replaceChildren(...progress.epochs.map((each) => make("li", each)));
}

function showContenders(job) {
  const done = job.result && job.result.contenders;
  const rows = done || job.progress.contenders, running = ["running", "stopping"].includes(job.state);
  const metric = (job.result && job.result.metric) || job.progress.metric;
  const waiting = running ? job.waiting : [];
  $("contenders-place").hidden = !rows.length && !running;
  const values = rows.flatMap((each) => [each.value, each.low, each.high]).filter((each) => each !== null);
  const low = Math.min(0, ...values), high = values.every((each) => each <= 1) ? 1 : Math.max(...values);
  const head = make("tr");
  for (const [text, name] of [["model", ""], [metric || "score", "number"], ["95% interval", ""], ["", ""], ["trained parameters", "number"], ["seconds", "number"]]) {
    const cell = make(text ? "th" : "td", text, name);
    if (text) cell.scope = "col";
    head.append(cell);
  }
  $("contenders").tHead.replaceChildren(withRoles(head));
  $("contenders").tBodies[0].replaceChildren(
    ...rows.map((each) => contender(each, low, high, job.result && job.result.recommended)),
    ...waiting.map((each) => { const row = make("tr", undefined, "waits"); row.append(heading(each), cell("waits", "number value"), ...["interval", "drawing", "number cost", "number cost"].map((name) => cell("", name))); return withRoles(row); }),
  );
  $("contenders-hint").textContent = [
    rows.some((each) => each.random) && "base: its classification head is randomly initialised, so its score is just guessing.",
    !job.result && job.progress.prepared && job.progress.prepared.folds && "While folds are scored, these are the scores of one fold; those of all rows come at the end.",
    job.result && job.result.recommended && "✓ marks the recommended model.",
  ].filter(Boolean).join(" ");
}

function cell(text, name, title) {
  const made = make("td", text, name);
  if (title && text) made.dataset.name = title;  // on a phone, where the headings are not shown
  return made;
}

// A phone shows each row as a block, and a browser then forgets that it is a table's.
function withRoles(row) {
  row.role = "row";
  for (const each of row.cells) each.role = each.tagName === "TD" ? "cell" : each.scope === "row" ? "rowheader" : "columnheader";
  return row;
}

function heading(text) {
  const cell = make("th", text);
  cell.scope = "row";
  return cell;
}

function contender(each, low, high, recommended) {
  const row = make("tr", undefined, [each.name === "tuned" ? "tuned" : "", each.name === recommended ? "best" : ""].join(" ").trim());
  const number = (value) => (value === null ? "–" : value.toFixed(3));
  const interval = each.low === null ? "" : `${number(each.low)} to ${number(each.high)}`;
  const drawing = cell(undefined, "drawing"), range = make("span", undefined, "range"), place = (value) => `${(100 * (value - low)) / (high - low || 1)}%`;
  range.setAttribute("aria-hidden", "true");
  if (each.low !== null) {
    const line = make("span");
    line.style.left = place(each.low);
    line.style.width = `${(100 * (each.high - each.low)) / (high - low || 1)}%`;
    range.append(line);
  }
  if (each.value !== null) { const point = make("b"); point.style.left = place(each.value); range.append(point); }
  drawing.append(range);
  const spent = each.seconds === null ? "" : each.seconds.toFixed(1);
  row.append(heading(each.random ? `${each.name} (random)` : each.name), cell(number(each.value), "number value"), cell(interval, "interval"), drawing,
    cell(count(each.parameters), "number cost", "trained parameters"), cell(spent, "number cost", "seconds"));
  return withRoles(row);
}

function say(job, before) {
  if (!before || before.id !== job.id) return;
  if (before.state !== job.state) announce(`${job.title}: ${STATES[job.state]}`);
  const had = before.progress.contenders.map((each) => each.name);
  const fresh = job.progress.contenders.filter((each) => !had.includes(each.name));
  if (fresh.length) announce(fresh.map((each) => `${each.name}: ${job.progress.metric} ${each.value === null ? "undefined" : each.value.toFixed(3)}`).join("; "));
}

export function listen(current, changed) {
  // A button that goes takes the focus with it: by keyboard one would start again at the top of the page.
  const act = (id, next, act) => $(id).addEventListener("click", async () => {
    showError(null);
    $(id).disabled = true;
    try { await act(current()); await changed(); } catch (error) { showError(error); }
    $(id).disabled = false;
    if ($(id).hidden) $(next).focus();
    else $(id).focus();
  });
  act("cancel", "job-title", (id) => post(`/api/jobs/${id}/cancel`));
  act("resume", "job-title", (id) => post(`/api/jobs/${id}/resume`));
  act("make-bundle", "take-title", (id) => post(`/api/jobs/${id}/bundle`));
  $("remove").addEventListener("click", () => {
    $("ask-text").textContent = `Remove this run (${current()}) with its model and report? The file that it read stays.`;
    $("ask").showModal();
  });
  $("ask-no").addEventListener("click", () => $("ask").close());
  $("ask-yes").addEventListener("click", async () => {
    const id = current();
    $("ask").close();
    try { await request(`/api/jobs/${id}`, {method: "DELETE"}); location.hash = "#new"; await changed(); } catch (error) { showError(error); }
  });
}
