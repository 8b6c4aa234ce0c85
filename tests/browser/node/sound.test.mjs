/** The sound of the web client, without a browser: resampling, the ring, levels. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { fromBytes, INPUT_RATE, loudness, meter, OUTPUT_RATE, toBytes, toInt16 } from '../../../actors/gateway/static/audio/pcm.js';
import { Resampler } from '../../../actors/gateway/static/audio/resampler.js';
import { PlayRing } from '../../../actors/gateway/static/audio/ring.js';

const RATES = [8000, 16000, 22050, 44100, 48000, 96000];

function sine(frequency, rate, seconds) {
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) =>
    0.5 * Math.sin((2 * Math.PI * frequency * i) / rate),
  );
}

/** Resamples in blocks as a worklet gets them. */
function converted(samples, from, to, block = 128) {
  const resampler = new Resampler(from, to);
  const pieces = [];
  for (let at = 0; at < samples.length; at += block) pieces.push(...resampler.push(samples.subarray(at, at + block)));
  return Float32Array.from(pieces);
}

function gainDb(frequency, from, to) {
  const out = converted(sine(frequency, from, 0.5), from, to);
  const middle = out.subarray(Math.round(to * 0.1), Math.round(to * 0.4));
  return 20 * Math.log10((loudness(middle) * Math.SQRT2) / 0.5);
}

for (const rate of RATES.filter((one) => one > INPUT_RATE)) {
  test(`speech passes from ${rate} to 16000 Hz, and nothing folds back`, () => {
    for (const frequency of [100, 1000, 3400, 6000, 6800]) {
      assert.ok(Math.abs(gainDb(frequency, rate, INPUT_RATE)) < 0.1, `${frequency} Hz`);
    }
    for (const frequency of [8100, 9000, 10500].filter((one) => one < rate / 2)) {
      assert.ok(gainDb(frequency, rate, INPUT_RATE) < -70, `${frequency} Hz folds back`);
    }
  });
}

for (const rate of RATES) {
  test(`a reply plays at its pitch on a device of ${rate} Hz`, () => {
    const out = converted(sine(440, OUTPUT_RATE, 0.5), OUTPUT_RATE, rate, 64);
    assert.ok(Math.abs(out.length - rate / 2) < rate * 0.01, `${out.length} samples`);
    const resampler = new Resampler(OUTPUT_RATE, rate);
    const delay = resampler.same ? 0 : resampler.half / OUTPUT_RATE;
    let worst = 0;
    for (let i = Math.round(rate * 0.1); i < rate * 0.4; i++) {
      const wanted = 0.5 * Math.sin(2 * Math.PI * 440 * (i / rate - delay));
      worst = Math.max(worst, Math.abs(out[i] - wanted));
    }
    assert.ok(worst < 0.001, `off by ${worst}`);
  });
}

test('blocks of any size give the same samples', () => {
  const input = sine(700, 44100, 0.2);
  const whole = converted(input, 44100, 16000, input.length);
  for (const block of [1, 7, 128, 1000]) assert.deepEqual(converted(input, 44100, 16000, block), whole);
});

test('a rate without a usable ratio is refused', () => {
  assert.throws(() => new Resampler(44101, 16000), RangeError);
});

test('samples survive their bytes, and clip rather than wrap', () => {
  const samples = toInt16(Float32Array.of(0, 0.5, -1, 1, 2, -3));
  assert.deepEqual([...samples], [0, 16384, -32768, 32767, 32767, -32768]);
  assert.deepEqual(fromBytes(toBytes(samples)), samples);
  assert.equal(fromBytes(new Uint8Array(5)).length, 2);
});

test('the meter shows silence as nothing and full scale as all', () => {
  assert.equal(meter(0), 0);
  assert.equal(meter(0.0005), 0);
  assert.equal(meter(1), 1);
  assert.ok(Math.abs(meter(0.1) - 2 / 3) < 0.01);
});

function ramp(length, from = 1) {
  return Int16Array.from({ length }, (_, i) => from + (i % 20000));
}

function played(ring, samples) {
  const out = new Float32Array(samples);
  const count = ring.read(out);
  return { count, samples: [...out].map((value) => Math.round(value * 32768)) };
}

function named(ring) {
  return ring.events.splice(0).map((event) => event.type);
}

test('what was pushed comes out in order and once', () => {
  const ring = new PlayRing();
  for (let i = 0; i < 10; i++) ring.push(1, ramp(480, 1 + 480 * i));
  ring.end(1);
  const { count, samples } = played(ring, 4800);
  assert.equal(count, 4800);
  assert.deepEqual(samples, [...ramp(4800)]);
  assert.equal(ring.position, 4800);
  assert.deepEqual(ring.events, [
    { type: 'began', turn: 1 },
    { type: 'ended', turn: 1, heard: 4800 },
  ]);
});

