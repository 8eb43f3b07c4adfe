//! One text syntax for both forms, which parses back: `parse(print(f)) == canonical(f)`.
//!
//! ```text
//! flashpoint-ir 1
//!
//! func @sum(v0: i64) -> i64 fastmath {
//! block0:
//!     v1 = iconst.i64 0
//!     jump block1(v1, v1)
//! block1(v2: i64, v3: i64):
//!     v4 = icmp.slt.i64 v2, v0
//!     branch v4, block2, block3
//! block2:
//!     v5, v6 = sadd_overflow.i64 v3, v2 @12
//!     v7 = not.i1 v6
//!     v8 = iconst.i64 1
//!     guard v7, exit0
//!     v9 = iadd.i64 v2, v8
//!     jump block1(v9, v5)
//! block3:
//!     return v3
//!
//!     exit0 = IntOverflow resume { frame 0 @12: s0 = int v0, s1 = int v3, s3 = range_iter v2 v0 v8 }
//! }
//! ```
//! A comment runs from `;` to the end of the line. An instruction ends with its line; elsewhere lines do not matter.
//! After the mnemonic comes what it works on: the type of its operands (`icmp.slt.i64`), or, where that alone would not
//! tell, of its result (`sext.i64`, `load.f64.array`). `@12` behind an instruction is the line of the user's source. The
//! first block's parameters stand in the function's head. Recipes of exits are words followed by values, nested ones in
//! parentheses: `enumerate v1 (seq_iter (borrowed v2) v3)`.
//!
//! The generic form is described in `text::generic`. The version line stands first in files; where it is
//! missing, as in tests, the text is taken to be of the current version.
//!
//! **Canonical form.** The numbers of values, blocks and exits are the text's own and survive. Instruction numbers, and
//! table entries of values and blocks that passes have removed, are not written: [`TypedFunction::canonical`] numbers
//! instructions in layout order and clears such entries, and two functions with one canonical form are the same function.

mod lex;
mod words;

mod parse;
mod print;

mod generic;

#[cfg(test)]
mod tests;

pub use lex::ParseError;
pub use print::print_inst;

use crate::generic::GenericFunction;
use crate::typed::{BlockData, Inst, InstData, Type, TypedFunction};

/// Version of the syntax and of the operations' meaning.
pub const VERSION: u32 = 1;

/// A function of either form.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, clippy::large_enum_variant)]
pub enum Item {
    Typed(TypedFunction),
    Generic(GenericFunction),
}

/// The text of some functions, with the version line.
pub fn print(items: &[Item]) -> String {
    let mut text = format!("flashpoint-ir {VERSION}\n");
    for item in items {
        text.push('\n');
        match item {
            Item::Typed(func) => text += &func.to_string(),
            Item::Generic(func) => text += &func.to_string(),
        }
    }
    text
}

/// Reads any number of functions.
pub fn parse(text: &str) -> Result<Vec<Item>, ParseError> {
    let mut cursor = lex::Cursor::new(text);
    cursor.version()?;
    let mut items = Vec::new();
    while !cursor.at_end() {
        if cursor.eat_word("func") {
            items.push(Item::Typed(parse::parse_function(&mut cursor)?));
        } else if cursor.eat_word("generic") {
            items.push(Item::Generic(generic::parse_function(&mut cursor)?));
        } else {
            return Err(cursor.error_at(cursor.mark(), "expected `func` or `generic`"));
        }
    }
    Ok(items)
}

/// Reads one typed function.
pub fn parse_typed(text: &str) -> Result<TypedFunction, ParseError> {
    match <[Item; 1]>::try_from(parse(text)?) {
        Ok([Item::Typed(func)]) => Ok(func),
        _ => Err(lex::Cursor::new(text).error("expected one typed function")),
    }
}

/// Reads one generic function.
pub fn parse_generic(text: &str) -> Result<GenericFunction, ParseError> {
    match <[Item; 1]>::try_from(parse(text)?) {
        Ok([Item::Generic(func)]) => Ok(func),
        _ => Err(lex::Cursor::new(text).error("expected one generic function")),
    }
}

impl std::fmt::Display for TypedFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&print::print_function(self))
    }
}

impl std::fmt::Display for GenericFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&generic::print_function(self))
    }
}

impl TypedFunction {
    /// The function with its tables as the parser makes them: instructions numbered in layout order, nothing that the
    /// layout does not reach. Values, blocks and exits keep their numbers.
    pub fn canonical(&self) -> TypedFunction {
        let mut insts: Vec<InstData> = Vec::with_capacity(self.insts.len());
        let mut blocks: Vec<BlockData> = Vec::new();
        let mut types: Vec<Option<Type>> = vec![None; self.value_types.len()];
        for &block in &self.layout {
            let data = &self.blocks[block.index()];
            if blocks.len() <= block.index() {
                blocks.resize_with(block.index() + 1, BlockData::default);
            }
            let numbers = (insts.len()..insts.len() + data.insts.len()).map(|number| Inst(number as u32)).collect();
            insts.extend(data.insts.iter().map(|inst| self.insts[inst.index()].clone()));
            blocks[block.index()] = BlockData { params: data.params.clone(), insts: numbers };
        }
        let params = blocks.iter().flat_map(|data| &data.params);
        for value in params.chain(insts.iter().flat_map(|data| &data.results)) {
            types[value.index()] = Some(self.value_types[value.index()]);
        }
        let n_values = types.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let value_types = types[..n_values].iter().map(|ty| ty.unwrap_or(UNDEFINED)).collect();
        let mut func = TypedFunction { blocks, insts, value_types, ..self.clone() };
        func.cover_snapshots();
        func
    }
}

impl TypedFunction {
    /// Lengthens the table of types so that exits that nothing takes may go on naming values that are gone.
    fn cover_snapshots(&mut self) {
        for value in self.snapshots.iter().flat_map(|snapshot| snapshot.values()) {
            if self.value_types.len() <= value.index() {
                self.value_types.resize(value.index() + 1, UNDEFINED);
            }
        }
    }
}

/// Stands in the table of types for a value that nothing defines.
const UNDEFINED: Type = Type::I1;
