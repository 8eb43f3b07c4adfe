"""Every kind of statement and expression. A function's docstring lists the arguments of calls to compare with CPython."""

G1 = 5
def augmented_and_conditional(x, y=2):
    '(1,),(1,3),("a","b"),(None,)'
    x += y
    z = x * 2 - -1
    return z if z > 3 else (x, y, -x)
def loops_with_else(n):
    '(5,),(0,),(-1,)'
    s = 0
    for i in range(n):
        if i == 1: continue
        if i == 4: break
        s += i
    else:
        s = -100
    while s < 10:
        s += 3
        if s == 9:
            break
    else:
        return "else", s
    return s
def nested_finally(x):
    '(0,),(1,),(2,),(3,)'
    try:
        try:
            if x == 0: return 1 // x
            if x == 1: raise ValueError("v")
            if x == 2: raise KeyError("k")
            return "ok"
        except ValueError as e:
            r = str(e)
            return r + "!"
        except ZeroDivisionError:
            raise RuntimeError("inner") from None
        else:
            return 5
        finally:
            x = 100
    finally:
        x += 1
def finally_in_loop():
    '()'
    out = []
    for i in range(4):
        try:
            if i == 1: continue
            if i == 3: break
            out.append(i)
        finally:
            out.append(("f", i))
    return out
class CM:
    def __init__(s, log, swallow=False): s.log=log; s.sw=swallow
    def __enter__(s): s.log.append("in"); return s
    def __exit__(s, t, v, tb): s.log.append(("out", t and t.__name__)); return s.sw
    def __repr__(s): return "CM"
    def __deepcopy__(s, m): return CM([], s.sw)
def with_in_loop(x):
    '(0,),(1,),(2,)'
    log = []
    for i in range(3):
        with CM(log) as c, CM(log, True) as (d):
            if x == 0: continue
            if x == 1 and i == 1: break
            if x == 2: raise KeyError(i)
            log.append(i)
    return log
def with_and_return(x):
    '(0,),(1,),(2,)'
    log = []
    with CM(log):
        if x == 0: return log
        with CM(log, True):
            1 // (x - 1)
            return [log, x]
    return log
def unbound_caught(x):
    '(0,),(1,)'
    if x:
        y = 1
    try:
        return y
    except UnboundLocalError as e:
        return str(e)
def unbound_raised(x):
    '(0,),(1,)'
    if x:
        y = 1
    return [
        y
        ]
def chained_comparisons(a, b, c):
    '(1,2,3),(3,2,1),(1,5,2),(1,"x",3)'
    r = [a < b < c, a < b and b < c or c, not a < b < c, a if a < b < c else b]
    if a < b < c: r.append(1)
    if a < identity(b) < c < identity(9): r.append(2)
    while a < identity(b) < c:
        a += 1
    v = a < identity(b) < identity(c) < 10
    return r, a, v
def identity(x): return x
def all_parameters(a, *args, k=3, **kw):
    '(1,2,3),(1,)'
    return a, args, k, kw
def stars(x):
    '([1,2],),(5,),("ab",)'
    l = [*x, 1, *x]
    t = (*x, identity(2))
    s = {*x, 3}
    d = {"a": 1, **{"b": 2}, "c": identity(3)}
    return l, t, sorted(map(str, s)), d, identity(*x[:1]), all_parameters(*x, k=5, **d), all_parameters(0, *x, *x)
def star_before_call(x):
    '([1,2],),(5,),("ab",)'
    return all_parameters(*x,
       identity(1),
       k=2)
def unpacking(x):
    '([1,2,3],),([1],),((1,2),),(5,),([],)'
    a, *b = x
    (c, d), *e = [x[:2], 5]
    [q, w] = w, q = a, b
    return a, b, c, d, e, q, w
def parallel_assignment(x):
    '([1,2,3],),([1],),((1,2),),(5,)'
    a, b = x[0], x[1]
    a, b = b, a
    a, b, c = b, a + b, a
    x[0], a = a, x
    i = 0
    i, x[i] = 1, 77
    x[i], i = 0, 5
    return a, b, c, x, i
