/** What follows the loss of a connection: a table, and the wait before the next attempt. Pure. */

const FIRST_DELAY = 0.5; // seconds
const LONGEST_DELAY = 15;
const PATIENCE = 15 * 60; // seconds of trying to reach a service that has answered before
const FIRST_PATIENCE = 20; // and one that never has
const FRESH_AFTER = 3; // failed attempts with a handle, after which a new session is made
const MOST_RENEWALS = 3; // tokens in a row that were refused

const CREDENTIALS = /token|API.?key|unregistered callers|credential|permission|unauthenti/i;

// Codes, pattern of the reason, phase (null: any), what to do with a handle, and without one; the first that fits.
const RULES = [
  [[1007, 1008, 1011], CREDENTIALS, null, 'renew', 'renew'],
  [[1008], /session not found/i, null, 'fresh', 'fresh'],
  [[1007, 1008], /./, 'setup', 'fresh', 'give up'],
  [[1007], /./, 'session', 'fresh', 'fresh'],
  [[1000], /./, 'session', 'end', 'end'],
  [null, /./, null, 'resume', 'fresh'],
];

/**
 * Decides what to do: `{action, delay}`, the action one of resume, fresh, renew (with a new token), end, give up.
 *
 * `loss` has the close `code` and `reason`, the `phase` (setup or session), `handle` (whether there is one), `attempt`
 * (failures in a row, this included), `downFor` in seconds, `known` (whether the service has ever answered).
 */
export function decide(loss, jitter = Math.random()) {
  const { code, reason, phase, handle, attempt, downFor, known } = loss;
  const [, , , withHandle, without] = RULES.find(
    ([codes, pattern, only]) =>
      (codes === null || codes.includes(code)) && (only === null || only === phase) && pattern.test(reason || '-'),
  );
  let action = handle ? withHandle : without;
  if (action === 'end' || action === 'give up') return { action, delay: 0 };
  if (downFor > (known ? PATIENCE : FIRST_PATIENCE)) return { action: 'give up', delay: 0 };
  if (action === 'renew' && attempt > MOST_RENEWALS) return { action: 'give up', delay: 0 };
  if (action === 'resume' && attempt > FRESH_AFTER && phase === 'setup' && code !== 1006) action = 'fresh';
  return { action, delay: delay(attempt, jitter) };
}

/** Gives the seconds to wait before an attempt: none before the first, then doubling, capped, spread by a quarter. */
export function delay(attempt, jitter = Math.random()) {
  if (attempt <= 1) return 0;
  return Math.min(FIRST_DELAY * 2 ** Math.min(attempt - 2, 30), LONGEST_DELAY) * (1 + jitter / 4);
}
