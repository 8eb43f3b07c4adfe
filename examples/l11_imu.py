"""L11: integration of an inertial measurement unit at 1 kHz: attitude as a quaternion, velocity and position.

Shows a control-loop function of a few microseconds, called a thousand times per second of flight, and how long the
slowest of all calls took, the first one included.
"""

import math

import latency
import numpy as np

import flashpoint


@flashpoint.njit
def imu_step(attitude, velocity, position, gyro, accel, dt):
    """Advances the three state arrays by one sample of angular rate (rad/s) and specific force (m/s^2)."""
    wx, wy, wz = gyro[0], gyro[1], gyro[2]
    rate = math.sqrt(wx * wx + wy * wy + wz * wz)
    half = 0.5 * rate * dt
    # sin(half) / rate tends to dt / 2 as the rotation vanishes.
    scale = math.sin(half) / rate if rate > 1e-12 else 0.5 * dt
    rw, rx, ry, rz = math.cos(half), wx * scale, wy * scale, wz * scale
    w, x, y, z = attitude[0], attitude[1], attitude[2], attitude[3]
    nw = w * rw - x * rx - y * ry - z * rz
    nx = w * rx + x * rw + y * rz - z * ry
    ny = w * ry - x * rz + y * rw + z * rx
    nz = w * rz + x * ry - y * rx + z * rw
    norm = math.sqrt(nw * nw + nx * nx + ny * ny + nz * nz)
    w, x, y, z = nw / norm, nx / norm, ny / norm, nz / norm
    attitude[0], attitude[1], attitude[2], attitude[3] = w, x, y, z
    ax, ay, az = accel[0], accel[1], accel[2]
    world = (
        (1 - 2 * (y * y + z * z)) * ax + 2 * (x * y - w * z) * ay + 2 * (x * z + w * y) * az,
        2 * (x * y + w * z) * ax + (1 - 2 * (x * x + z * z)) * ay + 2 * (y * z - w * x) * az,
        2 * (x * z - w * y) * ax + 2 * (y * z + w * x) * ay + (1 - 2 * (x * x + y * y)) * az - 9.80665,
    )
    for i in range(3):
        position[i] += velocity[i] * dt + 0.5 * world[i] * dt * dt
        velocity[i] += world[i] * dt


def flight(n):
    """The state arrays, and the arguments of every call: a slow turn with a little noise."""
    rng = np.random.default_rng(5)
    attitude, velocity, position = np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3), np.zeros(3)
    gyro = rng.normal(0.0, 0.002, (n, 3)) + [0.0, 0.0, 0.3]
    accel = rng.normal(0.0, 0.02, (n, 3)) + [0.1, 0.0, 9.80665]
    gyro[: n // 10] = 0.0  # at rest, the other branch of the small-angle rule
    return (
        attitude,
        velocity,
        position,
        [(attitude, velocity, position, g, a, 0.001) for g, a in zip(gyro, accel, strict=True)],
    )


def run(small=False):
    *state, inputs = flight(50 if small else 2000)
    for args in inputs:
        imu_step(*args)
    return state


def main():
    *state, inputs = flight(10_000)
    latency.report("IMU, 10 s at 1 kHz", latency.time_calls(imu_step, inputs))
    for name, array in zip(("attitude", "velocity", "position"), state, strict=True):
        print(f"{name:9} {array}")
    print(imu_step.explain())


if __name__ == "__main__":
    main()
