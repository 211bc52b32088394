"use strict";
/* A file of texts: it is read here, its text column is found by the server, its rows are sent in blocks. */
function parse(text) {
  text = text.replace(/^\ufeff/, "");
  const head = text.slice(0, (text.search(/\r|\n/) + 1 || text.length + 1) - 1);
  const mark = [",", ";", "\t"].sort((a, b) => head.split(b).length - head.split(a).length)[0];
  const rows = [];
  let row = [], cell = "", quoted = false, begun = false;
  for (let i = 0; i < text.length; i++) {
    const each = text[i];
    if (quoted) {
      if (each !== '"') cell += each;
      else if (text[i + 1] === '"') { cell += '"'; i++; }
      else quoted = false;
    } else if (each === '"' && cell === "") { quoted = begun = true; }
    else if (each === mark) { row.push(cell); cell = ""; begun = true; }
    else if (each === "\n" || each === "\r") {
      if (each === "\r" && text[i + 1] === "\n") i++;
      if (begun || cell || row.length) rows.push([...row, cell]);
      row = []; cell = ""; begun = false;
    } else cell += each;
  }
  if (quoted) throw {detail: "a quoted cell is not closed", hint: "check the quotes of the file"};
  if (begun || cell || row.length) rows.push([...row, cell]);
  const names = rows.shift() || [];
  if (!rows.length) throw {detail: "the file has no rows below its header", hint: "give a CSV file whose first line names the columns"};
  const odd = rows.findIndex((each) => each.length !== names.length);
  if (odd >= 0) throw {detail: `row ${odd + 1} has ${rows[odd].length} cells, the header has ${names.length}`, hint: "check the quotes and separators of that row"};
  return {names, rows};
}

function clearFilePredictions() {
  $("table-place").hidden = $("download").hidden = $("progress").hidden = true;
  $("file-note").textContent = table ? `${table.rows.length.toLocaleString("en")} rows` : "";
}

async function take(file) {
  showError(null);
  table = null;
  $("columns").hidden = true;
  try {
    const found = parse(new TextDecoder("utf-8", {fatal: true}).decode(await file.arrayBuffer()));
    found.names = named(found.names);
    table = {...found, file: file.name};
  } catch (error) {
    showError(error.detail ? error : {detail: "the file is not UTF-8 text", hint: "save it as CSV in UTF-8"}, "file-alert");
  }
  clearFilePredictions();
  if (table) await findTexts();
}

function named(names) {  // every column has a name, and no two the same
  const seen = new Set();
  return names.map((name, i) => {
    let each = name.trim() || `column ${i + 1}`;
    while (seen.has(each)) each += ` (${i + 1})`;
    seen.add(each);
    return each;
  });
}

/* Which columns hold the texts, says the server, by the rules of `liftune predict` and `liftune tune`. */
async function findTexts() {
  const model = current(), asked = table;
  clearFilePredictions();
  let found;
  try {
    const cut = (cell) => cell.slice(0, CELL).replace(/[\ud800-\udbff]$/, "");
    const rows = asked.rows.slice(0, LOOKED_AT).map((row) => row.map(cut));
    const response = await request("/v1/columns", {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({model: model.name, columns: asked.names, rows}),
    });
    found = await response.json();
  } catch (error) { showError(error, "file-alert"); found = {columns: [], text_pair: null, said: ""}; }
  if (current() !== model || table !== asked) return;
  const first = found.columns.map((each) => asked.names.indexOf(each));
  choices("column", first);
  choices("second", [asked.names.indexOf(found.text_pair)]);
  $("column-note").textContent = !found.columns.length ? sentence([found.said, "Choose the text column"].filter(Boolean).join(". ").replace(/^./, (each) => each.toUpperCase()))
    : found.said ? sentence(found.said) : "";
  $("columns").hidden = false;
  chosenColumns();
}

function choices(id, found) {
  const option = (text, value) => Object.assign(make("option", text), {value});
  const all = table.names.map((each, i) => option(each, String(i)));
  if (found.length > 1) all.unshift(option(found.map((i) => table.names[i]).join(" + "), found.join(" ")));
  const known = found.length && found.every((i) => i >= 0);
  if (!known) all.unshift(option("Choose …", ""));
  $(id).replaceChildren(...all);
  $(id).value = known ? found.join(" ") : "";
}

