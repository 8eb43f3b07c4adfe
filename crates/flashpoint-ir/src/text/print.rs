//! Prints typed functions. Works on functions that do not verify as well, so that a broken one can be looked at.

use std::fmt::Write;

use super::lex::{f32_text, f64_text, is_plain_name, quote};
use super::words::Word;
use crate::generic::SlotIdx;
use crate::snapshot::{ExitKind, ObjectRecipe, Recipe, Snapshot};
use crate::typed::*;

/// One instruction, as in the function's text, without its line.
pub fn print_inst(func: &TypedFunction, inst: Inst) -> String {
    let mut out = String::new();
    write_inst(&mut out, func, &func.insts[inst.index()]).expect("strings take everything");
    out
}

pub(super) fn print_function(func: &TypedFunction) -> String {
    let mut out = String::new();
    write_function(&mut out, func).expect("strings take everything");
    out
}

fn write_function(out: &mut String, func: &TypedFunction) -> std::fmt::Result {
    let name = if is_plain_name(&func.name) { func.name.clone() } else { quote(&func.name) };
    write!(out, "func @{name}(")?;
    if let Some(entry) = func.layout.first() {
        write_params(out, func, *entry)?;
    }
    out.push(')');
    if let Some(ty) = func.result {
        write!(out, " -> {ty}")?;
    }
    for (granted, word) in [(func.licences.fastmath, " fastmath"), (func.licences.wrap, " wrap")] {
        if granted {
            out.push_str(word);
        }
    }
    out.push_str(" {\n");
    for (idx, &block) in func.layout.iter().enumerate() {
        write!(out, "{block}")?;
        if idx > 0 && !func.blocks[block.index()].params.is_empty() {
            out.push('(');
            write_params(out, func, block)?;
            out.push(')');
        }
        out.push_str(":\n");
        for &inst in &func.blocks[block.index()].insts {
            let data = &func.insts[inst.index()];
            out.push_str("    ");
            write_inst(out, func, data)?;
            if data.line != 0 {
                write!(out, " @{}", data.line)?;
            }
            out.push('\n');
        }
    }
    if !func.snapshots.is_empty() {
        out.push('\n');
    }
    for (number, snapshot) in func.snapshots.iter().enumerate() {
        write!(out, "    exit{number} = ")?;
        write_snapshot(out, snapshot)?;
        out.push('\n');
    }
    out.push_str("}\n");
    Ok(())
}

fn write_params(out: &mut String, func: &TypedFunction, block: Block) -> std::fmt::Result {
    for (idx, &param) in func.blocks[block.index()].params.iter().enumerate() {
        let separator = if idx == 0 { "" } else { ", " };
        write!(out, "{separator}{param}: {}", ty(func, param))?;
    }
    Ok(())
}

/// The type of a value, for display only: a function that does not verify may name values that do not exist.
fn ty(func: &TypedFunction, value: Value) -> String {
    func.value_types.get(value.index()).map_or("?".into(), Type::to_string)
}

