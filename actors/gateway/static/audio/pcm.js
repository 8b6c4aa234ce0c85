/** Sound as numbers: floats of the Web Audio API, 16-bit samples of the wire, levels for the eye. */

export const INPUT_RATE = 16_000; // Hz, towards the service
export const OUTPUT_RATE = 24_000; // Hz, from it

const FULL_SCALE = 32_768;
const QUIETEST_DB = -60;

/** Gives 16-bit samples of floats from -1 to 1; what lies beyond is clipped. */
export function toInt16(floats) {
  const samples = new Int16Array(floats.length);
  for (let i = 0; i < floats.length; i++) {
    samples[i] = Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, Math.round(floats[i] * FULL_SCALE)));
  }
  return samples;
}

/** Writes 16-bit samples into floats from -1 to 1, `count` of them. */
export function toFloats(samples, from, count, floats, at) {
  for (let i = 0; i < count; i++) floats[at + i] = samples[from + i] / FULL_SCALE;
}

/** Gives the effective value (RMS) of floats, or of 16-bit samples. */
export function loudness(samples) {
  if (samples.length === 0) return 0;
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += samples[i] * samples[i];
  const rms = Math.sqrt(sum / samples.length);
  return samples instanceof Int16Array ? rms / FULL_SCALE : rms;
}

/** Gives an effective value's place on a meter: 0 at -60 dB and below, 1 at full scale. */
export function meter(rms) {
  return rms <= 0 ? 0 : Math.max(0, Math.min(1, 1 - (20 * Math.log10(rms)) / QUIETEST_DB));
}

/** Gives the 16-bit samples of little-endian bytes; an odd last byte is half a sample and left out. */
export function fromBytes(bytes) {
  const samples = new Int16Array(bytes.byteLength >> 1);
  const view = new DataView(bytes.buffer, bytes.byteOffset, samples.length * 2);
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(2 * i, true);
  return samples;
}

/** Gives the little-endian bytes of 16-bit samples. */
export function toBytes(samples) {
  const bytes = new Uint8Array(samples.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < samples.length; i++) view.setInt16(2 * i, samples[i], true);
  return bytes;
}
