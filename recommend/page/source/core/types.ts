/** What the adviser's local interface answers; the fields of `LookResult.to_json` (schema 1) and of /options. */

export type Language = "en" | "zh";
export type Point = readonly [number, number];

export interface Named {
  id: string;
  name: string;
}

export interface Attribute extends Named {
  kind: "measured" | "estimated" | "asked";
  unit: "ratio" | "degrees" | null;
  opt_in: boolean;
  question: string | null;
  answers: Named[];
}

export interface Domain extends Named {
  colour: string;
}

export type Choice = "occasion" | "style" | "intent" | "skill" | "season";

export interface Preferences {
  language: Language;
  occasion: string;
  style: string;
  intent: string;
  skill: string;
  minutes: number;
  season: string | null;
  nose: boolean;
  confirmed: Record<string, string>;
}

export interface Options {
  language: Language;
  languages: Named[];
  defaults: Preferences;
  choices: Record<Choice, Named[]>;
  attributes: Attribute[];
  domains: Domain[];
  wording: Record<string, string>;
}

export interface Outline {
  side: "right" | "left" | "middle";
  points: Point[];
  holes?: Point[][];
}

export interface Place {
  zone: string;
  name: string;
  text: string;
  estimated_hairline: boolean;
  outlines: Outline[];
}

export interface Tint {
  name: string;
  product: string;
  on_skin: string;
  bare: string;
  dose: number;
  difference: number;
}

export interface Why {
  sentence: string;
  origin: "photo" | "told" | "chosen" | "always";
  attribute?: string;
  answer?: string;
  value?: number;
  low?: number;
  high?: number;
  percentile?: number;
  cuts?: [number, number];
}

export interface Card {
  number: number;
  rank: number;
  starred?: boolean;
  rule: string;
  domain: string;
  title: string;
  reason: string;
  steps: string[];
  minutes: number;
  tools: string[];
  where: Place[];
  colours: Tint[];
  why: Why[];
  why_not: { rule: string; title: string; reason: string }[];
  confidence: { value: number; word: string };
  evidence: { grade: string; word: string; sources: string[] };
}

export interface Measurement {
  value: number;
  interval_90: [number, number];
  percentile: number;
  cuts: [number, number];
  answer: string | null;
  probability: number;
  undecided: string[];
}

export interface Notice {
  code: string;
  value: number;
  text: string;
  next: string;
}

export interface Reading {
  photos: number;
  size: [number, number];
  landmarks: Point[];
  reference: { set: string; people: number };
  measurements: Record<string, Measurement>;
  face_shape: { answer: string | null; probabilities: Record<string, number> };
  skin: {
    ita: number;
    interval_90: [number, number];
    depth: Record<string, number>;
    answer: string | null;
    undertone_suggestion: Record<string, number>;
    judged_by: string;
  } | null;
}

export interface Look {
  language: Language;
  reading: Reading;
  look: { minutes: number; cards: Card[] };
  notices: Notice[];
  hairline?: Point;
  summary?: [string, string][];
}

/** One photo, or several of the same person, as they were read. */
export interface ReadingAnswer {
  id: string;
  reading: Reading;
  hairline?: Point;
  notices: Notice[];
}

/** The usual place of one part of a look, on a camera's frame. */
export interface LiveZone {
  zone: string;
  domain: string;
  points: Point[];
}

export interface Tracked {
  landmarks: Point[] | null;
  size: [number, number];
  zones: LiveZone[];
}

export interface FeedbackState {
  count: number;
  sharing: boolean;
}

export interface Status {
  version: string;
  bytes_sent_off_device: number;
  readings_in_memory: number;
}
