use proptest::prelude::*;

use super::*;
use crate::generic::*;
use crate::testing::{Choices, Style, random_typed};
use crate::typed::{Block, Value};
use crate::verify::verify;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn typed_functions_parse_back(bytes in prop::collection::vec(any::<u8>(), 0..600), gaps in any::<bool>()) {
        let mut func = random_typed(&mut Choices::new(&bytes), Style::Any);
        prop_assert_eq!(verify(&func), Ok(()), "{}", func);
        if gaps {
            spread_numbers(&mut func);
            prop_assert_eq!(verify(&func), Ok(()), "{}", func);
        }
        let text = func.to_string();
        let parsed = parse_typed(&text);
        prop_assert_eq!(parsed.as_ref(), Ok(&func.canonical()), "{}", text);
        let again = parsed.unwrap();
        prop_assert_eq!(again.canonical(), again.clone(), "canonical");
        prop_assert_eq!(again.to_string(), text);
    }

    #[test]
    fn generic_functions_parse_back(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let func = random_generic(&mut Choices::new(&bytes), 0);
        let text = func.to_string();
        prop_assert_eq!(parse_generic(&text), Ok(func), "{}", text);
    }

    /// Whatever the text, the parser answers.
    #[test]
    fn damaged_texts_are_refused_or_read(seed in any::<u64>(), at in any::<prop::sample::Index>(), junk in "[ -~]{0,3}") {
        let text = random_typed(&mut Choices::from_seed(seed), Style::Any).to_string();
        let at = at.index(text.len());
        if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
            let _ = parse(&format!("{}{junk}{}", &text[..at], &text[at + 1..]));
        }
    }
}

/// As after passes: gaps in all numbers, blocks in another order.
fn spread_numbers(func: &mut TypedFunction) {
    let renamed = |v: Value| Value(v.0 * 2 + 1);
    let mut types = vec![UNDEFINED; func.value_types.len() * 2];
    for (number, ty) in func.value_types.iter().enumerate() {
        types[renamed(Value(number as u32)).index()] = *ty;
    }
    func.value_types = types;
    for data in &mut func.insts {
        data.results.iter_mut().for_each(|v| *v = renamed(*v));
        data.kind.for_each_operand_mut(&mut |v| *v = renamed(*v));
        data.kind.for_each_target_mut(&mut |call| call.block = Block(call.block.0 + 2));
    }
    func.blocks.iter_mut().flat_map(|block| &mut block.params).for_each(|v| *v = renamed(*v));
    func.snapshots.iter_mut().for_each(|snapshot| snapshot.for_each_value_mut(&mut |v| *v = renamed(*v)));
    func.blocks.splice(0..0, [BlockData::default(), BlockData::default()]);
    func.layout.iter_mut().for_each(|block| block.0 += 2);
    func.layout[1..].reverse();
}

/// Any operations on any slots: what the text can say, not what tier 0 could run.
fn random_generic(c: &mut Choices, depth: usize) -> GenericFunction {
    let text = |c: &mut Choices| c.pick(&["", "x", "caf\u{e9}", "<lambda>", ".0", "a\\\"b\n\t\u{1}", "_"]).to_string();
    let kinds = [SlotKind::Param, SlotKind::Local, SlotKind::Cell, SlotKind::Free, SlotKind::Temp, SlotKind::Pinned];
    let slots: Vec<SlotInfo> = (0..1 + c.below(5)).map(|_| SlotInfo { name: text(c), kind: c.pick(&kinds) }).collect();
    let names: Vec<String> = (0..1 + c.below(4)).map(|_| text(c)).collect();
    let mut nested = Vec::new();
    if depth < 2 && c.once_in(3) {
        for ordinal in 0..1 + c.below(2) as u32 {
            let body = if c.once_in(2) { Some(Box::new(random_generic(c, depth + 1))) } else { None };
            nested.push(NestedFunction { name: text(c), first_line: c.below(9) as u32, ordinal, body });
        }
    }
    let n_ops = c.below(20);
    let mut random = RandomOps { c, n_slots: slots.len(), n_names: names.len(), n_ops };
    let ops: Vec<GenericOp> = (0..n_ops).map(|_| random.op()).collect();
    let (pcs, n_handlers) = ([random.pc(), random.pc(), random.pc()], random.c.below(3));
    let handlers = vec![Handler { start: pcs[0], end: pcs[1], target: pcs[2] }; n_handlers];
    let mut span = |_| {
        let [line, col, lines, end_col] = [0; 4].map(|_| c.below(50) as u32);
        if c.once_in(4) { Span::default() } else { Span { line, col, end_line: line + lines / 40, end_col } }
    };
    GenericFunction {
        spans: ops.iter().map(&mut span).collect(),
        name: text(c),
        qualname: text(c),
        filename: text(c),
        first_line: c.below(99) as u32,
        params: Params {
            n_positional_only: c.below(3) as u32,
            n_positional: c.below(5) as u32,
            n_keyword_only: c.below(3) as u32,
            has_varargs: c.once_in(2),
            has_varkw: c.once_in(2),
        },
        consts: (0..c.below(6)).map(|_| random_const(c, 0)).collect(),
        slots,
        names,
        nested,
        ops,
        handlers,
    }
}

