"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// A wipe: the truth left of the edge, the field right of it.
for (const range of all(".wipe+input")) {
  const set = () => range.previousElementSibling.style.setProperty("--at", range.value + "%");
  range.addEventListener("input", set);
  set();
}

// A slider over contexts shows one row of images.
for (const range of all(".contexts")) {
  const rows = all(".contextrow", range.closest(".sheet"));
  const labels = range.dataset.labels.split("|");
  range.addEventListener("input", () => {
    rows.forEach((row, i) => { row.hidden = i !== Number(range.value); });
    range.closest("label").querySelector("output").textContent = labels[range.value];
  });
}

// Frames beneath one another in one picture, drawn one at a time.
for (const canvas of all(".frames")) {
  const [button, range] = all("button,input", canvas.parentElement);
  const strip = new Image(), count = Number(canvas.dataset.frames), pen = canvas.getContext("2d");
  let playing = false, last = 0;
  const draw = () => pen.drawImage(strip, 0, -canvas.height * Number(range.value));
  const tick = (now) => {
    if (!playing) return;
    if (now - last > 70) { last = now; range.value = (Number(range.value) + 1) % count; draw(); }
    requestAnimationFrame(tick);
  };
  const play = (on) => { playing = on; button.textContent = on ? "Pause" : "Play"; if (on) requestAnimationFrame(tick); };
  button.addEventListener("click", () => play(!playing));
  range.addEventListener("input", () => { play(false); draw(); });
  strip.onload = () => { draw(); if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play(true); };
  strip.src = canvas.dataset.strip;
}

// A mesh, drawn with a depth buffer and smooth normals on a plain canvas.
const numbers = (uri) => {
  const text = atob(uri.slice(uri.indexOf(",") + 1)), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Uint16Array(bytes.buffer);
};
for (const canvas of all(".mesh")) {
  const raw = numbers(canvas.dataset.vertices), faces = numbers(canvas.dataset.faces);
  const count = raw.length / 3, at = Float32Array.from(raw, (v) => v / 32767.5 - 1), normal = new Float32Array(raw.length);
  for (let f = 0; f < faces.length; f += 3) {
    const [a, b, c] = [faces[f] * 3, faces[f + 1] * 3, faces[f + 2] * 3];
    const u = [0, 1, 2].map((k) => at[b + k] - at[a + k]), v = [0, 1, 2].map((k) => at[c + k] - at[a + k]);
    const n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    for (const corner of [a, b, c]) for (let k = 0; k < 3; k++) normal[corner + k] += n[k];
  }
  const wide = canvas.width, high = canvas.height, pen = canvas.getContext("2d");
  const picture = pen.createImageData(wide, high), depth = new Float32Array(wide * high);
  let radius = 0;
  for (let i = 0; i < count; i++) radius = Math.max(radius, Math.hypot(at[3 * i], at[3 * i + 1], at[3 * i + 2]));
  // A sphere around the mesh, seen from a distance of 3.6, has this many of its radii as half its width.
  const fit = 0.48 * Math.min(wide, high) / (3.6 * radius / Math.sqrt(3.6 ** 2 - radius ** 2));
  const sx = new Float32Array(count), sy = new Float32Array(count), sz = new Float32Array(count), lit = new Float32Array(count);
  let turn = 0.6, tilt = 0.35, zoom = 1, waiting = false;
  const draw = () => {
    waiting = false;
    const [ct, st, cp, sp] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    const scale = fit * zoom;
    for (let i = 0; i < count; i++) {
      const [x, y, z] = [at[3 * i], at[3 * i + 1], at[3 * i + 2]], x1 = ct * x + st * z, z1 = ct * z - st * x;
      const away = 3.6 - (sp * y + cp * z1), bigger = 3.6 / away;
      sx[i] = wide / 2 + scale * x1 * bigger; sy[i] = high / 2 - scale * (cp * y - sp * z1) * bigger; sz[i] = away;
      const [n, m, o] = [normal[3 * i], normal[3 * i + 1], normal[3 * i + 2]], n1 = ct * n + st * o, o1 = ct * o - st * n;
      const up = cp * m - sp * o1, toward = sp * m + cp * o1, size = Math.hypot(n, m, o) || 1;
      const side = toward < 0 ? -1 : 1;
      lit[i] = 0.22 + 0.78 * Math.max(0, side * (0.35 * n1 + 0.45 * up + 0.82 * toward) / size);
    }
    picture.data.fill(0); depth.fill(1e9);
    for (let f = 0; f < faces.length; f += 3) {
      const [a, b, c] = [faces[f], faces[f + 1], faces[f + 2]];
      const area = (sx[b] - sx[a]) * (sy[c] - sy[a]) - (sy[b] - sy[a]) * (sx[c] - sx[a]);
      if (!area) continue;
      const left = Math.max(0, Math.ceil(Math.min(sx[a], sx[b], sx[c]))), right = Math.min(wide - 1, Math.floor(Math.max(sx[a], sx[b], sx[c])));
      const top = Math.max(0, Math.ceil(Math.min(sy[a], sy[b], sy[c]))), bottom = Math.min(high - 1, Math.floor(Math.max(sy[a], sy[b], sy[c])));
      for (let y = top; y <= bottom; y++) for (let x = left; x <= right; x++) {
        const q = ((x - sx[a]) * (sy[c] - sy[a]) - (y - sy[a]) * (sx[c] - sx[a])) / area;
        const r = ((sx[b] - sx[a]) * (y - sy[a]) - (sy[b] - sy[a]) * (x - sx[a])) / area;
        if (q < 0 || r < 0 || q + r > 1) continue;
        const z = sz[a] + q * (sz[b] - sz[a]) + r * (sz[c] - sz[a]), p = y * wide + x;
        if (z >= depth[p]) continue;
        depth[p] = z;
        const l = lit[a] + q * (lit[b] - lit[a]) + r * (lit[c] - lit[a]);
        picture.data[4 * p] = 150 * l + 25; picture.data[4 * p + 1] = 178 * l + 25; picture.data[4 * p + 2] = 215 * l + 30; picture.data[4 * p + 3] = 255;
      }
    }
    pen.putImageData(picture, 0, 0);
  };
  const soon = () => { if (!waiting) { waiting = true; requestAnimationFrame(draw); } };
  const held = new Map();
  canvas.addEventListener("pointerdown", (e) => { held.set(e.pointerId, e); canvas.setPointerCapture(e.pointerId); });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (e) => held.delete(e.pointerId));
  canvas.addEventListener("pointermove", (e) => {
    const was = held.get(e.pointerId);
    if (!was) return;
    if (held.size === 2) {
      const other = [...held.values()].find((h) => h.pointerId !== e.pointerId);
      const apart = (p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY) || 1;
      zoom = Math.min(6, Math.max(0.4, zoom * apart(e) / apart(was)));
    } else {
      turn += (e.clientX - was.clientX) * 0.01;
      tilt = Math.min(1.5, Math.max(-1.5, tilt + (e.clientY - was.clientY) * 0.01));
    }
    held.set(e.pointerId, e); soon();
  });
  canvas.addEventListener("wheel", (e) => { e.preventDefault(); zoom = Math.min(6, Math.max(0.4, zoom * Math.exp(-e.deltaY * 0.001))); soon(); }, {passive: false});
  canvas.addEventListener("keydown", (e) => {
    const step = {ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1]}[e.key];
    if (!step) return;
    e.preventDefault(); turn += step[0]; tilt = Math.min(1.5, Math.max(-1.5, tilt + step[1])); soon();
  });
  draw();
}
