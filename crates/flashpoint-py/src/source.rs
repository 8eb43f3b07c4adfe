//! Finds the syntax tree of a function.
//!
//! Text comes from `linecache` (files, notebooks, doctests, whatever registers itself there) or from the command line
//! (`python -c`). A tree is trusted only if compiling the text with the function's own flags gives a code object equal
//! to `f.__code__`, nested code objects and source positions included. So an edited file is noticed, and of several
//! lambdas on one line the right one is taken.
//!
//! What is compiled is the function's own block where it stands at the left margin, under an import of what it uses of the
//! module's imports (CPython compiles a call of an imported module's attribute differently); else the whole text, so that
//! free variables resolve in their enclosing scopes. Does not know about: the generic form.

use flashpoint_ir::reason::Reason;
use pyo3::exceptions::PyWarning;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCode, PyDict, PyList, PyString, PyTuple};

/// Finds the tree of `function`, an `ast.FunctionDef` or `ast.Lambda`, or says why there is none. An `Err` is a Python
/// exception that is not about source.
pub fn locate<'py>(function: &Bound<'py, PyAny>) -> PyResult<Result<Bound<'py, PyAny>, Reason>> {
    let py = function.py();
    let code = function.getattr(intern!(py, "__code__"))?;
    let flags: u32 = code.getattr(intern!(py, "co_flags"))?.extract()?;
    if flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR) != 0 {
        return Ok(Err(Reason::Generator));
    }
    let search = Search { wanted: Wanted::new(&code)?, future_flags: flags & future_mask(py)?, code };
    let globals = function.getattr(intern!(py, "__globals__"))?;
    let mut found_text = false;
    for text in texts(&search.code, &globals)? {
        found_text = true;
        if let Some(located) = search.in_text(&text)? {
            return Ok(Ok(located));
        }
    }
    Ok(Err(if found_text { Reason::SourceChanged } else { Reason::NoSource }))
}

const CO_GENERATOR: u32 = 0x20;
const CO_COROUTINE: u32 = 0x80;
const CO_ASYNC_GENERATOR: u32 = 0x200;
const PYCF_ONLY_AST: u32 = 0x400;

/// The flags of all `from __future__` features.
fn future_mask(py: Python<'_>) -> PyResult<u32> {
    static MASK: PyOnceLock<u32> = PyOnceLock::new();
    let mask = MASK.get_or_try_init(py, || -> PyResult<u32> {
        let module = py.import("__future__")?;
        let mut mask = 0;
        for name in module.getattr("all_feature_names")?.try_iter()? {
            mask |= module.getattr(name?.cast::<PyString>()?)?.getattr("compiler_flag")?.extract::<u32>()?;
        }
        // `nested_scopes` shares its number with CO_NESTED, which compile() refuses.
        Ok(mask & !0x10)
    })?;
    Ok(*mask)
}

/// The texts in which the code may have been written, likeliest first.
fn texts<'py>(code: &Bound<'py, PyAny>, globals: &Bound<'py, PyAny>) -> PyResult<Vec<Vec<String>>> {
    let py = code.py();
    let file = code.getattr(intern!(py, "co_filename"))?;
    let name: String = file.extract()?;
    let linecache = py.import(intern!(py, "linecache"))?;
    linecache.call_method1(intern!(py, "checkcache"), (&file,))?;
    let mut lines = linecache.call_method1(intern!(py, "getlines"), (&file, globals))?;
    if lines.len()? == 0
        && name.starts_with('<')
        && let Some(from_code) = linecache.getattr_opt("_getlines_from_code")?
    {
        lines = from_code.call1((code,))?;
    }
    let mut texts = Vec::new();
    if lines.len()? > 0 {
        texts.push(lines.extract()?);
    }
    if name == "<string>" {
        texts.extend(command_line_texts(py)?);
    }
    Ok(texts)
}

/// What may be the text of `python -c`.
fn command_line_texts(py: Python<'_>) -> PyResult<Vec<Vec<String>>> {
    let sys = py.import(intern!(py, "sys"))?;
    let argv: Vec<String> = sys.getattr("argv")?.extract().unwrap_or_default();
    if argv.first().map(String::as_str) != Some("-c") {
        return Ok(Vec::new());
    }
    let words: Vec<String> = sys.getattr("orig_argv")?.extract().unwrap_or_default();
    let mut texts = Vec::new();
    for (i, word) in words.iter().enumerate().skip(1) {
        if word.starts_with('-')
            && !word.starts_with("--")
            && let Some(at) = word.find('c')
        {
            let attached = &word[at + 1..];
            let text = if attached.is_empty() { words.get(i + 1).map_or("", String::as_str) } else { attached };
            // Newer Pythons dedent the text.
            let dedented = py.import("textwrap")?.call_method1("dedent", (text,))?.extract::<String>()?;
            for text in [text, &dedented] {
                texts.push(text.split_inclusive('\n').map(str::to_owned).collect());
            }
            break;
        }
    }
    Ok(texts)
}

