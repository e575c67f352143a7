export interface Call {
  method: string;
  path: string;
  query: URLSearchParams;
  body: Record<string, unknown> | undefined;
  init: RequestInit;
}

type Route = (call: Call) => Response | Promise<Response>;

/** The bot's API as a test needs it: a route that the test did not name is a failure of that test. */
export class FakeApi {
  readonly calls: Call[] = [];
  readonly unexpected: string[] = [];
  private readonly routes = new Map<string, Route>();

  constructor(private readonly base = "https://api.example/auth") {}

  on(route: string, answer: Route): this {
    this.routes.set(route, answer);
    return this;
  }

  to(route: string): Call[] {
    return this.calls.filter((call) => `${call.method} ${call.path}` === route);
  }

  readonly fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input);
    const method = (init.method ?? "GET").toUpperCase();
    const path = url.href.startsWith(this.base) ? url.pathname.slice(new URL(this.base).pathname.length) : url.href;
    const body = typeof init.body === "string" ? (JSON.parse(init.body) as Record<string, unknown>) : undefined;
    const call = { method, path, query: url.searchParams, body, init };
    this.calls.push(call);
    const answer = this.routes.get(`${method} ${path}`);
    if (!answer) {
      this.unexpected.push(`${method} ${path}`);
      return json({ message: "not a route of this test" }, 500);
    }
    init.signal?.throwIfAborted();
    return answer(call);
  };
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });
}

export function started(more: Record<string, unknown> = {}): Response {
  return json({
    status: "OK", text: "Request login, authenticate me.",
    url: "https://wa.me/6281110002000?text=Request%20login%2C%20authenticate%20me.", expires_in: 1800, ...more,
  });
}

export function link(more: Record<string, unknown> = {}): Response {
  return json({ state: "open", number: "+62 812 •••• ••••", expires_in: 500, door: "tap", triesLeft: 3, comes: false, other: false, ...more });
}