fn write_inst(out: &mut String, func: &TypedFunction, data: &InstData) -> std::fmt::Result {
    for (idx, result) in data.results.iter().enumerate() {
        write!(out, "{}{result}", if idx == 0 { "" } else { ", " })?;
    }
    if !data.results.is_empty() {
        out.push_str(" = ");
    }
    match &data.kind {
        InstKind::Iconst { ty: Type::I1, value: 0 } => write!(out, "iconst.i1 false"),
        InstKind::Iconst { ty: Type::I1, value: -1 } => write!(out, "iconst.i1 true"),
        InstKind::Iconst { ty, value } => write!(out, "iconst.{ty} {value}"),
        InstKind::Fconst { ty, bits } if ty.lane == Lane::F32 => write!(out, "fconst.{ty} {}", f32_text(*bits)),
        InstKind::Fconst { ty, bits } => write!(out, "fconst.{ty} {}", f64_text(*bits)),
        InstKind::Unary(op, a) => write!(out, "{}.{} {a}", op.word(), ty(func, *a)),
        InstKind::Binary(op, a, b) => write!(out, "{}.{} {a}, {b}", op.word(), ty(func, *a)),
        InstKind::Overflow(op, a, b) => write!(out, "{}.{} {a}, {b}", op.word(), ty(func, *a)),
        InstKind::Icmp(cc, a, b) => write!(out, "icmp.{}.{} {a}, {b}", cc.word(), ty(func, *a)),
        InstKind::Fcmp(cc, a, b) => write!(out, "fcmp.{}.{} {a}, {b}", cc.word(), ty(func, *a)),
        InstKind::Select(cond, a, b) => write!(out, "select.{} {cond}, {a}, {b}", ty(func, *a)),
        InstKind::Convert(op, a, to) => write!(out, "{}.{to} {a}", op.word()),
        InstKind::Splat(a, to) => write!(out, "splat.{to} {a}"),
        InstKind::ExtractLane(a, lane) => {
            let result = data.results.first().map_or("?".into(), |v| ty(func, *v));
            write!(out, "extract_lane.{result} {a}, {lane}")
        }
        InstKind::PtrAdd(addr, bytes) => write!(out, "ptr_add {addr}, {bytes}"),
        InstKind::Load { ty, addr, offset, region } => {
            write!(out, "load.{ty}.{} ", region.word())?;
            write_address(out, *addr, *offset)
        }
        InstKind::Store { value, addr, offset, region } => {
            write!(out, "store.{} {value}, ", region.word())?;
            write_address(out, *addr, *offset)
        }
        InstKind::Context => write!(out, "context"),
        InstKind::Libm(lib, args) => write!(out, "libm.{} {}", lib.word(), list(args)),
        InstKind::CallHelper(helper, args) => write!(out, "call_helper {}({})", helper.word(), list(args)),
        InstKind::CallUnit(unit, args) => {
            out.push_str("call_unit");
            if let [result, _] = data.results[..] {
                write!(out, ".{}", ty(func, result))?;
            }
            write!(out, " unit{}({})", unit.0, list(args))
        }
        InstKind::Guard(cond, exit) => write!(out, "guard {cond}, {exit}"),
        InstKind::Poll(exit) => write!(out, "poll {exit}"),
        InstKind::Jump(call) => write!(out, "jump {}", block_call(call)),
        InstKind::Branch(cond, a, b) => write!(out, "branch {cond}, {}, {}", block_call(a), block_call(b)),
        InstKind::Return(None) => write!(out, "return"),
        InstKind::Return(Some(value)) => write!(out, "return {value}"),
        InstKind::Exit(exit) => write!(out, "exit {exit}"),
    }
}

fn write_address(out: &mut String, addr: Value, offset: i32) -> std::fmt::Result {
    if offset == 0 { write!(out, "{addr}") } else { write!(out, "{addr}{offset:+}") }
}

fn list(values: &[Value]) -> String {
    values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
}

fn block_call(call: &BlockCall) -> String {
    if call.args.is_empty() { call.block.to_string() } else { format!("{}({})", call.block, list(&call.args)) }
}

fn write_snapshot(out: &mut String, snapshot: &Snapshot) -> std::fmt::Result {
    write!(out, "{} ", snapshot.reason)?;
    match &snapshot.exit {
        ExitKind::Resume => out.push_str("resume {"),
        ExitKind::Raise => out.push_str("raise {"),
        ExitKind::Return(recipe) => {
            out.push_str("return ");
            write_recipe(out, recipe)?;
            if snapshot.frames.is_empty() && snapshot.objects.is_empty() {
                return Ok(());
            }
            out.push_str(" {");
        }
    }
    // One frame stands on the line; several get one each, and so do objects.
    let many = snapshot.frames.len() + snapshot.objects.len() > 1;
    let separator = if many { "\n        " } else { " " };
    for object in &snapshot.objects {
        out.push_str(separator);
        write_object(out, object)?;
    }
    for frame in &snapshot.frames {
        write!(out, "{separator}frame {} @{}:", frame.function, frame.pc.0)?;
        for (idx, (slot, recipe)) in frame.slots.iter().enumerate() {
            write!(out, "{} s{} = ", if idx == 0 { "" } else { "," }, slot.0)?;
            write_recipe(out, recipe)?;
        }
    }
    out.push_str(if many { "\n    }" } else { " }" });
    Ok(())
}

