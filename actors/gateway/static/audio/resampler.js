/**
 * Changes the sample rate of mono sound while it streams: a polyphase FIR low-pass, windowed after Kaiser.
 *
 * Pure: no clock, no worklet. The passband ends at 86 % of the lower rate's Nyquist frequency, the stopband (-80 dB)
 * begins at that frequency; the delay is 34 samples of the lower rate.
 */

const ZERO_CROSSINGS = 32; // on each side of the kernel, in samples of the lower rate
const ROLLOFF = 0.93; // centre of the transition band, as a share of the lower Nyquist frequency
const KAISER_BETA = 8; // 80 dB down in the stopband
const MOST_PHASES = 2000; // rates whose ratio needs more are no rates of a sound device

export class Resampler {
  /** Both rates in Hz, whole numbers. RangeError where they have no usable ratio. */
  constructor(from, to) {
    const divisor = gcd(from, to);
    this.phases = to / divisor;
    this.step = from / divisor;
    if (!Number.isInteger(this.phases) || !(this.phases > 0 && this.phases <= MOST_PHASES)) {
      throw new RangeError(`cannot resample from ${from} to ${to} Hz`);
    }
    this.same = from === to;
    this.half = Math.ceil(ZERO_CROSSINGS / (ROLLOFF * Math.min(1, to / from)));
    this.kernel = this.same ? null : kernel(this.phases, this.half, ROLLOFF * Math.min(1, to / from));
    this.held = new Float32Array(2 * this.half - 1); // begins with silence before the first sample
    this.phase = 0;
    this.next = 0; // the input sample in `held` at which the kernel of the next output sample begins
  }

  /** Takes samples and gives those that can be told by now; the array is the caller's. */
  push(samples) {
    if (this.same) return samples.slice();
    const input = new Float32Array(this.held.length + samples.length);
    input.set(this.held);
    input.set(samples, this.held.length);
    const taps = 2 * this.half;
    const most = Math.ceil((samples.length * this.phases) / this.step) + 1;
    const output = new Float32Array(most);
    let count = 0;
    while (this.next + taps <= input.length) {
      output[count++] = this.#at(input, this.next, this.phase * taps, taps);
      this.phase += this.step;
      this.next += Math.floor(this.phase / this.phases);
      this.phase %= this.phases;
    }
    const from = Math.min(this.next, input.length);
    this.held = input.slice(from);
    this.next -= from;
    return output.subarray(0, count);
  }

  #at(input, from, row, taps) {
    const weights = this.kernel;
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) sum += input[from + tap] * weights[row + tap];
    return sum;
  }
}

/** Gives one row of weights for each phase; every row sums to one, so that a constant stays what it is. */
function kernel(phases, half, cutoff) {
  const taps = 2 * half;
  const weights = new Float32Array(phases * taps);
  for (let phase = 0; phase < phases; phase++) {
    const row = phase * taps;
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const distance = tap - (half - 1) - phase / phases;
      const weight = sinc(cutoff * distance) * kaiser(distance / half);
      weights[row + tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < taps; tap++) weights[row + tap] /= sum;
  }
  return weights;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function kaiser(x) {
  return Math.abs(x) >= 1 ? 0 : bessel(KAISER_BETA * Math.sqrt(1 - x * x)) / bessel(KAISER_BETA);
}

/** The modified Bessel function of the first kind and order zero, by its series. */
function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function gcd(a, b) {
  return b === 0 ? a : gcd(b, a % b);
}
