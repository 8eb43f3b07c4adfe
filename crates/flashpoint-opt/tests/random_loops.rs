//! Random loop nests over small arrays, as the lowering writes them, compute the same before and after tier 2's pipeline:
//! results, memory, and every exit with its values. Strips are a few iterations long, so that short loops cross many.

mod common;

use common::*;
use flashpoint_ir::reason::Reason;
use flashpoint_ir::testing::Choices;
use flashpoint_ir::typed::*;
use flashpoint_opt::{PassOptions, optimize};

struct Nest {
    c: Choices<'static>,
    low: Low,
    n_arrays: usize,
    ty: Type,
    depth: u32,
}

impl Nest {
    fn array(&self, k: usize) -> Array {
        Array { data: self.low.slots[3 * k], extents: self.low.slots[3 * k + 1..3 * k + 3].to_vec(), ty: self.ty }
    }

    fn small(&mut self) -> Value {
        let n = self.c.below(5) as i64 - 1;
        self.low.i64(n)
    }

    /// An index made of counters.
    fn index(&mut self, ints: &[Value]) -> Value {
        let i = self.c.pick(ints);
        match self.c.below(8) {
            0 => {
                let k = self.small();
                self.low.add(i, k)
            }
            1 => {
                let k = self.small();
                self.low.sub(i, k)
            }
            2 => {
                let j = self.c.pick(ints);
                self.low.add(i, j)
            }
            3 => {
                let k = self.small();
                self.low.mul(i, k)
            }
            4 => {
                let n = self.array(0).extents[0];
                let one = self.low.i64(1);
                let last = self.low.sub(n, one);
                self.low.sub(last, i)
            }
            _ => i,
        }
    }

    fn element(&mut self, ints: &[Value]) -> (Array, Vec<Value>) {
        let k = self.c.below(self.n_arrays);
        let array = self.array(k);
        let index = vec![self.index(ints), self.index(ints)];
        (array, index)
    }

    fn number(&mut self, ints: &[Value], carried: &[Value]) -> Value {
        let (array, index) = self.element(ints);
        let x = self.low.get(&array, &index);
        match self.c.below(6) {
            0 if !carried.is_empty() => carried[0],
            1 => {
                let (array, index) = self.element(ints);
                let y = self.low.get(&array, &index);
                self.combine(x, y)
            }
            2 if self.ty == Type::I64 => {
                let i = self.c.pick(ints);
                self.combine(x, i)
            }
            _ => x,
        }
    }

    fn combine(&mut self, x: Value, y: Value) -> Value {
        if self.ty == Type::F64 {
            return self.low.float(self.c.pick(&[BinaryOp::Fadd, BinaryOp::Fmul, BinaryOp::Fsub]), x, y);
        }
        match self.c.below(4) {
            0 => self.low.mul(x, y),
            1 => self.low.sub(x, y),
            _ => self.low.add(x, y),
        }
    }

    fn statements(&mut self, ints: &[Value], carried: &[Value]) -> Vec<Value> {
        let mut carried = carried.to_vec();
        for _ in 0..1 + self.c.below(3) {
            match self.c.below(6) {
                0 | 1 => {
                    let value = self.number(ints, &carried);
                    let (array, index) = self.element(ints);
                    self.low.set(&array, &index, value);
                }
                2 if self.ty == Type::I64 => {
                    let value = self.number(ints, &carried);
                    let zero = self.low.i64(0);
                    let positive = self.low.b.icmp(IntCC::Sgt, value, zero);
                    self.when(positive, ints, &mut carried);
                }
                _ if !carried.is_empty() => {
                    let value = self.number(ints, &carried);
                    carried[0] = self.combine(carried[0], value);
                    if self.c.once_in(3) && self.ty == Type::I64 {
                        let i = self.c.pick(ints);
                        carried[0] = self.low.add(carried[0], i);
                    }
                }
                _ => {}
            }
        }
        carried
    }

