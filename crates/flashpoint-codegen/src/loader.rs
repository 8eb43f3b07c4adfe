//! The loader: relocatable objects become functions that can be called. Start at [`Loader::load`].
//!
//! An object's sections are laid out one after the other in code pages of their own, followed by stubs and addresses for
//! what lies out of reach; the version word and the link table lie in data pages of the same region. Relocations are applied
//! to a copy in ordinary memory, which is then published at once.
//!
//! Invariant: an object refers to nothing but itself, the two symbols of the loader, and [`EXTERNALS`]; anything else is an
//! error, so that code of a cache cannot reach what this build does not mean to offer.
#![allow(unsafe_code, reason = "takes the addresses of C functions")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::code_object::{Arch, Object, Place, Relocation, RelocationKind, SectionKind};
use crate::error::{CodegenError, CodegenResult};
use crate::memory::{Allocation, Arena};
use flashpoint_ir::planted::{Defect, planted};

/// Makes objects callable. Clones share one arena.
#[derive(Clone, Debug)]
pub struct Loader {
    arena: Arc<Arena>,
}

/// Code that can be called, until it is dropped.
///
/// Dropping frees the memory: whoever holds the addresses must have seen to it that no thread runs the code and no link
/// table names it. That is the engine's part, by epochs; calling an address is `unsafe` for that reason.
#[derive(Debug)]
pub struct LoadedCode {
    arena: Arc<Arena>,
    allocation: Allocation,
    n_links: usize,
    entry: usize,
    inner: usize,
    image_len: usize,
}

impl Loader {
    /// A loader whose code takes at most `budget` bytes.
    pub fn new(budget: usize) -> Loader {
        Loader { arena: Arc::new(Arena::new(budget)) }
    }

    /// Bytes of code and tables that are loaded.
    pub fn bytes_in_use(&self) -> usize {
        self.arena.bytes_in_use()
    }

    /// Loads `object` as version number `version`, which its exits store to the context. The link table starts as zeros:
    /// fill it before the code runs.
    pub fn load(&self, object: &Object, version: u64) -> CodegenResult<LoadedCode> {
        object.check()?;
        if Arch::host() != Some(object.arch) {
            return Err(CodegenError::BadObject(format!("it is for {:?}", object.arch)));
        }
        let layout = Layout::of(object)?;
        let n_links = object.n_links as usize;
        let allocation = self.arena.allocate(layout.len, layout.align, 8 * (1 + n_links))?;
        let mut code =
            LoadedCode { arena: self.arena.clone(), allocation, n_links, entry: 0, inner: 0, image_len: layout.len };
        let image = Image::relocate(object, &layout, code.allocation.image(), code.allocation.data())?;
        self.arena.publish(&code.allocation, &image)?;
        code.allocation.words(1)[0].store(version, Ordering::Release);
        let address_of = |name: &str| {
            let (section, offset) = object.find(name).expect("`check` saw both functions");
            code.allocation.image() + layout.sections[section as usize] + offset as usize
        };
        (code.inner, code.entry) = (address_of(&object.name), address_of(&object.entry_name()));
        Ok(code)
    }
}

impl LoadedCode {
    /// Address of `extern "C" fn(ctx: *mut Context, args: *const u64) -> u64`.
    pub fn entry(&self) -> usize {
        self.entry
    }

    /// Address of the inner function.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// The link table: word `i` is the address of the cell that holds the address of unit `i`'s current inner function.
    pub fn links(&self) -> &[AtomicU64] {
        &self.allocation.words(1 + self.n_links)[1..]
    }

    /// Whether the code contains this address: for profilers and fault handlers.
    pub fn contains(&self, address: usize) -> bool {
        (self.allocation.image()..self.allocation.image() + self.image_len).contains(&address)
    }

    /// Bytes taken from the arena.
    pub fn size(&self) -> usize {
        self.allocation.size()
    }
}

impl Drop for LoadedCode {
    fn drop(&mut self) {
        self.arena.free(&self.allocation);
    }
}

/// Where everything of an image goes, as offsets from its start.
struct Layout {
    sections: Vec<usize>,
    /// For each symbol: the word that holds its address.
    got: Vec<Option<usize>>,
    /// For each symbol: a jump to that address.
    stubs: Vec<Option<usize>>,
    len: usize,
    align: usize,
}