test('sound begins with a lead, or when waiting for one is of no use', () => {
  const ring = new PlayRing();
  ring.push(1, ramp(480));
  assert.equal(played(ring, 480).count, 0, 'twenty milliseconds are no lead');
  ring.push(1, ramp(1200, 481));
  assert.equal(played(ring, 480).count, 480);
  const short = new PlayRing();
  short.push(1, ramp(100));
  short.end(1);
  assert.equal(played(short, 480).count, 100, 'the whole of a short sound needs no lead');
  const alone = new PlayRing();
  alone.push(1, ramp(100));
  let waited = 0;
  while (played(alone, 480).count === 0) waited += 1;
  assert.ok(waited <= 6, 'nothing waits for ever');
});

test('a late chunk costs one gap, and the lead grows', () => {
  const ring = new PlayRing();
  ring.push(1, ramp(2400));
  played(ring, 2400);
  played(ring, 480);
  assert.equal(ring.underruns, 1);
  ring.push(1, ramp(2400, 2401));
  assert.equal(played(ring, 480).count, 0, 'the lead is longer now');
  ring.push(1, ramp(2400, 4801));
  assert.equal(played(ring, 480).count, 480);
});

test('a flush fades within five milliseconds and leaves nothing of the turn', () => {
  const ring = new PlayRing();
  ring.push(1, new Int16Array(24000).fill(10000));
  played(ring, 4800);
  const position = ring.flush(1);
  assert.equal(position, 4800 + 120);
  const { count, samples } = played(ring, 480);
  assert.equal(count, 120);
  for (let i = 1; i < 120; i++) assert.ok(samples[i] <= samples[i - 1]);
  assert.ok(samples[0] > 9900 && samples[119] < 100);
  assert.ok(samples.slice(120).every((value) => value === 0));
  assert.equal(played(ring, 480).count, 0);
  const [, flushed] = ring.events;
  assert.deepEqual(flushed, { type: 'flushed', turn: 1, heard: 4920, sounding: 1 });
});

test('a chunk of an interrupted turn that comes late is not played; the next turn is', () => {
  const ring = new PlayRing();
  ring.push(3, ramp(4800));
  played(ring, 480);
  ring.flush(3);
  played(ring, 480);
  ring.push(3, ramp(4800));
  assert.equal(ring.buffered, 0);
  ring.push(4, ramp(4800));
  assert.equal(played(ring, 480).count, 480);
});

test('a flush keeps what belongs to a later turn, from its first sample', () => {
  const ring = new PlayRing();
  ring.push(1, ramp(4800));
  ring.push(2, ramp(4800, 101));
  ring.end(2);
  played(ring, 480);
  ring.flush(1);
  const { samples } = played(ring, 120 + 4800);
  assert.deepEqual(samples.slice(120), [...ramp(4800, 101)]);
  assert.deepEqual(named(ring), ['began', 'flushed', 'began', 'ended']);
});

test('a flush in silence is silent', () => {
  const ring = new PlayRing();
  ring.flush(7);
  assert.ok(played(ring, 480).samples.every((value) => value === 0));
});

test('a flush for a sender that numbers by position lets the same turn sound again', () => {
  const ring = new PlayRing();
  ring.push(0, ramp(4800), 1000);
  played(ring, 480);
  assert.equal(ring.flush(0, 5, true), 1000 + 480 + 120);
  ring.push(0, ramp(4800), 9000);
  ring.end(0);
  played(ring, 120 + 480);
  assert.equal(ring.position, 9480);
});

test('the level is lowered and raised by a glide', () => {
  const ring = new PlayRing();
  ring.push(1, new Int16Array(24000).fill(10000));
  played(ring, 2400);
  ring.duck(0.2, 20);
  const down = played(ring, 960).samples;
  assert.ok(Math.abs(down.at(-1) - 2000) < 20);
  for (let i = 1; i < down.length; i++) assert.ok(down[i - 1] - down[i] < 40, 'no step');
  ring.duck(1, 20);
  assert.ok(Math.abs(played(ring, 960).samples.at(-1) - 10000) < 20);
});

test('minutes of a reply fit, and what does not is counted', () => {
  const ring = new PlayRing();
  const minute = new Int16Array(60 * OUTPUT_RATE);
  for (let i = 0; i < 22; i++) ring.push(1, minute);
  assert.equal(ring.overflow, 0);
  ring.push(1, minute);
  assert.equal(ring.overflow, minute.length);
});
