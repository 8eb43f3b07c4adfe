//! The text of the generic form.
//!
//! ```text
//! generic "f" qualname "C.f" file "m.py" line 3 {
//!     params positional_only 0 positional 1 keyword_only 0 varargs
//!     slots {
//!         s0: param "n"
//!         s1: temp
//!     }
//!     consts {
//!         c0 = int 1
//!     }
//!     ops {
//!     L0:
//!         s1 = const c0 @4:11-12
//!         s0.n = in_place add, s0.n, s1 @4:4-12
//!         jump L0
//!     }
//! }
//! ```
//! An operation is its `dst` (if it has one), its mnemonic and its other fields in the order of their declaration. Slots and
//! names carry the variable's name behind a dot where it is plain; it is checked, and may be left out. A field that may be
//! missing is `_` then. `L3` is the operation number 3, and stands before it where something jumps there. `@4:11-12` is the
//! source span, with the end's line where it is another one. Empty sections are left out.

use super::lex::{Cursor, Result, f64_text, is_plain_name, quote, quote_bytes};
use super::words::Word;
use crate::generic::*;

macro_rules! op_syntax {
    ($($variant:ident $([$dst:ident])? ($($field:ident),*) = $mnemonic:literal;)*) => {
        fn write_op(w: &mut Writer, op: &GenericOp) {
            w.is_first = true;
            match op {
                $(GenericOp::$variant { $($dst,)? $($field),* } => {
                    $($dst.write(w); w.out.push_str(" = ");)?
                    w.out.push_str(op.mnemonic());
                    $(w.operand($field);)*
                })*
            }
        }

        fn parse_op(r: &mut Reader) -> Result<GenericOp> {
            let dst_at = r.c.mark();
            let mut dst = None;
            if r.c.peek_entity("s").is_some() {
                dst = Some(SlotIdx::parse(r)?);
                r.c.expect("=")?;
            }
            let at = r.c.mark();
            let mnemonic = r.c.word()?;
            r.is_first = true;
            let op = match mnemonic {
                $($mnemonic => GenericOp::$variant {
                    $($dst: dst.take().ok_or_else(|| r.c.error_at(at, "the operation needs a slot to write to"))?,)?
                    $($field: r.operand()?,)*
                },)*
                _ => return Err(r.c.error_at(at, format!("no operation is called `{mnemonic}`"))),
            };
            if dst.is_some() {
                return Err(r.c.error_at(dst_at, format!("`{mnemonic}` writes no slot")));
            }
            Ok(op)
        }
    };
}

op_syntax! {
    Const[dst](value) = "const";
    Move[dst](src) = "move";
    CheckBound(slot) = "check_bound";
    Delete(slot) = "delete";
    Drop(slot) = "drop";
    LoadGlobal[dst](name) = "load_global";
    StoreGlobal(name, src) = "store_global";
    DeleteGlobal(name) = "delete_global";
    MakeCell[cell](initial) = "make_cell";
    LoadCell[dst](cell) = "load_cell";
    StoreCell(cell, src) = "store_cell";
    DeleteCell(cell) = "delete_cell";
    Binary[dst](op, lhs, rhs) = "binary";
    InPlace[dst](op, lhs, rhs) = "in_place";
    Unary[dst](op, src) = "unary";
    Compare[dst](op, lhs, rhs) = "compare";
    Jump(target) = "jump";
    Branch(cond, if_true, if_false) = "branch";
    ForNext[dst](iter, exhausted) = "for_next";
    Return(src) = "return";
    LoadAttr[dst](object, name) = "load_attr";
    StoreAttr(object, name, src) = "store_attr";
    DeleteAttr(object, name) = "delete_attr";
    GetItem[dst](object, index) = "get_item";
    SetItem(object, index, src) = "set_item";
    DeleteItem(object, index) = "delete_item";
    GetIter[dst](src) = "get_iter";
    Call[dst](callee, args) = "call";
    CallEx[dst](callee, args) = "call_ex";
    MakeFunction[dst](function, defaults, keyword_defaults, closure) = "make_function";
    BuildTuple[dst](items) = "build_tuple";
    BuildList[dst](items) = "build_list";
    BuildSet[dst](items) = "build_set";
    BuildTupleEx[dst](items) = "build_tuple_ex";
    BuildDict[dst](items) = "build_dict";
    BuildSlice[dst](start, stop, step) = "build_slice";
    FormatValue[dst](src, conversion, spec) = "format_value";
    BuildString[dst](parts) = "build_string";
    Append(into, src) = "append";
    Insert(into, key, value) = "insert";
    Unpack(src, before, star, after) = "unpack";
    Import[dst](module, from_names, level) = "import";
    ImportFrom[dst](module, name) = "import_from";
    Raise(exc, cause) = "raise";
    RaiseAssertion(message) = "raise_assertion";
    EnterHandler(exc, saved) = "enter_handler";
    LeaveHandler(exc, saved) = "leave_handler";
    MatchException[dst](exc, class) = "match_exception";
    Reraise(exc, saved) = "reraise";
    WithEnter[dst](exit, manager) = "with_enter";
    WithExit[dst](exit, exc) = "with_exit";
}

