/** The speaker: hands reply audio to the audio thread, and tells what is heard of it. */

import { Resampler } from './resampler.js';
import { OUTPUT_RATE } from './pcm.js';

const WORKLET = new URL('./playback.worklet.js', import.meta.url);

export class Speaker {
  /** `onreport` gets `{level, position, buffered, underruns, overflow, events}` some twenty times a second while it sounds. */
  constructor(context, onreport) {
    this.context = context;
    this.onreport = onreport;
    this.node = null;
    this.flushes = new Map();
    this.flushCount = 0;
    this.resampler = null;
  }

  /** Whether the browser lets a page choose the speaker. */
  get choosable() {
    return typeof this.context.setSinkId === 'function';
  }

  /** Makes the node; the context must have been made, or resumed, in answer to a person's gesture. */
  async open() {
    await this.context.audioWorklet.addModule(WORKLET);
    this.node = new AudioWorkletNode(this.context, 'playback', { numberOfInputs: 0, outputChannelCount: [1] });
    this.node.port.onmessage = ({ data }) => this.#hear(data);
    this.node.connect(this.context.destination);
  }

  /** Plays on another device; what the browser says when it cannot comes out. */
  async choose(device) {
    if (this.choosable) await this.context.setSinkId(device);
  }

  /** Plays samples of a turn, at 24 kHz unless `rate` says otherwise; `position` is theirs in a longer stream. */
  push(turn, samples, { rate = OUTPUT_RATE, position = null } = {}) {
    const converted = rate === OUTPUT_RATE ? samples : this.#converted(samples, rate);
    this.node?.port.postMessage({ type: 'push', turn, samples: converted, position }, [converted.buffer]);
  }

  /** All sound of the turn is here. */
  end(turn) {
    this.node?.port.postMessage({ type: 'end', turn });
  }

  /** Fades out the turn and all before it; gives the position at which the sound ends. */
  flush(turn, { fadeMs = 5, onward = false } = {}) {
    const id = ++this.flushCount;
    this.node?.port.postMessage({ type: 'flush', id, turn, fadeMs, onward });
    return new Promise((resolve) => this.flushes.set(id, resolve));
  }

  /** Lets the loudness glide to `gain` within `ms`. */
  duck(gain, ms) {
    this.node?.port.postMessage({ type: 'duck', gain, ms });
  }

  /** Ends the sound. */
  close() {
    this.node?.port.postMessage({ type: 'close' });
    this.node?.disconnect();
    this.node = null;
  }

  #hear(data) {
    if (data.type === 'report') this.onreport(data);
    else {
      this.flushes.get(data.id)?.(data.position);
      this.flushes.delete(data.id);
    }
  }

  #converted(samples, rate) {
    if (this.resampler?.from !== rate) this.resampler = Object.assign(new Resampler(rate, OUTPUT_RATE), { from: rate });
    const floats = Float32Array.from(samples, (sample) => sample / 32768);
    return Int16Array.from(this.resampler.push(floats), (value) => Math.max(-32768, Math.min(32767, value * 32768)));
  }
}
