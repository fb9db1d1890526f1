// sets the page up

import { setUpChoices } from "./choices.mjs";
import { drawForPaper, redraw, setUpDrawing } from "./drawing.mjs";
import { byId, element } from "./elements.mjs";
import { drawLegend, setUpLegend } from "./legend.mjs";
import { chosen, isDark, report } from "./state.mjs";
import { setUpTables } from "./tables.mjs";

function setUpTheme() {
  const button = byId("theme");
  const say = () => (button.textContent = isDark() ? "Light" : "Dark");
  const change = () => {
    say();
    drawLegend();
    redraw();
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    change();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", change);
  say();
}

function setUpDownloads() {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-download]"))) {
    const name = button.dataset.download ?? "";
    button.addEventListener("click", () => {
      const url = URL.createObjectURL(new Blob([report.downloads[name]], { type: "text/plain;charset=utf-8" }));
      element("a", { href: url, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    });
  }
}

function setUpPaper() {
  /** @type {string | undefined} */
  let before;
  addEventListener("beforeprint", () => {
    before = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
    chosen.paper = true;
    drawLegend();
    drawForPaper();
  });
  addEventListener("afterprint", () => {
    if (before) document.documentElement.dataset.theme = before;
    else delete document.documentElement.dataset.theme;
    chosen.paper = false;
    drawLegend();
    redraw();
  });
}

setUpTheme();
setUpLegend();
setUpChoices();
setUpTables();
setUpDownloads();
setUpDrawing();
setUpPaper();