const picked = (id) => $(id).value.split(" ").filter(Boolean).map(Number);

function chosenColumns() {
  $("run").disabled = !picked("column").length || (current().pairs && !picked("second").length);
}

async function classifyFile() {
  const model = current(), {rows} = table;
  const columns = picked("column"), [second] = picked("second");
  const textOf = (row) => columns.length > 1 ? Object.fromEntries(columns.map((i, at) => [model.columns[at], row[i]])) : row[columns[0]];
  const length = (row) => columns.reduce((sum, i) => sum + row[i].length, 0);
  showError(null);
  clearFilePredictions();
  stopped = false;
  const predictions = [];
  for (const id of ["run", "model", "column", "second", "file"]) $(id).disabled = true;
  $("stop").hidden = $("progress").hidden = false;
  try {
    while (predictions.length < rows.length && !stopped) {
      let stop = predictions.length, characters = 0;
      while (stop < rows.length && stop - predictions.length < CHUNK && (stop === predictions.length || characters < CHUNK_CHARACTERS)) characters += length(rows[stop++]);
      const block = rows.slice(predictions.length, stop);
      const pairs = model.pairs ? {pairs: block.map((each) => each[second])} : {};
      predictions.push(...await classifyTexts({model: model.name, texts: block.map(textOf), ...pairs}));
      $("progress").value = predictions.length / rows.length;
      $("file-note").textContent = `${predictions.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows classified`;
    }
  } catch (error) {
    showError({...error, where: `rows from ${predictions.length + 1}` + (error.where ? `, ${error.where}` : "")}, "file-alert");
  }
  for (const id of ["run", "model", "column", "second", "file"]) $(id).disabled = false;
  $("stop").hidden = true;
  if (predictions.length) fill(predictions, columns[0]);
}

function fill(predictions, first) {
  const {names, rows} = table;
  const free = (name) => names.includes(name) ? free("predicted_" + name) : name;
  const columns = [];
  if (predictions[0].value !== undefined) columns.push([free("value"), (each) => each.value]);
  else if (predictions[0].labels) columns.push([free("labels"), (each) => each.labels.join("|")]);
  else columns.push([free("label"), (each) => each.label]);
  for (const label of Object.keys(predictions[0].probabilities || {})) columns.push([free("probabilities." + label), (each) => each.probabilities[label]]);
  const cells = predictions.map((each, i) => [...rows[i], ...columns.map(([, of]) => of(each))]);
  const quote = (cell) => /[",\n\r]/.test(String(cell)) ? '"' + String(cell).replaceAll('"', '""') + '"' : String(cell);
  const csv = [[...names, ...columns.map(([name]) => name)], ...cells].map((each) => each.map(quote).join(",")).join("\r\n") + "\r\n";
  if (link) URL.revokeObjectURL(link);
  link = URL.createObjectURL(new Blob([csv], {type: "text/csv"}));
  $("download").href = link;
  $("download").download = table.file.replace(/\.[^.]*$/, "") + ".predictions.csv";
  $("download").hidden = false;
  const sure = predictions[0].label !== undefined && predictions[0].probabilities;
  const line = (kind, each) => {
    const row = make("tr");
    row.append(...each.map((cell, i) => make(kind, cell, i === 2 || predictions[0].value !== undefined && i === 1 ? "number" : "")));
    for (const each of row.querySelectorAll("th")) each.scope = "col";
    return row;
  };
  $("table").tHead.replaceChildren(line("th", [names[first], columns[0][0], ...(sure ? ["probability"] : [])]));
  $("table").tBodies[0].replaceChildren(...predictions.slice(0, SHOWN).map((each, i) => line("td", [rows[i][first], columns[0][1](each), ...(sure ? [percent(each.probabilities[each.label])] : [])])));
  $("table-place").hidden = false;
  if (predictions.length > SHOWN) $("file-note").textContent += `; the first ${SHOWN} are shown, all are in the download`;
}