struct Writer<'a> {
    out: String,
    func: &'a GenericFunction,
    is_first: bool,
}

impl Writer<'_> {
    fn operand(&mut self, operand: &impl Operand) {
        self.out.push_str(if std::mem::take(&mut self.is_first) { " " } else { ", " });
        operand.write(self);
    }

    fn named(&mut self, prefix: char, number: u32, name: Option<&str>) {
        self.out += &format!("{prefix}{number}");
        if let Some(name) = name.filter(|name| is_plain_name(name)) {
            self.out += &format!(".{name}");
        }
    }
}

struct Reader<'c, 'a> {
    c: &'c mut Cursor<'a>,
    slots: &'c [SlotInfo],
    names: &'c [String],
    is_first: bool,
}

impl Reader<'_, '_> {
    fn operand<T: Operand>(&mut self) -> Result<T> {
        if !std::mem::take(&mut self.is_first) {
            self.c.expect(",")?;
        }
        T::parse(self)
    }

    fn named(&mut self, prefix: &str, name_of: impl Fn(&Self, usize) -> Option<String>) -> Result<u32> {
        let at = self.c.mark();
        let number = self.c.entity(prefix)?;
        let Some(name) = name_of(self, number as usize) else {
            return Err(self.c.error_at(at, format!("{prefix}{number} does not exist")));
        };
        if self.c.eat(".") && self.c.word()? != name {
            return Err(self.c.error_at(at, format!("{prefix}{number} is called `{name}`")));
        }
        Ok(number)
    }
}

/// A field of an operation.
trait Operand: Sized {
    fn write(&self, w: &mut Writer);
    fn parse(r: &mut Reader) -> Result<Self>;
}

impl Operand for SlotIdx {
    fn write(&self, w: &mut Writer) {
        let info = w.func.slots.get(self.idx());
        w.named('s', self.0, info.map(|info| info.name.as_str()));
    }
    fn parse(r: &mut Reader) -> Result<SlotIdx> {
        r.named("s", |r, idx| Some(r.slots.get(idx)?.name.clone())).map(SlotIdx)
    }
}

impl Operand for NameIdx {
    fn write(&self, w: &mut Writer) {
        let name = w.func.names.get(self.0 as usize);
        w.named('n', self.0, name.map(String::as_str));
    }
    fn parse(r: &mut Reader) -> Result<NameIdx> {
        r.named("n", |r, idx| r.names.get(idx).cloned()).map(NameIdx)
    }
}

macro_rules! entity_operands {
    ($($ty:ident = $prefix:literal;)*) => {
        $(impl Operand for $ty {
            fn write(&self, w: &mut Writer) {
                w.out += &format!(concat!($prefix, "{}"), self.0);
            }
            fn parse(r: &mut Reader) -> Result<$ty> {
                r.c.entity($prefix).map($ty)
            }
        })*
    };
}
entity_operands! { ConstIdx = "c"; NestedIdx = "f"; Pc = "L"; }

macro_rules! word_operands {
    ($($ty:ident: $what:literal;)*) => {
        $(impl Operand for $ty {
            fn write(&self, w: &mut Writer) {
                w.out.push_str(self.word());
            }
            fn parse(r: &mut Reader) -> Result<$ty> {
                let at = r.c.mark();
                let word = r.c.word()?;
                $ty::from_word(word).ok_or_else(|| r.c.error_at(at, format!(concat!("no ", $what, " is called `{}`"), word)))
            }
        })*
    };
}
word_operands! { BinOp: "operator"; UnOp: "operator"; CmpOp: "comparison"; Conversion: "conversion"; }

impl Operand for u32 {
    fn write(&self, w: &mut Writer) {
        w.out += &self.to_string();
    }
    fn parse(r: &mut Reader) -> Result<u32> {
        r.c.number()
    }
}