const STUB_BYTES: usize = 16;

impl Layout {
    fn of(object: &Object) -> CodegenResult<Layout> {
        let mut len = 0usize;
        let mut align = 16;
        let mut sections = vec![0; object.sections.len()];
        // Code first: calls stay short, and constants that follow it cannot be run into.
        for kind in [SectionKind::Text, SectionKind::Rodata] {
            for (idx, section) in object.sections.iter().enumerate().filter(|(_, section)| section.kind == kind) {
                align = align.max(section.align as usize);
                len = len.next_multiple_of(section.align as usize);
                sections[idx] = len;
                len += section.bytes.len();
            }
        }
        len = len.next_multiple_of(16);
        let mut got = vec![None; object.symbols.len()];
        let mut stubs = vec![None; object.symbols.len()];
        for relocation in &object.relocations {
            let symbol = relocation.symbol as usize;
            let is_external = object.symbols[symbol].place == Place::External;
            let needs_stub =
                is_external && matches!(relocation.kind, RelocationKind::X64Call | RelocationKind::A64Call26);
            let needs_word = needs_stub
                || matches!(
                    relocation.kind,
                    RelocationKind::X64GotPc32 | RelocationKind::A64GotPage | RelocationKind::A64GotLo12
                );
            if needs_stub && stubs[symbol].is_none() {
                stubs[symbol] = Some(len);
                len += STUB_BYTES;
            }
            if needs_word && got[symbol].is_none() {
                got[symbol] = Some(len);
                len += 16;
            }
        }
        Ok(Layout { sections, got, stubs, len, align })
    }
}

/// The bytes of an object as they will stand in memory.
struct Image<'a> {
    object: &'a Object,
    layout: &'a Layout,
    bytes: Vec<u8>,
    base: usize,
    data: usize,
}

