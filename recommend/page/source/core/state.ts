/** The page's state and how it changes; pure, so that what happens can be tested without a browser. */

import type { ApiProblem } from "./api";
import type { Language, Look, Options, Point, Preferences, ReadingAnswer } from "./types";

export type Phase = "welcome" | "camera" | "questions" | "result";

export interface Problem {
  kind: string;
  message: string;
  next: string;
}

export interface State {
  phase: Phase;
  language: Language;
  options: Options | null;
  /** The photos as given, to read them again when the adviser has let go of them. */
  photos: readonly Blob[];
  reading: ReadingAnswer | null;
  photoUrl: string | null;
  preferences: Preferences | null;
  /** Landmarks and hairline that were moved by hand; null where nothing was. */
  landmarks: Point[] | null;
  hairline: Point | null;
  look: Look | null;
  /** Rules that the last change brought, against the cards before it. */
  fresh: ReadonlySet<string>;
  before: { rules: ReadonlySet<string>; at: number };
  busy: "reading" | "look" | null;
  active: number | null;
  liked: Readonly<Record<string, boolean>>;
  problem: Problem | null;
  message: string;
}

export type Action =
  | { type: "options"; options: Options }
  | { type: "language"; language: Language }
  | { type: "go"; phase: Phase }
  | { type: "photos"; photos: readonly Blob[] }
  | { type: "read"; reading: ReadingAnswer; photoUrl: string }
  | { type: "prefer"; change: Partial<Preferences> }
  | { type: "confirm"; attribute: string; answer: string | null }
  | { type: "move"; landmarks: Point[] | null; hairline: Point | null }
  | { type: "ask" }
  | { type: "look"; look: Look; at: number }
  | { type: "active"; card: number | null }
  | { type: "liked"; rule: string; liked: boolean }
  | { type: "problem"; problem: ApiProblem | Problem | null }
  | { type: "say"; message: string }
  | { type: "kept"; message: string }
  | { type: "forget"; message: string };

export function initialState(language: Language): State {
  return {
    phase: "welcome",
    language,
    options: null,
    preferences: null,
    problem: null,
    message: "",
    ...nothingOfThePerson(),
  };
}

function nothingOfThePerson() {
  return {
    photos: [],
    reading: null,
    photoUrl: null,
    landmarks: null,
    hairline: null,
    look: null,
    fresh: new Set<string>(),
    before: { rules: new Set<string>(), at: 0 },
    busy: null,
    active: null,
    liked: {},
  } satisfies Partial<State>;
}

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "options":
      return { ...state, options: action.options, preferences: state.preferences ?? action.options.defaults };
    case "language": {
      const { preferences } = state;
      return {
        ...state,
        language: action.language,
        preferences: preferences && { ...preferences, language: action.language },
      };
    }
    case "go":
      return { ...state, phase: action.phase, problem: null, fresh: new Set() };
    case "photos":
      return {
        ...state,
        ...nothingOfThePerson(),
        photos: action.photos,
        liked: state.liked,
        busy: "reading",
        problem: null,
        phase: state.phase === "result" ? "result" : "questions",
      };
    case "read":
      return { ...state, reading: action.reading, photoUrl: action.photoUrl, busy: null };
    case "prefer":
      return { ...state, preferences: state.preferences && { ...state.preferences, ...action.change } };
    case "confirm":
      return { ...state, preferences: state.preferences && confirmed(state.preferences, action.attribute, action.answer) };
    case "move":
      return { ...state, landmarks: action.landmarks, hairline: action.hairline };
    case "ask":
      return { ...state, busy: "look" };
    case "look":
      return withLook(state, action.look, action.at);
    case "active":
      return state.active === action.card ? state : { ...state, active: action.card };
    case "liked":
      return { ...state, liked: { ...state.liked, [action.rule]: action.liked } };
    case "problem":
      return { ...state, problem: action.problem, busy: action.problem ? null : state.busy };
    case "say":
      return { ...state, message: action.message };
    case "kept":
      return { ...state, busy: null, message: action.message };
    case "forget":
      return { ...initialState(state.language), options: state.options, preferences: fresh(state), message: action.message };
  }
}

/** The adviser's defaults, in the language of now: what the person answered is forgotten too. */
function fresh(state: State): Preferences | null {
  return state.options && { ...state.options.defaults, language: state.language };
}

function confirmed(preferences: Preferences, attribute: string, answer: string | null): Preferences {
  const { [attribute]: _, ...others } = preferences.confirmed;
  return { ...preferences, confirmed: answer === null ? others : { ...others, [attribute]: answer } };
}

/** Answers that follow each other faster than this (milliseconds) belong to one change, such as a drag. */
const ONE_CHANGE = 1500;

function withLook(state: State, look: Look, at: number): State {
  const { cards } = look.look;
  const rules = (of: Look | null) => new Set((of?.look.cards ?? []).map(({ rule }) => rule));
  const going = at - state.before.at < ONE_CHANGE;
  const before = { rules: going ? state.before.rules : rules(state.look), at };
  const fresh = new Set(state.look ? [...rules(look)].filter((rule) => !before.rules.has(rule)) : []);
  const kept = state.look?.look.cards.find(({ number }) => number === state.active)?.rule;
  const active = cards.find(({ rule }) => rule === kept)?.number ?? null;
  return { ...state, look, fresh, before: state.look ? before : { ...before, at: 0 }, active, busy: null, problem: null };
}
