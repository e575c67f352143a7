import type { RecipeInterface, PostAPIHookContext } from "supertokens-web-js/recipe/passwordless";
import type { Conversation } from "./conversation.js";
import { readRefusal, readReturnPath, type ConsumeFields, type Refusal } from "./login.js";

type ConsumeInput = Parameters<RecipeInterface["consumeCode"]>[0];
type ConsumeAnswer = Awaited<ReturnType<RecipeInterface["consumeCode"]>>;

/** Where what the SDK drops of an answer lies in the user context of one call. */
const seenKey = Symbol("konsulin answer");

interface Seen {
  refusal?: Refusal;
  returnPath?: string;
}

/** The post API hook: reads why the API refused, or where to go, before the SDK makes something else of the answer. */
export async function noteRefusal(context: Pick<PostAPIHookContext, "action" | "fetchResponse" | "userContext">): Promise<void> {
  if (context.action !== "PASSWORDLESS_CONSUME_CODE") return;
  const seen = (context.userContext as { [seenKey]?: Seen } | undefined)?.[seenKey];
  if (!seen) return;
  const answer: unknown = await context.fetchResponse.clone().json().catch(() => undefined);
  const refusal = readRefusal(answer);
  if (refusal) seen.refusal = refusal;
  const returnPath = readReturnPath(answer);
  if (returnPath !== undefined) seen.returnPath = returnPath;
}

/**
 * Confirms a link as the SDK does, once for each of the person's answers, until it is confirmed or gone. `arrived` is
 * awaited between the sign-in and the SDK's redirection.
 */
export async function confirm(
  original: RecipeInterface, input: ConsumeInput, talk: Conversation, arrived: () => Promise<void>,
): Promise<ConsumeAnswer> {
  for (;;) {
    const answers = await talk.next();
    const seen: Seen = {};
    let answer: ConsumeAnswer;
    try {
      answer = await original.consumeCode(withFields(input, answers, seen));
    } catch (error) {
      const refusal = seen.refusal ?? { reason: "try_again" };
      if (refusal.reason === "new_link" || isNoLink(error)) {
        await talk.gone();
        throw error;
      }
      talk.refuse(refusal);
      continue;
    }
    if (answer.status === "OK") {
      await arrived();
      await remember(original, input, seen.returnPath ?? talk.returnPath);
    } else {
      await talk.gone();
    }
    return answer;
  }
}

function withFields(input: ConsumeInput, answers: ConsumeFields, seen: Seen): ConsumeInput {
  const before = input.options?.preAPIHook;
  return {
    ...input,
    userContext: { ...(input.userContext as object | undefined), [seenKey]: seen },
    options: {
      ...input.options,
      preAPIHook: async (context) => {
        const { url, requestInit } = before ? await before(context) : context;
        const body = { ...(JSON.parse(requestInit.body as string) as object), ...answers };
        return { url, requestInit: { ...requestInit, body: JSON.stringify(body) } };
      },
    },
  };
}

/** The route refuses what is no link of ours; all other failures may pass. */
function isNoLink(error: unknown): boolean {
  return error instanceof Response && (error.status === 400 || error.status === 404);
}

/**
 * Leaves the return path where the SDK looks for it after a confirmation, and from where it clears it. Not earlier: a link
 * with such a note is one that the SDK would confirm without asking.
 */
async function remember(original: RecipeInterface, input: ConsumeInput, redirectToPath: string | undefined): Promise<void> {
  if (redirectToPath === undefined) return;
  await original.setLoginAttemptInfo({
    attemptInfo: {
      deviceId: "",
      preAuthSessionId: input.preAuthSessionId,
      shouldTryLinkingWithSessionUser: undefined,
      flowType: "MAGIC_LINK",
      contactInfo: "",
      contactMethod: "PHONE",
      lastResend: 0,
      redirectToPath,
    },
    userContext: input.userContext,
  });
}