    fn when(&mut self, cond: Value, ints: &[Value], carried: &mut [Value]) {
        let (then, join) = (self.low.b.create_block(), self.low.b.create_block());
        let params: Vec<Value> = carried
            .iter()
            .map(|_| self.ty)
            .collect::<Vec<_>>()
            .into_iter()
            .map(|ty| self.low.b.append_param(join, ty))
            .collect();
        self.low.b.branch(cond, (then, vec![]), (join, carried.to_vec()));
        self.low.b.switch_to(then);
        let mut inside = carried.to_vec();
        if self.c.once_in(2) || inside.is_empty() {
            let (array, index) = self.element(ints);
            let value = self.number(ints, &inside);
            self.low.set(&array, &index, value);
        } else {
            let one = if self.ty == Type::F64 { self.low.b.f64(1.0) } else { self.low.i64(1) };
            inside[0] = self.combine(inside[0], one);
        }
        self.low.b.jump(join, inside);
        self.low.b.switch_to(join);
        carried.copy_from_slice(&params);
    }

    fn bound(&mut self, ints: &[Value]) -> Value {
        match self.c.below(6) {
            0 => self.small(),
            1 if !ints.is_empty() => {
                let i = self.c.pick(ints);
                let one = self.low.i64(1);
                self.low.add(i, one)
            }
            2 => {
                let n = self.array(0).extents[0];
                let one = self.low.i64(1);
                self.low.sub(n, one)
            }
            k => self.array(k % self.n_arrays).extents[k % 2],
        }
    }

    fn nest(&mut self, ints: &[Value], carried: &[Value]) -> Vec<Value> {
        let start = if self.c.once_in(2) { self.low.i64(0) } else { self.bound(ints) };
        let stop = self.bound(ints);
        let step = self.c.pick(&[1, 1, 1, 1, -1, 2, 3]);
        let (start, stop) = if step < 0 { (stop, start) } else { (start, stop) };
        let n_slots = self.low.slots.len();
        let depth = self.depth;
        let ints = ints.to_vec();
        // The body is a closure over `Low`, which lends it to the rest of the generator while it runs.
        let this = std::cell::RefCell::new(&mut *self);
        let mut low = {
            let mut inner = this.borrow_mut();
            std::mem::replace(&mut inner.low, Low::new("placeholder"))
        };
        // Counters of outer loops are slots, so that they are passed to every header.
        low.slots.extend(&ints);
        let n_ints = ints.len();
        let after = low.for_step(start, stop, step, carried, |low, i, vars| {
            let mut inner = this.borrow_mut();
            std::mem::swap(&mut inner.low, low);
            let mut ints: Vec<Value> = inner.low.slots[n_slots..n_slots + n_ints].to_vec();
            ints.push(i);
            inner.depth = depth + 1;
            let mut vars = vars.to_vec();
            let n = inner.low.slots.len();
            let inside = depth < 2 && inner.c.once_in(2);
            if inside {
                if inner.c.once_in(2) {
                    vars = inner.statements(&ints, &vars);
                }
                let own: Vec<Value> = inner.low.slots.clone();
                vars = inner.nest(&ints, &vars);
                assert_eq!(own.len(), n);
            } else {
                vars = inner.statements(&ints, &vars);
            }
            std::mem::swap(&mut inner.low, low);
            vars
        });
        low.slots.truncate(n_slots);
        self.low = low;
        self.depth = depth;
        after
    }
}

fn random_nest(seed: u64) -> (TypedFunction, usize, Type) {
    let mut c = Choices::from_seed(seed);
    let n_arrays = 1 + c.below(3);
    let ty = if c.once_in(4) { Type::F64 } else { Type::I64 };
    let mut low = Low::new("nest");
    for _ in 0..n_arrays {
        let array = low.array(ty, 2);
        low.slots.extend([array.data, array.extents[0], array.extents[1]]);
    }
    let mut nest = Nest { c, low, n_arrays, ty, depth: 0 };
    let total = if ty == Type::F64 { nest.low.b.f64(0.5) } else { nest.low.i64(0) };
    let total = nest.nest(&[], &[total]);
    let total = if nest.c.once_in(3) { nest.nest(&[], &total) } else { total };
    let Nest { low, .. } = nest;
    (low.finish(Some(total[0])), n_arrays, ty)
}

