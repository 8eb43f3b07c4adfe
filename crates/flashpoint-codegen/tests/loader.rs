//! The loader: memory comes back, and code reaches across sections.

mod common;

use common::{Call, Machine, VERSION, backends, loader, run, straight_line};
use flashpoint_codegen::code_object::{Arch, Place, Relocation, RelocationKind, Section, SectionKind, Symbol};
use flashpoint_codegen::{CodegenError, CompileOptions, Loader, Object};
use flashpoint_ir::typed::{BinaryOp, Type};

#[test]
fn ten_thousand_functions_come_and_go() {
    let loader = Loader::new(16 << 20);
    let func = straight_line("f", &[Type::I64], |b, p| {
        let one = b.i64(1);
        b.binary(BinaryOp::Iadd, p[0], one)
    });
    let object = backends()[0].compile(&func, &CompileOptions::default()).unwrap();
    let mut alive = std::collections::VecDeque::new();
    for i in 0..10_000u64 {
        let code = loader.load(&object, i).unwrap();
        assert_eq!(run(&code, &[i]), i + 1);
        assert!(code.contains(code.entry()));
        alive.push_back(code);
        if alive.len() > 100 {
            // Not in the order of loading, so that the free list sees holes.
            let victim = (i * 7919 % 100) as usize;
            alive.remove(victim);
        }
    }
    for code in &alive {
        assert_eq!(run(code, &[41]), 42);
    }
    assert!(loader.bytes_in_use() < 102 * 8192);
    alive.clear();
    assert_eq!(loader.bytes_in_use(), 0);
}

#[test]
fn many_threads_load_and_call() {
    let loader = Loader::new(64 << 20);
    std::thread::scope(|scope| {
        for t in 0..4u64 {
            let loader = &loader;
            scope.spawn(move || {
                for i in 0..200u64 {
                    let func = straight_line("f", &[Type::I64], |b, p| {
                        let c = b.i64((t * 1000 + i) as i64);
                        b.binary(BinaryOp::Imul, p[0], c)
                    });
                    let object = backends()[0].compile(&func, &CompileOptions::default()).unwrap();
                    let code = loader.load(&object, i).unwrap();
                    assert_eq!(run(&code, &[3]), 3 * (t * 1000 + i));
                }
            });
        }
    });
    assert_eq!(loader.bytes_in_use(), 0);
}

#[test]
fn objects_survive_serialisation() {
    let func = straight_line("g", &[Type::F64], |b, p| b.binary(BinaryOp::Fadd, p[0], p[0]));
    for backend in backends() {
        let object = backend.compile(&func, &CompileOptions::default()).unwrap();
        let bytes = postcard::to_stdvec(&object).unwrap();
        let back: Object = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(back, object);
        let code = loader().load(&back, VERSION).unwrap();
        assert_eq!(f64::from_bits(run(&code, &[1.25f64.to_bits()])), 2.5);
    }
}

