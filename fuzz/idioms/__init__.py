"""Programs about what Python can do besides arithmetic: one or two such things in the loop that gets compiled.

`compound` draws each construct now and then, `kernels` knows numbers and arrays only. Here every program is about nested
functions, held values, iterators in variables, headers of arrays that change, or calls that raise. Start at
[`Idioms.text`].

| module | writes |
|---|---|
| `scene` | the function around the ideas, and the values they work on |
| `closures` | nested functions, their cells, defaults and `*args` |
| `held` | integers beyond 128 bits, text, lists, dicts, methods |
| `iterators` | `zip`, `enumerate`, `reversed`, iterators that outlive a loop |
| `arrays` | slices assigned, headers changed by callbacks, `np.errstate`, compiled functions over arrays |
| `calls` | recursion with `try`, exceptions in calls over several lines |

Each `idea_…` writes one idea; [`fuzz.weights`] holds their mix. Promises: as `generate` does. Does not know about modes.
"""

from ..weights import IDIOMS
from .arrays import Arrays
from .calls import Calls
from .closures import Closures
from .held import Held
from .iterators import Iterators


class Idioms(Closures, Held, Iterators, Arrays, Calls):
    """One program: a function `f(a, n, s)`, the functions it calls, and the steps that call it."""

    def text(self) -> str:
        rng = self.rng
        for _ in range(rng.pick((1, 1, 1, 2, 2, 3))):
            self.write_idea(rng.draw(IDIOMS))
        return self.program()

    def write_idea(self, name: str) -> None:
        self.cover["idiom." + name] += 1
        self.body.append([])
        getattr(self, "idea_" + name)()
