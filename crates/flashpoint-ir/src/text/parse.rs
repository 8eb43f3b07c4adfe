//! Parses typed functions. Checks that every name is defined and every mnemonic known; the verifier does the rest.

use super::UNDEFINED;
use super::lex::{Cursor, ParseError, Result};
use super::words::{Word, type_from_word};
use crate::dtype::DType;
use crate::generic::{ConstIdx, NameIdx, NestedIdx, Pc, SlotIdx};
use crate::reason::Reason;
use crate::snapshot::{ExitKind, FrameState, ObjectRecipe, Recipe, Snapshot};
use crate::typed::*;

/// Reads a function after the word `func`.
pub(super) fn parse_function(cursor: &mut Cursor) -> Result<TypedFunction> {
    let mut parser = Parser::default();
    parser.function(cursor)
}

#[derive(Default)]
struct Parser {
    types: Vec<Option<Type>>,
    blocks: Vec<Option<BlockData>>,
    layout: Vec<Block>,
    insts: Vec<InstData>,
    /// Blocks and exits named by instructions, and where, to find those that are missing.
    named_blocks: Vec<(Block, usize)>,
    named_exits: Vec<(SnapshotId, usize)>,
}

impl Parser {
    fn function(&mut self, c: &mut Cursor) -> Result<TypedFunction> {
        c.expect("@")?;
        let name = if c.peek() == Some('"') { c.string()? } else { c.word()?.to_string() };
        let mut entry_params = Some(self.params(c)?);
        let result = if c.eat("->") { Some(parse_type(c)?) } else { None };
        let licences = Licences { fastmath: c.eat_word("fastmath"), wrap: c.eat_word("wrap") };
        c.expect("{")?;
        while c.peek_entity("block").is_some() {
            self.block(c, entry_params.take())?;
        }
        if entry_params.is_some() {
            return Err(c.error_at(c.mark(), "expected the entry block"));
        }
        let mut snapshots = Vec::new();
        while let Some(number) = c.peek_entity("exit") {
            if number as usize != snapshots.len() {
                return Err(c.error_at(c.mark(), format!("expected exit{}", snapshots.len())));
            }
            c.entity("exit")?;
            snapshots.push(parse_snapshot(c)?);
        }
        c.expect("}")?;
        for &(block, at) in &self.named_blocks {
            if !matches!(self.blocks.get(block.index()), Some(Some(_))) {
                return Err(c.error_at(at, format!("{block} is not defined")));
            }
        }
        if let Some((exit, at)) = self.named_exits.iter().find(|(exit, _)| exit.index() >= snapshots.len()) {
            return Err(c.error_at(*at, format!("{exit} is not defined")));
        }
        let mut func = TypedFunction {
            name,
            licences,
            result,
            layout: std::mem::take(&mut self.layout),
            blocks: self.blocks.drain(..).map(Option::unwrap_or_default).collect(),
            insts: std::mem::take(&mut self.insts),
            value_types: self.types.iter().map(|ty| ty.unwrap_or(UNDEFINED)).collect(),
            snapshots,
        };
        func.cover_snapshots();
        Ok(func)
    }

    fn params(&mut self, c: &mut Cursor) -> Result<Vec<Value>> {
        c.list("(", ")", |c| {
            let at = c.mark();
            let value = parse_value(c)?;
            c.expect(":")?;
            let ty = parse_type(c)?;
            self.define(value, ty).map_err(|message| c.error_at(at, message))?;
            Ok(value)
        })
    }

    fn define(&mut self, value: Value, ty: Type) -> std::result::Result<(), String> {
        if self.types.len() <= value.index() {
            self.types.resize(value.index() + 1, None);
        }
        match self.types[value.index()].replace(ty) {
            None => Ok(()),
            Some(_) => Err(format!("{value} is defined twice")),
        }
    }

