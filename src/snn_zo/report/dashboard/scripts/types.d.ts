import type { Dataset, Report } from "./payload.d.ts";

/** What the reader has chosen. */
export interface Chosen {
  data: number;
  hidden: Set<number>;
  metric: string;
  x: string;
  activity: string;
  confusion: number;
  reference: number;
  paper: boolean;
}

/** What a figure is drawn from. */
export interface View {
  report: Report;
  chosen: Chosen;
  /** The data set that is looked at. */
  dataset: Dataset;
  /** Places in the report of its variants that are not hidden, best first. */
  shown: number[];
  /** Width of the figure's place, in px. */
  width: number;
  narrow: boolean;
  dark: boolean;
  /** A colour of the style sheet, as the present theme has it. */
  colour(name: string): string;
}

// plotly's own types are no part of the library
// deno-lint-ignore no-explicit-any
export type Trace = Record<string, any>;
// deno-lint-ignore no-explicit-any
export type Layout = Record<string, any>;

export interface Figure {
  data: Trace[];
  layout: Layout;
}

/** The element that plotly has drawn a figure in. */
export type Drawn = HTMLElement & Partial<Figure>;

declare global {
  // deno-lint-ignore no-explicit-any
  const Plotly: any;
}