/// What identifies the function before its code is compared.
struct Wanted {
    file: String,
    name: String,
    first_line: usize,
    is_lambda: bool,
}

impl Wanted {
    fn new(code: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = code.py();
        let name: String = code.getattr(intern!(py, "co_name"))?.extract()?;
        Ok(Wanted {
            file: code.getattr(intern!(py, "co_filename"))?.extract()?,
            first_line: code.getattr(intern!(py, "co_firstlineno"))?.extract()?,
            is_lambda: name == "<lambda>",
            name,
        })
    }
}

struct Search<'py> {
    wanted: Wanted,
    future_flags: u32,
    code: Bound<'py, PyAny>,
}

impl<'py> Search<'py> {
    fn in_text(&self, lines: &[String]) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.wanted.first_line == 0 || self.wanted.first_line > lines.len() {
            return Ok(None);
        }
        if let Some(block) = margin_block(lines, self.wanted.first_line - 1) {
            let imports = import_statement(lines, &names_used(&self.code)?);
            if let Some(located) = self.in_module(&(imports + &block))? {
                return Ok(Some(located));
            }
        }
        self.in_module(&lines.concat())
    }

    /// Searches a text whose line numbers are the file's. `None` also if it does not parse.
    fn in_module(&self, text: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = self.code.py();
        let text = text.into_pyobject(py)?.into_any();
        let Some(tree) = self.compile(&text, PYCF_ONLY_AST)? else { return Ok(None) };
        let mut candidates = Vec::new();
        self.collect(&tree, &mut candidates)?;
        if candidates.is_empty() {
            return Ok(None);
        }
        let Some(module) = self.compile(&text, 0)? else { return Ok(None) };
        let n_equal = self.count_equal(&module)?;
        if n_equal == 0 {
            return Ok(None);
        }
        if candidates.len() == 1 {
            return Ok(candidates.pop());
        }
        // Several on one line: the right one is the one whose code goes away when its body is replaced ...
        for candidate in &candidates {
            if self.count_without(&tree, &[candidate])? < n_equal {
                return Ok(Some(candidate.clone()));
            }
        }
        // ... or, where equal code objects without columns (3.10) became one constant, any that is left alone.
        for candidate in &candidates {
            let others: Vec<_> = candidates.iter().filter(|other| !other.is(candidate)).collect();
            if (1..=n_equal).contains(&self.count_without(&tree, &others)?) {
                return Ok(Some(candidate.clone()));
            }
        }
        Ok(None)
    }

    /// How many code objects equal the function's when the bodies of `nodes` are replaced; many if that does not compile.
    fn count_without(&self, tree: &Bound<'py, PyAny>, nodes: &[&Bound<'py, PyAny>]) -> PyResult<usize> {
        let bodies = nodes.iter().map(|node| node.getattr("body")).collect::<PyResult<Vec<_>>>()?;
        for node in nodes {
            node.setattr("body", self.placeholder(node)?)?;
        }
        let changed = self.compile(tree, 0)?;
        for (node, body) in nodes.iter().zip(bodies) {
            node.setattr("body", body)?;
        }
        changed.map_or(Ok(usize::MAX), |changed| self.count_equal(&changed))
    }

    /// `compile(what, file, "exec", flags)`; `None` if it does not compile.
    fn compile(&self, what: &Bound<'py, PyAny>, flags: u32) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = self.code.py();
        let builtins = py.import(intern!(py, "builtins"))?;
        let flags = (flags | self.future_flags) as i32;
        let kwargs = PyDict::new(py);
        kwargs.set_item(intern!(py, "dont_inherit"), true)?;
        let quiet = Quiet::begin(py)?;
        let result = builtins.call_method("compile", (what, &self.wanted.file, "exec", flags), Some(&kwargs));
        drop(quiet);
        match result {
            Ok(compiled) => Ok(Some(compiled)),
            Err(error) if is_about_the_text(py, &error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Collects the definitions that start where the function's does. Walks children with an explicit stack, because
    /// long chains of operators nest deeply.
    fn collect(&self, tree: &Bound<'py, PyAny>, out: &mut Vec<Bound<'py, PyAny>>) -> PyResult<()> {
        let py = tree.py();
        if !self.wanted.is_lambda {
            // No two functions of one name begin on one line, so one at the top is the one.
            for node in tree.getattr(intern!(py, "body"))?.try_iter()? {
                let node = node?;
                if self.is_candidate(&node, node.get_type().name()?.to_str()?)? {
                    out.push(node);
                    return Ok(());
                }
            }
        }
        let ast_node = py.import(intern!(py, "ast"))?.getattr(intern!(py, "AST"))?;
        let mut stack = vec![tree.clone()];
        while let Some(node) = stack.pop() {
            let kind = node.get_type();
            if self.is_candidate(&node, kind.name()?.to_str()?)? {
                out.push(node.clone());
            }
            for field in kind.getattr(intern!(py, "_fields"))?.try_iter()? {
                let Some(value) = node.getattr_opt(field?.cast::<PyString>()?)? else { continue };
                if let Ok(items) = value.cast::<PyList>() {
                    for item in items.iter() {
                        if item.is_instance(&ast_node)? {
                            stack.push(item);
                        }
                    }
                } else if value.is_instance(&ast_node)? {
                    stack.push(value);
                }
            }
        }
        Ok(())
    }

    fn is_candidate(&self, node: &Bound<'py, PyAny>, kind: &str) -> PyResult<bool> {
        let py = node.py();
        let line = |node: &Bound<'py, PyAny>| node.getattr(intern!(py, "lineno"))?.extract::<usize>();
        Ok(match kind {
            "Lambda" if self.wanted.is_lambda => line(node)? == self.wanted.first_line,
            "FunctionDef" if !self.wanted.is_lambda => {
                let decorators = node.getattr(intern!(py, "decorator_list"))?;
                let first = if decorators.len()? > 0 { line(&decorators.get_item(0)?)? } else { line(node)? };
                first == self.wanted.first_line
                    && node.getattr(intern!(py, "name"))?.extract::<String>()? == self.wanted.name
            }
            _ => false,
        })
    }

    /// A body that no program contains.
    fn placeholder(&self, node: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = node.py();
        let ast = py.import(intern!(py, "ast"))?;
        let constant = ast.call_method1("Constant", ("\u{0}flashpoint",))?;
        let body = if self.wanted.is_lambda {
            constant
        } else {
            PyList::new(py, [ast.call_method1("Return", (constant,))?])?.into_any()
        };
        ast.call_method1("copy_location", (&body, node)).ok();
        let holder = if self.wanted.is_lambda { body.clone() } else { body.get_item(0)? };
        ast.call_method1("copy_location", (&holder, node))?;
        ast.call_method1("fix_missing_locations", (&holder,))?;
        Ok(body)
    }

    /// How many code objects inside `code` equal the function's.
    fn count_equal(&self, code: &Bound<'py, PyAny>) -> PyResult<usize> {
        let mut n_equal = 0;
        let mut stack = vec![code.clone()];
        while let Some(code) = stack.pop() {
            if same_code(&code, &self.code)? {
                n_equal += 1;
            }
            for constant in nested_codes(&code)? {
                stack.push(constant);
            }
        }
        Ok(n_equal)
    }
}

/// As long as this lives, no warning is given about texts: those that the function's own text deserves (an invalid escape,
/// say) were given when it was first compiled.
///
/// `warnings.catch_warnings` would do that too, but it has every module forget which warnings it has shown. So a filter is
/// put before the others in the list that is there, and `warnings` is not told: warnings about a text are remembered nowhere.
/// The GIL is held meanwhile, unless an audit hook or a finalizer that runs during the compile gives it up; the list stays the
/// same object, so that a thread that changes filters then does not bring the filter back for good.
struct Quiet<'py> {
    /// The list, and the filter in it.
    filter: Option<(Bound<'py, PyList>, Bound<'py, PyTuple>)>,
}

impl<'py> Quiet<'py> {
    fn begin(py: Python<'py>) -> PyResult<Quiet<'py>> {
        let warnings = py.import(intern!(py, "warnings"))?;
        // Newer Pythons may keep the filters in a context variable.
        let filters = match warnings.getattr_opt(intern!(py, "_get_filters"))? {
            Some(of_context) => of_context.call0()?,
            None => warnings.getattr(intern!(py, "filters"))?,
        };
        // `warnings` itself would object to anything else.
        let Ok(filters) = filters.cast_into::<PyList>() else { return Ok(Quiet { filter: None }) };
        let category = py.get_type::<PyWarning>();
        let filter = ("ignore", py.None(), category, py.None(), 0).into_pyobject(py)?;
        filters.insert(0, &filter)?;
        Ok(Quiet { filter: Some((filters, filter)) })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let Some((filters, filter)) = &self.filter else { return };
        if let Some(at) = filters.iter().position(|other| other.is(filter)) {
            // It was there a moment ago, and no Python code has run since.
            let _ = filters.del_item(at);
        }
    }
}

/// Whether an exception of `compile` means that the text is not (any more) what the function was made from.
fn is_about_the_text(py: Python<'_>, error: &PyErr) -> bool {
    use pyo3::exceptions::{PyMemoryError, PyRecursionError, PySyntaxError, PyTypeError, PyValueError};
    error.is_instance_of::<PySyntaxError>(py)
        || error.is_instance_of::<PyValueError>(py)
        || error.is_instance_of::<PyRecursionError>(py)
        || error.is_instance_of::<PyMemoryError>(py)
        || error.is_instance_of::<PyTypeError>(py)
}

/// The code objects among the constants of `code`.
pub fn nested_codes<'py>(code: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let constants = code.getattr(intern!(code.py(), "co_consts"))?;
    Ok(constants.cast::<PyTuple>()?.iter().filter(|c| c.is_instance_of::<PyCode>()).collect())
}

/// Whether two code objects were compiled from the same text at the same place.
fn same_code(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = a.py();
    // `==` compares names, flags, instructions and constants, nested code objects included; not positions everywhere.
    if !a.eq(b)? && !same_but_for_nan(a, b)? {
        return Ok(false);
    }
    for table in ["co_linetable", "co_exceptiontable"] {
        if let (Some(table_a), Some(table_b)) = (a.getattr_opt(table)?, b.getattr_opt(table)?)
            && !table_a.eq(&table_b)?
        {
            return Ok(false);
        }
    }
    for attribute in [intern!(py, "co_varnames"), intern!(py, "co_freevars"), intern!(py, "co_cellvars")] {
        if !a.getattr(attribute)?.eq(b.getattr(attribute)?)? {
            return Ok(false);
        }
    }
    let (nested_a, nested_b) = (nested_codes(a)?, nested_codes(b)?);
    for (a, b) in nested_a.iter().zip(&nested_b) {
        if !same_code(a, b)? {
            return Ok(false);
        }
    }
    Ok(nested_a.len() == nested_b.len())
}

/// Whether two code objects differ in nothing but constants folded to NaN, which equals nothing but itself.
fn same_but_for_nan(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = a.py();
    let name = intern!(py, "co_consts");
    let (consts_a, consts_b) = (a.getattr(name)?.cast_into::<PyTuple>()?, b.getattr(name)?.cast_into::<PyTuple>()?);
    if consts_a.len() != consts_b.len() {
        return Ok(false);
    }
    for (a, b) in consts_a.iter().zip(consts_b.iter()) {
        let same = if a.is_instance_of::<PyCode>() && b.is_instance_of::<PyCode>() {
            a.eq(&b)? || same_but_for_nan(&a, &b)?
        } else {
            a.repr()?.to_cow()? == b.repr()?.to_cow()?
        };
        if !same {
            return Ok(false);
        }
    }
    let constants = PyDict::new(py);
    constants.set_item(name, consts_a)?;
    a.eq(b.call_method("replace", (), Some(&constants))?)
}

/// Names of globals and attributes in a code object and those inside it.
fn names_used(code: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let mut names: Vec<String> = code.getattr(intern!(code.py(), "co_names"))?.extract()?;
    for nested in nested_codes(code)? {
        names.extend(names_used(&nested)?);
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// A statement, without a line end, that imports those names that occur in an import at the left margin. Only a first guess,
/// as [`margin_block`] is.
fn import_statement(lines: &[String], names: &[String]) -> String {
    let mut imported: Vec<&str> = Vec::new();
    let mut in_parentheses = false;
    for line in lines {
        if !in_parentheses && !line.starts_with("import ") && !line.starts_with("from ") {
            continue;
        }
        let statement = line.split('#').next().unwrap_or_default();
        in_parentheses = (in_parentheses || statement.contains('(')) && !statement.contains(')');
        let words = statement.split(|c: char| !c.is_alphanumeric() && c != '_');
        imported.extend(words.filter(|word| names.iter().any(|name| name == word)));
    }
    imported.sort_unstable();
    imported.dedup();
    if imported.is_empty() { String::new() } else { format!("import {}", imported.join(",")) }
}

/// The lines from `start` to the end of the statement at the left margin, after as many empty lines as stood before
/// it. `None` if the line is indented. Only a first guess: what it gives is compiled and compared.
fn margin_block(lines: &[String], start: usize) -> Option<String> {
    let at_margin = |line: &str| line.starts_with(|c: char| !c.is_whitespace() && !matches!(c, '#' | ')' | ']' | '}'));
    if !at_margin(&lines[start]) {
        return None;
    }
    let is_decorator = |line: &str| line.starts_with('@');
    let mut end = start + 1;
    let mut in_head = is_decorator(&lines[start]);
    while end < lines.len() {
        let line = &lines[end];
        if at_margin(line) {
            if !in_head {
                break;
            }
            in_head = is_decorator(line);
        }
        end += 1;
    }
    Some("\n".repeat(start) + &lines[start..end].concat())
}