    fn block(&mut self, c: &mut Cursor, entry_params: Option<Vec<Value>>) -> Result<()> {
        let at = c.mark();
        let block = Block(c.entity("block")?);
        let params = match entry_params {
            Some(params) => params,
            None if c.peek() == Some('(') => self.params(c)?,
            None => Vec::new(),
        };
        c.expect(":")?;
        if self.blocks.len() <= block.index() {
            self.blocks.resize(block.index() + 1, None);
        }
        if self.blocks[block.index()].is_some() {
            return Err(c.error_at(at, format!("{block} is defined twice")));
        }
        self.layout.push(block);
        let mut insts = Vec::new();
        // A block ends where the next one starts, or the exits, or the function's end.
        while c.peek() != Some('}') && c.peek_entity("block").is_none() && c.peek_entity("exit").is_none() {
            insts.push(Inst(self.insts.len() as u32));
            let data = self.inst(c)?;
            self.insts.push(data);
        }
        self.blocks[block.index()] = Some(BlockData { params, insts });
        Ok(())
    }

    fn inst(&mut self, c: &mut Cursor) -> Result<InstData> {
        let mut results = Vec::new();
        let at = c.mark();
        while c.peek_entity("v").is_some() {
            results.push(parse_value(c)?);
            if !c.eat(",") {
                c.expect("=")?;
                break;
            }
        }
        let (kind, types) = self.kind(c)?;
        let line = if !c.at_line_end() && c.eat("@") { c.number()? } else { 0 };
        c.end_line()?;
        if results.len() != types.len() {
            return Err(c.error_at(at, format!("defines {} values, not {}", types.len(), results.len())));
        }
        for (value, ty) in results.iter().zip(types) {
            self.define(*value, ty).map_err(|message| c.error_at(at, message))?;
        }
        Ok(InstData { kind, results, line })
    }

