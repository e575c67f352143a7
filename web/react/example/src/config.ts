/** Where the bot's API is: `auth.api_domain` and `auth.api_base_path` of its configuration. */
export interface Config {
  apiDomain: string;
  apiBasePath: string;
}

/** Reads /config.json when the page starts, so that one build serves every place. */
export async function loadConfig(): Promise<Config> {
  const response = await fetch("/config.json", { cache: "no-store" });
  const { apiDomain, apiBasePath } = (await response.json()) as Partial<Config>;
  if (!apiDomain || !apiBasePath) throw new Error("config.json must name apiDomain and apiBasePath");
  return { apiDomain, apiBasePath };
}
