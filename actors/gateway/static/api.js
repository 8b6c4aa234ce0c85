/** The gateway's endpoints, and what it says when it does not do what it was asked. */

const KNOWN_LATE = 0.5; // seconds that an answer may have been on its way

/** The gateway refused, or could not be reached; `passing` where trying again may help. */
export class Refusal extends Error {
  constructor(kind, detail, { status = 0, retryAfter = null } = {}) {
    super(detail);
    Object.assign(this, { kind, status, retryAfter });
    this.passing = ['gone', 'too-often', 'not-ready', 'no-answer', 'broken'].includes(kind);
  }
}

/** Asks the gateway; Refusal for everything but success. */
async function ask(path, { method = 'GET', body, bearer, signal, keepalive = false } = {}) {
  const headers = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (bearer) headers.authorization = `Bearer ${bearer}`;
  let answer;
  try {
    answer = await fetch(path, { method, headers, signal, keepalive, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    throw new Refusal('gone', signal?.aborted ? 'cancelled' : 'the gateway cannot be reached');
  }
  if (answer.status === 204) return null;
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  const kind = String(told.type ?? '').split('#')[1] || 'broken';
  const retryAfter = Number(answer.headers.get('retry-after')) || null;
  throw new Refusal(kind, told.detail ?? `the gateway answered ${answer.status}`, { status: answer.status, retryAfter });
}

/** Gives what the page may offer. */
export function config() {
  return ask('/api/config');
}

/** Signs in with the operator's access key. */
export function login(key) {
  return ask('/api/login', { method: 'POST', body: { access_key: key } });
}

/** Gives the numbers of the dashboard. */
export function dashboard() {
  return ask('/api/dashboard');
}

/** Gives a token for a wish, or the next one of a session; its times are on the page's own clock, in seconds. */
export async function token(wish, before = null) {
  const body = before ? { ...wish, renew: before.secret } : wish;
  const now = performance.now() / 1000 - KNOWN_LATE;
  const given = await ask('/api/token', { method: 'POST', body });
  return {
    name: given.token,
    socketUrl: `${given.ws_url}?access_token=${given.token}`,
    life: given.expires_in_s,
    expires: now + given.expires_in_s,
    sessionEnds: now + given.session_in_s,
    startBefore: now + given.start_in_s,
    setup: given.setup,
    takesHistory: !/extended-thinking|3\.1-flash/.test(given.model),
    session: given.session,
    secret: given.session_secret,
  };
}

/** Runs a tool for a session. */
export function call(name, { id, args }, { secret }, signal) {
  return ask(`/api/tools/${encodeURIComponent(name)}`, { method: 'POST', body: { id, args }, bearer: secret, signal });
}

/** Tells of a session that it is alive, and what it has come to since. */
export function beat({ session, secret }, told) {
  return ask(`/api/sessions/${session}/beat`, { method: 'POST', body: told, bearer: secret });
}

/** Ends a session. */
export function end({ session, secret }) {
  return ask(`/api/sessions/${session}`, { method: 'DELETE', bearer: secret, keepalive: true });
}
