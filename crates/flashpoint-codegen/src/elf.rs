//! Reads relocatable ELF objects, as LLVM writes them, into [`Object`]s.
//!
//! Kept: code and constants, with their relocations and the symbols these name. Left out: everything else, notably
//! unwinding tables. Refused: writable data, thread-local data, and relocations that need addresses below 4 GiB.

use object::read::elf::ElfFile64;
use object::{Architecture, Endianness, ObjectSection, ObjectSymbol, elf};
use object::{Object as _, RelocationTarget, SectionIndex, SymbolIndex};

use crate::code_object::{Arch, Object, Place, Relocation, RelocationKind, Section, SectionKind, Symbol};
use crate::error::{CodegenError, CodegenResult};

impl Object {
    /// Reads an ELF object that defines `name` and `name.entry`. Link count, exit words and texts are left for the caller.
    pub fn from_elf(name: &str, bytes: &[u8]) -> CodegenResult<Object> {
        let file = ElfFile64::<Endianness>::parse(bytes).map_err(bad)?;
        let arch = match file.architecture() {
            Architecture::X86_64 => Arch::X86_64,
            Architecture::Aarch64 => Arch::Aarch64,
            other => return Err(CodegenError::BadObject(format!("it is for {other:?}"))),
        };
        let mut object = Object {
            name: name.to_string(),
            arch,
            sections: Vec::new(),
            symbols: Vec::new(),
            relocations: Vec::new(),
            n_links: 0,
            exit_words: 0,
            lines: Vec::new(),
            asm: None,
            ir: None,
        };
        let mut numbers = vec![None; file.sections().map(|s| s.index().0 + 1).max().unwrap_or(0)];
        for section in file.sections() {
            let section_name = section.name().map_err(bad)?;
            let object::SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
            let is_loaded = sh_flags.0 & elf::SHF_ALLOC.0 != 0;
            if !is_loaded || section_name.starts_with(".eh_frame") || section.size() == 0 {
                continue;
            }
            let is_writable = sh_flags.0 & elf::SHF_WRITE.0 != 0;
            let kind = if sh_flags.0 & elf::SHF_EXECINSTR.0 != 0 {
                SectionKind::Text
            } else if !is_writable || section_name.starts_with(".data.rel.ro") {
                SectionKind::Rodata
            } else {
                return Err(CodegenError::BadObject(format!("writable section `{section_name}`")));
            };
            numbers[section.index().0] = Some(object.sections.len() as u32);
            let align = u32::try_from(section.align().max(1)).map_err(bad)?;
            object.sections.push(Section { kind, align, bytes: section.data().map_err(bad)?.to_vec() });
        }

        let mut symbol_numbers = std::collections::HashMap::new();
        for symbol in file.symbols().filter(|symbol| symbol.is_global() && symbol.is_definition()) {
            add_symbol(&mut object, &mut symbol_numbers, &file, symbol.index(), &numbers)?;
        }
        for section in file.sections() {
            let Some(number) = numbers[section.index().0] else { continue };
            for (offset, relocation) in section.relocations() {
                let object::RelocationFlags::Elf { r_type } = relocation.flags() else {
                    return Err(CodegenError::BadObject("not a relocation of ELF".to_string()));
                };
                let RelocationTarget::Symbol(index) = relocation.target() else {
                    return Err(CodegenError::BadObject("a relocation without a symbol".to_string()));
                };
                let symbol = add_symbol(&mut object, &mut symbol_numbers, &file, index, &numbers)?;
                let kind = relocation_kind(arch, r_type)?;
                object.relocations.push(Relocation {
                    section: number,
                    offset,
                    kind,
                    symbol,
                    addend: relocation.addend(),
                });
            }
        }
        object.check()?;
        Ok(object)
    }
}

/// The number of a symbol, which is added if it is new.
fn add_symbol(
    object: &mut Object,
    symbol_numbers: &mut std::collections::HashMap<SymbolIndex, u32>,
    file: &ElfFile64<'_, Endianness>,
    index: SymbolIndex,
    sections: &[Option<u32>],
) -> CodegenResult<u32> {
    if let Some(number) = symbol_numbers.get(&index) {
        return Ok(*number);
    }
    let symbol = file.symbol_by_index(index).map_err(bad)?;
    let name = symbol.name().map_err(bad)?.to_string();
    let place = match symbol.section_index() {
        Some(SectionIndex(section)) => {
            let section = sections.get(section).copied().flatten();
            let section =
                section.ok_or_else(|| CodegenError::BadObject(format!("`{name}` lies in no loaded section")))?;
            Place::Section { section, offset: symbol.address() }
        }
        None if symbol.is_undefined() => Object::place_of_undefined(&name),
        None => return Err(CodegenError::BadObject(format!("symbol `{name}` is neither defined nor undefined"))),
    };
    let number = object.symbols.len() as u32;
    object.symbols.push(Symbol { name, place });
    symbol_numbers.insert(index, number);
    Ok(number)
}

fn relocation_kind(arch: Arch, r_type: elf::RelocationType) -> CodegenResult<RelocationKind> {
    use RelocationKind as Kind;
    Ok(match (arch, r_type) {
        (Arch::X86_64, elf::R_X86_64_64) => Kind::Abs64,
        (Arch::X86_64, elf::R_X86_64_PC32) => Kind::Pc32,
        (Arch::X86_64, elf::R_X86_64_PC64) => Kind::Pc64,
        (Arch::X86_64, elf::R_X86_64_PLT32) => Kind::X64Call,
        (Arch::X86_64, elf::R_X86_64_GOTPCREL | elf::R_X86_64_GOTPCRELX | elf::R_X86_64_REX_GOTPCRELX) => {
            Kind::X64GotPc32
        }
        (Arch::Aarch64, elf::R_AARCH64_ABS64) => Kind::Abs64,
        (Arch::Aarch64, elf::R_AARCH64_PREL32) => Kind::Pc32,
        (Arch::Aarch64, elf::R_AARCH64_PREL64) => Kind::Pc64,
        (Arch::Aarch64, elf::R_AARCH64_CALL26 | elf::R_AARCH64_JUMP26) => Kind::A64Call26,
        (Arch::Aarch64, elf::R_AARCH64_ADR_PREL_PG_HI21) => Kind::A64AdrpPage,
        (Arch::Aarch64, elf::R_AARCH64_ADD_ABS_LO12_NC) => Kind::A64AddLo12,
        (Arch::Aarch64, elf::R_AARCH64_LDST8_ABS_LO12_NC) => Kind::A64LdstLo12 { shift: 0 },
        (Arch::Aarch64, elf::R_AARCH64_LDST16_ABS_LO12_NC) => Kind::A64LdstLo12 { shift: 1 },
        (Arch::Aarch64, elf::R_AARCH64_LDST32_ABS_LO12_NC) => Kind::A64LdstLo12 { shift: 2 },
        (Arch::Aarch64, elf::R_AARCH64_LDST64_ABS_LO12_NC) => Kind::A64LdstLo12 { shift: 3 },
        (Arch::Aarch64, elf::R_AARCH64_LDST128_ABS_LO12_NC) => Kind::A64LdstLo12 { shift: 4 },
        (Arch::Aarch64, elf::R_AARCH64_ADR_GOT_PAGE) => Kind::A64GotPage,
        (Arch::Aarch64, elf::R_AARCH64_LD64_GOT_LO12_NC) => Kind::A64GotLo12,
        _ => return Err(CodegenError::BadObject(format!("relocation {r_type:?} of {arch:?}"))),
    })
}

fn bad(error: impl std::fmt::Display) -> CodegenError {
    CodegenError::BadObject(error.to_string())
}