def format_strings(x, w=3, name="q"):
    '(1.5,),(3,),("s",)'
    return f"a{x!r:>{10}}b{x!s}{w}{name!a}{x:{w}}", f"", f"{x}", f"lit", f"{x=}"
def walrus(x):
    '(3,),(0,)'
    if (n := x + 1) > 2 and (m := n * 2):
        return n, m, (x := 5) + x, x + (x := 7) + x
    return n, [y := 1, y ** 2], [k for j in range(3) if (k := j)]
def closures(x):
    '(3,),(0,)'
    c = 0
    def inner(a, b=x, *, d=x + 1, e):
        nonlocal c
        c += a
        return (a, b, d, e, c)
    def outer():
        def deep():
            return x, c
        return deep
    r = inner(1, e=2), inner(2, 3, d=4, e=5)
    x += 10
    return r, outer()(), (lambda q, z=c: (q, z, x))(1)
def comprehensions(x):
    '(3,),(0,)'
    a = [i * x for i in range(4) if i % 2 if i]
    b = {i: j for i in range(2) for j in range(x)}
    c = {i for i in (1, 2, x)}
    d = list(i + x for i in range(3))
    e = [[i + j for i in range(j)] for j in range(3)]
    f = [lambda: i for i in range(3)]
    return a, b, c, d, e, [g() for g in f], sum(k for k in a)
def global_names(x):
    '(3,),(0,)'
    global G1, G2
    G1 = x
    G2 = x + 1
    del G2
    G1 += 4
    try:
        G2
    except NameError as G3:
        pass
    return G1, undefined_name if x else None
class O:
    def __init__(s): s.a = 1; s.d = {}; s.log = []
    def __repr__(s): return "O(%r)" % s.__dict__
    def __getitem__(s, i): s.log.append(("get", i)); return s.d.get(i, 0) if not isinstance(i, slice) else 3
    def __setitem__(s, i, v): s.log.append(("set", i, v))
    def __delitem__(s, i): s.log.append(("del", i))
def attributes_and_items(o):
    '(O(),)'
    o.a += 5
    o[1] += 2
    o[identity(2)] -= 1
    o[1:2, ::3] *= 4
    o[identity(1):] += o.a
    o.d[5] = o.b = o[7] = identity(8)
    del o.a, o[3], (o.b)
    o.z: int = 5
    o.z: identity(3)
    y: int
    w: undefined = 3
    del w
    try: w
    except UnboundLocalError: w = 9
    return o, w
def assertions(x):
    '(0,),(1,),("s",)'
    assert x, "message %s" % x
    assert isinstance(
        x, int), (
          "b" + 1)
    return x
def imports(x):
    '(0,),(1,)'
    import math, os.path as p, os.path
    from math import sin as s, cos
    import collections.abc as q
    if x:
        from math import nothing
    return math.floor(2.5), p.join("a", "b"), os.path is p, s(0), cos(0), q.__name__
def patterns(x):
    '(0,),(1,),([1,2],),([1,2,3,4],),({"a":1,"b":2},),({"a":1},),("str",),(None,),(True,),(O(),),(2.0,),((1,(2,3)),),({},),([],)'
    match x:
        case 0 | -5: return "zero"
        case True: return "true"
        case None: return "none"
        case 1: return 1
        case [a, b]: return "two", a, b
        case [a, *rest, 4] if len(rest) == 2: return a, rest
        case (1, (y, 3) as t): return y, t
        case {"a": v, **r} if v > 5: return v, r
        case {"a": 1, "b": (1 | 2) as z}: return z
        case {"a": q}: return q
        case O(a=1, log=l): return "O", l
        case str(s): return s
        case float() as f: return f
        case [_, _, *_]: return "many"
        case {}: return "map"
        case _ : return "else"
def nested_class(x):
    '(0,),(1,)'
    class Point:
        pass
    return 1
def generator(x):
    yield x