fn random_const(c: &mut Choices, depth: usize) -> Const {
    match c.below(if depth < 2 { 10 } else { 9 }) {
        0 => Const::None,
        1 => Const::Ellipsis,
        2 => Const::Bool(c.once_in(2)),
        3 => Const::Int(c.bits() as i64),
        4 => Const::BigInt(c.pick(&["123456789012345678901234567890", "-36893488147419103232"]).into()),
        5 => Const::Float(c.float()),
        6 => Const::Complex(c.float(), c.float()),
        7 => Const::Str("it's \"\\\r\n\0\u{1f40d}\u{7f}".into()),
        8 => Const::Bytes(vec![0, b'"', b'\\', b'a', 0xff, c.bits() as u8]),
        _ => Const::Tuple((0..c.below(3)).map(|_| random_const(c, depth + 1)).collect()),
    }
}

struct RandomOps<'c, 'a> {
    c: &'c mut Choices<'a>,
    n_slots: usize,
    n_names: usize,
    n_ops: usize,
}

impl RandomOps<'_, '_> {
    fn slot(&mut self) -> SlotIdx {
        SlotIdx(self.c.below(self.n_slots) as u32)
    }

    fn name(&mut self) -> NameIdx {
        NameIdx(self.c.below(self.n_names) as u32)
    }

    fn pc(&mut self) -> Pc {
        Pc(self.c.below(self.n_ops + 1) as u32)
    }

    fn maybe(&mut self) -> Option<SlotIdx> {
        if self.c.once_in(2) { Some(self.slot()) } else { None }
    }

    fn many<T>(&mut self, item: impl Fn(&mut Self) -> T) -> Box<[T]> {
        (0..self.c.below(4)).map(|_| item(self)).collect()
    }

    fn slots(&mut self) -> Box<[SlotIdx]> {
        self.many(Self::slot)
    }

    fn args(&mut self) -> Box<[Arg]> {
        self.many(|this| match this.c.below(4) {
            0 => Arg::Plain(this.slot()),
            1 => Arg::Star(this.slot()),
            2 => Arg::Keyword(this.name(), this.slot()),
            _ => Arg::DoubleStar(this.slot()),
        })
    }

