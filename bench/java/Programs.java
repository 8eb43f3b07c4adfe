// The programs of ../programs.py for the JVM: `java Programs CASE SPAWNED ARGS.txt` prints one line of JSON.
// ARGS.txt has one argument a line: `i 5`, `d 0.5`, or `a float64|int64 FILE EXTENT...`.

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

public final class Programs {
    static final class Array {
        int[] shape;
        double[] d;
        long[] l;
    }

    static long sum_of_squares(long n) {
        long total = 0;
        for (long i = 0; i < n; i++) total += i * i;
        return total;
    }

    static double dot_self(double[] a) {
        double total = 0.0;
        for (int i = 0; i < a.length; i++) total += a[i] * a[i];
        return total;
    }

    static long[] mandelbrot(int width, int height, double xMin, double xMax, double yMin, double yMax, long maxIter) {
        long[] counts = new long[width * height];
        for (int row = 0; row < height; row++) {
            double ci = yMin + (yMax - yMin) * row / height;
            for (int col = 0; col < width; col++) {
                double cr = xMin + (xMax - xMin) * col / width;
                double zr = 0.0, zi = 0.0;
                long n = 0;
                while (n < maxIter) {
                    double zr2 = zr * zr, zi2 = zi * zi;
                    if (zr2 + zi2 > 4.0) break;
                    zi = 2.0 * zr * zi + ci;
                    zr = zr2 - zi2 + cr;
                    n++;
                }
                counts[row * width + col] = n;
            }
        }
        return counts;
    }

    static double nbody(double[] p, double[] v, double[] m, long steps, double dt) {
        int n = m.length;
        for (long step = 0; step < steps; step++) {
            for (int i = 0; i < n; i++) {
                for (int j = i + 1; j < n; j++) {
                    double dx = p[3 * i] - p[3 * j], dy = p[3 * i + 1] - p[3 * j + 1], dz = p[3 * i + 2] - p[3 * j + 2];
                    double d2 = dx * dx + dy * dy + dz * dz;
                    double magnitude = dt / (d2 * Math.sqrt(d2));
                    v[3 * i] -= dx * m[j] * magnitude;
                    v[3 * i + 1] -= dy * m[j] * magnitude;
                    v[3 * i + 2] -= dz * m[j] * magnitude;
                    v[3 * j] += dx * m[i] * magnitude;
                    v[3 * j + 1] += dy * m[i] * magnitude;
                    v[3 * j + 2] += dz * m[i] * magnitude;
                }
            }
            for (int i = 0; i < 3 * n; i++) p[i] += dt * v[i];
        }
        double energy = 0.0;
        for (int i = 0; i < n; i++) {
            double vx = v[3 * i], vy = v[3 * i + 1], vz = v[3 * i + 2];
            energy += 0.5 * m[i] * (vx * vx + vy * vy + vz * vz);
            for (int j = i + 1; j < n; j++) {
                double dx = p[3 * i] - p[3 * j], dy = p[3 * i + 1] - p[3 * j + 1], dz = p[3 * i + 2] - p[3 * j + 2];
                energy -= m[i] * m[j] / Math.sqrt(dx * dx + dy * dy + dz * dz);
            }
        }
        return energy;
    }

    static void floyd_warshall(long[] d, int n) {
        for (int k = 0; k < n; k++)
            for (int i = 0; i < n; i++)
                for (int j = 0; j < n; j++) {
                    long through = d[i * n + k] + d[k * n + j];
                    if (through < d[i * n + j]) d[i * n + j] = through;
                }
    }

    static long levenshtein(long[] a, long[] b) {
        int n = b.length;
        long[] previous = new long[n + 1], current = new long[n + 1];
        for (int j = 0; j <= n; j++) previous[j] = j;
        for (int i = 0; i < a.length; i++) {
            current[0] = i + 1;
            for (int j = 0; j < n; j++) {
                long cost = a[i] == b[j] ? 0 : 1;
                current[j + 1] = Math.min(Math.min(previous[j + 1] + 1, current[j] + 1), previous[j] + cost);
            }
            long[] swap = previous;
            previous = current;
            current = swap;
        }
        return previous[n];
    }

    static long[] collatz(long limit) {
        long best = 1, longest = 0;
        for (long start = 1; start < limit; start++) {
            long x = start, length = 0;
            while (x != 1) {
                if (x % 2 == 0) x /= 2;
                else x = 3 * x + 1;
                length++;
            }
            if (length > longest) {
                longest = length;
                best = start;
            }
        }
        return new long[] {best, longest};
    }

