// what snn_zo/report/dashboard/schema.py says, which has the words

export interface Headline {
  name: string;
  title: string;
  direction: "max" | "min";
  unit: string;
}

export interface Fronts {
  active: Array<Array<number>>;
  joules: Array<Array<number>>;
}

export interface Line {
  label: string;
  values: Array<number>;
  variants: Array<number>;
}

export interface Sweep {
  name: string;
  log: boolean;
  lines: Array<Line>;
}

export interface Dataset {
  name: string;
  headline: Headline;
  swept: Record<string, string>;
  sweeps: Array<Sweep>;
  target: number;
  fronts: Fronts;
}

export interface Curves {
  x: Record<string, Array<number | null>>;
  y: Record<string, [Array<number | null>, Array<number | null> | null, Array<number | null> | null]>;
}

export interface Energy {
  modelled: Record<string, number>;
  dense: Record<string, number> | null;
}

export interface Times {
  forward: number | null;
  backward: number | null;
  epoch: number | null;
}

export interface Confusion {
  classes: Array<string>;
  runs: number;
  index: Array<number>;
  count: Array<number>;
}

export interface Variant {
  data: number;
  style: number;
  label: string;
  method: string;
  varied: Record<string, number | string>;
  score: [number | null, number | null, number | null, number] | null;
  active: [number | null, number | null, number | null, number] | null;
  joules: [number | null, number | null, number | null, number] | null;
  curves: Curves;
  energy: Energy | null;
  times: Times;
  confusion: Confusion | null;
}

export interface Run {
  variant: number;
  name: string;
  dead: boolean;
  score: number | null;
  active: number | null;
  spike_rate: number | null;
  joules: number | null;
  epoch_s: number | null;
}

export interface Pair {
  a: number;
  b: number;
  difference: [number | null, number | null, number | null, number];
  wins: number;
  ties: number;
  n: number;
}

export interface Report {
  datasets: Array<Dataset>;
  variants: Array<Variant>;
  runs: Array<Run>;
  pairs: Array<Pair>;
  downloads: Record<string, string>;
}