def bare_raise(x):
    '(0,),(1,),(2,)'
    try:
        try:
            raise KeyError(x)
        except KeyError:
            if x == 0: raise
            if x == 1: raise ValueError(
                   x)
            try:
                raise IndexError
            except IndexError:
                pass
            raise
    except ValueError as e:
        return e.__class__
def loops_and_handlers(x):
    '(0,),(1,),(2,),(3,)'
    for i in range(3):
        try:
            for j in range(3):
                for k in [1, 2]:
                    if x == 0: raise KeyError
                    if x == 1 and j == 1: return (i, j)
                    if x == 2: break
                    if x == 3 and j == 2: 1 // 0
        except (KeyError, IndexError):
            for z in range(2):
                if i == 2:
                    return z
        finally:
            try:
                [][0]
            except IndexError:
                pass
    return "end"
def return_overridden(x):
    '(0,),(1,)'
    try:
        return [x, 1 // x]
    finally:
        for i in range(2):
            if x: return i
def loops_share_no_header(x):
    '(0,),(1,)'
    while True:
        while x:
            x -= 1
        if x == 0: break
    while 1:
        try:
            break
        finally:
            x = 5
    return x
def method_chain(x):
    '("abc",),(5,)'
    return (
        x
        .upper()
        .replace(
            "A",
            "B")
    )[
      0:
      1]
def long_expression(x):
    '(1,),("a",)'
    y = (1 +
        2 *
        x -
        1)
    z = identity(
        x +
        1
    )
    return z
def item_store(x, y):
    '([1],2),({},1)'
    for k in (
        x):
        y[
          k] = 1
    return identity(y,
      x)
def recursion_of_nested(x):
    '(1,),(0,)'
    def rec(n):
        return 1 if n < 1 else n * rec(n - 1)
    del x
    return rec(5), x
def deleted_cell(x):
    '(1,),(0,)'
    def g(): return x
    if not x: del x
    return g()
def literals(self):
    '(1,),([],),(None,)'
    r = self and [1] or (2 if self is None else 3)
    q = not self
    s = self or None or 0
    t = (self and None) is None
    return r, q, s, t, ..., b"x\x00", 1e300, 12345678901234567890123, 2j, -9223372036854775808, "\u1234\n'\"", ()
def decorators(x, /, y, *, z=4):
    '(1,2),(1,)'
    def dec(n):
        return lambda f: (n, f)
    @dec(1)
    @dec(2)
    def fn(a: int, b: "str" = 3, *c: x) -> float: return a
    n, (m, k) = fn
    return n, m, k(1), k.__annotations__ if hasattr(k, "__annotations__") else None
def raise_wrong(x):
    '(1,)'
    raise x
def raise_from(x):
    '(1,),(ValueError,),(ValueError("q"),)'
    raise x from KeyError("cause")
def raise_nothing(x):
    '(1,)'
    raise
def star_call(x):
    '(5,),([1],)'
    print(*x, sep=identity("") , end="")
    return x.__class__.__name__, (lambda *a, k, **kw: (a, k, kw))(1, 2, k=3, z=4)
def handler_variable(x):
    '(0,),(1,),(2,)'
    try:
        if x == 0: raise ValueError
        y = 1
    except ValueError as e:
        e = 5
        del e
        return "deleted"
    else:
        if x == 1: raise KeyError("else")
        return y
    finally:
        pass
def while_walrus(n):
    '(0,),(3,)'
    total = 0
    it = iter(range(n))
    while (v := next(it, None)) is not None:
        total += v
    return total, v
def with_swallows(x):
    '(1,),(0,)'
    try:
        pass
    except:
        pass
    with CM([], True) as q:
        with CM([]):
            raise KeyError(x)
    return q.log if x else (q.log, 1 // x)
def slices(a):
    '([3,1,2],)'
    a[:], b = sorted(a), a[0]
    a[0], a[1], *c = a[1], a[0], 7, 8
    return a, b, c
def nested_generator(x):
    '(1,)'
    def gen():
        try:
            yield x
        finally:
            x2.append(1)
    x2 = []
    for v in gen():
        break
    return x2
