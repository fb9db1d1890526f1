import assert from "node:assert/strict";
import { test } from "node:test";

import { byKey, matches } from "../../../../src/snn_zo/report/dashboard/scripts/tables.mjs";

/** @param {string[]} keys @param {boolean} descending */
const sorted = (keys, descending) => [...keys].sort(byKey(keys, descending));

test("numbers are sorted as numbers, what is missing last", () => {
  assert.deepEqual(sorted(["10", "", "9", "-1e-3"], false), ["-1e-3", "9", "10", ""]);
  assert.deepEqual(sorted(["10", "", "9", "-1e-3"], true), ["10", "9", "-1e-3", ""]);
});

test("words are sorted as words, with numbers in them as numbers", () => {
  assert.deepEqual(sorted(["run10", "run9", "", "Run1"], false), ["Run1", "run9", "run10", ""]);
});

test("a row matches by all its words, its method and its state", () => {
  const row = { content: "Local_zo-s1 digits", marks: { method: "local_zo", status: "completed", dead: "yes" } };
  const any = { text: "", method: "", state: "" };
  assert.ok(matches(row, any));
  assert.ok(matches(row, { ...any, text: " DIGITS local " }));
  assert.ok(!matches(row, { ...any, text: "digits other" }));
  assert.ok(!matches(row, { ...any, method: "ssg" }));
  assert.ok(matches(row, { ...any, state: "dead" }));
  assert.ok(!matches(row, { ...any, state: "failed" }));
});
