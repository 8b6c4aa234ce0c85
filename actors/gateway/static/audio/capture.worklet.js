/** The microphone's end in the audio thread: blocks of 16 kHz 16-bit samples, whatever the device's rate is. */

import { INPUT_RATE, loudness, toInt16 } from './pcm.js';
import { Resampler } from './resampler.js';

const BLOCK = 640; // samples, 40 ms: live-protocol's guidance is 20 to 100 ms

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, INPUT_RATE);
    this.block = new Float32Array(BLOCK);
    this.filled = 0;
    this.ended = false;
    this.port.onmessage = () => {
      this.ended = true;
    };
  }

  process([input]) {
    if (this.ended) return false;
    // A device that was taken away gives no channel; silence keeps the stream's clock going.
    const converted = this.resampler.push(input[0] ?? new Float32Array(128));
    for (let at = 0; at < converted.length; ) {
      const count = Math.min(BLOCK - this.filled, converted.length - at);
      this.block.set(converted.subarray(at, at + count), this.filled);
      this.filled += count;
      at += count;
      if (this.filled === BLOCK) this.#send();
    }
    return true;
  }

  #send() {
    const samples = toInt16(this.block);
    this.port.postMessage({ samples, rms: loudness(this.block) }, [samples.buffer]);
    this.filled = 0;
  }
}

registerProcessor('capture', Capture);
