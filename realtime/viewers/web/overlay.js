"use strict";

/* Boxes and labels alone, for a broadcast. They lie as in the source's picture, fitted into the page. */

const RETRY_MS = 2000;
const SILENT_MS = 3000;
const canvas = document.getElementById("overlay");
const pen = canvas.getContext("2d");
let facts = null;
let heard = 0;
let socket = null;

function connect() {
  socket = new WebSocket(`ws://${location.host}/live?overlay=1`);
  heard = performance.now();
  socket.onopen = async () => {
    const answer = await fetch("/state").catch(() => null);
    if (answer && answer.ok) facts = await answer.json();
  };
  socket.onmessage = (event) => {
    heard = performance.now();
    if (typeof event.data === "string") show(JSON.parse(event.data));
    else event.target.send("got");
  };
  socket.onclose = () => {
    clear();
    setTimeout(connect, RETRY_MS);
  };
}

/* A broadcast shows no old boxes. */
setInterval(() => {
  const silent = performance.now() - heard;
  if (silent > SILENT_MS) clear();
  if (silent > 3 * SILENT_MS && socket.readyState === WebSocket.OPEN) socket.close();
}, 500);

function clear() {
  pen.clearRect(0, 0, canvas.width, canvas.height);
}

function show(message) {
  if (message.why || message.hidden) clear();
  else if (message.line && message.size && facts) draw(message.line.faces, message.size);
}

function draw(faces, [width, height]) {
  canvas.width = Math.round(innerWidth * devicePixelRatio);
  canvas.height = Math.round(innerHeight * devicePixelRatio);
  const scale = Math.min(canvas.width / width, canvas.height / height);
  const [left, top] = [(canvas.width - width * scale) / 2, (canvas.height - height * scale) / 2];
  const unit = Math.max(0.7, (Math.min(width, height) * scale) / 480);
  const boxes = faces.map((face) => {
    const [x0, y0, x1, y1] = face.box;
    return { x: left + x0 * scale, y: top + y0 * scale, w: (x1 - x0) * scale, h: (y1 - y0) * scale };
  });
  const taken = [];
  faces.forEach((face, i) => {
    const colour = face.unsure ? "#969696" : facts.colours[face.label];
    drawBox(boxes[i], colour, unit);
    const text = face.unsure ? facts.doubts[face.unsure] : `${facts.names[face.label]} ${Math.round(face.confidence * 100)} %`;
    taken.push(drawLabel(text, boxes[i], [...taken, ...boxes.filter((_, k) => k !== i)], colour, unit));
  });
}

function drawBox(box, colour, unit) {
  for (const [stroke, width] of [["rgb(0 0 0 / .45)", 5], [colour, 2.5]]) {
    pen.strokeStyle = stroke;
    pen.lineWidth = width * unit;
    pen.beginPath();
    pen.roundRect(box.x, box.y, box.w, box.h, 6 * unit);
    pen.stroke();
  }
}

/* Above the box, else below it, where it covers nothing else, and within the page. Gives its place. */
function drawLabel(text, box, others, colour, unit) {
  pen.font = `600 ${18 * unit}px system-ui, sans-serif`;
  const [w, h, gap] = [pen.measureText(text).width + 20 * unit, 32 * unit, 6 * unit];
  const x = Math.max(0, Math.min(canvas.width - w, box.x + (box.w - w) / 2));
  const places = [box.y - h - gap, box.y + box.h + gap, box.y + gap].map((y) => ({ x: x, y: Math.max(0, Math.min(canvas.height - h, y)), w: w, h: h }));
  const meet = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
  const place = places.find((one) => !others.some((other) => meet(one, other)) && (one === places[2] || !meet(one, box))) || places[2];
  pen.fillStyle = "rgb(20 20 22 / .8)";
  pen.beginPath();
  pen.roundRect(place.x, place.y, w, h, 6 * unit);
  pen.fill();
  pen.fillStyle = colour;
  pen.fillRect(place.x + 8 * unit, place.y + h - 5 * unit, w - 16 * unit, 2.5 * unit);
  pen.fillStyle = "#f5f5f5";
  pen.textBaseline = "middle";
  pen.fillText(text, place.x + 10 * unit, place.y + h / 2 - 1 * unit);
  return place;
}

connect();
