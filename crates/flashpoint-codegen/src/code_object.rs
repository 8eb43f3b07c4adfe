//! Relocatable machine code: what a back end makes, what a cache keeps, what the loader loads.
//!
//! An [`Object`] holds no address: everything outside it is named by a [`Symbol`] and reached through a [`Relocation`].
//! It is plain data and serialises.
//!
//! Invariants, checked by [`Object::check`] before loading: relocations lie inside their section, symbols inside theirs,
//! and both the inner and the entry symbol are defined.

use flashpoint_ir::abi::{ENTRY_SUFFIX, LINKS_SYMBOL};
use serde::{Deserialize, Serialize};

use crate::backend::VERSION_SYMBOL;
use crate::error::{CodegenError, CodegenResult};

/// The machine an object is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Arch {
    X86_64,
    Aarch64,
}

impl Arch {
    /// The machine this process runs on, if code can be made for it.
    pub fn host() -> Option<Arch> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Arch::X86_64),
            "aarch64" => Some(Arch::Aarch64),
            _ => None,
        }
    }
}

/// Relocatable code of one version: the inner function and its entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Symbol of the inner function; the entry's is this and `.entry`.
    pub name: String,
    /// The machine.
    pub arch: Arch,
    /// Bytes to place in memory. All of them are constant once loaded.
    pub sections: Vec<Section>,
    /// What relocations refer to.
    pub symbols: Vec<Symbol>,
    /// What depends on where sections and symbols are placed.
    pub relocations: Vec<Relocation>,
    /// Words of the link table: one more than the highest [`flashpoint_ir::typed::UnitRef`].
    pub n_links: u32,
    /// Words of the largest exit.
    pub exit_words: u32,
    /// First code offset in the first text section of each run of instructions from one source line, sorted.
    pub lines: Vec<LineEntry>,
    /// The machine code's text, if it was asked for.
    pub asm: Option<String>,
    /// The compiler's own intermediate text, if it was asked for.
    pub ir: Option<String>,
}

/// What a section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SectionKind {
    /// Instructions.
    Text,
    /// Constants, jump tables.
    Rodata,
}

/// Bytes that stay together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// What they are.
    pub kind: SectionKind,
    /// Alignment in bytes, a power of two.
    pub align: u32,
    /// The bytes before relocation.
    pub bytes: Vec<u8>,
}

/// Something with an address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Symbol {
    /// Its name; may be empty for a section's start.
    pub name: String,
    /// Where it is.
    pub place: Place,
}

/// Where a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// In a section of the object.
    Section {
        /// Which.
        section: u32,
        /// Bytes from its start.
        offset: u64,
    },
    /// The link table.
    Links,
    /// The word with the version's number.
    Version,
    /// A routine of the process, from the loader's list.
    External,
}

/// A place in the code that depends on addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relocation {
    /// The section to change.
    pub section: u32,
    /// Where in it.
    pub offset: u64,
    /// How.
    pub kind: RelocationKind,
    /// To refer to what: an index into [`Object::symbols`].
    pub symbol: u32,
    /// Added to the symbol's address.
    pub addend: i64,
}

/// How an address enters the code. `S` is the symbol's address, `A` the addend, `P` the place's own, `G` the address of a
/// word that holds `S`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RelocationKind {
    /// 64 bits: `S + A`.
    Abs64,
    /// 32 bits: `S + A - P`.
    Pc32,
    /// 64 bits: `S + A - P`.
    Pc64,
    /// 32 bits of a call or jump: `S + A - P`, through a stub if `S` is out of reach.
    X64Call,
    /// 32 bits: `G + A - P`.
    X64GotPc32,
    /// 26 bits of `b` or `bl`, in units of 4: `S + A - P`, through a stub if `S` is out of reach.
    A64Call26,
    /// 21 bits of `adrp`: pages from `P` to `S + A`.
    A64AdrpPage,
    /// 12 bits of `add`: `S + A` within its page.
    A64AddLo12,
    /// 12 bits of a load or store of `1 << shift` bytes: `S + A` within its page, in units of its size.
    A64LdstLo12 {
        /// Binary logarithm of the size.
        shift: u8,
    },
    /// 21 bits of `adrp`: pages from `P` to `G`.
    A64GotPage,
    /// 12 bits of an 8-byte load: `G` within its page.
    A64GotLo12,
}

/// Where the instructions of a source line begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineEntry {
    /// Offset in the first text section.
    pub offset: u32,
    /// Line of the user's source.
    pub line: u32,
}

impl Object {
    /// The entry's symbol.
    pub fn entry_name(&self) -> String {
        format!("{}{ENTRY_SUFFIX}", self.name)
    }

    /// Number of bytes in all sections.
    pub fn size(&self) -> usize {
        self.sections.iter().map(|section| section.bytes.len()).sum()
    }

    /// Finds a defined symbol.
    pub fn find(&self, name: &str) -> Option<(u32, u64)> {
        self.symbols.iter().find_map(|symbol| match symbol.place {
            Place::Section { section, offset } if symbol.name == name => Some((section, offset)),
            _ => None,
        })
    }

    /// The place of an undefined symbol.
    pub(crate) fn place_of_undefined(name: &str) -> Place {
        match name {
            LINKS_SYMBOL => Place::Links,
            VERSION_SYMBOL => Place::Version,
            _ => Place::External,
        }
    }

    /// Checks the invariants: cached bytes may be damaged.
    pub fn check(&self) -> CodegenResult<()> {
        let bad = |what: String| Err(CodegenError::BadObject(what));
        for section in &self.sections {
            if !section.align.is_power_of_two() || section.align > 4096 {
                return bad(format!("a section is aligned to {}", section.align));
            }
        }
        let section_len = |idx: u32| self.sections.get(idx as usize).map(|s| s.bytes.len() as u64);
        for symbol in &self.symbols {
            if let Place::Section { section, offset } = symbol.place
                && section_len(section).is_none_or(|len| offset > len)
            {
                return bad(format!("symbol `{}` lies outside its section", symbol.name));
            }
        }
        for relocation in &self.relocations {
            let width = match relocation.kind {
                RelocationKind::Abs64 | RelocationKind::Pc64 => 8,
                _ => 4,
            };
            let end = relocation.offset.checked_add(width);
            if end.is_none_or(|end| section_len(relocation.section).is_none_or(|len| end > len)) {
                return bad("a relocation lies outside its section".to_string());
            }
            if relocation.symbol as usize >= self.symbols.len() {
                return bad("a relocation names no symbol".to_string());
            }
        }
        for name in [&self.name, &self.entry_name()] {
            if self.find(name).is_none_or(|(section, _)| self.sections[section as usize].kind != SectionKind::Text) {
                return bad(format!("no function `{name}`"));
            }
        }
        Ok(())
    }
}
