/** What the page says in words: states, and what is wrong with what to do about it. */

/** The six states of a session, and the wait for a network. */
export const STATES = {
  DISCONNECTED: ['Not connected', 'Connect, allow the microphone, and speak.'],
  CONNECTING: ['Connecting…', 'One moment.'],
  CONNECTED: ['Listening', 'Speak, or type. You may interrupt at any time.'],
  INTERRUPTED: ['Interrupted', 'Go on, the assistant listens.'],
  CLOSING: ['Ending…', 'One moment.'],
  CLOSED: ['Ended', 'Connect to begin a new conversation.'],
  RECONNECTING: ['Reconnecting…', 'The connection broke. What you say is kept and sent when it is back.'],
  SPEAKING: ['Speaking', 'Just speak to interrupt.'],
  THINKING: ['Working on it…', 'A tool is running.'],
  MUTED: ['Muted', 'The microphone is off; you can still type.'],
};

/** What can be wrong: a title, and what to do. */
export const PROBLEMS = {
  missing: ['There is no microphone', 'Plug one in and try again, or type instead.'],
  refused: [
    'The microphone was not allowed',
    'Allow it for this page in the browser’s address bar or settings, then try again; or type instead.',
  ],
  busy: ['The microphone is in use', 'Another program holds it. Close that program and try again, or type instead.'],
  insecure: [
    'This page is not secure enough for a microphone',
    'Browsers give the microphone only to pages that come over HTTPS or from localhost. Open it by such an address.',
  ],
  unsupported: ['This browser cannot play the conversation', 'It has no AudioWorklet. Use a current Firefox, Chrome, Edge or Safari.'],
  gone: ['The gateway cannot be reached', 'It may have ended, or your network is down. Try again in a moment.'],
  'too-often': ['That was too often', 'There is a limit on how many conversations may begin.'],
  'not-signed-in': ['You are not signed in', 'Sign in and try again.'],
  'not-ready': ['The gateway is not ready', 'Something it needs is missing. Try again in a moment.'],
  'no-answer': ['The Live service does not answer', 'The gateway could not reach it. Try again in a moment.'],
  'not-allowed': ['This is not to be had here', 'Choose another model, voice or language in the settings.'],
  service: ['The service ended the conversation', 'Connect again to begin a new one.'],
  elsewhere: ['The conversation goes on in another window', 'Close that window, or go on there.'],
  revoked: ['Your sessions were ended', 'Whoever runs this gateway has ended them.'],
  'session-over': ['The time of this conversation is up', 'Connect again to begin a new one.'],
  unknown: ['Something went wrong', 'Try again. If it stays like this, tell whoever runs this gateway.'],
};

/** How a tool call ended. */
export const OUTCOMES = { ok: 'done', error: 'failed', timeout: 'took too long', cancelled: 'cancelled', void: 'no longer needed' };

/** Gives a title and a text for an error. */
export function problem(error) {
  const [title, advice] = PROBLEMS[error.kind] ?? PROBLEMS.unknown;
  const own = PROBLEMS[error.kind] && !['service', 'not-allowed', 'too-often'].includes(error.kind) ? '' : error.message;
  return { title, text: own ? `${sentence(own)} ${advice}` : advice };
}

function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/** Gives a length of time as a person would say it. */
export function span(ms) {
  return ms < 1000 ? `${Math.round(ms / 10) * 10} ms` : `${(ms / 1000).toFixed(1)} s`;
}
