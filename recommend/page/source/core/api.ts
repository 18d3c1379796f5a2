/** The adviser on this device, over its local interface; nothing here can name another host. */

import type {
  FeedbackState, Language, Look, Options, Point, Preferences, ReadingAnswer, Status, Tracked,
} from "./types";

const TOKEN_KEY = "mien-token";

/** Why a request did not work; `kind` is the adviser's name of the error, or one of the page's own. */
export class ApiProblem extends Error {
  constructor(
    readonly kind: string,
    message: string,
    readonly next = "",
    readonly status = 0,
  ) {
    super(message);
  }
}

/**
 * Take the key of this start from the address, where no server or log sees it, and hide it: `#token=…` as the
 * terminal shows it, or `#code=…`, which the browser was started with and which is exchanged for a key once.
 */
export async function takeKey(): Promise<string | null> {
  const given = new URLSearchParams(window.location.hash.slice(1));
  if (window.location.hash) window.history.replaceState(null, "", window.location.pathname);
  const code = given.get("code");
  const key = given.get("token") ?? (code && (await exchange(code)));
  if (key) window.sessionStorage.setItem(TOKEN_KEY, key);
  return key ?? window.sessionStorage.getItem(TOKEN_KEY);
}

/** Return the key of a session; null where the code is used up, and then nothing else may open the page. */
async function exchange(code: string): Promise<string | null> {
  window.sessionStorage.removeItem(TOKEN_KEY);
  try {
    const response = await fetch("/session", { ...post({ code }), cache: "no-store", redirect: "error" });
    return response.ok ? ((await response.json()) as { data: { key: string } }).data.key : null;
  } catch {
    return null;
  }
}

export interface LookRequest {
  reading: string;
  preferences: Preferences;
  landmarks?: Point[];
  hairline?: Point;
}

export class Api {
  constructor(
    private readonly token: string,
    private readonly language: () => Language,
  ) {}

  options(language: Language): Promise<Options> {
    return this.json(`options?language=${language}`);
  }

  status(): Promise<Status> {
    return this.json("status");
  }

  read(photos: readonly Blob[]): Promise<ReadingAnswer> {
    const form = new FormData();
    // A neutral name: what the person called the file is nobody's business.
    photos.forEach((photo, index) => form.append("photo", photo, `photo-${index + 1}`));
    return this.json("reading", { method: "POST", body: form });
  }

  async photo(reading: string): Promise<Blob> {
    return (await this.send(`reading/${reading}/photo`)).blob();
  }

  look(request: LookRequest): Promise<Look> {
    return this.json("look", post(request));
  }

  /** Return an address on this device that shows the printable sheet once. */
  async sheet(request: LookRequest): Promise<string> {
    return (await this.json<{ url: string }>("sheet", post(request))).url;
  }

  track(frame: Blob): Promise<Tracked> {
    return this.json("track", { method: "POST", body: frame, headers: { "Content-Type": frame.type } });
  }

  feedback(): Promise<FeedbackState> {
    return this.json("feedback");
  }

  react(reading: string, rule: string, liked: boolean): Promise<{ count: number }> {
    return this.json("feedback", post({ reading, rule, liked }));
  }

  async exportFeedback(): Promise<Blob> {
    return (await this.send("feedback/export")).blob();
  }

  resetFeedback(): Promise<unknown> {
    return this.json("feedback/reset", post({}));
  }

  share(on: boolean): Promise<unknown> {
    return this.json("feedback/sharing", post({ on }));
  }

  forget(): Promise<{ forgotten: number }> {
    return this.json("forget", post({}));
  }

  private async json<T>(path: string, init?: RequestInit): Promise<T> {
    const response = await this.send(path, init);
    const answer = (await response.json()) as { data: T };
    return answer.data;
  }

  private async send(path: string, init: RequestInit = {}): Promise<Response> {
    let response: Response;
    try {
      const headers = { ...init.headers, "X-Mien-Token": this.token, "Accept-Language": this.language() };
      response = await fetch(`/${path}`, { ...init, headers, cache: "no-store", redirect: "error" });
    } catch {
      throw new ApiProblem("gone", "The adviser does not answer.");
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }
}

function post(body: unknown): RequestInit {
  return { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
}

/** The page's own names of what the adviser can answer; others are said in the adviser's words. */
const KINDS: Record<string, string> = {
  TokenError: "locked",
  ForeignHostError: "locked",
  ForeignOriginError: "locked",
  UnknownReadingError: "forgotten",
};

async function problemOf(response: Response): Promise<ApiProblem> {
  const body = (await response.json().catch(() => ({}))) as { kind?: string; message?: string; next?: string };
  const kind = KINDS[body.kind ?? ""] ?? body.kind ?? "other";
  return new ApiProblem(kind, body.message ?? `HTTP ${response.status}`, body.next ?? "", response.status);
}
