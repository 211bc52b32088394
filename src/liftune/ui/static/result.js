// A finished run: its verdict, its report, texts to try, files to take away.

import {$, announce, faultLines, make, post, showError} from "./dom.js";

const TOP = 6;

export function showResult(job) {
  const result = job.result, whole = Boolean(result && !result.fault);
  for (const id of ["verdict-place", "try-place", "take-place"]) $(id).hidden = !whole;
  if (result && result.fault) {
    $("job-fault").hidden = false;
    $("job-fault").replaceChildren(...faultLines(result.fault));
  }
  if (!whole) return;
  $("verdict").replaceChildren(...result.verdict.map((each) => make("p", each)));
  $("report").hidden = !result.report;
  $("report").href = `/jobs/${job.id}/report`;
  $("texts-hint").textContent = job.pairs ? "One pair per line, the two texts separated by a tab or ||. Ctrl+Enter classifies." : "Ctrl+Enter classifies, too. The first time the model is loaded.";
  $("try").dataset.pairs = job.pairs ? "1" : "";
  $("adapter").hidden = !result.adapter;
  $("adapter").href = `/jobs/${job.id}/adapter.zip`;
  const state = job.bundle ? job.bundle.state : "";
  $("bundle").hidden = state !== "done";
  $("bundle").href = `/jobs/${job.id}/bundle.zip`;
  $("make-bundle").hidden = !["", "failed"].includes(state);
  const note = {queued: "The bundle waits for its turn.", running: "The bundle is being made and checked against the run: about a minute.", stopping: "The bundle is being cancelled.", done: "The bundle is ready: its predictions were checked against the run's."}[state] || "";
  if ($("bundle-note").dataset.state === state) return;
  $("bundle-note").dataset.state = state;
  $("bundle-note").replaceChildren(state === "failed" ? faultText(job.bundle.fault) : note);
}

const faultText = (fault) => ["No bundle could be made: " + fault.message, fault.where && "where: " + fault.where, fault.hint && "hint: " + fault.hint].filter(Boolean).join("; ");

function form() {
  const lines = $("texts").value.split("\n").map((each) => each.replace(/\r$/, "")).filter((each) => each.trim());
  if (!lines.length) throw {detail: "there is no text yet", hint: "write or paste one per line"};
  if (!$("try").dataset.pairs) return {texts: lines};
  const halves = lines.map((each) => each.split(/\t|\s*\|\|\s*/));
  const odd = halves.findIndex((each) => each.length !== 2);
  if (odd >= 0) throw {detail: `line ${odd + 1} is not a pair`, hint: "separate its two texts by a tab or ||"};
  return {texts: halves.map((each) => each[0]), pairs: halves.map((each) => each[1])};
}

async function classify(id) {
  showError(null);
  $("try").disabled = true;
  $("try-note").textContent = "Classifying…";
  try {
    const {results} = await post(`/api/jobs/${id}/predict`, form());
    $("answers").replaceChildren(...results.map(answer));
    announce(results.map((each) => summary(each)).slice(0, 5).join("; "));
  } catch (error) { showError(error); }
  $("try-note").textContent = "";
  $("try").disabled = false;
}

const chosen = (each) => each.labels || (each.label === undefined || each.label === null ? [] : [each.label]);
const percent = (share) => `${(share * 100).toFixed(1)}%`;

function summary(each) {
  if (each.value !== undefined) return String(Number(each.value.toPrecision(4)));
  return chosen(each).join(", ") || "no label";
}

function answer(each) {
  const item = make("li"), shares = Object.entries(each.probabilities || {}).sort((a, b) => b[1] - a[1]);
  const sure = each.label !== undefined && each.label !== null && each.probabilities ? ` ${percent(each.probabilities[each.label])}` : "";
  item.append(make("h4", summary(each) + sure), make("p", each.text_pair === undefined ? each.text : `${each.text} ‖ ${each.text_pair}`));
  const list = make("ul", undefined, "bars");
  for (const [label, share] of shares.slice(0, TOP)) {
    const line = make("li"), name = make("span", label, "name"), track = make("span", undefined, "track"), bar = make("span");
    name.title = label;
    track.setAttribute("aria-hidden", "true");
    bar.style.width = percent(share);
    track.append(bar);
    line.append(name, track, make("span", percent(share), "number"));
    list.append(line);
  }
  if (shares.length > 1) item.append(list);
  if (shares.length > TOP) item.append(make("p", `and ${shares.length - TOP} more labels`, "hint"));
  return item;
}

export function listen(current) {
  $("try").addEventListener("click", () => classify(current()));
  $("texts").addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) classify(current()); });
}
