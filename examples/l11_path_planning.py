"""L11: path planning on a grid, Dijkstra's algorithm and A*, with a binary heap kept in arrays.

Shows a program of several compiled functions that share arrays, and what a robot needs to know of a compiler: how
long the slowest plan took. The heap is a pair of arrays because that is how one writes it for a compiled loop.
"""

import latency
import numpy as np

import flashpoint


@flashpoint.njit
def push(keys, cells, size, key, cell):
    at = size
    while at > 0:
        parent = (at - 1) // 2
        if keys[parent] <= key:
            break
        keys[at] = keys[parent]
        cells[at] = cells[parent]
        at = parent
    keys[at] = key
    cells[at] = cell
    return size + 1


@flashpoint.njit
def pop(keys, cells, size):
    """Removes the smallest key; its cell has been read from `cells[0]` before."""
    size -= 1
    key = keys[size]
    cell = cells[size]
    at = 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and keys[child + 1] < keys[child]:
            child += 1
        if key <= keys[child]:
            break
        keys[at] = keys[child]
        cells[at] = cells[child]
        at = child
    keys[at] = key
    cells[at] = cell
    return size


@flashpoint.njit
def plan(cost, start, goal, use_heuristic):
    """Returns the cost of the best path, the number of cells expanded, and each cell's predecessor.

    `cost[row, col]` is the price (at least 1) of entering a cell, 0 where it is blocked; cells count row by row.
    """
    rows, cols = cost.shape
    keys = np.zeros(4 * rows * cols + 1)
    cells = np.zeros(4 * rows * cols + 1, dtype=np.int64)
    distance = np.full(rows * cols, np.inf)
    previous = np.full(rows * cols, -1)
    done = np.zeros(rows * cols, dtype=np.bool_)
    goal_row = goal // cols
    goal_col = goal % cols
    distance[start] = 0.0
    size = push(keys, cells, 0, 0.0, start)
    expanded = 0
    while size > 0:
        cell = cells[0]
        size = pop(keys, cells, size)
        if done[cell]:
            continue
        done[cell] = True
        expanded += 1
        if cell == goal:
            break
        row = cell // cols
        col = cell % cols
        for drow, dcol in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            r = row + drow
            c = col + dcol
            if r < 0 or r >= rows or c < 0 or c >= cols or cost[r, c] == 0.0:
                continue
            reached = distance[cell] + cost[r, c]
            neighbour = r * cols + c
            if reached < distance[neighbour]:
                distance[neighbour] = reached
                previous[neighbour] = cell
                ahead = abs(r - goal_row) + abs(c - goal_col) if use_heuristic else 0
                size = push(keys, cells, size, reached + ahead, neighbour)
    return distance[goal], expanded, previous


def make_grid(size, seed):
    rng = np.random.default_rng(seed)
    cost = rng.integers(1, 10, (size, size)).astype(np.float64)
    cost[rng.random((size, size)) < 0.2] = 0.0
    cost[0, 0] = cost[-1, -1] = 1.0
    return cost


def run(small=False):
    size = 12 if small else 60
    grids = [make_grid(size, seed) for seed in range(2 if small else 10)]
    return [plan(grid, 0, size * size - 1, heuristic) for grid in grids for heuristic in (False, True)]


def main():
    size = 100
    for name, heuristic in (("Dijkstra", False), ("A*", True)):
        inputs = [(make_grid(size, seed), 0, size * size - 1, heuristic) for seed in range(200)]
        cost, expanded, _ = plan(*inputs[0])
        print(f"{name}: a path of cost {cost:g} after {expanded} cells")
        latency.report(f"{name}, {size} x {size} cells", latency.time_calls(plan, inputs), warm=20)
    print(plan.explain())


if __name__ == "__main__":
    main()