fn write_object(out: &mut String, object: &ObjectRecipe) -> std::fmt::Result {
    let from = |entry: &Option<SlotIdx>| entry.map_or("new".to_owned(), |slot| format!("s{}", slot.0));
    match object {
        ObjectRecipe::Cell { entry, content } => {
            write!(out, "cell {} ", from(entry))?;
            write_nested(out, content)
        }
        ObjectRecipe::Function { entry, owner, nested, defaults, keyword_defaults, closure } => {
            write!(out, "function {} {owner} {} ", from(entry), nested.0)?;
            write_recipes(out, "defaults", defaults)?;
            for (name, recipe) in keyword_defaults {
                write!(out, " keyword {} ", name.0)?;
                write_nested(out, recipe)?;
            }
            out.push(' ');
            write_recipes(out, "closure", closure)
        }
    }
}

fn write_recipe(out: &mut String, recipe: &Recipe) -> std::fmt::Result {
    match recipe {
        Recipe::Unbound => write!(out, "unbound"),
        Recipe::None => write!(out, "none"),
        Recipe::Const(idx) => write!(out, "const {}", idx.0),
        Recipe::Known(object) => write!(out, "known {object}"),
        Recipe::Entry(slot) => write!(out, "entry s{}", slot.0),
        Recipe::Shared(object) => write!(out, "shared {object}"),
        Recipe::Bool(v) => write!(out, "bool {v}"),
        Recipe::Int(v) => write!(out, "int {v}"),
        Recipe::Int128(v) => write!(out, "int128 {v}"),
        Recipe::Float(v) => write!(out, "float {v}"),
        Recipe::Complex(re, im) => write!(out, "complex {re} {im}"),
        Recipe::Numpy(dtype, v, None) => write!(out, "numpy {} {v}", dtype.name()),
        Recipe::Numpy(dtype, v, Some(imaginary)) => write!(out, "numpy {} {v} {imaginary}", dtype.name()),
        Recipe::Tuple(items) => write_recipes(out, "tuple", items),
        Recipe::Range(a, b, c) => write!(out, "range {a} {b} {c}"),
        Recipe::RangeIter(a, b, c) => write!(out, "range_iter {a} {b} {c}"),
        Recipe::Slice(parts) => write_recipes(out, "slice", &parts[..]),
        Recipe::Attribute(object, name) => {
            out.push_str("attribute ");
            write_nested(out, object)?;
            write!(out, " {}", quote(name))
        }
        Recipe::SeqIter(sequence, index) => {
            out.push_str("seq_iter ");
            write_nested(out, sequence)?;
            write!(out, " {index}")
        }
        Recipe::Enumerate(count, inner) => {
            write!(out, "enumerate {count} ")?;
            write_nested(out, inner)
        }
        Recipe::Zip(items, strict) => write_recipes(out, if *strict { "zip_strict" } else { "zip" }, items),
        Recipe::Owned(v) => write!(out, "owned {v}"),
        Recipe::Borrowed(v) => write!(out, "borrowed {v}"),
        Recipe::Result => write!(out, "result"),
        Recipe::View { owner, dtype, data, extents, strides } => {
            out.push_str("view ");
            write_nested(out, owner)?;
            write!(out, " {} {data} [{}] [{}]", dtype.name(), list(extents), list(strides))
        }
    }
}

fn write_nested(out: &mut String, recipe: &Recipe) -> std::fmt::Result {
    out.push('(');
    write_recipe(out, recipe)?;
    out.push(')');
    Ok(())
}

fn write_recipes(out: &mut String, word: &str, recipes: &[Recipe]) -> std::fmt::Result {
    write!(out, "{word} [")?;
    for (idx, recipe) in recipes.iter().enumerate() {
        if idx > 0 {
            out.push_str(", ");
        }
        write_recipe(out, recipe)?;
    }
    out.push(']');
    Ok(())
}
