//! Links LLVM's static archives into whatever this package links, when the feature `static` is on (the default).
//!
//! With `dynamic`, llvm-sys links the system's libLLVM.so and nothing happens here. With `static`, llvm-sys links
//! nothing; this script names the archives of the host's target and of [`COMPONENTS`], so that the library needs
//! neither LLVM, libstdc++, zlib, zstd nor libffi on the machine it runs on. They are linker arguments, not link
//! libraries: of the latter rustc would copy every archive into an rlib first.
//!
//! Invariant: the library exports the functions of its own C interface and nothing of LLVM. Kept by rustc's version
//! script for cdylibs and by `--exclude-libs`; checked by `scripts/wheel`.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// What the linker may draw from. Archive members nobody refers to stay out, so a spare component costs nothing.
const COMPONENTS: &[&str] = &["native", "engine", "passes", "irreader", "bitwriter", "linker"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LLVM_SYS_221_PREFIX");
    if env::var_os("CARGO_FEATURE_STATIC").is_none() {
        return;
    }
    assert!(
        env::var_os("CARGO_FEATURE_DYNAMIC").is_none(),
        "the features `static` and `dynamic` exclude each other: for `dynamic` add --no-default-features"
    );
    let lib_dir = llvm_config(&["--libdir"]);
    let mut query = vec!["--link-static", "--libnames"];
    query.extend(COMPONENTS);
    let archives = llvm_config(&query);

    arg(&format!("-L{}", lib_dir.trim()));
    arg("-Wl,--start-group");
    for archive in archives.split_whitespace() {
        arg(&format!("-l:{archive}"));
    }
    arg("-Wl,--end-group");
    for archive in ["libffi.a", "libzstd.a", "libz.a", "libstdc++.a"] {
        arg(&format!("-l:{archive}"));
    }
    arg("-Wl,--exclude-libs,ALL");
    arg("-Wl,--gc-sections");
    // A missing archive is an error here, not at the user's first tier-2 compilation.
    arg("-Wl,-z,defs");
}

fn arg(value: &str) {
    println!("cargo:rustc-link-arg={value}");
}

/// Runs the llvm-config that llvm-sys uses, and returns what it prints.
fn llvm_config(args: &[&str]) -> String {
    let candidates = match env::var_os("LLVM_SYS_221_PREFIX") {
        Some(prefix) => vec![PathBuf::from(prefix).join("bin/llvm-config")],
        None => vec![PathBuf::from("llvm-config-22"), PathBuf::from("llvm-config")],
    };
    for program in &candidates {
        if let Ok(output) = Command::new(program).args(args).output()
            && output.status.success()
        {
            return String::from_utf8(output.stdout).expect("llvm-config prints UTF-8");
        }
    }
    panic!("no llvm-config among {candidates:?} could run with {args:?}: set LLVM_SYS_221_PREFIX to LLVM 22's prefix");
}
