// Steps 1 to 3 of a new run: a file, what liftune sees in it, what to tune.

import {$, announce, count, make, options, post, request, sectionOf, sentence, several, showError, size, table, tableOf} from "./dom.js";

const COLUMNS = ["text", "label", "text_pair", "group"];
let state = null, chosen = null, looking = 0;

export function setUp(found, begun) {
  state = found;
  const {limits} = state;
  $("file-hint").textContent = `Or drop it here: CSV, TSV, JSON lines, Parquet, a workbook, also compressed. Up to ${size(limits.upload_bytes)} and ${count(limits.rows)} rows. It goes to this machine's own server alone.`;
  $("file").accept = [...state.endings, ...state.compressed].join(",");
  options($("model"), state.models);
  options($("method"), state.methods.map((each) => each.name));
  $("method").value = "lora";
  sayMethod();
  refresh(found);
  listen(begun);
}

export function refresh(found) {
  state = found;
  const before = $("earlier").value;
  $("earlier").replaceChildren(make("option", "choose…"), ...state.uploads.map((each) => {
    const option = make("option", `${each.name}, ${several(each.rows, "row")}`);
    option.value = each.id;
    return option;
  }));
  $("earlier").options[0].value = "";
  $("earlier").value = [...$("earlier").options].some((each) => each.value === before) ? before : "";
  $("earlier-place").hidden = !state.uploads.length;
}

function sayMethod() {
  $("method-hint").textContent = (state.methods.find((each) => each.name === $("method").value) || {summary: ""}).summary;
}

function send(file) {
  showError(null);
  if (file.size > state.limits.upload_bytes) {
    showError({detail: `the file has ${size(file.size)}; at most ${size(state.limits.upload_bytes)} are taken here`, where: file.name, hint: "compress it, or send fewer rows"});
    return;
  }
  const note = $("data-note"), bar = $("sending");
  note.textContent = `Sending ${file.name}…`;
  bar.hidden = false;
  bar.value = 0;
  // fetch says nothing of how much has been sent.
  const sending = new XMLHttpRequest();
  sending.open("POST", "/api/uploads");
  sending.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
  sending.upload.addEventListener("progress", (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; });
  sending.upload.addEventListener("load", () => { note.textContent = `Reading ${file.name}…`; bar.removeAttribute("value"); });
  sending.addEventListener("loadend", () => {
    bar.hidden = true;
    let answer = {detail: "the file was not sent", hint: "check that `liftune ui` is running, then try again"};
    try { answer = JSON.parse(sending.responseText); } catch { /* no answer */ }
    if (sending.status === 201) {
      state.uploads.unshift(answer);
      refresh(state);
      take(answer);
    } else {
      note.textContent = "";
      showError(answer);
    }
  });
  sending.send(file);
}

function take(upload) {
  showError(null);
  chosen = upload;
  const note = upload ? `${upload.name}: ${several(upload.rows, "row")}, ${several(upload.columns.length, "column")}, ${size(upload.bytes)}.` : `${state.sample}: a sample that comes with liftune, six emotions.`;
  $("data-note").textContent = [note, ...(upload ? upload.notes : []).map(sentence)].join(" ");
  $("earlier").value = upload ? upload.id : "";
  for (const id of COLUMNS) options($(id), upload ? upload.columns : [], id === "text" || id === "label" ? "found by liftune" : "none");
  for (const id of COLUMNS) $(id).value = "";
  $("columns").hidden = $("more-columns").hidden = $("look").hidden = $("preview").hidden = !upload;
  if (upload) table($("first"), upload.columns, upload.first);
  $("task").value = "";
  $("skip_bad_rows").checked = false;
  $("seen").hidden = true;
  $("step-look-place").hidden = $("step-start-place").hidden = false;
  look();
}

function dataForm() {
  const form = {upload: chosen ? chosen.id : null};
  for (const id of [...COLUMNS, "task"]) form[id] = $(id).value || null;
  form.skip_bad_rows = $("skip_bad_rows").checked;
  return form;
}

async function look() {
  const turn = ++looking;
  showError(null);
  $("look").disabled = true;
  $("look-note").textContent = "Inspecting: rows, labels, lengths, duplicates, leaks…";
  try {
    const found = await post("/api/inspections", {...dataForm(), skip_bad_rows: false, model: $("model").value});
    if (turn !== looking) return;
    show(found);
    $("look-note").textContent = "";
    announce(`Inspected. ${$("seen-short").textContent}`);
  } catch (error) {
    if (turn !== looking) return;
    $("seen").hidden = true;
    $("look-note").textContent = "liftune cannot use the file like this: see the message above, choose the columns, and inspect again.";
    showError(error);
  }
  $("look").disabled = false;
}

function show(found) {
  for (const id of COLUMNS) {
    const name = found[id];
    if (chosen && name && chosen.columns.includes(name)) $(id).value = name;
  }
  const kinds = {single_label: "one label per text", multi_label: "any number of labels per text", regression: "a number per text"};
  const {train, validation, test} = found.rows;
  const labels = found.labels.length ? `, ${several(found.labels.length, "label")}` : "";
  $("seen-short").textContent = `${count(train + validation + test)} usable rows (${count(train)} to train, ${count(validation)} to validate, ${count(test)} to test)${labels}: ${kinds[found.task]}.`;
  const warnings = [...found.notes, ...found.sections.flatMap((each) => each.caveats)];
  if (found.bad_rows) warnings.unshift(`${several(found.bad_rows, "row")} cannot be used: see "bad rows" below.`);
  $("seen-warnings").replaceChildren(...warnings.map((each) => make("li", sentence(each))));
  $("seen-warnings").hidden = !warnings.length;
  $("skip-place").hidden = !found.bad_rows;
  $("skip_bad_rows").checked = Boolean(found.bad_rows);
  $("skip-text").textContent = `: ${several(found.bad_rows, "row")}. Otherwise the run stops there.`;
  $("seen-labels").replaceChildren(...found.counts.tables.map((each) => tableOf(each, found.counts.title)));
  $("seen-all").replaceChildren(...found.sections.map(sectionOf));
  $("seen").hidden = false;
}

async function start(begun) {
  const whole = (id) => ($(id).value === "" ? null : Number($(id).value));
  showError(null);
  for (const id of ["epochs", "seeds"]) {
    if (!$(id).checkValidity()) { $(id).closest("details").open = true; $(id).reportValidity(); return; }
  }
  $("start").disabled = true;
  $("start-note").textContent = "Starting…";
  try {
    const job = await post("/api/jobs", {
      ...dataForm(), model: $("model").value, method: $("method").value, epochs: whole("epochs"),
      seeds: whole("seeds") ?? 1, with_full: $("with_full").checked, folds: $("folds").checked,
    });
    begun(job);
  } catch (error) { showError(error); }
  $("start-note").textContent = "";
  $("start").disabled = false;
}

function listen(begun) {
  $("file").addEventListener("change", () => { if ($("file").files[0]) send($("file").files[0]); $("file").value = ""; });
  $("sample").addEventListener("click", () => take(null));
  $("earlier").addEventListener("change", () => { const found = state.uploads.find((each) => each.id === $("earlier").value); if (found) take(found); });
  $("look").addEventListener("click", look);
  $("method").addEventListener("change", sayMethod);
  $("start").addEventListener("click", () => start(begun));
  const drop = $("drop");
  for (const kind of ["dragover", "dragenter"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.remove("over"); });
  drop.addEventListener("drop", (event) => { if (event.dataTransfer.files[0]) send(event.dataTransfer.files[0]); });
  // A file dropped beside the place would replace the page.
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
}

export const reload = () => request("/api/state");
