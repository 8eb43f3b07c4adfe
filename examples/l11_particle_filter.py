"""L11: a particle filter that finds a robot's position from its distances to known landmarks.

Shows `math` functions, a prefix sum and systematic resampling over arrays in one compiled step, and how long the
slowest step took. The random numbers come from NumPy's generator and are handed in.
"""

import math

import latency
import numpy as np

import flashpoint

LANDMARKS = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


@flashpoint.njit
def filter_step(particles, scratch, weights, landmarks, ranges, move, noise, start, sigma):
    """Moves, weighs and resamples `particles` (n, 2) in place; returns the weighted mean position."""
    n = particles.shape[0]
    largest = -math.inf
    for i in range(n):
        particles[i, 0] += move[0] + noise[i, 0]
        particles[i, 1] += move[1] + noise[i, 1]
        log_weight = 0.0
        for k in range(landmarks.shape[0]):
            dx = particles[i, 0] - landmarks[k, 0]
            dy = particles[i, 1] - landmarks[k, 1]
            error = (math.sqrt(dx * dx + dy * dy) - ranges[k]) / sigma
            log_weight -= 0.5 * error * error
        weights[i] = log_weight
        largest = max(largest, log_weight)
    total = 0.0
    for i in range(n):
        weights[i] = math.exp(weights[i] - largest)
        total += weights[i]
    x = 0.0
    y = 0.0
    for i in range(n):
        weights[i] /= total
        x += weights[i] * particles[i, 0]
        y += weights[i] * particles[i, 1]
    # Systematic resampling: n equally spaced pointers, one random offset.
    cumulative = weights[0]
    at = 0
    for i in range(n):
        pointer = (i + start) / n
        while pointer > cumulative and at < n - 1:
            at += 1
            cumulative += weights[at]
        scratch[i, 0] = particles[at, 0]
        scratch[i, 1] = particles[at, 1]
    for i in range(n):
        particles[i, 0] = scratch[i, 0]
        particles[i, 1] = scratch[i, 1]
    return x, y


def localise(n_particles, n_steps):
    rng = np.random.default_rng(3)
    particles = rng.uniform(0.0, 10.0, (n_particles, 2))
    scratch, weights = np.zeros_like(particles), np.zeros(n_particles)
    position, move = np.array([2.0, 3.0]), np.array([0.01, 0.005])
    inputs, truth = [], []
    for _ in range(n_steps):
        position = position + move
        ranges = np.hypot(*(position - LANDMARKS).T) + rng.normal(0.0, 0.1, len(LANDMARKS))
        noise = rng.normal(0.0, 0.02, particles.shape)
        inputs.append((particles, scratch, weights, LANDMARKS, ranges, move, noise, rng.random(), 0.1))
        truth.append(position)
    return inputs, truth


def run(small=False):
    inputs, _ = localise(20 if small else 500, 5 if small else 50)
    estimates = [filter_step(*args) for args in inputs]
    return [estimates, inputs[0][0]]


def main():
    inputs, truth = localise(1000, 500)
    latency.report("particle filter, 1000 particles", latency.time_calls(filter_step, inputs))
    estimate = filter_step(*inputs[-1])
    print(f"final error {math.dist(estimate, truth[-1]):.3f} m")
    print(filter_step.explain())


if __name__ == "__main__":
    main()
