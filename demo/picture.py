"""Writes a picture as PNG, with nothing but zlib."""

import struct
import zlib

import numpy as np


def write_mandelbrot(path, counts):
    """Colours iteration counts: black inside the set, and a smooth cycle outside."""
    phase = np.sqrt(counts / max(1, counts.max())) * 2 * np.pi
    channels = [0.5 - 0.5 * np.cos(phase * k + shift) for k, shift in ((1.0, 0.0), (1.5, 0.4), (2.5, 0.9))]
    rgb = (255 * np.stack(channels, axis=-1)).astype(np.uint8)
    rgb[counts == counts.max()] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(rgb))
    return path


def png(rgb):
    """The bytes of a PNG file for an array of uint8, shape (height, width, 3)."""
    height, width, _ = rgb.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), rgb.reshape(height, 3 * width)], axis=1)  # 0: no filter
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits a channel, RGB
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks))


def _chunk(chunk):
    kind, data = chunk
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
