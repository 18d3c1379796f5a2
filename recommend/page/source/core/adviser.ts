/** Ties the page's state to the adviser: when to read, when to ask for cards again, what to let go of. */

import { createContext, useCallback, useContext, useEffect, useMemo, useReducer, useRef } from "react";
import { firstLanguage, WORDS } from "../language";
import { Api, ApiProblem, type LookRequest } from "./api";
import { type Action, initialState, type Phase, reduce, type State } from "./state";
import type { Language, Point, Preferences } from "./types";

export const MAX_PHOTOS = 5;
/** The least time between two requests for cards, in milliseconds. */
const REST = 40;

export interface Adviser {
  state: State;
  api: Api;
  go: (phase: Phase) => void;
  speak: (language: Language) => void;
  give: (photos: readonly Blob[]) => void;
  retry: () => void;
  prefer: (change: Partial<Preferences>) => void;
  confirm: (attribute: string, answer: string | null) => void;
  move: (landmarks: Point[] | null, hairline: Point | null) => void;
  showResult: () => void;
  activate: (card: number | null) => void;
  react: (rule: string, liked: boolean) => Promise<void>;
  /** Let go of the photo and all that came of it; of the likes that are kept on the device too, if wanted. */
  forget: (likesToo: boolean) => Promise<void>;
  announce: (message: string) => void;
  fail: (problem: unknown) => void;
  request: () => LookRequest | null;
}

export const AdviserContext = createContext<Adviser | null>(null);

export function useAdviser(): Adviser {
  const adviser = useContext(AdviserContext);
  if (!adviser) throw new Error("useAdviser is used outside of the page");
  return adviser;
}

export function lookRequest(state: State): LookRequest | null {
  if (!state.reading || !state.preferences) return null;
  return {
    reading: state.reading.id,
    preferences: state.preferences,
    ...(state.landmarks && { landmarks: state.landmarks }),
    ...(state.hairline && { hairline: state.hairline }),
  };
}

export function useAdviserState(token: string): Adviser {
  const [state, dispatch] = useReducer(reduce, undefined, () => initialState(firstLanguage()));
  const now = useRef(state);
  now.current = state;
  const api = useMemo(() => new Api(token, () => now.current.language), [token]);

  const fail = useCallback((error: unknown) => {
    const problem = error instanceof ApiProblem ? error : new ApiProblem("other", String(error));
    dispatch({ type: "problem", problem });
  }, []);

  useEffect(() => {
    let current = true;
    api.options(state.language).then(
      (options) => current && dispatch({ type: "options", options }),
      (error: unknown) => current && fail(error),
    );
    return () => void (current = false);
  }, [api, state.language, fail]);

  const read = useCallback(
    async (photos: readonly Blob[]) => {
      dispatch({ type: "photos", photos });
      try {
        const reading = await api.read(photos);
        const photo = await api.photo(reading.id);
        // The person may have pressed "forget", or given another photo, in the meantime.
        if (now.current.photos !== photos) return;
        dispatch({ type: "read", reading, photoUrl: URL.createObjectURL(photo) });
      } catch (error) {
        if (now.current.photos === photos) fail(error);
      }
    },
    [api, fail],
  );

  const activate = useCallback((card: number | null) => dispatch({ type: "active", card }), []);

  usePhotoUrl(state.photoUrl);
  useLook(state, api, dispatch, fail);

  return useMemo<Adviser>(
    () => ({
      state,
      api,
      fail,
      go: (phase) => dispatch({ type: "go", phase }),
      speak: (language) => dispatch({ type: "language", language }),
      give: (photos) => void read(photos.slice(0, MAX_PHOTOS)),
      retry: () => {
        dispatch({ type: "problem", problem: null });
        if (!state.options) api.options(state.language).then((options) => dispatch({ type: "options", options }), fail);
        if (state.photos.length > 0) void read(state.photos);
      },
      prefer: (change) => dispatch({ type: "prefer", change }),
      confirm: (attribute, answer) => dispatch({ type: "confirm", attribute, answer }),
      move: (landmarks, hairline) => dispatch({ type: "move", landmarks, hairline }),
      showResult: () => dispatch({ type: "go", phase: "result" }),
      activate,
      react: async (rule, liked) => {
        if (!state.reading) return;
        try {
          await api.react(state.reading.id, rule, liked);
          dispatch({ type: "liked", rule, liked });
          dispatch({ type: "say", message: WORDS[state.language].card.thanks });
        } catch (error) {
          fail(error);
        }
      },
      forget: async (likesToo) => {
        try {
          await api.forget();
          if (likesToo && (await api.feedback()).count > 0) await api.resetFeedback();
          dispatch({ type: "forget", message: WORDS[state.language].privacy.forgotten });
        } catch (error) {
          // What this page holds goes even when the adviser no longer answers: then its memory is gone too.
          dispatch({ type: "forget", message: "" });
          fail(error);
        }
      },
      announce: (message) => dispatch({ type: "say", message }),
      request: () => lookRequest(state),
    }),
    [state, api, fail, read, activate],
  );
}

/** Let the browser forget a photo as soon as the page no longer shows it. */
function usePhotoUrl(url: string | null): void {
  useEffect(() => {
    if (!url) return undefined;
    return () => URL.revokeObjectURL(url);
  }, [url]);
}

/**
 * Ask for cards whenever what they follow from has changed. One request at a time: while a point is dragged the
 * newest state waits for the running answer, so that the cards follow live and none comes out of order.
 */
function useLook(state: State, api: Api, dispatch: React.Dispatch<Action>, fail: (error: unknown) => void): void {
  const { phase, reading, preferences, landmarks, hairline } = state;
  const wanted = useRef<LookRequest | null>(null);
  const running = useRef(false);
  const current = useRef<string | undefined>(undefined);
  current.current = reading?.id;

  useEffect(() => {
    wanted.current = phase === "result" || phase === "questions" ? lookRequest(state) : null;
    if (!wanted.current || running.current) return;
    running.current = true;
    void (async () => {
      while (wanted.current) {
        const request: LookRequest = wanted.current;
        wanted.current = null;
        dispatch({ type: "ask" });
        try {
          const look = await api.look(request);
          // What was forgotten or replaced in the meantime must not come back.
          if (current.current === request.reading) dispatch({ type: "look", look, at: performance.now() });
        } catch (error) {
          if (current.current !== request.reading) continue;
          // Points that were moved to where no face has them: the last good cards stay.
          const folded = error instanceof ApiProblem && error.kind === "ConfigError" && request.landmarks;
          if (folded) dispatch({ type: "kept", message: WORDS[request.preferences.language].points.refused });
          else fail(error);
        }
        await new Promise((resolve) => window.setTimeout(resolve, REST));
      }
      running.current = false;
    })();
    // eslint-disable-next-line -- the request is made of exactly these parts of the state
  }, [phase, reading, preferences, landmarks, hairline, api, dispatch, fail]);
}
