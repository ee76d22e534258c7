"use strict";
// Arithmetic of the page: times as text, numbers that the page holds as base64, shares.

// A time of the film: 1:02:03; with `tenths` 0:03.5.
function clock(s, tenths = false) {
  const all = Math.round(s * 1000) / 1000, whole = Math.floor(all + 1e-6), tenth = tenths ? `.${Math.floor((all - whole) * 10 + 1e-6)}` : "";
  const minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600), seconds = String(whole % 60).padStart(2, "0");
  return (hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`) + tenth;
}

// A duration: 5.6 s, 8 min 40 s, 1 h 5 min.
function span(s) {
  if (s > 0 && s < 0.05) return "< 0.1 s";
  if (s < 59.95) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(s / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// The index of the last number that is not above x, or -1; the numbers do not fall.
function lastIndex(numbers, x) {
  let low = 0, high = numbers.length - 1, index = -1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= x) { index = middle; low = middle + 1; } else high = middle - 1;
  }
  return index;
}

function bytes(text) { return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)); }

// Whole numbers of four bytes, the lowest first.
function integers(text) {
  const view = new DataView(bytes(text).buffer);
  return Array.from({ length: view.byteLength / 4 }, (_, i) => view.getUint32(i * 4, true));
}

// Whole percentages in the ratio of the values, which add up to 100: what is left goes to the largest remainders.
function hundred(values) {
  const sum = values.reduce((a, b) => a + b, 0);
  if (!sum) return values.map(() => 0);
  const exact = values.map((value) => value / sum * 100), whole = exact.map(Math.floor);
  const order = exact.map((_, i) => i).sort((a, b) => (exact[b] - whole[b]) - (exact[a] - whole[a]));
  for (const i of order.slice(0, 100 - whole.reduce((a, b) => a + b, 0))) whole[i]++;
  return whole;
}
