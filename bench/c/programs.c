// The programs of ../programs.py in C: the same operations in the same order, one function each, called through ctypes.
// Floating point stays strict (the build adds -ffp-contract=off). Integers wrap, as in Numba.

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int64_t sum_of_squares(int64_t n) {
    int64_t total = 0;
    for (int64_t i = 0; i < n; i++) total += i * i;
    return total;
}

double dot_self(const double *a, int64_t n) {
    double total = 0.0;
    for (int64_t i = 0; i < n; i++) total += a[i] * a[i];
    return total;
}

void mandelbrot(int64_t width, int64_t height, double x_min, double x_max, double y_min, double y_max,
                int64_t max_iter, int64_t *counts) {
    for (int64_t row = 0; row < height; row++) {
        double ci = y_min + (y_max - y_min) * (double)row / (double)height;
        for (int64_t col = 0; col < width; col++) {
            double cr = x_min + (x_max - x_min) * (double)col / (double)width;
            double zr = 0.0, zi = 0.0;
            int64_t n = 0;
            while (n < max_iter) {
                double zr2 = zr * zr, zi2 = zi * zi;
                if (zr2 + zi2 > 4.0) break;
                zi = 2.0 * zr * zi + ci;
                zr = zr2 - zi2 + cr;
                n++;
            }
            counts[row * width + col] = n;
        }
    }
}

double nbody(double *position, double *velocity, const double *mass, int64_t n, int64_t steps, double dt) {
    double(*p)[3] = (double(*)[3])position, (*v)[3] = (double(*)[3])velocity;
    for (int64_t step = 0; step < steps; step++) {
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = i + 1; j < n; j++) {
                double dx = p[i][0] - p[j][0], dy = p[i][1] - p[j][1], dz = p[i][2] - p[j][2];
                double d2 = dx * dx + dy * dy + dz * dz;
                double magnitude = dt / (d2 * sqrt(d2));
                v[i][0] -= dx * mass[j] * magnitude;
                v[i][1] -= dy * mass[j] * magnitude;
                v[i][2] -= dz * mass[j] * magnitude;
                v[j][0] += dx * mass[i] * magnitude;
                v[j][1] += dy * mass[i] * magnitude;
                v[j][2] += dz * mass[i] * magnitude;
            }
        }
        for (int64_t i = 0; i < n; i++) {
            p[i][0] += dt * v[i][0];
            p[i][1] += dt * v[i][1];
            p[i][2] += dt * v[i][2];
        }
    }
    double energy = 0.0;
    for (int64_t i = 0; i < n; i++) {
        energy += 0.5 * mass[i] * (v[i][0] * v[i][0] + v[i][1] * v[i][1] + v[i][2] * v[i][2]);
        for (int64_t j = i + 1; j < n; j++) {
            double dx = p[i][0] - p[j][0], dy = p[i][1] - p[j][1], dz = p[i][2] - p[j][2];
            energy -= mass[i] * mass[j] / sqrt(dx * dx + dy * dy + dz * dz);
        }
    }
    return energy;
}

static void spectral_multiply(int64_t n, const double *from, double *to, int transposed) {
    for (int64_t i = 0; i < n; i++) {
        double total = 0.0;
        for (int64_t j = 0; j < n; j++)
            total += from[j] / (double)((i + j) * (i + j + 1) / 2 + (transposed ? j : i) + 1);
        to[i] = total;
    }
}

double spectral_norm(int64_t n, int64_t rounds) {
    double *u = malloc(n * sizeof *u), *v = calloc(n, sizeof *v), *w = calloc(n, sizeof *w);
    for (int64_t i = 0; i < n; i++) u[i] = 1.0;
    for (int64_t round = 0; round < rounds; round++) {
        spectral_multiply(n, u, w, 0);
        spectral_multiply(n, w, v, 1);
        spectral_multiply(n, v, w, 0);
        spectral_multiply(n, w, u, 1);
    }
    double uv = 0.0, vv = 0.0;
    for (int64_t i = 0; i < n; i++) {
        uv += u[i] * v[i];
        vv += v[i] * v[i];
    }
    free(u), free(v), free(w);
    return sqrt(uv / vv);
}

void floyd_warshall(int64_t *dist, int64_t n) {
    for (int64_t k = 0; k < n; k++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) {
                int64_t through = dist[i * n + k] + dist[k * n + j];
                if (through < dist[i * n + j]) dist[i * n + j] = through;
            }
}

int64_t levenshtein(const int64_t *a, int64_t m, const int64_t *b, int64_t n) {
    int64_t *previous = malloc((n + 1) * sizeof *previous), *current = calloc(n + 1, sizeof *current);
    for (int64_t j = 0; j <= n; j++) previous[j] = j;
    for (int64_t i = 0; i < m; i++) {
        current[0] = i + 1;
        for (int64_t j = 0; j < n; j++) {
            int64_t cost = a[i] == b[j] ? 0 : 1;
            int64_t best = previous[j + 1] + 1;
            if (current[j] + 1 < best) best = current[j] + 1;
            if (previous[j] + cost < best) best = previous[j] + cost;
            current[j + 1] = best;
        }
        int64_t *swap = previous;
        previous = current;
        current = swap;
    }
    int64_t distance = previous[n];
    free(previous), free(current);
    return distance;
}

void collatz(int64_t limit, int64_t *answer) {
    int64_t best = 1, longest = 0;
    for (int64_t start = 1; start < limit; start++) {
        int64_t x = start, length = 0;
        while (x != 1) {
            if (x % 2 == 0)
                x /= 2;
            else
                x = 3 * x + 1;
            length++;
        }
        if (length > longest) {
            longest = length;
            best = start;
        }
    }
    answer[0] = best;
    answer[1] = longest;
}

void black_scholes(const double *spot, const double *strike, const double *years, double rate, double volatility,
                   double *call, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double root = volatility * sqrt(years[i]);
        double d1 = (log(spot[i] / strike[i]) + (rate + 0.5 * volatility * volatility) * years[i]) / root;
        double d2 = d1 - root;
        double n1 = 0.5 * (1.0 + erf(d1 / sqrt(2.0)));
        double n2 = 0.5 * (1.0 + erf(d2 / sqrt(2.0)));
        call[i] = spot[i] * n1 - strike[i] * exp(-rate * years[i]) * n2;
    }
}

void heat2d(const double *u, int64_t rows, int64_t cols, int64_t steps, double alpha, double *result) {
    size_t bytes = rows * cols * sizeof(double);
    double *old = malloc(bytes), *new = malloc(bytes);
    memcpy(old, u, bytes), memcpy(new, u, bytes);
    for (int64_t step = 0; step < steps; step++) {
        for (int64_t i = 1; i < rows - 1; i++)
            for (int64_t j = 1; j < cols - 1; j++) {
                double around = old[(i - 1) * cols + j] + old[(i + 1) * cols + j] + old[i * cols + j - 1] +
                                old[i * cols + j + 1];
                new[i * cols + j] = old[i * cols + j] + alpha * (around - 4.0 * old[i * cols + j]);
            }
        double *swap = old;
        old = new;
        new = swap;
    }
    memcpy(result, old, bytes);
    free(old), free(new);
}

int64_t fib(int64_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

void matmul_naive(const double *a, const double *b, double *c, int64_t rows, int64_t inner, int64_t cols) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) {
            double total = 0.0;
            for (int64_t k = 0; k < inner; k++) total += a[i * inner + k] * b[k * cols + j];
            c[i * cols + j] = total;
        }
}
