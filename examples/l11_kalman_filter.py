"""L11: a Kalman filter that tracks position and velocity in the plane from noisy positions.

Shows small-matrix code written as loops, one call per measurement, and how long the slowest call took.
"""

import latency
import numpy as np

import flashpoint


@flashpoint.njit
def kalman_step(state, covariance, measured, dt, q, r):
    """Predicts by `dt`, then corrects by `measured` (two positions). Changes `state` (4) and `covariance` (4, 4)."""
    f = np.zeros((4, 4))
    for i in range(4):
        f[i, i] = 1.0
    f[0, 2] = dt
    f[1, 3] = dt
    fp = np.zeros((4, 4))
    for i in range(4):
        for j in range(4):
            for k in range(4):
                fp[i, j] += f[i, k] * covariance[k, j]
    for i in range(4):
        for j in range(4):
            total = q * dt if i == j else 0.0
            for k in range(4):
                total += fp[i, k] * f[j, k]
            covariance[i, j] = total
    state[0] += dt * state[2]
    state[1] += dt * state[3]

    # Two positions are measured, so the innovation's covariance is the upper left 2 x 2 block plus noise.
    s00 = covariance[0, 0] + r
    s01 = covariance[0, 1]
    s11 = covariance[1, 1] + r
    det = s00 * s11 - s01 * s01
    y0 = measured[0] - state[0]
    y1 = measured[1] - state[1]
    gain = np.zeros((4, 2))
    for i in range(4):
        gain[i, 0] = (covariance[i, 0] * s11 - covariance[i, 1] * s01) / det
        gain[i, 1] = (covariance[i, 1] * s00 - covariance[i, 0] * s01) / det
    for i in range(4):
        state[i] += gain[i, 0] * y0 + gain[i, 1] * y1
    for i in range(4):
        for j in range(4):
            fp[i, j] = covariance[i, j] - gain[i, 0] * covariance[0, j] - gain[i, 1] * covariance[1, j]
    for i in range(4):
        for j in range(4):
            covariance[i, j] = 0.5 * (fp[i, j] + fp[j, i])


def track(n):
    """The final state, its covariance, the truth, and the arguments of every call."""
    rng = np.random.default_rng(7)
    state, covariance, dt = np.zeros(4), np.eye(4) * 10.0, 0.01
    times = 0.2 * dt * np.arange(1, n + 1)
    truth = np.stack([np.cos(times), np.sin(2 * times)], axis=1)
    measured = truth + rng.normal(0.0, 0.05, truth.shape)
    return state, covariance, truth, [(state, covariance, row, dt, 0.1, 0.0025) for row in measured]


def run(small=False):
    state, covariance, _, inputs = track(30 if small else 1000)
    for args in inputs:
        kalman_step(*args)
    return [state, covariance]


def main():
    state, _, truth, inputs = track(5000)
    latency.report("Kalman filter, 4 states", latency.time_calls(kalman_step, inputs))
    print(f"final error {np.hypot(*(state[:2] - truth[-1])):.4f} m (noise of one measurement: 0.05 m)")
    print(kalman_step.explain())


if __name__ == "__main__":
    main()
