"use strict";
/* Chapters: a link into a closed one opens it, one button opens or closes all, print shows all. */
const chapters = [...document.querySelectorAll("main details")];
const asOpened = () => chapters.map((each) => each.open);

function reveal(hash) {
  const target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
  if (!target) return;
  for (let at = target.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
  target.scrollIntoView();
}

addEventListener("hashchange", () => reveal(location.hash));
document.addEventListener("click", (event) => {  // also where the address stays the same
  const link = event.target.closest("a[href^='#']");
  if (link && link.hash === location.hash) reveal(link.hash);
});
reveal(location.hash);

let before = null;
addEventListener("beforeprint", () => { before ??= asOpened(); for (const each of chapters) each.open = true; });
addEventListener("afterprint", () => { chapters.forEach((each, i) => { each.open = before[i]; }); before = null; });

if (chapters.length) {
  const all = document.createElement("button");
  all.type = "button";
  all.className = "all";
  const opens = () => chapters.some((each) => !each.open);
  const name = () => { all.textContent = opens() ? "Open all" : "Close all"; };
  all.addEventListener("click", () => { const open = opens(); for (const each of chapters) each.open = open; });
  for (const each of chapters) each.addEventListener("toggle", name);
  name();
  document.querySelector(".chapter").before(all);
}

/* Long tables: search, sort, a step of rows at a time. Texts only ever become text; names like card_not_working may end a line at _. */
for (const box of document.querySelectorAll(".long")) {
  const rows = JSON.parse(box.querySelector("script").textContent);
  const words = rows.map((row) => row.join("\n").toLowerCase());
  const right = new Set(box.dataset.right.split(" ").filter(Boolean).map(Number));
  const step = Number(box.dataset.step);
  const body = box.querySelector("tbody");
  const heads = [...box.querySelectorAll("thead th")];
  const names = heads.map((head) => head.textContent);
  let order = rows.map((_, i) => i), shown = step, column = -1, down = false;

  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
  const tools = make("div", { className: "tools" });
  const label = make("label", { textContent: "Search " });
  const input = make("input", { type: "search" });
  const caption = box.querySelector("caption");
  input.setAttribute("aria-label", `Search ${caption ? caption.textContent : "the table"}`);
  const status = make("span", { className: "status" });
  status.setAttribute("role", "status");
  label.append(input);
  tools.append(label, status);
  box.prepend(tools);
  const more = make("button", { type: "button", className: "more" });
  box.append(more);

  const value = (text) => { const number = parseFloat(text.replace(/,/g, "")); return Number.isNaN(number) ? -Infinity : number; };
  const compare = (a, b) => right.has(column)
    ? value(rows[a][column]) - value(rows[b][column])
    : rows[a][column].localeCompare(rows[b][column]);

  function draw() {
    const query = input.value.trim().toLowerCase();
    const matching = query ? order.filter((i) => words[i].includes(query)) : order;
    body.replaceChildren(...matching.slice(0, shown).map((i) => {
      const row = document.createElement("tr");
      row.append(...rows[i].map((text, j) => {
        const cell = make("td", { className: right.has(j) ? "number" : "" });
        text.split(/(?<=[_/])/).forEach((part, k) => cell.append(...(k ? [make("wbr", {}), part] : [part])));
        cell.dataset.name = names[j];
        return cell;
      }));
      return row;
    }));
    status.textContent = `${Math.min(shown, matching.length).toLocaleString("en")} of ${matching.length.toLocaleString("en")} shown`;
    more.hidden = matching.length <= shown;
    more.textContent = `Show ${Math.min(step * 10, matching.length - shown).toLocaleString("en")} more`;
  }

  heads.forEach((head, j) => {
    const button = make("button", { type: "button", textContent: names[j] });
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      down = column === j ? !down : right.has(j);
      column = j;
      order = rows.map((_, i) => i).sort((a, b) => (down ? -1 : 1) * compare(a, b) || a - b);
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      draw();
    });
  });
  input.addEventListener("input", () => { shown = step; draw(); });
  more.addEventListener("click", () => { shown += step * 10; draw(); });
  draw();
}