    /// An instruction from its mnemonic on, and the types of its results.
    fn kind(&mut self, c: &mut Cursor) -> Result<(InstKind, Vec<Type>)> {
        let at = c.mark();
        let text = c.dotted_word()?;
        let parts: Vec<&str> = text.split('.').collect();
        let unknown = |c: &Cursor| c.error_at(at, format!("no operation is called `{text}`"));
        let ty = |c: &Cursor, word: &str| {
            type_from_word(word).ok_or_else(|| c.error_at(at, format!("no type is called `{word}`")))
        };
        Ok(match parts[..] {
            ["iconst", of] => {
                let ty = ty(c, of)?;
                let value = if c.eat_word("true") {
                    -1
                } else if c.eat_word("false") {
                    0
                } else {
                    c.int()?
                };
                (InstKind::Iconst { ty, value }, vec![ty])
            }
            ["fconst", "f32"] => (InstKind::Fconst { ty: Type::F32, bits: c.f32_bits()? }, vec![Type::F32]),
            ["fconst", "f64"] => (InstKind::Fconst { ty: Type::F64, bits: c.f64_bits()? }, vec![Type::F64]),
            ["icmp", cc, of] => {
                let cc = IntCC::from_word(cc).ok_or_else(|| unknown(c))?;
                let result = ty(c, of)?.mask();
                let (a, b) = parse_two(c)?;
                (InstKind::Icmp(cc, a, b), vec![result])
            }
            ["fcmp", cc, of] => {
                let cc = FloatCC::from_word(cc).ok_or_else(|| unknown(c))?;
                let result = ty(c, of)?.mask();
                let (a, b) = parse_two(c)?;
                (InstKind::Fcmp(cc, a, b), vec![result])
            }
            ["select", of] => {
                let result = ty(c, of)?;
                let cond = parse_value(c)?;
                c.expect(",")?;
                let (a, b) = parse_two(c)?;
                (InstKind::Select(cond, a, b), vec![result])
            }
            ["splat", of] => {
                let to = ty(c, of)?;
                (InstKind::Splat(parse_value(c)?, to), vec![to])
            }
            ["extract_lane", of] => {
                let result = ty(c, of)?;
                let vector = parse_value(c)?;
                c.expect(",")?;
                let at = c.mark();
                let lane = u16::try_from(c.number()?).map_err(|_| c.error_at(at, "no vector has that lane"))?;
                (InstKind::ExtractLane(vector, lane), vec![result])
            }
            ["ptr_add"] => {
                let (addr, bytes) = parse_two(c)?;
                (InstKind::PtrAdd(addr, bytes), vec![Type::PTR])
            }
            ["load", of, region] => {
                let (ty, region) = (ty(c, of)?, Region::from_word(region).ok_or_else(|| unknown(c))?);
                let (addr, offset) = parse_address(c)?;
                (InstKind::Load { ty, addr, offset, region }, vec![ty])
            }
            ["store", region] => {
                let region = Region::from_word(region).ok_or_else(|| unknown(c))?;
                let value = parse_value(c)?;
                c.expect(",")?;
                let (addr, offset) = parse_address(c)?;
                (InstKind::Store { value, addr, offset, region }, vec![])
            }
            ["context"] => (InstKind::Context, vec![Type::PTR]),
            ["libm", func] => {
                let func = LibFunc::from_word(func).ok_or_else(|| unknown(c))?;
                let mut args = vec![parse_value(c)?];
                while c.eat(",") {
                    args.push(parse_value(c)?);
                }
                (InstKind::Libm(func, args), vec![func.ty()])
            }
            ["call_helper"] => {
                let at = c.mark();
                let name = c.word()?;
                let helper =
                    Helper::from_word(name).ok_or_else(|| c.error_at(at, format!("no helper is called `{name}`")))?;
                let args = c.list("(", ")", parse_value)?;
                (InstKind::CallHelper(helper, args), helper.signature().1.to_vec())
            }
            ["call_unit"] => (parse_call_unit(c)?, vec![Type::I64]),
            ["call_unit", of] => {
                let result = ty(c, of)?;
                (parse_call_unit(c)?, vec![result, Type::I64])
            }
            ["guard"] => {
                let cond = parse_value(c)?;
                c.expect(",")?;
                (InstKind::Guard(cond, self.exit(c)?), vec![])
            }
            ["poll"] => (InstKind::Poll(self.exit(c)?), vec![]),
            ["jump"] => (InstKind::Jump(self.block_call(c)?), vec![]),
            ["branch"] => {
                let cond = parse_value(c)?;
                c.expect(",")?;
                let if_true = self.block_call(c)?;
                c.expect(",")?;
                (InstKind::Branch(cond, if_true, self.block_call(c)?), vec![])
            }
            ["return"] => {
                let has_value = !c.at_line_end() && c.peek() != Some('@');
                (InstKind::Return(if has_value { Some(parse_value(c)?) } else { None }), vec![])
            }
            ["exit"] => (InstKind::Exit(self.exit(c)?), vec![]),
            [op, of] => {
                let ty = ty(c, of)?;
                if let Some(op) = UnaryOp::from_word(op) {
                    (InstKind::Unary(op, parse_value(c)?), vec![ty])
                } else if let Some(op) = BinaryOp::from_word(op) {
                    let (a, b) = parse_two(c)?;
                    (InstKind::Binary(op, a, b), vec![ty])
                } else if let Some(op) = OverflowOp::from_word(op) {
                    let (a, b) = parse_two(c)?;
                    (InstKind::Overflow(op, a, b), vec![ty, ty.mask()])
                } else if let Some(op) = ConvertOp::from_word(op) {
                    (InstKind::Convert(op, parse_value(c)?, ty), vec![ty])
                } else {
                    return Err(unknown(c));
                }
            }
            _ => return Err(unknown(c)),
        })
    }