impl Image<'_> {
    fn relocate(object: &Object, layout: &Layout, base: usize, data: usize) -> CodegenResult<Vec<u8>> {
        let mut image = Image { object, layout, bytes: vec![0; layout.len], base, data };
        for (section, start) in object.sections.iter().zip(&layout.sections) {
            image.bytes[*start..*start + section.bytes.len()].copy_from_slice(&section.bytes);
        }
        for symbol in 0..object.symbols.len() {
            if let Some(word) = layout.got[symbol] {
                let address = image.address_of(symbol)?;
                image.bytes[word..word + 8].copy_from_slice(&(address as u64).to_le_bytes());
            }
            if let (Some(stub), Some(word)) = (layout.stubs[symbol], layout.got[symbol]) {
                image.write_stub(stub, word)?;
            }
        }
        for relocation in &object.relocations {
            image.apply(relocation)?;
        }
        Ok(image.bytes)
    }

    fn address_of(&self, symbol: usize) -> CodegenResult<usize> {
        let symbol = &self.object.symbols[symbol];
        Ok(match symbol.place {
            Place::Section { section, offset } => self.base + self.layout.sections[section as usize] + offset as usize,
            Place::Version => self.data,
            Place::Links => self.data + 8,
            Place::External => external_address(&symbol.name)
                .ok_or_else(|| CodegenError::BadObject(format!("it needs `{}`, which is not offered", symbol.name)))?,
        })
    }

    /// A jump to the address in `word`.
    fn write_stub(&mut self, stub: usize, word: usize) -> CodegenResult<()> {
        match self.object.arch {
            Arch::X86_64 => {
                // jmp *[rip + distance]
                let distance = (word - (stub + 6)) as u32;
                self.bytes[stub..stub + 2].copy_from_slice(&[0xff, 0x25]);
                self.bytes[stub + 2..stub + 6].copy_from_slice(&distance.to_le_bytes());
            }
            Arch::Aarch64 => {
                // ldr x16, distance; br x16
                let distance = ((word - stub) / 4) as u32;
                self.put_u32(stub, 0x5800_0010 | (distance << 5));
                self.put_u32(stub + 4, 0xd61f_0200);
            }
        }
        Ok(())
    }

    fn apply(&mut self, relocation: &Relocation) -> CodegenResult<()> {
        use RelocationKind as Kind;
        let symbol = relocation.symbol as usize;
        let at = self.layout.sections[relocation.section as usize] + relocation.offset as usize;
        let place = (self.base + at) as i64;
        let got = |image: &Self| {
            let word = image.layout.got[symbol].expect("the layout gave a word to every such symbol");
            (image.base + word) as i64
        };
        let target = match (relocation.kind, self.layout.stubs[symbol]) {
            (Kind::X64GotPc32 | Kind::A64GotPage | Kind::A64GotLo12, _) => got(self),
            (Kind::X64Call | Kind::A64Call26, Some(stub)) => (self.base + stub) as i64,
            _ => self.address_of(symbol)? as i64,
        };
        let is_lost = planted(Defect::LoaderAddendLost) && relocation.kind == Kind::Pc32;
        let address = target.wrapping_add(if is_lost { 0 } else { relocation.addend });
        let distance = address.wrapping_sub(place);
        let out_of_reach = || CodegenError::BadObject(format!("{:?} does not reach its target", relocation.kind));
        match relocation.kind {
            Kind::Abs64 => self.bytes[at..at + 8].copy_from_slice(&address.to_le_bytes()),
            Kind::Pc64 => self.bytes[at..at + 8].copy_from_slice(&distance.to_le_bytes()),
            Kind::Pc32 | Kind::X64Call | Kind::X64GotPc32 => {
                let distance = i32::try_from(distance).map_err(|_| out_of_reach())?;
                self.bytes[at..at + 4].copy_from_slice(&distance.to_le_bytes());
            }
            Kind::A64Call26 => {
                if distance % 4 != 0 || !(-(1 << 27)..1 << 27).contains(&distance) {
                    return Err(out_of_reach());
                }
                self.patch(at, 0x03ff_ffff, (distance >> 2) as u32);
            }
            Kind::A64AdrpPage | Kind::A64GotPage => {
                let pages = (address >> 12) - (place >> 12);
                if !(-(1 << 20)..1 << 20).contains(&pages) {
                    return Err(out_of_reach());
                }
                let (low, high) = (pages as u32 & 3, (pages >> 2) as u32 & 0x7_ffff);
                self.patch(at, 3 << 29 | 0x7_ffff << 5, low << 29 | high << 5);
            }
            Kind::A64AddLo12 => self.patch(at, 0xfff << 10, (address as u32 & 0xfff) << 10),
            Kind::A64LdstLo12 { shift } => self.patch_load(at, address, shift).ok_or_else(out_of_reach)?,
            Kind::A64GotLo12 => self.patch_load(at, address, 3).ok_or_else(out_of_reach)?,
        }
        Ok(())
    }

    /// Sets the scaled 12-bit offset of a load or store.
    fn patch_load(&mut self, at: usize, address: i64, shift: u8) -> Option<()> {
        let low = address as u32 & 0xfff;
        if shift > 4 || low & ((1 << shift) - 1) != 0 {
            return None;
        }
        self.patch(at, 0xfff << 10, (low >> shift) << 10);
        Some(())
    }

    fn patch(&mut self, at: usize, mask: u32, bits: u32) {
        let old = u32::from_le_bytes(self.bytes[at..at + 4].try_into().expect("four bytes"));
        self.put_u32(at, old & !mask | bits & mask);
    }

    fn put_u32(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

macro_rules! externals {
    ($($name:ident),* $(,)?) => {
        /// What an object may refer to outside itself: memory routines that compilers invent, and libm functions that
        /// stand for instructions an old processor lacks. Everything else goes through the context's table.
        pub const EXTERNALS: &[&str] = &[$(stringify!($name)),*];

        fn external_address(name: &str) -> Option<usize> {
            // Only the addresses are used; the types do not matter.
            unsafe extern "C" {
                $(fn $name();)*
            }
            $(if name == stringify!($name) {
                return Some($name as *const () as usize);
            })*
            None
        }
    };
}

#[allow(clashing_extern_declarations, reason = "only the addresses are used")]
mod externals {
    externals!(
        memcpy, memmove, memset, ceil, ceilf, floor, floorf, trunc, truncf, rint, rintf, nearbyint, nearbyintf, fmod,
        fmodf, fma, fmaf,
    );

    pub(super) fn address(name: &str) -> Option<usize> {
        external_address(name)
    }
}
pub use externals::EXTERNALS;
use externals::address as external_address;