    fn op(&mut self) -> GenericOp {
        use GenericOp::*;
        let (dst, src, slot) = (self.slot(), self.slot(), self.slot());
        let name = self.name();
        let target = self.pc();
        let op = self.c.pick(&[BinOp::Add, BinOp::MatMul, BinOp::FloorDiv, BinOp::LShift]);
        match self.c.below(53) {
            0 => Const { dst, value: ConstIdx(self.c.below(9) as u32) },
            1 => Move { dst, src },
            2 => CheckBound { slot },
            3 => Delete { slot },
            4 => Drop { slot },
            5 => LoadGlobal { dst, name },
            6 => StoreGlobal { name, src },
            7 => DeleteGlobal { name },
            8 => MakeCell { cell: dst, initial: self.maybe() },
            9 => LoadCell { dst, cell: src },
            10 => StoreCell { cell: slot, src },
            11 => DeleteCell { cell: slot },
            12 => Binary { op, dst, lhs: src, rhs: slot },
            13 => InPlace { op, dst, lhs: src, rhs: slot },
            14 => Unary { op: self.c.pick(&[UnOp::Neg, UnOp::Pos, UnOp::Invert, UnOp::Not]), dst, src },
            15 => Compare { op: self.c.pick(&[CmpOp::Lt, CmpOp::IsNot, CmpOp::NotIn]), dst, lhs: src, rhs: slot },
            16 => Jump { target },
            17 => Branch { cond: slot, if_true: target, if_false: self.pc() },
            18 => ForNext { dst, iter: slot, exhausted: target },
            19 => Return { src },
            20 => LoadAttr { dst, object: slot, name },
            21 => StoreAttr { object: slot, name, src },
            22 => DeleteAttr { object: slot, name },
            23 => GetItem { dst, object: slot, index: src },
            24 => SetItem { object: dst, index: slot, src },
            25 => DeleteItem { object: dst, index: slot },
            26 => GetIter { dst, src },
            27 => Call { dst, callee: slot, args: self.slots() },
            28 => CallEx { dst, callee: slot, args: self.args() },
            29 => MakeFunction {
                dst,
                function: NestedIdx(self.c.below(3) as u32),
                defaults: self.slots(),
                keyword_defaults: self.many(|this| (this.name(), this.slot())),
                closure: self.slots(),
            },
            30 => BuildTuple { dst, items: self.slots() },
            31 => BuildList { dst, items: self.args() },
            32 => BuildSet { dst, items: self.args() },
            33 => BuildTupleEx { dst, items: self.args() },
            34 => BuildDict { dst, items: self.many(|this| (this.maybe(), this.slot())) },
            35 => BuildSlice { dst, start: src, stop: slot, step: src },
            36 => {
                let conversion = self.c.pick(&[Conversion::None, Conversion::Str, Conversion::Repr, Conversion::Ascii]);
                FormatValue { dst, src, conversion, spec: self.maybe() }
            }
            37 => BuildString { dst, parts: self.slots() },
            38 => Append { into: dst, src },
            39 => Insert { into: dst, key: src, value: slot },
            40 => Unpack { src, before: self.slots(), star: self.maybe(), after: self.slots() },
            41 => Import { dst, module: name, from_names: self.many(Self::name), level: self.c.below(3) as u32 },
            42 => ImportFrom { dst, module: slot, name },
            43 => Raise { exc: self.maybe(), cause: self.maybe() },
            44 => RaiseAssertion { message: self.maybe() },
            45 => EnterHandler { exc: dst, saved: slot },
            46 => LeaveHandler { exc: dst, saved: slot },
            47 => MatchException { dst, exc: src, class: slot },
            48 => Reraise { exc: src, saved: slot },
            49 => WithEnter { dst, exit: slot, manager: src },
            50 => WithExit { dst, exit: slot, exc: self.maybe() },
            51 => Delete { slot },
            _ => Binary { op: BinOp::Pow, dst, lhs: src, rhs: slot },
        }
    }
}

#[test]
fn the_example_of_the_documentation_parses_and_verifies() {
    let docs = include_str!("mod.rs").lines().skip_while(|line| *line != "//! ```text").skip(1);
    let text: String = docs
        .take_while(|line| *line != "//! ```")
        .map(|line| line.trim_start_matches("//!").to_string() + "\n")
        .collect();
    let func = parse_typed(&text).unwrap();
    verify(&func).unwrap();
    assert!(func.licences.fastmath && func.insts.iter().any(|data| data.line == 12));
}

#[test]
fn errors_say_what_and_where() {
    for (text, line, col, message) in [
        ("flashpoint-ir 2\n", 1, 15, "version 2 of the text, expected 1"),
        ("fun @f() {}", 1, 1, "expected `func` or `generic`"),
        ("func @f() {\n}\n", 2, 1, "expected the entry block"),
        ("func @f() {\nblock0:\n    v0 = iadd.i64 v1\n", 3, 21, "expected `,`"),
        ("func @f() {\nblock0:\n    v0 = fold.i64 v1\n", 3, 10, "no operation is called `fold.i64`"),
        ("func @f() {\nblock0:\n    v0 = iconst.i63 1\n", 3, 10, "no type is called `i63`"),
        ("func @f() {\nblock0:\n    ; caf\u{e9}\n    jump block1\n}\n", 4, 10, "block1 is not defined"),
        ("func @f() {\nblock0:\n    exit exit0\n}\n", 3, 10, "exit0 is not defined"),
        ("func @f() {\nblock0:\n    return v0 v1\n}\n", 3, 15, "expected the end of the line"),
        ("func @f(v0: i1, v0: i1) {", 1, 17, "v0 is defined twice"),
        ("func @f() {\nblock0:\n    v0, v1 = iconst.i64 1\n}\n", 3, 5, "defines 1 values, not 2"),
        (
            "func @f() {\nblock0:\n    exit exit0\n  exit0 = Boredom resume {}\n}",
            4,
            11,
            "no reason is called `Boredom`",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.line, error.col, error.message.as_str()), (line, col, message), "{text}");
    }
}