    fn exit(&mut self, c: &mut Cursor) -> Result<SnapshotId> {
        let at = c.mark();
        let exit = SnapshotId(c.entity("exit")?);
        self.named_exits.push((exit, at));
        Ok(exit)
    }

    fn block_call(&mut self, c: &mut Cursor) -> Result<BlockCall> {
        let at = c.mark();
        let block = Block(c.entity("block")?);
        self.named_blocks.push((block, at));
        let args = if !c.at_line_end() && c.peek() == Some('(') { c.list("(", ")", parse_value)? } else { Vec::new() };
        Ok(BlockCall { block, args })
    }
}

fn parse_type(c: &mut Cursor) -> Result<Type> {
    let ty = type_from_word(c.peek_word()).ok_or_else(|| c.error("expected a type"))?;
    c.word()?;
    Ok(ty)
}

fn parse_value(c: &mut Cursor) -> Result<Value> {
    c.entity("v").map(Value)
}

fn parse_two(c: &mut Cursor) -> Result<(Value, Value)> {
    let a = parse_value(c)?;
    c.expect(",")?;
    Ok((a, parse_value(c)?))
}

/// `v1`, `v1+8` or `v1-8`.
fn parse_address(c: &mut Cursor) -> Result<(Value, i32)> {
    let addr = parse_value(c)?;
    if c.at_line_end() || !matches!(c.peek(), Some('+' | '-')) {
        return Ok((addr, 0));
    }
    let at = c.mark();
    let offset = i32::try_from(c.int()?).map_err(|_| c.error_at(at, "the offset is too large"))?;
    Ok((addr, offset))
}

fn parse_call_unit(c: &mut Cursor) -> Result<InstKind> {
    let unit = UnitRef(c.entity("unit")?);
    Ok(InstKind::CallUnit(unit, c.list("(", ")", parse_value)?))
}

/// An exit after `exit3`.
fn parse_snapshot(c: &mut Cursor) -> Result<Snapshot> {
    c.expect("=")?;
    let at = c.mark();
    let name = c.word()?;
    let reason = Reason::ALL.iter().copied().find(|reason| reason.name() == name);
    let reason = reason.ok_or_else(|| c.error_at(at, format!("no reason is called `{name}`")))?;
    let exit = if c.eat_word("resume") {
        ExitKind::Resume
    } else if c.eat_word("raise") {
        ExitKind::Raise
    } else if c.eat_word("return") {
        ExitKind::Return(parse_recipe(c)?)
    } else {
        return Err(c.error("expected `resume`, `raise` or `return`"));
    };
    let mut frames = Vec::new();
    let mut objects = Vec::new();
    // A return has no frames and therefore, as a rule, no braces.
    if matches!(exit, ExitKind::Return(_)) && c.peek() != Some('{') {
        return Ok(Snapshot { reason, exit, objects, frames });
    }
    c.expect("{")?;
    while let Some(object) = parse_object(c)? {
        objects.push(object);
    }
    while c.eat_word("frame") {
        let function = c.number()?;
        c.expect("@")?;
        let pc = Pc(c.number()?);
        c.expect(":")?;
        let mut slots = Vec::new();
        while c.peek_entity("s").is_some() {
            let slot = SlotIdx(c.entity("s")?);
            c.expect("=")?;
            slots.push((slot, parse_recipe(c)?));
            if !c.eat(",") {
                break;
            }
        }
        frames.push(FrameState { function, pc, slots });
    }
    c.expect("}")?;
    Ok(Snapshot { reason, exit, objects, frames })
}

