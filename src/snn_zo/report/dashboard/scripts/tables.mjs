// sorting and filtering

import { byId, selectById } from "./elements.mjs";

/**
 * Sort by a column; numbers as numbers, what is missing last in either direction.
 * @param {HTMLTableElement} table
 * @param {number} column
 * @param {boolean} descending
 */
function sortTable(table, column, descending) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ key: row.cells[column].dataset.sort ?? "", row }));
  const compare = byKey(rows.map(({ key }) => key), descending);
  rows.sort((a, b) => compare(a.key, b.key));
  body.append(...rows.map(({ row }) => row));
  headings(table).forEach((cell, i) => {
    cell.setAttribute("aria-sort", i !== column ? "none" : descending ? "descending" : "ascending");
  });
}

/** The order of a column's keys. @param {string[]} keys @param {boolean} descending */
export function byKey(keys, descending) {
  const numeric = keys.every((key) => key === "" || Number.isFinite(Number(key)));
  const compare = (/** @type {string} */ a, /** @type {string} */ b) =>
    numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
  return (/** @type {string} */ a, /** @type {string} */ b) => {
    if (a === "" || b === "") return Number(a === "") - Number(b === "");
    return descending ? compare(b, a) : compare(a, b);
  };
}

const headings = (/** @type {HTMLTableElement} */ table) => [...(table.tHead?.rows[0].cells ?? [])];

export function setUpTables() {
  for (const table of /** @type {NodeListOf<HTMLTableElement>} */ (document.querySelectorAll("table.sortable"))) {
    headings(table).forEach((cell, column) =>
      cell.querySelector("button")?.addEventListener(
        "click",
        () => sortTable(table, column, cell.getAttribute("aria-sort") === "ascending"),
      )
    );
  }
  setUpFilter();
}

/** Whether a run's row has all the words, the method and the state. @param {{ content: string, marks: DOMStringMap }} row @param {{ text: string, method: string, state: string }} wanted */
export function matches({ content, marks }, { text, method, state }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return (
    words.every((word) => content.toLowerCase().includes(word)) &&
    (!method || marks.method === method) &&
    (!state || marks.status === state || (state === "dead" && marks.dead === "yes"))
  );
}

function setUpFilter() {
  const table = /** @type {HTMLTableElement} */ (byId("runs"));
  const text = /** @type {HTMLInputElement} */ (byId("filter-text"));
  const [method, state] = [selectById("filter-method"), selectById("filter-status")];
  const rows = [...table.tBodies[0].rows].map((node) => ({ node, content: node.textContent, marks: node.dataset }));
  const apply = () => {
    const wanted = { text: text.value, method: method.value, state: state.value };
    for (const row of rows) row.node.hidden = !matches(row, wanted);
    byId("filtered").textContent = `${rows.filter(({ node }) => !node.hidden).length} of ${rows.length} runs`;
  };
  for (const input of [text, method, state]) input.addEventListener("input", apply);
  apply();
}
