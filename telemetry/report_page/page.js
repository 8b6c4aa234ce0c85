"use strict";
// Plays the sound from wherever one points; all times are seconds since the recording began.
const sound = document.getElementById("sound");
const lanes = document.getElementById("lanes");
const chart = lanes.querySelector("svg");
const head = document.getElementById("head");
const whole = Number(chart.dataset.seconds);
const offset = Number(lanes.dataset.offset);
const STEP = 5;
const WIDEST = 64;
let zoom = 1;
let place = 0;

function show(at) {
  place = Math.min(Math.max(at, 0), whole);
  const across = (1000 * place) / whole;
  head.setAttribute("x1", across);
  head.setAttribute("x2", across);
  lanes.setAttribute("aria-valuemax", whole.toFixed(1));
  lanes.setAttribute("aria-valuenow", place.toFixed(1));
  lanes.setAttribute("aria-valuetext", `${place.toFixed(1)} of ${whole.toFixed(1)} seconds`);
  const column = (place / whole) * chart.getBoundingClientRect().width;
  if (zoom > 1 && (column < lanes.scrollLeft || column > lanes.scrollLeft + lanes.clientWidth)) {
    lanes.scrollLeft = column - lanes.clientWidth / 4;
  }
}

function seek(at, play) {
  show(at);
  if (!sound) return;
  sound.currentTime = Math.max(0, place - offset);
  if (play) sound.play().catch(() => {});
}

function toggle() {
  if (!sound) return;
  if (sound.paused) sound.play().catch(() => {});
  else sound.pause();
}

function turn(direction) {
  const begins = [...document.querySelectorAll(".turns > li")].map((one) => Number(one.dataset.begin));
  const next = direction > 0
    ? begins.find((begin) => begin > place + 0.05)
    : begins.filter((begin) => begin < place - 0.5).pop();
  if (next !== undefined) seek(next, false);
}

function enlarge(factor) {
  zoom = Math.min(WIDEST, Math.max(1, zoom * factor));
  chart.style.width = `${100 * zoom}%`;
  show(place);
}

if (sound) {
  const follow = () => {
    if (sound.paused) return;
    if (!sound.seeking) show(sound.currentTime + offset);
    requestAnimationFrame(follow);
  };
  sound.addEventListener("play", follow);
  sound.addEventListener("seeked", () => {
    const ours = Math.abs(sound.currentTime - Math.max(0, place - offset)) < 0.1;
    if (!ours) show(sound.currentTime + offset); // it was moved by its own controls
  });
}
chart.addEventListener("click", (event) => {
  const box = chart.getBoundingClientRect();
  seek((whole * (event.clientX - box.left)) / box.width, true);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest(".seek");
  if (button) seek(Number(button.dataset.at), true);
});
document.getElementById("in").addEventListener("click", () => enlarge(2));
document.getElementById("out").addEventListener("click", () => enlarge(0.5));
document.addEventListener("keydown", (event) => {
  const busy = event.target.closest("button, summary, audio, input, pre, .scroll");
  if (event.ctrlKey || event.metaKey || event.altKey || (busy && event.key !== "n" && event.key !== "p")) return;
  const keys = {
    " ": toggle,
    ArrowLeft: () => seek(place - STEP, false),
    ArrowRight: () => seek(place + STEP, false),
    Home: () => seek(0, false),
    n: () => turn(1),
    p: () => turn(-1),
    "+": () => enlarge(2),
    "-": () => enlarge(0.5),
  };
  if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
});
show(0);