impl Operand for Option<SlotIdx> {
    fn write(&self, w: &mut Writer) {
        match self {
            Some(slot) => slot.write(w),
            None => w.out.push('_'),
        }
    }
    fn parse(r: &mut Reader) -> Result<Option<SlotIdx>> {
        if r.c.eat_word("_") { Ok(None) } else { SlotIdx::parse(r).map(Some) }
    }
}

impl Operand for Arg {
    fn write(&self, w: &mut Writer) {
        match self {
            Arg::Plain(_) => {}
            Arg::Star(_) => w.out.push('*'),
            Arg::DoubleStar(_) => w.out.push_str("**"),
            Arg::Keyword(name, _) => {
                name.write(w);
                w.out.push('=');
            }
        }
        self.slot().write(w);
    }
    fn parse(r: &mut Reader) -> Result<Arg> {
        if r.c.eat("**") {
            SlotIdx::parse(r).map(Arg::DoubleStar)
        } else if r.c.eat("*") {
            SlotIdx::parse(r).map(Arg::Star)
        } else if r.c.peek_entity("n").is_some() {
            <(NameIdx, SlotIdx)>::parse(r).map(|(name, slot)| Arg::Keyword(name, slot))
        } else {
            SlotIdx::parse(r).map(Arg::Plain)
        }
    }
}

/// A keyword and its default.
impl Operand for (NameIdx, SlotIdx) {
    fn write(&self, w: &mut Writer) {
        self.0.write(w);
        w.out.push('=');
        self.1.write(w);
    }
    fn parse(r: &mut Reader) -> Result<(NameIdx, SlotIdx)> {
        let name = NameIdx::parse(r)?;
        r.c.expect("=")?;
        Ok((name, SlotIdx::parse(r)?))
    }
}

/// An item of a dict display.
impl Operand for (Option<SlotIdx>, SlotIdx) {
    fn write(&self, w: &mut Writer) {
        match self.0 {
            Some(key) => {
                key.write(w);
                w.out.push_str(": ");
            }
            None => w.out.push_str("**"),
        }
        self.1.write(w);
    }
    fn parse(r: &mut Reader) -> Result<(Option<SlotIdx>, SlotIdx)> {
        if r.c.eat("**") {
            return Ok((None, SlotIdx::parse(r)?));
        }
        let key = SlotIdx::parse(r)?;
        r.c.expect(":")?;
        Ok((Some(key), SlotIdx::parse(r)?))
    }
}

impl<T: Operand> Operand for Box<[T]> {
    fn write(&self, w: &mut Writer) {
        w.out.push('[');
        for (idx, item) in self.iter().enumerate() {
            if idx > 0 {
                w.out.push_str(", ");
            }
            item.write(w);
        }
        w.out.push(']');
    }
    fn parse(r: &mut Reader) -> Result<Box<[T]>> {
        let (slots, names) = (r.slots, r.names);
        let items = r.c.list("[", "]", |c| T::parse(&mut Reader { c, slots, names, is_first: true }))?;
        Ok(items.into())
    }
}

pub(super) fn print_function(func: &GenericFunction) -> String {
    let head = [quote(&func.name), quote(&func.qualname), quote(&func.filename)];
    let mut out = format!("generic {} qualname {} file {} line {} {{\n", head[0], head[1], head[2], func.first_line);
    let params = &func.params;
    out += &format!("    params positional_only {} positional {}", params.n_positional_only, params.n_positional);
    out += &format!(" keyword_only {}", params.n_keyword_only);
    out.push_str(if params.has_varargs { " varargs" } else { "" });
    out.push_str(if params.has_varkw { " varkw\n" } else { "\n" });
    let slots = func.slots.iter().map(|slot| match slot.name.as_str() {
        "" => format!(": {}", slot.kind.word()),
        name => format!(": {} {}", slot.kind.word(), quote(name)),
    });
    write_section(&mut out, "slots", 's', slots);
    write_section(&mut out, "consts", 'c', func.consts.iter().map(|value| format!(" = {}", const_text(value))));
    write_section(&mut out, "names", 'n', func.names.iter().map(|name| format!(" = {}", quote(name))));
    write_section(&mut out, "nested", 'f', func.nested.iter().map(nested_text));
    out.push_str("    ops {\n");
    let mut w = Writer { out, func, is_first: true };
    for (at, is_target) in targets(func).into_iter().enumerate() {
        if is_target {
            w.out += &format!("    L{at}:\n");
        }
        if let Some(op) = func.ops.get(at) {
            w.out.push_str("        ");
            write_op(&mut w, op);
            w.out += &span_text(func.spans.get(at).copied().unwrap_or_default());
            w.out.push('\n');
        }
    }
    w.out.push_str("    }\n");
    if !func.handlers.is_empty() {
        w.out.push_str("    handlers {\n");
        for Handler { start, end, target } in &func.handlers {
            w.out += &format!("        L{}..L{} -> L{}\n", start.0, end.0, target.0);
        }
        w.out.push_str("    }\n");
    }
    w.out + "}\n"
}

