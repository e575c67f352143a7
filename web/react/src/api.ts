import { fields } from "./json.js";

/** How one call to the API ended when it did not end well. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    message: string,
    /** The HTTP status; 0 when there was no answer at all. */
    readonly status: number,
    /** After how many milliseconds the API wants to be asked again; undefined when it did not say. */
    readonly retryAfter?: number,
    /** What the API calls the trouble, such as "LINE_DOWN"; undefined when it has no name for it. */
    readonly trouble?: string,
  ) {
    super(message);
  }
}

export interface ApiConfig {
  /** Where the bot's API is, such as "https://login.example.org": `auth.api_domain`. */
  apiDomain: string;
  /** Below which path, as SuperTokens knows it: `auth.api_base_path`. Default "/auth". */
  apiBasePath?: string;
  /** The longest that one call may take, in milliseconds. Default 25 s: the bot may wait for SuperTokens' core. */
  timeout?: number;
}

export interface Answer {
  status: number;
  body: unknown;
}

/**
 * Calls the bot's routes with this browser's cookies. It uses the global `fetch` as it is when the call is made, so that
 * SuperTokens' SDK, which wraps it, adds and refreshes the session by itself.
 */
export class Api {
  private readonly base: string;
  private readonly timeout: number;

  constructor(config: ApiConfig) {
    const path = (config.apiBasePath ?? "/auth").replace(/\/+$/, "");
    this.base = config.apiDomain.replace(/\/+$/, "") + (path === "" || path.startsWith("/") ? path : "/" + path);
    this.timeout = config.timeout ?? 25_000;
  }

  /** Throws ApiError unless the API answered with 2xx and, where there is a body, with JSON. */
  async call(method: string, path: string, options: { body?: unknown; signal?: AbortSignal } = {}): Promise<Answer> {
    const { body, signal } = options;
    const init: RequestInit = { method, credentials: "include", cache: "no-store", redirect: "error" };
    if (body !== undefined) {
      init.headers = { "content-type": "application/json; charset=utf-8" };
      init.body = JSON.stringify(body);
    }
    const name = `${method} ${path.split("?", 1)[0] ?? ""}`; // a query may hold what belongs into no log
    signal?.throwIfAborted();
    const abort = new AbortController();
    const stop = (): void => abort.abort();
    const timer = setTimeout(stop, this.timeout);
    signal?.addEventListener("abort", stop, { once: true });
    try {
      return await read(name, await globalThis.fetch(this.base + path, { ...init, signal: abort.signal }));
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof ApiError) throw cause;
      if (cause instanceof Response) throw refused(name, cause); // SuperTokens' wrapper throws such
      throw new ApiError(`${name}: no answer`, 0);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    }
  }
}

async function read(name: string, response: Response): Promise<Answer> {
  if (!response.ok) throw refused(name, response, await troubleOf(response));
  const text = await response.text();
  if (text === "") return { status: response.status, body: undefined };
  try {
    return { status: response.status, body: JSON.parse(text) as unknown };
  } catch {
    throw new ApiError(`${name}: the answer is no JSON`, response.status);
  }
}

/** The name that the body of an error gives it. */
async function troubleOf(response: Response): Promise<string | undefined> {
  try {
    const name = fields(await response.json())["status"];
    return typeof name === "string" ? name : undefined;
  } catch {
    return undefined;
  }
}

function refused(name: string, response: Response, trouble?: string): ApiError {
  const seconds = Number(response.headers.get("retry-after"));
  const after = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
  return new ApiError(`${name}: ${String(response.status)}`, response.status, after, trouble);
}
