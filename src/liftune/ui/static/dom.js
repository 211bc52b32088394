// Elements of the page, requests to its server, and how both say what went wrong. Text becomes text, never markup.

export const $ = (id) => document.getElementById(id);

export function make(kind, text, name) {
  const element = document.createElement(kind);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
}

export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
export const count = (number) => number.toLocaleString("en");
export const several = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;

export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function size(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(0)} KiB` : `${Number((bytes / 2 ** 20).toFixed(1))} MiB`;
}

export function faultLines(fault) {
  const lines = [make("p", sentence(fault.detail || fault.message || String(fault)))];
  if (fault.where) lines.push(make("p", "Where: " + fault.where));
  if (fault.hint) lines.push(make("p", "Hint: " + fault.hint));
  return lines;
}

export function showError(error) {
  const place = $("alert");
  place.replaceChildren();
  place.hidden = !error;
  if (!error) return;
  place.append(...faultLines(error));
  place.scrollIntoView({block: "nearest"});
}

let said = "";
export function announce(text) {
  if (text === said) return;
  said = text;
  $("status").textContent = text;
}

export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw {detail: "the page's server cannot be reached", hint: "check that `liftune ui` is running, then try again", gone: true};
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  let problem = {detail: `the server responded with status ${response.status}`};
  try { problem = await response.json(); } catch { /* not JSON: the status is all there is */ }
  throw {...problem, status: response.status};
}

export const post = (path, values) => request(path, {
  method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(values ?? {}),
});

export function options(select, names, first) {
  const chosen = select.value;
  const all = names.map((each) => { const option = make("option", each); option.value = each; return option; });
  if (first !== undefined) { const none = make("option", first); none.value = ""; all.unshift(none); }
  select.replaceChildren(...all);
  if ([...select.options].some((each) => each.value === chosen)) select.value = chosen;
}

export function table(element, headings, rows, right = []) {
  const line = (kind, cells) => {
    const row = make("tr");
    cells.forEach((cell, i) => {
      const each = make(kind === "td" && i === 0 && element.dataset.heads ? "th" : kind, cell, right.includes(i) ? "number" : "");
      if (kind === "th") each.scope = "col";
      else if (each.tagName === "TH") each.scope = "row";
      row.append(each);
    });
    return row;
  };
  element.tHead.replaceChildren(line("th", headings));
  element.tBodies[0].replaceChildren(...rows.map((each) => line("td", each)));
}

export function sectionOf(section) {
  const place = make("div");
  place.append(make("h4", section.title), ...section.sentences.map((each) => make("p", each)));
  if (section.caveats.length) {
    const list = make("ul", undefined, "caveats");
    list.append(...section.caveats.map((each) => make("li", each)));
    place.append(list);
  }
  for (const each of section.tables) place.append(tableOf(each, section.title));
  return place;
}

let tables = 0;
export function tableOf(each, title) {
  const scroll = make("div", undefined, "scroll"), element = make("table");
  scroll.tabIndex = 0;
  scroll.role = "region";
  scroll.ariaLabel = `${each.caption || title}, table ${++tables}`;
  if (each.caption) element.append(make("caption", each.caption));
  element.append(make("thead"), make("tbody"));
  element.dataset.heads = "1";
  table(element, each.headings, each.rows, each.right);
  scroll.append(element);
  return scroll;
}
