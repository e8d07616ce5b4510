"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// Sort by a column; rows without a value stay last, and controls stay apart.
function sort(heading) {
  const now = heading.getAttribute("aria-sort"), falling = now ? now === "ascending" : heading.dataset.first === "descending";
  for (const other of all("#board thead th")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const value = (row) => row.cells[heading.cellIndex].dataset.value;
  const order = (one, other) => {
    if (!one || !other) return !one - !other;
    const byValue = isNaN(one) || isNaN(other) ? (one < other ? -1 : one > other ? 1 : 0) : one - other;
    return falling ? -byValue : byValue;
  };
  for (const body of all("#board tbody")) {
    const rows = all("tr:not(.apart)", body).map((row) => [value(row), row]);
    rows.sort((one, other) => order(one[0], other[0]));
    body.append(...rows.map((pair) => pair[1]));
  }
}

function filter() {
  const chosen = all("[data-filter]").filter((select) => select.value);
  const rows = all("#board tbody tr:not(.apart)");
  for (const row of rows) row.hidden = chosen.some((select) => "=" + row.dataset[select.dataset.filter] !== select.value);
  const shown = rows.filter((row) => !row.hidden).length;
  document.getElementById("shown").textContent = shown + " of " + rows.length + " rows";
}

function pick() {
  const picked = all("#picker input").filter((box) => box.checked).map((box) => box.value);
  for (const mark of all(".figures [data-row]")) mark.toggleAttribute("hidden", !picked.includes(mark.dataset.row));
}

// Counts begin with the first one; each further one is how much they fall, in base 36.
function unpack(text) {
  let count = 0;
  return text.split(",").map((fall, place) => (count = place ? count - (fall ? parseInt(fall, 36) : 0) : parseInt(fall, 36)));
}

function slide(slider, counts) {
  const [threshold, prevalence] = all("input", slider);
  const tp = unpack(counts.tp), fp = unpack(counts.fp);
  const share = (part, whole) => (whole > 0 ? ((100 * part) / whole).toFixed(1) + " %" : "not defined");
  const count = (value) => String(Math.round((10 * value) / counts.seeds) / 10);
  const show = () => {
    const at = Number(threshold.value), p = Math.min(Math.max(Number(prevalence.value) / 100, 0), 1);
    const sensitivity = tp[at] / tp[0], specificity = 1 - fp[at] / fp[0];
    const called = p * sensitivity + (1 - p) * (1 - specificity);
    slider.querySelector("output").textContent =
      "At " + (at / 1000).toFixed(3) + ": sensitivity " + share(tp[at], tp[0]) + ", specificity " + share(fp[0] - fp[at], fp[0]) +
      ", PPV " + share(p * sensitivity, called) + ", NPV " + share((1 - p) * specificity, 1 - called) +
      "; true positives " + count(tp[at]) + ", false positives " + count(fp[at]) +
      ", false negatives " + count(tp[0] - tp[at]) + ", true negatives " + count(fp[0] - fp[at]) + ".";
    threshold.setAttribute("aria-valuetext", (at / 1000).toFixed(3));
  };
  slider.addEventListener("input", show);
  slider.hidden = false;
  show();
}

function openRow() {
  const target = /^#row-\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
  if (target) target.open = true;
}

for (const button of all("#board th button")) {
  button.disabled = false;
  button.addEventListener("click", () => sort(button.parentElement));
}
for (const element of all("#filters, #picker")) element.hidden = false;
for (const select of all("[data-filter]")) select.addEventListener("change", filter);
const picker = document.getElementById("picker");
if (picker) {
  picker.addEventListener("change", pick);
  pick();
}
const counts = JSON.parse(document.getElementById("counts").textContent);
for (const slider of all(".slider")) slide(slider, counts[slider.dataset.row]);
addEventListener("hashchange", openRow);
openRow();
