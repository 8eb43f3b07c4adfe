// The programs of ../programs.py for node: `node programs.mjs CASE SPAWNED ARGS.json` prints one line of JSON.
// Arrays arrive as raw files beside ARGS.json. Integers are doubles here (or Int32Array), as a JavaScript user would write.

import { readFileSync } from "node:fs";

const programs = {
  sum_of_squares(n) {
    let total = 0;
    for (let i = 0; i < n; i++) total += i * i;
    return total;
  },
  dot_self(a) {
    let total = 0;
    for (let i = 0; i < a.data.length; i++) total += a.data[i] * a.data[i];
    return total;
  },
  mandelbrot(width, height, xMin, xMax, yMin, yMax, maxIter) {
    const counts = new Int32Array(width * height);
    for (let row = 0; row < height; row++) {
      const ci = yMin + ((yMax - yMin) * row) / height;
      for (let col = 0; col < width; col++) {
        const cr = xMin + ((xMax - xMin) * col) / width;
        let zr = 0, zi = 0, n = 0;
        while (n < maxIter) {
          const zr2 = zr * zr, zi2 = zi * zi;
          if (zr2 + zi2 > 4) break;
          zi = 2 * zr * zi + ci;
          zr = zr2 - zi2 + cr;
          n++;
        }
        counts[row * width + col] = n;
      }
    }
    return counts;
  },
  nbody(position, velocity, mass, steps, dt) {
    const p = position.data, v = velocity.data, m = mass.data, n = m.length;
    for (let step = 0; step < steps; step++) {
      for (let i = 0; i < n; i++) {
        for (let j = i + 1; j < n; j++) {
          const dx = p[3 * i] - p[3 * j], dy = p[3 * i + 1] - p[3 * j + 1], dz = p[3 * i + 2] - p[3 * j + 2];
          const d2 = dx * dx + dy * dy + dz * dz;
          const magnitude = dt / (d2 * Math.sqrt(d2));
          v[3 * i] -= dx * m[j] * magnitude;
          v[3 * i + 1] -= dy * m[j] * magnitude;
          v[3 * i + 2] -= dz * m[j] * magnitude;
          v[3 * j] += dx * m[i] * magnitude;
          v[3 * j + 1] += dy * m[i] * magnitude;
          v[3 * j + 2] += dz * m[i] * magnitude;
        }
      }
      for (let i = 0; i < 3 * n; i++) p[i] += dt * v[i];
    }
    let energy = 0;
    for (let i = 0; i < n; i++) {
      energy += 0.5 * m[i] * (v[3 * i] ** 2 + v[3 * i + 1] ** 2 + v[3 * i + 2] ** 2);
      for (let j = i + 1; j < n; j++) {
        const dx = p[3 * i] - p[3 * j], dy = p[3 * i + 1] - p[3 * j + 1], dz = p[3 * i + 2] - p[3 * j + 2];
        energy -= (m[i] * m[j]) / Math.sqrt(dx * dx + dy * dy + dz * dz);
      }
    }
    return energy;
  },
  floyd_warshall(dist) {
    const d = dist.data, n = dist.shape[0];
    for (let k = 0; k < n; k++)
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++) {
          const through = d[i * n + k] + d[k * n + j];
          if (through < d[i * n + j]) d[i * n + j] = through;
        }
    return d;
  },
  levenshtein(a, b) {
    const s = a.data, t = b.data, n = t.length;
    let previous = new Int32Array(n + 1), current = new Int32Array(n + 1);
    for (let j = 0; j <= n; j++) previous[j] = j;
    for (let i = 0; i < s.length; i++) {
      current[0] = i + 1;
      for (let j = 0; j < n; j++) {
        const cost = s[i] === t[j] ? 0 : 1;
        current[j + 1] = Math.min(previous[j + 1] + 1, current[j] + 1, previous[j] + cost);
      }
      [previous, current] = [current, previous];
    }
    return previous[n];
  },
  collatz(limit) {
    let best = 1, longest = 0;
    for (let start = 1; start < limit; start++) {
      let x = start, length = 0;
      while (x !== 1) {
        x = x % 2 === 0 ? x / 2 : 3 * x + 1;
        length++;
      }
      if (length > longest) [longest, best] = [length, start];
    }
    return [best, longest];
  },
  heat2d(u, steps, alpha) {
    const [rows, cols] = u.shape;
    let old = u.data.slice(), next = u.data.slice();
    for (let step = 0; step < steps; step++) {
      for (let i = 1; i < rows - 1; i++)
        for (let j = 1; j < cols - 1; j++) {
          const at = i * cols + j;
          const around = old[at - cols] + old[at + cols] + old[at - 1] + old[at + 1];
          next[at] = old[at] + alpha * (around - 4 * old[at]);
        }
      [old, next] = [next, old];
    }
    return old;
  },
  fib(n) {
    return n < 2 ? n : programs.fib(n - 1) + programs.fib(n - 2);
  },
  matmul_naive(a, b, c) {
    const [rows, inner] = a.shape, cols = b.shape[1];
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < cols; j++) {
        let total = 0;
        for (let k = 0; k < inner; k++) total += a.data[i * inner + k] * b.data[k * cols + j];
        c.data[i * cols + j] = total;
      }
    return c.data;
  },
};

function fib(n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}
programs.fib = fib;

// The same weights as `weigh` in sample.py, so that a permuted array is told from the right one.
function weigh(result) {
  if (typeof result === "number") return result;
  let total = 0;
  for (let i = 0; i < result.length; i++) total += Math.abs(result[i]) * (1 + (i % 7));
  return total;
}

const [name, spawned, argsFile] = process.argv.slice(2);
const program = programs[name];
if (program === undefined) {
  console.log(JSON.stringify({ unavailable: `${name} is not written in JavaScript` }));
  process.exit(0);
}
const makeArgs = () =>
  JSON.parse(readFileSync(argsFile)).map((arg) => {
    if (typeof arg === "number") return arg;
    const bytes = readFileSync(arg.file);
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    if (arg.dtype === "float64") return { shape: arg.shape, data: new Float64Array(buffer) };
    return { shape: arg.shape, data: Int32Array.from(new BigInt64Array(buffer), Number) };
  });
const timed = (args) => {
  const begin = process.hrtime.bigint();
  const result = program(...args);
  return [Number(process.hrtime.bigint() - begin) / 1e9, result];
};
const [first, result] = timed(makeArgs());
const done = Number(process.hrtime.bigint()) / 1e9;
const times = [];
for (let spent = 0; times.length < 7 || (spent < 0.3 && times.length < 200); ) {
  const [seconds] = timed(makeArgs());
  times.push(seconds);
  spent += seconds;
}
times.sort((x, y) => x - y);
console.log(JSON.stringify({
  first, start_to_first: done - Number(spawned), steady: times[0], steady_median: times[times.length >> 1],
  approx: weigh(result), rss_end: process.memoryUsage().rss, rss_peak: process.resourceUsage().maxRSS * 1024,
}));