/// `entry` loads through a PC-relative reference, an absolute pointer and the table of addresses, and calls `memset`.
#[cfg(target_arch = "x86_64")]
#[test]
fn relocations_reach_across_sections() {
    let mut text = Vec::new();
    let mut relocations = Vec::new();
    let mut relocate = |text: &[u8], section, kind, symbol, addend| {
        relocations.push(Relocation { section, offset: text.len() as u64 - 4, kind, symbol, addend });
    };
    // push rdi (keeps the stack aligned for the call below)
    text.extend([0x57]);
    // mov rax, [rip + constant]
    text.extend([0x48, 0x8b, 0x05, 0, 0, 0, 0]);
    relocate(&text, 0, RelocationKind::Pc32, 2, -4);
    // mov rcx, [rip + pointer]; add rax, [rcx]
    text.extend([0x48, 0x8b, 0x0d, 0, 0, 0, 0]);
    relocate(&text, 0, RelocationKind::Pc32, 3, -4);
    text.extend([0x48, 0x03, 0x01]);
    // mov rcx, [rip + address of constant]; add rax, [rcx]
    text.extend([0x48, 0x8b, 0x0d, 0, 0, 0, 0]);
    relocate(&text, 0, RelocationKind::X64GotPc32, 2, -4);
    text.extend([0x48, 0x03, 0x01]);
    // mov [rdi + result], rax
    text.extend([0x48, 0x89, 0x47, flashpoint_ir::abi::offset::RESULT as u8]);
    // mov rdi, [rsi]; mov esi, 7; mov edx, 5; call memset
    text.extend([0x48, 0x8b, 0x3e, 0xbe, 7, 0, 0, 0, 0xba, 5, 0, 0, 0, 0xe8, 0, 0, 0, 0]);
    relocate(&text, 0, RelocationKind::X64Call, 4, -4);
    // pop rdi; xor eax, eax; ret
    text.extend([0x5f, 0x31, 0xc0, 0xc3]);
    relocations.push(Relocation { section: 2, offset: 8, kind: RelocationKind::Abs64, symbol: 2, addend: 0 });
    let at = |section, offset| Place::Section { section, offset };
    let object = Object {
        name: "f".to_string(),
        arch: Arch::X86_64,
        sections: vec![
            Section { kind: SectionKind::Text, align: 16, bytes: text },
            Section { kind: SectionKind::Rodata, align: 8, bytes: 14u64.to_le_bytes().to_vec() },
            Section { kind: SectionKind::Rodata, align: 64, bytes: vec![0; 16] },
        ],
        symbols: vec![
            Symbol { name: "f".to_string(), place: at(0, 0) },
            Symbol { name: "f.entry".to_string(), place: at(0, 0) },
            Symbol { name: "constant".to_string(), place: at(1, 0) },
            Symbol { name: "pointer".to_string(), place: at(2, 8) },
            Symbol { name: "memset".to_string(), place: Place::External },
        ],
        relocations,
        n_links: 3,
        exit_words: 0,
        lines: vec![],
        asm: None,
        ir: None,
    };
    let code = loader().load(&object, VERSION).unwrap();
    assert_eq!(code.links().len(), 3);
    let mut buffer = [0u64; 1];
    let mut machine = Machine::new();
    assert_eq!(machine.call(&code, &[buffer.as_mut_ptr().expose_provenance() as u64]), 0);
    assert_eq!(machine.ctx.result, 42);
    assert_eq!(buffer[0].to_le_bytes(), [7, 7, 7, 7, 7, 0, 0, 0]);

    let mut unknown = object.clone();
    unknown.symbols[4].name = "system".to_string();
    assert!(matches!(loader().load(&unknown, 0), Err(CodegenError::BadObject(what)) if what.contains("system")));
    let mut damaged = object.clone();
    damaged.relocations[0].offset = 1 << 40;
    assert!(matches!(loader().load(&damaged, 0), Err(CodegenError::BadObject(_))));
    let mut foreign = object;
    foreign.arch = Arch::Aarch64;
    assert!(matches!(loader().load(&foreign, 0), Err(CodegenError::BadObject(_))));
}

#[test]
fn a_spent_budget_is_an_error() {
    let loader = Loader::new(10_000);
    let func = straight_line("f", &[Type::I64], |_, p| p[0]);
    let object = backends()[0].compile(&func, &CompileOptions::default()).unwrap();
    let first = loader.load(&object, 0).unwrap();
    let _second = loader.load(&object, 0).unwrap();
    assert!(matches!(loader.load(&object, 0), Err(CodegenError::OutOfMemory(_))));
    drop(first);
    loader.load(&object, 0).unwrap();
}

/// A child keeps the code it was forked with, whatever its parent frees and loads.
#[test]
fn a_forked_child_keeps_its_code() {
    let loader = Loader::new(1 << 20);
    let adding = |constant| {
        let func = straight_line("f", &[Type::I64], |b, p| {
            let constant = b.i64(constant);
            b.binary(BinaryOp::Iadd, p[0], constant)
        });
        backends()[0].compile(&func, &CompileOptions::default()).unwrap()
    };
    let (one, two) = (adding(1), adding(2));
    let code = loader.load(&one, 0).unwrap();
    let mut machine = Machine::new();
    let mut to_child = [0; 2];
    // SAFETY: `to_child` has room for two descriptors.
    assert_eq!(unsafe { libc::pipe(to_child.as_mut_ptr()) }, 0);
    // SAFETY: the child waits for its parent, calls code, loads with this test's own loader, and leaves without unwinding.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let mut byte = 0u8;
        // SAFETY: reads one byte into `byte`.
        let n_read = unsafe { libc::read(to_child[0], (&raw mut byte).cast(), 1) };
        let kept = machine.call(&code, &[41]) == 0 && machine.ctx.result == 42;
        let own = loader.load(&two, 0).is_ok_and(|code| machine.call(&code, &[41]) == 0 && machine.ctx.result == 43);
        // SAFETY: ends the child.
        unsafe { libc::_exit(i32::from(!(n_read == 1 && kept && own))) };
    }
    drop(code);
    let others: Vec<_> = (0..10).map(|_| loader.load(&two, 0).unwrap()).collect();
    assert!(others.iter().all(|code| run(code, &[1]) == 3));
    let mut status = -1;
    // SAFETY: writes one byte, then waits for the child made above.
    unsafe {
        assert_eq!(libc::write(to_child[1], c"x".as_ptr().cast(), 1), 1);
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
    }
    assert_eq!(status, 0);
}
