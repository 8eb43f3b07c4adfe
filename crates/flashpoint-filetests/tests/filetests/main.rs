//! The one test binary: every file of `filetests/`, and random functions.
//!
//! `FLASHPOINT_BLESS=1` writes the expected texts anew, `FLASHPOINT_FILETEST=part/of/path` runs some files only.

mod random;

use std::path::{Path, PathBuf};

use flashpoint_filetests::{Answer, run_file};

#[test]
fn every_file_keeps_its_claims() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../filetests");
    let only = std::env::var("FLASHPOINT_FILETEST").unwrap_or_default();
    let bless = std::env::var_os("FLASHPOINT_BLESS").is_some();
    let mut files = Vec::new();
    find_files(&root, &mut files);
    files.sort();
    files.retain(|path| path.to_string_lossy().contains(&only));
    assert!(!files.is_empty(), "no files in {}", root.display());
    let (mut failures, mut all_skipped) = (Vec::new(), 0);
    for path in &files {
        let text = std::fs::read_to_string(path).expect("a readable file");
        match run_file(&text) {
            Answer::Passed { n_skipped } => all_skipped += n_skipped,
            Answer::Differs { blessed, .. } if bless => std::fs::write(path, blessed).expect("a writable file"),
            Answer::Differs { message, .. } | Answer::Failed(message) => {
                failures.push(format!("{}: {message}", path.strip_prefix(&root).unwrap().display()));
            }
        }
    }
    let names: Vec<&str> = flashpoint_filetests::backends().iter().map(|backend| backend.name()).collect();
    println!("{} files on {}; {all_skipped} runs have no machine code", files.len(), names.join(" and "));
    assert!(failures.is_empty(), "{} of {} files fail:\n{}", failures.len(), files.len(), failures.join("\n"));
}

fn find_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "fpir") {
            files.push(path);
        }
    }
}
