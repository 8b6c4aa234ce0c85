/** The page: joins the conversation to what is seen of it. */

import * as api from './api.js';
import { NoMicrophone } from './audio/microphone.js';
import { remembered } from './relay/relay.js';
import { Talk } from './talk.js';
import { Dashboard } from './ui/dashboard.js';
import { $ } from './ui/dom.js';
import { Levels } from './ui/levels.js';
import { Settings } from './ui/settings.js';
import { Stage } from './ui/stage.js';
import { Transcript } from './ui/transcript.js';

const stage = new Stage();
const transcript = new Transcript();
const levels = new Levels();
const dashboard = new Dashboard();
const settings = new Settings(changeDevice);
let config = null;
let talk = null;

/** Begins a conversation, or says why not. `typing` is for those who have no microphone. */
async function connect({ typing = false } = {}) {
  if (talk) return;
  stage.content();
  const kept = config?.mode === 'relay' ? remembered() : null;
  const now = new Talk({ config, wish: settings.wish, kept, tell, level: (which, rms) => levels.take(which, rms) });
  talk = now;
  now.onfailed = (error) => fail(error, now);
  try {
    now.unlock();
    stage.reset('CONNECTING');
    transcript.clear();
    if (!config) await configure();
    now.config = config;
    if (!config.signed_in) throw new api.Refusal('not-signed-in', 'Nobody is signed in.');
    if (!typing) await now.listen(settings.device('microphone'));
    await now.begin(settings.device('speaker'));
    settings.refresh();
    $('connect').textContent = 'Connect';
    $('end').focus();
  } catch (error) {
    await fail(error, now);
  }
}

/** The conversation cannot begin, or go on: says why, and what can be done. */
async function fail(error, whose) {
  if (talk !== whose) return;
  const noMicrophone = error instanceof NoMicrophone;
  if (noMicrophone && whose.far) {
    stage.complain(error, [['Try again', () => whose.useMicrophone('').then(() => stage.content(), (e) => fail(e, whose))]]);
    return;
  }
  talk = null;
  await whose.end().catch(() => {});
  stage.reset(stage.begun ? 'CLOSED' : 'DISCONNECTED');
  levels.rest();
  const again = ['Try again', () => connect()];
  if (error.kind === 'not-signed-in' && config?.login === 'key') {
    stage.complain(error, [['Sign in', signIn]]);
  } else if (noMicrophone) {
    stage.complain(error, [again, ['Type instead', () => connect({ typing: true })]]);
  } else {
    stage.complain(error, [again]);
  }
  $('problem-actions').querySelector('button:enabled')?.focus();
}

/** Ends the conversation. */
async function end() {
  const whose = talk;
  if (!whose) return;
  talk = null;
  stage.take({ event: 'session.state', to: 'CLOSING' });
  await whose.end().catch(() => {});
  stage.reset('CLOSED');
  levels.rest();
  showMuted(false);
  $('connect').focus();
}

function tell(event) {
  stage.take(event);
  transcript.take(event);
  if (event.event === 'session.state' && event.to === 'CLOSED') end(); // the far end has closed for good
}

function showMuted(muted) {
  $('mute').setAttribute('aria-pressed', String(muted));
  $('mute').textContent = muted ? 'Unmute' : 'Mute';
  stage.muted = muted;
  stage.show();
}

function toggleMute() {
  const muted = $('mute').getAttribute('aria-pressed') !== 'true';
  talk?.mute(muted);
  showMuted(muted);
}

async function changeDevice(field, device) {
  if (!talk?.far) return;
  try {
    if (field === 'microphone') await talk.useMicrophone(device);
    if (field === 'speaker') await talk.useSpeaker(device);
  } catch (error) {
    stage.complain(error);
  }
}

async function configure() {
  config = await api.config();
  settings.offer(config);
}

function signIn() {
  $('login-fault').textContent = '';
  $('login').showModal();
}

async function signedIn(event) {
  event.preventDefault();
  try {
    await api.login($('access-key').value);
    $('access-key').value = '';
    await configure();
    $('login').close();
    stage.content();
    $('connect').focus();
  } catch (error) {
    const wait = error.retryAfter ? ` Try again in ${error.retryAfter} s.` : '';
    $('login-fault').textContent = `${error.message}${wait}`;
  }
}

function view(which) {
  for (const name of ['talk', 'dashboard']) {
    $(name).hidden = name !== which;
    $(`show-${name}`).setAttribute('aria-pressed', String(name === which));
  }
  document.body.dataset.view = which;
  if (which === 'dashboard') dashboard.show();
  else dashboard.hide();
}

$('connect').addEventListener('click', () => connect());
$('end').addEventListener('click', end);
$('mute').addEventListener('click', toggleMute);
$('hush').addEventListener('click', () => talk?.far?.interrupt());
$('show-talk').addEventListener('click', () => view('talk'));
$('show-dashboard').addEventListener('click', () => view('dashboard'));
$('login-form').addEventListener('submit', signedIn);
$('login-cancel').addEventListener('click', () => $('login').close());
$('typing').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  if (text) talk?.far?.say(text);
  $('text').value = '';
});

configure().then(
  () => {
    if (config.mode === 'relay' && remembered()) {
      $('connect').textContent = 'Continue';
      $('hint').textContent = 'Your conversation is still open.';
    }
    if (!config.signed_in && config.login === 'key') stage.complain(new api.Refusal('not-signed-in', ''), [['Sign in', signIn]]);
  },
  (error) => stage.complain(error, [['Try again', () => location.reload()]]),
);
