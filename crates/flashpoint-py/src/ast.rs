//! Python's `ast` objects → [`flashpoint_frontend::syntax`], class by class.
//!
//! A table in code: each class of `ast` becomes the variant of the same name. What the front end does not know becomes
//! `Unknown` with the class's name; only the front end decides what that means.

use flashpoint_frontend::syntax::*;
use flashpoint_ir::generic::{Const, Span};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyComplex, PyFloat, PyInt, PyList, PyString, PyTuple};

/// A `def` or a `lambda`, owned.
pub enum Definition {
    FunctionDef(Box<FunctionDef>),
    Lambda(Box<Lambda>),
}

impl Definition {
    /// What the front end takes.
    pub fn source(&self) -> FunctionSource<'_> {
        match self {
            Definition::FunctionDef(def) => FunctionSource::FunctionDef(def),
            Definition::Lambda(lambda) => FunctionSource::Lambda(lambda),
        }
    }
}

/// Converts an `ast.FunctionDef` or `ast.Lambda`.
pub fn convert(node: &Bound<'_, PyAny>) -> PyResult<Definition> {
    let node = Node::new(node.clone())?;
    match node.kind() {
        "FunctionDef" => Ok(Definition::FunctionDef(Box::new(node.function_def()?))),
        "Lambda" => Ok(Definition::Lambda(Box::new(node.lambda()?))),
        kind => Err(PyTypeError::new_err(format!("flashpoint: `{kind}` is not a function"))),
    }
}

/// A node and the name of its class.
struct Node<'py> {
    object: Bound<'py, PyAny>,
    name: Bound<'py, PyString>,
}

impl<'py> Node<'py> {
    fn new(object: Bound<'py, PyAny>) -> PyResult<Self> {
        let name = object.get_type().name()?;
        Ok(Node { object, name })
    }

    fn kind(&self) -> &str {
        self.name.to_str().unwrap_or("?")
    }

