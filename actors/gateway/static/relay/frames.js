/** The relay's frames, as docs/WEBCLIENT.md describes them: sound is binary, everything else JSON. Pure. */

import { fromBytes, toBytes } from '../audio/pcm.js';

const HEADER = 8; // bytes: the position of the first sample, unsigned and little-endian

/** Gives the binary frame of samples at a position. */
export function soundFrame(position, samples) {
  const frame = new Uint8Array(HEADER + 2 * samples.length);
  new DataView(frame.buffer).setBigUint64(0, BigInt(position), true);
  frame.set(toBytes(samples), HEADER);
  return frame;
}

/** Reads a frame: `{type, ...}`; a binary one is of type sound, with `position` and `samples`. Null for what is none. */
export function read(data) {
  if (typeof data === 'string') {
    try {
      const message = JSON.parse(data);
      return typeof message?.type === 'string' ? message : null;
    } catch {
      return null;
    }
  }
  if (data.byteLength < HEADER) return null;
  const position = Number(new DataView(data).getBigUint64(0, true));
  return { type: 'sound', position, samples: fromBytes(new Uint8Array(data, HEADER)) };
}