fn write_section(out: &mut String, name: &str, prefix: char, lines: impl ExactSizeIterator<Item = String>) {
    if lines.len() == 0 {
        return;
    }
    *out += &format!("    {name} {{\n");
    for (idx, line) in lines.enumerate() {
        *out += &format!("        {prefix}{idx}{line}\n");
    }
    out.push_str("    }\n");
}

/// Which operations (and the end) get a label.
fn targets(func: &GenericFunction) -> Vec<bool> {
    let mut is_target = vec![false; func.ops.len() + 1];
    let handlers = func.handlers.iter().flat_map(|handler| [handler.start, handler.end, handler.target]);
    for pc in func.ops.iter().flat_map(GenericOp::targets).chain(handlers) {
        if let Some(mark) = is_target.get_mut(pc.idx()) {
            *mark = true;
        }
    }
    is_target
}

fn nested_text(nested: &NestedFunction) -> String {
    let head = format!(" = {} line {} ordinal {}", quote(&nested.name), nested.first_line, nested.ordinal);
    match &nested.body {
        None => format!("{head} host"),
        Some(body) => format!("{head} {}", print_function(body).trim_end().replace('\n', "\n        ")),
    }
}

fn span_text(span: Span) -> String {
    if span == Span::default() {
        String::new()
    } else if span.line == span.end_line {
        format!(" @{}:{}-{}", span.line, span.col, span.end_col)
    } else {
        format!(" @{}:{}-{}:{}", span.line, span.col, span.end_line, span.end_col)
    }
}

fn const_text(value: &Const) -> String {
    match value {
        Const::None => "none".into(),
        Const::Ellipsis => "ellipsis".into(),
        Const::Bool(value) => value.to_string(),
        Const::Int(value) => format!("int {value}"),
        Const::BigInt(decimal) => format!("bigint {decimal}"),
        Const::Float(bits) => format!("float {}", f64_text(*bits)),
        Const::Complex(re, im) => format!("complex {} {}", f64_text(*re), f64_text(*im)),
        Const::Str(text) => format!("str {}", quote(text)),
        Const::Bytes(bytes) => format!("bytes {}", quote_bytes(bytes)),
        Const::Tuple(items) => format!("tuple [{}]", items.iter().map(const_text).collect::<Vec<_>>().join(", ")),
    }
}

/// Reads a function after the word `generic`.
pub(super) fn parse_function(c: &mut Cursor) -> Result<GenericFunction> {
    let name = c.string()?;
    c.expect_word("qualname")?;
    let qualname = c.string()?;
    c.expect_word("file")?;
    let filename = c.string()?;
    c.expect_word("line")?;
    let first_line = c.number()?;
    c.expect("{")?;
    let params = parse_params(c)?;
    let slots = parse_section(c, "slots", "s", |c| {
        c.expect(":")?;
        let at = c.mark();
        let word = c.word()?;
        let kind =
            SlotKind::from_word(word).ok_or_else(|| c.error_at(at, format!("no kind of slot is called `{word}`")))?;
        let name = if c.at_line_end() { String::new() } else { c.string()? };
        Ok(SlotInfo { name, kind })
    })?;
    let consts = parse_section(c, "consts", "c", |c| {
        c.expect("=")?;
        parse_const(c)
    })?;
    let names = parse_section(c, "names", "n", |c| {
        c.expect("=")?;
        c.string()
    })?;
    let nested = parse_section(c, "nested", "f", parse_nested)?;
    let (ops, spans) = parse_ops(&mut Reader { c, slots: &slots, names: &names, is_first: true })?;
    let mut handlers = Vec::new();
    if c.eat_word("handlers") {
        c.expect("{")?;
        while !c.eat("}") {
            let start = Pc(c.entity("L")?);
            c.expect("..")?;
            let end = Pc(c.entity("L")?);
            c.expect("->")?;
            handlers.push(Handler { start, end, target: Pc(c.entity("L")?) });
        }
    }
    c.expect("}")?;
    Ok(GenericFunction {
        name,
        qualname,
        filename,
        first_line,
        params,
        slots,
        consts,
        names,
        nested,
        ops,
        spans,
        handlers,
    })
}

