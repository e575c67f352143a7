import type { Claim } from "@konsulin/whatsapp-login";

const key = "example.claim";

/** Keeps what became of the guest's records over the redirection that follows a sign-in. */
export function rememberClaim(claim: Claim): void {
  sessionStorage.setItem(key, String(claim.claimed ? claim.count : 0));
}

/** How many records the last sign-in brought along; undefined when none was asked for. */
export function lastClaim(): number | undefined {
  const count = sessionStorage.getItem(key);
  return count === null ? undefined : Number(count);
}

export function forgetClaim(): void {
  sessionStorage.removeItem(key);
}
