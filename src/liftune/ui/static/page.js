// The page as a whole: which view is shown, and when the server is asked again.

import {$, showError} from "./dom.js";
import * as data from "./data.js";
import * as runs from "./runs.js";
import * as result from "./result.js";

const BUSY = 1000, IDLE = 4000;
let current = null, timer = 0, gone = false;

// The token of the address is in a cookie by now; out of the address it is in no history and no screenshot.
if (location.search) history.replaceState(null, "", location.pathname + location.hash);

const wanted = () => (/^#job-\d+$/.test(location.hash) ? location.hash.slice(1) : null);

async function show(moved) {
  const id = wanted();
  const other = id !== current;
  current = id;
  $("view-new").hidden = Boolean(id);
  $("view-job").hidden = !id;
  if (id) $("to-new").removeAttribute("aria-current"); else $("to-new").setAttribute("aria-current", "page");
  if (other) showError(null);
  await look(other);
  if (moved && other) { $(id ? "job-title" : "new-title").focus(); window.scrollTo(0, 0); }
}

async function look(fresh = false) {
  clearTimeout(timer);
  let busy = false;
  try {
    const state = await data.reload();
    data.refresh(state);
    runs.showList(state.jobs, current);
    document.title = current ? `${(state.jobs.find((each) => each.id === current) || {title: current}).title} · liftune` : "liftune";
    if (current) busy = runs.open(await runs.showJob(current, fresh));
    busy = busy || state.jobs.some(runs.open);
    if (gone) { gone = false; showError(null); }
  } catch (error) {
    if (error.status === 404 && current) { location.hash = "#new"; }
    if (!gone) showError(error);
    gone = Boolean(error.gone);
    if (error.status === 401) return;
  }
  timer = setTimeout(() => look(), busy && !document.hidden ? BUSY : IDLE);
}

async function begin() {
  try {
    const state = await data.reload();
    $("folder").textContent = `Folder: ${state.folder}`;
    data.setUp(state, (job) => { location.hash = `#${job.id}`; });
  } catch (error) { showError(error); return; }
  runs.listen(() => current, () => look());
  result.listen(() => current);
  window.addEventListener("hashchange", () => show(true));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  $("skip").addEventListener("click", (event) => { event.preventDefault(); $("main").focus(); });
  await show(false);
}

begin();