/// A shared object of an exit, if there is another one.
fn parse_object(c: &mut Cursor) -> Result<Option<ObjectRecipe>> {
    let from = |c: &mut Cursor| -> Result<Option<SlotIdx>> {
        if c.eat_word("new") { Ok(None) } else { Ok(Some(SlotIdx(c.entity("s")?))) }
    };
    if c.eat_word("cell") {
        let entry = from(c)?;
        return Ok(Some(ObjectRecipe::Cell { entry, content: *parse_nested(c)? }));
    }
    if !c.eat_word("function") {
        return Ok(None);
    }
    let entry = from(c)?;
    let owner = c.number()?;
    let nested = NestedIdx(c.number()?);
    c.expect_word("defaults")?;
    let defaults = c.list("[", "]", parse_recipe)?;
    let mut keyword_defaults = Vec::new();
    while c.eat_word("keyword") {
        keyword_defaults.push((NameIdx(c.number()?), *parse_nested(c)?));
    }
    c.expect_word("closure")?;
    let closure = c.list("[", "]", parse_recipe)?;
    Ok(Some(ObjectRecipe::Function { entry, owner, nested, defaults, keyword_defaults, closure }))
}

fn parse_recipe(c: &mut Cursor) -> Result<Recipe> {
    let at = c.mark();
    let word = c.word()?;
    Ok(match word {
        "unbound" => Recipe::Unbound,
        "none" => Recipe::None,
        "const" => Recipe::Const(ConstIdx(c.number()?)),
        "known" => Recipe::Known(c.number()?),
        "entry" => Recipe::Entry(SlotIdx(c.entity("s")?)),
        "shared" => Recipe::Shared(c.number()?),
        "bool" => Recipe::Bool(parse_value(c)?),
        "int" => Recipe::Int(parse_value(c)?),
        "int128" => Recipe::Int128(parse_value(c)?),
        "float" => Recipe::Float(parse_value(c)?),
        "complex" => Recipe::Complex(parse_value(c)?, parse_value(c)?),
        "numpy" => {
            let dtype = parse_dtype(c)?;
            let value = parse_value(c)?;
            let has_imaginary = c.peek_entity("v").is_some();
            Recipe::Numpy(dtype, value, if has_imaginary { Some(parse_value(c)?) } else { None })
        }
        "tuple" => Recipe::Tuple(c.list("[", "]", parse_recipe)?),
        "range" => Recipe::Range(parse_value(c)?, parse_value(c)?, parse_value(c)?),
        "range_iter" => Recipe::RangeIter(parse_value(c)?, parse_value(c)?, parse_value(c)?),
        "slice" => {
            let parts = c.list("[", "]", parse_recipe)?;
            let parts = parts.try_into().map_err(|_| c.error_at(at, "a slice has three parts"))?;
            Recipe::Slice(Box::new(parts))
        }
        "attribute" => Recipe::Attribute(parse_nested(c)?, c.string()?),
        "seq_iter" => Recipe::SeqIter(parse_nested(c)?, parse_value(c)?),
        "enumerate" => Recipe::Enumerate(parse_value(c)?, parse_nested(c)?),
        "zip" => Recipe::Zip(c.list("[", "]", parse_recipe)?, false),
        "zip_strict" => Recipe::Zip(c.list("[", "]", parse_recipe)?, true),
        "owned" => Recipe::Owned(parse_value(c)?),
        "borrowed" => Recipe::Borrowed(parse_value(c)?),
        "result" => Recipe::Result,
        "view" => Recipe::View {
            owner: parse_nested(c)?,
            dtype: parse_dtype(c)?,
            data: parse_value(c)?,
            extents: c.list("[", "]", parse_value)?,
            strides: c.list("[", "]", parse_value)?,
        },
        _ => return Err(c.error_at(at, format!("no recipe is called `{word}`"))),
    })
}

fn parse_nested(c: &mut Cursor) -> Result<Box<Recipe>> {
    c.expect("(")?;
    let recipe = parse_recipe(c)?;
    c.expect(")")?;
    Ok(Box::new(recipe))
}

fn parse_dtype(c: &mut Cursor) -> std::result::Result<DType, ParseError> {
    let at = c.mark();
    let name = c.word()?;
    DType::from_name(name).ok_or_else(|| c.error_at(at, format!("no element type is called `{name}`")))
}