    fn get(&self, field: &str) -> PyResult<Bound<'py, PyAny>> {
        self.object.getattr(field)
    }

    fn node(&self, field: &str) -> PyResult<Node<'py>> {
        Node::new(self.get(field)?)
    }

    fn opt<T>(&self, field: &str, convert: impl FnOnce(Node<'py>) -> PyResult<T>) -> PyResult<Option<T>> {
        match self.object.getattr_opt(field)? {
            Some(value) if !value.is_none() => Ok(Some(convert(Node::new(value)?)?)),
            _ => Ok(None),
        }
    }

    fn list<T>(&self, field: &str, convert: impl Fn(Node<'py>) -> PyResult<T>) -> PyResult<Vec<T>> {
        let list = self.get(field)?;
        list.cast::<PyList>()?.iter().map(|item| convert(Node::new(item)?)).collect()
    }

    fn list_opt<T>(&self, field: &str, convert: impl Fn(Node<'py>) -> PyResult<T>) -> PyResult<Vec<Option<T>>> {
        let list = self.get(field)?;
        let item = |item: Bound<'py, PyAny>| {
            if item.is_none() { Ok(None) } else { Ok(Some(convert(Node::new(item)?)?)) }
        };
        list.cast::<PyList>()?.iter().map(item).collect()
    }

    fn text(&self, field: &str) -> PyResult<String> {
        self.get(field)?.extract()
    }

    fn text_opt(&self, field: &str) -> PyResult<Option<String>> {
        self.get(field)?.extract()
    }

    fn names(&self, field: &str) -> PyResult<Vec<String>> {
        self.get(field)?.extract()
    }

    fn expr(&self, field: &str) -> PyResult<Expr> {
        self.node(field)?.to_expr()
    }

    fn boxed(&self, field: &str) -> PyResult<Box<Expr>> {
        Ok(Box::new(self.expr(field)?))
    }

    fn exprs(&self, field: &str) -> PyResult<Vec<Expr>> {
        self.list(field, |n| n.to_expr())
    }

    fn opt_expr(&self, field: &str) -> PyResult<Option<Expr>> {
        self.opt(field, |n| n.to_expr())
    }

    fn opt_boxed(&self, field: &str) -> PyResult<Option<Box<Expr>>> {
        Ok(self.opt_expr(field)?.map(Box::new))
    }

    fn body(&self, field: &str) -> PyResult<Vec<Stmt>> {
        self.list(field, |n| n.to_stmt())
    }

    fn unknown(&self) -> String {
        self.kind().to_owned()
    }

    fn span(&self) -> PyResult<Span> {
        let number = |field: &str| self.get(field)?.extract::<u32>();
        let (line, col) = (number("lineno")?, number("col_offset")?);
        let end = |field: &str, start: u32| -> PyResult<u32> {
            Ok(self.object.getattr_opt(field)?.and_then(|v| v.extract().ok()).unwrap_or(start))
        };
        Ok(Span { line, col, end_line: end("end_lineno", line)?, end_col: end("end_col_offset", col)? })
    }

    fn function_def(&self) -> PyResult<FunctionDef> {
        Ok(FunctionDef {
            span: self.span()?,
            name: self.text("name")?,
            args: self.node("args")?.arguments()?,
            body: self.body("body")?,
            decorator_list: self.exprs("decorator_list")?,
            returns: self.opt_expr("returns")?,
            has_type_params: match self.object.getattr_opt("type_params")? {
                Some(params) => params.len()? > 0,
                None => false,
            },
        })
    }

    fn lambda(&self) -> PyResult<Lambda> {
        Ok(Lambda { span: self.span()?, args: self.node("args")?.arguments()?, body: self.expr("body")? })
    }

    fn class_def(&self) -> PyResult<ClassDef> {
        Ok(ClassDef {
            name: self.text("name")?,
            bases: self.exprs("bases")?,
            keywords: self.list("keywords", |n| n.keyword())?,
            body: self.body("body")?,
            decorator_list: self.exprs("decorator_list")?,
        })
    }

    fn arguments(&self) -> PyResult<Arguments> {
        Ok(Arguments {
            posonlyargs: self.list("posonlyargs", |n| n.argument())?,
            args: self.list("args", |n| n.argument())?,
            vararg: self.opt("vararg", |n| n.argument())?,
            kwonlyargs: self.list("kwonlyargs", |n| n.argument())?,
            kw_defaults: self.list_opt("kw_defaults", |n| n.to_expr())?,
            kwarg: self.opt("kwarg", |n| n.argument())?,
            defaults: self.exprs("defaults")?,
        })
    }

    fn argument(&self) -> PyResult<Argument> {
        Ok(Argument { span: self.span()?, arg: self.text("arg")?, annotation: self.opt_expr("annotation")? })
    }

    fn keyword(&self) -> PyResult<Keyword> {
        Ok(Keyword { span: self.span()?, arg: self.text_opt("arg")?, value: self.expr("value")? })
    }

    fn comprehension(&self) -> PyResult<Comprehension> {
        Ok(Comprehension {
            target: self.expr("target")?,
            iter: self.expr("iter")?,
            ifs: self.exprs("ifs")?,
            is_async: self.get("is_async")?.is_truthy()?,
        })
    }

    fn except_handler(&self) -> PyResult<ExceptHandler> {
        Ok(ExceptHandler {
            span: self.span()?,
            r#type: self.opt_expr("type")?,
            name: self.text_opt("name")?,
            body: self.body("body")?,
        })
    }

    fn with_item(&self) -> PyResult<WithItem> {
        Ok(WithItem { context_expr: self.expr("context_expr")?, optional_vars: self.opt_expr("optional_vars")? })
    }

    fn match_case(&self) -> PyResult<MatchCase> {
        Ok(MatchCase {
            pattern: self.node("pattern")?.to_pattern()?,
            guard: self.opt_expr("guard")?,
            body: self.body("body")?,
        })
    }

    fn alias(&self) -> PyResult<Alias> {
        // 3.10 and later give aliases a position.
        Ok(Alias { span: self.span()?, name: self.text("name")?, asname: self.text_opt("asname")? })
    }

    fn to_stmt(&self) -> PyResult<Stmt> {
        let orelse = || self.body("orelse");
        let kind = match self.kind() {
            "FunctionDef" => StmtKind::FunctionDef(Box::new(self.function_def()?)),
            "AsyncFunctionDef" => StmtKind::AsyncFunctionDef(Box::new(self.function_def()?)),
            "ClassDef" => StmtKind::ClassDef(Box::new(self.class_def()?)),
            "Return" => StmtKind::Return { value: self.opt_expr("value")? },
            "Delete" => StmtKind::Delete { targets: self.exprs("targets")? },
            "Assign" => StmtKind::Assign { targets: self.exprs("targets")?, value: self.expr("value")? },
            "TypeAlias" => StmtKind::TypeAlias { name: self.expr("name")?, value: self.expr("value")? },
            "AugAssign" => match binary_op(self.node("op")?.kind()) {
                Some(op) => StmtKind::AugAssign { target: self.expr("target")?, op, value: self.expr("value")? },
                None => StmtKind::Unknown { kind: self.node("op")?.unknown() },
            },
            "AnnAssign" => StmtKind::AnnAssign {
                target: self.expr("target")?,
                annotation: self.expr("annotation")?,
                value: self.opt_expr("value")?,
                simple: self.get("simple")?.is_truthy()?,
            },
            "For" | "AsyncFor" => {
                let (target, iter, body, orelse) =
                    (self.expr("target")?, self.expr("iter")?, self.body("body")?, orelse()?);
                match self.kind() {
                    "For" => StmtKind::For { target, iter, body, orelse },
                    _ => StmtKind::AsyncFor { target, iter, body, orelse },
                }
            }
            "While" => StmtKind::While { test: self.expr("test")?, body: self.body("body")?, orelse: orelse()? },
            "If" => StmtKind::If { test: self.expr("test")?, body: self.body("body")?, orelse: orelse()? },
            "With" => StmtKind::With { items: self.list("items", |n| n.with_item())?, body: self.body("body")? },
            "AsyncWith" => {
                StmtKind::AsyncWith { items: self.list("items", |n| n.with_item())?, body: self.body("body")? }
            }
            "Match" => {
                StmtKind::Match { subject: self.expr("subject")?, cases: self.list("cases", |n| n.match_case())? }
            }
            "Raise" => StmtKind::Raise { exc: self.opt_expr("exc")?, cause: self.opt_expr("cause")? },
            "Try" | "TryStar" => {
                let (body, orelse, finalbody) = (self.body("body")?, orelse()?, self.body("finalbody")?);
                let handlers = self.list("handlers", |n| n.except_handler())?;
                match self.kind() {
                    "Try" => StmtKind::Try { body, handlers, orelse, finalbody },
                    _ => StmtKind::TryStar { body, handlers, orelse, finalbody },
                }
            }
            "Assert" => StmtKind::Assert { test: self.expr("test")?, msg: self.opt_expr("msg")? },
            "Import" => StmtKind::Import { names: self.list("names", |n| n.alias())? },
            "ImportFrom" => StmtKind::ImportFrom {
                module: self.text_opt("module")?,
                names: self.list("names", |n| n.alias())?,
                level: self.get("level")?.extract::<Option<u32>>()?.unwrap_or(0),
            },
            "Global" => StmtKind::Global { names: self.names("names")? },
            "Nonlocal" => StmtKind::Nonlocal { names: self.names("names")? },
            "Expr" => StmtKind::Expr { value: self.expr("value")? },
            "Pass" => StmtKind::Pass,
            "Break" => StmtKind::Break,
            "Continue" => StmtKind::Continue,
            _ => StmtKind::Unknown { kind: self.unknown() },
        };
        Ok(Stmt { span: self.span()?, kind })
    }

    fn to_expr(&self) -> PyResult<Expr> {
        let generators = || self.list("generators", |n| n.comprehension());
        let kind = match self.kind() {
            "BoolOp" => match bool_op(self.node("op")?.kind()) {
                Some(op) => ExprKind::BoolOp { op, values: self.exprs("values")? },
                None => ExprKind::Unknown { kind: self.node("op")?.unknown() },
            },
            "NamedExpr" => ExprKind::NamedExpr { target: self.boxed("target")?, value: self.boxed("value")? },
            "BinOp" => match binary_op(self.node("op")?.kind()) {
                Some(op) => ExprKind::BinOp { left: self.boxed("left")?, op, right: self.boxed("right")? },
                None => ExprKind::Unknown { kind: self.node("op")?.unknown() },
            },
            "UnaryOp" => match unary_op(self.node("op")?.kind()) {
                Some(op) => ExprKind::UnaryOp { op, operand: self.boxed("operand")? },
                None => ExprKind::Unknown { kind: self.node("op")?.unknown() },
            },
            "Lambda" => ExprKind::Lambda(Box::new(self.lambda()?)),
            "IfExp" => {
                ExprKind::IfExp { test: self.boxed("test")?, body: self.boxed("body")?, orelse: self.boxed("orelse")? }
            }
            "Dict" => ExprKind::Dict { keys: self.list_opt("keys", |n| n.to_expr())?, values: self.exprs("values")? },
            "Set" => ExprKind::Set { elts: self.exprs("elts")? },
            "ListComp" => ExprKind::ListComp { elt: self.boxed("elt")?, generators: generators()? },
            "SetComp" => ExprKind::SetComp { elt: self.boxed("elt")?, generators: generators()? },
            "DictComp" => {
                ExprKind::DictComp { key: self.boxed("key")?, value: self.boxed("value")?, generators: generators()? }
            }
            "GeneratorExp" => ExprKind::GeneratorExp { elt: self.boxed("elt")?, generators: generators()? },
            "Await" => ExprKind::Await { value: self.boxed("value")? },
            "Yield" => ExprKind::Yield { value: self.opt_boxed("value")? },
            "YieldFrom" => ExprKind::YieldFrom { value: self.boxed("value")? },
            "Compare" => {
                let names = self.list("ops", |n| Ok(n.unknown()))?;
                match names.iter().map(|name| compare_op(name)).collect() {
                    Some(ops) => {
                        ExprKind::Compare { left: self.boxed("left")?, ops, comparators: self.exprs("comparators")? }
                    }
                    None => ExprKind::Unknown { kind: names.join(" ") },
                }
            }
            "Call" => ExprKind::Call {
                func: self.boxed("func")?,
                args: self.exprs("args")?,
                keywords: self.list("keywords", |n| n.keyword())?,
            },
            "FormattedValue" => ExprKind::FormattedValue {
                value: self.boxed("value")?,
                conversion: self.get("conversion")?.extract()?,
                format_spec: self.opt_boxed("format_spec")?,
            },
            "JoinedStr" => ExprKind::JoinedStr { values: self.exprs("values")? },
            "Constant" => match constant(&self.get("value")?)? {
                Some(value) => ExprKind::Constant { value },
                None => ExprKind::Unknown { kind: self.unknown() },
            },
            "Attribute" => ExprKind::Attribute { value: self.boxed("value")?, attr: self.text("attr")? },
            "Subscript" => ExprKind::Subscript { value: self.boxed("value")?, slice: self.boxed("slice")? },
            "Starred" => ExprKind::Starred { value: self.boxed("value")? },
            "Name" => ExprKind::Name { id: self.text("id")? },
            "List" => ExprKind::List { elts: self.exprs("elts")? },
            "Tuple" => ExprKind::Tuple { elts: self.exprs("elts")? },
            "Slice" => ExprKind::Slice {
                lower: self.opt_boxed("lower")?,
                upper: self.opt_boxed("upper")?,
                step: self.opt_boxed("step")?,
            },
            _ => ExprKind::Unknown { kind: self.unknown() },
        };
        Ok(Expr { span: self.span()?, kind })
    }

    fn to_pattern(&self) -> PyResult<Pattern> {
        let patterns = |field: &str| self.list(field, |n| n.to_pattern());
        let kind = match self.kind() {
            "MatchValue" => PatternKind::MatchValue { value: self.expr("value")? },
            "MatchSingleton" => match constant(&self.get("value")?)? {
                Some(value) => PatternKind::MatchSingleton { value },
                None => PatternKind::Unknown { kind: self.unknown() },
            },
            "MatchSequence" => PatternKind::MatchSequence { patterns: patterns("patterns")? },
            "MatchMapping" => PatternKind::MatchMapping {
                keys: self.exprs("keys")?,
                patterns: patterns("patterns")?,
                rest: self.text_opt("rest")?,
            },
            "MatchClass" => PatternKind::MatchClass {
                cls: self.expr("cls")?,
                patterns: patterns("patterns")?,
                kwd_attrs: self.names("kwd_attrs")?,
                kwd_patterns: patterns("kwd_patterns")?,
            },
            "MatchStar" => PatternKind::MatchStar { name: self.text_opt("name")? },
            "MatchAs" => PatternKind::MatchAs {
                pattern: self.opt("pattern", |n| n.to_pattern())?.map(Box::new),
                name: self.text_opt("name")?,
            },
            "MatchOr" => PatternKind::MatchOr { patterns: patterns("patterns")? },
            _ => PatternKind::Unknown { kind: self.unknown() },
        };
        Ok(Pattern { span: self.span()?, kind })
    }
}

/// The value of an `ast.Constant`; `None` if it has no host-independent form (a string with a lone surrogate).
fn constant(value: &Bound<'_, PyAny>) -> PyResult<Option<Const>> {
    Ok(Some(if value.is_none() {
        Const::None
    } else if value.is(value.py().Ellipsis()) {
        Const::Ellipsis
    } else if let Ok(value) = value.cast_exact::<PyBool>() {
        Const::Bool(value.is_true())
    } else if value.is_exact_instance_of::<PyInt>() {
        match value.extract::<i64>() {
            Ok(small) => Const::Int(small),
            // `str()` refuses integers of more than 4300 digits, which the parser refuses as well, unless in hexadecimal.
            Err(_) => match value.str() {
                Ok(digits) => Const::BigInt(digits.to_str()?.to_owned()),
                Err(_) => return Ok(None),
            },
        }
    } else if let Ok(value) = value.cast_exact::<PyFloat>() {
        Const::Float(value.value().to_bits())
    } else if let Ok(value) = value.cast_exact::<PyComplex>() {
        Const::Complex(value.real().to_bits(), value.imag().to_bits())
    } else if let Ok(value) = value.cast_exact::<PyString>() {
        match value.to_str() {
            Ok(text) => Const::Str(text.to_owned()),
            Err(_) => return Ok(None),
        }
    } else if let Ok(value) = value.cast_exact::<PyBytes>() {
        Const::Bytes(value.as_bytes().to_vec())
    } else if let Ok(items) = value.cast_exact::<PyTuple>() {
        match items.iter().map(|item| constant(&item)).collect::<PyResult<Option<Vec<_>>>>()? {
            Some(items) => Const::Tuple(items),
            None => return Ok(None),
        }
    } else {
        return Ok(None);
    }))
}
