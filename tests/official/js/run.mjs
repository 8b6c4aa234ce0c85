// Runs checks all at once and prints what each came to: null, or what went wrong.
// Standard input: {"checks": a module, "services": [URL, ...], "speech": a file of 24 kHz s16le mono}.

import { readFileSync } from 'node:fs';
import { Live } from './live.mjs';

const PATIENCE = 60_000;

const asked = JSON.parse(readFileSync(0, 'utf8'));
const { CHECKS } = await import(asked.checks);
const services = asked.services.map((url) => new Live(url));
const speech = readFileSync(asked.speech);
console.warn = () => {}; // tokens are experimental, says the client each time

async function outcome(check) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error('the check takes too long')), PATIENCE));
  try {
    await Promise.race([check(...services, speech), late]);
    return null;
  } catch (error) {
    return String(error?.stack ?? error);
  }
}

const names = Object.keys(CHECKS);
const found = await Promise.all(names.map((name) => outcome(CHECKS[name])));
process.stdout.write(JSON.stringify(Object.fromEntries(names.map((name, index) => [name, found[index]]))), () =>
  process.exit(0),
);