fn parse_params(c: &mut Cursor) -> Result<Params> {
    c.expect_word("params")?;
    c.expect_word("positional_only")?;
    let n_positional_only = c.number()?;
    c.expect_word("positional")?;
    let n_positional = c.number()?;
    c.expect_word("keyword_only")?;
    let n_keyword_only = c.number()?;
    let has_varargs = c.eat_word("varargs");
    Ok(Params { n_positional_only, n_positional, n_keyword_only, has_varargs, has_varkw: c.eat_word("varkw") })
}

fn parse_section<T>(
    c: &mut Cursor,
    name: &str,
    prefix: &str,
    mut item: impl FnMut(&mut Cursor) -> Result<T>,
) -> Result<Vec<T>> {
    let mut items = Vec::new();
    if !c.eat_word(name) {
        return Ok(items);
    }
    c.expect("{")?;
    while !c.eat("}") {
        if c.peek_entity(prefix) != Some(items.len() as u32) {
            return Err(c.error_at(c.mark(), format!("expected {prefix}{}", items.len())));
        }
        c.entity(prefix)?;
        items.push(item(c)?);
        c.end_line()?;
    }
    Ok(items)
}

fn parse_nested(c: &mut Cursor) -> Result<NestedFunction> {
    c.expect("=")?;
    let name = c.string()?;
    c.expect_word("line")?;
    let first_line = c.number()?;
    c.expect_word("ordinal")?;
    let ordinal = c.number()?;
    let body = if c.eat_word("host") {
        None
    } else {
        c.expect_word("generic")?;
        Some(Box::new(parse_function(c)?))
    };
    Ok(NestedFunction { name, first_line, ordinal, body })
}

fn parse_const(c: &mut Cursor) -> Result<Const> {
    let at = c.mark();
    let word = c.word()?;
    Ok(match word {
        "none" => Const::None,
        "ellipsis" => Const::Ellipsis,
        "true" => Const::Bool(true),
        "false" => Const::Bool(false),
        "int" => {
            let at = c.mark();
            Const::Int(i64::try_from(c.int()?).map_err(|_| c.error_at(at, "the integer needs `bigint`"))?)
        }
        "bigint" => {
            let at = c.mark();
            let decimal = c.scalar_text();
            let digits = decimal.strip_prefix('-').unwrap_or(decimal);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(c.error_at(at, "expected a decimal integer"));
            }
            Const::BigInt(decimal.into())
        }
        "float" => Const::Float(c.f64_bits()?),
        "complex" => Const::Complex(c.f64_bits()?, c.f64_bits()?),
        "str" => Const::Str(c.string()?),
        "bytes" => Const::Bytes(c.bytes()?),
        "tuple" => Const::Tuple(c.list("[", "]", parse_const)?),
        _ => return Err(c.error_at(at, format!("no constant is called `{word}`"))),
    })
}

fn parse_ops(r: &mut Reader) -> Result<(Vec<GenericOp>, Vec<Span>)> {
    let (mut ops, mut spans) = (Vec::new(), Vec::new());
    r.c.expect_word("ops")?;
    r.c.expect("{")?;
    while !r.c.eat("}") {
        if let Some(number) = r.c.peek_entity("L") {
            if number as usize != ops.len() {
                return Err(r.c.error_at(r.c.mark(), format!("the next operation is number {}", ops.len())));
            }
            r.c.entity("L")?;
            r.c.expect(":")?;
            continue;
        }
        ops.push(parse_op(r)?);
        spans.push(if r.c.at_line_end() { Span::default() } else { parse_span(r.c)? });
        r.c.end_line()?;
    }
    Ok((ops, spans))
}

fn parse_span(c: &mut Cursor) -> Result<Span> {
    c.expect("@")?;
    let line = c.number()?;
    c.expect(":")?;
    let col = c.number()?;
    c.expect("-")?;
    let end = c.number()?;
    if !c.at_line_end() && c.eat(":") {
        return Ok(Span { line, col, end_line: end, end_col: c.number()? });
    }
    Ok(Span { line, col, end_line: line, end_col: end })
}
