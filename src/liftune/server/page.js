const $ = (id) => document.getElementById(id);
const TOP = 6, SHOWN = 50, CHUNK = 64, CHUNK_CHARACTERS = 200000;
const OPEN = 3;  // answers whose bars are open at once
const LOOKED_AT = 200, CELL = 2000;  // rows and characters by which the server finds the text column
const EXAMPLES = [
  ["Everyone was so kind, I left smiling.", "They were kind"],
  ["The parcel came two weeks late, and nobody answered my calls.", "The delivery was on time"],
  ["Can I change the address of an order that has already been sent?", "How do I get my money back?"],
];
let models = [], token = "", table = null, stopped = false, link = "", example = 0;

function make(kind, text, name) {
  const element = document.createElement(kind);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
}

function showError(error, near = "alert") {
  for (const each of document.querySelectorAll(".alert")) { each.replaceChildren(); each.hidden = true; }
  if (!error) return;
  const place = $(near);
  place.hidden = false;
  place.append(make("p", sentence(error.detail || String(error))));
  if (error.where) place.append(make("p", "Where: " + error.where));
  if (error.hint) place.append(make("p", "Hint: " + error.hint));
  place.scrollIntoView({block: "nearest"});
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

async function request(path, options = {}) {
  const headers = {...options.headers};
  if (token) headers.Authorization = "Bearer " + token;
  let response;
  try {
    response = await fetch(path, {...options, headers});
  } catch {
    throw {detail: "the server cannot be reached", hint: "check that it is running, then try again"};
  }
  if (response.ok) return response;
  if (response.status === 401) { $("keys").hidden = false; $("token").focus(); }
  let problem = {detail: "the server responded with status " + response.status};
  try { problem = await response.json(); } catch { /* not JSON: the status is all there is */ }
  throw {...problem, status: response.status, after: Number(response.headers.get("Retry-After")) || 1};
}

async function classifyTexts(body) {
  for (let tries = 0; ; tries++) {
    try {
      const response = await request("/v1/classify", {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
      });
      return (await response.json()).results;
    } catch (error) {
      if (error.status !== 503 || tries >= 4) throw error;
      await pause(Math.min(error.after, 5));
    }
  }
}

const current = () => models.find((each) => each.name === $("model").value);

async function start() {
  showError(null);
  try {
    models = (await (await request("/v1/models")).json()).models;
  } catch (error) { showError(error, error.status === 401 && token ? "token-alert" : "alert"); return; }
  $("keys").hidden = true;
  const before = $("model").value;
  $("model").replaceChildren(...models.map((each) => { const option = make("option", each.name); option.value = each.name; return option; }));
  if (models.some((each) => each.name === before)) $("model").value = before;
  $("classify").disabled = $("example").disabled = !models.length;
  if (!models.length) showError({detail: "no model is loaded", hint: "load one with POST /v1/models"});
  await chosen();
}

async function chosen() {
  const model = current();
  $("predictions").replaceChildren();
  clearFilePredictions();
  if (!model) return;
  const kinds = {single_label: "one label per text", multi_label: "any number of labels per text", regression: "one number per text"};
  const labels = model.labels.length ? `${model.labels.length} labels: ${model.labels.slice(0, 12).join(", ")}${model.labels.length > 12 ? ", …" : ""}` : "";
  $("facts").textContent = [kinds[model.task], labels, model.method && `tuned with ${model.method}`, model.base && `base model ${model.base}`].filter(Boolean).join(" · ");
  const joined = !model.pairs && model.columns.length > 1 ? ` The model was tuned on ${model.columns.join(" and ")}, joined.` : "";
  const unit = model.pairs ? "One pair per line, its two texts separated by a tab or ||." : "One text per line.";
  $("texts-hint").replaceChildren(`${unit}${joined} `, make("kbd", "Ctrl"), "+", make("kbd", "Enter"), " classifies.");
  $("base-place").hidden = !comparable(model);
  $("base-note").textContent = !model.base_head ? "A bundle has no base model to compare with."
    : model.base_head === "fresh" ? "The base model is not shown beside it: its classification head is randomly initialised, so it would only guess." : "";
  $("second-place").hidden = !model.pairs;
  if (table) findTexts();
  $("about").hidden = true;
  try {
    const run = await (await request("/v1/models/" + encodeURIComponent(model.name))).json();
    if (current() !== model) return;
    $("verdict").replaceChildren(...run.verdict.map((each) => make("p", each)));
    $("about").hidden = !run.verdict.length && !run.report;
    $("report-place").hidden = !run.report;
    if (run.report) $("report").href = run.report;
  } catch (error) { showError(error); }
}

const comparable = (model) => model.base_head && model.base_head !== "fresh";

async function openReport(event) {
  if (!token) return;
  event.preventDefault();
  try {
    const page = await (await request($("report").getAttribute("href"))).blob();
    window.open(URL.createObjectURL(page), "_blank", "noopener");
  } catch (error) { showError(error); }
}

function rowsTyped(model) {
  const lines = $("texts").value.split("\n").map((each) => each.replace(/\r$/, "")).filter((each) => each.trim());
  if (!lines.length) throw {detail: "there is no text yet", hint: "write or paste one per line"};
  if (!model.pairs) return {texts: lines};
  const halves = lines.map((each) => each.split(/\t|\s*\|\|\s*/));
  const odd = halves.findIndex((each) => each.length !== 2);
  if (odd >= 0) throw {detail: `line ${odd + 1} is not a pair`, hint: "separate its two texts by a tab or ||"};
  return {texts: halves.map((each) => each[0]), pairs: halves.map((each) => each[1])};
}

function fillExample() {
  const [text, second] = EXAMPLES[example++ % EXAMPLES.length];
  $("texts").value = current().pairs ? `${text} || ${second}` : text;
  return classify();
}

async function classify() {
  const model = current();
  if (!model) return;
  showError(null);
  $("classify").disabled = $("example").disabled = true;
  try {
    const base = comparable(model) && $("with-base").checked;
    const results = await classifyTexts({model: model.name, ...rowsTyped(model), ...(base ? {with_base: true} : {})});
    $("predictions").replaceChildren(...results.map((each) => shown(each, results.length <= OPEN)));
    $("status").textContent = results.length === 1 ? `Classified by ${model.name}: ${answerOf(results[0])}`
      : `${results.length} texts classified by ${model.name}`;
  } catch (error) { showError(error, "text-alert"); }
  $("classify").disabled = $("example").disabled = false;
}

function shown(result, open) {
  const item = make("li");
  item.append(make("p", result.text_pair === undefined ? result.text : `${result.text} ‖ ${result.text_pair}`, "text"));
  const sides = make("div", undefined, "sides");
  sides.append(side("", result, "tuned", open));
  if (result.base) sides.append(side("Base model", result.base, "base", open));
  item.append(sides, whyOf(result));
  return item;
}

function whyOf(result) {
  const place = make("div", undefined, "why"), button = make("button", "Why?", "plain");
  const model = current();
  button.title = "Leave out each word, and see what changes";
  button.addEventListener("click", async () => {
    button.disabled = true;
    showError(null);
    try {
      const pairs = result.text_pair === undefined ? {} : {pairs: [result.text_pair]};
      const [found] = await classifyTexts({model: model.name, texts: [result.text], ...pairs, explain: true});
      place.replaceChildren(...explained(result, found.explanation));
      $("status").textContent = "explained";
    } catch (error) { showError(error, "text-alert"); button.disabled = false; }
  });
  place.append(button);
  return place;
}

function explained(result, found) {
  const blocks = found.answers.map((answer) => {
    const block = make("div");
    const before = answer.label === undefined ? String(Number(answer.value.toPrecision(4))) : `${answer.label} ${percent(answer.probability)}`;
    block.append(make("h3", `Why ${before}`));
    const parts = answer.parts.map((each) => ({...each, strength: Math.abs(each.log_odds === undefined ? each.change : each.log_odds)}));
    const most = Math.max(0, ...parts.map((each) => each.strength));
    block.append(words(result.text, parts.filter((each) => !each.of), answer, most));
    if (result.text_pair !== undefined) block.append(words(result.text_pair, parts.filter((each) => each.of), answer, most));
    const list = make("ol", undefined, "words");
    for (const each of [...parts].sort((a, b) => b.strength - a.strength).slice(0, TOP).filter((each) => each.strength > 0))
      list.append(make("li", `${short(each.text)}: ${told(each, answer)}`));
    block.append(list);
    return block;
  });
  const unit = found.unit;
  const how = `One ${unit} at a time is left out. Blue speaks for the answer, red against it; those that say the same stand in for each other.`;
  return [...blocks, make("p", [how, ...found.notes].join(" "), "hint")];
}

const percent = (share) => (share * 100).toFixed(1) + "%";
const short = (text) => text.length > 80 ? text.slice(0, 77) + "…" : text;

function told(part, answer) {
  const without = answer.label === undefined ? String(Number((answer.value - part.change).toPrecision(4))) : percent(answer.probability - part.change);
  return `${without} without it${part.becomes === undefined ? "" : ", and then " + part.becomes}`;
}

function words(text, parts, answer, most) {
  const place = make("p", undefined, "text"), characters = Array.from(text);
  let at = 0;
  for (const each of parts) {
    place.append(characters.slice(at, each.start).join(""));
    const word = make("span", characters.slice(each.start, each.end).join(""));
    if (most && each.strength >= most / 10) {
      word.className = (each.log_odds === undefined ? each.change : each.log_odds) > 0 ? "for" : "against";
      word.style.setProperty("--share", (each.strength / most * 45).toFixed(0) + "%");
      word.title = told(each, answer);
    }
    place.append(word);
    at = each.end;
  }
  place.append(characters.slice(at).join(""));
  return place;
}

const chosenLabels = (prediction) => prediction.labels || (prediction.label !== undefined ? [prediction.label] : []);

const valueOf = (prediction) => String(Number(prediction.value.toPrecision(4)));
const answerOf = (prediction) => prediction.value !== undefined ? valueOf(prediction) : chosenLabels(prediction).join(", ") || "none of the labels";

function side(title, prediction, name, open) {
  const place = make("div", undefined, name), headline = make("p", undefined, "answer");
  if (title) place.append(make("h3", title));
  headline.append(make("span", answerOf(prediction), "summary"));
  if (prediction.label !== undefined && prediction.probabilities) headline.append(make("span", percent(prediction.probabilities[prediction.label]), "sure"));
  place.append(headline);
  const shares = Object.entries(prediction.probabilities || {}).sort((a, b) => b[1] - a[1]);
  if (!shares.length) return place;
  if (open) {
    place.append(bars(shares.slice(0, TOP), prediction));
    if (shares.length > TOP) place.append(folded(`${shares.length - TOP} more labels`, bars(shares.slice(TOP), prediction)));
  } else place.append(folded("All probabilities", bars(shares, prediction)));
  return place;
}

function folded(title, content) {
  const place = make("details");
  place.append(make("summary", title), content);
  return place;
}

function bars(shares, prediction) {
  const list = make("ul", undefined, "bars");
  for (const [label, share] of shares) {
    const item = make("li", undefined, chosenLabels(prediction).includes(label) ? "chosen" : "");
    const name = make("span", label, "name"), track = make("span", undefined, "track"), bar = make("span", undefined, "bar");
    name.title = label;
    track.setAttribute("aria-hidden", "true");
    bar.style.width = (share * 100).toFixed(1) + "%";
    track.append(bar);
    item.append(name, track, make("span", percent(share), "share"));
    list.append(item);
  }
  return list;
}

$("model").addEventListener("change", chosen);
$("classify").addEventListener("click", classify);
$("example").addEventListener("click", fillExample);
for (const id of ["column", "second"]) $(id).addEventListener("change", chosenColumns);
$("texts").addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) classify(); });
$("enter").addEventListener("click", () => { token = $("token").value; start(); });
$("token").addEventListener("keydown", (event) => { if (event.key === "Enter") { token = $("token").value; start(); } });
$("report").addEventListener("click", openReport);
$("file").addEventListener("change", () => { if ($("file").files[0]) take($("file").files[0]); $("file").value = ""; });
$("run").addEventListener("click", classifyFile);
$("stop").addEventListener("click", () => { stopped = true; });
for (const kind of ["dragover", "dragenter"]) $("drop").addEventListener(kind, (event) => { event.preventDefault(); $("drop").classList.add("over"); });
for (const kind of ["dragleave", "drop"]) $("drop").addEventListener(kind, (event) => { event.preventDefault(); $("drop").classList.remove("over"); });
$("drop").addEventListener("drop", (event) => { if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]); });
start();
