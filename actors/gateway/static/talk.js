/** One conversation of this page, whichever way: sound, the far end, and what the page owes to both. */

import * as api from './api.js';
import { Microphone } from './audio/microphone.js';
import { Speaker } from './audio/speaker.js';
import { Direct } from './live/direct.js';
import { Relay } from './relay/relay.js';

const SILENT_AFTER = 8000; // milliseconds without any sound, after which a microphone is doubted; a real one hisses

const OVER = ['session-over', 'revoked'];

/** What this browser cannot do, at all or for a page that came by this address. */
class Unsupported extends Error {
  kind = globalThis.isSecureContext ? 'unsupported' : 'insecure';
}

export class Talk {
  /** `tell(event)` gets everything that happens; `level(which, rms)` the loudness of `mic` and `reply`. */
  constructor({ config, wish, kept = null, tell, level }) {
    Object.assign(this, { config, wish, kept, level });
    this.since = { turns: 0, latency_ms: [], errors: 0 };
    this.tell = (event) => {
      this.#count(event);
      tell(event);
    };
    this.over = false;
    this.visible = () => this.#stayAwake();
    this.leaving = () => this.#leave();
  }

  /** Makes what sounds; has to be called right in a person's gesture, or a phone stays silent. */
  unlock() {
    const Context = globalThis.AudioContext;
    if (!Context || !('audioWorklet' in Context.prototype)) throw new Unsupported('no AudioWorklet');
    this.context = new Context({ latencyHint: 'interactive' });
    this.context.resume();
    this.microphone = new Microphone(this.context, (block) => this.#hear(block));
    this.speaker = new Speaker(this.context, (report) => {
      this.level('reply', report.level);
      this.far?.report(report);
    });
    this.microphone.onlost = () => this.#replaceMicrophone();
  }

  /** Opens the microphone; NoMicrophone where that cannot be. Speech counts from here on. */
  async listen(device) {
    await this.microphone.open(device);
    const text = 'The microphone gives no sound at all. Is it switched off, or should another one be chosen in the settings?';
    this.doubting = setTimeout(() => this.tell({ event: 'notice', text }), SILENT_AFTER);
  }

  /** Plays to that device, and begins the conversation; what stands against it comes out. */
  async begin(device) {
    await this.speaker.open();
    if (device) await this.speaker.choose(device).catch(() => this.tell({ event: 'notice', text: 'That speaker cannot be used.' }));
    const { speaker, tell, wish, kept } = this;
    const common = { speaker, tell, wish, failed: (error) => this.onfailed(error) };
    this.far = this.config.mode === 'relay' ? new Relay({ ...common, kept }) : new Direct({ ...common, api });
    for (const block of this.early ?? []) this.far.hear(block);
    this.early = null;
    globalThis.addEventListener('pagehide', this.leaving);
    document.addEventListener('visibilitychange', this.visible);
    await this.far.start();
    this.#stayAwake();
    this.beating = setInterval(() => this.#beat(), 1000 * this.config.limits.beat_s);
  }

  /** Mutes the microphone, or not. */
  mute(muted) {
    this.microphone.mute(muted);
    this.far?.mute(muted);
  }

  /** Takes another microphone. */
  async useMicrophone(device) {
    await this.microphone.open(device);
  }

  /** Takes another speaker. */
  async useSpeaker(device) {
    await this.speaker.choose(device);
  }

  /** Ends everything in order. */
  async end() {
    if (this.over) return;
    this.over = true;
    clearInterval(this.beating);
    clearTimeout(this.doubting);
    globalThis.removeEventListener('pagehide', this.leaving);
    document.removeEventListener('visibilitychange', this.visible);
    this.microphone?.close();
    await this.far?.end();
    await this.#beat();
    await this.#farewell();
    this.speaker?.close();
    await this.context?.close();
    await this.awake?.release();
  }

  /** What a conversation that cannot go on says; the page sets it. */
  onfailed() {}

  #hear(block) {
    this.level('mic', block.rms);
    if (block.rms > 0) clearTimeout(this.doubting);
    if (this.far) this.far.hear(block);
    else (this.early ??= []).push(block);
  }

  async #replaceMicrophone() {
    this.tell({ event: 'notice', text: 'The microphone is gone; trying another one.' });
    try {
      await this.microphone.open('');
    } catch (error) {
      this.onfailed(error);
    }
  }

  /** Keeps a phone's screen on; it lets go of that by itself whenever the page is hidden. */
  async #stayAwake() {
    if (document.visibilityState !== 'visible' || this.over) return;
    await this.context.resume();
    this.awake = await navigator.wakeLock?.request('screen').catch(() => null);
  }

  #count({ event, latency_ms: latency }) {
    if (event === 'turn.end') this.since.turns += 1;
    if (event === 'turn.first_audio' && typeof latency === 'number') this.since.latency_ms.push(Math.min(latency, 120_000));
    if (event === 'error') this.since.errors += 1;
  }

  /** Tells the gateway that a direct session is alive, with numbers and without contents. */
  async #beat() {
    const token = this.far?.token;
    if (!token) return;
    const told = this.since;
    this.since = { turns: 0, latency_ms: [], errors: 0 };
    await api.beat(token, told).catch((error) => this.#toldOff(error));
  }

  /** A sign of life that fails is of no matter, unless the gateway says that the session is over. */
  #toldOff(error) {
    if (!this.over && OVER.includes(error.kind)) this.onfailed(error);
  }

  async #farewell() {
    if (this.far?.token) await api.end(this.far.token).catch(() => {});
  }

  #leave() {
    if (this.far?.token) api.end(this.far.token).catch(() => {});
  }
}
