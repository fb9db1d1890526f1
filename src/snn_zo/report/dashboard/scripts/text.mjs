// numbers and names as the page shows them

/** A fraction. @param {number | null} value @param {number} digits */
export const percent = (value, digits = 3) => value === null ? "–" : `${Number((100 * value).toPrecision(digits))} %`;

/** With a prefix of the SI. @param {number | null} value */
export function joules(value) {
  if (value === null) return "–";
  for (const [prefix, size] of /** @type {const} */ ([["k", 1e3], ["", 1], ["m", 1e-3], ["µ", 1e-6]])) {
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))} ${prefix}J`;
  }
  return `${Number((value / 1e-9).toPrecision(3))} nJ`;
}

/** Three significant digits. @param {number} value */
export const number = (value) => String(Number(value.toPrecision(3)));

/** Text for plotly, which would read tags, entities and %{...} in it. @param {string} text @param {number} length */
export function plain(text, length = 48) {
  const short = text.length > length ? `${text.slice(0, length - 1)}…` : text;
  return short.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/%\{/g, "%\u200b{");
}

/** A label for plotly in lines of about `width` characters. @param {string} label @param {number} width */
export function wrapped(label, width) {
  const lines = [""];
  for (const word of plain(label, 60).split(" ")) {
    const last = lines[lines.length - 1];
    if (!last || last.length + word.length < width) lines[lines.length - 1] = last ? `${last} ${word}` : word;
    else lines.push(word);
  }
  return lines.join("<br>");
}