    static double[] heat2d(double[] u, int rows, int cols, long steps, double alpha) {
        double[] old = u.clone(), next = u.clone();
        for (long step = 0; step < steps; step++) {
            for (int i = 1; i < rows - 1; i++)
                for (int j = 1; j < cols - 1; j++) {
                    int at = i * cols + j;
                    double around = old[at - cols] + old[at + cols] + old[at - 1] + old[at + 1];
                    next[at] = old[at] + alpha * (around - 4.0 * old[at]);
                }
            double[] swap = old;
            old = next;
            next = swap;
        }
        return old;
    }

    static long fib(long n) {
        return n < 2 ? n : fib(n - 1) + fib(n - 2);
    }

    static void matmul_naive(double[] a, double[] b, double[] c, int rows, int inner, int cols) {
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < cols; j++) {
                double total = 0.0;
                for (int k = 0; k < inner; k++) total += a[i * inner + k] * b[k * cols + j];
                c[i * cols + j] = total;
            }
    }

    static Object run(String name, List<Object> x) {
        switch (name) {
            case "sum_of_squares": return sum_of_squares((Long) x.get(0));
            case "dot_self": return dot_self(array(x, 0).d);
            case "mandelbrot":
                return mandelbrot((int) integer(x, 0), (int) integer(x, 1), real(x, 2), real(x, 3), real(x, 4), real(x, 5), integer(x, 6));
            case "nbody": return nbody(array(x, 0).d, array(x, 1).d, array(x, 2).d, integer(x, 3), real(x, 4));
            case "floyd_warshall":
                floyd_warshall(array(x, 0).l, array(x, 0).shape[0]);
                return array(x, 0).l;
            case "levenshtein": return levenshtein(array(x, 0).l, array(x, 1).l);
            case "collatz": return collatz(integer(x, 0));
            case "heat2d": return heat2d(array(x, 0).d, array(x, 0).shape[0], array(x, 0).shape[1], integer(x, 1), real(x, 2));
            case "fib": return fib(integer(x, 0));
            case "matmul_naive":
                matmul_naive(array(x, 0).d, array(x, 1).d, array(x, 2).d, array(x, 0).shape[0], array(x, 0).shape[1], array(x, 1).shape[1]);
                return array(x, 2).d;
            default: return null;
        }
    }

    static Array array(List<Object> args, int i) {
        return (Array) args.get(i);
    }

    static long integer(List<Object> args, int i) {
        return (Long) args.get(i);
    }

    static double real(List<Object> args, int i) {
        return (Double) args.get(i);
    }

    static List<Object> makeArgs(String file) throws Exception {
        List<Object> args = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(file))) {
            String[] part = line.split(" ");
            if (part[0].equals("i")) args.add(Long.parseLong(part[1]));
            else if (part[0].equals("d")) args.add(Double.parseDouble(part[1]));
            else {
                Array array = new Array();
                array.shape = new int[part.length - 3];
                for (int k = 3; k < part.length; k++) array.shape[k - 3] = Integer.parseInt(part[k]);
                ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(Path.of(part[2]))).order(ByteOrder.LITTLE_ENDIAN);
                int n = bytes.limit() / 8;
                if (part[1].equals("float64")) bytes.asDoubleBuffer().get(array.d = new double[n]);
                else bytes.asLongBuffer().get(array.l = new long[n]);
                args.add(array);
            }
        }
        return args;
    }

    // The same weights as `weigh` in sample.py, so that a permuted array is told from the right one.
    static double weigh(Object result) {
        if (result instanceof Number) return ((Number) result).doubleValue();
        double total = 0.0;
        if (result instanceof long[])
            for (int i = 0; i < ((long[]) result).length; i++) total += Math.abs(((long[]) result)[i]) * (double) (1 + i % 7);
        else
            for (int i = 0; i < ((double[]) result).length; i++) total += Math.abs(((double[]) result)[i]) * (1 + i % 7);
        return total;
    }

    public static void main(String[] argv) throws Exception {
        List<Object> args = makeArgs(argv[2]);
        long begin = System.nanoTime();
        Object result = run(argv[0], args);
        long done = System.nanoTime();
        if (result == null) {
            System.out.println("{\"unavailable\": \"" + argv[0] + " is not written in Java\"}");
            return;
        }
        double first = (done - begin) / 1e9, fromStart = done / 1e9 - Double.parseDouble(argv[1]), spent = 0.0;
        List<Double> times = new ArrayList<>();
        while (times.size() < 7 || (spent < 0.3 && times.size() < 200)) {
            args = makeArgs(argv[2]);
            begin = System.nanoTime();
            run(argv[0], args);
            double seconds = (System.nanoTime() - begin) / 1e9;
            times.add(seconds);
            spent += seconds;
        }
        Collections.sort(times);
        System.out.printf(java.util.Locale.ROOT,
            "{\"first\": %.9g, \"start_to_first\": %.9g, \"steady\": %.9g, \"steady_median\": %.9g, \"approx\": %.17g}%n",
            first, fromStart, times.get(0), times.get(times.size() / 2), weigh(result));
    }
}
