const longest = 256;

/**
 * Says whether a browser may be sent to this path of its own site after a sign-in, however often somebody on the way
 * decodes it. The API judges for itself when a login begins; this is for paths that come from an address bar.
 */
export function isSafePath(path: string): boolean {
  if ([...path].length > longest || /%(?![0-9a-fA-F]{2})/.test(path)) return false;
  let spelling = path;
  for (let round = 0; round < 8; round++) {
    if (!staysHere(spelling) || !staysHere(spelling.normalize("NFKC"))) return false;
    const next = unescapeOnce(spelling);
    if (next === undefined) return false;
    if (next === spelling) return true;
    spelling = next;
  }
  return false;
}

/** The `redirectToPath` of the page's own address, when it is safe. */
export function pathFromAddress(search: string = window.location.search): string | undefined {
  const path = new URLSearchParams(search).get("redirectToPath");
  return path !== null && isSafePath(path) ? path : undefined;
}

/** Undoes one layer of percent-encoding as a lenient decoder does; undefined when what comes out is no text. */
function unescapeOnce(path: string): string | undefined {
  try {
    return path.replace(/(?:%[0-9a-fA-F]{2})+/g, decodeURIComponent);
  } catch {
    return undefined;
  }
}

function staysHere(path: string): boolean {
  if (!path.startsWith("/") || path.startsWith("//") || path.includes("\\") || path.includes("://")) return false;
  // Controls, line and paragraph separators, spaces other than the plain one, formats such as bidi marks, lone surrogates.
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(path)) return false;
  // A base that cannot be named: dot segments must not uncover a second slash, and nothing may name a host.
  const base = "https://here.invalid";
  try {
    const there = new URL(path, base);
    return there.origin === base && !there.pathname.startsWith("//");
  } catch {
    return false;
  }
}