fn random_values(c: &mut Choices, n_arrays: usize, ty: Type) -> Vec<Arg> {
    let square = c.once_in(2);
    let (rows, cols) = (c.below(14), c.below(14));
    let wild = c.below(6);
    let constant = c.pick(&[1 << 59, 1 << 60, 1 << 61, -(1i64 << 61), 3_037_000_500, 1]);
    let mut args = Vec::new();
    for k in 0..n_arrays {
        let (rows, cols) = if square {
            (rows, rows)
        } else if c.once_in(3) {
            (c.below(14), c.below(14))
        } else {
            (rows, cols)
        };
        if k > 0 && square && c.once_in(3) {
            args.push(Arg::Same(0));
        } else if ty == Type::F64 {
            args.push(floats(&(0..rows * cols).map(|_| c.below(256) as f64 * 0.25).collect::<Vec<_>>()));
        } else {
            let value = |c: &mut Choices| match wild {
                0 => c.bits() as i64,
                2 => constant,
                1 if c.once_in(60) => c.pick(&[i64::MAX, i64::MIN, 1 << 62, i64::MAX - 7]),
                _ => c.below(256) as i64 - 100,
            };
            args.push(ints(&(0..rows * cols).map(|_| value(c)).collect::<Vec<_>>()));
        }
        args.push(Arg::Int(rows as i64));
        args.push(Arg::Int(cols as i64));
    }
    args
}

/// Runs that ended by a return, by an exit; loops that came out clean, and not.
#[derive(Debug, Default)]
struct Counts {
    returned: usize,
    left: usize,
    clean: usize,
    not_clean: usize,
}

fn check_seed(seed: u64, short_strips: bool, counts: &mut Counts) {
    let (func, n_arrays, ty) = random_nest(seed);
    let mut optimized = func.clone();
    let report = optimize(&mut optimized, &PassOptions { short_strips, ..verifying(PassOptions::tier2()) });
    let mut again = func.clone();
    optimize(&mut again, &PassOptions { short_strips, ..PassOptions::tier2() });
    assert!(again == optimized, "seed {seed}: one input, two outputs");
    for info in report.loops.iter().filter(|info| info.innermost) {
        *(if info.obstacle.is_none() { &mut counts.clean } else { &mut counts.not_clean }) += 1;
    }
    let mut c = Choices::from_seed(seed ^ 0x5eed);
    for _ in 0..4 {
        let args = random_values(&mut c, n_arrays, ty);
        let before = run(&func, &args).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{func}"));
        let after =
            run(&optimized, &args).unwrap_or_else(|e| panic!("seed {seed}: {e}\nbefore:\n{func}\nafter:\n{optimized}"));
        match &before.exit {
            Some(exit) => {
                assert_ne!(exit.reason, Reason::Swap);
                counts.left += 1;
            }
            None => counts.returned += 1,
        }
        if std::panic::catch_unwind(|| assert_same(&before, &after, &optimized, &args)).is_err() {
            panic!("seed {seed}, short strips {short_strips}, before:\n{func}");
        }
    }
}

#[test]
fn random_nests_through_tier2() {
    let n: u64 = std::env::var("FLASHPOINT_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(400);
    let mut counts = Counts::default();
    for seed in 0..n {
        check_seed(seed, seed % 4 != 0, &mut counts);
    }
    println!("{counts:?}");
    assert!(counts.returned > 0 && counts.left > 0 && counts.clean > 0, "{counts:?}");
}
